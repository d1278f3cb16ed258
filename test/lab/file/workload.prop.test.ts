import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { type LabFile, parseLab, printLab } from '../../../src/lab/index.ts';

const MACHINE = `peerlane: lab/1
memory: [16G, 16G]
iopmem: mem0
below: [{nvme: nvme0, cmb: 64M}, {nvme: nvme1, namespaces: {size: 1G, block: 4096}}, {gpu: gpu0, sr-iov: 1}, {gpu: gpu1}, {memory: mem0}]
`;

const rarely = (usual: readonly string[], seldom: readonly string[]) =>
  fc.oneof(
    { arbitrary: fc.constantFrom(...usual), weight: 9 },
    { arbitrary: fc.constantFrom(...seldom), weight: 1 },
  );
const drive = rarely(['nvme0', 'nvme1', 'iopmem0'], ['gpu0', 'gpu0vf0', 'cpu', 'nobody']);
const fn = rarely(['nvme0', 'nvme1', 'gpu0', 'gpu1', 'mem0', 'gpu0vf0'], ['iopmem0', 'cpu', 'nobody']);
const core = rarely(['cpu', 'cpu1'], ['cpu2', 'gpu0']);
const place = rarely(
  ['host', 'node0', 'node1', 'nvme0', 'gpu0', 'mem0'],
  ['node7', 'cmb', 'nvme1', 'auto', 'nobody'],
);
const hostPlace = rarely(['host', 'node1'], ['gpu0']);
const devicePlace = rarely(['nvme0', 'gpu0', 'mem0'], ['host', 'nvme1']);
const time = fc.oneof(
  fc.constant('0'),
  fc.nat(2e7).map((ns) => `${ns}ns`),
);
const bytes = fc.oneof(
  rarely(['4K', '64K', '1M'], ['0', '512', '1G', '4000']),
  fc.integer({ min: 1, max: 999 }).map((n) => `${n * 4096}`),
);
const area = rarely(['16M', '64M'], ['64K', '1G', '1T']);
const list = (item: fc.Arbitrary<string>) =>
  fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => `[${items.join(', ')}]`);
const block = fc.oneof(
  bytes,
  list(
    fc.oneof(
      bytes,
      fc
        .tuple(bytes, fc.integer({ min: 1, max: 99 }))
        .map(([size, share]) => `{size: ${size}, share: ${share}}`),
    ),
  ),
);
const common = {
  name: fc.constantFrom('a', 'b', 'read-nvme0', 'read-nvme0-2', 'gpu0'),
  rate: fc.double({ min: 1e-6, max: 1e4, noNaN: true }).map((gbs) => `${gbs}GB/s`),
  duty: fc.tuple(time, time).map(([on, off]) => `{on: ${on}, off: ${off}}`),
  start: time,
  stop: time,
  jobs: rarely(['1', '9'], ['0']),
  count: fc.integer({ min: 1, max: 1e6 }),
  size: bytes,
};
const requests = {
  ...common,
  block,
  pattern: fc.constantFrom('random', 'sequential'),
  depth: rarely(['1', '64', '65535'], ['0', '65536']),
  area,
};
const cpu = fc.constantFrom('kernel', 'polled', 'none');
const stream = (
  kind: string,
  who: fc.Arbitrary<string>,
  needed: Record<string, fc.Arbitrary<unknown>>,
  more: Record<string, fc.Arbitrary<unknown>>,
) =>
  fc.tuple(who, fc.record(needed), fc.record(more, { requiredKeys: [] })).map(([name, first, second]) => {
    // Few of the fields at once, or hardly any stream could be read.
    const fields = [...Object.entries(first), ...Object.entries(second).slice(0, 3)];
    return `{${[`${kind}: ${name}`, ...fields.map(([key, value]) => `${key}: ${value}`)].join(', ')}}`;
  });
const anyStream = fc.oneof(
  stream('read', drive, {}, { to: place, cpu, ...requests }),
  stream('write', drive, {}, { from: place, cpu, ...requests }),
  stream('mix', drive, {}, { memory: place, reads: fc.nat(100), cpu, ...requests }),
  stream('copy', drive, { to: drive }, { via: place, cpu, ...requests }),
  stream('dma-write', fn, {}, { to: place, ...requests }),
  stream('dma-read', fn, {}, { from: place, ...requests }),
  stream(
    'stage',
    fn,
    { to: fn },
    { via: hostPlace, chunk: bytes, sync: time, overlap: fc.boolean(), ...common },
  ),
  stream('mmio-write', core, { to: devicePlace }, { block, area, ...common }),
  stream('mmio-read', core, { from: devicePlace }, { block, area, ...common }),
);
const workload = fc
  .tuple(
    fc.option(time),
    fc.option(time),
    fc.option(fc.constantFrom('{write: 3GB/s}', '[{read: 1GB/s, cores: 2}, {node: 1}]')),
    fc.array(anyStream, { minLength: 1, maxLength: 3 }),
  )
  .map(([duration, warmUp, load, streams]) => {
    const fields = [
      ...(duration === null ? [] : [`duration: ${duration}`]),
      ...(warmUp === null ? [] : [`warm-up: ${warmUp}`]),
      ...(load === null ? [] : [`memory-load: ${load}`]),
      `streams: [${streams.join(', ')}]`,
    ];
    return `${MACHINE}workload: {${fields.join(', ')}}`;
  });

function read(text: string): LabFile | undefined {
  try {
    return parseLab(text, 'x');
  } catch (error) {
    if (error instanceof LabError) {
      expect(error.message).toMatch(/^x:5:\d+: ./);
      return undefined;
    }
    throw error;
  }
}

describe('any workload', () => {
  it('is refused with its place, or holds what its types promise and is printed so that it reads as the same', () => {
    let readable = 0;
    fc.assert(
      fc.property(workload, (text) => {
        const lab = read(text);
        if (lab === undefined) {
          return;
        }
        readable++;
        const { streams, durationPs } = lab.workload!;
        expect(new Set(streams.map((each) => each.name)).size).toBe(streams.length);
        for (const each of streams) {
          expect(durationPs === null && each.count === null && each.sizeBytes === null).toBe(false);
          expect(each.stopPs === null || each.stopPs > each.startPs).toBe(true);
          if ('blocks' in each) {
            expect(each.blocks.length).toBeGreaterThan(0);
            expect(each.areaBytes).toBeGreaterThanOrEqual(
              Math.max(...each.blocks.map((size) => size.sizeBytes)),
            );
          }
        }
        const printed = printLab(lab);
        expect(parseLab(printed, 'printed')).toEqual(lab);
        expect(printLab(parseLab(printed, 'printed'))).toBe(printed);
      }),
      { numRuns: 400 },
    );
    // The generator makes what can be read, or this proves nothing.
    expect(readable).toBeGreaterThan(30);
  });
});
