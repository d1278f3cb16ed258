/** The links of a path: which registers say how fast each is, and what it delivers. */
import type { Bdf } from '../base/index.ts';
import { rootComplexKnowledge } from '../p2pdma/index.ts';
import { isKnownLinkSpeed, linkGoodputGBs } from '../rates/index.ts';
import type { LinkRate, MachineFunction, MachineIndex } from '../topology/index.ts';
import { isAccelerator, maxPayloadBytes, maxReadRequestBytes } from './registers.ts';

/** One link of the path, upper end first. */
export interface LinkOnPath {
  readonly upper: Bdf;
  readonly lower: Bdf;
  /** What both ends can do together; only one end's capability when the other is unknown. */
  readonly max: LinkRate | undefined;
  readonly current: LinkRate | undefined;
  /** The rate that the figures use. */
  readonly rate: LinkRate | undefined;
  /**
   * `current`, or `max` where nothing is known of the current state or where a GPU has lowered the speed (not the
   * width) of an idle link and raises it again under load.
   */
  readonly uses: 'current' | 'max' | undefined;
  /** GB/s of payload, client writing to the provider and reading from it; undefined when the rate is unknown. */
  readonly goodputWriteGBs: number | undefined;
  readonly goodputReadGBs: number | undefined;
  /** The request passes this link up and down: it is sent up and turned round above it. */
  readonly isShared: boolean;
  /**
   * Payload of a write's packets that the figure uses: smaller than the pair's where a root complex splits writes before
   * they come down this link. Of a shared link the packets on the way down, which are the smaller ones.
   */
  readonly payloadBytes: number;
}

/** Sizes that the figures use. */
export interface PayloadSizes {
  readonly mpsBytes: number;
  readonly mrrsBytes: number;
  /** False: a register could not be read, and the smallest size that every function must take stands in for it. */
  readonly isKnown: boolean;
}

const SMALLEST_PAYLOAD_BYTES = 128;

/**
 * Payload sizes of a pair: requests of the client, completions of the provider; the smaller Max_Payload_Size of both, which
 * is what gets through (`PAYLOAD_SIZE_MISMATCH` where they differ the wrong way). A VF uses its PF's (PCIe Base 6.0, 9.3.5.4: the fields of a VF are reserved).
 */
export function payloadSizes(
  index: MachineIndex,
  provider: MachineFunction,
  client: MachineFunction,
): PayloadSizes {
  const providerMps = maxPayloadBytes(controlOf(index, provider));
  const clientMps = maxPayloadBytes(controlOf(index, client));
  const mrrs = maxReadRequestBytes(controlOf(index, client));
  return {
    mpsBytes: Math.min(providerMps ?? SMALLEST_PAYLOAD_BYTES, clientMps ?? SMALLEST_PAYLOAD_BYTES),
    mrrsBytes: mrrs ?? SMALLEST_PAYLOAD_BYTES,
    isKnown: providerMps !== undefined && clientMps !== undefined && mrrs !== undefined,
  };
}

function controlOf(index: MachineIndex, fn: MachineFunction): number | null | undefined {
  return physicalOf(index, fn).deviceControl;
}

/** The PF of a VF, the function itself otherwise. */
export function physicalOf(index: MachineIndex, fn: MachineFunction): MachineFunction {
  return fn.physicalFunction == null ? fn : (index.find(fn.physicalFunction) ?? fn);
}

/**
 * Links between neighbours of a path. A path names functions from the provider to the client and may hold host bridge
 * keys, which are skipped: nothing on either side of them is a link. What stands before the first key is passed by writes
 * after the root complex, in packets of its size. A link passed twice is listed once.
 */
export function pathLinks(index: MachineIndex, path: readonly string[], sizes: PayloadSizes): LinkOnPath[] {
  const found = new Map<
    string,
    { upper: MachineFunction; lower: MachineFunction; passes: number; payloadBytes: number }
  >();
  const { cpu, isVirtual } = index.machine;
  const splitBytes = rootComplexKnowledge(cpu, isVirtual).splitBytes ?? sizes.mpsBytes;
  const bridgeAt = path.findIndex((step) => index.find(step as Bdf) === undefined);
  for (let i = 0; i + 1 < path.length; i++) {
    const pair = linkEnds(index, path[i] as Bdf, path[i + 1] as Bdf);
    if (pair === undefined) {
      continue;
    }
    const key = `${pair.upper.bdf} ${pair.lower.bdf}`;
    const known = found.get(key);
    if (known === undefined) {
      const payloadBytes = i < bridgeAt ? Math.min(sizes.mpsBytes, splitBytes) : sizes.mpsBytes;
      found.set(key, { ...pair, passes: 1, payloadBytes });
    } else {
      known.passes++;
    }
  }
  return [...found.values()].map(({ upper, lower, passes, payloadBytes }) =>
    ratedLink(index, upper, lower, { isShared: passes > 1, payloadBytes }, sizes),
  );
}

/** The link with the least write goodput among those that are known; null when none is. */
export function narrowestLink(links: readonly LinkOnPath[]): LinkOnPath | null {
  let found: LinkOnPath | null = null;
  for (const link of links) {
    if (link.goodputWriteGBs === undefined) {
      continue;
    }
    if (found === null || link.goodputWriteGBs < found.goodputWriteGBs!) {
      found = link;
    }
  }
  return found;
}

