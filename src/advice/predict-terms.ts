/** The limits of a transfer, each with its formula in numbers. The least of them is the goodput. */
import {
  completionOverheadBytes,
  type DeviceTiming,
  type DllpModel,
  directionGBs,
  dllpShare,
  engineGoodputGBs,
  generationOf,
  isFlitLink,
  type LinkSpeed,
  linkGoodputGBs,
  netGBs,
  rawGBs,
  readEngine,
  requestOverheadBytes,
  writeEngine,
} from '../rates/index.ts';
import type { LinkOnPath } from './path-links.ts';

export interface PredictedTerm {
  /** For people: `Gen3 x4 link 0000:02:00.0 - 0000:03:00.0`. */
  readonly what: string;
  readonly kind: 'link' | 'root-complex' | 'socket' | 'tags' | 'engine' | 'media' | 'memory' | 'software';
  /** GB/s of payload that it allows. */
  readonly goodputGBs: number;
  /** The formula, in numbers. */
  readonly formula: string;
}

/** The first of the least. Undefined for none. */
export function leastTerm(terms: readonly PredictedTerm[]): PredictedTerm | undefined {
  let found: PredictedTerm | undefined;
  for (const term of terms) {
    if (found === undefined || term.goodputGBs < found.goodputGBs) {
      found = term;
    }
  }
  return found;
}

export function gbs(value: number): string {
  return value.toFixed(3);
}

export function linkName({ upper, lower, rate }: LinkOnPath): string {
  const speed = rate === undefined ? 'link' : `Gen${generationOf(rate.speedGTs)} x${rate.width} link`;
  return `${speed} ${upper} - ${lower}`;
}

/** How packets pass a link. */
export interface LinkUse {
  readonly operation: 'write' | 'read';
  /** Of a write's packets, or of a read's completions. */
  readonly payloadBytes: number;
  readonly requestBytes: number;
  /** The same transfer goes up it and down again. */
  readonly isTwice: boolean;
  /** Of a link passed twice: the packets on the way down. */
  readonly downBytes: number;
  /** Something else of the same transfer fills the other direction. */
  readonly isOtherBusy: boolean;
  readonly dllp: DllpModel;
}

/** Undefined where the link's rate is not known. */
export function linkTerm(link: LinkOnPath, use: LinkUse): PredictedTerm | undefined {
  const { rate } = link;
  if (rate === undefined) {
    return undefined;
  }
  const speed: LinkSpeed = rate;
  const isFlit = isFlitLink(speed);
  const overhead =
    use.operation === 'write' ? requestOverheadBytes({ isFlit }) : completionOverheadBytes({ isFlit });
  const net = netGBs(speed);
  const idle = linkGoodputGBs(
    { ...speed, isTwice: use.isTwice, writeBytesMax: use.downBytes },
    use.operation,
    use.payloadBytes,
    use.requestBytes,
  );
  const left = use.isTwice ? net : directionGBs(speed, use.payloadBytes, use.dllp, use.isOtherBusy);
  const goodput = (idle * left) / net;
  const bytes =
    use.isTwice && use.operation === 'write' ? Math.min(use.payloadBytes, use.downBytes) : use.payloadBytes;
  const sets = isFlit ? 'flits' : 'SKP';
  const wire = `raw ${gbs(rawGBs(speed))}, net ${gbs(net)} after ${sets}`;
  const header = `${bytes} B payload + ${overhead} B header (${((100 * bytes) / (bytes + overhead)).toFixed(1)} %)`;
  const isCharged = use.isTwice || left < net;
  const share = isCharged ? `, DLLPs ${(100 * dllpShare(speed, bytes, use.dllp)).toFixed(2)} %` : '';
  const twice = use.isTwice ? ', passed up and down' : '';
  return {
    what: linkName(link),
    kind: 'link',
    goodputGBs: goodput,
    formula: `${wire}; ${header}${share}${twice}`,
  };
}

/** What the DMA engine of the requester does; undefined where it is no limit. */
export function engineTerm(
  who: string,
  device: DeviceTiming,
  operation: 'write' | 'read',
  link: LinkSpeed | undefined,
  payloadBytes: number,
): PredictedTerm | undefined {
  if (link === undefined) {
    return undefined;
  }
  const isFlit = isFlitLink(link);
  const isWrite = operation === 'write';
  const overhead = isWrite ? requestOverheadBytes({ isFlit }) : completionOverheadBytes({ isFlit });
  const engine = (isWrite ? writeEngine : readEngine)(device, netGBs(link), payloadBytes, overhead);
  const goodput = engineGoodputGBs(engine, payloadBytes, payloadBytes, overhead);
  if (!Number.isFinite(goodput)) {
    return undefined;
  }
  const limits = [
    isWrite && device.transactionsPerSecond !== null
      ? `${(device.transactionsPerSecond / 1e6).toFixed(1)} M packets/s`
      : null,
    isWrite && device.writeEfficiency !== null
      ? `${(device.writeEfficiency * 100).toFixed(1)} % of its link`
      : null,
    !isWrite && device.readEfficiency !== null
      ? `${(device.readEfficiency * 100).toFixed(1)} % of its link`
      : null,
    isWrite && device.writeGBs !== null ? `${gbs(device.writeGBs)} GB/s` : null,
    !isWrite && device.readGBs !== null ? `${gbs(device.readGBs)} GB/s` : null,
  ].filter((text) => text !== null);
  return {
    what: `DMA engine of ${who}`,
    kind: 'engine',
    goodputGBs: goodput,
    formula: `${device.name}: ${limits.join(', ')}`,
  };
}

/** Tags x request / round trip. */
export function tagsTerm(
  who: string,
  tags: number,
  requestBytes: number,
  roundTripNs: number,
): PredictedTerm {
  return {
    what: `tags of ${who}`,
    kind: 'tags',
    goodputGBs: (tags * requestBytes) / roundTripNs,
    formula: `${tags} tags x ${requestBytes} B / ${roundTripNs.toFixed(0)} ns round trip`,
  };
}

export function mediaTerm(who: string, name: string, rateGBs: number, does: string): PredictedTerm {
  return {
    what: `media of ${who}`,
    kind: 'media',
    goodputGBs: rateGBs,
    formula: `${name}: ${does} ${Number.isFinite(rateGBs) ? `${gbs(rateGBs)} GB/s` : 'without limit'}`,
  };
}
