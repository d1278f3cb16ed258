/**
 * Whatever a person types and whatever stands in the file: exit status 0 to 3, a refusal is one line and no data, and
 * nothing is ever called a bug of ours.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  filesOf,
  golden,
  HWLOC_TEXT,
  LSPCI_TEXT,
  NCCL_TEXT,
  scratchFolder,
  tarOf,
  UDEV_TEXT,
} from './inputs.ts';
import { exampleLab } from './lab-inputs.ts';
import { type CliResult, runCli } from './run-cli.ts';

const scratch = scratchFolder();
const EPYC = golden('0006');
const LAB = exampleLab('eideticom');

function expectOrderly(args: readonly string[], result: CliResult): void {
  const told = `${JSON.stringify(args)} -> ${JSON.stringify(result)}`;
  expect([0, 1, 2], told).toContain(result.status);
  expect(result.stderr, told).not.toMatch(/bug in peerlane|\n\s+at /);
  if (result.status === 2) {
    expect(result.stdout, told).toBe('');
    expect(result.stderr, told).toMatch(/^peerlane: [^\n]+\n$/);
  } else {
    // A lab may come up with less than it asks for.
    expect(result.stderr, told).toMatch(/^(?:peerlane: warning: [^\n]+\n)*$/);
    expect(result.stdout, told).not.toBe('');
  }
}

const COMMANDS = [
  'topo',
  'show',
  'matrix',
  'check',
  'fix',
  'lint',
  'diff',
  'lab',
  'qemu',
  'help',
  '--help',
  '-V',
];
/** Take too long for hundreds of runs, or write. */
const LEFT_OUT = ['copy', 'bench', 'p2pcopy', 'snapshot', 'import', 'demo', 'start'];
const WORDS = [
  ...COMMANDS,
  '-m',
  '--machine',
  '--sysroot',
  '--lspci',
  '--json',
  '--all',
  '--kernel',
  '--cpu',
  '--',
  '-',
  '--machine=live',
  'live',
  EPYC,
  LAB,
  '/dev/null',
  '/',
  '.',
  'nvme0',
  '0000:01:00.0',
  '00:1f.2',
  'ffff:ff:1f.7',
  '7.2',
  '4.20.1',
  'amd:0x19',
  '0',
  '-1',
  '',
];

/** A right command line, to be spoilt. */
const RIGHT: readonly (readonly string[])[] = [
  ['-m', EPYC, 'topo', '--json'],
  ['-m', EPYC, 'show', 'nvme0'],
  ['matrix', '--all', '-m', EPYC, '--kernel', '6.1', '--json'],
  ['-m', EPYC, 'check', 'nvme0', '00:1f.2', '00:1f.3', '--kernel', '5.4'],
  ['fix', '-m', EPYC, 'nvme0', '00:1f.2'],
  ['lint', '--sysroot', EPYC],
  ['diff', EPYC, EPYC, '--all', '--json'],
  ['lab', LAB, 'check', 'nvme0', 'nvme1', '--json'],
  ['-m', LAB, 'qemu'],
];

const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...WORDS) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => !text.includes('\0')),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('--', '-')
      .chain((dashes) => fc.string({ maxLength: 8 }).map((text) => dashes + text.replaceAll('\0', ''))),
  },
);

/** Inserts, replaces, removes, doubles. */
const spoilt = fc
  .tuple(
    fc.constantFrom(...RIGHT),
    fc.array(fc.tuple(fc.constantFrom('insert', 'replace', 'remove', 'double'), fc.nat(12), word), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([right, edits]) => {
    const args = [...right];
    for (const [kind, at, text] of edits) {
      const place = at % (args.length + 1);
      args.splice(
        place,
        kind === 'insert' || kind === 'double' ? 0 : 1,
        ...(kind === 'remove' ? [] : kind === 'double' ? [args[place] ?? text] : [text]),
      );
    }
    return args;
  });

describe('any command line', () => {
  it('of words that could be meant', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 7 }), async (args) => {
        fc.pre(!args.some((arg) => LEFT_OUT.includes(arg)));
        expectOrderly(args, await runCli(args));
      }),
      { numRuns: 150 },
    );
  });

  it('that was right once', async () => {
    await fc.assert(
      fc.asyncProperty(spoilt, async (args) => {
        expectOrderly(args, await runCli(args));
      }),
      { numRuns: 200 },
    );
  });
});

