/**
 * The options of job files that are known here. docs/fio-jobs.md prints this table, and a test holds it against this one.
 * Names and meaning as in fio 3.33, HOWTO.
 */

/** `used`: has its effect. `ignored`: accepted, has none here. `refused`: known, and the file is refused. */
export type FioOptionUse = 'used' | 'ignored' | 'refused';

export interface FioOption {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly use: FioOptionUse;
  /** What is taken; why it has no effect; why it is refused. */
  readonly text: string;
}

function option(use: FioOptionUse, names: string, text: string): FioOption {
  const [name, ...aliases] = names.split(' ');
  return { name: name!, aliases, use, text };
}

export const FIO_OPTIONS: readonly FioOption[] = [
  option('used', 'name', 'of the job in reports, in place of its section'),
  option('used', 'description', 'printed with the job'),
  option('used', 'filename', 'one device, file, or drive of a lab; colons of other names as \\:'),
  option('used', 'rw readwrite', 'read, write, randread, randwrite, rw (readwrite), randrw'),
  option('used', 'rwmixread', 'percent of reads in a mix, 0 to 100; 50'),
  option('used', 'rwmixwrite', 'percent of writes in a mix'),
  option('used', 'bs blocksize', 'bytes of a request; one size, or read,write; 4k'),
  option('used', 'size', 'bytes from the offset on, or a percentage; all of it'),
  option('used', 'io_size io_limit', 'bytes to move, when other than size'),
  option('used', 'number_ios', 'requests at most'),
  option('used', 'loops', 'how many times size is moved; 1'),
  option('used', 'offset', 'where the area starts: bytes or a percentage; 0'),
  option('used', 'offset_increment', 'added to the offset for each further job of numjobs; 0'),
  option('used', 'iodepth', 'requests in flight, 1 to 4096; 1'),
  option('used', 'numjobs', 'so many of this job at once, 1 to 1024; 1'),
  option('used', 'runtime', 'ends after this time: seconds, or with a unit (500ms, 2m)'),
  option('used', 'time_based', 'goes on until runtime'),
  option(
    'used',
    'iomem mem',
    'malloc (host memory), or mmapshared:PATH with the p2pmem/allocate of a provider, its address or name',
  ),
  option(
    'used',
    'verify',
    '0 or crc32c: written blocks carry a checksum, which is tested when they are read',
  ),
  option('used', 'do_verify', '0: do not read back what was written with verify; 1'),
  option('used', 'randseed', 'of offsets, mix and data'),
  option('used', 'norandommap', 'random offsets may repeat before all were used'),
  option('used', 'zero_buffers', 'writes zeros'),
  option('used', 'end_fsync', 'flush at the end of a job that writes'),
  option('used', 'group_reporting', 'one report for the jobs of a group'),
  option('used', 'new_group', 'starts a group for reports'),
  option('used', 'stonewall wait_for_previous', 'starts when all jobs before it are over; a new group too'),
  option('used', 'exitall', 'all jobs end when this one does'),
  option('used', 'kb_base', '1024: k is 1024 and ki 1000; 1000: the other way round; 1024'),

  option('ignored', 'ioengine', 'the real machine uses Linux AIO, a lab its own driver'),
  option('ignored', 'direct', 'always O_DIRECT'),
  option('ignored', 'buffered', 'always O_DIRECT'),
  option('ignored', 'thread', 'all jobs run in this process'),
  option('ignored', 'randrepeat', 'random offsets always repeat with randseed'),
  option('ignored', 'allrandrepeat', 'all that is random repeats with randseed'),
  option('ignored', 'random_generator', 'there is one generator, whose offsets use all blocks once'),
  option('ignored', 'refill_buffers', 'data differ by block with verify, and are made once without'),
  option('ignored', 'scramble_buffers', 'data differ by block with verify, and are made once without'),
  option('ignored', 'invalidate', 'there is no page cache to invalidate'),
  option('ignored', 'fadvise_hint', 'there is no page cache to advise'),
  option('ignored', 'fallocate', 'files are made with their space'),
  option('ignored', 'overwrite', 'files are made before the jobs start'),
  option('ignored', 'iodepth_batch iodepth_batch_submit', 'requests are submitted as slots become free'),
  option(
    'ignored',
    'iodepth_batch_complete iodepth_batch_complete_min',
    'completions are taken as they come',
  ),
  option('ignored', 'iodepth_batch_complete_max', 'completions are taken as they come'),
  option('ignored', 'iodepth_low', 'slots are filled again at once'),
  option('ignored', 'cpus_allowed', 'one process'),
  option('ignored', 'cpus_allowed_policy', 'one process'),
  option('ignored', 'numa_cpu_nodes', 'one process'),
  option('ignored', 'gtod_reduce', 'latencies are always measured'),
  option('ignored', 'disable_lat', 'latencies are always measured'),
  option('ignored', 'disable_clat', 'latencies are always measured'),
  option('ignored', 'disable_slat', 'submission is not measured apart'),
  option('ignored', 'disable_bw_measurement', 'bandwidth is not sampled over time'),
  option('ignored', 'clocksource', 'the monotonic clock'),
  option('ignored', 'unit_base', 'figures are in bytes and bits as fio has them'),
  option('ignored', 'hipri', 'completions are not polled for'),
  option('ignored', 'sqthread_poll', 'Linux AIO has none'),
  option('ignored', 'registerfiles', 'Linux AIO has none'),
  option('ignored', 'verify_fatal', 'the first bad block always ends a job'),
  option('ignored', 'create_serialize', 'files are made before the jobs start'),

  option('refused', 'bsrange blocksize_range', 'one block size for each direction; give bs'),
  option('refused', 'bssplit', 'one block size for each direction; give bs'),
  option('refused', 'directory', 'give filename with its path'),
  option('refused', 'nrfiles', 'one file for each job'),
  option('refused', 'fixedbufs', 'peer memory cannot be pinned for long, and fio fails with it too'),
  option('refused', 'wait_for', 'jobs wait for all before them, by stonewall'),
  option('refused', 'rate', 'no limits of rate'),
  option('refused', 'rate_iops', 'no limits of rate'),
  option('refused', 'ramp_time', 'everything is measured; make a job of its own with stonewall'),
  option('refused', 'startdelay', 'use stonewall'),
  option('refused', 'fsync', 'give end_fsync'),
  option('refused', 'fdatasync', 'give end_fsync'),
  option('refused', 'random_distribution', 'random offsets are uniform'),
  option('refused', 'thinktime', 'slots are filled again at once'),
  option('refused', 'verify_pattern', 'give verify=crc32c'),
  option('refused', 'buffer_pattern', 'give zero_buffers, or verify=crc32c'),
];

const BY_NAME: ReadonlyMap<string, FioOption> = new Map(
  FIO_OPTIONS.flatMap((entry) => [entry.name, ...entry.aliases].map((name) => [name, entry] as const)),
);

/** By name or alias. */
export function findFioOption(key: string): FioOption | undefined {
  return BY_NAME.get(key);
}

/** Names of what is used, for messages. */
export function usedFioOptions(): readonly string[] {
  return FIO_OPTIONS.filter(({ use }) => use === 'used').map(({ name }) => name);
}
