/**
 * The running kernel is asked for every pair of functions of random machines, and Peerlane, reading a snapshot of each, must
 * say the same. PEERLANE_SEED reproduces a machine; PEERLANE_ORACLE_BOOTS says how many there are (nightly runs have more).
 */
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { verdictLabAvailable } from './cache.ts';
import { collectCase, saveCase } from './case.ts';
import { compareCase } from './compare.ts';

const boots = Math.max(1, Number(process.env.PEERLANE_ORACLE_BOOTS ?? 4));
const seedText = process.env.PEERLANE_SEED;
const seeds =
  seedText === undefined
    ? Array.from({ length: boots }, () => randomInt(1, 2 ** 31))
    : seedText.split(',').map(Number);

const found = verdictLabAvailable();
describe.skipIf(!found.ok)(`verdicts of the running kernel${found.ok ? '' : `: ${found.why}`}`, () => {
  it.for(seeds)('are ours for every pair of a random machine, PEERLANE_SEED=%i', async (seed) => {
    const question = await collectCase(found.ok ? found.lab : expect.unreachable(), seed);
    const { pairCount, kinds, differences } = compareCase(
      question.snapshotTarGz,
      question.verdictsTsv,
      `seed ${seed}`,
    );
    const counts = Object.entries(kinds).map(([kind, count]) => `${kind} ${count}`);
    console.log(`seed ${seed}: ${question.machine.cpu}, ${pairCount} pairs (${counts.join(', ')})`);
    if (differences.length > 0) {
      expect.fail(
        `${differences.join('\n')}\nsaved in ${saveCase(question)}; again with PEERLANE_SEED=${seed}`,
      );
    }
    // What finds nothing must be able to find something.
    const altered = question.verdictsTsv.replace(
      /\t(bus-addr|not-supported|thru-host-bridge)\n/,
      '\tunknown\n',
    );
    expect(compareCase(question.snapshotTarGz, altered, `seed ${seed}`).differences).toHaveLength(1);
  });
});
