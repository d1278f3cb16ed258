/**
 * Which memory a copy goes through: the nearest published provider that every function of the copy can reach, one that was
 * named, or host memory.
 *
 * What is known to be refused is not tried. What is unknown is tried only for a provider that was named: the first request
 * is a read from the source, the kernel judges it before anything moves, and a refusal (EREMOTEIO, EINVAL) harms nothing.
 */
import { type Bdf, CopyError } from '../base/index.ts';
import type { FindResult, ManyVerdict } from '../p2pdma/index.ts';

/** One end of the copy, as far as the choice is concerned. */
export interface RouteEnd {
  readonly label: string;
  /** The functions that do its DMA. */
  readonly requesters: readonly Bdf[];
  /** Why the list may be incomplete; undefined when it is certain. */
  readonly uncertain: string | undefined;
  /** Whether its queue takes peer memory at all; undefined: not known. */
  readonly takesPeerMemory: boolean | undefined;
  readonly why: string;
}

export type Via = 'auto' | 'host' | { readonly provider: Bdf };

export interface RouteQuestion {
  readonly via: Via;
  readonly ends: readonly RouteEnd[];
  /** Take host memory when there is no peer route, instead of refusing. */
  readonly fallback: boolean;
  /** `findMany` for this machine and kernel. */
  readonly find: (clients: readonly Bdf[]) => FindResult;
  /** `judgeMany` for this machine and kernel. */
  readonly judge: (provider: Bdf, clients: readonly Bdf[]) => ManyVerdict;
  /** Free peer memory; undefined when it is not known. */
  readonly availableBytes: (provider: Bdf) => number | undefined;
  /** What is against a pair, most important first, one line each. */
  readonly explain: (provider: Bdf, client: Bdf) => readonly string[];
}

/** A way that was not taken. */
export interface Refusal {
  /** Null when no provider can help: an end takes no peer memory, or there is no provider. */
  readonly provider: Bdf | null;
  readonly reasons: readonly string[];
}

export interface RouteChoice {
  readonly kind: 'peer' | 'host';
  readonly provider: Bdf | null;
  readonly verdict: ManyVerdict | null;
  /** False: the rules cannot tell, and the kernel decides at the first request. */
  readonly isCertain: boolean;
  /** One line for a person. */
  readonly why: string;
  /** Providers as near as the one chosen. */
  readonly ties: readonly Bdf[];
  readonly refusals: readonly Refusal[];
  /** Host memory was taken because there is no peer route. */
  readonly isFallback: boolean;
}

/**
 * @throws {CopyError} COPY_NO_ROUTE (exit status 1) with all refusals as `detail.refusals`
 */
export function chooseRoute(question: RouteQuestion): RouteChoice {
  if (question.via === 'host') {
    return host('host memory was asked for', [], false);
  }
  const refusals = refusalsOfEnds(question.ends);
  const choice =
    refusals.length > 0
      ? undefined
      : question.via === 'auto'
        ? nearestProvider(question, refusals)
        : namedProvider(question, question.via.provider, refusals);
  if (choice !== undefined) {
    return choice;
  }
  if (question.fallback) {
    return host('no peer memory can be used, and --fallback allows host memory', refusals, true);
  }
  throw noRoute(question, refusals);
}

function host(why: string, refusals: readonly Refusal[], isFallback: boolean): RouteChoice {
  return {
    kind: 'host',
    provider: null,
    verdict: null,
    isCertain: true,
    why,
    ties: [],
    refusals,
    isFallback,
  };
}

function refusalsOfEnds(ends: readonly RouteEnd[]): Refusal[] {
  const reasons = ends
    .filter((end) => end.takesPeerMemory === false)
    .map((end) => `${end.label}: ${end.why}`);
  return reasons.length === 0 ? [] : [{ provider: null, reasons: [...new Set(reasons)] }];
}

function clientsOf(ends: readonly RouteEnd[]): readonly Bdf[] {
  return [...new Set(ends.flatMap((end) => end.requesters))];
}

