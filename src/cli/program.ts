/** The command line: every command with its options and help. What a command does is in `commands/`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { PeerlaneError, UsageError } from '../base/index.ts';
import { type Io, processIo } from './io.ts';
import { printable } from './render/style.ts';

const EXIT_USAGE = 2;
const EXIT_FAILED = 3;

/** @returns the exit status; never throws for a person's mistake. */
export async function run(args: readonly string[], version: string, io: Io = processIo()): Promise<number> {
  let status = 0;
  const program = buildProgram(io, version, (result) => {
    status = result;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    return report(error, io);
  }
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) {
    // Help and version were printed by commander and are no mistake.
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  if (error instanceof PeerlaneError) {
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    io.err(`peerlane: ${oneLine(error.message + hint)} [${error.code}]\n`);
    return error.exitStatus;
  }
  io.err(
    `peerlane: this is a bug in peerlane, please report it with the command line and the input:\n${
      error instanceof Error ? (error.stack ?? error.message) : String(error)
    }\n`,
  );
  return EXIT_FAILED;
}

/** Messages name files and devices, and those names may hold anything. */
function oneLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]+\s*/g, ' '));
}

type Done = (status: number) => void;

function buildProgram(io: Io, version: string, done: Done): Command {
  const program = new Command('peerlane')
    .description(
      'Peer-to-peer PCIe DMA: which devices can reach each other, by which route, how fast, why not, and what to change.',
    )
    .version(version, '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.out(text),
      // Commander writes here only where it would answer a missing command with the whole help.
      writeErr: () => {
        throw new UsageError('USAGE_NO_COMMAND', {
          message: 'no command was given, or help was asked for one that does not exist',
          hint: 'try `peerlane matrix`; `peerlane --help` lists commands and options',
        });
      },
      outputError: (text) => {
        const message = oneLine(text.trim().replace(/^error: |\.$/g, ''));
        io.err(`peerlane: ${message}; \`peerlane --help\` lists commands and options\n`);
      },
    })
    .addHelpText(
      'after',
      `
Start here:
  peerlane matrix                     every pair of devices of this machine
  peerlane check nvme0 nvme1          one pair in full: verdict, route, reasons
  peerlane fix nvme0 nvme1            what to change, what it costs, how to undo it
  peerlane -m host.tar.gz matrix      the same for another machine's snapshot

Exit status: 0 printed or usable; 1 a pair is not supported or unknown, or diff or lint found
something; 2 wrong usage, unreadable input, or refused for safety; 3 started and failed.`,
    );
  program.enablePositionalOptions();
  machineOptions(program);

  /** The options of the program itself hold before and after the command's name. */
  const merged = <T>(options: T): T => ({ ...program.opts(), ...options });

  /** Commands that choose their machine themselves: an option that had no effect would mislead. */
  const withoutMachine = (command: string, why: string): void => {
    const given = Object.keys(program.opts())[0];
    if (given !== undefined) {
      throw new UsageError('USAGE_MACHINE_NOT_TAKEN', {
        message: `--${given} has no meaning for ${command}: ${why}`,
        hint: `leave it out, or see \`peerlane ${command} --help\``,
        detail: { option: given, command },
      });
    }
  };

  machineOptions(program.command('topo'))
    .summary('the device tree: links, ACS, IOMMU groups, peer memory')
    .description(
      'Prints the device tree, one line a function: what it is, its link, ACS, IOMMU group and peer memory.',
    )
    .option('--json', 'print the machine as JSON')
    .action(async (options) => done(await (await import('./commands/topo.ts')).topo(merged(options), io)));

  machineOptions(program.command('show <device>'))
    .summary('one function, every register decoded')
    .description(
      'Prints everything that is known of one function: identity, links, BARs, and its config space register by register\n' +
        'with the names of the specifications. DEVICE is an address (0000:03:00.0, 03:00.0) or a name (nvme0, /dev/nvme0n1, mlx5_0).',
    )
    .option('--json', 'print as JSON')
    .action(async (device, options) =>
      done(await (await import('./commands/show.ts')).show(device, merged(options), io)),
    );

  machineOptions(program.command('matrix'))
    .summary('the verdict for every pair of devices')
    .description(
      'Prints for every ordered pair (row: provider of the memory, column: client that does the DMA) what the kernel says.\n' +
        'Devices are the type 0 functions except bridges and system peripherals (class 06 and 08).',
    )
    .option('--all', 'every function, bridges included')
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'one verdict for each pair, with reasons, as JSON (peerlane/verdicts/1)')
    .action(async (options) =>
      done(await (await import('./commands/matrix.ts')).matrix(merged(options), io)),
    );

  machineOptions(program.command('check <provider> <client...>'))
    .summary('one provider against one or more clients, in full')
    .description(
      'Prints the verdict for PROVIDER and each CLIENT: the kernel’s answer, the physical route of a write and of a read,\n' +
        'the path with its links, and all reasons. With several clients also their combination, as an orchestrator would ask.',
    )
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'print as JSON (peerlane/verdicts/1)')
    .addHelpText(
      'after',
      '\nExit status 0 when every pair is usable, 1 when one is not supported or unknown.\n\nExample:\n  peerlane check 03:00.0 04:00.0 mlx5_0',
    )
    .action(async (provider, clients, options) =>
      done(await (await import('./commands/check.ts')).check(provider, clients, merged(options), io)),
    );

  machineOptions(program.command('fix <provider> <client>'))
    .summary('what to change so that a pair works; changes nothing itself')
    .description(
      'Prints the commands that would make PROVIDER reachable for CLIENT: at run time, persistently, and the undo, with what it\n' +
        'costs in isolation. Nothing is applied.',
    )
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'print as JSON')
    .action(async (provider, client, options) =>
      done(await (await import('./commands/fix.ts')).fix(provider, client, merged(options), io)),
    );

  machineOptions(program.command('lint'))
    .summary('boot command line and module options against the live state')
    .description(
      'Checks what the boot command line and the module options ask for against what the machine is: wrong separators,\n' +
        'functions that do not exist, options that this kernel ignores or mangles or that are not upstream.',
    )
    .option('--json', 'print as JSON')
    .action(async (options) => done(await (await import('./commands/lint.ts')).lint(merged(options), io)));

  program
    .command('diff <old> <new>')
    .summary('what changed between two snapshots, and which verdicts with it')
    .description(
      'Compares two machines (snapshots, sysroots, lspci texts, or `live`) and the verdicts of their devices.',
    )
    .option('--all', 'the verdicts of every function, bridges included')
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExit status 0 when nothing changed, 1 when something did.')
    .action(async (before, after, options) => {
      withoutMachine('diff', 'the two machines are its arguments');
      done(await (await import('./commands/diff.ts')).diff(before, after, options, io));
    });

  machineOptions(program.command('snapshot'))
    .summary('write what peerlane reads of this machine to a file')
    .description(
      'Writes a tar.gz of the sysfs and proc files that the other commands read: a fixed list, never device memory, VPD or ROM.\n' +
        'Serial numbers, MAC addresses, host and build names and unknown command line values are blanked.',
    )
    .requiredOption('-o, --output <file>', 'the file to write, host.tar.gz; - for stdout')
    .option('--keep-identities', 'keep serial numbers, addresses, names and the whole command line')
    .option('--force', 'replace the file if it is there')
    .action(async (options) =>
      done(await (await import('./commands/snapshot.ts')).snapshot(merged(options), io)),
    );

  program
    .command('copy <source> <destination>')
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
      'how much to copy (suffixes k, M, G, T: 1024); default: all of the source',
      parseSize,
    )
    .option('--chunk <bytes>', 'bytes in one request', parseSize, 1024 * 1024)
    .option('--depth <n>', 'requests in flight', parseCount, 8)
    .option('--offset <bytes>', 'where to start, in both', parseSize, 0)
    .option('--verify', 'compare both by a second, independent read through host memory')
    .option('--fallback', 'use host memory when no peer memory can be reached')
    .option('--yes', 'write to the destination without asking')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
