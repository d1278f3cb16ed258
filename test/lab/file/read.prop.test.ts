import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { type LabFile, parseLab, printLab } from '../../../src/lab/index.ts';
import { examples } from './examples.ts';

/** Reads; undefined for a `LabError`. Any other error is a failure of the test. */
function read(text: string): LabFile | undefined {
  try {
    return parseLab(text, 'x');
  } catch (error) {
    if (error instanceof LabError) {
      expect(error.code).toMatch(/^LAB_[A-Z_]+$/);
      expect(error.message).toMatch(/^x:\d+:\d+: ./);
      expect(error.message.includes('\n')).toBe(false);
      return undefined;
    }
    throw error;
  }
}

function readAndPrint(text: string): void {
  const lab = read(text);
  if (lab !== undefined) {
    expect(read(printLab(lab))).toEqual(lab);
  }
}

/** Words that mean something somewhere, and some that mean trouble. */
const words = [
  'nvme',
  'switch',
  'port',
  'root-port',
  'vmd',
  'pci-bridge',
  'generic',
  'gpu',
  'nic',
  'memory',
  'accelerator',
  'below',
  'acs',
  'cmb',
  'bars',
  'link',
  'at',
  'sr-iov',
  'time',
  'workload',
  'streams',
  'read',
  'copy',
  'timing',
  'media',
  'latency',
  '10ms',
  '3GB/s',
  'integrated',
  'none',
  'on',
  'off',
  'auto',
  '64M',
  '1.5T',
  'gen4 x16',
  '00.0',
  '.1',
  '1c',
  '0x1d',
  '-1',
  '1e400',
  'NaN',
  '.inf',
  '9007199254740993',
  '~',
  'null',
  '{}',
  '[]',
  '""',
  '&a b',
  '*a',
  '<<: *a',
  '!!binary x',
  '%YAML 1.1',
  '__proto__',
  'constructor',
  'toString',
  '? a',
  '- - -',
  '|',
  '>',
  '---',
  '...',
  '\t',
  '\u0000',
  '\ud800',
  '\u2028',
  '"\\u0007"',
] as const;

describe('parseLab', () => {
  it('gives a lab or a LabError for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        readAndPrint(text);
        readAndPrint(`peerlane: lab/1\n${text}`);
        readAndPrint(`peerlane: lab/1\nbelow: [${text}]`);
      }),
      { numRuns: 200 },
    );
  });

  it('gives a lab or a LabError for any words that it knows, nested anyhow', () => {
    const word = fc.constantFrom(...words);
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        word,
        fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
        fc
          .array(fc.tuple(word, tie('value')), { maxLength: 5 })
          .map((pairs) => `{${pairs.map(([key, item]) => `${key}: ${item}`).join(', ')}}`),
      ),
    })).value;
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom(
              ...(['below', 'host-bridges', 'iopmem', 'cpu', 'iommu', 'time', 'workload'] as const),
              ...words,
            ),
            value,
          ),
        ),
        (pairs) => {
          readAndPrint(`peerlane: lab/1\n${pairs.map(([key, item]) => `${key}: ${item}`).join('\n')}`);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('gives a lab or a LabError for any mutation of an example', () => {
    const change = fc.oneof(
      fc.record({ from: fc.nat(), length: fc.nat(20), text: fc.constantFrom('', ...words) }),
      fc.record({ from: fc.nat(), length: fc.constant(1), text: fc.string({ maxLength: 3 }) }),
    );
    fc.assert(
      fc.property(
        fc.nat(examples.length - 1),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        (which, changes) => {
          let text = examples[which]![1];
          for (const { from, length, text: inserted } of changes) {
            const at = from % text.length;
            text = text.slice(0, at) + inserted + text.slice(at + length);
          }
          readAndPrint(text);
        },
      ),
      { numRuns: 80 },
    );
  });

  it('gives a lab or a LabError when words of one line move to another', () => {
    fc.assert(
      fc.property(fc.nat(examples.length - 1), fc.nat(), fc.nat(), (which, a, b) => {
        const lines = examples[which]![1].split('\n');
        const [i, j] = [a % lines.length, b % lines.length];
        const moved = lines[i]!;
        lines[i] = lines[j]!;
        lines[j] = moved;
        readAndPrint(lines.join('\n'));
      }),
      { numRuns: 80 },
    );
  });
});

