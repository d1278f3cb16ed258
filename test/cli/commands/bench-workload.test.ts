/** `peerlane lab FILE bench`: the workload of the file, peer to peer and bounced, and what happens when it is stopped. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../inputs.ts';
import { exampleLab } from '../lab-inputs.ts';
import { expectRefusal } from '../refusal.ts';
import { runCli } from '../run-cli.ts';

const scratch = scratchFolder();

/** Two drives and a card below one switch. */
function lab(name: string, ...workload: string[]): string {
  const path = scratch.path(name);
  writeFileSync(
    path,
    [
      'peerlane: lab/1',
      'cpu: intel',
      'iommu: off',
      'memory: 8G',
      'below:',
      '  - switch: sw0',
      '    id: 11f8:4000',
      '    link: gen4 x8',
      '    port-link: gen4 x16',
      '    below:',
      '      - nvme: nvme0',
      '        link: gen4 x4',
      '        cmb: 64M',
      '        namespaces: 8G',
      '      - nvme: nvme1',
      '        link: gen4 x4',
      '        namespaces: 8G',
      '      - gpu: gpu0',
      '        link: gen4 x16',
      'workload:',
      ...workload.map((line) => `  ${line}`),
      '',
    ].join('\n'),
  );
  return path;
}

const STREAMS = ['duration: 1ms', 'warm-up: 500us', 'streams:'];
const COPY = lab(
  'copy.yaml',
  ...STREAMS,
  '  - {copy: nvme0, to: nvme1, block: 128K, depth: 16, pattern: sequential}',
);

