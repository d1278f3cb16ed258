/** `peerlane topo`: the device tree. */
import type { Io } from '../io.ts';
import { machineJson } from '../json.ts';
import { loadMachine, type MachineOptions } from '../machine-input.ts';
import { machineLine } from '../render/describe.ts';
import { renderNotes } from '../render/notes.ts';
import { styleFor } from '../render/style.ts';
import { renderTree } from '../render/tree.ts';

export async function topo(options: MachineOptions & { readonly json?: boolean }, io: Io): Promise<number> {
  const machine = await loadMachine(options, io);
  if (options.json === true) {
    const functions = machine.functions.map(({ config, ...rest }) => ({
      ...rest,
      configBytes: config === undefined ? null : config.length,
    }));
    await io.out(`${JSON.stringify({ schema: 'peerlane/machine/1', ...machineJson(machine), functions })}\n`);
    return 0;
  }
  const style = styleFor(io);
  await io.out(`${machineLine(machine)}\n`);
  for (const line of renderTree(machine, style)) {
    await io.out(line);
  }
  await io.out(renderNotes(machine, style));
  return 0;
}