const TAR = gunzipSync(readFileSync(EPYC));
const ORIGINALS: readonly (readonly [string, Uint8Array])[] = [
  ['tar', TAR],
  ['tar.gz', readFileSync(EPYC)],
  ...[LSPCI_TEXT, HWLOC_TEXT, NCCL_TEXT, UDEV_TEXT].map(
    (text, i) => [['lspci', 'hwloc', 'nccl', 'udev'][i]!, new TextEncoder().encode(text)] as const,
  ),
];

interface Damage {
  readonly kind: 'flip' | 'cut' | 'drop' | 'repeat' | 'noise';
  readonly at: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'drop', 'repeat', 'noise'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 600 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
});

function damaged(original: Uint8Array, { kind, at, length, bytes }: Damage): Uint8Array {
  const place = Math.floor(at * original.length);
  const head = original.subarray(0, place);
  const tail = original.subarray(place);
  switch (kind) {
    case 'flip': {
      const copy = original.slice();
      copy[place % copy.length]! ^= bytes[0]! || 1;
      return copy;
    }
    case 'cut':
      return head;
    case 'drop':
      return Buffer.concat([head, tail.subarray(length)]);
    case 'repeat':
      return Buffer.concat([head, tail.subarray(0, length), tail]);
    case 'noise':
      return Buffer.concat([head, bytes, tail.subarray(bytes.length)]);
  }
}

const QUESTIONS: readonly (readonly string[])[] = [
  ['topo'],
  ['matrix', '--all'],
  ['matrix', '--json'],
  ['lint'],
  ['check', '03:00.0', '04:00.0'],
  ['show', '01:00.0'],
  ['fix', '01:00.0', '00:1f.2'],
];

/** Labs are text that people write, so they get their share of the damage. */
const LABS: readonly (readonly [string, Uint8Array])[] = ['eideticom', 'iopmem-2016', 'sriov', 'vmd'].map(
  (name) => [`${name}.yaml`, readFileSync(exampleLab(name))] as const,
);

describe('any input', () => {
  it('that was a lab once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...LABS),
        fc.array(damage, { minLength: 1, maxLength: 2 }),
        fc.constantFrom(...QUESTIONS, []),
        async ([name, original], damages, question) => {
          const path = scratch.path(name);
          writeFileSync(path, damages.reduce(damaged, original));
          expectOrderly(question, await runCli(['lab', path, ...question]));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('that was a machine once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ORIGINALS),
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(...QUESTIONS),
        async ([name, original], damages, question) => {
          const path = scratch.path(name);
          writeFileSync(path, damages.reduce(damaged, original));
          expectOrderly(question, await runCli(['-m', path, ...question]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('whose files hold anything', async () => {
    const names = [...filesOf(EPYC).keys()];
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .constantFrom(
          '',
          '-1',
          '0x',
          'ffffffffffffffff',
          '99999999999999999999',
          'nan',
          '\n\n',
          '../..',
          '0000:00:00.0',
        )
        .map((text) => new TextEncoder().encode(text)),
      fc
        .constantFrom('../../../..', '/', '.', '', '0000:00:00.0', '../0000:01:00.0')
        .map((linkTo) => ({ linkTo })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...names), content), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(...QUESTIONS),
        async (changes, question) => {
          const files = filesOf(EPYC);
          for (const [name, value] of changes) {
            files.set(name, value);
          }
          const path = scratch.path('changed.tar.gz');
          writeFileSync(path, gzipSync(tarOf(files), { level: 1 }));
          expectOrderly(question, await runCli(['-m', path, ...question]));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('that is noise', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 2000 }),
        fc.constantFrom(...QUESTIONS),
        async (bytes, question) => {
          const path = scratch.path('noise');
          writeFileSync(path, bytes);
          const result = await runCli(['-m', path, ...question]);
          expectOrderly(question, result);
          expect(result.status).toBe(2);
        },
      ),
      { numRuns: 100 },
    );
  });
});
