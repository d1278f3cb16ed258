import { describe, expect, it } from 'vitest';
import { type Bdf, type CopyError, toBdf } from '../../src/base/index.ts';
import { chooseRoute, type RouteEnd, type RouteQuestion } from '../../src/orchestrators/index.ts';
import type { FindResult, KernelVerdict, ManyVerdict, RankedProvider } from '../../src/p2pdma/index.ts';

const A = toBdf('0000:03:00.0')!;
const B = toBdf('0000:04:00.0')!;
const P = toBdf('0000:05:00.0')!;
const Q = toBdf('0000:06:00.0')!;

function verdictOf(provider: Bdf, distance: number | null): ManyVerdict {
  const usable = distance === null ? null : distance >= 0;
  return {
    provider,
    clients: [A, B],
    distance,
    usable,
    verdicts: [A, B].map((client) => ({ provider, client, usable }) as KernelVerdict),
    rejected: usable === false ? [A] : [],
    messages: [],
  };
}

/** Distances of providers by address: null is unknown, -1 not supported. */
function ask(
  distances: Readonly<Record<string, number | null>>,
  more: Partial<RouteQuestion> = {},
): RouteQuestion {
  const end = (label: string, bdf: Bdf): RouteEnd => ({
    label,
    requesters: [bdf],
    uncertain: undefined,
    takesPeerMemory: true,
    why: 'NVMe',
  });
  const entries = Object.entries(distances).map(
    ([bdf, distance]): RankedProvider => ({ provider: bdf as Bdf, verdict: verdictOf(bdf as Bdf, distance) }),
  );
  return {
    via: 'auto',
    ends: [end('/dev/a', A), end('/dev/b', B)],
    fallback: false,
    find: (): FindResult => ({
      ranked: entries
        .filter((entry) => (entry.verdict.distance ?? -1) >= 0)
        .sort((a, b) => a.verdict.distance! - b.verdict.distance!),
      nearest: [],
      chosen: null,
      rejected: entries.filter((entry) => entry.verdict.usable === false),
      undecided: entries.filter((entry) => entry.verdict.usable === null),
    }),
    judge: (provider) => verdictOf(provider, distances[provider] ?? null),
    availableBytes: () => 1 << 20,
    explain: (provider, client) => [`ACS_REDIRECT between ${provider} and ${client}`],
    ...more,
  };
}

function refused(question: RouteQuestion): CopyError {
  try {
    chooseRoute(question);
  } catch (error) {
    return error as CopyError;
  }
  throw new Error('the route was not refused');
}

