/** The kernel's verdict on one pair, with everything a person needs to see why. */
import { type Bdf, TopologyError } from '../base/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { LISTING, RULING, type Ruling } from './host-bridge.ts';
import { kernelMessages } from './messages.ts';
import {
  BUS_ADDR,
  bridgeRuling,
  distanceOf,
  mapTypeOf,
  REJECTED,
  type RuledMachine,
  rowOf,
  ruledMachine,
  SHAPE,
  THRU,
  THRU_FAR,
  usableOf,
} from './outcomes.ts';
import type { RuleInterval } from './rule-intervals.ts';
import { lacksOption, type RuleSet } from './rules.ts';
import type { Candidate, DecidingRule, HostBridgeRuling, KernelVerdict } from './verdict.ts';
import { type Walk, walkPair } from './walk.ts';

export interface JudgeOptions {
  /** Lines as pci_p2pdma_distance_many() logs them when asked to be verbose. Default true. */
  readonly isVerbose?: boolean;
}

/**
 * What pci_p2pdma_distance() and the map type of a kernel say of one provider and one client.
 *
 * Where the input leaves something open, every possibility is followed: if all end in one answer it is known, otherwise
 * the parts that differ are null or `unknown` and `candidates` lists the answers with what would have to be true.
 * The work is bounded by the depth of the tree.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF when either function is not in the machine
 * @see Linux drivers/pci/p2pdma.c, calc_map_type_and_dist(); intervals of versions in `rule-intervals.ts`
 */
export function judge(
  index: MachineIndex,
  rules: RuleSet,
  provider: Bdf,
  client: Bdf,
  options: JudgeOptions = {},
): KernelVerdict {
  const providerAt = positionOf(index, provider);
  const clientAt = positionOf(index, client);
  const machine = ruledMachine(index, rules);
  const walk = walkPair(machine, providerAt, clientAt);
  const isStub = lacksOption(index.machine, rules) === true;
  const hasNone = isStub || rules.intervals.every((interval) => !interval.hasP2pdma);
  const set = answerOf(machine, providerAt, clientAt, walk);
  const asksHostBridge = !hasNone && (walk.shape !== SHAPE.COMMON || walk.redirect !== 0);
  const hostBridge = asksHostBridge ? hostBridgeRuling(machine, providerAt, clientAt, walk) : null;
  const bdfOf = (position: number): Bdf => machine.tree.functions[position]!.bdf;
  const rule = hasNone ? 'kernel-without-p2pdma' : decidingRule(walk);
  return {
    provider,
    client,
    distance: distanceOf(set, walk.hops),
    mapType: mapTypeOf(set),
    usable: usableOf(set),
    rule,
    path: pathOf(machine, walk),
    common: commonOf(machine, walk),
    redirects: walk.redirecting.map(bdfOf),
    unknownAcs: walk.unknownAcs.map(bdfOf),
    hostBridge,
    decidedBy: decidedBy(machine, walk, rule, hostBridge, clientAt),
    candidates: candidatesOf(machine, walk, set, hostBridge),
    messages: hasNone ? [] : messagesOf(machine, walk, providerAt, clientAt, options.isVerbose ?? true),
  };
}

/** The place of a function that the caller names. */
export function positionOf(index: MachineIndex, bdf: Bdf): number {
  const position = index.position(bdf);
  if (position < 0) {
    throw new TopologyError('TOPO_UNKNOWN_BDF', {
      message: `${bdf} is not a PCI function of this machine`,
      hint: '`peerlane topo` lists all',
      detail: { asked: bdf },
    });
  }
  return position;
}

function answerOf(machine: RuledMachine, provider: number, client: number, walk: Walk): number {
  const { tree, hostBridgeKind, kindCount } = machine;
  const providerKind = hostBridgeKind[tree.hostBridge[provider]!]!;
  const clientKind = hostBridgeKind[tree.hostBridge[client]!]!;
  const row = rowOf(providerKind * kindCount + clientKind, walk.isSameHostBridge);
  return machine.answers[row + walk.redirect * 3 + walk.shape]!;
}

function decidingRule(walk: Walk): DecidingRule {
  if (walk.shape === SHAPE.NO_COMMON) {
    return 'no-common-upstream';
  }
  if (walk.shape === SHAPE.EITHER || walk.redirect === 2) {
    return 'unknown';
  }
  return walk.redirect === 1 ? 'acs-redirect' : 'common-upstream';
}

function commonOf(machine: RuledMachine, walk: Walk): Bdf | null | undefined {
  if (walk.shape === SHAPE.COMMON) {
    return machine.tree.functions[walk.providerChain[walk.providerSteps]!]!.bdf;
  }
  return walk.shape === SHAPE.NO_COMMON ? null : undefined;
}

