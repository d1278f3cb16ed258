/**
 * Line and bar charts as SVG text. No browser, no script, no font file: generic fonts, colours for light and dark surroundings.
 * Numbers are written with at most two decimals, so that the same chart is the same bytes on every machine.
 */
import { linearScale, logScale, SCALE_LIMIT, type Scale } from './axis.ts';
import { prefixFor, type SiPrefix, unitText } from './quantity.ts';

export interface ChartAxis {
  readonly label: string;
  /** Without a prefix: `B/s`, `s`, `IOPS`. Empty: none. The prefix follows from the values. */
  readonly unit: string;
}

export interface ChartSeries {
  readonly name: string;
  /** One for each category, or one for each x; null: nothing was measured, a gap. In the unit of the y axis. */
  readonly values: readonly (number | null)[];
}

interface ChartBase {
  readonly title: string;
  /** A second line, smaller. */
  readonly subtitle?: string;
  readonly y: ChartAxis;
  /** Values at or below zero are gaps on a logarithmic axis. Default false. */
  readonly isLogY?: boolean;
  readonly series: readonly ChartSeries[];
}

/** `line` and `bar` over words, in their order; `line` over numbers when `xValues` are given. */
export type Chart = ChartBase &
  (
    | { readonly kind: 'line' | 'bar'; readonly x: ChartAxis; readonly categories: readonly string[] }
    | {
        readonly kind: 'line';
        readonly x: ChartAxis;
        readonly xValues: readonly number[];
        readonly isLogX?: boolean;
      }
  );

const WIDTH = 860;
const PLOT_HEIGHT = 340;
const LEFT = 86;
const RIGHT = 24;
const CHARACTER = 6.6;
const LEGEND_ROW = 20;

/** Told apart by people who see fewer colours too, on white and on black (Okabe and Ito, the dark ones lightened). */
const COLOURS = ['#1f8fd6', '#e0701c', '#0d9e73', '#c26aa0', '#b8941f', '#7a78d8', '#c8443a', '#5f8a8b'];
/** And by how the line is drawn, once the colours have been used. */
const DASHES = ['', '7 4', '2 3', '10 3 2 3'];

/** @returns a whole SVG document */
export function renderChart(chart: Chart): string {
  const legend = legendRows(chart.series);
  const top = 46 + (chart.subtitle === undefined ? 0 : 18) + legend.length * LEGEND_ROW + 12;
  const labels = 'categories' in chart ? chart.categories : [];
  const slot = labels.length === 0 ? 0 : (WIDTH - LEFT - RIGHT) / labels.length;
  const isTurned = labels.some((label) => label.length * CHARACTER > slot - 8);
  const bottom = isTurned ? 30 + Math.min(130, Math.max(...labels.map(({ length }) => length)) * 4.8) : 26;
  const height = top + PLOT_HEIGHT + bottom + 34;
  const box: Box = { left: LEFT, top, width: WIDTH - LEFT - RIGHT, height: PLOT_HEIGHT };

  const shown = chart.series.map(({ values }) =>
    values.map((value) => (isShown(value, chart.isLogY === true) ? value : null)),
  );
  const known = shown.flat().filter((value): value is number => value !== null);
  const prefix = prefixFor(largest(known), chart.y.unit);
  const y = scaleOf(
    known.map((value) => value / prefix.factor),
    chart.isLogY === true,
    6,
    true,
  );
  const at = (value: number): number => box.top + box.height * (1 - y.position(value / prefix.factor));

  const parts = [
    head(height, chart.title),
    titles(chart),
    ...legend.flatMap((row, index) =>
      legendRow(row, 46 + (chart.subtitle === undefined ? 0 : 18) + index * LEGEND_ROW, chart.kind),
    ),
    ...yAxis(box, y, chart.y, prefix),
  ];
  if ('categories' in chart) {
    parts.push(...categoryAxis(box, chart.categories, isTurned));
    parts.push(
      ...(chart.kind === 'bar'
        ? bars(box, shown, at, chart.series, chart.categories.length)
        : lines(shown, (index) => box.left + (index + 0.5) * (box.width / chart.categories.length), at)),
    );
  } else {
    const xPrefix = prefixFor(largest(chart.xValues), chart.x.unit);
    const isLogX = chart.isLogX === true && chart.xValues.every((value) => value > 0);
    const x = scaleOf(
      chart.xValues.map((value) => value / xPrefix.factor),
      isLogX,
      8,
      false,
    );
    parts.push(...numberAxis(box, x, xPrefix, chart.x.unit));
    parts.push(
      ...lines(
        shown,
        (index) => box.left + box.width * x.position((chart.xValues[index] ?? 0) / xPrefix.factor),
        at,
      ),
    );
  }
  if (known.length === 0) {
    parts.push(
      `<text x="${n(box.left + box.width / 2)}" y="${n(box.top + box.height / 2)}" class="t" text-anchor="middle">no values</text>`,
    );
  }
  parts.push(
    `<text x="${n(box.left + box.width / 2)}" y="${n(height - 12)}" class="t" text-anchor="middle">${escaped(chart.x.label)}</text>`,
    '</svg>',
  );
  return `${parts.join('\n')}\n`;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function isShown(value: number | null | undefined, isLog: boolean): value is number {
  return (
    value !== null &&
    value !== undefined &&
    Math.abs(value) <= SCALE_LIMIT &&
    (!isLog || value >= 1 / SCALE_LIMIT)
  );
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Linear axes of heights start at zero: a bar that does not is a lie. */
function scaleOf(values: readonly number[], isLog: boolean, wanted: number, fromZero: boolean): Scale {
  if (values.length === 0) {
    return linearScale(0, 1, wanted);
  }
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (isLog) {
    return logScale(low, high);
  }
  return linearScale(fromZero ? Math.min(0, low) : low, fromZero ? Math.max(0, high) : high, wanted);
}

function head(height: number, title: string): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${n(height)}" role="img">`,
    `<title>${escaped(title)}</title>`,
    '<style>',
    'text{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:12px;fill:#333}',
    '.h{font-size:17px;font-weight:600}.t{font-size:12.5px}.a{fill:#666}',
    '.b{fill:#fff}.g{stroke:#ddd}.x{stroke:#888}',
    '@media(prefers-color-scheme:dark){text{fill:#ddd}.a{fill:#aaa}.b{fill:#16181c}.g{stroke:#383c42}.x{stroke:#888}}',
    '</style>',
    `<rect class="b" width="${WIDTH}" height="${n(height)}"/>`,
  ].join('\n');
}

