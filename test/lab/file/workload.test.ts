import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { type LabWorkload, parseLab, printLab, readLab } from '../../../src/lab/index.ts';

const MACHINE = `peerlane: lab/1
memory: [16G, 8G]
iopmem: mem0
below:
  - switch: sw0
    below:
      - {nvme: nvme0, cmb: 64M, namespaces: 1G}
      - {nvme: nvme1, namespaces: {size: 2G, block: 4096}}
  - gpu: gpu0
    sr-iov: 2
  - gpu: gpu1
  - memory: mem0
  - {nvme: empty, namespaces: []}
  - dma-engine: dma0
  - nic
  - {generic: bare, bars: {}}
`;
const LINES = MACHINE.split('\n').length;

const textOf = (workload: string) => `${MACHINE}${workload}`;
const lab = (workload: string) => parseLab(textOf(workload), 'x');
const streams = (...items: string[]) =>
  `workload: {streams: [${items.map((item) => `{${item}}`).join(', ')}]}`;
const read = (...items: string[]): LabWorkload['streams'] => lab(streams(...items)).workload!.streams;

/** Code, line within the workload (from 1), column and message. */
function errorOf(workload: string): string {
  try {
    lab(workload);
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    const { code, detail, message, exitStatus, hint } = error as LabError;
    expect(exitStatus).toBe(2);
    expect(hint).not.toBe('');
    const { line, column } = detail as { line: number; column: number };
    return `${code} ${line - LINES + 1}:${column} ${message}`;
  }
  throw new Error(`read without an error:\n${workload}`);
}

function isPrinted(workload: string): void {
  const first = lab(workload);
  const printed = printLab(first);
  expect(parseLab(printed, 'printed')).toEqual(first);
  expect(printLab(parseLab(printed, 'printed'))).toBe(printed);
}

const COMMON = {
  startPs: 0,
  stopPs: null,
  rateGBs: null,
  duty: null,
  count: null,
  sizeBytes: null,
  jobs: 1,
};
const REQUESTS = { blocks: [{ sizeBytes: 4096, share: 1 }], pattern: 'random', depth: 32 };

