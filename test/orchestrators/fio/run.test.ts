import { describe, expect, it } from 'vitest';
import { STATUS } from '../../../src/access/index.ts';
import { MappingError, SeededRandom } from '../../../src/base/index.ts';
import {
  FioRun,
  type FioRunOptions,
  fioEntries,
  JobWork,
  parseFioJobs,
  planJob,
} from '../../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget, type Faults } from '../fake-machine.ts';

interface Setting {
  readonly faults?: Faults;
  readonly depthMax?: number;
  readonly immediate?: number;
  readonly allocate?: FioRunOptions['allocate'];
}

function setUp(text: string, setting: Setting = {}) {
  const random = new SeededRandom(5);
  const scheduler = new FakeScheduler(random);
  const target = new FakeTarget({
    label: 'drive',
    sizeBytes: 65_536,
    scheduler,
    random,
    immediate: setting.immediate ?? 0.2,
    faults: setting.faults ?? {},
    ...(setting.depthMax === undefined ? {} : { depthMax: setting.depthMax }),
  });
  const spans: FakeSpan[] = [];
  const run = new FioRun({
    jobs: parseFioJobs(text, 'x').jobs,
    targetOf: () => target,
    allocate:
      setting.allocate ??
      ((_, lengthBytes) => {
        const span = new FakeSpan(lengthBytes);
        spans.push(span);
        return span;
      }),
    nowNs: () => scheduler.nowNs,
  });
  return { run, scheduler, target, spans };
}

async function result(text: string, setting: Setting = {}) {
  const { run, scheduler, target, spans } = setUp(text, setting);
  const outcome = await scheduler.drive(run.run());
  expect(scheduler.inFlight).toBe(0);
  expect(target.violations).toBe(0);
  // Targets may keep memory mapped until they are closed, so it is not the run's to close.
  expect(spans.some(({ isClosed }) => isClosed)).toBe(false);
  return { ...outcome, target, scheduler, spans };
}

describe('a job', () => {
  it('moves its size once, in order, and wraps for more', async () => {
    const { outcome, threads, target } = await result(
      '[j]\nrw=write\nbs=256\nsize=4k\noffset=8k\niodepth=4\n',
    );
    expect(outcome).toBe('done');
    expect(threads[0]!.write).toMatchObject({ bytes: 4096, ios: 16 });
    expect(threads[0]!.read).toMatchObject({ bytes: 0, ios: 0 });
    const offsets = target.landed.map(({ offsetBytes }) => offsetBytes).sort((a, b) => a - b);
    expect(offsets).toEqual(Array.from({ length: 16 }, (_, i) => 8192 + i * 256));
    const more = await result('[j]\nrw=read\nbs=256\nsize=4k\nloops=3\n');
    expect(more.threads[0]!.read.bytes).toBe(12_288);
    const less = await result('[j]\nrw=read\nbs=256\nsize=4k\nnumber_ios=5\n');
    expect(less.threads[0]!.read.ios).toBe(5);
  });

  it('with random offsets touches every block once, and repeats with its seed', async () => {
    const text = '[j]\nrw=randwrite\nbs=256\nsize=8k\niodepth=1\n';
    const { target } = await result(text);
    const offsets = target.landed.map(({ offsetBytes }) => offsetBytes);
    expect(new Set(offsets).size).toBe(32);
    expect(offsets).not.toEqual([...offsets].sort((a, b) => a - b));
    expect((await result(text)).target.landed).toEqual(target.landed);
    expect((await result(`${text}randseed=9\n`)).target.landed).not.toEqual(target.landed);
  });

  it('mixes reads and writes by percentage, each with its block size, up to its size in all', async () => {
    const { threads } = await result('[j]\nrw=randrw\nrwmixread=75\nbs=64,128\nsize=64k\niodepth=8\n');
    const { read, write } = threads[0]!;
    expect(read.bytes + write.bytes).toBeGreaterThanOrEqual(65_536);
    expect(read.bytes + write.bytes).toBeLessThan(65_536 + 128);
    expect(read.ios / (read.ios + write.ios)).toBeGreaterThan(0.68);
    expect(read.ios / (read.ios + write.ios)).toBeLessThan(0.82);
    expect([read.bytes / read.ios, write.bytes / write.ios]).toEqual([64, 128]);
  });

  it('goes on until its time is over when time_based, and ends with its size when not', async () => {
    const timed = await result('[j]\nrw=read\nbs=256\nsize=1k\ntime_based\nruntime=100us\n');
    expect(timed.threads[0]!.read.bytes).toBeGreaterThan(1024);
    expect(timed.scheduler.nowNs).toBeLessThan(110_000);
    const sized = await result('[j]\nrw=read\nbs=256\nsize=1k\nruntime=100us\n');
    expect(sized.threads[0]!.read.bytes).toBe(1024);
  });

  it('writes zeros, or data that differ from slot to slot', async () => {
    const zeros = await result('[j]\nrw=write\nbs=256\nsize=1k\nzero_buffers\n');
    expect(new Set(zeros.target.bytes.subarray(0, 1024))).toEqual(new Set([0]));
    const data = await result('[j]\nrw=write\nbs=256\nsize=1k\niodepth=2\n', { immediate: 0 });
    expect(new Set(data.spans[0]!.bytes).size).toBeGreaterThan(200);
    expect(data.spans[0]!.bytes.slice(0, 256)).not.toEqual(data.spans[0]!.bytes.slice(256));
  });

  it('never touches peer memory', async () => {
    const { outcome } = await result('[j]\nrw=randrw\nbs=256\nsize=4k\niomem=mmapshared:x\n', {
      allocate: (_, lengthBytes) => new FakeSpan(lengthBytes, '0000:03:00.0' as never),
    });
    expect(outcome).toBe('done');
  });

  it('flushes at the end when told', async () => {
    const { target, outcome } = await result('[j]\nrw=write\nbs=256\nsize=1k\nend_fsync=1\n');
    expect([target.flushes, outcome]).toEqual([1, 'done']);
    const bad = await result('[j]\nrw=write\nbs=256\nsize=1k\nend_fsync=1\n', {
      faults: { failFlush: STATUS.IO },
    });
    expect(bad).toMatchObject({ outcome: 'failed', threads: [{ trouble: { kind: 'request' } }] });
  });
});

