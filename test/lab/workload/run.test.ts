import { describe, expect, it } from 'vitest';
import { runLab } from './support/run-lab.ts';

const HEAD = `
peerlane: lab/1
iommu: off
memory: 16G
`;

/** Two drives and a GPU below a switch, with a workload. */
function below(workload: string, extra = 'cpu: intel'): string {
  return `${HEAD}${extra}
below:
  - switch: sw0
    link: gen3 x16
    port-link: gen3 x16
    below:
      - nvme: nvme0
        link: gen3 x4
        cmb: 128M
        namespaces: 8G
      - nvme: nvme1
        link: gen3 x4
        namespaces: 8G
      - gpu: gpu0
        link: gen3 x16
workload:
${workload}`;
}

function copy(via: string): string {
  return below(`  duration: 4ms
  warm-up: 2ms
  streams:
    - copy: nvme0
      to: nvme1
      via: ${via}
      block: 128K
      depth: 16
      pattern: sequential
      area: 64M
`);
}

describe('a virtual function', () => {
  it('makes requests of its own, with the engine of its physical function', async () => {
    const text = (name: string) => `${HEAD}below:
  - gpu: gpu0
    link: gen4 x16
    sr-iov: 2
workload:
  duration: 200us
  streams:
    - dma-write: ${name}
`;
    const [virtual, physical] = [await runLab(text('gpu0vf1'), 'tlp'), await runLab(text('gpu0'), 'tlp')];
    expect(virtual.streams[0]!.failures).toBe(0);
    expect(virtual.goodputGBs).toBeGreaterThan(20);
    expect(virtual.goodputGBs).toBe(physical.goodputGBs);
  });
});

describe('a copy between two drives', () => {
  it.each(['tlp', 'flow'] as const)(
    'goes peer to peer without a byte in system memory (%s)',
    async (engine) => {
      const report = await runLab(copy('auto'), engine);
      const [stream] = report.streams;
      expect(report.engine).toBe(engine);
      expect(report.dramBytes).toBe(0);
      expect(report.rootPortBytes).toBe(0);
      expect(stream!.route).toMatchObject({ kind: 'p2p', provider: 'nvme0' });
      expect(stream!.failures).toBe(0);
      // The media of the target, by its preset: 2.8 GB/s.
      expect(report.limiter.what).toContain('media of nvme1');
      expect(stream!.goodputGBs).toBeGreaterThan(2.6);
      expect(stream!.goodputGBs).toBeLessThanOrEqual(2.85);
    },
  );

  it('bounced moves every byte into system memory and out again', async () => {
    const report = await runLab(copy('host'));
    expect(report.streams[0]!.route.kind).toBe('host');
    const { bytes } = report.streams[0]!;
    expect(report.dramBytes).toBeGreaterThan(1.9 * bytes);
    expect(report.dramBytes).toBeLessThan(2.3 * bytes);
  });
});

describe('streams of a function', () => {
  it('write at what the link carries, whatever the place in the tree', async () => {
    const report = await runLab(
      below(`  duration: 500us
  warm-up: 50us
  streams:
    - dma-write: gpu0
      to: nvme0
      block: 64K
      depth: 8
      pattern: sequential
      area: 16M
`),
    );
    // Packets of a GPU of that age have 128 bytes: W4 for half the lanes is 3.308.
    expect(report.goodputGBs).toBeGreaterThan(3.2);
    expect(report.goodputGBs).toBeLessThan(3.309);
    expect(report.limiter.what).toMatch(/Gen3 x4 link of .*nvme0.*, down/);
    expect(report.streams[0]!.route.verdict).toBe('granted');
  });

  it('stage through system memory in steps', async () => {
    const report = await runLab(`${HEAD}cpu: amd
below:
  - gpu: gpu0
    link: gen4 x16
  - gpu: gpu1
    link: gen4 x16
workload:
  duration: 4ms
  warm-up: 500us
  streams:
    - stage: gpu0
      to: gpu1
      chunk: 2M
      sync: 14.3us
`);
    // U1 is 22.42; some forty steps are in the measured time, give or take one.
    expect(report.goodputGBs).toBeGreaterThan(20);
    expect(report.goodputGBs).toBeLessThan(22.9);
    expect(report.dramBytes).toBeGreaterThan(1.9 * report.streams[0]!.bytes);
  });
});