describe('workload', () => {
  it('is nothing where nothing is said', () => {
    expect(parseLab(MACHINE, 'x').workload).toBeNull();
  });

  it('has defaults for all but who', () => {
    expect(lab(streams('read: nvme0')).workload).toEqual({
      durationPs: 10e9,
      warmUpPs: 1e9,
      memoryLoads: [],
      streams: [
        {
          kind: 'read',
          name: 'read-nvme0',
          ...COMMON,
          ...REQUESTS,
          areaBytes: 2 ** 30,
          device: 'nvme0',
          memory: { kind: 'host', node: null },
          cpu: 'kernel',
          cpuCopies: 0,
        },
      ],
    });
  });

  it('ends with its streams where all of them end', () => {
    const ending = lab(streams('read: nvme0, count: 1k', 'write: nvme0, size: 1G')).workload!;
    expect([ending.durationPs, ending.warmUpPs]).toEqual([null, 0]);
    const mixed = lab(streams('read: nvme0, count: 1k', 'write: nvme0')).workload!;
    expect([mixed.durationPs, mixed.warmUpPs]).toEqual([10e9, 1e9]);
    isPrinted('workload: {duration: 10ms, streams: [{read: nvme0, count: 1k}]}');
    isPrinted('workload: {duration: 10ms, warm-up: 0, streams: [{read: nvme0, count: 1k}]}');
    isPrinted('workload: {warm-up: 2ms, streams: [{read: nvme0, count: 1k}]}');
    isPrinted(streams('read: nvme0, count: 1k'));
  });

  it('reads every field of a stream', () => {
    const [stream] = read(
      'write: nvme1, name: w, from: node1, block: [{size: 4K, share: 70}, 64K], pattern: sequential, depth: 65535, jobs: 4, ' +
        'rate: 100Gb/s, duty: {on: 1ms, off: 3ms}, start: 1ms, stop: 5ms, area: 64M, count: 1M, cpu: polled',
    );
    expect(stream).toEqual({
      kind: 'write',
      name: 'w',
      startPs: 1e9,
      stopPs: 5e9,
      rateGBs: 12.5,
      duty: { onPs: 1e9, offPs: 3e9 },
      count: 1e6,
      sizeBytes: null,
      jobs: 4,
      blocks: [
        { sizeBytes: 4096, share: 70 },
        { sizeBytes: 65536, share: 1 },
      ],
      pattern: 'sequential',
      depth: 65535,
      areaBytes: 2 ** 26,
      device: 'nvme1',
      memory: { kind: 'host', node: 1 },
      cpu: 'polled',
      cpuCopies: 0,
    });
  });

  it('knows each kind of stream', () => {
    expect(
      read(
        'mix: nvme1, memory: nvme0, reads: 30',
        'copy: iopmem0, to: nvme1',
        'dma-write: nic0, to: gpu0vf1, block: 256',
        'dma-read: gpu0, from: mem0',
        'stage: gpu0, to: gpu1, via: node1, overlap: no, cpu-copies: 1',
        'mmio-write: cpu, to: gpu1',
        'mmio-read: cpu1, from: nvme0, block: 4K',
      ),
    ).toMatchObject([
      { kind: 'mix', name: 'mix-nvme1', readPercent: 30, memory: { kind: 'cmb', name: 'nvme0' } },
      { kind: 'copy', device: 'iopmem0', target: 'nvme1', via: 'auto', areaBytes: 2 ** 26 },
      { kind: 'dma-write', memory: { kind: 'bar', name: 'gpu0vf1', bar: 0 }, areaBytes: 16384 },
      { kind: 'dma-read', memory: { kind: 'bar', name: 'mem0', bar: 0 }, areaBytes: 2 ** 26 },
      {
        kind: 'stage',
        target: 'gpu1',
        via: { kind: 'host', node: 1 },
        chunkBytes: 2 ** 21,
        syncPs: null,
        overlaps: false,
        cpuCopies: 1,
      },
      { kind: 'mmio-write', socket: 0, memory: { kind: 'bar', name: 'gpu1', bar: 1 }, areaBytes: 2 ** 26 },
      { kind: 'mmio-read', socket: 1, memory: { kind: 'cmb', name: 'nvme0' } },
    ]);
  });

  it('calls a drive’s own buffer cmb', () => {
    expect(read('read: nvme0, to: cmb')[0]).toMatchObject({ memory: { kind: 'cmb', name: 'nvme0' } });
  });

  it('gives names that nothing else has, and leaves names of devices alone', () => {
    const names = read('read: nvme0', 'read: nvme0, name: read-nvme0-2', 'read: nvme0').map(
      ({ name }) => name,
    );
    expect(names).toEqual(['read-nvme0', 'read-nvme0-2', 'read-nvme0-3']);
    // The adapter has no name in the file; that a stream speaks of nic0 does not take the name from it.
    expect(read('dma-write: nic0')[0]).toMatchObject({ device: 'nic0' });
  });

  it('reads what the processor does to memory', () => {
    const load = (text: string) =>
      lab(`workload: {memory-load: ${text}, streams: {read: nvme0}}`).workload!.memoryLoads;
    expect(load('{write: 40GB/s, cores: 8}')).toEqual([{ node: 0, readGBs: 0, writeGBs: 40, cores: 8 }]);
    expect(load('[{read: 1GB/s}, {node: 1, write: 2GB/s}]')).toHaveLength(2);
  });

  it('is printed so that it reads as the same', () => {
    isPrinted(`workload:
  duration: 20ms
  warm-up: 0
  memory-load: [{write: 40GB/s, cores: 8}, {node: 1, read: 1.5GB/s}]
  streams:
    - {read: nvme0, to: gpu0, block: [{size: 4K, share: 70}, {size: 64K, share: 30}], duty: {on: 1ms, off: 3us}, rate: 3.2GB/s}
    - {read: nvme0, name: r, start: 2ms, stop: 5ms, cpu: none, jobs: 3}
    - {read: nvme0}
    - {write: nvme1, from: nvme0, area: 64M, pattern: sequential, count: 47k}
    - {mix: iopmem0, reads: 0, memory: node1}
    - {copy: nvme0, to: nvme1, via: gpu1, size: 1G}
    - {dma-write: gpu0vf0, to: gpu0vf1, block: 65}
    - {dma-read: nvme0, from: host}
    - {stage: nvme0, to: gpu1, chunk: 1M, sync: 0, overlap: no, cpu-copies: 2}
    - {mmio-write: cpu1, to: mem0, block: 4K}
    - {mmio-read: cpu, from: gpu0, area: 1M}`);
  });

  it('is written in docs/lab-file.md as it is read', () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/lab-file.md', import.meta.url)), 'utf8');
    const shown = [...page.matchAll(/```yaml\n((?:time|workload):[\s\S]*?)```/g)].map((match) => match[1]!);
    expect(shown.map((text) => text.split(':')[0])).toEqual(['time', 'workload']);
    for (const text of shown) {
      isPrinted(text);
    }
    expect(lab(shown[1]!).workload!.streams).toHaveLength(3);
  });

  it('knows where each stream stands', () => {
    const reading = readLab(textOf('workload:\n  streams:\n    - read: nvme0\n    - write: nvme0\n'), 'x');
    const positions = reading.lab.workload!.streams.map((stream) => reading.position(stream));
    expect(positions).toEqual([
      { line: LINES + 2, column: 7 },
      { line: LINES + 3, column: 7 },
    ]);
  });
});