describe('several jobs', () => {
  it('run side by side, each with memory of its own, up to a stonewall', async () => {
    const text =
      '[global]\nbs=256\niodepth=2\nsize=4k\n[a]\nrw=write\nnumjobs=3\noffset_increment=4k\n[b]\nrw=read\n[c]\nstonewall\nrw=read\n';
    const { threads, spans, scheduler, target } = await result(text, { immediate: 0 });
    expect(threads.map(({ job, index, group }) => [job.name, index, group])).toEqual([
      ['a', 0, 0],
      ['a', 1, 0],
      ['a', 2, 0],
      ['b', 0, 0],
      ['c', 0, 1],
    ]);
    // The job behind the wall has the memory of one before it.
    expect(spans.map(({ lengthBytes }) => lengthBytes)).toEqual([512, 512, 512, 512]);
    expect(scheduler.inFlightMax).toBe(8);
    expect(new Set(target.landed.map(({ offsetBytes }) => offsetBytes)).size).toBe(48);
    // What comes after the wall finds the writes done.
    expect(threads[4]!.read.bytes).toBe(4096);
  });

  it('share a report by group when all of them ask for it', async () => {
    const { threads } = await result(
      '[global]\nbs=256\nsize=1k\ngroup_reporting\n[a]\nnumjobs=2\n[b]\n[c]\nnew_group\nnumjobs=2\n[d]\ngroup_reporting=0\n',
    );
    const entries = fioEntries(threads);
    expect(entries.map(({ name, group, threads: own }) => [name, group, own.length])).toEqual([
      ['a', 0, 3],
      ['c', 1, 2],
      ['d', 1, 1],
    ]);
    expect(entries[0]!.read).toMatchObject({ bytes: 3072, ios: 12 });
    expect(entries[0]!.read.latency.count).toBe(12);
  });

  it('all end when one with exitall does', async () => {
    const { threads, outcome } = await result(
      '[global]\nbs=256\n[a]\nsize=1k\nexitall\n[b]\nsize=64k\n[c]\nstonewall\n',
      { immediate: 0 },
    );
    expect(outcome).toBe('done');
    expect(threads).toHaveLength(2);
    expect(threads[1]!.read.bytes).toBeLessThan(65_536);
  });

  it('go on when one fails, which makes the whole fail', async () => {
    const { threads, outcome } = await result('[global]\nbs=256\nsize=4k\n[a]\nrw=write\n[b]\nrw=read\n', {
      faults: { failWrite: { at: 3, status: STATUS.IO } },
      immediate: 0,
    });
    expect(outcome).toBe('failed');
    expect(threads[0]!.trouble).toMatchObject({ kind: 'request', failure: { phase: 'write' } });
    expect(threads[1]).toMatchObject({ trouble: undefined, read: { bytes: 4096 } });
  });

  it('have as much memory as those side by side need at most, and are refused before anything moves without it', async () => {
    const text =
      '[global]\nbs=256\nsize=1k\n[a]\niodepth=2\n[b]\n[c]\nstonewall\n[d]\niodepth=4\n[e]\niomem=mmapshared:x\n';
    const { spans, outcome } = await result(text);
    expect(outcome).toBe('done');
    expect(spans.map(({ lengthBytes }) => lengthBytes)).toEqual([1024, 256, 256]);
    const short = new MappingError('P2P_POOL_EXHAUSTED', { message: 'no room' });
    const none = setUp(text, {
      allocate: ({ name }, lengthBytes) => {
        if (name === 'e') {
          throw short;
        }
        return new FakeSpan(lengthBytes);
      },
    });
    await expect(none.run.run()).rejects.toBe(short);
    expect(none.target.reads).toBe(0);
  });

  it('stop when told, with what is in flight', async () => {
    const { run, scheduler, target } = setUp('[a]\nbs=256\niodepth=4\n[b]\nstonewall\nbs=256\n');
    const outcome = await scheduler.drive(run.run(), () => {
      if (target.reads > 20) {
        run.stop();
      }
    });
    expect(outcome.outcome).toBe('stopped');
    expect(outcome.threads).toHaveLength(1);
    expect(target.reads).toBeLessThan(60);
  });

  it.each([
    ['a block that is no multiple', '[j]\nbs=100\n'],
    ['a block larger than a request', '[j]\nbs=2m\n'],
    ['an area beyond the end', '[j]\nbs=256\nsize=128k\n'],
    ['an offset beyond the end', '[j]\nbs=256\noffset=128k\n'],
    ['an offset within a block', '[j]\nbs=256\noffset=8\n'],
    ['an area without a block', '[j]\nbs=4k\nsize=1k\n'],
    ['more requests than the target takes', '[j]\nbs=256\niodepth=8\nnumjobs=4\n[k]\nbs=256\niodepth=33\n'],
  ])('refuse %s with job and line', (_, text) => {
    expect(() => setUp(text)).toThrow(
      expect.objectContaining({
        code: 'FIO_SETUP',
        message: expect.stringMatching(/^job [jk] \(line [13-9]\): /),
      }),
    );
  });
});

