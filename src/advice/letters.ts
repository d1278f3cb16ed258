/** The letters that people know from `nvidia-smi topo -m`, for any two functions. */
import type { Bdf } from '../base/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { functionOf } from './pair-context.ts';
import { physicalOf } from './path-links.ts';

/**
 * - `SELF` one function
 * - `PIX` at most one switch or bridge between them
 * - `PXB` several, without the host bridge
 * - `PHB` the same host bridge
 * - `NODE` different host bridges of one NUMA node
 * - `SYS` different NUMA nodes
 * - null: the tree or the NUMA nodes are not known well enough
 */
export type PairLetters = 'SELF' | 'PIX' | 'PXB' | 'PHB' | 'NODE' | 'SYS' | null;

/** Longest way up that is followed; buses are numbered in 8 bits. */
const DEPTH_MAX = 256;

/**
 * Where two functions stand to each other. Says nothing of ACS or of the kernel's rules.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF
 */
export function pairLetters(index: MachineIndex, provider: Bdf, client: Bdf): PairLetters {
  const a = climb(index, functionOf(index, provider));
  if (provider === client) {
    return 'SELF';
  }
  const b = climb(index, functionOf(index, client));
  const inB = new Map(b.chain.map((fn, steps) => [fn.bdf, steps]));
  const meeting = a.chain.findIndex((fn) => inB.has(fn.bdf));
  if (meeting >= 0) {
    const other = inB.get(a.chain[meeting]!.bdf)!;
    // Bridges left out of the input cannot be counted.
    if (meeting > a.knownSteps || other > b.knownSteps) {
      return null;
    }
    return switchCount([...a.chain.slice(1, meeting + 1), ...b.chain.slice(1, other)]) <= 1 ? 'PIX' : 'PXB';
  }
  if (!a.isWhole || !b.isWhole) {
    return null;
  }
  const [first, second] = [a.chain[0]!, b.chain[0]!];
  if (first.hostBridge === second.hostBridge) {
    // A key that stands for any host bridge of a domain.
    return first.hostBridge.endsWith('??') ? null : 'PHB';
  }
  if (first.numaNode === null && second.numaNode === null) {
    // Known to belong to no node: the machine has but one.
    return 'NODE';
  }
  if (typeof first.numaNode !== 'number' || typeof second.numaNode !== 'number') {
    return null;
  }
  return first.numaNode === second.numaNode ? 'NODE' : 'SYS';
}

interface Climb {
  readonly chain: readonly MachineFunction[];
  /** Steps from the start that are known to leave no bridge out. */
  readonly knownSteps: number;
  /** It ends at a root bus, as far as is known. */
  readonly isWhole: boolean;
}

function climb(index: MachineIndex, start: MachineFunction): Climb {
  const chain = [start];
  let knownSteps = Number.POSITIVE_INFINITY;
  let current = start;
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    const owner = physicalOf(index, current);
    if (owner.hiddenAbove) {
      knownSteps = Math.min(knownSteps, depth);
    }
    if (owner.parent === null) {
      return { chain, knownSteps, isWhole: !owner.hiddenAbove };
    }
    const above = owner.parent === undefined ? undefined : index.find(owner.parent);
    if (above === undefined) {
      return { chain, knownSteps, isWhole: false };
    }
    chain.push(above);
    current = above;
  }
  return { chain, knownSteps, isWhole: false };
}

/** Switches (by their upstream port) and bridges to other buses. Of ports whose type is unknown three make one switch. */
function switchCount(between: readonly MachineFunction[]): number {
  let untyped = 0;
  let counted = 0;
  for (const fn of between) {
    if (fn.pcieType === undefined) {
      untyped++;
    } else if (fn.pcieType !== 'switch-downstream' && fn.pcieType !== 'root-port') {
      counted++;
    }
  }
  return counted + Math.ceil(untyped / 3);
}
