/** A verdict in full, for a person: answer first, then why, the way, the links, and every reason. */
import type { LinkOnPath, PairExplanation, Reason } from '../../advice/index.ts';
import type { KernelVerdict, PhysicalRoute } from '../../p2pdma/index.ts';
import type { MachineIndex } from '../../topology/index.ts';
import { labelOf, rateText, shortBdf } from './describe.ts';
import { printable, type Style, wrap } from './style.ts';

const WIDTH = 100;

const ANSWERS: Readonly<Record<string, string>> = {
  'bus-addr': 'directly, by bus address',
  'thru-host-bridge': 'through the host bridge',
  'not-supported': 'not supported',
  unknown: 'unknown',
};

/** `usable: directly, by bus address (distance 4)`. */
export function answerText(verdict: KernelVerdict, style: Style): string {
  const distance =
    verdict.distance === null ? '' : verdict.distance < 0 ? '' : ` (distance ${verdict.distance})`;
  if (verdict.usable === true) {
    const how =
      verdict.mapType === 'unknown'
        ? 'by one of the ways below; which one is unknown'
        : ANSWERS[verdict.mapType];
    return style.good(`usable, ${how}${distance}`);
  }
  if (verdict.usable === false) {
    return style.bad('not supported');
  }
  return style.warn('unknown');
}

export function* renderExplanation(
  index: MachineIndex,
  explanation: PairExplanation,
  style: Style,
): Generator<string> {
  const { machine } = index;
  const label = (bdf: string): string => labelOf(machine, (at) => index.find(at), bdf);
  const { verdict } = explanation;
  yield `${style.bold(label(verdict.provider))}  is provider for  ${style.bold(label(verdict.client))}\n`;
  yield `  kernel    ${answerText(verdict, style)}\n`;
  yield `  decided   by ${label(verdict.decidedBy)}\n`;
  yield* renderRoute('write', explanation.physical.write, style);
  yield* renderRoute('read', explanation.physical.read, style);
  yield `  path      ${wrap(verdict.path.map((at) => shortBdf(machine, at)).join(' - '), WIDTH - 12, '            ')}   ${style.dim(explanation.letters === null ? '' : `(${explanation.letters})`)}\n`;
  for (const link of explanation.links) {
    yield `  link      ${linkLine(index, link, explanation, style)}\n`;
  }
  for (const candidate of verdict.candidates) {
    const text =
      candidate.mapType === 'not-supported'
        ? ANSWERS[candidate.mapType]
        : `${ANSWERS[candidate.mapType]}${candidate.distance === null ? '' : `, distance ${candidate.distance}`}`;
    yield `  possible  ${wrap(printable(`${text}: ${candidate.when}`), WIDTH - 12, '            ')}\n`;
  }
  for (const alike of folded(explanation.reasons)) {
    yield* renderReason(index, alike, style);
  }
}

/** Reasons of one code with one hint say the same of several functions; from the third on they are one paragraph. */
const FOLDED_FROM = 3;

function folded(reasons: readonly Reason[]): (readonly Reason[])[] {
  const groups = new Map<string, Reason[]>();
  for (const reason of reasons) {
    const key = `${reason.code} ${reason.blocks} ${reason.evidence?.value ?? ''} ${reason.hint}`;
    groups.set(key, [...(groups.get(key) ?? []), reason]);
  }
  return [...groups.values()].flatMap((group) =>
    group.length < FOLDED_FROM ? group.map((reason) => [reason]) : [group],
  );
}

function* renderRoute(kind: string, route: PhysicalRoute, style: Style): Generator<string> {
  const paint =
    route.outcome === 'blocked' ? style.bad : route.outcome === 'unknown' ? style.warn : style.good;
  yield `  ${kind.padEnd(9)} ${paint(route.outcome)}: ${wrap(printable(route.detail), WIDTH - 14 - route.outcome.length, '            ')}\n`;
}

function linkLine(index: MachineIndex, link: LinkOnPath, explanation: PairExplanation, style: Style): string {
  const ends = `${shortBdf(index.machine, link.upper)} - ${shortBdf(index.machine, link.lower)}`;
  const { rate } = link;
  if (rate === undefined) {
    return `${ends}  rate unknown`;
  }
  const which = link.uses === 'current' ? 'as trained now' : 'by capability';
  const isSplit = link.payloadBytes !== undefined && link.payloadBytes < explanation.payload.mpsBytes;
  const split = isSplit ? ` in packets of ${link.payloadBytes} B` : '';
  const goodput =
    link.goodputWriteGBs === undefined || link.goodputReadGBs === undefined
      ? ''
      : `, write ${link.goodputWriteGBs.toFixed(2)} GB/s${split}, read ${link.goodputReadGBs.toFixed(2)} GB/s`;
  const line = `${ends}  ${rateText(rate)} (${which})${goodput}`;
  return link === explanation.narrowest ? `${line}  ${style.bold('<- narrowest')}` : line;
}

/** @param alike  reasons of one code with one hint and one evidence; at least one */
function* renderReason(index: MachineIndex, alike: readonly Reason[], style: Style): Generator<string> {
  const [reason] = alike as readonly [Reason, ...Reason[]];
  const paint = reason.blocks ? style.bad : style.dim;
  const places = alike.flatMap(({ at }) => (at === null ? [] : [shortBdf(index.machine, at)]));
  const at = places.length === 0 ? '' : `at ${places.join(', ')}`;
  const evidence =
    reason.evidence === null ? '' : `[${reason.evidence.register} = ${printable(reason.evidence.value)}]`;
  const where = [at, evidence].filter((text) => text !== '').join(' ');
  const others = alike.length > 1 ? ` (and likewise the ${alike.length - 1} others)` : '';
  yield `  ${paint(reason.blocks ? 'blocks  ' : 'note    ')}  ${style.bold(reason.code)} ${wrap(where, WIDTH - 14 - reason.code.length, '            ')}`.trimEnd();
  yield '\n';
  yield `            ${wrap(printable(reason.detail) + others, WIDTH - 12, '            ')}\n`;
  if (reason.hint !== '') {
    yield `            ${style.good('->')} ${wrap(printable(reason.hint), WIDTH - 15, '               ')}\n`;
  }
}
