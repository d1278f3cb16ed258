import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FIO_OPTIONS, type FioOptionUse } from '../../src/orchestrators/index.ts';

const page = readFileSync(new URL('../../docs/fio-jobs.md', import.meta.url), 'utf8');

/** Rows of the table below a heading: names of the first cell, text of the second. */
function rowsBelow(heading: string): { readonly names: readonly string[]; readonly text: string }[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(heading));
  return (section ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [, first, second] = line.split(/(?<!\\)\|/);
      return { names: [...first!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!), text: second!.trim() };
    });
}

describe('docs/fio-jobs.md', () => {
  it.each([
    ['Options that have their effect', 'used'],
    ['Options without an effect here', 'ignored'],
    ['Options that are refused', 'refused'],
  ] satisfies readonly (readonly [string, FioOptionUse])[])(
    'lists under %s what the parser has as %s',
    (heading, use) => {
      const expected = FIO_OPTIONS.filter((option) => option.use === use).map(({ name, aliases, text }) => ({
        names: [name, ...aliases],
        text,
      }));
      expect(expected.length).toBeGreaterThan(5);
      expect(rowsBelow(heading)).toEqual(expected);
    },
  );
});
