/** `peerlane/verdicts/1`: the fields that programs depend on. Fields may be added; none of these may go or change. */

import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { golden, kernelAnswers, LSPCI_TEXT, NCCL_TEXT, scratchFolder } from './inputs.ts';
import { runCli, runJson } from './run-cli.ts';

interface Reason {
  readonly code: string;
  readonly class: string;
  readonly blocks: boolean;
  readonly at: string | null;
  readonly evidence: { readonly register: string; readonly value: string } | null;
  readonly detail: string;
  readonly hint: string;
}

interface Verdict {
  readonly provider: string;
  readonly client: string;
  readonly distance: number | null;
  readonly mapType: string;
  readonly usable: boolean | null;
  readonly trust: string;
  readonly decidedBy: string;
  readonly candidates: readonly { distance: number | null; mapType: string; when: string }[];
  readonly physical: { readonly write: { outcome: string }; readonly read: { outcome: string } };
  readonly path: readonly string[];
  readonly links: readonly { upper: string; lower: string }[];
  readonly reasons: readonly Reason[];
}

interface Document {
  readonly schema: string;
  readonly rules: string;
  readonly machine: Record<string, unknown>;
  readonly verdicts: readonly Verdict[];
  readonly combined?: Record<string, unknown>;
}

const scratch = scratchFolder();
writeFileSync(scratch.path('lspci.txt'), LSPCI_TEXT);
writeFileSync(scratch.path('nccl.xml'), NCCL_TEXT);
// Without the words that ACS is told in: known to be there or not, nobody can say.
writeFileSync(
  scratch.path('plain.txt'),
  LSPCI_TEXT.replace(/^\t.*\n/gm, (line) => (line.includes('Bus:') ? line : '')),
);

const HASWELL = golden('0010');
const EPYC = golden('0006');

const ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;
const MAP_TYPES = ['bus-addr', 'thru-host-bridge', 'not-supported', 'unknown'];
const CLASSES = ['topology', 'platform', 'driver', 'policy'];
const OUTCOMES = ['direct', 'redirected', 'root-complex', 'blocked', 'unknown'];

