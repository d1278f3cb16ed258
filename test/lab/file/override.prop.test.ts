import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { labPaths, parseLab, setLabValue } from '../../../src/lab/index.ts';
import { examples } from './examples.ts';

/** What a function gives; undefined for a `LabError`, which is one line with a code. Any other error fails the test. */
function attempt<Value>(action: () => Value): Value | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof LabError) {
      expect(error.code).toMatch(/^LAB_[A-Z_]+$/);
      expect(error.message.includes('\n')).toBe(false);
      return undefined;
    }
    throw error;
  }
}

const words = [
  ...[
    'time',
    'workload',
    'streams',
    'below',
    'host-bridges',
    'memory',
    'nvme0',
    'nvme1',
    'sw0',
    'gpu0',
    'mem0',
    'iopmem',
  ],
  ...[
    'iopmem0',
    'link',
    'media',
    'timing',
    'cmb',
    'bars',
    'acs',
    'namespaces',
    'size',
    'platform',
    'credits',
    'latency',
  ],
  ...[
    '0',
    '1',
    '2',
    '99',
    '-1',
    '',
    '__proto__',
    'constructor',
    '<<',
    '*a',
    'modules',
    'kernel',
    'config',
    'CONFIG_X',
    'name',
  ],
];
const path = fc.oneof(
  fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 6 }).map((list) => list.join('.')),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const value = fc.oneof(
  fc.constantFrom(
    'gen3 x4',
    '64M',
    '[]',
    '{}',
    '[a, {b: c}]',
    '{nvme: x}',
    '~',
    'null',
    '',
    '# x',
    'a: b',
    '*a',
    '&a b',
    '\n',
    '[&a x, *a]',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const which = fc.nat(examples.length - 1);

describe('setLabValue', () => {
  it('gives text that is still YAML, or a LabError, for any path and value', () => {
    fc.assert(
      fc.property(which, path, value, (index, to, what) => {
        const text = attempt(() => setLabValue(examples[index]![1], to, what));
        if (text !== undefined) {
          // A value may be wrong; that the rest could not be read any more would be worse.
          expect(attempt(() => labPaths(text))).toBeDefined();
          attempt(() => parseLab(text, 'x'));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives text or a LabError for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), path, value, (text, to, what) => {
        attempt(() => setLabValue(text, to, what));
        attempt(() => setLabValue(`peerlane: lab/1\nbelow: [${text}]`, to, what));
        attempt(() => labPaths(`peerlane: lab/1\n${text}`));
      }),
      { numRuns: 100 },
    );
  });

  it('sets what is there to itself without a change of meaning, and what it lists is there', () => {
    for (const [name, text] of examples) {
      const lab = parseLab(text, name);
      const paths = labPaths(text);
      expect(paths.length).toBeGreaterThan(3);
      // Every other device once is enough, for each takes a whole reading.
      for (const each of paths.filter((_, index) => index % 7 === 0 && paths[index]!.includes('.'))) {
        const marked = attempt(() => setLabValue(text, each, 'MARK'));
        expect([each, marked?.includes('MARK')]).toEqual([each, true]);
      }
      expect(parseLab(setLabValue(text, 'seed', String(lab.seed)), name)).toEqual(lab);
    }
  });
});
