import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/index.ts';
import { type SweepCommandOptions, sweep } from '../../../src/cli/commands/sweep.ts';
import type { Io } from '../../../src/cli/io.ts';
import { ownThread } from '../../../src/cli/sweep/pool.ts';
import { expectRefusal } from '../refusal.ts';
import { runCli } from '../run-cli.ts';
import { computed, hooks } from './fake-job.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerlane-sweep-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LAB = join(folder, 'box.yaml');
const TEXT = `# A comment stays.
peerlane: lab/1
title: ab
kernel: 7.2.12
cpu: intel
memory: 4G
seed: 1
below:
  - nvme: nvme0
    link: gen3 x4
    namespaces: 1G
workload:
  duration: 100us
  warm-up: 20us
  streams:
    - read: nvme0
      name: r0
      block: 4K
      depth: 4
      cpu: none
`;
writeFileSync(LAB, TEXT);
const SETS = ['seed=1,2,3', 'title=ab,abcd'];
const jobModule = new URL('./fake-job.ts', import.meta.url).href;

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  options: Partial<SweepCommandOptions> = {},
  around: {
    readonly isTerminal?: boolean;
    readonly isKept?: boolean;
    readonly nowNs?: () => number;
    readonly onErr?: () => void;
  } = {},
): Promise<Run> {
  let stdout = '';
  let stderr = '';
  const io: Io = {
    out: async (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
      around.onErr?.();
    },
    outIsTerminal: false,
    errIsTerminal: around.isTerminal === true,
    columns: 100,
    ask: async () => undefined,
  };
  const status = await sweep(
    LAB,
    {
      version: '0.0.0-test',
      set: SETS,
      metric: 'goodputGBs',
      output: [],
      ...(around.isKept === false ? {} : { resume: JOURNAL }),
      ...options,
    },
    io,
    {
      openPool: async () => ownThread(),
      jobModule,
      ...(around.nowNs === undefined ? {} : { nowNs: around.nowNs }),
    },
  );
  return { status, stdout, stderr };
}

const JOURNAL = join(folder, 'night.journal');
/** Journals that runs without --resume made and left. */
const leftovers = (): string[] => readdirSync(folder).filter((name) => name.startsWith('peerlane-sweep-'));

beforeEach(() => {
  rmSync(JOURNAL, { force: true });
  computed.length = 0;
  hooks.beforePoint = () => {};
  hooks.halfWay = async () => {};
});