function titles(chart: Chart): string {
  const title = `<text x="${LEFT}" y="28" class="h">${escaped(chart.title)}</text>`;
  return chart.subtitle === undefined
    ? title
    : `${title}\n<text x="${LEFT}" y="48" class="a">${escaped(chart.subtitle)}</text>`;
}

interface LegendEntry {
  readonly name: string;
  readonly index: number;
  readonly x: number;
}

/** Names side by side as long as there is room. One series needs no legend: the axis says what it is. */
function legendRows(series: readonly ChartSeries[]): readonly (readonly LegendEntry[])[] {
  if (series.length < 2) {
    return [];
  }
  const rows: LegendEntry[][] = [[]];
  let x = LEFT;
  for (const [index, { name }] of series.entries()) {
    const width = 44 + name.length * CHARACTER;
    if (x + width > WIDTH - RIGHT && rows.at(-1)!.length > 0) {
      rows.push([]);
      x = LEFT;
    }
    rows.at(-1)!.push({ name, index, x });
    x += width;
  }
  return rows;
}

function legendRow(row: readonly LegendEntry[], top: number, kind: Chart['kind']): string[] {
  const y = top + 10;
  return row.flatMap(({ name, index, x }) => [
    kind === 'bar'
      ? `<rect x="${n(x)}" y="${n(y - 6)}" width="22" height="11" ${fill(index)}/>`
      : `<path d="M${n(x)} ${n(y)}h22" ${stroke(index)}/>`,
    `<text x="${n(x + 28)}" y="${n(y + 4)}">${escaped(name)}</text>`,
  ]);
}

function yAxis(box: Box, scale: Scale, axis: ChartAxis, prefix: SiPrefix): string[] {
  const unit = unitText(prefix, axis.unit).trim();
  const label = unit === '' ? axis.label : `${axis.label} (${unit})`;
  const middle = n(box.top + box.height / 2);
  return [
    ...scale.ticks.flatMap((tick) => {
      const y = box.top + box.height * (1 - scale.position(tick));
      return [
        `<path d="M${n(box.left)} ${n(y)}h${n(box.width)}" class="g"/>`,
        `<text x="${n(box.left - 8)}" y="${n(y + 4)}" class="a" text-anchor="end">${escaped(scale.text(tick))}</text>`,
      ];
    }),
    `<path d="M${n(box.left)} ${n(box.top)}v${n(box.height)}" class="x"/>`,
    `<text x="20" y="${middle}" class="t" text-anchor="middle" transform="rotate(-90 20 ${middle})">${escaped(label)}</text>`,
  ];
}