async function bench(path: string, ...args: string[]) {
  const { status, stdout, stderr } = await runCli(['lab', path, 'bench', ...args, '--json']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe('the workload of a lab file', () => {
  it('runs peer to peer and bounced on fresh machines, with the ratio', async () => {
    const result = await bench(COPY);
    expect(result).toMatchObject({
      schema: 'peerlane/workload/1',
      time: 'virtual',
      engine: 'flow',
      isComplete: true,
      measuredPs: 1e9,
      dramBytes: 0,
      rootPortBytes: 0,
      streams: [{ name: 'copy-nvme0', route: { kind: 'p2p', provider: 'nvme0' }, failures: 0 }],
      bounced: { streams: [{ route: { kind: 'host', provider: null } }] },
      exitStatus: 0,
    });
    const [peer, through] = [result.streams[0].goodputGBs, result.bounced.streams[0].goodputGBs];
    expect(result.bounced.rootPortBytes).toBeGreaterThan(0);
    expect(result.comparisons).toEqual([
      { name: 'copy-nvme0', peerGBs: peer, bouncedGBs: through, ratio: peer / through },
    ]);
    expect(await bench(COPY)).toEqual(result);
  });

  it('of a mix on the memory of a card bounces as reads and writes do', async () => {
    const path = lab(
      'mix.yaml',
      ...STREAMS,
      '  - {mix: nvme0, memory: gpu0, reads: 50, block: 128K, depth: 8, pattern: sequential}',
    );
    const result = await bench(path);
    expect(result.dramBytes).toBe(0);
    expect(result.bounced.streams).toMatchObject([
      {
        name: 'mix-nvme0',
        route: { kind: 'staged', text: 'nvme0 and gpu0 through system memory' },
        failures: 0,
      },
    ]);
    expect(result.bounced.streams[0].bytes).toBeGreaterThan(0);
    // Written by the one and read by the other, whichever way a request goes.
    expect(result.bounced.dramBytes).toBeGreaterThan(1.5 * result.bounced.streams[0].bytes);
    expect(result.comparisons).toMatchObject([{ name: 'mix-nvme0' }]);
  });

  it('of a drive and a card bounces through buffers that the card fetches from', async () => {
    const path = lab(
      'card.yaml',
      ...STREAMS,
      '  - {read: nvme0, to: gpu0, block: 128K, depth: 8, pattern: sequential}',
      '  - {write: nvme1, from: gpu0, block: 128K, depth: 8, pattern: sequential}',
    );
    const result = await bench(path);
    expect(result.dramBytes).toBe(0);
    expect(result.bounced.streams).toMatchObject([
      {
        name: 'read-nvme0',
        route: { kind: 'staged', text: 'nvme0 to gpu0 through system memory' },
        failures: 0,
      },
      {
        name: 'write-nvme1',
        route: { kind: 'staged', text: 'gpu0 to nvme1 through system memory' },
        failures: 0,
      },
    ]);
    // Each byte crosses the uplink twice.
    const { bytes } = result.bounced.streams[0];
    expect(result.bounced.rootPortBytes).toBeGreaterThan(1.5 * bytes);
    expect(result.comparisons.map(({ name }: { name: string }) => name)).toEqual([
      'read-nvme0',
      'write-nvme1',
    ]);
    for (const { ratio } of result.comparisons) {
      expect(ratio).toBeGreaterThan(0.9);
    }
  });

  it('has nothing beside it where nothing went peer to peer', async () => {
    const path = lab('host.yaml', ...STREAMS, '  - {read: nvme0, block: 4K, depth: 4}');
    const result = await bench(path, '--engine', 'tlp');
    expect(result).toMatchObject({ engine: 'tlp', bounced: null, comparisons: [] });
    expect(await bench(path)).toMatchObject({ engine: 'tlp' });
  });

  it('prints streams, links, memory, processor and the limiter', async () => {
    const { status, stdout } = await runCli(['lab', exampleLab('contention'), 'bench']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^5\.00 ms of virtual time; flow engine, platform intel-xeon-skl$/m);
    expect(stdout).toMatch(/^stream +GB\/s +requests\/s +mean +p50 +p90 +p99 +p99\.9 +max +route$/m);
    expect(stdout).toMatch(/^read-nvme0 +3\.\d{3} +\d+ /m);
    expect(stdout).toMatch(/^adapter +(?:3\.9|4\.0)\d* .*\(peer to peer\)$/m);
    expect(stdout).toMatch(/^0000:00:01\.0 Gen4 x8 +1[45]\.\d{3} +\d+ %/m);
    expect(stdout).toMatch(/^memory: .* of data over DRAM/m);
    expect(stdout).toMatch(/^processor: .* cores/m);
    expect(stdout).toMatch(
      /^limiter: Gen4 x8 link of 0000:00:01\.0 \(sw0\), up, (?:9\d|100) % busy; next: /m,
    );
    expect(stdout).toMatch(/^ {2}adapter: .* times$/m);
  });

  it('refuses a stream whose requests can never arrive, with its place', async () => {
    // This root complex passes peer writes, and answers peer reads with an unsupported request.
    const path = scratch.path('client.yaml');
    writeFileSync(
      path,
      [
        'peerlane: lab/1',
        'cpu: {vendor: intel, family: 6, model: 151}',
        'iommu: off',
        'host-bridges:',
        '  - peers: writes-only',
        '    below:',
        '      - {root-port: rp0, below: [{gpu: gpu0, link: gen4 x8}]}',
        '      - {root-port: rp1, below: [{gpu: gpu1, link: gen4 x8}]}',
        'workload:',
        '  duration: 100us',
        '  streams:',
        '    - {dma-read: gpu1, from: gpu0, depth: 1}',
        '',
      ].join('\n'),
    );
    const { status, stdout, stderr } = await runCli(['lab', path, 'bench', '--json']);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^peerlane: \S*client\.yaml:12:7: stream dma-read-gpu1: gpu1 has no way to the memory of gpu0: its reads: [^\n]*\[LAB_NO_ROUTE\]\n$/,
    );
  });

  it('ends with status 3 where requests fail, and says why', async () => {
    const path = scratch.path('failing.yaml');
    writeFileSync(
      path,
      [
        'peerlane: lab/1',
        'cpu: intel',
        'iommu: off',
        'below:',
        '  - {nvme: nvme0, namespaces: 1G}',
        'faults:',
        '  - {device: nvme0, do: media, nsid: 1, lba: 0..2097151, count: forever}',
        'workload:',
        '  duration: 2ms',
        '  streams:',
        '    - {read: nvme0, block: 4K, depth: 1}',
        '',
      ].join('\n'),
    );
    const { status, stdout, stderr } = await runCli(['lab', path, 'bench', '--json']);
    expect(status).toBe(3);
    expect(stderr).toMatch(/^peerlane: read-nvme0: \d+ requests failed, the first: .*\[COPY_FAILED\]\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ exitStatus: 3, streams: [{ requests: 0 }] });
  });

  it('stopped by Ctrl-C prints what is known so far', async () => {
    const path = lab('long.yaml', 'duration: 2s', 'streams:', '  - {read: nvme0, block: 4K, depth: 4}');
    const before = process.listenerCount('SIGINT');
    const running = runCli(['lab', path, 'bench', '--json']);
    while (process.listenerCount('SIGINT') === before) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    process.emit('SIGINT', 'SIGINT');
    const { status, stdout, stderr } = await running;
    expect(status).toBe(130);
    expect(stderr).toMatch(/^peerlane: stopped; [^\n]*\[BENCH_STOPPED\]\n$/);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ isComplete: false, exitStatus: 130 });
    expect(result.streams[0].requests).toBeGreaterThan(0);
    expect(process.listenerCount('SIGINT')).toBe(before);
  });

  it.each<[string, string[], string[]]>([
    [
      'a stream on a device that cannot do it',
      [...STREAMS, '  - read: gpu0'],
      ['LAB_STREAM', ':24:13: read: gpu0'],
    ],
    ['a device that is not there', [...STREAMS, '  - read: nvme7'], ['LAB_REFERENCE', 'nvme']],
    ['no streams', ['duration: 1ms', 'streams: []'], ['LAB_']],
    ['absurd sizes', [...STREAMS, '  - {read: nvme0, block: 0}'], ['LAB_']],
  ])('%s is one line with its place, status 2', async (_, workload, says) => {
    await expectRefusal(['lab', lab('bad.yaml', ...workload), 'bench'], 'bad.yaml', ...says);
  });
});
