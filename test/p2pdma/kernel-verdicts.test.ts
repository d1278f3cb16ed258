/**
 * What a running kernel answered (Linux 7.2.12 in QEMU, random hierarchies and ACS words), pair by pair. Each case is a
 * sysfs snapshot and, for every ordered pair, distance and map type; `-` where the provider has no memory BAR to map.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/base/index.ts';
import { judge, judgeAll, rulesFor, rulesForMachine } from '../../src/p2pdma/index.ts';
import { archiveTree, type Gunzip, type Machine, MachineIndex, readSysfs } from '../../src/topology/index.ts';
import { hasTestdata, testdataPath } from '../support/testdata.ts';
import { bdf } from './support/build-machine.ts';

const FOLDER = ['data', 'kernel-verdicts'] as const;

const gunzip: Gunzip = (bytes, bytesMax) => {
  try {
    return gunzipSync(bytes, { maxOutputLength: bytesMax });
  } catch (cause) {
    throw new InputError('INPUT_TOO_LARGE', { message: 'damaged or too large', cause });
  }
};

interface CaseFacts {
  readonly case: number;
  readonly functions: number;
  readonly kinds: Readonly<Record<string, number>>;
}

function readCase(name: string): Machine {
  const path = testdataPath(...FOLDER, `${name}.tar.gz`);
  return readSysfs(archiveTree(readFileSync(path), name, { gunzip }), { kind: 'archive' });
}

const isPresent = hasTestdata(...FOLDER);
const cases = isPresent
  ? readdirSync(testdataPath(...FOLDER))
      .filter((name) => name.endsWith('.verdicts.tsv.gz'))
      .map((name) => name.slice(0, -'.verdicts.tsv.gz'.length))
  : [];
const facts = new Map<string, CaseFacts>(
  isPresent
    ? readFileSync(testdataPath(...FOLDER, 'index.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as CaseFacts)
        .map((entry) => [`case-${String(entry.case).padStart(4, '0')}`, entry])
    : [],
);

describe.skipIf(!isPresent)('verdicts of a running kernel', () => {
  let pairs = 0;

  it.each(cases)('%s: every pair, distance and map type', (name) => {
    const index = new MachineIndex(readCase(name));
    const rules = rulesForMachine(index.machine);
    expect(rules.id).toBe('linux-7.2');
    const table = judgeAll(index, rules);
    const lines = gunzipSync(readFileSync(testdataPath(...FOLDER, `${name}.verdicts.tsv.gz`)))
      .toString('utf8')
      .trim()
      .split('\n');
    const wrong: string[] = [];
    for (const line of lines) {
      const [provider, client, distance, mapType] = line.split('\t') as [string, string, string, string];
      const answer = table.at(index.position(bdf(provider)), index.position(bdf(client)));
      const isSame =
        answer.distance === Number(distance) &&
        answer.usable === Number(distance) >= 0 &&
        (mapType === '-' || mapType === answer.mapType);
      if (!isSame) {
        wrong.push(`${line} but ${JSON.stringify(answer)}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(lines).toHaveLength(index.machine.functions.length ** 2);
    expect(index.machine.functions).toHaveLength(facts.get(name)!.functions);
    pairs += lines.length;
  });

  it('were all compared', () => {
    expect(cases).toHaveLength(facts.size);
    const expected = [...facts.values()].reduce((sum, entry) => sum + entry.functions ** 2, 0);
    expect(pairs).toBe(expected);
    console.log(`kernel verdicts: ${pairs} pairs of ${cases.length} machines`);
  });

  it('are given by judge as by the table, with what decided', () => {
    const index = new MachineIndex(readCase(cases[0]!));
    const rules = rulesFor('7.2.12');
    const table = judgeAll(index, rules);
    for (const [provider, { bdf: providerBdf }] of index.machine.functions.entries()) {
      for (const [client, { bdf: clientBdf }] of index.machine.functions.entries()) {
        const { distance, mapType, usable, decidedBy, candidates } = judge(
          index,
          rules,
          providerBdf,
          clientBdf,
        );
        expect({ distance, mapType, usable }).toEqual(table.at(provider, client));
        expect(candidates).toEqual([]);
        expect(decidedBy).toMatch(/^(?:pci)?[0-9a-f]{4}:/);
      }
    }
  });
});