function numberAxis(box: Box, scale: Scale, prefix: SiPrefix, unit: string): string[] {
  const bottom = box.top + box.height;
  return [
    ...scale.ticks.flatMap((tick) => {
      const x = box.left + box.width * scale.position(tick);
      return [
        `<path d="M${n(x)} ${n(bottom)}v5" class="x"/>`,
        `<text x="${n(x)}" y="${n(bottom + 19)}" class="a" text-anchor="middle">${escaped(scale.text(tick))}${escaped(unitText(prefix, unit))}</text>`,
      ];
    }),
    `<path d="M${n(box.left)} ${n(bottom)}h${n(box.width)}" class="x"/>`,
  ];
}

function categoryAxis(box: Box, categories: readonly string[], isTurned: boolean): string[] {
  const bottom = box.top + box.height;
  const slot = box.width / Math.max(1, categories.length);
  // Below this width not even turned labels stay apart.
  const every = Math.max(1, Math.ceil(14 / slot));
  return [
    ...categories.flatMap((category, index) => {
      if (index % every !== 0) {
        return [];
      }
      const x = box.left + (index + 0.5) * slot;
      const text = shortened(category);
      return [
        isTurned
          ? `<text x="${n(x + 4)}" y="${n(bottom + 16)}" class="a" text-anchor="end" transform="rotate(-40 ${n(x + 4)} ${n(bottom + 16)})">${escaped(text)}</text>`
          : `<text x="${n(x)}" y="${n(bottom + 19)}" class="a" text-anchor="middle">${escaped(text)}</text>`,
      ];
    }),
    `<path d="M${n(box.left)} ${n(bottom)}h${n(box.width)}" class="x"/>`,
  ];
}

function lines(
  shown: readonly (readonly (number | null)[])[],
  x: (index: number) => number,
  y: (value: number) => number,
): string[] {
  return shown.flatMap((values, series) => {
    let path = '';
    let isOpen = false;
    const marks: string[] = [];
    for (const [index, value] of values.entries()) {
      if (value === null) {
        isOpen = false;
        continue;
      }
      path += `${isOpen ? 'L' : 'M'}${n(x(index))} ${n(y(value))}`;
      isOpen = true;
      // A value between two gaps has no line, and must be seen all the same.
      marks.push(`<circle cx="${n(x(index))}" cy="${n(y(value))}" r="3" ${fill(series)}/>`);
    }
    return path === '' ? [] : [`<path d="${path}" ${stroke(series)}/>`, ...marks];
  });
}

function bars(
  box: Box,
  shown: readonly (readonly (number | null)[])[],
  y: (value: number) => number,
  series: readonly ChartSeries[],
  categories: number,
): string[] {
  const slot = box.width / Math.max(1, categories);
  const width = (slot * 0.8) / Math.max(1, series.length);
  // A logarithmic axis has no zero; its bars stand on the lowest tick.
  const zero = Math.min(Math.max(y(0), box.top), box.top + box.height);
  const foot = Number.isFinite(zero) ? zero : box.top + box.height;
  return shown.flatMap((values, index) =>
    values.flatMap((value, category) => {
      if (value === null) {
        return [];
      }
      const head = y(value);
      const x = box.left + category * slot + slot * 0.1 + index * width;
      return [
        `<rect x="${n(x)}" y="${n(Math.min(head, foot))}" width="${n(Math.max(0.5, width - 1))}" height="${n(Math.abs(foot - head))}" ${fill(index)}/>`,
      ];
    }),
  );
}

function fill(series: number): string {
  return `fill="${COLOURS[series % COLOURS.length]}"`;
}

function stroke(series: number): string {
  const dash = DASHES[Math.floor(series / COLOURS.length) % DASHES.length];
  return `fill="none" stroke="${COLOURS[series % COLOURS.length]}" stroke-width="2"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`;
}

function shortened(text: string): string {
  return text.length > 28 ? `${text.slice(0, 27)}…` : text;
}

/** A coordinate: two decimals at most, and no negative zero. */
function n(value: number): string {
  const rounded = Math.round(value * 100) / 100;
  return String(rounded === 0 ? 0 : rounded);
}

/** XML 1.0 has no place for control characters and lone surrogates, not even escaped. */
function escaped(text: string): string {
  return (
    text
      .replace(/\p{Cs}/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}
