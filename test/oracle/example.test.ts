/**
 * The shipped example: its verdicts are those of the kernel that it was taken from. With PEERLANE_MAKE_EXAMPLE=1, which
 * scripts/kernel-lab/make-example.mjs sets, it is taken anew first.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { verdictLabAvailable } from './cache.ts';
import { compareCase } from './compare.ts';
import { EXAMPLE_SNAPSHOT, makeExample } from './example-machine.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const verdictsPath = `${repository}/examples/two-switches.verdicts.tsv`;

/** It is in the package that everybody installs. */
const EXAMPLE_BYTES_MAX = 40 * 1024;

describe('the shipped example', () => {
  if (process.env.PEERLANE_MAKE_EXAMPLE === '1') {
    it('is taken from a virtual machine', async () => {
      const found = verdictLabAvailable();
      if (!found.ok) {
        expect.unreachable(found.why);
      }
      const example = await makeExample(found.lab, repository);
      writeFileSync(EXAMPLE_SNAPSHOT, example.snapshotTarGz);
      writeFileSync(verdictsPath, example.verdictsTsv);
      console.log(
        `${EXAMPLE_SNAPSHOT}: ${example.snapshotTarGz.length} bytes, Linux ${example.kernelVersion}`,
      );
    });
  }

  it('gets the verdicts that its kernel gave, every pair', () => {
    const { differences, kinds } = compareCase(
      readFileSync(EXAMPLE_SNAPSHOT),
      readFileSync(verdictsPath, 'utf8'),
      'two-switches',
    );
    expect(differences).toEqual([]);
    expect(Object.keys(kinds)).toEqual(expect.arrayContaining(['bus-addr', 'not-supported']));
  });

  it('is small', () => {
    expect(readFileSync(EXAMPLE_SNAPSHOT).length).toBeLessThan(EXAMPLE_BYTES_MAX);
  });
});
