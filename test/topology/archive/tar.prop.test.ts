import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import {
  archiveTree,
  type FileTree,
  type NewTarEntry,
  readTar,
  writeTar,
} from '../../../src/topology/index.ts';

const name = fc.constantFrom('sys', 'bus', 'pci', 'a', 'b', '0000:00:01.0', 'ünï', 'x'.repeat(60));
const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
const content: fc.Arbitrary<NewTarEntry['content']> = fc.oneof(
  fc.uint8Array({ maxLength: 1500 }),
  fc.array(fc.constantFrom('..', '.', 'sys', 'a', 'b', ''), { minLength: 1, maxLength: 30 }).map((parts) => ({
    linkTo: parts.join('/') || '/',
  })),
);
const entries = fc
  .uniqueArray(fc.record({ path, content }), { selector: (entry) => entry.path, maxLength: 12 })
  .filter((list) => list.length > 0);

/** Reading is either entries or an InputError. */
function tryRead(bytes: Uint8Array): void {
  try {
    readTar(bytes, 'any', { bytesMax: 2 ** 20, entriesMax: 1000 });
  } catch (error) {
    if (!(error instanceof InputError)) {
      throw error;
    }
  }
}

describe('any bytes as an archive', () => {
  it('give entries or a typed error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), tryRead), { numRuns: 300 });
  });

  it('give entries or a typed error where a real archive was damaged', () => {
    const damage = fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(entries, damage, fc.nat(), (list, changes, cut) => {
        const bytes = writeTar(list);
        for (const { at, value } of changes) {
          bytes[at % bytes.length] = value;
        }
        tryRead(bytes);
        tryRead(bytes.subarray(0, cut % bytes.length));
        refreshChecksums(bytes);
        tryRead(bytes);
      }),
      { numRuns: 300 },
    );
  });
});

/** Makes every block a header with a valid checksum, so that the fields behind it are reached. */
function refreshChecksums(bytes: Uint8Array): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (block.every((byte) => byte === 0)) {
      continue;
    }
    block.fill(0x20, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  }
}

describe('writing and reading', () => {
  it('is the identity', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const back = new Map(readTar(writeTar(list), 'own').map((entry) => [entry.path, entry]));
        expect(back.size).toBe(list.length);
        for (const entry of list) {
          const found = back.get(entry.path)!;
          if (entry.content instanceof Uint8Array) {
            expect(found.data).toEqual(entry.content);
          } else {
            expect(found).toMatchObject({
              kind: 'link',
              target: (entry.content as { linkTo: string }).linkTo,
            });
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a tree of any entries', () => {
  it('answers every question and never leads out of itself', () => {
    fc.assert(
      fc.property(entries, fc.array(path, { maxLength: 20 }), (list, questions) => {
        const tree = archiveTree(writeTar(list), 'own');
        for (const question of [
          ...questions,
          ...list.map((entry) => entry.path),
          '',
          '/',
          '..',
          '../..',
          'a//b/./..',
        ]) {
          ask(tree, question);
        }
      }),
      { numRuns: 200 },
    );
  });
});

function ask(tree: FileTree, question: string): void {
  const resolved = tree.resolve(question);
  expect(resolved.split('/')).not.toContain('..');
  expect(['file', 'directory', 'link', 'absent', 'denied', 'failed']).toContain(tree.kind(question));
  const data = tree.read(question, 100);
  expect(typeof data === 'string' || data.length <= 100).toBe(true);
  const names = tree.list(question);
  if (typeof names !== 'string') {
    expect(names).toEqual([...names].sort());
    for (const name of names) {
      expect(tree.kind(`${question}/${name}`)).not.toBe('absent');
    }
  }
  tree.readLink(question);
}