function pathOf(machine: RuledMachine, walk: Walk): string[] {
  const { tree } = machine;
  const names = (positions: readonly number[]): string[] =>
    positions.map((position) => tree.functions[position]!.bdf);
  if (walk.shape === SHAPE.COMMON) {
    return [
      ...names(walk.providerChain.slice(0, walk.providerSteps + 1)),
      ...names(walk.clientChain.slice(0, walk.clientSteps)).reverse(),
    ];
  }
  const keys = [walk.providerChain[0]!, walk.clientChain[0]!].map(
    (position) => tree.hostBridgeKeys[tree.hostBridge[position]!]!,
  );
  return [...names(walk.providerChain), ...new Set(keys), ...names(walk.clientChain).reverse()];
}

function decidedBy(
  machine: RuledMachine,
  walk: Walk,
  rule: DecidingRule,
  hostBridge: HostBridgeRuling | null,
  client: number,
): string {
  const { tree } = machine;
  const bdfOf = (position: number | undefined): string | undefined =>
    position === undefined ? undefined : tree.functions[position]!.bdf;
  switch (rule) {
    case 'kernel-without-p2pdma':
      return 'kernel';
    case 'common-upstream':
      return bdfOf(walk.providerChain[walk.providerSteps])!;
    case 'acs-redirect':
      return bdfOf(walk.redirecting[0])!;
    case 'unknown': {
      const hidden = [...walk.providerChain, ...walk.clientChain].find(
        (position) => tree.hidden[position] === 1 || tree.up[position]! < -1,
      );
      return bdfOf(walk.unknownAcs[0] ?? hidden) ?? bdfOf(client)!;
    }
    case 'no-common-upstream': {
      const bridges = [walk.providerChain[0]!, walk.clientChain[0]!].map(
        (position) => tree.hostBridgeKeys[tree.hostBridge[position]!]!,
      );
      // Of two host bridges the one that refuses decides; without a function to stand for it, the bridge itself.
      const refusing = Math.max(0, hostBridge?.refused.indexOf(true) ?? 0);
      return hostBridge?.representatives[refusing] ?? bridges[refusing]!;
    }
  }
}

function hostBridgeRuling(
  machine: RuledMachine,
  provider: number,
  client: number,
  walk: Walk,
): HostBridgeRuling {
  const { tree, rules } = machine;
  const last = rules.intervals.length - 1;
  const bridges = [tree.hostBridge[provider]!, tree.hostBridge[client]!].slice(
    0,
    walk.isSameHostBridge ? 1 : 2,
  );
  const rulings = rules.intervals.map((interval, i) =>
    rulingOf(machine, interval, i, provider, client, walk),
  );
  const isSettled = rulings.every((ruling) => ruling === rulings[0]) && rulings[0] !== RULING.OPEN;
  const stands = bridges.map((bridge) => machine.representatives[last]![bridge]);
  const by = isSettled ? ruledBy(machine, rules.intervals[last]!, bridges, walk) : 'unknown';
  const isByList = by === 'not-listed' || by === 'no-representative' || by === 'same-host-bridge-required';
  return {
    accepted: isSettled ? rulings[0] === RULING.ACCEPTED : undefined,
    by,
    representatives: stands.map((fn) => fn?.bdf ?? null),
    ids: stands.map((fn) => (fn == null ? null : idOf(fn))),
    refused: bridges.map((bridge) => isByList && refuses(machine, bridge, bridges)),
  };
}

function rulingOf(
  machine: RuledMachine,
  interval: RuleInterval,
  i: number,
  provider: number,
  client: number,
  walk: Walk,
): Ruling {
  const rule = walk.shape === SHAPE.NO_COMMON ? interval.onNoCommon : interval.onRedirect;
  if (rule === 'refused') {
    return RULING.REFUSED;
  }
  const { tree, cpuRule } = machine;
  const listings = machine.listings[i]!;
  return bridgeRuling(
    interval,
    listings[tree.hostBridge[provider]!]!,
    listings[tree.hostBridge[client]!]!,
    walk.isSameHostBridge,
    cpuRule,
  );
}

function ruledBy(
  machine: RuledMachine,
  interval: RuleInterval,
  bridges: readonly number[],
  walk: Walk,
): HostBridgeRuling['by'] {
  const rule = walk.shape === SHAPE.NO_COMMON ? interval.onNoCommon : interval.onRedirect;
  if (rule === 'refused') {
    return 'not-in-this-kernel';
  }
  if (interval.acceptsAmdZen && machine.cpuRule === true) {
    return 'cpu';
  }
  if (rule === 'zen-without-iommu' && machine.iommuPresent === true) {
    return 'iommu-present';
  }
  const last = machine.listings.length - 1;
  const listings = bridges.map((bridge) => machine.listings[last]![bridge]!);
  // The provider's is looked up first, and the first refusal ends the look-up.
  const first = bridges.findIndex((bridge) => refuses(machine, bridge, bridges));
  if (first < 0) {
    return 'list';
  }
  if (listings[first] === LISTING.LISTED_SAME_ONLY) {
    return 'same-host-bridge-required';
  }
  return machine.representatives[last]![bridges[first]!] == null ? 'no-representative' : 'not-listed';
}

