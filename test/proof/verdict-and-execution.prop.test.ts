/**
 * The kernel's verdict and the physical route, which are predictions, against requests in the simulated machine, on random
 * labs. docs/proof.md says what this proves and what not.
 *
 * `PEERLANE_PROOF_LABS` and `PEERLANE_PROOF_SEED` choose how many labs and which. A failure prints the seed and the smallest
 * lab that still fails.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLASSES } from './classes.ts';
import { CORNERS } from './corners.ts';
import { newTally, proveLab } from './prove.ts';
import { randomLab } from './random-lab.ts';

const LABS = Number(process.env.PEERLANE_PROOF_LABS ?? 150);
const SEED = Number(process.env.PEERLANE_PROOF_SEED ?? 6121);
/** Outcomes of predictions that a run has to meet, or it says less than it seems to. */
const OUTCOMES = [
  'write: direct',
  'write: redirected',
  'write: root-complex',
  'write: blocked',
  'write: not sent for want of a translation: TB above the client',
  'write: not sent for want of a translation: no page in the IOMMU',
  'write: unknown: functions of a device without ACS',
  'write: unknown: upstream forwarding is clear',
  'write: unknown: part of the root complex',
  'write: unknown: root complex not known',
].flatMap((line) => [line, line.replace('write', 'read'), line.replace('write', 'relaxed-read')]);

test('every pair of every random lab does what was predicted, or differs in a way that is listed', () => {
  const tally = newTally();
  fc.assert(
    fc.property(randomLab, (lab) => {
      proveLab(lab, tally);
    }),
    { numRuns: LABS, seed: SEED, examples: CORNERS.map((lab) => [lab]) },
  );
  const { labs, refusedLabs, pairs, requests, mappings, predictions, verdicts, classes } = tally;
  const table = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(
        ([name, times]) =>
          `  ${String(times).padStart(7)}  ${name}${name in CLASSES ? `: ${CLASSES[name as keyof typeof CLASSES]}` : ''}`,
      )
      .join('\n');
  console.log(
    [
      `seed ${SEED}: ${labs} labs, ${pairs} ordered pairs, ${requests} requests, ${mappings} mappings asked for`,
      `predicted\n${table(predictions)}`,
      `kernel’s verdicts\n${table(verdicts)}`,
      `where kernel and hardware part\n${table(classes)}`,
    ].join('\n'),
  );
  // Few labs (a seed under examination) need not meet everything.
  if (LABS >= 100) {
    expect(refusedLabs).toEqual(new Map());
    expect(pairs).toBeGreaterThan(LABS * 30);
    expect([...predictions.keys()]).toEqual(expect.arrayContaining(OUTCOMES));
    expect([...verdicts.keys()].sort()).toEqual(['bus-addr', 'not-supported', 'thru-host-bridge', 'unknown']);
    expect([...classes.keys()].sort()).toEqual(Object.keys(CLASSES).sort());
  }
});
