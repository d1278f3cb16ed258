/** `peerlane matrix`: every ordered pair of devices. */
import { explainPair, pairLetters } from '../../advice/index.ts';
import { compareBdf } from '../../base/index.ts';
import { judge, judgeAll, type RuleSet } from '../../p2pdma/index.ts';
import { type MachineFunction, MachineIndex } from '../../topology/index.ts';
import { withCpuOption } from '../cpu-option.ts';
import type { Io } from '../io.ts';
import { writeVerdicts } from '../json.ts';
import { rulesForOption } from '../kernel-option.ts';
import { loadMachine, type MachineOptions } from '../machine-input.ts';
import { labelOf, machineLine, peerMemoryText } from '../render/describe.ts';
import { type Cell, MATRIX_LEGEND, renderMatrix } from '../render/matrix.ts';
import { renderNotes } from '../render/notes.ts';
import { rulesLine } from '../render/rules.ts';
import { type Style, styleFor } from '../render/style.ts';

export interface MatrixOptions extends MachineOptions {
  readonly all?: boolean;
  readonly cpu?: string;
  readonly kernel?: string;
  readonly json?: boolean;
}

/** Bridges (class 06) and system peripherals (class 08) are seldom providers or clients. */
const LEFT_OUT_CLASSES: readonly number[] = [0x06, 0x08];

export function matrixFunctions(
  functions: readonly MachineFunction[],
  all: boolean,
): readonly MachineFunction[] {
  const chosen = functions.filter(
    (fn) =>
      all ||
      ((fn.headerType === undefined || fn.headerType === 0) &&
        (fn.classCode === undefined || !LEFT_OUT_CLASSES.includes(fn.classCode >> 16))),
  );
  // By address, whatever the order of the bus lists: that is how people look for a device.
  return chosen.sort((a, b) => compareBdf(a.bdf, b.bdf));
}

export async function matrix(options: MatrixOptions, io: Io): Promise<number> {
  const machine = withCpuOption(await loadMachine(options, io), options.cpu);
  const index = new MachineIndex(machine);
  const rules = rulesForOption(machine, options.kernel);
  const functions = matrixFunctions(machine.functions, options.all === true);
  if (options.json === true) {
    await writeVerdicts(io, machine, rules, explainAll(index, rules, functions));
    return 0;
  }
  const style = styleFor(io);
  await io.out(`${machineLine(machine)}\n${rulesLine(rules, style)}\n\n`);
  if (functions.length === 0) {
    await io.out('No devices besides bridges and system peripherals; --all shows every function.\n');
    return 0;
  }
  const table = judgeAll(index, rules);
  const positions = functions.map((fn) => index.position(fn.bdf));
  const cellAt = (row: number, column: number): Cell => ({
    ...table.at(positions[row]!, positions[column]!),
    letters: pairLetters(index, functions[row]!.bdf, functions[column]!.bdf),
  });
  for (const line of renderMatrix(index, functions, cellAt, io.columns, style)) {
    await io.out(line);
  }
  await io.out(`\n${style.dim(MATRIX_LEGEND)}`);
  await io.out(summarise(index, rules, functions, cellAt, style));
  await io.out(renderNotes(machine, style));
  return 0;
}

function* explainAll(index: MachineIndex, rules: RuleSet, functions: readonly MachineFunction[]) {
  for (const provider of functions) {
    for (const client of functions) {
      yield explainPair(index, rules, provider.bdf, client.bdf);
    }
  }
}

/** How many pairs work, why the others do not (counted by what decided), and who offers memory. */
function summarise(
  index: MachineIndex,
  rules: RuleSet,
  functions: readonly MachineFunction[],
  cellAt: (row: number, column: number) => Cell,
  style: Style,
): string {
  const counts = { usable: 0, unsupported: 0, unknown: 0 };
  const causes = new Map<string, { count: number; example: string }>();
  for (let row = 0; row < functions.length; row++) {
    for (let column = 0; column < functions.length; column++) {
      if (row === column) {
        continue;
      }
      const { usable } = cellAt(row, column);
      if (usable === true) {
        counts.usable++;
        continue;
      }
      counts[usable === false ? 'unsupported' : 'unknown']++;
      const verdict = judge(index, rules, functions[row]!.bdf, functions[column]!.bdf);
      const cause = `${usable === false ? 'not supported' : 'unknown'}, decided by ${labelOf(index.machine, (at) => index.find(at), verdict.decidedBy)} (${verdict.rule})`;
      const known = causes.get(cause);
      if (known === undefined) {
        causes.set(cause, { count: 1, example: `${verdict.provider} ${verdict.client}` });
      } else {
        known.count++;
      }
    }
  }
  const lines = [
    `pairs of different functions: ${counts.usable} usable, ${counts.unsupported} not supported, ${counts.unknown} unknown`,
  ];
  const ranked = [...causes].sort((a, b) => b[1].count - a[1].count);
  for (const [cause, { count, example }] of ranked.slice(0, 6)) {
    lines.push(`  ${String(count).padStart(4)} ${cause}; why: ${style.bold(`peerlane check ${example}`)}`);
  }
  if (ranked.length > 6) {
    lines.push(`       and ${ranked.length - 6} further causes`);
  }
  const providers = functions.filter((fn) => fn.p2pmem != null);
  for (const fn of providers) {
    lines.push(`${labelOf(index.machine, (at) => index.find(at), fn.bdf)}: ${peerMemoryText(fn)}`);
  }
  if (providers.length === 0) {
    lines.push('no function offers peer memory (p2pmem) here: the verdicts say what would be possible');
  }
  return `\n${lines.join('\n')}\n`;
}