/** The list of the newest interval, for one of the host bridges of a pair. */
function refuses(machine: RuledMachine, bridge: number, bridges: readonly number[]): boolean {
  const listing = machine.listings[machine.listings.length - 1]![bridge]!;
  return listing === LISTING.NOT_LISTED || (bridges.length > 1 && listing === LISTING.LISTED_SAME_ONLY);
}

function idOf(fn: MachineFunction): string | null {
  const { vendorId, deviceId } = fn;
  if (vendorId === undefined || deviceId === undefined) {
    return null;
  }
  const hex = (word: number): string => word.toString(16).padStart(4, '0');
  return `${hex(vendorId)}:${hex(deviceId)}`;
}

function candidatesOf(
  machine: RuledMachine,
  walk: Walk,
  set: number,
  hostBridge: HostBridgeRuling | null,
): Candidate[] {
  const answers = [BUS_ADDR, THRU, THRU_FAR, REJECTED].filter((answer) => (set & answer) !== 0);
  // One answer is known whole, unless hops could not be counted: then its distance is the open part.
  if (answers.length === 1 && (answers[0] === REJECTED || walk.hops !== null)) {
    return [];
  }
  return answers.map((answer) => ({
    distance: distanceOf(answer, walk.hops),
    mapType: mapTypeOf(answer),
    when: conditionOf(machine, walk, answer, hostBridge),
  }));
}

/** What would have to be true for one answer, in words. */
function conditionOf(
  machine: RuledMachine,
  walk: Walk,
  answer: number,
  hostBridge: HostBridgeRuling | null,
): string {
  const parts: string[] = [];
  const unread = walk.unknownAcs.map((position) => machine.tree.functions[position]!.bdf);
  const maybeThere = walk.hasHidden ? 'a bridge that the input leaves out' : null;
  const suspects = [
    ...(unread.length > 0 ? [unread.join(', ')] : []),
    ...(maybeThere === null ? [] : [maybeThere]),
  ];
  if (walk.shape === SHAPE.EITHER) {
    parts.push(answer === BUS_ADDR ? 'they share a bridge' : 'they share no bridge, or one below a redirect');
  }
  if (walk.redirect === 2 && walk.shape !== SHAPE.NO_COMMON && suspects.length > 0) {
    parts.push(
      answer === BUS_ADDR
        ? `ACS redirect is clear on ${suspects.join(' and ')}`
        : `ACS redirect is set on ${suspects.join(' or ')}`,
    );
  }
  if (answer !== BUS_ADDR && hostBridge !== null && hostBridge.accepted === undefined) {
    parts.push(`the kernel ${answer === REJECTED ? 'refuses' : 'accepts'} the way through the host bridge`);
  }
  if (machine.rules.intervals.length > 1) {
    const names = machine.rules.intervals.map((interval) => interval.name).join(' or ');
    parts.push(`the rules are those of ${names}`);
  }
  return parts.length > 0 ? parts.join(', and ') : 'bridges are left out, so hops cannot be counted';
}

/** The lines are only told when nothing that they depend on is open. */
function messagesOf(
  machine: RuledMachine,
  walk: Walk,
  provider: number,
  client: number,
  isVerbose: boolean,
): readonly string[] {
  if (walk.shape === SHAPE.EITHER || walk.redirect === 2 || walk.unknownAcs.length > 0 || walk.hasHidden) {
    return [];
  }
  const { tree, rules } = machine;
  const bdfOf = (position: number): Bdf => tree.functions[position]!.bdf;
  let common: readonly string[] | undefined;
  for (const [i, interval] of rules.intervals.entries()) {
    const ruling = rulingOf(machine, interval, i, provider, client, walk);
    const isRedirected = walk.redirecting.length > 0;
    const needsBridge = walk.shape === SHAPE.NO_COMMON || isRedirected;
    if (needsBridge && ruling === RULING.OPEN) {
      return [];
    }
    const fn = machine.representatives[i]![tree.hostBridge[provider]!];
    const isUnlisted = isRedirected && ruling === RULING.REFUSED && interval.onRedirect === 'host-bridge';
    const id = fn == null ? null : idOf(fn);
    const lines = kernelMessages(
      interval,
      {
        provider: bdfOf(provider),
        client: bdfOf(client),
        redirects: walk.redirecting.map(bdfOf),
        isAccepted: !needsBridge || ruling === RULING.ACCEPTED,
        unlisted: isUnlisted && fn != null && id !== null ? { at: fn.bdf, id } : null,
      },
      isVerbose,
    );
    if (common !== undefined && common.join('\n') !== lines.join('\n')) {
      return [];
    }
    common = lines;
  }
  return common ?? [];
}