A block device is asked about before it is written; an existing file is overwritten, and one that is longer than what is
copied keeps its tail. After a failure the destination holds what the report calls certain, and nothing more can be said of
the rest.

Examples:
  peerlane copy /dev/nvme0n1 /dev/nvme1n1 --size 1G --verify
  peerlane copy image.raw /dev/nvme1n1 --via nvme0 --yes`,
    )
    .action(async (source, destination, options) => {
      withoutMachine('copy', 'it moves data on this machine');
      done(await (await import('./commands/copy.ts')).runCopy({ source, destination, ...options }, io));
    });

  program
    .command('bench <target...>')
    .summary('load on real devices: peer memory against host memory, in one run')
    .description(
      'Reads from (or, when told, writes to) TARGETs with the same engine as copy, through peer memory and through host memory\n' +
        'in turn, and prints both and their ratio. Writing destroys data: it needs --yes.',
    )
    .addOption(
      new Option('--mode <mode>', 'what to do').choices(['read', 'write', 'mixed', 'copy']).default('read'),
    )
    .option('--via <route>', 'a device whose peer memory is used, or `auto`', 'auto')
    .option('--read-percent <n>', 'share of reads in mixed mode', parseCount, 70)
    .option('--block <bytes>', 'bytes in one request', parseSize, 128 * 1024)
    .option('--depth <n>', 'requests in flight', parseCount, 8)
    .option('--size <bytes>', 'the area of each target that is used; default: all of it', parseSize)
    .option('--count <n>', 'requests in each round', parseCount)
    .option('--seconds <n>', 'time of each round', parseSeconds)
    .option('--rounds <n>', 'rounds with each kind of memory', parseCount, 3)
    .option('--random', 'random offsets instead of sequential ones')
    .option('--seed <n>', 'seed of the random offsets', parseCount, 1)
    .option('--yes', 'write without asking')
    .option('--json', 'print the result as JSON')
    .action(async (targets, options) => {
      withoutMachine('bench', 'it moves data on this machine');
      done(await (await import('./commands/bench.ts')).runBench({ targets, ...options }, io));
    });

  program
    .command('demo')
    .summary('the main job on a snapshot that comes with peerlane')
    .description(
      'Prints the tree, the matrix and one explained pair of a machine that is shipped as an example.',
    )
    .action(async () => {
      withoutMachine('demo', 'it shows the example that comes with peerlane');
      done(await (await import('./commands/start.ts')).demo(io));
    });

  program
    .command('start', { hidden: true })
    .description('What `npm start` runs: the verdicts of this machine if it has PCI, else the demo.')
    .action(async () => done(await (await import('./commands/start.ts')).start(io)));

  return program;
}

function machineOptions(command: Command): Command {
  return command
    .option(
      '-m, --machine <live|path>',
      'live, or a snapshot, sysroot, lspci text, hwloc or NCCL XML, udev export',
    )
    .addOption(new Option('--sysroot <path>', 'the same, for a directory that holds sys/ and proc/'))
    .addOption(new Option('--lspci <path>', 'the same, for the output of lspci'));
}

function kernelOption(): Option {
  return new Option('--kernel <version>', 'judge by the rules of this kernel, as uname -r prints it');
}

function cpuOption(): Option {
  return new Option(
    '--cpu <vendor[:family[:model]]>',
    'judge by this processor in place of the input’s: intel, amd:0x19, hygon:24',
  );
}

/** `4096`, `64k`, `1M`, `2G`: powers of 1024; an `iB` or `B` may follow. */
function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const power = match === null ? -1 : ['', 'k', 'm', 'g', 't'].indexOf(match[2]!.toLowerCase());
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** power;
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new InvalidArgumentError('expected bytes such as 4096, 64k, 1M or 2G.');
  }
  return bytes;
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || text.trim() === '') {
    throw new InvalidArgumentError('expected a whole number.');
  }
  return value;
}

function parseSeconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('expected a number of seconds.');
  }
  return value;
}
