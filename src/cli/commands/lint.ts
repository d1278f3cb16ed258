/** `peerlane lint`: what was asked for at boot against what the machine is. */
import { lint as lintMachine } from '../../advice/index.ts';
import type { Io } from '../io.ts';
import { machineJson } from '../json.ts';
import { loadMachine, type MachineOptions } from '../machine-input.ts';
import { machineLine } from '../render/describe.ts';
import { printable, styleFor, wrap } from '../render/style.ts';

/** @returns 0 nothing found (notes do not count), 1 something found */
export async function lint(options: MachineOptions & { readonly json?: boolean }, io: Io): Promise<number> {
  const machine = await loadMachine(options, io);
  const findings = lintMachine(machine);
  const status = findings.some((finding) => finding.severity !== 'note') ? 1 : 0;
  if (options.json === true) {
    await io.out(
      `${JSON.stringify({ schema: 'peerlane/lint/1', machine: machineJson(machine), findings })}\n`,
    );
    return status;
  }
  const style = styleFor(io);
  await io.out(`${machineLine(machine)}\n`);
  if (machine.kernel.commandLine === undefined) {
    await io.out(`${style.warn('the boot command line is not in this input')}; only the rest is looked at\n`);
  }
  for (const finding of findings) {
    const paint =
      finding.severity === 'error' ? style.bad : finding.severity === 'warning' ? style.warn : style.dim;
    const at = finding.at === null ? '' : ` at ${finding.at}`;
    await io.out(`\n${paint(finding.severity)}  ${style.bold(finding.code)}${at}\n`);
    if (finding.parameter !== null) {
      await io.out(`  ${printable(finding.parameter)}\n`);
    }
    await io.out(`  ${wrap(printable(finding.detail), 98, '  ')}\n`);
    await io.out(`  ${style.good('->')} ${wrap(printable(finding.hint), 95, '     ')}\n`);
  }
  const real = findings.filter((finding) => finding.severity !== 'note').length;
  await io.out(`\n${real === 0 ? 'nothing to mend' : `${real} to mend`}; ${findings.length - real} notes\n`);
  return status;
}