describe('goodput', () => {
  const large = (block: string, duration: string) => `${HEAD}cpu: intel
below:
  - switch: sw0
    link: gen3 x16
    port-link: gen3 x16
    below:
      - generic: card
        link: gen1 x1
      - memory: mem0
        link: gen3 x16
        bars: {0: 16M}
workload:
  duration: ${duration}
  warm-up: 1ms
  streams:
    - {dma-write: card, to: mem0, block: ${block}, depth: 4, area: 8M}
`;

  it('counts what moved in the measured time, not the requests that happened to end in it', async () => {
    // W15's link, a lane of it: 0.21 GB/s; a request of 256 KiB takes 1.25 ms of it.
    for (const duration of ['4ms', '4500us', '5ms', '5500us']) {
      const report = await runLab(large('256K', duration));
      const [stream] = report.streams;
      const link = report.links.find(({ to }) => to === 'card')!;
      expect(stream!.goodputGBs / link.up.goodputGBs).toBeCloseTo(1, 2);
      expect(stream!.goodputGBs).toBeLessThanOrEqual(0.2494);
      expect(stream!.isCoarse).toBe(true);
    }
  });

  it('says where few requests ended, and does not where many did', async () => {
    expect((await runLab(large('4K', '2ms'))).streams[0]!.isCoarse).toBe(false);
    const none = (await runLab(large('8M', '1ms'))).streams[0]!;
    expect(none).toMatchObject({ requests: 0, isCoarse: true });
  });
});

describe('pacing', () => {
  it('keeps to a rate, a duty cycle, a start and a stop', async () => {
    const report = await runLab(
      below(`  duration: 4ms
  warm-up: 0ms
  streams:
    - dma-write: gpu0
      name: limited
      to: host
      block: 4K
      depth: 4
      rate: 1GB/s
      stop: 2ms
    - dma-read: gpu0
      name: pulsed
      from: host
      block: 4K
      depth: 4
      duty: {on: 100us, off: 300us}
      start: 1ms
`),
    );
    const [limited, pulsed] = report.streams;
    // Half the time at 1 GB/s.
    expect(limited!.goodputGBs).toBeGreaterThan(0.49);
    expect(limited!.goodputGBs).toBeLessThan(0.51);
    expect(pulsed!.goodputGBs).toBeGreaterThan(0.1);
  });

  it('ends with the last request of streams that end by themselves', async () => {
    const report = await runLab(
      below(`  streams:
    - read: nvme0
      block: 4K
      depth: 8
      count: 200
`),
    );
    expect(report.isComplete).toBe(true);
    expect(report.streams[0]!.requests).toBe(200);
    expect(report.iops).toBeGreaterThan(1000);
  });
});

describe('the limiter', () => {
  it('is latency where nothing is busy', async () => {
    const report = await runLab(
      below(`  duration: 2ms
  warm-up: 100us
  streams:
    - read: nvme0
      block: 4K
      depth: 1
`),
    );
    expect(report.limiter.what).toBe('latency');
    expect(report.streams[0]!.latency!.p50Ns).toBeGreaterThan(80_000);
    expect(report.streams[0]!.latency!.p50Ns).toBeLessThan(110_000);
  });

  it('is the tags where a loop of reads outruns them', async () => {
    const report = await runLab(
      `${HEAD}cpu: intel
below:
  - dma-engine: card
    link: gen4 x16
    timing: {tags: 4}
workload:
  duration: 200us
  warm-up: 20us
  streams:
    - dma-read: card
      from: host
      block: 4K
      depth: 32
`,
    );
    expect(report.limiter.what).toBe('tags of card');
    expect(report.stalls[0]!.share).toBeGreaterThan(0.5);
  });

  it('is the credits where a link has too few', async () => {
    const report = await runLab(
      `${HEAD}cpu: intel
time: {credits: {posted-headers: 4, posted-data: 64}}
below:
  - dma-engine: card
    link: gen4 x16
workload:
  duration: 200us
  warm-up: 20us
  streams:
    - dma-write: card
      to: host
      block: 4K
      depth: 32
`,
    );
    expect(report.limiter.what).toMatch(/credits of the Gen4 x16 link/);
  });
});

