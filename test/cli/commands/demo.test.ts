/** `peerlane demo`: what it proves, its JSON, and what it says of other labs. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../inputs.ts';
import { exampleLab, labText } from '../lab-inputs.ts';
import { expectRefusal } from '../refusal.ts';
import { runCli } from '../run-cli.ts';

const scratch = scratchFolder();
const MIB = 2 ** 20;

interface Traffic {
  readonly dramBytes: number;
  readonly rootPortBytes: number;
  readonly linkBytes: Record<
    string,
    { readonly to: string; readonly upBytes: number; readonly downBytes: number }
  >;
}

interface DemoJson {
  readonly schema: string;
  readonly runs: readonly (Traffic & {
    readonly route: 'host' | 'peer';
    readonly bytes: number;
    readonly controlBytes: Traffic;
    readonly verified: boolean;
    readonly seconds: number;
  })[];
}

async function demoJson(...args: string[]): Promise<DemoJson> {
  const { status, stdout, stderr } = await runCli(['demo', ...args, '--json']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe('peerlane demo --json', () => {
  it('keeps its contract: two runs, exactly nothing over DRAM and root port on the peer route', async () => {
    const { schema, runs } = await demoJson();
    const bytes = 256 * MIB;
    expect(schema).toBe('peerlane/demo/1');
    expect(runs.map(({ route }) => route)).toEqual(['host', 'peer']);
    const [host, peer] = runs;
    expect(host).toMatchObject({ bytes, dramBytes: 2 * bytes, rootPortBytes: 2 * bytes, verified: true });
    expect(peer).toMatchObject({ bytes, dramBytes: 0, rootPortBytes: 0, verified: true });
    for (const run of runs) {
      expect(run.seconds).toBeGreaterThan(0);
      expect(run.controlBytes.dramBytes).toBeGreaterThan(0);
      expect(Object.keys(run.controlBytes.linkBytes)).toEqual(Object.keys(run.linkBytes));
    }
    expect(Object.values(peer!.linkBytes)).toEqual([
      { to: 'sw0', upBytes: 0, downBytes: 0 },
      { to: 'nvme0', upBytes: bytes, downBytes: 0 },
      { to: 'nvme1', upBytes: 0, downBytes: bytes },
    ]);
  });

  it('counts the same with real bytes as with extents', async () => {
    const counts = ({ runs }: DemoJson) => runs.map(({ seconds: _, ...run }) => run);
    expect(counts(await demoJson('--size', '3M', '--bytes'))).toEqual(counts(await demoJson('--size', '3M')));
  });

  it('copies the other way with --from and --to', async () => {
    const { runs } = await demoJson('--size', '2M', '--from', 'nvme1', '--to', 'nvme0');
    expect(runs[1]).toMatchObject({ route: 'peer', dramBytes: 0, rootPortBytes: 0, verified: true });
    expect(Object.values(runs[1]!.linkBytes)).toContainEqual({ to: 'nvme1', upBytes: 2 * MIB, downBytes: 0 });
  });

  it('of drives that meet in the host bridge: nothing over DRAM, everything over two root ports', async () => {
    const { runs } = await demoJson(exampleLab('epyc'), '--size', '2M');
    expect(runs[1]).toMatchObject({ route: 'peer', dramBytes: 0, rootPortBytes: 4 * MIB, verified: true });
  });
});

describe('peerlane demo', () => {
  it('shows machine, verdicts, both copies and what they mean', async () => {
    const { status, stdout, stderr } = await runCli(['demo', '--size', '4M']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('NVMe  nvme0  peer memory 128 MiB');
    expect(stdout).toMatch(/memory of nvme0 for nvme1 +usable by bus address.*\(bus-addr, distance 4\)/);
    expect(stdout).toMatch(/through host memory +peer to peer/);
    expect(stdout).toMatch(/^ {2}trust +verified +verified$/m);
    expect(stdout).toMatch(/^ {2}bytes over DRAM +8 MiB +0 B$/m);
    expect(stdout).toMatch(/^ {4}over the root port +8 MiB +0 B$/m);
    expect(stdout).toMatch(/^ {4}link to nvme0 +up +4 MiB +4 MiB$/m);
    expect(stdout).toContain('What you saw.');
    expect(stdout).toMatch(/^ {2}throughput +\d\.\d\d GB\/s +\d\.\d\d GB\/s$/m);
    expect(stdout).toMatch(/^ {4}limit peer to peer +\S/m);
  });

  it('names commands to try that work', async () => {
    const { stdout } = await runCli(['demo', exampleLab('eideticom'), '--size', '1M']);
    const commands = [...stdout.matchAll(/^ {2}peerlane (\S.*?) {2}/gm)].map((match) => match[1]!.split(' '));
    expect(commands.length).toBeGreaterThan(3);
    for (const command of commands.filter(([name]) => name === 'lab')) {
      expect(await runCli(command)).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('of a lab is the same as the demo of it', async () => {
    const { stdout } = await runCli(['lab', exampleLab('eideticom-accelerator'), 'demo', '--size', '1M']);
    expect(stdout).toContain('memory of accel0');
    expect(stdout).toMatch(/bytes over DRAM +2 MiB +0 B/);
  });

  it('ends with status 1 and the reasons where the drives may not, and copies through host memory only', async () => {
    const args = ['demo', exampleLab('nvmet-switch'), '--from', 'nvme1', '--to', 'nvme4', '--size', '1M'];
    const { status, stdout, stderr } = await runCli(args);
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(stdout).toContain('RC_NOT_LISTED');
    expect(stdout).not.toContain('0 B over DRAM');
    const json = await runCli([...args, '--json']);
    expect(json.status).toBe(1);
    const { runs, refusals } = JSON.parse(json.stdout);
    expect(runs).toMatchObject([{ route: 'host', verified: true, dramBytes: 2 * MIB }]);
    expect(refusals).toMatchObject([{ provider: '0000:04:00.0' }]);
  });

  it('takes less than it would where a drive is smaller', async () => {
    const path = scratch.path('small.yaml');
    writeFileSync(path, labText(['cmb: 8M', 'namespaces: 3M'], ['namespaces: {size: 64M, block: 4096}']));
    const { runs } = await demoJson(path);
    expect(runs).toMatchObject([{ bytes: 3 * MIB }, { bytes: 3 * MIB, dramBytes: 0 }]);
  });

  it('proves nothing and says so, with status 3, where the target held the same bytes before', async () => {
    const path = scratch.path('twins.yaml');
    writeFileSync(
      path,
      labText(['cmb: 8M', 'namespaces: {size: 4M, seed: 7}'], ['namespaces: {size: 4M, seed: 7}']),
    );
    const { status, stdout, stderr } = await runCli(['demo', path, '--json']);
    expect(status).toBe(3);
    expect(stderr).toContain('held the same bytes before');
    expect(JSON.parse(stdout).runs).toMatchObject([{ verified: false }, { verified: false }]);
  });

  it.each<[string, string[], string[]]>([
    ['a drive that is not there', ['--from', 'nvme7'], ['TOPO_UNKNOWN_NAME']],
    ['one drive for both', ['--from', 'nvme0', '--to', '03:00.0'], ['USAGE_SAME_TARGET']],
    ['a device that is no drive', ['--to', 'sw0'], ['LAB_NO_BLOCKS']],
    ['a lab without drives', [exampleLab('dgx-like'), '--from', 'gpu0'], ['LAB_NO_BLOCKS', 'it is a gpu']],
    ['a file that is not there', [scratch.path('none')], ['INPUT_MISSING']],
    ['more than there is', ['--size', '9G'], ['COPY_RANGE']],
    ['a machine by option', ['-m', 'live'], ['-m']],
    ['--verdicts with a lab', [exampleLab('epyc'), '--verdicts'], ['matrix']],
  ])('refuses %s in one line', async (_, args, says) => {
    await expectRefusal(['demo', ...args], ...says);
  });
});