/** Two neighbours of a path that have a link between them: not the two sides of one switch, not a parallel bus. */
function linkEnds(
  index: MachineIndex,
  first: Bdf,
  second: Bdf,
): { upper: MachineFunction; lower: MachineFunction } | undefined {
  const a = index.find(first);
  const b = index.find(second);
  if (a === undefined || b === undefined) {
    return undefined;
  }
  const isBUpper = physicalOf(index, a).parent === b.bdf || a.parent === b.bdf;
  const isAUpper = physicalOf(index, b).parent === a.bdf || b.parent === a.bdf;
  if (!isAUpper && !isBUpper) {
    return undefined;
  }
  const upper = isBUpper ? b : a;
  const lower = physicalOf(index, isBUpper ? a : b);
  if (lower.pcieType === 'switch-downstream' || lower.pcieType === null || upper.pcieType === null) {
    return undefined;
  }
  if (upper.pcieType === 'pcie-to-pci-bridge' || upper.pcieType === 'switch-upstream') {
    return undefined;
  }
  return { upper, lower };
}

/** How a link is passed. */
type Passage = Pick<LinkOnPath, 'isShared' | 'payloadBytes'>;

/** Figures of a link are asked for once a pair and depend on the link alone: kept as long as the index. */
const rated = new WeakMap<MachineIndex, Map<string, LinkOnPath>>();

function ratedLink(
  index: MachineIndex,
  upper: MachineFunction,
  lower: MachineFunction,
  passage: Passage,
  sizes: PayloadSizes,
): LinkOnPath {
  let known = rated.get(index);
  if (known === undefined) {
    known = new Map();
    rated.set(index, known);
  }
  const key = `${upper.bdf} ${lower.bdf} ${passage.isShared} ${passage.payloadBytes} ${sizes.mpsBytes} ${sizes.mrrsBytes}`;
  let link = known.get(key);
  if (link === undefined) {
    link = rateLink(index, upper, lower, passage, sizes);
    known.set(key, link);
  }
  return link;
}

function rateLink(
  index: MachineIndex,
  upper: MachineFunction,
  lower: MachineFunction,
  passage: Passage,
  sizes: PayloadSizes,
): LinkOnPath {
  const max = smaller(upper.link?.max, lower.link?.max);
  const current = lower.link?.current ?? upper.link?.current;
  const chosen = chooseRate(index, lower, max, current);
  const rate = chosen?.rate;
  const goodput = (operation: 'write' | 'read'): number | undefined => {
    if (rate === undefined || rate.width <= 0 || !isKnownLinkSpeed(rate.speedGTs)) {
      return undefined;
    }
    const { isShared: isTwice, payloadBytes: writeBytesMax } = passage;
    return linkGoodputGBs({ ...rate, isTwice, writeBytesMax }, operation, sizes.mpsBytes, sizes.mrrsBytes);
  };
  return {
    upper: upper.bdf,
    lower: lower.bdf,
    max,
    current,
    rate,
    uses: chosen?.uses,
    goodputWriteGBs: goodput('write'),
    goodputReadGBs: goodput('read'),
    ...passage,
  };
}

function chooseRate(
  index: MachineIndex,
  lower: MachineFunction,
  max: LinkRate | undefined,
  current: LinkRate | undefined,
): { rate: LinkRate; uses: 'current' | 'max' } | undefined {
  if (current === undefined || current.width === 0) {
    return max === undefined ? undefined : { rate: max, uses: 'max' };
  }
  if (max !== undefined && current.speedGTs < max.speedGTs && lowersSpeedWhenIdle(index, lower)) {
    return { rate: { speedGTs: max.speedGTs, width: current.width }, uses: 'max' };
  }
  return { rate: current, uses: 'current' };
}

/** Links that go to a GPU, also through the switch on its card, are run slowly while it is idle. */
export function lowersSpeedWhenIdle(index: MachineIndex, lower: MachineFunction): boolean {
  if (isAccelerator(lower)) {
    return true;
  }
  if (lower.pcieType !== 'switch-upstream') {
    return false;
  }
  // The switch on a card has the accelerator as its only kind of endpoint; a switch of the board has others below it.
  const endpoints = endpointsBelow(index, lower.bdf);
  return endpoints.length > 0 && endpoints.some(isAccelerator) && endpoints.every(isOfGraphicsCard);
}

function endpointsBelow(index: MachineIndex, bridge: Bdf): MachineFunction[] {
  const found: MachineFunction[] = [];
  const above = new Set<Bdf>([bridge]);
  // Children stand after their parents in almost every input; a second round catches the rest.
  for (let round = 0; round < 8; round++) {
    const before = above.size;
    for (const fn of index.machine.functions) {
      if (fn.parent != null && above.has(fn.parent)) {
        above.add(fn.bdf);
      }
    }
    if (above.size === before) {
      break;
    }
  }
  for (const bdf of above) {
    const fn = index.find(bdf);
    if (fn !== undefined && fn.bdf !== bridge && fn.headerType !== 1) {
      found.push(fn);
    }
  }
  return found;
}

/** A graphics card brings its own audio function, USB and UCSI controller. */
function isOfGraphicsCard(fn: MachineFunction): boolean {
  if (fn.classCode === undefined) {
    return false;
  }
  return isAccelerator(fn) || [0x0403, 0x0c03, 0x0c80].includes(fn.classCode >> 8);
}

function smaller(a: LinkRate | undefined, b: LinkRate | undefined): LinkRate | undefined {
  if (a === undefined || b === undefined) {
    return a ?? b;
  }
  return { speedGTs: Math.min(a.speedGTs, b.speedGTs), width: Math.min(a.width, b.width) };
}