describe('the same lab and seed', () => {
  it('give the same report, however the run is cut into pieces', async () => {
    const text = below(`  duration: 1ms
  warm-up: 100us
  streams:
    - mix: nvme0
      reads: 70
      block: 4K
      depth: 16
    - dma-write: gpu0
      to: nvme0
      block: 4K
      depth: 4
`);
    const whole = await runLab(text);
    expect(JSON.stringify(await runLab(text, 'tlp', 777))).toBe(JSON.stringify(whole));
  });
});

describe('what cannot be', () => {
  const acrossPorts = (time: string): string => `${HEAD}time: ${time}
below:
  - dma-engine: card
    link: gen3 x8
  - memory: mem0
    link: gen3 x8
    bars: {0: 1G}
workload:
  duration: 100us
  warm-up: 10us
  streams:
    - dma-write: card
      to: mem0
      block: 4K
      depth: 4
`;

  it('is not measured as delivered: posted writes that a root complex refuses', async () => {
    const report = await runLab(acrossPorts('none-supported'));
    const [stream] = report.streams;
    expect(stream!.bytes).toBe(0);
    expect(stream!.failures).toBeGreaterThan(0);
    expect(stream!.failure).toBe('posted writes do not arrive: policy');
    expect((await runLab(acrossPorts('amd-zen4'))).streams[0]!.failures).toBe(0);
  });

  it('is told by the stream that wants it, as a mistake of the lab', async () => {
    const text = below(`  duration: 1ms
  streams:
    - read: nvme1
      to: nvme0
      block: 512K
      depth: 1024
`);
    await expect(runLab(text)).rejects.toMatchObject({
      code: 'LAB_STREAM',
      exitStatus: 2,
      message: expect.stringContaining('stream read-nvme1 cannot be set up'),
    });
  });

  it('is told with its place in the file, and what the file can do: a BAR that no kernel takes as peer memory', async () => {
    const text = `${HEAD}kernel: 6.1
below:
  - generic: engine
    link: gen3 x8
  - generic: mem0
    link: gen3 x8
    bars: {0: 1M}
workload:
  duration: 100us
  streams:
    - dma-write: engine
      to: host
    - dma-read: engine
      from: mem0
`;
    await expect(runLab(text)).rejects.toMatchObject({
      code: 'LAB_STREAM',
      exitStatus: 2,
      message: expect.stringMatching(/^test\.yaml:17:7: stream dma-read-engine .*P2P_REGION_ALIGNMENT/),
      hint: expect.stringContaining('2M or more'),
      detail: expect.objectContaining({ line: 17, column: 7 }),
    });
  });

  it('waits for room in the queues of a drive', async () => {
    const report = await runLab(
      below(`  duration: 2ms
  warm-up: 500us
  streams:
    - read: nvme1
      block: 512
      depth: 64
      jobs: 8
      area: 64M
`),
    );
    expect(report.streams[0]!.failures).toBe(0);
    expect(report.streams[0]!.requests).toBeGreaterThan(500);
  });

  it('has room for one packet, however few credits the lab gives', async () => {
    const report = await runLab(
      below(
        `  duration: 200us
  warm-up: 20us
  streams:
    - dma-write: gpu0
      to: host
      block: 4K
`,
        'cpu: intel\ntime: {credits: {posted-data: 1, completion-data: 1}}',
      ),
    );
    expect(report.streams[0]!.requests).toBeGreaterThan(0);
  });

  it('names the software between the chunks of a staged transfer', async () => {
    const report = await runLab(`${HEAD}cpu: amd
below:
  - gpu: gpu0
    link: gen4 x16
  - gpu: gpu1
    link: gen4 x16
workload:
  duration: 2ms
  warm-up: 100us
  streams:
    - stage: gpu0
      to: gpu1
      chunk: 64K
      sync: 100us
`);
    expect(report.limiter.what).toBe('software between the chunks of stage-gpu0');
  });
});
