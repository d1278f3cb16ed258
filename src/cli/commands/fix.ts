/** `peerlane fix`: what to change, printed and never applied. */
import { type FixPlan, fixPair, type PersistentForm } from '../../advice/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import { withCpuOption } from '../cpu-option.ts';
import type { Io } from '../io.ts';
import { machineJson } from '../json.ts';
import { rulesForOption } from '../kernel-option.ts';
import { loadMachine, type MachineOptions } from '../machine-input.ts';
import { labelOf, machineLine } from '../render/describe.ts';
import { rulesLine } from '../render/rules.ts';
import { printable, type Style, styleFor, wrap } from '../render/style.ts';
import { answerText } from '../render/verdict.ts';

export interface FixOptions extends MachineOptions {
  readonly cpu?: string;
  readonly kernel?: string;
  readonly json?: boolean;
}

/** @returns 0 when the pair is usable or would be after the printed change, 1 when nothing here makes it so */
export async function fix(
  providerText: string,
  clientText: string,
  options: FixOptions,
  io: Io,
): Promise<number> {
  const machine = withCpuOption(await loadMachine(options, io), options.cpu);
  const index = new MachineIndex(machine);
  const rules = rulesForOption(machine, options.kernel);
  const provider = index.resolve(providerText).bdf;
  const client = index.resolve(clientText).bdf;
  const plan = fixPair(index, rules, provider, client);
  const status = (plan.verdictAfter ?? plan.verdictBefore).usable === true ? 0 : 1;
  if (options.json === true) {
    await io.out(
      `${JSON.stringify({ schema: 'peerlane/fix/1', rules: rules.id, machine: machineJson(machine), provider, client, ...plan })}\n`,
    );
    return status;
  }
  const style = styleFor(io);
  const label = (bdf: string): string => labelOf(machine, (at) => index.find(at), bdf);
  await io.out(`${machineLine(machine)}\n${rulesLine(rules, style)}\n\n`);
  await io.out(`${style.bold(label(provider))}  is provider for  ${style.bold(label(client))}\n`);
  for (const line of planLines(printablePlan(plan), style)) {
    await io.out(`${line}\n`);
  }
  return status;
}

/** Plans quote the command line and names of the machine in many places: all of their text is made safe at once. */
function printablePlan(plan: FixPlan): FixPlan {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return value.split('\n').map(printable).join('\n');
    }
    if (Array.isArray(value)) {
      return value.map(clean);
    }
    return value !== null && typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, clean(inner)]))
      : value;
  };
  // Strings stay strings, and nothing else is touched: the shape is the same.
  return clean(plan) as FixPlan;
}

function* planLines(plan: FixPlan, style: Style): Generator<string> {
  yield `  now     ${answerText(plan.verdictBefore, style)}`;
  if (plan.verdictAfter !== null) {
    yield `  after   ${answerText(plan.verdictAfter, style)}`;
  }
  yield `\n${wrap(plan.summary, 100, '')}`;
  if (plan.changes.length > 0) {
    yield `\n${style.bold('Now, as root')} (nothing was applied; lost at reboot, reset or resume):`;
    for (const change of plan.changes) {
      yield `  ${change.command}`;
    }
    yield `\n${style.bold('Undo')}:`;
    for (const change of plan.changes) {
      yield `  ${change.undo}`;
    }
  }
  for (const form of plan.persistent) {
    yield* persistentLines(form, style);
  }
  if (plan.cost !== null) {
    yield `\n${style.bold('What it costs')}:`;
    for (const line of plan.cost.lines) {
      yield `  ${wrap(line, 98, '  ')}`;
    }
    for (const merge of plan.cost.merges) {
      const groups = merge.groups.length === 0 ? '' : `groups ${merge.groups.join(', ')}: `;
      yield `  merges  ${wrap(`${groups}${merge.functions.join(' ')}`, 90, '          ')}`;
    }
  }
  if (plan.remaining.length > 0) {
    yield `\n${style.bold('Still in the way afterwards')}:`;
    for (const reason of plan.remaining) {
      yield `  ${style.bad(reason.code)}${reason.at === null ? '' : ` at ${reason.at}`}: ${wrap(reason.detail, 90, '    ')}`;
    }
  }
  if (plan.alternatives.length > 0) {
    yield `\n${style.bold('Otherwise')}:`;
    for (const alternative of plan.alternatives) {
      yield `  - ${wrap(`${alternative.what}: ${alternative.how}`, 96, '    ')}`;
    }
  }
  for (const note of plan.notes) {
    yield `\n${wrap(note, 100, '')}`;
  }
}

function* persistentLines(form: PersistentForm, style: Style): Generator<string> {
  const mark = form.isRecommended ? style.good('use this') : style.warn(form.state);
  yield `\n${style.bold('For every boot')}, ${form.kind} (${mark}):`;
  yield form.text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
  for (const note of form.notes) {
    yield `  ${style.dim(wrap(note, 98, '  '))}`;
  }
  if (!form.isRecommended) {
    return;
  }
  for (const steps of form.loaders) {
    yield `  ${steps.loader} (${wrap(steps.where, 90, '    ')})`;
    if (steps.file !== null) {
      yield `    ${steps.file}: ${steps.line ?? ''}`;
    }
    for (const command of steps.commands) {
      yield `    ${command}`;
    }
  }
}
