import { describe, expect, it } from 'vitest';
import { FIO_OPTIONS, type FioJob, parseFioJobs } from '../../../src/orchestrators/index.ts';

function job(lines: string): FioJob {
  return parseFioJobs(`[j]\n${lines}`, 'x.fio').jobs[0]!;
}

function complaint(text: string): { readonly code: string; readonly message: string; readonly hint: string } {
  try {
    parseFioJobs(text, 'x.fio');
  } catch (error) {
    return error as never;
  }
  throw new Error('it was accepted');
}

describe('sections and lines', () => {
  it('gives each job what [global] says before it, and its own options over that', () => {
    const { jobs, globalOptions } = parseFioJobs(
      '[global]\nbs=8k\nrw=write\n\n[a]\nfilename=/dev/x\n[global]\nbs=16k\n[b]\nrw=randread\niodepth=4\n',
      'x.fio',
    );
    expect(jobs).toHaveLength(2);
    expect(jobs[0]).toMatchObject({
      name: 'a',
      readBytes: 8192,
      rw: 'write',
      writes: true,
      filename: '/dev/x',
    });
    expect(jobs[1]).toMatchObject({
      name: 'b',
      readBytes: 16384,
      rw: 'randread',
      isRandom: true,
      iodepth: 4,
    });
    expect(globalOptions).toEqual({ bs: '16k', rw: 'write' });
    expect(jobs[1]!.options).toEqual({ rw: 'randread', iodepth: '4' });
  });

  it('ends lines at ; and #, wherever they stand, and takes spaces and any line end', () => {
    const text = '; head\r\n  [a] # first\r\n bs = 8k ; eight\r\n#rw=write\r\n';
    expect(parseFioJobs(text, 'x.fio').jobs[0]).toMatchObject({ name: 'a', readBytes: 8192, rw: 'read' });
  });

  it('reads kb_base before any size of its section', () => {
    expect(job('bs=4k\nkb_base=1000').readBytes).toBe(4000);
    expect(job('bs=4ki\nkb_base=1000').readBytes).toBe(4096);
    expect(job('bs=4ki').readBytes).toBe(4000);
  });

  it.each([
    ['bs=4k\n[a]\n', 'FIO_SYNTAX', 1],
    ['[a]\nbs=4k\n[b\n', 'FIO_SYNTAX', 3],
    ['[a]\n\n=4k\n', 'FIO_SYNTAX', 3],
    ['[a]\nBS=4k\n', 'FIO_SYNTAX', 2],
    ['[a]\nbs=\n', 'FIO_VALUE', 2],
    ['[a]\nbs\n', 'FIO_VALUE', 2],
    ['[a]\nnonsense=1\n', 'FIO_UNKNOWN_OPTION', 2],
    ['[a]\nconstructor=1\n', 'FIO_UNKNOWN_OPTION', 2],
    ['[a]\nbssplit=4k/50:8k/50\n', 'FIO_UNSUPPORTED', 2],
    ['[a]\nbsrange=4k-8k\n', 'FIO_UNSUPPORTED', 2],
    ['[a]\nbs=4k-8k\n', 'FIO_VALUE', 2],
    ['[a]\nsize=\u0024{SIZE}\n', 'FIO_UNSUPPORTED', 2],
    ['[a]\ninclude other.fio\n', 'FIO_UNSUPPORTED', 2],
    ['[a]\nrw=trim\n', 'FIO_VALUE', 2],
    ['[a]\nrw=randread:8\n', 'FIO_VALUE', 2],
    ['[a]\nrw=READ\n', 'FIO_VALUE', 2],
    ['[a]\niodepth=0\n', 'FIO_VALUE', 2],
    ['[a]\nsize=1.5m\n', 'FIO_VALUE', 2],
    ['[a]\nsize=9007199254740992\n', 'FIO_VALUE', 2],
    ['[a]\nsize=101%\n', 'FIO_VALUE', 2],
    ['[a]\nruntime=1.5\n', 'FIO_VALUE', 2],
    ['[a]\nruntime=3 constructor\n', 'FIO_VALUE', 2],
    ['[a]\nverify=md5\n', 'FIO_VALUE', 2],
    ['[a]\niomem=shm\n', 'FIO_VALUE', 2],
    ['[a]\niomem=mmapshared\n', 'FIO_VALUE', 2],
    ['[a]\nfilename=/dev/a:/dev/b\n', 'FIO_VALUE', 2],
    ['[a]\nverify=crc32c\nrw=randrw\n', 'FIO_VALUE', 1],
    ['[a]\nverify=crc32c\nrw=write\niomem=mmapshared:nvme0\n', 'FIO_VALUE', 1],
    ['[global]\nbs=4k\n', 'FIO_NO_JOBS', 1],
    ['', 'FIO_NO_JOBS', 1],
  ] as const)('refuses %j with its line', (text, code, line) => {
    const error = complaint(text);
    expect(error).toMatchObject({ code, detail: { line } });
    expect(error.message.startsWith(`x.fio:${line}: `)).toBe(true);
    expect(error.hint).not.toBe('');
  });

  it('says what is supported when an option is unknown', () => {
    const { hint } = complaint('[a]\nnonsense\n');
    for (const { name, use } of FIO_OPTIONS) {
      expect(hint.includes(name) || use !== 'used').toBe(true);
    }
  });
});