describe('a sweep', () => {
  it('prints every combination with its figure, the last set changing fastest', async () => {
    const { status, stdout, stderr } = await run();
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toBe(`seed  title  goodputGBs  limiter
1     ab     2 GB/s      media of nvme0
1     abcd   4 GB/s      media of nvme0
2     ab     4 GB/s      media of nvme0
2     abcd   8 GB/s      media of nvme0
3     ab     6 GB/s      link of 0000:03:00.0
3     abcd   12 GB/s     link of 0000:03:00.0
`);
  });

  it('writes CSV with all figures, JSON and a chart', async () => {
    const outputs = ['out.csv', 'out.json', 'out.svg'].map((name) => join(folder, name));
    const { stdout } = await run({ output: outputs, json: true });
    expect(readFileSync(outputs[0]!, 'utf8').split('\r\n').slice(0, 3)).toEqual([
      'seed,title,error,goodputGBs,latency.p99Ns,limiter.what',
      '1,ab,,2,1000,media of nvme0',
      '1,abcd,,4,1000,media of nvme0',
    ]);
    const document = JSON.parse(readFileSync(outputs[1]!, 'utf8'));
    expect(document).toEqual(JSON.parse(stdout));
    expect(document).toMatchObject({
      schema: 'peerlane/sweep/1',
      lab: LAB,
      sets: [
        { path: 'seed', values: ['1', '2', '3'] },
        { path: 'title', values: ['ab', 'abcd'] },
      ],
      metric: 'goodputGBs',
      isComplete: true,
    });
    expect(document.points).toHaveLength(6);
    expect(document.points[3]).toEqual({
      index: 3,
      values: { seed: '2', title: 'abcd' },
      metrics: { goodputGBs: 8, 'latency.p99Ns': 2000, 'limiter.what': 'media of nvme0' },
      error: null,
    });
    const svg = readFileSync(outputs[2]!, 'utf8');
    for (const text of ['goodputGBs by seed', 'goodput (GB/s)', '>title=ab<', '>title=abcd<']) {
      expect(svg).toContain(text);
    }
  });

  it('has the row of a point that failed, and goes on', async () => {
    const csv = join(folder, 'failed.csv');
    const { status, stdout, stderr } = await run({
      set: ['title=ab,broken,bug', 'seed=1'],
      output: [csv],
      resume: join(folder, 'failed.journal'),
    });
    expect(status).toBe(3);
    expect(stdout).toContain('failed: ');
    expect(stdout).toContain('nothing, "really" [LAB_REFERENCE]');
    expect(stderr).toContain('2 of 3 points failed');
    expect(readFileSync(csv, 'utf8').split('\r\n').slice(1, 3)).toEqual([
      'ab,1,,2,1000,media of nvme0',
      'broken,1,LAB_REFERENCE,,,',
    ]);
  });

  it('shows figures in their unit, and answers one that is not there with those that are', async () => {
    expect((await run({ metric: 'latency.p99Ns' })).stdout).toContain('3 us');
    rmSync(JOURNAL);
    await expect(run({ metric: 'latency.p50Ns' })).rejects.toMatchObject({
      code: 'USAGE_SWEEP_METRIC',
      exitStatus: 2,
      hint: expect.stringContaining('latency.p99Ns'),
    });
    const output = [join(folder, 'metric.csv')];
    await expect(run({ metric: 'none', output }, { isKept: false })).rejects.toThrow(/--metric none/);
    expect(leftovers()).toEqual([]);
  });

  it('is told of on a terminal while it runs, with the time that is left', async () => {
    let now = 0;
    hooks.beforePoint = () => {
      now += 2e9;
    };
    const { stderr } = await run({}, { isTerminal: true, nowNs: () => now });
    expect(stderr).toContain('1 of 6 points, 16 %, 10 s left');
    expect(stderr).toContain('5 of 6 points, 83 %, 2 s left');
    expect(stderr).not.toContain('takes about');
  });

  it('says so once when it takes more than a minute, before its first point is done', async () => {
    let now = 0;
    let isTold = (): void => {};
    const told = new Promise<void>((resolve) => {
      isTold = resolve;
    });
    hooks.beforePoint = () => {
      now += 20e9;
    };
    hooks.halfWay = () => told;
    const { stderr } = await run({}, { nowNs: () => now, onErr: isTold });
    expect(stderr).toBe(
      "peerlane: this sweep takes about 4 min of this computer's time; Ctrl-C prints what is known by then, and the same command goes on from there\n",
    );
  });
});

describe('a sweep of a workload that really runs', () => {
  it('finds that more requests in flight are more throughput, until the link is full', async () => {
    const args = ['sweep', LAB, '--set', 'r0.depth=1,4,256', '--set', 'nvme0.link=gen3 x1,gen3 x4', '--json'];
    const first = await runCli([...args, '--resume', join(folder, 'real.journal')]);
    expect(first).toMatchObject({ status: 0, stderr: '' });
    const { points } = JSON.parse(first.stdout) as { points: { metrics: Record<string, number> }[] };
    const goodput = points.map(({ metrics }) => metrics.goodputGBs!);
    const [a1, a4, b1, b4, c1, c4] = goodput;
    expect(b4!).toBeGreaterThan(a4! * 3);
    expect(c4!).toBeGreaterThan(b4! * 2);
    expect(a1!).toBeLessThanOrEqual(a4!);
    expect(b1!).toBeGreaterThan(a1!);
    // Gen3 x1 carries less than 1 GB/s.
    expect(c1!).toBeLessThan(0.985);
    expect(points[0]!.metrics['latency.p99Ns']).toBeGreaterThan(0);
    rmSync(join(folder, 'real.journal'));
    expect((await runCli([...args, '--resume', join(folder, 'real.journal')])).stdout).toBe(first.stdout);
  });
});

