/** Labs as a person meets them: the demo, `lab FILE`, and the ways between a lab and other forms of a machine. */
import { UsageError } from '../../base/index.ts';
import { machineOptions, parseCount, parseMemory, parseSize } from '../arguments.ts';
import type { Definitions } from './definitions.ts';

export function defineLab({ program, io, done, merged, withoutMachine, again }: Definitions): void {
  program
    .command('demo [lab]')
    .summary('a copy from drive to drive on a simulated machine: through host memory, then peer to peer')
    .description(
      'Boots a machine with two NVMe drives below one switch, one of them with controller memory, and copies from drive to drive\n' +
        'twice: bounced through system memory, and peer to peer. Prints where the bytes went, how fast in virtual time and what was the\n' +
        'limit, and compares what both drives hold.\n' +
        'LAB is a lab file with another machine.',
    )
    .option('--from <drive>', 'copy from this drive; default: the first', undefined)
    .option('--to <drive>', 'copy to this drive; default: the next', undefined)
    .option(
      '--size <bytes>',
      'how much to copy (suffixes k, M, G, T: 1024); default 256M, or what fits',
      parseSize,
    )
    .option('--chunk <bytes>', 'bytes in one request', parseSize, 1024 * 1024)
    .option('--depth <n>', 'requests in flight', parseCount, 8)
    .option('--bytes', 'every byte is made and moved, not only its place in a pattern')
    .option('--verdicts', 'instead: tree, matrix, one explained pair and its fix, of a recorded machine')
    .option('--json', 'print as JSON (peerlane/demo/1)')
    .addHelpText(
      'after',
      `
Exit status 0 when every copy arrived; 1 when the drives of LAB may not copy peer to peer; 3 when a copy failed or what
arrived is not what was sent.

Examples:
  peerlane demo
  peerlane demo --size 1G --bytes
  peerlane demo examples/nvmet-switch.yaml --from nvme1 --to nvme2
  peerlane demo --verdicts`,
    )
    .action(async (labPath, options) => {
      const { lab, ...others } = program.opts();
      if (Object.keys(others).length > 0) {
        withoutMachine('demo', 'it boots a lab of its own, or the one that is its argument');
      }
      const path = labPath ?? lab;
      if (options.verdicts === true) {
        if (path !== undefined) {
          throw new UsageError('USAGE_MACHINE_NOT_TAKEN', {
            message: '--verdicts shows the recorded machine that comes with peerlane, and a lab was given',
            hint: `for the verdicts of the lab: peerlane lab ${path} matrix`,
          });
        }
        done(await (await import('../commands/verdicts-demo.ts')).verdictsDemo(io));
        return;
      }
      done(await (await import('../commands/demo.ts')).demo({ ...options, lab: path }, io));
    });

  program
    .command('start', { hidden: true })
    .description('What `npm start` runs: the demo, and a line about the machine that it runs on.')
    .action(async () => {
      withoutMachine('start', 'it runs the demo');
      done(await (await import('../commands/start.ts')).start(io));
    });

  program
    .command('lab <file> [command...]')
    .summary('any command on the machine that a lab file describes')
    .usage('<file> [command] [arguments]')
    .description(
      'Boots the machine that FILE describes and runs COMMAND on it: every command that takes -m, `peerlane lab FILE matrix` and\n' +
        '`peerlane -m FILE matrix` are the same. Without a command: what the lab is, and what to try.',
    )
    .addHelpText(
      'after',
      `
Commands: topo, matrix, check, predict, show, fix, lint, diff, snapshot, copy, p2pcopy, bench, sweep, demo, qemu, attach,
vm. How lab files are written: docs/lab-file.md. Labs to start from: examples/*.yaml.

Every run boots the machine afresh; drives start with the same content each time.

Examples:
  peerlane lab examples/eideticom.yaml
  peerlane lab examples/eideticom.yaml check nvme0 nvme1
  peerlane lab examples/eideticom.yaml copy nvme0 nvme1 --size 64M --via host
  peerlane lab examples/contention.yaml bench              the workload of the file, in virtual time
  peerlane lab examples/acs-on.yaml snapshot -o acs-on.tar.gz`,
    )
    .passThroughOptions()
    .action(async (file: string, rest: readonly string[]) => {
      withoutMachine('lab', 'the lab file is its argument');
      if (rest[0] === '-h' || rest[0] === '--help') {
        done(await again(['lab', '--help']));
      } else if (rest.length === 0 || (rest.length === 1 && rest[0] === '--json')) {
        const { labOverview } = await import('../commands/lab.ts');
        done(await labOverview(file, { json: rest.length === 1 }, io));
      } else {
        done(await again(['--lab', file, ...rest]));
      }
    });

  machineOptions(program.command('qemu'))
    .summary('a lab as a command line of QEMU, and what QEMU changes')
    .description(
      'Prints the arguments of qemu-system-x86_64 that make the machine of a lab file, and everything that QEMU makes different.\n' +
        'Kernel, disks with a system and console are yours to add.',
    )
    .option('--memory <mib>', 'memory of the guest in MiB', parseMemory)
    .option('--drives', 'drives get their namespaces, each from an image file that has to be there')
    .option('--json', 'print as JSON (peerlane/qemu/1)')
    .addHelpText('after', '\nExample:\n  peerlane lab examples/eideticom.yaml qemu')
    .action(async (options) => done(await (await import('../commands/qemu.ts')).qemu(merged(options), io)));

  program
    .command('import <machine>')
    .summary('a lab file that describes a machine: to try a change before touching it')
    .description(
      'Reads MACHINE (live, a snapshot, sysroot, lspci text, ...) and writes a lab file that comes up like it. What the input does\n' +
        'not tell and a lab must say is assumed, and each assumption is told.',
    )
    .requiredOption('-o, --output <file>', 'the file to write, host.yaml; - for stdout')
    .option('--force', 'replace the file if it is there')
    .addHelpText(
      'after',
      `
Example:
  peerlane snapshot -o host.tar.gz        there
  peerlane import host.tar.gz -o host.yaml
  peerlane lab host.yaml matrix           change host.yaml, and look again`,
    )
    .action(async (machine, options) => {
      withoutMachine('import', 'the machine is its argument');
      done(await (await import('../commands/import.ts')).importLab(machine, options, io));
    });
}
