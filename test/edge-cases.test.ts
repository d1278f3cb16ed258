/**
 * Every numbered edge case of peer-to-peer DMA in Linux is accounted for: proven by a test that carries its number, due with
 * a later piece of work, or explained.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const CASES = 201;
/** Topology, search, registration, allocation, user mappings and DMA mapping: proven here, without exception. */
const PROVEN = 138;

const BY = ['framework', 'verdict', 'oracle', 'fabric', 'nvme', 'later', 'explained'] as const;

interface EdgeCase {
  readonly id: string;
  /** In our words, short. */
  readonly title: string;
  readonly by: (typeof BY)[number];
  /** `file > title of the test`; else the issue or subject it comes with, or the explanation. */
  readonly where: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const cases = JSON.parse(
  readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'edge-cases.json'), 'utf8'),
) as EdgeCase[];

/** Proven by a test, whoever does it: then `where` names one. */
function isProven({ where }: EdgeCase): boolean {
  return where.startsWith('test/') && where.includes(' > ');
}

describe('the list of edge cases', () => {
  it('has every number once, in order, each with a title', () => {
    const numbers = Array.from({ length: CASES }, (_, i) => `EC-${String(i + 1).padStart(3, '0')}`);
    expect(cases.map(({ id }) => id)).toEqual(numbers);
    expect(cases.filter(({ title, by, where }) => title === '' || where === '' || !BY.includes(by))).toEqual(
      [],
    );
    expect(new Set(cases.map(({ title }) => title)).size).toBe(CASES);
  });

  it('names tests that exist and carry the number', () => {
    const wrong = cases.filter(isProven).filter(({ id, where }) => {
      const [file, title] = where.split(' > ', 2);
      const path = join(root, file!);
      return !title!.includes(id) || !existsSync(path) || !readFileSync(path, 'utf8').includes(`'${title}'`);
    });
    expect(wrong).toEqual([]);
  });

  it('proves everything about topology, search, registration, allocation and mapping', () => {
    const open = cases
      .slice(0, PROVEN)
      .filter((one) => !isProven(one) || !['framework', 'verdict'].includes(one.by));
    expect(open).toEqual([]);
  });

  it('says of each of the others who will prove it, or why nobody does', () => {
    const own = cases.filter(({ by }) => by === 'framework' || by === 'verdict' || by === 'oracle');
    expect(own.filter((one) => !isProven(one))).toEqual([]);
    const counts = BY.map((by) => `${cases.filter((one) => one.by === by).length} ${by}`);
    console.info(`edge cases: ${cases.filter(isProven).length} of ${CASES} proven; ${counts.join(', ')}`);
  });
});
