/** `bench --fio` on a lab, on files, and beside the fio that is installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { liveTree, openBlockTarget } from '../../../src/linux/index.ts';
import { parseFioJobs } from '../../../src/orchestrators/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { runCli } from '../run-cli.ts';

const LAB = fileURLToPath(new URL('../../../examples/eideticom.yaml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'peerlane-fio-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

let files = 0;
function jobFile(text: string): string {
  const name = path(`${files++}.fio`);
  writeFileSync(name, text);
  return name;
}

/** The parts of the report that tests look at. */
interface Report {
  readonly jobs: readonly {
    readonly jobname: string;
    readonly error: number;
    readonly read: { readonly io_bytes: number; readonly total_ios: number };
    readonly write: { readonly io_bytes: number; readonly total_ios: number };
  }[];
  readonly peerlane: {
    readonly traffic: { readonly dramBytes: number } | null;
    readonly jobs: readonly { readonly memory: string; readonly failure: unknown }[];
  };
}

async function report(args: readonly string[]): Promise<Report> {
  const { stdout, stderr, status } = await runCli([...args, '--output-format=json']);
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return JSON.parse(stdout);
}

const PEER = `[global]
filename=/dev/nvme1n1
iomem=mmapshared:nvme0
direct=1
bs=64k
iodepth=4
size=4m
group_reporting

[write]
rw=write

[read]
stonewall
rw=randread
numjobs=2
`;