/** Every rule of the contract that holds for one verdict alone. */
function expectVerdictShape(verdict: Verdict): void {
  expect(verdict.provider).toMatch(ADDRESS);
  expect(verdict.client).toMatch(ADDRESS);
  expect(MAP_TYPES).toContain(verdict.mapType);
  expect(verdict.trust).toBe('possible');
  expect(typeof verdict.decidedBy).toBe('string');
  expect(verdict.decidedBy).not.toBe('');
  if (verdict.usable === null) {
    expect(verdict.mapType).toBe('unknown');
  } else if (verdict.usable) {
    // Null where the input leaves bridges out: usable, but not countable.
    expect(verdict.distance ?? 0).toBeGreaterThanOrEqual(0);
    expect(verdict.mapType).not.toBe('not-supported');
  } else {
    expect(verdict.distance).toBe(-1);
    expect(verdict.mapType).toBe('not-supported');
  }
  expect(Array.isArray(verdict.candidates)).toBe(true);
  expect(verdict.candidates.length > 0 || verdict.mapType !== 'unknown').toBe(true);
  for (const candidate of verdict.candidates) {
    expect(MAP_TYPES).toContain(candidate.mapType);
    expect(candidate.when).not.toBe('');
  }
  expect(OUTCOMES).toContain(verdict.physical.write.outcome);
  expect(OUTCOMES).toContain(verdict.physical.read.outcome);
  expect(verdict.path[0]).toBe(verdict.provider);
  expect(verdict.path.at(-1)).toBe(verdict.client);
  for (const link of verdict.links) {
    expect(link.upper).toMatch(ADDRESS);
    expect(link.lower).toMatch(ADDRESS);
  }
  expect(verdict.reasons.length).toBeGreaterThan(0);
  for (const reason of verdict.reasons) {
    expect(Object.keys(reason).sort()).toEqual(
      ['at', 'blocks', 'class', 'code', 'detail', 'evidence', 'hint'].sort(),
    );
    expect(reason.code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    expect(CLASSES).toContain(reason.class);
    expect(typeof reason.blocks).toBe('boolean');
    expect(reason.detail).not.toMatch(/^$|\n/);
    expect(reason.hint).not.toMatch(/\n/);
    if (reason.evidence !== null) {
      expect(typeof reason.evidence.register).toBe('string');
      expect(typeof reason.evidence.value).toBe('string');
    }
  }
  // Whatever is refused says why, and the blocking reasons come first.
  const firstNote = verdict.reasons.findIndex((reason) => !reason.blocks);
  expect(verdict.reasons.slice(firstNote === -1 ? verdict.reasons.length : firstNote)).not.toContainEqual(
    expect.objectContaining({ blocks: true }),
  );
  if (verdict.usable === false) {
    expect(verdict.reasons[0]!.blocks).toBe(true);
  }
}

describe('matrix --json', () => {
  it.each([
    ['an Intel machine with ACS', HASWELL],
    ['an AMD machine', EPYC],
    ['lspci text', scratch.path('lspci.txt')],
    ['lspci text without capabilities', scratch.path('plain.txt')],
    ['an NCCL topology', scratch.path('nccl.xml')],
  ])('%s: every verdict has every field, with values of the contract', async (_, machine) => {
    const document = await runJson<Document>(['-m', machine, 'matrix', '--all']);
    expect(document.schema).toBe('peerlane/verdicts/1');
    expect(document.rules).toMatch(/^linux-\d+\.\d+$/);
    expect(document.machine).toMatchObject({ source: { label: machine } });
    for (const verdict of document.verdicts) {
      expect(Object.keys(verdict)).toEqual(
        expect.arrayContaining([
          'provider',
          'client',
          'distance',
          'mapType',
          'usable',
          'trust',
          'decidedBy',
          'candidates',
          'physical',
          'path',
          'links',
          'reasons',
        ]),
      );
      expectVerdictShape(verdict);
    }
  });

  it('has every ordered pair once, in rows, a function with itself included', async () => {
    const { verdicts, machine } = await runJson<Document>(['-m', HASWELL, 'matrix', '--all']);
    const { functions } = await runJson<{ functions: { bdf: string }[] }>(['-m', HASWELL, 'topo']);
    const all = functions.map((fn) => fn.bdf);
    const kernel = kernelAnswers('0010');
    expect(machine.functionCount).toBe(all.length);
    expect(verdicts.map((verdict) => `${verdict.provider} ${verdict.client}`)).toEqual(
      all.flatMap((provider) => all.map((client) => `${provider} ${client}`)),
    );
    for (const bdf of all) {
      const self = verdicts.find((verdict) => verdict.provider === bdf && verdict.client === bdf);
      // The kernel refuses a port that redirects even for itself: a fact, and in the recorded answers.
      expect(self).toMatchObject({ path: [bdf], distance: kernel.get(`${bdf} ${bdf}`)!.distance });
    }
  });

  it('has type 0 functions except classes 06 and 08 where --all is not given', async () => {
    const { functions } = await runJson<{
      functions: { bdf: string; headerType: number; classCode: number }[];
    }>(['-m', HASWELL, 'topo']);
    const expected = functions
      .filter((fn) => fn.headerType === 0 && ![0x06, 0x08].includes(fn.classCode >>> 16))
      .map((fn) => fn.bdf);
    const { verdicts } = await runJson<Document>(['-m', HASWELL, 'matrix']);
    expect([...new Set(verdicts.map((verdict) => verdict.provider))]).toEqual(expected);
    expect([...new Set(verdicts.map((verdict) => verdict.client))]).toEqual(expected);
    expect(expected.length).toBeGreaterThan(2);
    expect(expected.length).toBeLessThan(functions.length);
  });

  it('names register, value and function of a blocking reason', async () => {
    const { verdicts } = await runJson<Document>(['-m', HASWELL, 'matrix']);
    const redirect = verdicts
      .flatMap((verdict) => verdict.reasons)
      .find((reason) => reason.code === 'ACS_REDIRECT' && reason.blocks);
    expect(redirect).toMatchObject({
      class: 'platform',
      blocks: true,
      evidence: { register: 'ACS Control' },
    });
    expect(redirect!.evidence!.value).toMatch(/^0x[0-9a-f]{4}$/);
    expect(redirect!.at).toMatch(ADDRESS);
  });

  it('is written verdict by verdict', async () => {
    const sizes: number[] = [];
    const { status } = await runCli(['-m', HASWELL, 'matrix', '--all', '--json'], [], {
      onWrite: (text) => sizes.push(text.length),
    });
    expect(status).toBe(0);
    // 32 functions; no write is longer than one verdict with its reasons, or the head.
    expect(sizes.length).toBeGreaterThan(32 * 32);
    expect(Math.max(...sizes)).toBeLessThan(32_768);
  });

  it('ends with a newline, and is one document for a machine of one device too', async () => {
    const { stdout } = await runCli(['-m', EPYC, 'matrix', '--json']);
    expect(stdout.endsWith('}\n')).toBe(true);
    expect(JSON.parse(stdout).verdicts.length).toBeGreaterThan(0);
  });

  it('gives null and what it depends on where the input does not say enough', async () => {
    const { verdicts } = await runJson<Document>(['-m', scratch.path('plain.txt'), 'matrix']);
    const open = verdicts.find(
      (verdict) => verdict.provider === '0000:03:00.0' && verdict.client === '0000:04:00.0',
    )!;
    expect(open).toMatchObject({ distance: null, mapType: 'unknown', usable: null });
    expect(open.candidates.map((candidate) => candidate.mapType)).toContain('bus-addr');
    expect(open.reasons.map((reason) => reason.code)).toContain('ACS_UNKNOWN');
  });
});

describe('--kernel', () => {
  it.each([
    ['7.2', 'linux-7.2', true],
    ['6.1', 'linux-6.1', true],
    ['4.20', 'linux-4.20', true],
    ['4.19.300', 'linux-4.19', false],
  ])('%s: the rules used are %s', async (kernel, rules, isUsable) => {
    const document = await runJson<Document>([
      '-m',
      scratch.path('lspci.txt'),
      'check',
      '03:00.0',
      '04:00.0',
      '--kernel',
      kernel,
    ]);
    expect(document.rules).toBe(rules);
    expect(document.verdicts[0]).toMatchObject(
      isUsable
        ? { distance: 4, mapType: 'bus-addr', usable: true }
        : { distance: -1, mapType: 'not-supported', usable: false },
    );
  });

  it('overrides the machine’s own version, which is the default', async () => {
    const args = ['-m', EPYC, 'matrix'];
    expect((await runJson<Document>(args)).rules).toBe('linux-7.2');
    expect((await runJson<Document>([...args, '--kernel', '5.4'])).rules).toBe('linux-5.4');
  });

  it('is in the text as well', async () => {
    const { stdout } = await runCli(['-m', EPYC, 'matrix', '--kernel', '5.10.0']);
    expect(stdout).toContain('judged by linux-5.10');
  });
});

describe('check --json', () => {
  it('lists the provider against each client in the order asked, and their combination', async () => {
    const document = await runJson<Document>([
      '-m',
      scratch.path('lspci.txt'),
      'check',
      '03:00.0',
      '04:00.0',
      '02:00.0',
    ]);
    expect(document.verdicts.map((verdict) => [verdict.provider, verdict.client, verdict.distance])).toEqual([
      ['0000:03:00.0', '0000:04:00.0', 4],
      ['0000:03:00.0', '0000:02:00.0', 1],
    ]);
    expect(document.combined).toMatchObject({
      provider: '0000:03:00.0',
      clients: ['0000:04:00.0', '0000:02:00.0'],
      distance: 5,
      usable: true,
    });
  });

  it('is not usable together when one client is not', async () => {
    const document = await runJson<Document>([
      '-m',
      scratch.path('lspci.txt'),
      'check',
      '03:00.0',
      '04:00.0',
      '00:00.0',
      '--kernel',
      '4.20',
    ]);
    expect(document.verdicts.map((verdict) => verdict.usable)).toEqual([true, false]);
    expect(document.combined).toMatchObject({ distance: -1, usable: false });
  });

  it('takes a client twice, and the provider itself', async () => {
    const { verdicts, combined } = await runJson<Document>([
      '-m',
      scratch.path('lspci.txt'),
      'check',
      '03:00.0',
      '03:00.0',
      '03:00.0',
    ]);
    expect(verdicts.map((verdict) => verdict.distance)).toEqual([0, 0]);
    expect(combined).toMatchObject({ distance: 0, usable: true });
  });
});
