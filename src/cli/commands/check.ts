/** `peerlane check`: one provider, one or more clients, in full. */
import { explainPair, predictExplained } from '../../advice/index.ts';
import { judgeMany } from '../../p2pdma/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import { withCpuOption } from '../cpu-option.ts';
import type { Io } from '../io.ts';
import { writeVerdicts } from '../json.ts';
import { rulesForOption } from '../kernel-option.ts';
import { loadMachineAndLab, type MachineOptions } from '../machine-input.ts';
import { factsFor } from '../predict-facts.ts';
import { machineLine, shortBdf } from '../render/describe.ts';
import { shortPrediction, shortPredictionJson } from '../render/predict.ts';
import { rulesLine } from '../render/rules.ts';
import { styleFor } from '../render/style.ts';
import { renderExplanation } from '../render/verdict.ts';

export interface CheckOptions extends MachineOptions {
  readonly cpu?: string;
  readonly kernel?: string;
  readonly json?: boolean;
}

export async function check(
  providerText: string,
  clientTexts: readonly string[],
  options: CheckOptions,
  io: Io,
): Promise<number> {
  const read = await loadMachineAndLab(options, io);
  const machine = withCpuOption(read.machine, options.cpu);
  const facts = await factsFor(machine, options.cpu === undefined ? read.lab : null);
  const index = new MachineIndex(machine);
  const rules = rulesForOption(machine, options.kernel);
  const provider = index.resolve(providerText).bdf;
  const clients = clientTexts.map((text) => index.resolve(text).bdf);
  const explanations = clients.map((client) => explainPair(index, rules, provider, client));
  const combined = judgeMany(index, rules, provider, clients);
  const everyUsable = explanations.every((explanation) => explanation.verdict.usable === true);
  const status = everyUsable && combined.usable === true ? 0 : 1;

  if (options.json === true) {
    await writeVerdicts(io, machine, rules, explanations, {
      predictions: explanations.map((explanation) =>
        shortPredictionJson(predictExplained(index, explanation, facts)),
      ),
      combined: { provider, clients, distance: combined.distance, usable: combined.usable },
    });
    return status;
  }
  const style = styleFor(io);
  await io.out(`${machineLine(machine)}\n${rulesLine(rules, style)}\n`);
  for (const explanation of explanations) {
    await io.out('\n');
    for (const line of renderExplanation(index, explanation, style)) {
      await io.out(line);
    }
    for (const line of shortPrediction(predictExplained(index, explanation, facts))) {
      await io.out(`  ${line}\n`);
    }
  }
  if (clients.length > 1) {
    const names = clients.map((client) => shortBdf(machine, client)).join(', ');
    const answer =
      combined.usable === true
        ? style.good(`usable, distance ${combined.distance ?? 'unknown'}`)
        : combined.usable === false
          ? style.bad('not supported')
          : style.warn('unknown');
    await io.out(`\ntogether ${shortBdf(machine, provider)} for ${names}: ${answer}\n`);
  }
  return status;
}