describe('printLab', () => {
  const name = fc.stringMatching(/^[A-Z][A-Za-z0-9_-]{5,10}$/);
  const power = (from: number, to: number) =>
    fc.integer({ min: from, max: to }).map((exponent) => String(2 ** exponent));
  const bits = fc.subarray(['SV', 'TB', 'RR', 'CR', 'UF', 'DT']);
  const acs = fc.oneof(
    fc.constantFrom('none', 'off', 'on', 'auto', '0x3c'),
    bits.map((list) => `[${list.join(', ')}]`),
    fc
      .tuple(bits, fc.uniqueArray(fc.nat(9), { maxLength: 3 }))
      .map(([list, egress]) => `{firmware: [${list.join(', ')}], egress: [${egress.join(', ')}]}`),
  );
  const link = fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(1, 2, 4, 8, 16))
    .map(([generation, width]) => `gen${generation} x${width}`);
  const fields = (shape: Record<string, fc.Arbitrary<unknown>>) =>
    fc.record(shape, { requiredKeys: [] }).map((record) =>
      Object.entries(record)
        .map(([key, value]) => `, ${key}: ${value}`)
        .join(''),
    );
  const common = { acs, 'max-payload': power(7, 12) };
  const endpoint = {
    ...common,
    link,
    trained: fc.constant('gen1 x1'),
    vectors: fc.integer({ min: 1, max: 99 }),
    ats: fc.boolean(),
    timing: fc.constantFrom(
      'gpu',
      '{preset: nic, tags: 8}',
      '{transactions: 47M, strict: yes, credits: {posted-data: inf}}',
    ),
    revision: fc.constantFrom('01', 'ff'),
  };
  const nvme = fields({
    ...endpoint,
    cmb: fc.tuple(power(12, 30), power(12, 30)).map(([size, offset]) => `{size: ${size}, offset: ${offset}}`),
    pmr: power(21, 30),
    queues: fc.integer({ min: 1, max: 64 }),
    media: fc.constantFrom(
      'gen4',
      '{preset: gen5, read-iops: 1500k}',
      '{write-bandwidth: 3GB/s, mixed: 0.3}',
    ),
    namespaces: fc
      .array(fc.constantFrom('1G', '{size: 4M, block: 4096}', '1.92TB'), { maxLength: 3 })
      .map((list) => `[${list.join(', ')}]`),
  }).map((rest) => `nvme: NAME${rest}`);
  const gpu = fields({
    ...endpoint,
    'sr-iov': fc.integer({ min: 0, max: 9 }),
    bars: fc
      .tuple(power(4, 31), power(20, 40))
      .map(([first, second]) => `{0: ${first} 32-bit prefetchable, 2: ${second}, 5: 128 io}`),
  }).map((rest) => `gpu: NAME${rest}`);
  const tree = fc.letrec<{ slot: string; port: string; bus: string }>((tie) => ({
    slot: fc.oneof(
      { depthSize: 'small' },
      nvme,
      gpu,
      fc
        .tuple(fields({ ...common, 'port-link': link, trained: fc.constant('gen1 x1') }), tie('bus'))
        .map(([rest, below]) => `switch: NAME${rest}, below: [${below}]`),
    ),
    port: fc.oneof(
      tie('slot'),
      fc
        .tuple(
          fields({ ...common, link, 'hot-plug': fc.boolean(), slot: fc.nat(99) }),
          fc.option(tie('slot')),
          fc.option(gpu),
        )
        .map(([rest, first, second]) => {
          const below = first === null ? '' : `{${first}}${second === null ? '' : `, {${second}, at: .3}`}`;
          return `PORT: ${rest}, below: [${below}]`;
        }),
    ),
    bus: fc
      .array(tie('port'), { maxLength: 4 })
      .map((items) => items.map((item) => `{${item.replace('PORT', 'port')}}`).join(', ')),
  }));
  const lab = fc
    .tuple(
      fields({
        seed: fc.nat(),
        time: fc.constantFrom(
          'generic',
          '{engine: tlp, latency: {pin: 60ns}}',
          '{credits: {posted-headers: inf}, socket: 20GB/s}',
        ),
        title: fc.string().map((text) => JSON.stringify(text.replace(/[^\x20-\x7e]/g, ''))),
        cpu: fc.constantFrom('amd', 'arm', '{vendor: intel, model: none, sockets: 3}'),
        iommu: fc.constantFrom('passthrough', '{mode: translated, page-size: 64K}'),
        memory: fc.constantFrom('[1G, 3G]', '5000M'),
      }),
      fc.array(fc.array(tree.port, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      fc.array(name, { minLength: 3, maxLength: 3 }),
    )
    .map(([machine, bridges, names]) => {
      let next = 0;
      const text = bridges
        .map(
          (items) => `{below: [${items.map((item) => `{${item.replace('PORT', 'root-port')}}`).join(', ')}]}`,
        )
        .join(', ')
        .replace(/NAME/g, () => (next++ % 2 === 0 ? `${names[0]}${next}` : ''));
      return `{peerlane: lab/1${machine}, host-bridges: [${text}]}`;
    });

  it('writes any lab so that it reads as the same', () => {
    let readable = 0;
    fc.assert(
      fc.property(lab, (text) => {
        const first = read(text);
        readable += first === undefined ? 0 : 1;
        readAndPrint(text);
      }),
      { numRuns: 60 },
    );
    // The generator makes what can be read, or this proves nothing.
    expect(readable).toBeGreaterThan(20);
  });
});
