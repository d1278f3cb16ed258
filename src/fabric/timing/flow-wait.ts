/** What units of reads wait for in queues while they hold a tag. Rates are given: `flow-share.ts` finds both from each other. */
import type { Resource, ShareFlow } from './flow-share.ts';
import type { ShareNode } from './share-tree.ts';

/** Of a packet that is there when another one comes, so much is left to wait for. */
const WAIT_PART = 0.5;
/** Who does not wait for a stage is there for as long as it serves him, and at most so many times as long when it is busy. */
const PRESENCE_MAX = 3;
/**
 * Works out how long units wait behind packets of others, and half of what that is more or less than before counts from now on.
 *
 * Who is limited at a stage has a packet there all the time, others as often as they keep it busy. A packet that comes there has
 * half of one of each ingress in front of it; those of one unit follow each other, so each but the first has a whole one.
 *
 * @param step  another number each time
 * @returns whether there is anybody who waits
 */
export function updateWaits(flows: readonly ShareFlow[], step: number): boolean {
  let isWaiting = false;
  for (const flow of flows) {
    if (!flow.hasSlots) {
      continue;
    }
    let all = 0;
    let busiest = 0;
    let burst = 0;
    let burstAlone = 0;
    for (let e = 0; e < flow.entries.length; e++) {
      const { resource, leaf } = flow.entries[e]!;
      const own = flow.costs[e]!;
      if (resource.kind !== 'stage' || leaf === null || own === 0) {
        continue;
      }
      if (resource.step !== step) {
        resource.step = step;
        crowd(resource, step);
      }
      const behind = behindOf(flow, e);
      all += WAIT_PART * behind;
      busiest = Math.max(busiest, flow.rate * own);
      burst = Math.max(burst, own + (flow.turns[e]! - 1) * behind);
      burstAlone = Math.max(burstAlone, own);
    }
    // What comes unevenly waits once more where the flow itself keeps a stage busy.
    const waitPs = all * (1 + Math.min(1, busiest)) + Math.max(0, burst - burstAlone);
    isWaiting ||= waitPs > 0;
    flow.waitPs += (waitPs - flow.waitPs) / 2;
  }
  return isWaiting;
}

/** Who is at a resource how often: its flows, and through each ingress somebody. */
function crowd(resource: Resource, step: number): void {
  const { flows, entries } = resource;
  let load = 0;
  for (let i = 0; i < flows.length; i++) {
    load += flows[i]!.rate * flows[i]!.costs[entries[i]!]!;
  }
  const longer = 1 / Math.max(1 / PRESENCE_MAX, 1 - load);
  for (let i = 0; i < flows.length; i++) {
    const flow = flows[i]!;
    const e = entries[i]!;
    const { leaf } = flow.entries[e]!;
    const turns = flow.turns[e]!;
    if (leaf === null || turns === 0) {
      continue;
    }
    const isThere = flow.limiter === e ? 1 : Math.min(1, flow.rate * flow.costs[e]! * longer);
    const packetPs = flow.costs[e]! / turns;
    for (let node: ShareNode | null = leaf; node !== null; node = node.parent) {
      if (node.step !== step) {
        node.step = step;
        node.isThere = 0;
        node.workPs = 0;
        node.waitingPs = 0;
        node.passingPs = 0;
        node.isLimited = false;
        node.isCounted = false;
      }
      node.isLimited ||= flow.limiter === e;
      node.isThere += isThere;
      node.workPs += isThere * packetPs;
    }
  }
  for (let i = 0; i < flows.length; i++) {
    let node = flows[i]!.entries[entries[i]!]!.leaf;
    while (node !== null && node.parent !== null && node.step === step && !node.isCounted) {
      node.isCounted = true;
      if (node.isLimited) {
        node.parent.waitingPs += packetOf(node);
      } else {
        node.parent.passingPs += packetOf(node);
      }
      node = node.parent;
    }
  }
}

/** The packet that is there for a place: nobody has more than one turn. */
function packetOf(node: ShareNode): number {
  return node.isThere > 1 ? node.workPs / node.isThere : node.workPs;
}

/**
 * Packets of others that can be there before one of this flow. Those who come through the same ingress have followed each other
 * there already, and only meet again where this stage is slower, or where they always wait.
 */
function behindOf(flow: ShareFlow, e: number): number {
  const { leaf, before } = flow.entries[e]!;
  const again = before < 0 ? 0 : Math.max(0, 1 - flow.costs[before]! / flow.costs[e]!);
  let behind = 0;
  for (let node = leaf!; node.parent !== null; node = node.parent) {
    const { parent, isLimited } = node;
    const waiting = Math.max(0, parent.waitingPs - (isLimited ? packetOf(node) : 0));
    const passing = Math.max(0, parent.passingPs - (isLimited ? 0 : packetOf(node)));
    behind += waiting + passing * (parent.parent === null ? 1 : again);
  }
  return behind;
}
