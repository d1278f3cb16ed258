// Our decoding of a dump against what the installed lspci (pciutils, an independent program) prints for it, field by field
// for everything both know.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseHexDump } from '../../support/hex-dump.ts';
import { compareFunction, emptyTally, summary, withDomain } from '../../support/lspci-compare.ts';
import { lspciVersion, runLspci } from '../../support/lspci-output.ts';
import { hasTestdata, testdataPath } from '../../support/testdata.ts';

const FOLDER = ['data', 'topologies', 'lspci-hex'] as const;
const version = lspciVersion();
const isRunnable = hasTestdata(...FOLDER) && version !== null;

describe.skipIf(!isRunnable)(`decoding agrees with lspci (${version})`, () => {
  const files = isRunnable
    ? readdirSync(testdataPath(...FOLDER)).filter((name) => name.endsWith('.txt'))
    : [];
  const total = emptyTally();

  it.each(files)('%s', (file) => {
    const text = readFileSync(testdataPath(...FOLDER, file), 'utf8');
    const dumps = parseHexDump(text);
    const printed = runLspci(text);
    expect(dumps.length).toBeGreaterThan(0);
    const before = { fields: total.fields, disagreements: total.disagreements.length };
    for (const dump of dumps) {
      const theirs = printed.find((candidate) => withDomain(candidate.address) === withDomain(dump.address));
      expect(theirs, `${dump.address} in the output of lspci`).toBeDefined();
      compareFunction(total, file, theirs!, dump);
    }
    expect(total.fields).toBeGreaterThan(before.fields);
    expect(total.disagreements.slice(before.disagreements)).toEqual([]);
  });

  it('compares enough to mean something', () => {
    console.log(`lspci agreement: ${summary(total)}`);
    expect(total.fields).toBeGreaterThan(10_000);
    expect(total.byCapability.size).toBeGreaterThan(20);
  });
});
