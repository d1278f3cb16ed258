/** `copy` and `bench` on labs: the same commands, routes and refusals as on a real machine, in virtual time. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from './inputs.ts';
import { exampleLab, labText } from './lab-inputs.ts';
import { expectRefusal } from './refusal.ts';
import { runCli } from './run-cli.ts';

const scratch = scratchFolder();
const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(scratch.path(name), content);
  return scratch.path(name);
};
const LAB = exampleLab('eideticom');
const NVMET = exampleLab('nvmet-switch');
const MIB = 2 ** 20;

interface CopyJson {
  readonly schema: string;
  readonly outcome: string;
  readonly trust: string;
  readonly copiedBytes: number;
  readonly bytesPerSecond: number | null;
  readonly engine?: string;
  readonly limiter: { readonly text: string } | null;
  readonly route: { readonly kind: string; readonly provider: string | null; readonly isFallback: boolean };
  readonly verify: { readonly outcome: string; readonly comparedBytes: number } | null;
  readonly traffic: {
    readonly dramBytes: number;
    readonly rootPortBytes: number;
    readonly linkBytes: Record<
      string,
      { readonly to: string; readonly upBytes: number; readonly downBytes: number }
    >;
    readonly controlBytes: { readonly dramBytes: number };
  };
}

async function copyJson(lab: string, ...args: string[]): Promise<CopyJson> {
  const { status, stdout, stderr } = await runCli(['lab', lab, 'copy', ...args, '--json']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** By name of what is at the lower end. */
function links({ traffic }: CopyJson): Record<string, readonly [up: number, down: number]> {
  return Object.fromEntries(
    Object.values(traffic.linkBytes).map(({ to, upBytes, downBytes }) => [to, [upBytes, downBytes] as const]),
  );
}