describe('bench --fio on a lab', () => {
  it('moves what the jobs say through peer memory, with nothing in system memory', async () => {
    const { jobs, peerlane } = await report(['lab', LAB, 'bench', '--fio', jobFile(PEER)]);
    expect(jobs.map(({ jobname, error }) => [jobname, error])).toEqual([
      ['write', 0],
      ['read', 0],
    ]);
    expect(jobs[0]).toMatchObject({ write: { io_bytes: 4 << 20, total_ios: 64 }, read: { io_bytes: 0 } });
    expect(jobs[1]).toMatchObject({ read: { io_bytes: 8 << 20, total_ios: 128 }, groupid: 1 });
    expect(peerlane).toMatchObject({
      schema: 'peerlane/fio/1',
      isSimulated: true,
      figures: 'simulated, untimed',
      ignored: [{ key: 'direct', line: 4 }],
      traffic: { dramBytes: 0, rootPortBytes: 0 },
      jobs: [
        { memory: 'peer', filename: '/dev/nvme1n1' },
        { memory: 'peer', jobs: 2 },
      ],
      exitStatus: 0,
    });
  });

  it('tells the same through host memory, where every byte is in DRAM', async () => {
    const text = PEER.replace('mmapshared:nvme0', 'malloc');
    const { peerlane } = await report(['-m', LAB, 'bench', '--fio', jobFile(text)]);
    expect(peerlane.traffic?.dramBytes).toBe(12 << 20);
  });

  it('prints the layout that people know, and that it is simulated', async () => {
    const text = `${PEER}[check]\nstonewall\nrw=write\niomem=malloc\nsize=1m\nverify=crc32c\ndescription=with checksums\n`;
    const { status, stdout, stderr } = await runCli(['-m', LAB, 'bench', '--fio', jobFile(text)]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('simulated, untimed');
    expect(stdout).toMatch(/^write: \(g=0\): rw=write, bs=\(R\) 65536B/m);
    expect(stdout).toMatch(/^read: \(groupid=1, jobs=2\): err= 0$/m);
    expect(stdout).toMatch(/^ {2}read: IOPS=\S+, BW=\S+B\/s \(\S+B\/s\)\(8MiB\/\d+msec\)$/m);
    expect(stdout).toMatch(/^ {4}clat \((n|u|m)sec\): min=\d+, max=\d+, avg=[\d.]+, stdev=[\d.]+$/m);
    expect(stdout).toMatch(/\| {2}1\.00th=\[ *\d+\], {2}5\.00th=/);
    expect(stdout).toContain('verify: 16 blocks tested (crc32c)');
    expect(stdout).toMatch(/^Run status group 2 \(all jobs\):$/m);
    expect(stdout).toContain('ignored: direct (line 4): always O_DIRECT');
  });

  it('runs the example, peer memory beside host memory', async () => {
    const example = fileURLToPath(new URL('../../../examples/peer-read.fio', import.meta.url));
    const { jobs, peerlane } = await report(['lab', LAB, 'bench', '--fio', example]);
    expect(jobs.map(({ jobname, error }) => [jobname, error])).toEqual([
      ['peer-write', 0],
      ['peer-read', 0],
      ['host-read', 0],
    ]);
    expect(peerlane.jobs.map(({ memory }) => memory)).toEqual(['peer', 'peer', 'host']);
    expect(peerlane.traffic?.dramBytes).toBe(64 << 20);
  });

  it('takes the drive of the command line for jobs that name none', async () => {
    const name = jobFile('[j]\nbs=4k\nsize=64k\n');
    const { jobs } = await report(['-m', LAB, 'bench', 'nvme0', '--fio', name]);
    expect(jobs[0]!.read.io_bytes).toBe(65_536);
  });

  it.each([
    ['an unknown option', '[j]\nfilename=nvme0\nnonsense=1\n', [], 'FIO_UNKNOWN_OPTION'],
    ['a range of sizes', '[j]\nfilename=nvme0\nbsrange=4k-8k\n', [], 'FIO_UNSUPPORTED'],
    ['a job without a file', '[j]\nbs=4k\n', [], 'FIO_SETUP'],
    ['an area beyond the drive', '[j]\nfilename=nvme0\nsize=9g\n', [], 'FIO_SETUP'],
    ['half a block', '[j]\nfilename=nvme0\nbs=100\n', [], 'FIO_SETUP'],
    ['a file that is not a drive', '[j]\nfilename=sw0\n', [], 'LAB_NO_BLOCKS'],
    [
      'memory of a drive that has none',
      '[j]\nfilename=nvme0\niomem=mmapshared:nvme1\nsize=1m\n',
      [],
      'P2P_NO_PROVIDER',
    ],
    [
      'more memory than the pool has',
      '[j]\nfilename=nvme1\niomem=mmapshared:nvme0\nbs=1m\niodepth=200\n',
      [],
      'P2P_POOL_EXHAUSTED',
    ],
    ['an option of bench beside it', '[j]\nfilename=nvme0\n', ['--block', '4k'], 'USAGE_FIO'],
    ['a target that no job needs', '[j]\nfilename=nvme0\n', ['nvme1'], 'USAGE_TARGETS'],
    ['two targets', '[j]\n', ['nvme0', 'nvme1'], 'USAGE_TARGETS'],
  ] as const)('refuses %s in one line', async (_, text, args, code) => {
    const result = await runCli(['-m', LAB, 'bench', ...args, '--fio', jobFile(text)]);
    expect({ status: result.status, stdout: result.stdout }).toEqual({ status: 2, stdout: '' });
    expect(result.stderr).toMatch(new RegExp(`^peerlane: [^\\n]*; [^\\n]*\\[${code}\\]\\n$`));
  });

  it('refuses a job file that is none', async () => {
    for (const [name, code] of [
      [path('missing.fio'), 'INPUT_MISSING'],
      [folder, 'FIO_TOO_LARGE'],
    ] as const) {
      const { status, stderr } = await runCli(['-m', LAB, 'bench', '--fio', name]);
      expect(status).toBe(2);
      expect(stderr).toContain(`[${code}]`);
    }
  });

  it('still takes a target without --fio, and asks for one', async () => {
    const { status, stderr } = await runCli(['-m', LAB, 'bench']);
    expect(status).toBe(2);
    expect(stderr).toContain('LAB_NO_WORKLOAD');
    expect((await runCli(['bench'])).stderr).toContain('USAGE_TARGETS');
  });
});

function directIoWorks(): boolean {
  writeFileSync(path('probe'), new Uint8Array(4096));
  try {
    void openBlockTarget(path('probe'), { look: liveTree }).close();
    return true;
  } catch (error) {
    console.log(`skipped: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

const canRun = hasFfi() && directIoWorks();

describe.skipIf(!canRun)('bench --fio on files', () => {
  it('makes the file, writes, and verifies what it reads', async () => {
    const file = path('made');
    const text = `[w]\nfilename=${file}\nrw=randwrite\nbs=4k\nsize=1m\niodepth=8\nverify=crc32c\n[r]\nstonewall\nfilename=${file}\nbs=4k\nsize=1m\nverify=crc32c\n`;
    const { jobs, peerlane } = await report(['bench', '--fio', jobFile(text)]);
    expect(statSync(file).size).toBe(1 << 20);
    expect(jobs[0]).toMatchObject({
      write: { io_bytes: 1 << 20 },
      read: { io_bytes: 1 << 20, total_ios: 256 },
    });
    expect(jobs[1]).toMatchObject({ read: { io_bytes: 1 << 20 } });
    expect(peerlane).toMatchObject({ isSimulated: false, traffic: null, figures: 'measured' });
  });

  it('asks before it overwrites a file, and leaves it as it is without a yes', async () => {
    writeFileSync(path('kept'), new Uint8Array(65_536).fill(7));
    const args = ['bench', '--fio', jobFile(`[w]\nfilename=${path('kept')}\nrw=write\nsize=64k\n`)];
    expect(await runCli(args, ['n'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('COPY_NOT_CONFIRMED'),
    });
    expect(new Set(readFileSync(path('kept')))).toEqual(new Set([7]));
    expect((await runCli([...args, '--yes'])).status).toBe(0);
    expect(new Set(readFileSync(path('kept'))).size).toBeGreaterThan(200);
  });

  it('makes no file when the jobs cannot be done', async () => {
    const text = `[w]\nfilename=${path('unmade')}\nrw=write\nsize=64k\nbs=100\n`;
    expect((await runCli(['bench', '--fio', jobFile(text)])).stderr).toContain('FIO_SETUP');
    expect(existsSync(path('unmade'))).toBe(false);
  });

  it('finds a changed byte with status 3, and tells where', async () => {
    const file = path('changed');
    const write = `[w]\nfilename=${file}\nrw=write\nbs=4k\nsize=64k\nverify=crc32c\ndo_verify=0\n`;
    await report(['bench', '--fio', jobFile(write)]);
    const bytes = readFileSync(file);
    bytes[5 * 4096 + 100]! ^= 1;
    writeFileSync(file, bytes);
    const read = jobFile(`[r]\nfilename=${file}\nbs=4k\nsize=64k\nverify=crc32c\n`);
    const { status, stdout, stderr } = await runCli(['bench', '--fio', read, '--json']);
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^peerlane: job r: verify at byte 20480 failed: its checksum .*\[COPY_MISMATCH\]\n$/,
    );
    expect(JSON.parse(stdout)).toMatchObject({
      jobs: [{ error: 84 }],
      peerlane: { outcome: 'failed', jobs: [{ failure: { kind: 'verify' } }] },
    });
  });
});

const fio = spawnSync('fio', ['--version'], { encoding: 'utf8' });
const hasFio = fio.status === 0 && fio.stdout.startsWith('fio-3');
if (!hasFio) {
  console.log('skipped: no fio 3 is installed to compare with');
}

/** Paths of all fields with the type of each; the percentiles and job options by their keys too. */
function fieldsOf(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) {
    return value.length === 0 ? [`${prefix}[]`] : fieldsOf(value[0], `${prefix}[]`);
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, each]) => fieldsOf(each, `${prefix}.${key}`));
  }
  return [`${prefix}: ${typeof value}`];
}

describe.skipIf(!hasFio || !canRun)('beside the installed fio', () => {
  it('prints every field that it prints, with the same type, and the same counts', async () => {
    const file = path('both');
    const text = `[global]\nfilename=${file}\nsize=256k\nbs=4k\nioengine=psync\n\n[w]\nrw=write\n\n[r]\nstonewall\nrw=randrw\nrwmixread=50\nnumjobs=2\ngroup_reporting\n`;
    const name = jobFile(text);
    const theirs = spawnSync('fio', ['--output-format=json', name], { encoding: 'utf8' });
    expect(theirs.status).toBe(0);
    const expected = JSON.parse(theirs.stdout);
    const ours = await report(['bench', '--fio', name, '--yes']);
    // Disks are not watched here; each run of fio has other ones.
    delete expected.disk_util;
    expect(fieldsOf(ours)).toEqual(expect.arrayContaining(fieldsOf(expected)));
    expect(fieldsOf({ jobs: [ours.jobs[1]] })).toEqual(
      expect.arrayContaining(fieldsOf({ jobs: [expected.jobs[1]] })),
    );
    for (const [i, job] of ours.jobs.entries()) {
      const their = expected.jobs[i];
      expect(job).toMatchObject({
        jobname: their.jobname,
        groupid: their.groupid,
        error: 0,
        'job options': their['job options'],
      });
      expect(job.read.io_bytes + job.write.io_bytes).toBe(their.read.io_bytes + their.write.io_bytes);
      expect(job.read.total_ios + job.write.total_ios).toBe(their.read.total_ios + their.write.total_ios);
    }
  });

  it.each([
    'bs=4ki',
    'bs=4KiB',
    'bs=4k,8k',
    'bs = 8k # c',
    'size=50%',
    'offset=10%',
    'iodepth=0x10',
    'rw=readwrite',
    'readwrite=randrw',
    'rw=randrw\nrwmixwrite=30',
    'time_based\nruntime=1m',
    'time_based=0',
    'runtime=10ms',
    'kb_base=1000',
    'blocksize=4k',
    'mem=malloc',
    'iomem=mmapshared:/tmp/x',
    'verify=crc32c\nrw=write',
    'thread\nstonewall\nexitall\ngroup_reporting=0',
    'ioengine=libaio\ndirect=1',
    'number_ios=3\nloops=2\nio_size=2m',
    'offset_increment=1m\nnumjobs=2',
    'norandommap\nrandseed=7',
    'new_group\nend_fsync=1\nzero_buffers',
    'wait_for_previous',
    'description=x',
    'do_verify=0',
    'invalidate=1\nrefill_buffers\nrandrepeat=0',
  ])('takes %j as fio does', (lines) => {
    const text = `[j]\nfilename=/tmp/x\nsize=1m\n${lines}\n`;
    expect(spawnSync('fio', ['--parse-only', jobFile(text)]).status).toBe(0);
    expect(() => parseFioJobs(text, 'x')).not.toThrow();
  });

  it.each([
    'BS=4k',
    'direct',
    'direct=yes',
    'iodepth=0',
    'rwmixread=101',
    'rw=READ',
    'rw=randreadwrite',
    'nonsense=1',
    'verify=1',
    'bs=',
    'bs',
    '=4k',
    'filename=',
    'bs="4k"',
    'randseed=99999999999999999999',
  ])('refuses %j as fio does', (lines) => {
    const text = `[j]\nfilename=/tmp/x\nsize=1m\n${lines}\n`;
    expect(spawnSync('fio', ['--parse-only', jobFile(text)]).status).not.toBe(0);
    expect(() => parseFioJobs(text, 'x')).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^FIO_/) }),
    );
  });
});