describe('auto', () => {
  it('takes the nearest provider and says why', () => {
    const choice = chooseRoute(ask({ [P]: 8, [Q]: 6 }));
    expect(choice).toMatchObject({ kind: 'peer', provider: Q, isCertain: true, ties: [], isFallback: false });
    expect(choice.why).toContain('distance 6');
  });

  it('prefers the source’s own memory, then the target’s, among the nearest, and lists the ties', () => {
    expect(chooseRoute(ask({ [P]: 4, [B]: 4, [A]: 4 }))).toMatchObject({ provider: A, ties: [P, B] });
    expect(chooseRoute(ask({ [P]: 4, [B]: 4 }))).toMatchObject({ provider: B, ties: [P] });
  });

  it('prefers the pool with more room among strangers', () => {
    const availableBytes = (bdf: Bdf): number => (bdf === Q ? 200 : 100);
    expect(chooseRoute(ask({ [P]: 4, [Q]: 4 }, { availableBytes })).provider).toBe(Q);
  });

  it('prefers distance to ownership, as the kernel does', () => {
    expect(chooseRoute(ask({ [P]: 4, [A]: 6 })).provider).toBe(P);
  });

  it('passes over a pool that is known to be empty, and says so', () => {
    const availableBytes = (bdf: Bdf): number => (bdf === P ? 0 : 100);
    const choice = chooseRoute(ask({ [P]: 2, [Q]: 4 }, { availableBytes }));
    expect(choice.provider).toBe(Q);
    expect(choice.refusals).toEqual([{ provider: P, reasons: ['its peer memory is all in use'] }]);
  });

  it('does not gamble on an unknown verdict', () => {
    const error = refused(ask({ [P]: null }));
    expect(error).toMatchObject({ code: 'COPY_NO_ROUTE', exitStatus: 1 });
    expect(JSON.stringify(error.detail)).toContain('verdict is unknown');
  });

  it('refuses with all reasons of all providers when none can be reached', () => {
    const error = refused(ask({ [P]: -1, [Q]: -1 }));
    expect(error).toMatchObject({ code: 'COPY_NO_ROUTE', exitStatus: 1 });
    expect(error.message).not.toContain('\n');
    expect(error.hint).toContain('--fallback');
    expect(error.detail.refusals).toEqual([
      {
        provider: P,
        reasons: [`${A}: ACS_REDIRECT between ${P} and ${A}`, `${B}: ACS_REDIRECT between ${P} and ${B}`],
      },
      {
        provider: Q,
        reasons: [`${A}: ACS_REDIRECT between ${Q} and ${A}`, `${B}: ACS_REDIRECT between ${Q} and ${B}`],
      },
    ]);
  });

  it('says that nobody publishes memory when that is so', () => {
    expect(refused(ask({})).message).toContain('no driver of this machine publishes peer memory');
  });

  it('refuses when an end takes no peer memory, whatever the verdicts', () => {
    const question = ask({ [P]: 4 });
    const ends = [
      question.ends[0]!,
      { ...question.ends[1]!, takesPeerMemory: false, why: 'sda is a scsi device' },
    ];
    expect(refused({ ...question, ends }).message).toContain('sda is a scsi device');
  });

  it('refuses when it is not known who does the DMA', () => {
    const question = ask({ [P]: 4 });
    const ends = [question.ends[0]!, { ...question.ends[1]!, requesters: [], uncertain: 'on the network' }];
    expect(refused({ ...question, ends }).message).toContain('on the network');
  });

  it('takes host memory only when told, and keeps the reasons', () => {
    const choice = chooseRoute(ask({ [P]: -1 }, { fallback: true }));
    expect(choice).toMatchObject({ kind: 'host', provider: null, isFallback: true });
    expect(choice.refusals).toHaveLength(1);
  });
});

describe('a named provider', () => {
  it('is taken when the verdict allows it, published or not', () => {
    expect(chooseRoute(ask({ [P]: 4 }, { via: { provider: P } }))).toMatchObject({
      provider: P,
      isCertain: true,
    });
  });

  it('is refused when the verdict does, before anything moves', () => {
    const error = refused(ask({ [P]: -1, [Q]: 4 }, { via: { provider: P } }));
    expect(error).toMatchObject({ code: 'COPY_NO_ROUTE', exitStatus: 1 });
    expect((error.detail.refusals as { provider: Bdf }[]).map((entry) => entry.provider)).toEqual([P]);
  });

  it('is tried when the verdict is unknown, and that is said', () => {
    const choice = chooseRoute(ask({ [P]: null }, { via: { provider: P } }));
    expect(choice).toMatchObject({ kind: 'peer', provider: P, isCertain: false });
    expect(choice.why).toContain('the kernel decides');
  });

  it('is tried when it is not known who does the DMA', () => {
    const question = ask({ [P]: 4 }, { via: { provider: P } });
    const ends = [question.ends[0]!, { ...question.ends[1]!, requesters: [], uncertain: 'an overlay' }];
    expect(chooseRoute({ ...question, ends })).toMatchObject({
      isCertain: false,
      why: expect.stringContaining('an overlay'),
    });
  });
});

it('host memory is taken without asking anybody when it was asked for', () => {
  const never = (): never => {
    throw new Error('nobody should be asked');
  };
  expect(chooseRoute(ask({}, { via: 'host', find: never, judge: never }))).toMatchObject({
    kind: 'host',
    isFallback: false,
  });
});
