/** `peerlane diff`: what changed between two readings of a machine, and which verdicts with it. */
import { type Change, diffMachines, type VerdictChange } from '../../advice/index.ts';
import { UsageError } from '../../base/index.ts';
import type { PairAnswer } from '../../p2pdma/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import { withCpuOption } from '../cpu-option.ts';
import type { Io } from '../io.ts';
import { rulesForOption } from '../kernel-option.ts';
import { loadMachine, type MachineOptions, readMachine } from '../machine-input.ts';
import { labelOf } from '../render/describe.ts';
import { printable, styleFor } from '../render/style.ts';
import { matrixFunctions } from './matrix.ts';

export interface DiffCommandOptions extends MachineOptions {
  readonly cpu?: string;
  readonly kernel?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Lines of verdict changes that a person would still read. */
const SHOWN_VERDICTS = 40;

/** @returns 0 nothing changed, 1 something did */
export async function diff(
  first: string,
  second: string | undefined,
  options: DiffCommandOptions,
  io: Io,
): Promise<number> {
  const named = options.machine ?? options.sysroot ?? options.lspci ?? options.lab;
  const { before, after } = namesOf(first, second, named);
  const old = withCpuOption(
    named === undefined ? await readMachine(before, io) : await loadMachine(options, io),
    options.cpu,
  );
  const now = withCpuOption(await readMachine(after, io), options.cpu);
  const rulesOld = rulesForOption(old, options.kernel);
  const rulesNew = rulesForOption(now, options.kernel);
  const functions = matrixFunctions(now.functions, options.all === true).map((fn) => fn.bdf);
  const result = diffMachines(old, now, { rulesOld, rulesNew, functions });
  const status = result.changes.length === 0 && result.verdictCount === 0 ? 0 : 1;
  if (options.json === true) {
    await io.out(
      `${JSON.stringify({ schema: 'peerlane/diff/1', before, after, rules: { before: rulesOld.id, after: rulesNew.id }, given: now.given ?? [], ...result })}\n`,
    );
    return status;
  }
  const style = styleFor(io);
  const index = new MachineIndex(now);
  const label = (bdf: string): string => labelOf(now, (at) => index.find(at), bdf);
  const changeText = (change: Change): string =>
    `${change.at === null ? 'machine' : label(change.at)}: ${change.kind}: ${printable(change.before)} -> ${printable(change.after)}`;
  if (status === 0) {
    await io.out('no difference\n');
    return status;
  }
  await io.out(`${style.bold('Changed')}: ${result.changes.length}\n`);
  for (const change of result.changes) {
    await io.out(`  ${changeText(change)}\n`);
  }
  await io.out(`\n${style.bold('Verdicts changed')}: ${result.verdictCount}\n`);
  for (const verdict of result.verdicts.slice(0, SHOWN_VERDICTS)) {
    await io.out(
      `  ${label(verdict.provider)} for ${label(verdict.client)}: ${answer(verdict.before)} -> ${answer(verdict.after)}\n`,
    );
    await io.out(`    ${style.dim(because(verdict, changeText))}\n`);
  }
  if (result.verdictCount > SHOWN_VERDICTS) {
    await io.out(`  and ${result.verdictCount - SHOWN_VERDICTS} more; --json has them\n`);
  }
  return status;
}

/** @throws {UsageError} one machine, or three */
function namesOf(
  first: string,
  second: string | undefined,
  named: string | undefined,
): { readonly before: string; readonly after: string } {
  if (named !== undefined && second === undefined) {
    return { before: named, after: first };
  }
  if (named !== undefined) {
    throw new UsageError('USAGE_MACHINE_NOT_TAKEN', {
      message: 'diff takes two machines, and three were given',
      hint: 'with -m, name only the new one',
    });
  }
  if (second === undefined) {
    throw new UsageError('USAGE_TARGETS', {
      message: 'diff takes two machines, old and new, and one was given',
      hint: 'peerlane diff before.tar.gz live',
    });
  }
  return { before: first, after: second };
}

function answer(verdict: PairAnswer): string {
  const distance = verdict.distance === null || verdict.distance < 0 ? '' : ` ${verdict.distance}`;
  return verdict.mapType === 'unknown' && verdict.usable === true
    ? `usable${distance}`
    : `${verdict.mapType}${distance}`;
}

function because(verdict: VerdictChange, changeText: (change: Change) => string): string {
  const causes: Readonly<Record<VerdictChange['because'], string>> = {
    'kernel-rules': 'the other kernel’s rules',
    acs: 'ACS',
    cpu: 'another CPU',
    several: 'several changes together',
    unknown: 'one of the two does not say enough',
  };
  const first = verdict.changes[0];
  const more = verdict.changes.length > 1 ? ` and ${verdict.changes.length - 1} more` : '';
  return `because of ${causes[verdict.because]}${first === undefined ? '' : `: ${changeText(first)}${more}`}`;
}