describe('options', () => {
  it('start as those of fio', () => {
    expect(job('')).toMatchObject({
      rw: 'read',
      readBytes: 4096,
      writeBytes: 4096,
      iodepth: 1,
      numjobs: 1,
      size: undefined,
      offset: { bytes: 0 },
      peerMemory: null,
      verify: 'none',
      readsBack: true,
      loops: 1,
      runtimeNs: undefined,
    });
  });

  it('are all taken: none of the table is without an effect or a reason', () => {
    const samples: Record<string, string> = {
      name: 'n',
      description: 'd',
      filename: '/f',
      rw: 'rw',
      rwmixread: '30',
      rwmixwrite: '30',
      bs: '8k',
      size: '1m',
      io_size: '2m',
      number_ios: '5',
      loops: '2',
      offset: '4k',
      offset_increment: '1m',
      iodepth: '2',
      numjobs: '2',
      runtime: '9',
      iomem: 'mmapshared:/p',
      verify: 'crc32c',
      do_verify: '0',
      randseed: '7',
      kb_base: '1000',
      end_fsync: '1',
    };
    // What an option needs beside it to be seen.
    const beside: Record<string, string> = {
      rwmixread: 'rw=randrw',
      rwmixwrite: 'rw=randrw',
      kb_base: 'bs=4k',
      time_based: 'runtime=1',
    };
    for (const { name, aliases, use, text } of FIO_OPTIONS) {
      expect(text).not.toBe('');
      for (const key of use === 'used' ? [name, ...aliases] : []) {
        const value = samples[name];
        const { options: _, ...without } = job(beside[name] ?? '');
        const { options: __, ...changed } = job(
          `${value === undefined ? key : `${key}=${value}`}\n${beside[name] ?? ''}`,
        );
        expect(changed, key).not.toEqual(without);
      }
    }
  });

  it('share directions, mixes and block sizes', () => {
    expect(job('rw=readwrite\nrwmixwrite=30\nbs=4k,8k')).toMatchObject({
      rw: 'rw',
      reads: true,
      writes: true,
      readPercent: 70,
      readBytes: 4096,
      writeBytes: 8192,
    });
    expect(job('rw=randwrite\nrwmixread=70')).toMatchObject({ reads: false, writes: true, readPercent: 0 });
    expect(job('bs=4k,,8k')).toMatchObject({ readBytes: 4096, writeBytes: 4096 });
  });

  it('take times in every unit', () => {
    const runtimes = ['runtime=10', 'runtime=500ms', 'runtime=2m', 'runtime=1h', 'runtime=7us'];
    expect(runtimes.map((line) => job(line).runtimeNs)).toEqual([10e9, 500e6, 120e9, 3600e9, 7000]);
  });

  it('take peer memory by its file, whose name has colons', () => {
    const path = '/sys/bus/pci/devices/0000:03:00.0/p2pmem/allocate';
    expect(job(`iomem=mmapshared:${path}`).peerMemory).toBe(path);
    expect(job(`mem=mmapshared:nvme0`).peerMemory).toBe('nvme0');
    expect(job('filename=0000:03:00.0').filename).toBe('0000:03:00.0');
    expect(job('filename=/dev/a\\:b').filename).toBe('/dev/a:b');
  });

  it('without an effect are listed with their lines', () => {
    const { ignored, jobs } = parseFioJobs('[a]\nioengine=io_uring\ndirect=1\ntime_based\n', 'x.fio');
    expect(ignored.map(({ key, line }) => [key, line])).toEqual([
      ['ioengine', 2],
      ['direct', 3],
      ['time_based', 1],
    ]);
    expect(jobs[0]).toMatchObject({ ioengine: 'io_uring', isTimeBased: false });
  });

  it('that are on when named can be given 0', () => {
    expect(job('stonewall').stonewall).toBe(true);
    expect(job('stonewall=0\nzero_buffers=1')).toMatchObject({ stonewall: false, zeroBuffers: true });
  });
});
