import fc from 'fast-check';
import sax from 'sax';
import { describe, expect, it } from 'vitest';
import { type Chart, renderChart } from '../../src/report/index.ts';

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  text: string;
}

/** Strict XML, or it throws. */
function elements(svg: string): Element[] {
  const parser = sax.parser(true);
  const found: Element[] = [];
  const open: Element[] = [];
  parser.onopentag = ({ name, attributes }) => {
    const element = { name, attributes: attributes as Record<string, string>, text: '' };
    found.push(element);
    open.push(element);
  };
  parser.ontext = (text) => {
    const inner = open.at(-1);
    if (inner !== undefined) {
      inner.text += text;
    }
  };
  parser.onclosetag = () => {
    open.pop();
  };
  parser.write(svg).close();
  return found;
}

const texts = (svg: string): string[] =>
  elements(svg)
    .filter(({ name }) => name === 'text')
    .map(({ text }) => text);

const line: Chart = {
  kind: 'line',
  title: 'Goodput by depth',
  subtitle: 'nvme0 to gpu0',
  x: { label: 'workload.depth', unit: '' },
  categories: ['1', '2', '4', '8'],
  y: { label: 'goodput', unit: 'B/s' },
  series: [
    { name: 'peer to peer', values: [1e9, 2e9, 4e9, 7.1e9] },
    { name: 'bounced', values: [0.5e9, null, 2e9, 3e9] },
  ],
};

describe('a line chart', () => {
  const svg = renderChart(line);

  it('has title, axes with units and nice ticks, categories and a legend', () => {
    expect(texts(svg)).toEqual(
      expect.arrayContaining([
        'Goodput by depth',
        'nvme0 to gpu0',
        'goodput (GB/s)',
        'workload.depth',
        ...['0', '2', '4', '6', '8'],
        ...['peer to peer', 'bounced'],
      ]),
    );
    const [root] = elements(svg);
    expect(root).toMatchObject({ name: 'svg' });
    expect(root!.attributes.viewBox).toMatch(/^0 0 860 \d+$/);
  });

  it('has a gap where nothing was measured, and a mark at every value', () => {
    const drawn = elements(svg);
    expect(drawn.filter(({ name }) => name === 'circle')).toHaveLength(7);
    const paths = drawn.filter(({ name, attributes }) => name === 'path' && /[ML].*M?/.test(attributes.d!));
    const curves = paths.map(({ attributes }) => attributes.d!).filter((d) => d.includes('L'));
    expect(curves.map((d) => d.replace(/[^ML]/g, ''))).toEqual(['MLLL', 'MML']);
  });

  it('puts values where they belong: twice as much is twice as high', () => {
    const heights = elements(svg)
      .filter(({ name }) => name === 'circle')
      .slice(0, 3)
      .map(({ attributes }) => Number(attributes.cy));
    const ticks = elements(svg).filter(({ attributes }) => attributes.class === 'g');
    const zero = Number(/M\S+ (\S+?)h/.exec(ticks[0]!.attributes.d!)![1]);
    expect((zero - heights[1]!) / (zero - heights[0]!)).toBeCloseTo(2, 2);
    expect((zero - heights[2]!) / (zero - heights[0]!)).toBeCloseTo(4, 2);
  });
});

describe('a bar chart', () => {
  const bars = (chart: Partial<Chart> = {}): Element[] =>
    elements(renderChart({ ...line, kind: 'bar', ...chart } as Chart)).filter(
      ({ name, attributes }) => name === 'rect' && attributes.class !== 'b',
    );

  it('has a bar for every value, side by side', () => {
    // Seven values, and two in the legend.
    const drawn = bars();
    expect(drawn).toHaveLength(9);
    const places = drawn.map(({ attributes }) => [Number(attributes.x), Number(attributes.width)] as const);
    const sorted = places.slice(2).sort(([a], [b]) => a - b);
    for (const [index, [x]] of sorted.entries()) {
      const [before, width] = sorted[index - 1] ?? [0, 0];
      expect(x).toBeGreaterThanOrEqual(before + width);
    }
  });

  it('stands on zero, also with values below it', () => {
    const drawn = bars({ series: [{ name: 'change', values: [5, -5, null, 0] }] });
    const [up, down, flat] = drawn.map(({ attributes }) => [Number(attributes.y), Number(attributes.height)]);
    expect(up![0]! + up![1]!).toBeCloseTo(down![0]!, 1);
    expect(flat![1]).toBe(0);
  });
});

describe('axes', () => {
  it('are logarithmic when asked, and leave out what has no place there', () => {
    const svg = renderChart({
      kind: 'line',
      title: 'Latency',
      x: { label: 'block', unit: 'B' },
      xValues: [512, 4096, 65_536, 1_048_576],
      isLogX: true,
      isLogY: true,
      y: { label: 'p99', unit: 's' },
      series: [{ name: 'p99', values: [2e-6, 0, 2e-4, 2e-3] }],
    });
    expect(texts(svg)).toEqual(expect.arrayContaining(['p99 (ms)', '0.001', '0.1', '10']));
    expect(elements(svg).filter(({ name }) => name === 'circle')).toHaveLength(3);
    expect(texts(svg)).not.toContain('NaN');
  });

  it('write units with one prefix for all of an axis', () => {
    const svg = renderChart({
      ...line,
      y: { label: 'iops', unit: 'IOPS' },
      series: [{ name: 'iops', values: [1, 2, 1_500_000, 3] }],
    });
    expect(texts(svg)).toEqual(expect.arrayContaining(['iops (M IOPS)', '0.5', '1.0', '1.5']));
  });

  it('turn long categories', () => {
    const categories = Array.from({ length: 12 }, (_, index) => `a rather long category ${index}`);
    const svg = renderChart({
      ...line,
      categories,
      series: [{ name: 'x', values: categories.map(() => 1) }],
    });
    expect(
      elements(svg).filter(({ attributes }) => attributes.transform?.startsWith('rotate(-40')),
    ).toHaveLength(12);
  });

  it('say so when there is nothing to show', () => {
    expect(
      texts(renderChart({ ...line, series: [{ name: 'x', values: [null, null, null, null] }] })),
    ).toContain('no values');
  });
});

describe('any chart', () => {
  const value = fc.option(
    fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, 1e-300, 1e300, Number.MAX_VALUE)),
  );
  const chart = fc.integer({ min: 0, max: 20 }).chain((width) =>
    fc.record({
      kind: fc.constantFrom('line', 'bar'),
      title: fc.string({ unit: 'binary' }),
      x: fc.record({ label: fc.string(), unit: fc.constantFrom('', 'B') }),
      categories: fc.array(fc.string({ unit: 'binary' }), { minLength: width, maxLength: width }),
      y: fc.record({ label: fc.string(), unit: fc.constantFrom('', 'B/s', 's', '%', 'IOPS') }),
      isLogY: fc.boolean(),
      series: fc.array(
        fc.record({
          name: fc.string({ unit: 'binary' }),
          values: fc.array(value, { minLength: width, maxLength: width }),
        }),
        { maxLength: 12 },
      ),
    }),
  );

  it('is well-formed, without a number that is none, and the same twice', () => {
    fc.assert(
      fc.property(chart as fc.Arbitrary<Chart>, (each) => {
        const svg = renderChart(each);
        for (const { name, attributes } of elements(svg)) {
          for (const [key, text] of Object.entries(attributes)) {
            expect(text, `${name} ${key}`).not.toMatch(/NaN|Infinity|undefined/);
          }
        }
        expect(renderChart(each)).toBe(svg);
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });
});
