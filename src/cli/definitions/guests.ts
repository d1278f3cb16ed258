/** Devices of a lab in a virtual machine: serving them, starting one, and watching and breaking what is served. */
import { type Command, InvalidArgumentError } from 'commander';
import { machineOptions, parseMemory, parseSeconds } from '../arguments.ts';
import type { Definitions } from './definitions.ts';

function serveOptions(command: Command): Command {
  return machineOptions(command)
    .option('--dir <directory>', 'where the sockets are made; default: a fresh one, for this user alone')
    .option(
      '--devices <names>',
      'serve these only, with commas between; QEMU has models of its own for the others',
    )
    .option('--trap', 'the guest maps no memory of a device: each access is seen, and is slow')
    .option('--write-images', 'what the guest writes to a namespace with an image goes to its file')
    .option('--log <levels>', 'registers, commands, dma, maps, with commas between, or all')
    .option('--log-file <file>', 'where the log goes, at its end; default: with everything else');
}

const LOG_HELP = `
Logs: registers (loads and stores of registers, stores to config space), commands (NVMe commands when they end), dma (what devices
read and write, and where that is), maps (memory that the guest lends, interrupts that it connects). One may be turned on and off
while devices are served: peerlane control DIR log registers,dma`;

export function defineGuests({ program, io, done, merged, withoutMachine }: Definitions): void {
  serveOptions(program.command('attach'))
    .summary('serves the devices of a lab to QEMU: a stock Linux drives them')
    .description(
      'Prints the arguments of QEMU that make the machine of a lab file with its devices attached over vfio-user, and everything that\n' +
        'QEMU makes different; then serves the devices until Ctrl-C or `peerlane control DIR quit`. QEMU 10.1 or newer is needed.',
    )
    .option('--memory <mib>', 'memory of the guest in MiB', parseMemory)
    .option(
      '--patience <seconds>',
      'how long QEMU waits for an answer, for debuggers and faults; default 5',
      parsePatience,
    )
    .option('--json', 'print as JSON (peerlane/attach/1), one object a line')
    .addHelpText(
      'after',
      `${LOG_HELP}

Exit status 0 when a client said quit; 128 + n when signal n ended it.

Examples:
  peerlane lab examples/eideticom.yaml attach --dir /tmp/vm
  peerlane lab examples/eideticom.yaml attach --dir /tmp/vm --log registers,commands`,
    )
    .action(async (options) =>
      done(await (await import('../commands/attach.ts')).attach(merged(options), io)),
    );

  serveOptions(program.command('vm [command...]'))
    .summary('a virtual machine with the devices of a lab, and perhaps a command in it')
    .usage('[options] [-- command [arguments]]')
    .description(
      'Serves the devices of a lab file and starts QEMU with them. With a command: it runs in the guest, on the files of this computer\n' +
        '(read-only; /tmp is the guest’s own) or on those of --initrd; what it prints is printed, and its status is the exit status.',
    )
    .option('--qemu <program>', 'default: $PEERLANE_QEMU, or the first in PATH that has vfio-user-pci')
    .option('--kernel <file>', 'a kernel image of Linux for x86-64')
    .option('--initrd <file>', 'its first files')
    .option('--modules <directory>', 'its modules; default: beside the kernel, or in /lib/modules')
    .option('--disk <image>', 'a raw or qcow2 image with a system; what is written to it is thrown away')
    .option('--write-disk', 'what is written to the image of --disk stays')
    .option('--append <words>', 'further words for the command line of the kernel')
    .option('--memory <mib>', 'memory of the guest in MiB', parseMemory)
    .option('--cpu <model>', 'as QEMU’s -cpu; default: what is nearest to the lab’s')
    .option('--accel <name>', 'as QEMU’s -accel; default: kvm where it can be used, else tcg')
    .option('--console <file>', 'what the console shows; default: with a command nowhere, else this terminal')
    .option('--limit <seconds>', 'a guest that has not ended by then is stopped', parseSeconds)
    .option('--qemu-arg <argument>', 'a further argument of QEMU; may be given again', collect, [])
    .addHelpText(
      'after',
      `${LOG_HELP}

A command needs --kernel, a static busybox on this computer, and 9p in the kernel or among its modules. A disk boots its own
system, in which nothing would run a command. On the terminal, Ctrl-A X ends QEMU.

Exit status: that of the command; without one 0; 3 when the guest ended before its command did.

Examples:
  peerlane lab examples/eideticom.yaml vm --kernel /boot/vmlinuz-6.12.0-amd64 -- nvme list
  peerlane lab examples/eideticom.yaml vm --disk debian.qcow2 --log commands --log-file nvme.log`,
    )
    .action(async (words: readonly string[], options) =>
      done(await (await import('../commands/vm.ts')).vm(words, merged(options), io)),
    );

  program
    .command('control <directory> [words...]')
    .summary('watches and breaks devices that are being served')
    .usage(
      '<directory> [status|counters|fault add JSON|fault list|fault remove ID|log LEVELS|eject DEVICE|restore DEVICE|quit]',
    )
    .description(
      'Speaks to `attach` or `vm` over the control socket in its directory. Faults are rules as under `faults:` of a lab file\n' +
        '(docs/lab-file.md). An ejected device reads all ones and does no DMA until it is restored.',
    )
    .option('--json', 'print as JSON (peerlane/control/1)')
    .addHelpText(
      'after',
      `
Examples:
  peerlane control /tmp/vm
  peerlane control /tmp/vm fault add '{"device": "nvme0", "do": "delay", "opcode": "read", "delay": "2s", "count": 1}'
  peerlane control /tmp/vm log registers,commands
  peerlane control /tmp/vm eject nvme1`,
    )
    .action(async (directory: string, words: readonly string[], options) => {
      withoutMachine('control', 'it speaks to a server that has its machine');
      done(await (await import('../commands/control.ts')).control(directory, words, options, io));
    });
}

/** QEMU's x-msg-timeout becomes an int of milliseconds. */
const PATIENCE_MAX_S = 2_000_000;

function parsePatience(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds > PATIENCE_MAX_S) {
    throw new InvalidArgumentError(`expected at most ${PATIENCE_MAX_S} seconds.`);
  }
  return seconds;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  if (value === '') {
    throw new InvalidArgumentError('expected an argument of QEMU.');
  }
  return [...before, value];
}