function nearestProvider(question: RouteQuestion, refusals: Refusal[]): RouteChoice | undefined {
  const unknown = question.ends.filter((end) => end.uncertain !== undefined || end.requesters.length === 0);
  if (unknown.length > 0) {
    // Who does the DMA is not known, so no provider is known to be reachable by all.
    refusals.push({
      provider: null,
      reasons: unknown.map(
        (end) => `${end.label}: ${end.uncertain ?? 'no PCI function is known to do its DMA'}`,
      ),
    });
    return undefined;
  }
  const clients = clientsOf(question.ends);
  const found = question.find(clients);
  for (const entry of found.rejected) {
    refusals.push({ provider: entry.provider, reasons: reasonsOf(question, entry.verdict) });
  }
  for (const entry of found.undecided) {
    refusals.push({
      provider: entry.provider,
      reasons: [
        'the verdict is unknown here; name it with --via to let the kernel decide',
        ...reasonsOf(question, entry.verdict),
      ],
    });
  }
  const usable = found.ranked.filter((entry) => {
    const isEmpty = question.availableBytes(entry.provider) === 0;
    if (isEmpty) {
      refusals.push({ provider: entry.provider, reasons: ['its peer memory is all in use'] });
    }
    return !isEmpty;
  });
  const nearest = usable[0];
  if (nearest === undefined) {
    if (refusals.length === 0) {
      refusals.push({ provider: null, reasons: ['no driver of this machine publishes peer memory'] });
    }
    return undefined;
  }
  const ties = usable.filter((entry) => entry.verdict.distance === nearest.verdict.distance);
  const chosen = ties.reduce((best, entry) =>
    preference(question, clients, entry.provider) > preference(question, clients, best.provider)
      ? entry
      : best,
  );
  const others = ties.filter((entry) => entry !== chosen).map((entry) => entry.provider);
  return {
    kind: 'peer',
    provider: chosen.provider,
    verdict: chosen.verdict,
    isCertain: true,
    why: `the nearest published provider that ${clients.join(' and ')} can reach (distance ${chosen.verdict.distance})`,
    ties: others,
    refusals,
    isFallback: false,
  };
}

/** The kernel throws dice among equals; a tool that is run twice should do the same twice: an end's own memory, then the emptiest pool. */
function preference(question: RouteQuestion, clients: readonly Bdf[], provider: Bdf): number {
  const own = clients.indexOf(provider);
  // Free bytes stay below 2^53, so the two do not mix when an end's own memory counts 2^60 and more.
  return (own < 0 ? 0 : 2 ** 60 * (clients.length - own)) + (question.availableBytes(provider) ?? 0);
}

function namedProvider(question: RouteQuestion, provider: Bdf, refusals: Refusal[]): RouteChoice | undefined {
  const clients = clientsOf(question.ends);
  const verdict = clients.length === 0 ? null : question.judge(provider, clients);
  if (verdict?.usable === false) {
    refusals.push({ provider, reasons: reasonsOf(question, verdict) });
    return undefined;
  }
  const doubts = question.ends.flatMap((end) => [
    ...(end.uncertain === undefined ? [] : [end.uncertain]),
    ...(end.requesters.length === 0 && end.uncertain === undefined
      ? [`who does the DMA for ${end.label} is not known`]
      : []),
    ...(end.takesPeerMemory === undefined ? [end.why] : []),
  ]);
  const isCertain = verdict?.usable === true && doubts.length === 0;
  const doubt = doubts[0] ?? 'the verdict is unknown here';
  return {
    kind: 'peer',
    provider,
    verdict,
    isCertain,
    why: isCertain
      ? `named with --via; ${clients.join(' and ')} can reach it (distance ${verdict.distance})`
      : `named with --via; ${doubt}, so the kernel decides at the first request`,
    ties: [],
    refusals,
    isFallback: false,
  };
}

function reasonsOf(question: RouteQuestion, verdict: ManyVerdict): readonly string[] {
  const against = verdict.verdicts.filter((entry) => entry.usable !== true);
  return against.flatMap((entry) =>
    question.explain(entry.provider, entry.client).map((line) => `${entry.client}: ${line}`),
  );
}

function noRoute(question: RouteQuestion, refusals: readonly Refusal[]): CopyError {
  const labels = question.ends.map((end) => end.label).join(' and ');
  const first = refusals[0];
  const told =
    first === undefined
      ? ''
      : `: ${first.provider === null ? '' : `${first.provider}, `}${first.reasons[0] ?? 'refused'}`;
  const more = refusals.length > 1 ? ` (and ${refusals.length - 1} more)` : '';
  return new CopyError('COPY_NO_ROUTE', {
    message: `no peer memory that ${labels} can use${told}${more}`,
    hint: '--fallback copies through host memory; `peerlane fix` tells what would open a route',
    detail: { refusals },
    exitStatus: 1,
  });
}