describe('peerlane copy on a lab', () => {
  it('goes through the nearest peer memory, verified, without a byte over DRAM or a root port', async () => {
    const result = await copyJson(LAB, 'nvme0', 'nvme1', '--size', '8M', '--verify');
    expect(result).toMatchObject({
      schema: 'peerlane/copy/1',
      outcome: 'done',
      trust: 'verified',
      copiedBytes: 8 * MIB,
      isSimulated: true,
      time: 'virtual',
      engine: 'flow',
      route: { kind: 'peer', provider: '0000:03:00.0' },
      verify: { outcome: 'equal', comparedBytes: 8 * MIB },
      traffic: { dramBytes: 0, rootPortBytes: 0 },
    });
    expect(links(result)).toEqual({ sw0: [0, 0], nvme0: [8 * MIB, 0], nvme1: [0, 8 * MIB] });
    expect(result.traffic.controlBytes.dramBytes).toBeGreaterThan(0);
  });

  it('takes the time that the machine would take: what is slowest decides, and is named', async () => {
    const result = await copyJson(LAB, 'nvme0', 'nvme1', '--size', '64M');
    // Media of a Gen3 drive: 3.4 GB/s read, 2.8 GB/s written.
    expect(result.bytesPerSecond).toBeGreaterThan(2.5e9);
    expect(result.bytesPerSecond).toBeLessThanOrEqual(2.8e9);
    expect(result.limiter?.text).toContain('media of nvme1');
    expect(await copyJson(LAB, 'nvme0', 'nvme1', '--size', '64M')).toEqual(result);
  });

  it('takes about the same by either engine, and --engine says which', async () => {
    const [flow, tlp] = await Promise.all(
      ['flow', 'tlp'].map((engine) => copyJson(LAB, 'nvme0', 'nvme1', '--size', '8M', '--engine', engine)),
    );
    expect([flow!.engine, tlp!.engine]).toEqual(['flow', 'tlp']);
    expect(tlp!.bytesPerSecond! / flow!.bytesPerSecond!).toBeCloseTo(1, 1);
  });

  it('--untimed tells bytes and no time of hardware', async () => {
    expect(await copyJson(LAB, 'nvme0', 'nvme1', '--size', '8M', '--untimed')).toMatchObject({
      copiedBytes: 8 * MIB,
      time: 'wall',
      bytesPerSecond: null,
      latencyNs: null,
      limiter: null,
    });
    await expectRefusal(
      ['lab', LAB, 'copy', 'nvme0', 'nvme1', '--untimed', '--engine', 'tlp'],
      'USAGE_ENGINE',
    );
    await expectRefusal(['copy', 'a', 'b', '--untimed'], 'USAGE_LAB_ONLY', 'peerlane lab FILE.yaml copy');
    await expectRefusal(['bench', 'a', '--engine', 'tlp'], 'USAGE_LAB_ONLY');
  });

  it('through host memory crosses DRAM and the root port twice', async () => {
    const result = await copyJson(LAB, 'nvme0n1', '/dev/nvme1n1', '--size', '8M', '--via', 'host');
    expect(result).toMatchObject({
      trust: 'transferred',
      verify: null,
      route: { kind: 'host', provider: null },
      traffic: { dramBytes: 16 * MIB, rootPortBytes: 16 * MIB },
    });
    expect(links(result)).toEqual({ sw0: [8 * MIB, 8 * MIB], nvme0: [8 * MIB, 0], nvme1: [0, 8 * MIB] });
  });

  it('through a third device that was named', async () => {
    const result = await copyJson(NVMET, '05:00.0', 'nvme2', '--size', '4M', '--via', 'nvme0', '--verify');
    expect(result).toMatchObject({
      trust: 'verified',
      route: { kind: 'peer', provider: '0000:04:00.0' },
      traffic: { dramBytes: 0, rootPortBytes: 0 },
    });
    expect(links(result).nvme0).toEqual([4 * MIB, 4 * MIB]);
  });

  it('with --bytes moves the same bytes over the same links', async () => {
    const args = ['nvme0', 'nvme1', '--size', '4M', '--offset', '64k', '--verify'];
    const { traffic } = await copyJson(LAB, ...args);
    const real = await copyJson(LAB, ...args, '--bytes');
    expect(real).toMatchObject({ trust: 'verified', copiedBytes: 4 * MIB });
    expect(real.traffic).toEqual(traffic);
  });

  it('says in text what happened, how fast and what limited it', async () => {
    const { status, stdout, stderr } = await runCli([
      '-m',
      LAB,
      'copy',
      'nvme0',
      'nvme1',
      '--size',
      '1M',
      '--verify',
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('route: peer memory of 0000:03:00.0 (bus-addr)');
    expect(stdout).toMatch(/^copied: 1 MiB in [\d.]+ us of virtual time, \d\.\d{3} GB\/s$/m);
    expect(stdout).toMatch(/^limiter: .+/m);
    expect(stdout).toMatch(/^latency .* p99/m);
    expect(stdout).toMatch(/^verify: equal; 1 MiB compared by what both drives hold, in their own view/m);
    expect(stdout).toContain('data: 0 B over DRAM, 0 B over root ports');
    expect(stdout).toContain('link to nvme1: 0 B up, 1 MiB down');
    const untimed = await runCli(['lab', LAB, 'copy', 'nvme0', 'nvme1', '--size', '1M', '--untimed']);
    expect(untimed.stdout).toMatch(/^copied: 1 MiB in .* \(simulated, untimed: says nothing of hardware\)$/m);
    expect(untimed.stdout).not.toMatch(/\/s\b|latency/);
  });

  it('is refused with status 1 and all reasons where the rules refuse, and --fallback takes host memory', async () => {
    const refused = await runCli(['lab', NVMET, 'copy', 'nvme1', 'nvme4', '--size', '1M']);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain('via 0000:04:00.0: 0000:08:00.0: NO_COMMON_UPSTREAM');
    expect(refused.stderr).toContain('RC_NOT_LISTED');
    expect(refused.stderr).toMatch(/\[COPY_NO_ROUTE\]\n$/);
    expect(await copyJson(NVMET, 'nvme1', 'nvme4', '--size', '1M', '--fallback')).toMatchObject({
      outcome: 'done',
      route: { kind: 'host', isFallback: true },
      traffic: { dramBytes: 2 * MIB },
    });
  });

  it.each<[string, string[], string[]]>([
    ['a drive that is not there', ['nvme0', 'nvme9'], ['TOPO_UNKNOWN_NAME', 'nearest: nvme']],
    ['a namespace that is not there', ['nvme0n2', 'nvme1'], ['TOPO_UNKNOWN_NAME', 'nvme0n1']],
    ['a device without blocks', ['sw0', 'nvme1'], ['LAB_NO_BLOCKS', 'it is a bridge', 'nvme0n1, nvme1n1']],
    ['one drive by two names', ['nvme0', '03:00.0'], ['USAGE_SAME_TARGET']],
    ['a provider that is not there', ['nvme0', 'nvme1', '--via', 'gpu7'], ['TOPO_UNKNOWN_NAME']],
    ['a provider without memory', ['nvme0', 'nvme1', '--via', 'nvme1'], ['P2P_NO_PROVIDER']],
    ['a size of nothing', ['nvme0', 'nvme1', '--size', '0'], ['COPY_RANGE']],
    ['a size beyond the source', ['nvme0', 'nvme1', '--size', '9G'], ['COPY_RANGE']],
    ['a size that is no multiple of a block', ['nvme0', 'nvme1', '--size', '1000'], ['COPY_RANGE']],
    ['a depth of nothing', ['nvme0', 'nvme1', '--size', '1M', '--depth', '0'], ['USAGE_DEPTH']],
    ['a depth beyond reason', ['nvme0', 'nvme1', '--size', '1M', '--depth', '999999'], ['USAGE_DEPTH']],
    ['a chunk of nothing', ['nvme0', 'nvme1', '--size', '1M', '--chunk', '0'], ['COPY_SETUP']],
  ])('%s is a one-line error with status 2', async (_, args, says) => {
    await expectRefusal(['lab', LAB, 'copy', ...args], ...says);
  });

  it('and bench take options of labs on labs only', async () => {
    await expectRefusal(['copy', 'a', 'b', '--bytes'], 'USAGE_LAB_ONLY', 'peerlane lab FILE.yaml copy');
    await expectRefusal(['bench', 'a', '--write-images'], 'USAGE_LAB_ONLY');
    await expectRefusal(['qemu'], 'USAGE_LAB_ONLY', 'lab FILE.yaml qemu');
  });
});

describe('memory of a card as a block device', () => {
  const IOPMEM = exampleLab('iopmem-2016');

  it.each([
    ['to it', ['nvme0', 'iopmem0'], { nvram: [0, MIB], nvme0: [MIB, 0] }],
    ['to it by its name', ['nvme0', 'iopmem0', '--via', 'iopmem0'], { nvram: [0, MIB] }],
    ['from it', ['iopmem0', '/dev/nvme0n1', '--via', 'nvram'], { nvram: [MIB, 0], nvme0: [0, MIB] }],
  ])('a drive copies %s in place: no buffer, nothing over DRAM and root port', async (_, ends, crossed) => {
    const result = await copyJson(IOPMEM, ...ends, '--size', '1M', '--offset', '64k', '--verify');
    expect(result).toMatchObject({
      trust: 'verified',
      isInPlace: true,
      route: { kind: 'peer', provider: '0000:03:00.0' },
      traffic: { dramBytes: 0, rootPortBytes: 0 },
    });
    expect(links(result)).toMatchObject(crossed);
  });

  it('and through host memory, by the processor, when that is asked for', async () => {
    const result = await copyJson(IOPMEM, 'nvme0', 'iopmem0', '--size', '1M', '--via', 'host', '--verify');
    expect(result).toMatchObject({ trust: 'verified', isInPlace: false, route: { kind: 'host' } });
    expect(result.traffic.dramBytes).toBeGreaterThan(0);
  });
});

describe('a signal', () => {
  it.each(['copy nvme1 nvme0', 'demo', 'bench nvme1 --count 1000000'])(
    'stops `%s` in an orderly way: what is certain is told, status 128 + n',
    async (command) => {
      const before = process.listenerCount('SIGINT');
      const size = command.startsWith('bench') ? [] : ['--size', '4G'];
      const running = runCli(['lab', LAB, ...command.split(' '), ...size, '--json']);
      while (process.listenerCount('SIGINT') === before) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      process.emit('SIGINT', 'SIGINT');
      const { status, stdout, stderr } = await running;
      expect(status).toBe(130);
      const code = command.startsWith('bench') ? 'BENCH_STOPPED' : 'COPY_STOPPED';
      expect(stderr).toMatch(new RegExp(`^peerlane: stopped; [^\\n]*\\[${code}\\]\\n$`));
      const json = JSON.parse(stdout);
      expect((json.runs?.[0] ?? json).outcome).toBe('stopped');
      expect(process.listenerCount('SIGINT')).toBe(before);
    },
  );
});

describe('images of namespaces', () => {
  const content = Uint8Array.from({ length: 3 * MIB }, (_, i) => (i * 7 + (i >> 9)) & 0xff);
  write('source.img', content);
  write('target.img', new Uint8Array(MIB).fill(1));
  const lab = write(
    'images.yaml',
    labText(
      ['cmb: 8M', 'namespaces: {size: 4M, image: source.img}'],
      ['namespaces: {size: 4M, image: target.img}'],
    ),
  );
  const target = () => readFileSync(scratch.path('target.img'));
  const copy = (...more: string[]) =>
    runCli(['lab', lab, 'copy', 'nvme0', 'nvme1', '--size', '4M', '--verify', ...more]);

  it('are read, and stay as they are', async () => {
    expect(await copy()).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringContaining('trust: verified'),
    });
    expect(Buffer.compare(target(), new Uint8Array(MIB).fill(1))).toBe(0);
    expect(
      await runCli(['lab', lab, 'copy', 'nvme1', 'nvme0', '--size', '1M', '--verify', '--bytes']),
    ).toMatchObject({ status: 0 });
    expect(Buffer.compare(readFileSync(scratch.path('source.img')), content)).toBe(0);
  });

  it('are written with --write-images, after a yes', async () => {
    const refused = await copy('--write-images');
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('COPY_NOT_CONFIRMED') });
    expect(target().length).toBe(MIB);
    const done = await copy('--write-images', '--yes');
    expect(done.status).toBe(0);
    expect(done.stderr).toContain('nvme1 holds the image target.img, which is overwritten');
    // What lies behind the end of the source's file reads as zeros.
    expect(Buffer.compare(target(), Buffer.concat([content, new Uint8Array(MIB)]))).toBe(0);
  });

  it('need not be there for commands that do not look into drives, and are told for those that do', async () => {
    const missing = write('missing.yaml', labText(['namespaces: {size: 4M, image: no-such.img}']));
    expect(await runCli(['lab', missing, 'topo'])).toMatchObject({ status: 0, stderr: '' });
    await expectRefusal(['lab', missing, 'copy', 'nvme0', 'nvme1'], 'no-such.img', 'HOST_NO_SUCH_PATH');
    const device = write('device.yaml', labText(['namespaces: {size: 4M, image: /dev/zero}']));
    await expectRefusal(['lab', device, 'copy', 'nvme0', 'nvme1'], '/dev/zero', 'HOST_NOT_BLOCK');
  });
});

