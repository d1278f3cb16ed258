/**
 * Which links a request and the data of a pair pass, and in which direction. Of a read the completions may take another way than
 * the request: ports redirect the two by bits of their own, and completions with relaxed ordering never (PCIe Base 6.0, 6.12.1.1).
 */
import { ACS_CR } from '../p2pdma/index.ts';
import { DEVICE_CONTROL } from '../spec/pcie/index.ts';
import type { LinkRate, MachineFunction, MachineIndex } from '../topology/index.ts';
import { wayUp } from './explain-pair.ts';
import { type LinkOnPath, type PayloadSizes, pathLinks, physicalOf } from './path-links.ts';

/** From a sender to a receiver: links in order, one that is passed up and down twice. */
export interface Way {
  readonly up: readonly LinkOnPath[];
  readonly down: readonly LinkOnPath[];
  /** Turned round in the root complex. */
  readonly isThroughRoot: boolean;
}

export interface PairWays {
  /** Of writes and of read requests, from the client. */
  readonly request: Way;
  /** Of completions, from the provider. */
  readonly completion: Way;
  /** What could not be read of the completions' way; null: all is known. */
  readonly doubt: string | null;
}

/** @param links of the request, the provider's first, as `PairExplanation.links` */
export function pairWays(
  index: MachineIndex,
  pair: {
    readonly provider: MachineFunction;
    readonly client: MachineFunction;
    readonly links: readonly LinkOnPath[];
    readonly payload: PayloadSizes;
    readonly isThroughRoot: boolean;
    /** Whether the client's reads carry the attribute when they may; null where that is not known. */
    readonly isRelaxed: boolean | null;
  },
): PairWays {
  const { provider, client, links, payload, isThroughRoot } = pair;
  const request = isThroughRoot
    ? {
        up: pathLinks(index, wayUp(index, client), payload),
        down: pathLinks(index, wayUp(index, provider), payload).reverse(),
        isThroughRoot,
      }
    : requestBelowRoot(index, client, [...links].reverse());
  const { turn, doubt } = completionTurn(index, pair, isThroughRoot);
  const back: Way = { up: [...request.down].reverse(), down: [...request.up].reverse(), isThroughRoot };
  if (turn === isThroughRoot) {
    return { request, completion: back, doubt };
  }
  const common = commonBridge(index, provider, client)!.bridge;
  const above = pathLinks(index, wayUp(index, common), payload);
  const isAbove = ({ upper, lower }: LinkOnPath): boolean =>
    above.some((link) => link.upper === upper && link.lower === lower);
  const below: Way = {
    up: back.up.filter((link) => !isAbove(link)),
    down: back.down.filter((link) => !isAbove(link)),
    isThroughRoot: turn,
  };
  const completion = turn
    ? { ...below, up: [...below.up, ...above], down: [...[...above].reverse(), ...below.down] }
    : below;
  return { request, completion, doubt };
}

/** Rates in the order of a way. */
export function ratesOf({ up, down }: Way): readonly LinkRate[] {
  return [...up, ...down].map(({ rate }) => rate!);
}

/** @param links of the way, the client's first; each is passed once, up on the client's side and down on the provider's */
function requestBelowRoot(index: MachineIndex, client: MachineFunction, links: readonly LinkOnPath[]): Way {
  const ofClient = new Set<string>([physicalOf(index, client).bdf, ...wayUp(index, client)]);
  return {
    up: links.filter(({ lower }) => ofClient.has(lower)),
    down: links.filter(({ lower }) => !ofClient.has(lower)),
    isThroughRoot: false,
  };
}

/** Where the two chains meet, and the port below it that leads to the provider. */
function commonBridge(
  index: MachineIndex,
  provider: MachineFunction,
  client: MachineFunction,
): { readonly bridge: MachineFunction; readonly port: MachineFunction } | null {
  const chain = wayUp(index, provider);
  const ofClient = new Set<string>(wayUp(index, client));
  const at = chain.findIndex((bdf) => ofClient.has(bdf));
  const [bridge, port] = at < 1 ? [] : [index.find(chain[at]!), index.find(chain[at - 1]!)];
  return bridge === undefined || port === undefined ? null : { bridge, port };
}

/** Whether completions go up to the root complex. */
function completionTurn(
  index: MachineIndex,
  { provider, client, isRelaxed }: Parameters<typeof pairWays>[1],
  isRequestUp: boolean,
): { readonly turn: boolean; readonly doubt: string | null } {
  const common = commonBridge(index, provider, client);
  if (common === null || common.bridge.pcieType !== 'switch-upstream') {
    return { turn: isRequestUp, doubt: null };
  }
  const { acs, bdf } = common.port;
  if (acs === undefined) {
    return { turn: isRequestUp, doubt: `whether ${bdf} redirects completions (CR) is not known` };
  }
  if (acs === null || (acs.control & ACS_CR) === 0) {
    return { turn: false, doubt: null };
  }
  const { deviceControl } = physicalOf(index, client);
  const mayRelax =
    deviceControl == null ? null : DEVICE_CONTROL.Enable_Relaxed_Ordering.of(deviceControl) === 1;
  if (mayRelax === true && isRelaxed === true) {
    return { turn: false, doubt: null };
  }
  const isKnown = mayRelax === false || isRelaxed === false;
  return {
    turn: true,
    doubt: isKnown
      ? null
      : `${bdf} redirects completions (CR), but not those of reads with relaxed ordering, and whether ${client.bdf} sends them so is not known`,
  };
}
