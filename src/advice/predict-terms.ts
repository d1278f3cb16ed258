/** The limits of a transfer, each with its formula in numbers. The least of them is the goodput. */
import {
  burstGoodputGBs,
  completionOverheadBytes,
  type DeviceTiming,
  type DllpModel,
  dllpShare,
  engineGoodputGBs,
  generationOf,
  isFlitLink,
  type LinkSpeed,
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

/** What one transfer puts on one direction of a link. */
export interface DirectionUse {
  /** Of packets with data; null: none go this way. */
  readonly payloadBytes: number | null;
  /** Of read requests, the data they ask for; null: none go this way. */
  readonly requestBytes: number | null;
}

/** How packets pass a link. */
export interface LinkUse {
  /** What the data travels in: writes, or completions. */
  readonly up: DirectionUse & { readonly carries: 'write' | 'read' };
  readonly down: DirectionUse & { readonly carries: 'write' | 'read' };
  readonly mpsBytes: number;
  readonly dllp: DllpModel;
}

/** Undefined where the link's rate is not known, or where no data passes. */
export function linkTerm(link: LinkOnPath, use: LinkUse): PredictedTerm | undefined {
  const { rate } = link;
  const isTwice = use.up.payloadBytes !== null && use.down.payloadBytes !== null;
  if (rate === undefined || (use.up.payloadBytes === null && use.down.payloadBytes === null)) {
    return undefined;
  }
  const speed: LinkSpeed = rate;
  const isFlit = isFlitLink(speed);
  const net = netGBs(speed);
  const overheadOf = ({ carries }: LinkUse['up']): number =>
    carries === 'write' ? requestOverheadBytes({ isFlit }) : completionOverheadBytes({ isFlit });
  // Bytes on the wire for each byte of payload.
  const loadOf = (way: LinkUse['up']): number =>
    (way.payloadBytes === null ? 0 : 1 + overheadOf(way) / way.payloadBytes) +
    (way.requestBytes === null ? 0 : requestOverheadBytes({ isFlit }) / way.requestBytes);
  const share = dllpShare(speed, use.mpsBytes, use.dllp);
  const isAlways = use.dllp === 'pciebench';
  const isCharged = share > 0 && (isTwice || isAlways);
  // Acknowledgements of a direction travel in the other one, and are as many as it has packets.
  const goodputOf = (way: LinkUse['up'], other: LinkUse['up']): number =>
    isAlways
      ? (net - rawGBs(speed) * share) / loadOf(way)
      : net / (loadOf(way) + (isTwice ? share * loadOf(other) : 0));
  const [up, down] = [goodputOf(use.up, use.down), goodputOf(use.down, use.up)];
  const [goodputGBs, slower] = up <= down ? [up, use.up] : [down, use.down];
  const shown = slower.payloadBytes === null ? (slower === use.up ? use.down : use.up) : slower;
  const bytes = shown.payloadBytes!;
  const overhead = overheadOf(shown);
  const sets = isFlit ? 'flits' : 'SKP';
  const wire = `raw ${gbs(rawGBs(speed))}, net ${gbs(net)} after ${sets}`;
  const header = `${bytes} B payload + ${overhead} B header (${((100 * bytes) / (bytes + overhead)).toFixed(1)} %)`;
  const dllps = isCharged ? `, DLLPs ${(100 * share).toFixed(2)} %` : '';
  const requests =
    slower.requestBytes === null ? '' : `, and a read request for each ${slower.requestBytes} B`;
  const twice = isTwice ? ', passed up and down' : '';
  return {
    what: linkName(link),
    kind: 'link',
    goodputGBs,
    formula: `${wire}; ${header}${requests}${dllps}${twice}`,
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

/** What passes inside the requester in bursts, whatever the packets are; undefined where nothing does. */
export function burstTerm(
  who: string,
  device: DeviceTiming,
  operation: 'write' | 'read',
  requestBytes: number,
): PredictedTerm | undefined {
  const isWrite = operation === 'write';
  const bursts = isWrite ? device.writeBursts : device.readBursts;
  if (bursts === null) {
    return undefined;
  }
  const { burstNs, nsPerByte, burstBytes } = bursts;
  const bytes = isWrite ? LONG_WRITE_BYTES : requestBytes;
  const each = Number.isFinite(burstBytes) ? `bursts of ${burstBytes} B` : 'bursts';
  return {
    what: `bursts of ${who}`,
    kind: 'engine',
    goodputGBs: burstGoodputGBs(bursts, bytes),
    formula: `${device.name}: ${each}, ${burstNs} ns and ${nsPerByte} ns a byte each`,
  };
}

/** A write so long that its own fixed cost does not matter. */
const LONG_WRITE_BYTES = 65_536;

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