describe('verify', () => {
  const WRITE = '[w]\nrw=randwrite\nbs=256\nsize=4k\niodepth=3\nverify=crc32c\n';

  it('reads back every block that was written', async () => {
    const { outcome, threads } = await result(WRITE);
    expect(outcome).toBe('done');
    expect(threads[0]).toMatchObject({ testedBlocks: 16, read: { bytes: 4096 }, write: { bytes: 4096 } });
    expect((await result(`${WRITE}do_verify=0\n`)).threads[0]).toMatchObject({ testedBlocks: 0 });
  });

  it.each([
    ['a changed byte', { corruptWrite: 5 }, /checksum/],
    ['a write that moved nothing', { loseWrite: 5 }, /no block that was written/],
  ] satisfies readonly (readonly [string, Faults, RegExp])[])('finds %s', async (_, faults, problem) => {
    const { outcome, threads } = await result(WRITE, { faults });
    expect(outcome).toBe('failed');
    const trouble = threads[0]!.trouble;
    expect(trouble?.kind === 'verify' ? trouble.bad.problem : trouble).toMatch(problem);
  });

  it('tests in a later job what an earlier one wrote, whatever its seed', async () => {
    const later = '[r]\nstonewall\nrw=read\nbs=256\nsize=4k\nrandseed=77\nverify=crc32c\n';
    expect(await result(`${WRITE}do_verify=0\n${later}`)).toMatchObject({ outcome: 'done' });
    const { threads } = await result(later);
    expect(threads[0]!.trouble).toMatchObject({ kind: 'verify' });
  });

  it('finds a block that lies in the place of another', async () => {
    const { run, scheduler, target } = setUp(WRITE);
    const read = target.read.bind(target);
    target.read = (offset, span, at, length, token) =>
      read(offset === 512 ? 768 : offset, span, at, length, token);
    const { threads } = await scheduler.drive(run.run());
    expect(threads[0]!.trouble).toMatchObject({
      kind: 'verify',
      bad: { offsetBytes: 512, problem: 'the block of offset 768 lies here' },
    });
  });

  it('does not take a read that moved nothing for a good block', async () => {
    const { run, scheduler, target } = setUp('[w]\nrw=write\nbs=256\nsize=256\nverify=crc32c\n');
    target.read = (_offset, _span, _at, _length, _token) => 0;
    const { threads } = await scheduler.drive(run.run());
    expect(threads[0]!.trouble).toMatchObject({ kind: 'verify' });
  });
});

describe('a plan', () => {
  it('takes percentages of the target, in whole blocks', () => {
    const { target } = setUp('[j]\nbs=256\n');
    const [job] = parseFioJobs('[j]\nrw=randread\nbs=256\nsize=33%\noffset=10%\n', 'x').jobs;
    const plan = planJob(job!, 0, target);
    expect(plan).toMatchObject({ offsetBytes: 6544, areaBytes: 21_626, bytesMax: 21_504 });
    const work = new JobWork(plan, () => 0);
    const item = { kind: 0, sourceOffsetBytes: 0, targetOffsetBytes: 0, lengthBytes: 0 };
    while (work.next(item)) {
      expect(item.sourceOffsetBytes).toBeGreaterThanOrEqual(6544);
      expect(item.sourceOffsetBytes + item.lengthBytes).toBeLessThanOrEqual(6544 + 21_626);
    }
    expect(work.takenIos).toBe(84);
  });
});
