/** The ingresses of a resource, the ingresses behind each of them, and so on: who shares turns with whom. */

/** A place in the tree of ingresses of a resource. */
export class ShareNode {
  readonly parent: ShareNode | null;
  /** Its part of the turns beside its siblings. */
  readonly weight: number;
  readonly #children = new Map<number, ShareNode>();
  /** Children with a flow that can still grow, and their weight together. Scratch. */
  live = 0;
  liveWeight = 0;
  // Scratch of `crowd`: how many have a packet there, and what those take; what one packet of each child takes, of children with a
  // flow that is limited there, and of others.
  step = 0;
  isThere = 0;
  workPs = 0;
  waitingPs = 0;
  passingPs = 0;
  isLimited = false;
  isCounted = false;

  constructor(parent: ShareNode | null, weight: number) {
    this.parent = parent;
    this.weight = weight;
  }

  child(key: number, weight: number): ShareNode {
    let node = this.#children.get(key);
    if (node === undefined) {
      node = new ShareNode(this, weight);
      this.#children.set(key, node);
    }
    return node;
  }
}

export function enter(leaf: ShareNode): void {
  let { weight } = leaf;
  for (let node = leaf.parent; node !== null; node = node.parent) {
    node.live++;
    node.liveWeight += weight;
    if (node.live > 1) {
      return;
    }
    weight = node.weight;
  }
}

export function leave(leaf: ShareNode): void {
  let { weight } = leaf;
  for (let node = leaf.parent; node !== null; node = node.parent) {
    node.live--;
    // Exactly nothing when nobody is left, whatever fractions the weights have.
    node.liveWeight = node.live === 0 ? 0 : node.liveWeight - weight;
    if (node.live > 0) {
      return;
    }
    weight = node.weight;
  }
}

export function shareOf(leaf: ShareNode): number {
  let share = 1;
  let { weight } = leaf;
  for (let node = leaf.parent; node !== null; node = node.parent) {
    share *= weight / node.liveWeight;
    weight = node.weight;
  }
  return share;
}
