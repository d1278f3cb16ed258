/** `peerlane predict`: what a pair will deliver, by closed forms. */
import { predictPair } from '../../advice/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import { withCpuOption } from '../cpu-option.ts';
import type { Io } from '../io.ts';
import { machineJson, verdictJson } from '../json.ts';
import { rulesForOption } from '../kernel-option.ts';
import { loadMachineAndLab, type MachineOptions } from '../machine-input.ts';
import { factsFor } from '../predict-facts.ts';
import { machineLine } from '../render/describe.ts';
import { predictionJson, predictionLines } from '../render/predict.ts';
import { rulesLine } from '../render/rules.ts';
import { styleFor } from '../render/style.ts';
import { renderExplanation } from '../render/verdict.ts';

export interface PredictOptions extends MachineOptions {
  readonly cpu?: string;
  readonly kernel?: string;
  readonly json?: boolean;
}

/** @returns 0 usable, 1 not supported or unknown */
export async function predict(
  providerText: string,
  clientText: string,
  options: PredictOptions,
  io: Io,
): Promise<number> {
  const read = await loadMachineAndLab(options, io);
  const machine = withCpuOption(read.machine, options.cpu);
  // Another processor than the lab's is another platform.
  const facts = await factsFor(machine, options.cpu === undefined ? read.lab : null);
  const index = new MachineIndex(machine);
  const rules = rulesForOption(machine, options.kernel);
  const provider = index.resolve(providerText).bdf;
  const client = index.resolve(clientText).bdf;
  const prediction = predictPair(index, rules, provider, client, facts);
  const status = prediction.usable === true ? 0 : 1;
  if (options.json === true) {
    const document = {
      schema: 'peerlane/predict/1',
      rules: rules.id,
      machine: machineJson(machine),
      verdict: verdictJson(prediction.explanation),
      ...predictionJson(prediction),
      exitStatus: status,
    };
    await io.out(`${JSON.stringify(document, null, 2)}\n`);
    return status;
  }
  const style = styleFor(io);
  await io.out(`${machineLine(machine)}\n${rulesLine(rules, style)}\n\n`);
  for (const line of renderExplanation(index, prediction.explanation, style)) {
    await io.out(line);
  }
  await io.out('\n');
  for (const line of predictionLines(prediction, style)) {
    await io.out(`${line}\n`);
  }
  return status;
}