describe('the engine of a sweep', () => {
  it('is the one that bench would take: flows where every request is large, packets else, and what the lab says', async () => {
    const engines = async (...sets: string[]): Promise<string[]> => {
      const args = ['sweep', LAB, ...sets.flatMap((set) => ['--set', set]), '--json', '--resume', ENGINES];
      const { points } = JSON.parse((await runCli(args)).stdout) as {
        points: { metrics: { engine: string } }[];
      };
      rmSync(ENGINES);
      return points.map(({ metrics }) => metrics.engine);
    };
    const ENGINES = join(folder, 'engines.journal');
    expect(await engines('r0.block=4K,64K')).toEqual(['tlp', 'flow']);
    expect(await engines('r0.block=4K,64K', 'time.engine=tlp,flow')).toEqual(['tlp', 'flow', 'tlp', 'flow']);
  });
});

describe('a sweep that was stopped', () => {
  const stopAt = (point: number): void => {
    hooks.beforePoint = () => {
      if (computed.length === point) {
        process.emit('SIGINT', 'SIGINT');
      }
    };
  };

  it('prints what is known and goes on where it was, to the same result', async () => {
    const whole = await run();
    rmSync(JOURNAL);
    computed.length = 0;
    stopAt(2);
    const first = await run();
    expect(first.status).toBe(130);
    expect(first.stderr).toContain('stopped after 3 of 6 points');
    expect(first.stderr).toContain(`--resume ${JOURNAL}`);
    // Its columns are as wide as what is known.
    expect(first.stdout.match(/^\d.*GB\/s/gm)).toEqual(whole.stdout.match(/^\d.*GB\/s/gm)!.slice(0, 3));
    hooks.beforePoint = () => {};
    const second = await run();
    expect(second.status).toBe(0);
    expect(second.stderr).toContain('3 of 6 points are known from before');
    expect(second.stdout).toBe(whole.stdout);
    expect(computed).toHaveLength(6);
    expect(existsSync(JOURNAL)).toBe(true);
    // And again: nothing is left to compute.
    expect((await run()).stdout).toBe(whole.stdout);
    expect(computed).toHaveLength(6);
  });

  it('leaves a journal that nobody asked for beside its output, and takes it away when all is done', async () => {
    const output = [join(folder, 'partial.json')];
    const unasked = (): Promise<Run> => run({ output, force: true }, { isKept: false });
    stopAt(1);
    const { stderr } = await unasked();
    expect(leftovers()).toHaveLength(1);
    expect(stderr).toContain(leftovers()[0]);
    expect(JSON.parse(readFileSync(output[0]!, 'utf8'))).toMatchObject({ isComplete: false });
    hooks.beforePoint = () => {};
    expect((await unasked()).stderr).toContain('2 of 6 points are known');
    expect(leftovers()).toEqual([]);
    expect(JSON.parse(readFileSync(output[0]!, 'utf8'))).toMatchObject({ isComplete: true });
  });

  it('refuses the journal of another sweep', async () => {
    await run();
    const error = await run({ set: ['seed=1,2'] }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PeerlaneError);
    expect(error).toMatchObject({ code: 'USAGE_SWEEP_JOURNAL', exitStatus: 2 });
  });
});