describe('peerlane bench on a lab', () => {
  it('measures peer and host memory apart, in virtual time', async () => {
    const args = ['--block', '64k', '--count', '32', '--rounds', '2', '--json'];
    const { status, stdout, stderr } = await runCli([
      'lab',
      LAB,
      'bench',
      'nvme0',
      'nvme1',
      '--mode',
      'copy',
      ...args,
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const bytes = 2 * 32 * 65536;
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      schema: 'peerlane/bench/1',
      outcome: 'done',
      isSimulated: true,
      time: 'virtual',
      sides: [
        {
          label: 'peer 0000:03:00.0',
          latency: { item: { count: 64 } },
          rounds: [{ items: 32, bytes: 32 * 65536 }, { items: 32 }],
          traffic: { dramBytes: 0, rootPortBytes: 0 },
        },
        { label: 'host memory', traffic: { dramBytes: 2 * bytes, rootPortBytes: 2 * bytes } },
      ],
    });
    const [peer, host] = result.sides;
    expect(result.ratio).toBeCloseTo(peer.bytesPerSecond / host.bytesPerSecond, 9);
    expect(peer.rounds[0].bytesPerSecond).toBeCloseTo((32 * 65536 * 1e9) / peer.rounds[0].elapsedNs, 0);
  });

  it('gives the same figures every time, 10 ms of virtual time without --seconds', async () => {
    const run = () => runCli(['lab', LAB, 'bench', 'nvme1', '--block', '4k']);
    const { status, stdout } = await run();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^10\.0 ms of virtual time; tlp engine, platform intel-xeon-skl$/m);
    expect(stdout).toMatch(/^peer 0000:03:00\.0: 0\.\d{3} GB\/s, \d+ requests\/s/m);
    expect(stdout).toMatch(/^ {2}limiter: .+/m);
    expect(stdout).toMatch(/^ratio: peer memory is \d\.\d\d times host memory$/m);
    expect((await run()).stdout).toBe(stdout);
  });

  it('charges the processor for each request unless told otherwise', async () => {
    const args = [
      'lab',
      LAB,
      'bench',
      'nvme1',
      '--block',
      '4k',
      '--depth',
      '32',
      '--seconds',
      '0.002',
      '--json',
    ];
    const iops = async (cpu: string) =>
      JSON.parse((await runCli([...args, '--cpu', cpu])).stdout).sides[0].itemsPerSecond;
    const [kernel, none] = [await iops('kernel'), await iops('none')];
    // 5 us a request on one thread.
    expect(kernel).toBeLessThanOrEqual(205_000);
    expect(none).toBeGreaterThan(kernel * 1.2);
  });

  it('of a lab without a workload and without a target says what to do', async () => {
    await expectRefusal(['lab', LAB, 'bench'], 'LAB_NO_WORKLOAD', 'bench nvme0');
    await expectRefusal(['lab', LAB, 'bench', '--block', '4k'], 'USAGE_TARGETS', '--block');
    await expectRefusal(['lab', LAB, 'bench', 'nvme0', '--block', '1000'], 'COPY_SETUP');
    await expectRefusal(
      ['lab', LAB, 'bench', 'nvme0', '--mode', 'mixed', '--read-percent', '101'],
      'COPY_SETUP',
    );
    await expectRefusal(['lab', LAB, 'bench', 'nvme0', '--count', '0'], 'COPY_SETUP');
    await expectRefusal(['lab', LAB, 'bench', 'nvme0', '--size', '4k'], 'COPY_RANGE');
  });

  it('writes without asking, because nothing of a lab outlives the run', async () => {
    expect(
      await runCli([
        'lab',
        LAB,
        'bench',
        'nvme0',
        '--mode',
        'mixed',
        '--count',
        '8',
        '--rounds',
        '1',
        '--via',
        'host',
      ]),
    ).toMatchObject({ status: 0, stderr: '' });
  });
});
