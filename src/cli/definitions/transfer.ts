/** Commands that move data, on the machine that peerlane runs on or on a lab. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/index.ts';
import { labOptions, machineOptions, parseCount, parseSeconds, parseSize } from '../arguments.ts';
import { timeOptions } from '../lab/time-options.ts';
import type { Definitions } from './definitions.ts';

export function defineTransfer({ program, io, done, merged }: Definitions): void {
  timeOptions(labOptions(machineOptions(program.command('copy <source> <destination>'))))
    .summary('copy between block devices or files, through peer memory')
    .description(
      'Copies SOURCE to DESTINATION (block devices or files, opened with O_DIRECT) through a peer’s memory, so that the data\n' +
        'does not cross system memory, or through host memory for comparison.',
    )
    .option(
      '--via <route>',
      'a device (address or name) whose peer memory is used, `auto`, or `host`',
      'auto',
    )
    .option(
      '--size <bytes>',
      'how much to copy (suffixes k, M, G, T: 1024); default: all of the source, on a lab at most 1G',
      parseSize,
    )
    .option('--chunk <bytes>', 'bytes in one request', parseSize, 1024 * 1024)
    .option('--depth <n>', 'requests in flight', parseCount, 8)
    .option('--offset <bytes>', 'where to start, in both', parseSize, 0)
    .option(
      '--verify',
      'compare both by a second, independent read through host memory; on a lab by what the drives hold',
    )
    .option('--untimed', 'on a lab: without time, as fast as this computer can; only bytes are told')
    .option('--fallback', 'use host memory when no peer memory can be reached')
    .option('--yes', 'write to the destination without asking')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
A block device is asked about before it is written; an existing file is overwritten, and one that is longer than what is
copied keeps its tail. After a failure the destination holds what the report calls certain, and nothing more can be said of
the rest.

On a lab, source and destination are its drives (nvme0, nvme0n1, iopmem0). It runs in virtual time: throughput, latencies and what limited
it are those of the machine that the file describes, beside the bytes over DRAM, root ports and links. What software costs the
processor is not in it: \`bench\` has that. Every run boots the lab afresh and leaves nothing behind, images included, unless
--write-images is given.

Examples:
  peerlane copy /dev/nvme0n1 /dev/nvme1n1 --size 1G --verify
  peerlane copy image.raw /dev/nvme1n1 --via nvme0 --yes
  peerlane lab examples/eideticom.yaml copy nvme0 nvme1 --size 256M --verify`,
    )
    .action(async (source, destination, options) => {
      const { runCopy } = await import('../commands/copy.ts');
      done(await runCopy({ source, destination, ...merged(options) }, io));
    });

  timeOptions(labOptions(machineOptions(program.command('bench [target...]'))))
    .summary('load: peer memory against host memory, in one run')
    .description(
      'Reads from (or, when told, writes to) TARGETs with the same engine as copy, through peer memory and through host memory\n' +
        'in turn, and prints both and their ratio. Writing destroys data: it needs --yes. On a lab it runs in virtual time, each\n' +
        'kind of memory on a machine just switched on; without TARGETs it runs the `workload` of the lab file.',
    )
    .addOption(
      new Option('--mode <mode>', 'what to do').choices(['read', 'write', 'mixed', 'copy']).default('read'),
    )
    .option('--via <route>', 'a device whose peer memory is used, or `auto`', 'auto')
    .option('--read-percent <n>', 'share of reads in mixed mode', parseCount, 70)
    .option('--block <bytes>', 'bytes in one request', parseSize, 128 * 1024)
    .option('--depth <n>', 'requests in flight', parseCount, 8)
    .option('--size <bytes>', 'the area of each target that is used; default: all of it', parseSize)
    .option('--count <n>', 'requests in each round, instead of --seconds', parseCount)
    .option('--seconds <n>', 'time of each round; default: 5, on a lab 0.01 of virtual time', parseSeconds)
    .option('--rounds <n>', 'rounds with each kind of memory; default: 3, on a lab 1', parseCount)
    .option('--random', 'random offsets instead of sequential ones')
    .option('--seed <n>', 'seed of the random offsets', parseCount, 1)
    .addOption(
      new Option('--cpu <kind>', 'on a lab: what a request costs the processor; default: kernel').choices([
        'kernel',
        'polled',
        'none',
      ]),
    )
    .option('--yes', 'write without asking')
    .option('--json', 'print the result as JSON (peerlane/bench/1; of a workload peerlane/workload/1)')
    .option(
      '--fio <jobfile>',
      'instead: the jobs of a fio job file; which options it may have: docs/fio-jobs.md',
    )
    .addOption(
      new Option('--output-format <format>', 'with --fio, as fio has it').choices(['normal', 'json']),
    )
    .action(async (targets, options, command) => {
      if (options.fio !== undefined) {
        refuseBesideFio(command);
        const { runBenchFio } = await import('../commands/bench-fio.ts');
        done(await runBenchFio({ targets, ...merged(options) }, io));
        return;
      }
      refuseBesideWorkload(command, targets);
      const { runBench } = await import('../commands/bench.ts');
      done(await runBench({ targets, ...merged(options) }, io));
    });
}

const WITH_FIO = [
  'fio',
  'outputFormat',
  'yes',
  'json',
  'machine',
  'sysroot',
  'lspci',
  'lab',
  'bytes',
  'writeImages',
];

/** What a run of a lab's own workload may have beside it. */
const WITH_WORKLOAD = [
  'engine',
  'trace',
  'pcap',
  'traceLimit',
  'force',
  'json',
  'machine',
  'sysroot',
  'lspci',
  'lab',
  'bytes',
  'writeImages',
  'yes',
];

/** Without a target the lab file says what is done. */
function refuseBesideWorkload(command: Command, targets: readonly string[]): void {
  const given = targets.length > 0 ? undefined : optionBeside(command, WITH_WORKLOAD);
  if (given !== undefined) {
    throw new UsageError('USAGE_TARGETS', {
      message: `${given} says how a target is loaded, and no target was given`,
      hint: 'name a device, or leave it out to run the `workload` of a lab file',
      detail: { option: given },
    });
  }
}

/** An option that was given and is none of `names`, as it is typed. */
function optionBeside(command: Command, names: readonly string[]): string | undefined {
  const given = Object.keys(command.opts()).find(
    (name) => !names.includes(name) && command.getOptionValueSource(name) === 'cli',
  );
  return given === undefined
    ? undefined
    : `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The job file says all of it, and an option that had no effect would mislead. */
function refuseBesideFio(command: Command): void {
  const option = optionBeside(command, WITH_FIO);
  if (option !== undefined) {
    throw new UsageError('USAGE_FIO', {
      message: `${option} has no meaning with --fio: the job file says what is done`,
      hint: 'leave it out, or write it into the job file',
      detail: { option },
    });
  }
}