describe('a workload that cannot be', () => {
  it.each([
    [
      'on no device',
      'read: nvme7',
      /^LAB_REFERENCE 1:29 .*read: no drive or iopmem disk has the name 'nvme7'; did you mean 'nvme/,
    ],
    [
      'on a device of another kind',
      'read: gpu0',
      /^LAB_STREAM 1:29 .*gpu0 is a device of kind gpu, which takes no block requests/,
    ],
    ['on a virtual function', 'read: gpu0vf1', /^LAB_STREAM .*gpu0vf1 is a virtual function/],
    [
      'on a drive without namespaces',
      'write: empty',
      /^LAB_STREAM 1:30 .*empty has no namespace; give it one/,
    ],
    ['that a switch makes', 'dma-write: sw0', /^LAB_STREAM 1:34 .*sw0 is a switch and makes no requests/],
    ['that an iopmem disk makes', 'dma-write: iopmem0', /^LAB_STREAM .*its memory is that of mem0/],
    [
      'that nobody makes',
      'dma-read: gpu7',
      /^LAB_REFERENCE .*no device has the name 'gpu7'; did you mean 'gpu/,
    ],
    [
      'to a node that is not there',
      'read: nvme0, to: node2',
      /^LAB_REFERENCE 1:40 .*no node has the number 2; `memory` lists 2 nodes/,
    ],
    ['to no place', 'read: nvme0, to: hots', /^LAB_REFERENCE 1:40 .*did you mean 'host'/],
    [
      'to a drive without a buffer',
      'read: nvme0, to: nvme1',
      /^LAB_STREAM 1:40 .*nvme1 has no controller memory buffer; give it one: `cmb: 64M`/,
    ],
    [
      'to its own buffer without one',
      'read: nvme1, to: cmb',
      /^LAB_STREAM .*nvme1 has no controller memory buffer/,
    ],
    ['to registers', 'read: nvme0, to: dma0', /^LAB_STREAM .*dma0 has no memory BAR besides its registers/],
    ['to a device without memory', 'read: nvme0, to: bare', /^LAB_STREAM .*bare has no memory BAR/],
    ['to a switch', 'read: nvme0, to: sw0', /^LAB_STREAM .*sw0 is a switch and has no memory for data/],
    ['to an iopmem disk', 'read: nvme0, to: iopmem0', /name the function whose memory it is: mem0/],
    [
      'that stops before it starts',
      'read: nvme0, start: 5ms, stop: 5ms',
      /^LAB_VALUE 1:54 .*5ms is not after its start at 5ms/,
    ],
    ['that starts after the end', 'read: nvme0, start: 11ms', /^LAB_VALUE 1:43 .*the run ends at 11ms/],
    [
      'that stops before anything is measured',
      'read: nvme0, stop: 1ms',
      /^LAB_VALUE 1:42 .*the warm-up lasts until 1ms/,
    ],
    ['that ends within a sector', 'read: nvme0, size: 5000', /^LAB_VALUE 1:42 .*5000 is no multiple of 512/],
    [
      'that ends within the drive’s block',
      'copy: nvme0, to: nvme1, size: 512',
      /^LAB_VALUE .*size: 512 is no multiple of 4096, the block of nvme1/,
    ],
    ['without rate', 'read: nvme0, rate: 0GB/s', /^LAB_VALUE 1:42 .*no rate of 1kB\/s/],
    ['of part of a sector', 'read: nvme0, block: 1000', /^LAB_VALUE 1:43 .*1000 is no multiple of 512/],
    [
      'of part of the drive’s block',
      'read: nvme1, block: 512',
      /^LAB_VALUE .*512 is no multiple of 4096, the block of nvme1/,
    ],
    ['of nothing', 'read: nvme0, block: 0', /^LAB_VALUE .*no size of 1 to 1G/],
    ['of no sizes', 'read: nvme0, block: []', /^LAB_VALUE 1:43 .*block: at least one/],
    [
      'over its area',
      'read: nvme0, block: 1M, area: 64K',
      /^LAB_STREAM 1:43 .*1M is more than the area of 64K/,
    ],
    ['beyond the drive', 'read: nvme0, area: 2G', /^LAB_STREAM 1:42 .*nvme0 has 1G/],
    ['beyond a buffer', 'dma-write: gpu0, to: nvme0, area: 128M', /^LAB_STREAM .*nvme0 has 64M/],
    [
      'with a block that its buffer cannot hold',
      'read: nvme0, to: nvme0, block: 128M',
      /^LAB_STREAM .*128M do not fit: nvme0 has 64M/,
    ],
    ['of depth 0', 'read: nvme0, depth: 0', /^LAB_VALUE 1:43 .*no whole number from 1 to 65535/],
    ['of depth 65536', 'read: nvme0, depth: 65536', /^LAB_VALUE 1:43/],
    ['with two ends', 'read: nvme0, count: 10, size: 1G', /^LAB_VALUE 1:53 .*`count` says already/],
    ['with half a duty', 'read: nvme0, duty: {on: 1ms}', /^LAB_VALUE .*duty\.off: a value is missing/],
    ['with a duty of nothing', 'read: nvme0, duty: {on: 0, off: 1ms}', /no duration of 1ns/],
    ['that copies to itself', 'copy: nvme0, to: nvme0', /^LAB_STREAM .*another drive than nvme0/],
    ['that copies to nowhere', 'copy: nvme0', /^LAB_VALUE .*to: a value is missing/],
    ['that writes to itself', 'dma-write: gpu0, to: gpu0', /^LAB_STREAM 1:44 .*gpu0 reaches its own memory/],
    ['that stages to itself', 'stage: gpu0, to: gpu0', /^LAB_STREAM .*another function than gpu0/],
    [
      'that stages in a device',
      'stage: gpu0, to: gpu1, via: nvme0',
      /^LAB_STREAM 1:51 .*system memory: host, or a node/,
    ],
    [
      'of a processor that is none',
      'mmio-write: gpu0, to: gpu1',
      /^LAB_STREAM .*write cpu, or cpu1 for a socket/,
    ],
    [
      'of a socket that is not there',
      'mmio-write: cpu2, to: gpu1',
      /^LAB_REFERENCE .*no socket has the number 2; there are sockets 0 to 1/,
    ],
    ['of a processor on its own memory', 'mmio-write: cpu, to: host', /^LAB_STREAM .*memory-load/],
    ['of two kinds', 'read: nvme0, write: nvme0', /^LAB_VALUE .*one stream is read and write at once/],
    ['of no kind', 'raed: nvme0', /^LAB_UNKNOWN_KEY .*did you mean 'read'\?; kinds: read, write/],
    ['with a key of another kind', 'read: nvme0, from: host', /^LAB_UNKNOWN_KEY 1:36 .*unknown key 'from'/],
    ['called like a device', 'read: nvme0, name: gpu0', /^LAB_NAME 1:42 .*'gpu0' is the name of a device/],
    ['called like a virtual function', 'read: nvme0, name: gpu0vf1', /^LAB_NAME/],
  ])('is a stream %s', (_, item, message) => {
    expect(errorOf(streams(item))).toMatch(message);
  });

  it.each([
    ['is no block', 'workload: fast', /^LAB_VALUE 1:11 .*a block of keys is expected/],
    [
      'has no streams',
      'workload: {duration: 1ms}',
      /^LAB_STREAM 1:11 .*a workload has at least one, `- read: nvme0`/,
    ],
    ['has an empty list of streams', 'workload: {streams: []}', /^LAB_STREAM 1:21/],
    [
      'has a word for a stream',
      'workload: {streams: [read]}',
      /^LAB_VALUE 1:22 .*a stream is a block of keys/,
    ],
    [
      'has two streams of one name',
      streams('read: nvme0, name: a', 'read: nvme0, name: a'),
      /^LAB_NAME 1:66 .*'a' is the name of another stream/,
    ],
    [
      'lasts no time',
      'workload: {duration: 0, streams: {read: nvme0}}',
      /^LAB_VALUE 1:22 .*no duration of 1ns to 3600s/,
    ],
    ['lasts for ever', 'workload: {duration: 3601s, streams: {read: nvme0}}', /^LAB_VALUE 1:22/],
    [
      'loads a node that is not there',
      'workload: {memory-load: {node: 2}, streams: {read: nvme0}}',
      /^LAB_REFERENCE .*2 has no memory/,
    ],
    [
      'loads a node twice',
      'workload: {memory-load: [{}, {}], streams: {read: nvme0}}',
      /^LAB_VALUE .*node 0 stands here twice/,
    ],
    [
      'has a key that nothing reads',
      'workload: {lenght: 1ms, streams: {read: nvme0}}',
      /^LAB_UNKNOWN_KEY 1:12/,
    ],
  ])('%s', (_, text, message) => {
    expect(errorOf(text)).toMatch(message);
  });

  it('does not speak of missing devices where the machine cannot be read', () => {
    const text =
      'peerlane: lab/1\nbelow: {nvme: nvme0, queues: 0}\nworkload: {streams: {read: nvme0, depth: 0}}';
    expect(() => parseLab(text, 'x')).toThrowError(
      expect.objectContaining({
        detail: expect.objectContaining({
          problems: [
            expect.objectContaining({ line: 2 }),
            expect.objectContaining({ line: 3, code: 'LAB_VALUE' }),
          ],
        }),
      }),
    );
  });
});
