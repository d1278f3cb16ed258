/**
 * The walk of one pair (Linux drivers/pci/p2pdma.c, calc_map_type_and_dist): up from the provider, up from the client,
 * where they meet, and whose ACS redirects on the way.
 */
import { MAY_REDIRECT, type RuledMachine, redirectClass, SHAPE, type Shape } from './outcomes.ts';
import { ROOT, type WalkTree } from './walk-tree.ts';

export interface Walk {
  /** Positions from the provider up, as far as known. */
  readonly providerChain: readonly number[];
  readonly clientChain: readonly number[];
  readonly shape: Shape;
  /** Places of the common function in the two chains; -1 when there is none or it is not known. */
  readonly providerSteps: number;
  readonly clientSteps: number;
  /** What distance counts; null when bridges are left out or the tree is not known. */
  readonly hops: number | null;
  /** 0 none, 1 certain, 2 possible. */
  readonly redirect: number;
  /** Positions that redirect, in the kernel's order. */
  readonly redirecting: readonly number[];
  /** Positions whose ACS is not known, in the same order. */
  readonly unknownAcs: readonly number[];
  /** Bridges that might redirect are left out of the input. */
  readonly hasHidden: boolean;
  readonly isSameHostBridge: boolean;
}

export function walkPair(machine: RuledMachine, provider: number, client: number): Walk {
  const { tree } = machine;
  const providerChain = chainOf(tree, provider);
  const clientChain = chainOf(tree, client);
  const place = new Map(clientChain.map((position, step) => [position, step]));
  const providerSteps = providerChain.findIndex((position) => place.has(position));
  const isSameHostBridge = tree.hostBridge[provider] === tree.hostBridge[client];
  if (providerSteps < 0) {
    return withoutCommon(machine, providerChain, clientChain, isSameHostBridge);
  }
  const clientSteps = place.get(providerChain[providerSteps]!)!;
  const below = [...providerChain.slice(0, providerSteps), ...clientChain.slice(0, clientSteps)];
  const hasHidden = below.some((position) => tree.hidden[position] === 1);
  const common = providerChain[providerSteps]!;
  // With bridges left out on both sides just below it, the true common function may be one of those instead.
  const isCommonCertain = !(
    isHiddenBelow(tree, providerChain, providerSteps) && isHiddenBelow(tree, clientChain, clientSteps)
  );
  const counted = [
    ...providerChain.slice(0, providerSteps + (isCommonCertain ? 1 : 0)),
    ...clientChain.slice(0, clientSteps),
  ];
  let flags = hasHidden ? MAY_REDIRECT : 0;
  for (const position of counted) {
    flags |= machine.redirects[position]!;
  }
  if (!isCommonCertain && machine.redirects[common] !== 0) {
    flags |= MAY_REDIRECT;
  }
  return {
    providerChain,
    clientChain,
    shape: SHAPE.COMMON,
    providerSteps,
    clientSteps,
    hops: hasHidden ? null : providerSteps + clientSteps,
    redirect: redirectClass(flags),
    redirecting: counted.filter((position) => redirectClass(machine.redirects[position]!) === 1),
    unknownAcs: counted.filter((position) => machine.redirects[position] === MAY_REDIRECT),
    hasHidden,
    isSameHostBridge,
  };
}

function withoutCommon(
  machine: RuledMachine,
  providerChain: readonly number[],
  clientChain: readonly number[],
  isSameHostBridge: boolean,
): Walk {
  const { tree } = machine;
  const all = [...providerChain, ...clientChain];
  const isCertain = meetsNowhere(tree, providerChain[0]!, clientChain[0]!);
  const hasHidden = all.some((position) => tree.hidden[position] === 1);
  const endsAtRoots = endsAtRoot(tree, providerChain[0]!) && endsAtRoot(tree, clientChain[0]!);
  // Were there a common function, the two ends would lie below it or be it; what is above them might not.
  const ends = isCertain ? [] : [providerChain[0]!, clientChain[0]!];
  let flags = MAY_REDIRECT;
  for (const position of ends) {
    flags |= machine.redirects[position]!;
  }
  return {
    providerChain,
    clientChain,
    shape: isCertain ? SHAPE.NO_COMMON : SHAPE.EITHER,
    providerSteps: -1,
    clientSteps: -1,
    hops: isCertain && endsAtRoots && !hasHidden ? all.length : null,
    // Without a common function ACS is not looked at.
    redirect: isCertain ? 0 : redirectClass(flags),
    redirecting: ends.filter((position) => redirectClass(machine.redirects[position]!) === 1),
    unknownAcs: isCertain ? [] : all.filter((position) => machine.redirects[position] === MAY_REDIRECT),
    hasHidden,
    isSameHostBridge,
  };
}

export function chainOf(tree: WalkTree, start: number): number[] {
  const chain = [start];
  for (let at = tree.up[start]!; at >= 0; at = tree.up[at]!) {
    chain.push(at);
  }
  return chain;
}

function isHiddenBelow(tree: WalkTree, chain: readonly number[], step: number): boolean {
  return step > 0 && tree.hidden[chain[step - 1]!] === 1;
}

/** True when the walk of a function is known up to the root bus; bridges left out on the way do not matter here. */
export function endsAtRoot(tree: WalkTree, position: number): boolean {
  return tree.up[tree.top[position]!] === ROOT;
}

/** Of two functions whose known walks do not meet: true when the unknown rest of them cannot meet either. */
export function meetsNowhere(tree: WalkTree, a: number, b: number): boolean {
  const bridgeA = tree.hostBridge[a]!;
  const bridgeB = tree.hostBridge[b]!;
  if (bridgeA !== bridgeB && tree.isHostBridgeKnown[bridgeA]! && tree.isHostBridgeKnown[bridgeB]!) {
    return true;
  }
  const hiddenTops = tree.hidden[tree.top[a]!] === 1 && tree.hidden[tree.top[b]!] === 1;
  return endsAtRoot(tree, a) && endsAtRoot(tree, b) && !hiddenTops;
}
