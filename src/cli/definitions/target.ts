/** An NVMe-oF target on this computer. */
import type { Command } from 'commander';
import type { Definitions } from './definitions.ts';

function fileOptions(command: Command): Command {
  return command
    .option('--tls-keys <file>', 'keys for TLS: lines of HOST-NQN SUBSYSTEM-NQN NVMeTLSkey-1:01:...:')
    .option('--json', 'print as JSON (peerlane/target/1)');
}

export function defineTarget({ program, io, done, withoutMachine }: Definitions): void {
  const target = program
    .command('target')
    .summary('an NVMe-oF target over TCP: files, block devices and memory for other computers')
    .description(
      'Serves namespaces to NVMe/TCP hosts (`nvme connect -t tcp`). The file is YAML or JSON in the shape of `nvmetcli saveconfig`;\n' +
        'its keys are in docs/nvmet.md. `device.path` is a block device, a regular file, or memory:SIZE.',
    );
  fileOptions(target.command('serve <file>'))
    .summary('serves until a signal comes')
    .description(
      'Refuses what is mounted, in use or partitioned. SIGTERM and Ctrl-C end it when what has begun is answered; a second signal ends\n' +
        'it at once. With --json each line is an object: what is served, what happens, at the end the counters.',
    )
    .option('--log', 'also what the target does for hosts: controllers that come and go')
    .addHelpText(
      'after',
      `
Exit status: 0 after SIGTERM; 128 + n after another signal n; 2 when the file cannot be served; 3 when a port cannot listen.

Examples:
  peerlane target serve examples/target.json
  peerlane target serve target.yaml --json --log`,
    )
    .action(async (file: string, options) => {
      withoutMachine('target', 'it serves what its file names on this computer');
      done(await (await import('../commands/target.ts')).targetServe(file, options, io));
    });
  fileOptions(target.command('check <file>'))
    .summary('reads a file and says what it would serve; opens nothing')
    .action(async (file: string, options) => {
      withoutMachine('target', 'it serves what its file names on this computer');
      done(await (await import('../commands/target.ts')).targetCheck(file, options, io));
    });
}
