/** Commands that look at a machine and change nothing: live, recorded or a lab. */
import { cpuOption, kernelOption, machineOptions } from '../arguments.ts';
import type { Definitions } from './definitions.ts';

export function defineReading({ program, io, done, merged }: Definitions): void {
  machineOptions(program.command('topo'))
    .summary('the device tree: links, ACS, IOMMU groups, peer memory')
    .description(
      'Prints the device tree, one line a function: what it is, its link, ACS, IOMMU group and peer memory.',
    )
    .option('--json', 'print the machine as JSON')
    .action(async (options) => done(await (await import('../commands/topo.ts')).topo(merged(options), io)));

  machineOptions(program.command('show <device>'))
    .summary('one function, every register decoded')
    .description(
      'Prints everything that is known of one function: identity, links, BARs, and its config space register by register\n' +
        'with the names of the specifications. DEVICE is an address (0000:03:00.0, 03:00.0) or a name (nvme0, /dev/nvme0n1, mlx5_0).',
    )
    .option('--json', 'print as JSON')
    .action(async (device, options) =>
      done(await (await import('../commands/show.ts')).show(device, merged(options), io)),
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
      done(await (await import('../commands/matrix.ts')).matrix(merged(options), io)),
    );

  machineOptions(program.command('check <provider> <client...>'))
    .summary('one provider against one or more clients, in full')
    .description(
      'Prints the verdict for PROVIDER and each CLIENT: the kernel’s answer, the physical route of a write and of a read,\n' +
        'the path with its links, what it will deliver, and all reasons. With several clients also their combination, as an orchestrator would ask.',
    )
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'print as JSON (peerlane/verdicts/1)')
    .addHelpText(
      'after',
      '\nExit status 0 when every pair is usable, 1 when one is not supported or unknown.\n\nExample:\n  peerlane check 03:00.0 04:00.0 mlx5_0',
    )
    .action(async (provider, clients, options) =>
      done(await (await import('../commands/check.ts')).check(provider, clients, merged(options), io)),
    );

  machineOptions(program.command('predict <provider> <client>'))
    .summary('what a pair will deliver, without running it: peer to peer and bounced')
    .description(
      'Prints what CLIENT gets when it writes into the memory of PROVIDER and when it reads from it, peer to peer and through system\n' +
        'memory: every limit on the way with its formula (link, payload, headers, root complex, tags, engine, media), the least of\n' +
        'which counts, the latency of 64 bytes, and what it costs the memory. Links and sizes are those of the machine; platform,\n' +
        'engines and media are presets (docs/timing.md) unless a lab file says better.',
    )
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'print as JSON (peerlane/predict/1)')
    .addHelpText(
      'after',
      '\nExit status 0 when the pair is usable, 1 when it is not supported or unknown: then all reasons are printed.\n\nExamples:\n' +
        '  peerlane lab examples/eideticom.yaml predict nvme0 nvme1\n  peerlane -m host.tar.gz predict nvme0 mlx5_0',
    )
    .action(async (provider, client, options) =>
      done(await (await import('../commands/predict.ts')).predict(provider, client, merged(options), io)),
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
      done(await (await import('../commands/fix.ts')).fix(provider, client, merged(options), io)),
    );

  machineOptions(program.command('lint'))
    .summary('boot command line and module options against the live state')
    .description(
      'Checks what the boot command line and the module options ask for against what the machine is: wrong separators,\n' +
        'functions that do not exist, options that this kernel ignores or mangles or that are not upstream.',
    )
    .option('--json', 'print as JSON')
    .action(async (options) => done(await (await import('../commands/lint.ts')).lint(merged(options), io)));

  machineOptions(program.command('diff <old> [new]'))
    .summary('what changed between two snapshots, and which verdicts with it')
    .description(
      'Compares two machines (labs, snapshots, sysroots, lspci texts, or `live`) and the verdicts of their devices. With -m the\n' +
        'machine that it names is the old one.',
    )
    .option('--all', 'the verdicts of every function, bridges included')
    .addOption(kernelOption())
    .addOption(cpuOption())
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExit status 0 when nothing changed, 1 when something did.')
    .action(async (first, second, options) =>
      done(await (await import('../commands/diff.ts')).diff(first, second, merged(options), io)),
    );

  machineOptions(program.command('snapshot'))
    .summary('write what peerlane reads of this machine, or of a lab, to a file')
    .description(
      'Writes a tar.gz of the sysfs and proc files that the other commands read: a fixed list, never device memory, VPD or ROM.\n' +
        'Serial numbers, MAC addresses, host and build names and unknown command line values are blanked. Of a lab it is the sysfs\n' +
        'that a computer built like it would show.',
    )
    .requiredOption('-o, --output <file>', 'the file to write, host.tar.gz; - for stdout')
    .option('--hex', 'config spaces only, as text that `lspci -F FILE` reads')
    .option('--keep-identities', 'keep serial numbers, addresses, names and the whole command line')
    .option('--force', 'replace the file if it is there')
    .action(async (options) =>
      done(await (await import('../commands/snapshot.ts')).snapshot(merged(options), io)),
    );
}
