/** One provider and one client on the tree, with all that routing a request between them needs to know. */
import type { Bdf } from '../base/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import type { Translated } from './acs-routing.ts';
import { isAtsEnabled } from './config-facts.ts';
import { type RootComplexKnowledge, rootComplexKnowledge } from './root-complex.ts';
import { UNKNOWN_UP, type WalkTree, walkTreeOf } from './walk-tree.ts';

/** Everything that both directions need. */
export interface Trip {
  readonly index: MachineIndex;
  readonly tree: WalkTree;
  readonly provider: MachineFunction;
  readonly client: MachineFunction;
  /** From the client up, from the provider up; as far as known. */
  readonly up: readonly MachineFunction[];
  readonly down: readonly MachineFunction[];
  /** Places of the common function in both; -1 when there is none. */
  readonly upSteps: number;
  readonly downSteps: number;
  /** Why the tree does not tell; null when it does. */
  readonly treeGap: string | null;
  readonly translated: Translated;
  readonly knowledge: RootComplexKnowledge;
}

export type RequestKind = 'write' | 'read';

export function planTrip(index: MachineIndex, provider: number, client: number): Trip {
  const tree = walkTreeOf(index);
  const up = climb(tree, client);
  const down = climb(tree, provider);
  const upSteps = up.findIndex((position) => down.includes(position));
  const downSteps = upSteps < 0 ? -1 : down.indexOf(up[upSteps]!);
  const used = upSteps < 0 ? [...up, ...down] : [...up.slice(0, upSteps), ...down.slice(0, downSteps)];
  const hidden = used.find((position) => tree.hidden[position] === 1);
  const open = upSteps < 0 ? used.find((position) => tree.up[position] === UNKNOWN_UP) : undefined;
  const nameOf = (position: number): Bdf => tree.functions[position]!.bdf;
  return {
    index,
    tree,
    provider: tree.functions[provider]!,
    client: tree.functions[client]!,
    up: up.map((position) => tree.functions[position]!),
    down: down.map((position) => tree.functions[position]!),
    upSteps,
    downSteps,
    treeGap:
      hidden !== undefined
        ? `bridges above ${nameOf(hidden)} are left out of the input`
        : open !== undefined
          ? `the bridge above ${nameOf(open)} is not known`
          : null,
    translated: isAtsEnabled(tree.functions[client]!),
    knowledge: rootComplexKnowledge(index.machine.cpu, index.machine.isVirtual),
  };
}

function climb(tree: WalkTree, start: number): number[] {
  const chain = [start];
  for (let at = tree.up[start]!; at >= 0; at = tree.up[at]!) {
    chain.push(at);
  }
  return chain;
}
