/**
 * What `predict` says of a pair is what the simulated machine then does with one stream on an idle machine: within 5 % for writes
 * and 10 % for reads, or the prediction names what it leaves out. What the one refuses the other does not carry.
 *
 * The closed forms and the engine share constants and tables of bits; route, packets and queues are each one's own.
 */
import { describe, expect, it } from 'vitest';
import { type PredictedDirection, type Prediction, predictPair } from '../../src/advice/index.ts';
import { factsFor } from '../../src/cli/predict-facts.ts';
import { noTurn } from '../../src/fabric/index.ts';
import { LabMachine, parseLab, type StreamReport, WorkloadRun } from '../../src/lab/index.ts';
import { rulesForMachine } from '../../src/p2pdma/index.ts';
import { MachineIndex } from '../../src/topology/index.ts';
import { type Block, CLIENT, PROVIDER, pairBlock } from './support/random-pair.ts';

const RUNS = Number(process.env.PEERLANE_PREDICTED_PAIRS ?? 40);
const SEED = Number(process.env.PEERLANE_PREDICTED_SEED ?? 1);
const WITHIN = { write: 0.05, read: 0.1 } as const;

const BLOCK_BYTES = 4096;
/** Requests that a run measures at the least, and virtual time that it takes at the most. */
const REQUESTS = 300;
const LONGEST_US = 20_000;

async function predict(block: Block): Promise<Prediction> {
  const lab = parseLab(JSON.stringify(block), 'pair.yaml');
  const machine = LabMachine.boot(lab, { label: 'pair.yaml' });
  // A stream switches on what it needs, as a driver would.
  for (const name of [CLIENT, PROVIDER]) {
    machine.member(name)!.platform.enable({ memory: true, busMaster: true });
  }
  const facts = machine.machine();
  return predictPair(
    new MachineIndex(facts),
    rulesForMachine(facts),
    machine.member(PROVIDER)!.bdf,
    machine.member(CLIENT)!.bdf,
    await factsFor(facts, { path: 'pair.yaml', lab, machine, findings: [], close: () => {} }),
  );
}

async function simulate(
  block: Block,
  operation: 'write' | 'read',
  expectedGBs: number | null,
): Promise<StreamReport> {
  const us = Math.min(
    LONGEST_US,
    Math.max(50, Math.ceil((REQUESTS * BLOCK_BYTES) / 1000 / (expectedGBs ?? 1))),
  );
  const stream =
    operation === 'write' ? { 'dma-write': CLIENT, to: PROVIDER } : { 'dma-read': CLIENT, from: PROVIDER };
  const workload = {
    duration: `${us}us`,
    'warm-up': `${Math.ceil(us / 4)}us`,
    streams: [{ ...stream, block: BLOCK_BYTES, depth: 64, area: '1M' }],
  };
  const lab = parseLab(JSON.stringify({ ...block, workload }), 'pair.yaml');
  const machine = LabMachine.boot(lab, { label: 'pair.yaml', timing: { engine: 'tlp' }, turn: noTurn });
  const run = new WorkloadRun(machine, lab.workload!);
  while (!run.advance(1e6)) {}
  const [report] = run.report().streams;
  await run.close();
  return report!;
}

/** Null: they agree, or the prediction says that it does not know. */
function difference(predicted: PredictedDirection, simulated: StreamReport): string | null {
  const { operation, goodputGBs, isPossible, leftOut } = predicted;
  if (isPossible === null || leftOut.length > 0) {
    return null;
  }
  if (goodputGBs === null) {
    return simulated.bytes === 0
      ? null
      : `refused (${predicted.why}), and ${simulated.goodputGBs} GB/s arrive`;
  }
  const off = goodputGBs / simulated.goodputGBs - 1;
  return Math.abs(off) <= WITHIN[operation]
    ? null
    : `${goodputGBs} GB/s by ${predicted.limit}, and ${simulated.goodputGBs} simulated (${simulated.failure})`;
}

describe(`random pairs from seed ${SEED}`, () => {
  it('are as fast as predicted', { timeout: 120_000 + RUNS * 5000 }, async () => {
    const wrong: string[] = [];
    let compared = 0;
    for (let seed = SEED; seed < SEED + RUNS; seed++) {
      const block = pairBlock(seed);
      const prediction = await predict(block);
      for (const operation of ['write', 'read'] as const) {
        const predicted = prediction[operation];
        const text = difference(predicted, await simulate(block, operation, predicted.goodputGBs));
        compared += predicted.isPossible === null || predicted.leftOut.length > 0 ? 0 : 1;
        if (text !== null) {
          wrong.push(`seed ${seed}, ${operation}: ${text}\n${JSON.stringify(block)}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(RUNS);
  });
});