describe('mistakes are told before anything runs', () => {
  it.each([
    ['no file', ['sweep', '--set', 'a=1'], 'needs a lab file'],
    ['no set', ['sweep', LAB], '--set'],
    ['a set without values', ['sweep', LAB, '--set', 'seed='], 'seed'],
    ['a path that leads nowhere', ['sweep', LAB, '--set', 'nvme0.lnk=gen3 x4'], 'lnk'],
    [
      'a path that leads nowhere beside one that does',
      ['sweep', LAB, '--set', 'seed=1', '--set', 'seet=2'],
      'seet',
    ],
    ['a value that cannot be, not the first', ['sweep', LAB, '--set', 'nvme0.link=gen3 x4,gen9 x4'], 'gen9'],
    ['an output of no known kind', ['sweep', LAB, '--set', 'seed=1', '-o', 'a.png'], 'a.png'],
    ['a file that is there', ['sweep', LAB, '--set', 'seed=1', '-o', join(folder, 'there.csv')], '--force'],
    ['no threads', ['sweep', LAB, '--set', 'seed=1', '--jobs', '0'], '--jobs'],
    ['a machine beside the lab', ['-m', LAB, 'sweep', LAB, '--set', 'seed=1'], 'sweep'],
    ['a lab that is not there', ['sweep', join(folder, 'none.yaml'), '--set', 'seed=1'], 'none.yaml'],
  ])('%s', async (_name, args, says) => {
    writeFileSync(join(folder, 'there.csv'), 'precious');
    await expectRefusal(args, says);
    expect(readFileSync(join(folder, 'there.csv'), 'utf8')).toBe('precious');
    expect(leftovers()).toEqual([]);
  });

  it.each([
    [
      'a value alone',
      ['nvme0.link=gen3 x4,gen3 x3'],
      /^peerlane: --set nvme0\.link=gen3 x3: .*'gen3 x3'/,
      'LAB_VALUE',
    ],
    ['the first value of two sets', ['seed=1', 'r0.depth=0'], /^peerlane: --set r0\.depth=0: /, 'LAB_VALUE'],
    [
      'a path',
      ['nvme0.lnk=gen3 x4'],
      /^peerlane: --set nvme0\.lnk=gen3 x4: .*leads nowhere/,
      'LAB_UNKNOWN_PATH',
    ],
    ['a list that does not end', ['r0.block=[4K'], /^peerlane: --set r0\.block=\[4K: /, 'LAB_SYNTAX'],
    [
      'two values that do not go together',
      ['nvme0.namespaces=1M,1G', 'r0.area=1M,512M'],
      /^peerlane: --set nvme0\.namespaces=1M --set r0\.area=512M: /,
      'LAB_STREAM',
    ],
  ])('%s is told as what was typed, not as a line that nobody wrote', async (_name, sets, says, code) => {
    const line = await expectRefusal(['sweep', LAB, ...sets.flatMap((set) => ['--set', set])], `[${code}]`);
    expect(line).toMatch(says);
    expect(line).not.toMatch(/box\.yaml|line \d|:\d+:\d/);
    expect(leftovers()).toEqual([]);
  });

  it('a point that fails while it runs says what is wrong without a line', async () => {
    // Each value goes with the first of the others, so nothing is wrong before it runs.
    const result = await runCli(
      ['sweep', LAB, '--set', 'nvme0.namespaces=1G,1M', '--set', 'r0.area=1M,512M', '--json'].concat([
        '--resume',
        join(folder, 'late.journal'),
      ]),
    );
    expect(result.status).toBe(3);
    const { points } = JSON.parse(result.stdout) as { points: { error: { message: string } | null }[] };
    expect(points.map(({ error }) => error === null)).toEqual([true, true, true, false]);
    expect(points[3]!.error!.message).not.toMatch(/box\.yaml/);
  });

  it('a lab without a workload', async () => {
    const bare = join(folder, 'bare.yaml');
    writeFileSync(bare, TEXT.slice(0, TEXT.indexOf('workload:')));
    await expectRefusal(['sweep', bare, '--set', 'seed=1,2'], 'no `workload`', '[LAB_NO_WORKLOAD]');
  });

  it('has a help that teaches', async () => {
    const { status, stdout } = await runCli(['sweep', '--help']);
    expect(status).toBe(0);
    for (const text of ['--set <path=a,b,c>', 'Examples:', 'Exit status', 'peerlane/sweep/1', '--resume']) {
      expect(stdout).toContain(text);
    }
    expect((await runCli(['--help'])).stdout).toContain('sweep');
  });
});
