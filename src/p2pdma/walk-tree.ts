/**
 * The tree as the kernel's walk sees it: for every function where the walk goes next, what the input leaves open there,
 * and which host bridge ends it. Built once a machine; everything is an array by position in `machine.functions`.
 */
import type { MachineFunction, MachineIndex } from '../topology/index.ts';

/** `up` of a function on a root bus. */
export const ROOT = -1;
/** `up` of a function whose bridge is not known. */
export const UNKNOWN_UP = -2;

export interface WalkTree {
  readonly functions: readonly MachineFunction[];
  /** Position of the upstream bridge, ROOT or UNKNOWN_UP. Of a VF: its PF's (Linux include/linux/pci.h, pci_upstream_bridge). */
  readonly up: Int32Array;
  /** 1: bridges are left out between the function and `up` (or the root). */
  readonly hidden: Uint8Array;
  /** Position of the last function of the walk. */
  readonly top: Int32Array;
  /** Functions on the walk, itself included. */
  readonly chainLength: Int32Array;
  /** 1: bridges are left out somewhere on the walk. */
  readonly hiddenAny: Uint8Array;
  /** Index into `hostBridgeKeys`. */
  readonly hostBridge: Int32Array;
  readonly hostBridgeKeys: readonly string[];
  /** By host bridge: false when the input only knows the domain, so that the key stands for any of its host bridges. */
  readonly isHostBridgeKnown: readonly boolean[];
  /** Every position, bridges before what is below them. */
  readonly topDown: Int32Array;
}

const trees = new WeakMap<MachineIndex, WalkTree>();

/** The tree of a machine; kept as long as its index. */
export function walkTreeOf(index: MachineIndex): WalkTree {
  let tree = trees.get(index);
  if (tree === undefined) {
    tree = buildWalkTree(index);
    trees.set(index, tree);
  }
  return tree;
}

function buildWalkTree(index: MachineIndex): WalkTree {
  const { functions } = index.machine;
  const count = functions.length;
  const up = new Int32Array(count);
  const hidden = new Uint8Array(count);
  const hostBridge = new Int32Array(count);
  const hostBridgeKeys: string[] = [];
  const keyIndex = new Map<string, number>();
  functions.forEach((fn, position) => {
    // Where PF or VF is unknown the function's own parent serves: a VF's bus lies in the range of its PF's bridge.
    const owner = fn.physicalFunction == null ? fn : (index.find(fn.physicalFunction) ?? fn);
    up[position] = upOf(index, owner);
    hidden[position] = owner.hiddenAbove ? 1 : 0;
    let key = keyIndex.get(fn.hostBridge);
    if (key === undefined) {
      key = hostBridgeKeys.length;
      keyIndex.set(fn.hostBridge, key);
      hostBridgeKeys.push(fn.hostBridge);
    }
    hostBridge[position] = key;
  });
  const topDown = orderTopDown(up);
  const top = new Int32Array(count);
  const chainLength = new Int32Array(count);
  const hiddenAny = new Uint8Array(count);
  for (const position of topDown) {
    const above = up[position]!;
    top[position] = above < 0 ? position : top[above]!;
    chainLength[position] = above < 0 ? 1 : chainLength[above]! + 1;
    hiddenAny[position] = hidden[position]! | (above < 0 ? 0 : hiddenAny[above]!);
  }
  return {
    functions,
    up,
    hidden,
    top,
    chainLength,
    hiddenAny,
    hostBridge,
    hostBridgeKeys,
    isHostBridgeKnown: hostBridgeKeys.map((key) => !key.endsWith('??')),
    topDown,
  };
}

function upOf(index: MachineIndex, owner: MachineFunction): number {
  if (owner.parent === null) {
    return ROOT;
  }
  const position = owner.parent === undefined ? -1 : index.position(owner.parent);
  return position < 0 ? UNKNOWN_UP : position;
}

/** Parents first. Readers open rings; one that a hand-made machine still has is cut here, at its first function. */
function orderTopDown(up: Int32Array): Int32Array {
  const order = new Int32Array(up.length);
  const isDone = new Uint8Array(up.length);
  const trail = new Int32Array(up.length);
  const trailOf = new Int32Array(up.length).fill(-1);
  let filled = 0;
  for (let start = 0; start < up.length; start++) {
    let length = 0;
    let at = start;
    while (at >= 0 && isDone[at] === 0) {
      if (trailOf[at] === start) {
        up[trail[length - 1]!] = UNKNOWN_UP;
        break;
      }
      trailOf[at] = start;
      trail[length++] = at;
      at = up[at]!;
    }
    while (length > 0) {
      const next = trail[--length]!;
      isDone[next] = 1;
      order[filled++] = next;
    }
  }
  return order;
}
