/** A pair with everything that the predictions of both directions need. */
import type { DeviceTiming } from '../rates/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { goesUpByMapping, type PairExplanation, wayUp } from './explain-pair.ts';
import { functionOf } from './pair-context.ts';
import type { PeerPolicy, PredictFacts } from './predict-facts.ts';
import { type PairWays, pairWays } from './predict-ways.ts';

export interface PredictedPair {
  readonly index: MachineIndex;
  readonly facts: PredictFacts;
  readonly explanation: PairExplanation;
  readonly provider: MachineFunction;
  readonly client: MachineFunction;
  /** Of requests. */
  readonly isThroughRoot: boolean;
  readonly isOtherSocket: boolean;
  readonly ways: PairWays;
  /** What somebody who knows says of requests between the root ports of the two; null: the family decides. */
  readonly policy: PeerPolicy | null;
  /** Of the client's own packets. */
  readonly payloadBytes: number;
  readonly requestBytes: number;
  readonly clientTiming: DeviceTiming;
  readonly providerTiming: DeviceTiming;
}

export function pairOf(
  index: MachineIndex,
  explanation: PairExplanation,
  facts: PredictFacts,
): PredictedPair {
  const { verdict, physical, payload, links } = explanation;
  const provider = functionOf(index, verdict.provider);
  const client = functionOf(index, verdict.client);
  const clientTiming = facts.device(client);
  const isUpByMapping = goesUpByMapping(index, verdict);
  const { hops, outcome } = physical.write;
  const isThroughRoot =
    isUpByMapping ||
    (outcome !== 'direct' &&
      (meetsRoot(hops, provider) ||
        verdict.mapType === 'thru-host-bridge' ||
        !haveCommonBridge(index, provider, client)));
  const ways = pairWays(index, {
    provider,
    client,
    links,
    payload,
    isThroughRoot,
    isRelaxed: facts.isRelaxed?.(client) ?? null,
  });
  return {
    index,
    facts,
    explanation,
    provider,
    client,
    isThroughRoot,
    isOtherSocket: socketOf(index, provider) !== socketOf(index, client),
    ways,
    policy: facts.peers?.(provider, client) ?? null,
    payloadBytes: Math.min(payload.mpsBytes, clientTiming.payloadBytes ?? payload.mpsBytes),
    requestBytes: Math.min(payload.mrrsBytes, clientTiming.readRequestBytes ?? payload.mrrsBytes),
    clientTiming,
    providerTiming: facts.device(provider),
  };
}

/** Without one whatever goes from one to the other passes the root complex, as far as it gets. */
function haveCommonBridge(index: MachineIndex, provider: MachineFunction, client: MachineFunction): boolean {
  const above = new Set<string>(wayUp(index, provider));
  return wayUp(index, client).some((bdf) => above.has(bdf));
}

/** The root complex is among what a request meets, and what it does there decides. */
export function meetsRoot(hops: readonly string[], { hostBridge }: MachineFunction): boolean {
  return hops.includes(hostBridge);
}

/** NUMA nodes are spread evenly over sockets. A node that is not known is taken for the first. */
export function socketOf(index: MachineIndex, fn: MachineFunction): number {
  return Math.floor((fn.numaNode ?? 0) / nodesPerSocket(index));
}

export function nodesPerSocket({ machine }: MachineIndex): number {
  const { cpu, functions } = machine;
  const sockets = cpu?.sockets ?? 1;
  const nodes = Math.max(sockets, 1 + Math.max(0, ...functions.map(({ numaNode }) => numaNode ?? 0)));
  return Math.ceil(nodes / sockets);
}
