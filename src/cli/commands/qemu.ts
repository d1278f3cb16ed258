/** `peerlane lab FILE qemu`: the lab as a virtual machine. */
import { UsageError } from '../../base/index.ts';
import { parseLab, qemuCommand } from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { type MachineOptions, openMachine } from '../machine-input.ts';
import { shellLines } from '../render/shell.ts';
import { printable, styleFor } from '../render/style.ts';

export interface QemuCommandOptions extends MachineOptions {
  /** MiB. */
  readonly memory?: number;
  readonly drives?: boolean;
  readonly json?: boolean;
}

/** @throws {UsageError} USAGE_LAB_ONLY; {LabError} */
export async function qemu(options: QemuCommandOptions, io: Io): Promise<number> {
  const source = await openMachine(options);
  if (source.kind !== 'lab') {
    throw new UsageError('USAGE_LAB_ONLY', {
      message: `qemu makes a virtual machine of a lab, and ${source.kind === 'live' ? 'none was named' : `${source.path} is none`}`,
      hint: 'peerlane lab FILE.yaml qemu; `peerlane import` makes a lab of a snapshot',
    });
  }
  const command = qemuCommand(parseLab(source.text, source.path), {
    ...(options.memory === undefined ? {} : { memoryMb: options.memory }),
    withDrives: options.drives === true,
  });
  if (options.json === true) {
    await io.out(
      `${JSON.stringify({
        schema: 'peerlane/qemu/1',
        program: 'qemu-system-x86_64',
        args: command.args,
        append: command.append,
        changes: command.changes,
        devices: Object.fromEntries(command.devices),
      })}\n`,
    );
    return 0;
  }
  const style = styleFor(io);
  await io.out(`${shellLines('qemu-system-x86_64', command.args)}\n`);
  if (command.append.length > 0) {
    await io.out(`\n${style.bold('The kernel needs')}: ${printable(command.append.join(' '))}\n`);
  }
  if (command.changes.length > 0) {
    await io.out(`\n${style.bold('What QEMU changes')}\n`);
    for (const change of command.changes) {
      await io.out(`  - ${printable(change)}\n`);
    }
  }
  return 0;
}
