/**
 * From hops, as a prediction lists them, to the directions of links that a packet on that way uses. Only the shape of the
 * tree is used here: which bus a function is on, and what kind of bus that is.
 */
import type { FabricFunction } from '../../src/fabric/index.ts';
import type { LabMachine } from '../../src/lab/index.ts';
import { functionOf, type LinkName } from './bench-lab.ts';

/** Bridges above a function, the nearest first. A VF is where its PF is. */
export function bridgesAbove(fn: FabricFunction): FabricFunction[] {
  const above: FabricFunction[] = [];
  for (let bus = fn.device.bus; bus.bridge !== null; bus = bus.bridge.device.bus) {
    above.push(bus.bridge);
  }
  return above;
}

/**
 * A port above the function has Translation Blocking on. Upstream ports of switches have no such service, whatever their
 * register says (PCIe Base 6.0, 6.12.1.1).
 */
export function isTranslationBlocked(fn: FabricFunction): boolean {
  return bridgesAbove(fn).some(
    ({ kind, state }) => kind !== 'switch-upstream' && state.acs?.translationBlocking === true,
  );
}

/** The links from a function up, as far as the bus below `top`; null: to the root. */
export function linksUp(fn: FabricFunction, top: FabricFunction | null): LinkName[] {
  const links: LinkName[] = [];
  for (let bus = fn.device.bus; bus.bridge !== null; bus = bus.bridge.device.bus) {
    if (bus.link !== null) {
      links.push(`${bus.bridge.bdf} up`);
    }
    if (bus.bridge === top) {
      break;
    }
  }
  return links;
}

/** A host bridge in hops: `pci0000:00`. */
export function isHostBridge(hop: string): boolean {
  return hop.startsWith('pci');
}

/** @throws Error when two neighbours are no neighbours: then the prediction names a way that does not exist */
export function linksOf(machine: LabMachine, hops: readonly string[]): LinkName[] {
  const links: LinkName[] = [];
  for (let i = 1; i < hops.length; i++) {
    const [from, to] = [hops[i - 1]!, hops[i]!];
    if (isHostBridge(from) || isHostBridge(to)) {
      continue;
    }
    const [a, b] = [functionOf(machine, from), functionOf(machine, to)];
    const [busA, busB] = [a.device.bus, b.device.bus];
    if (busA.bridge === b) {
      links.push(...(busA.link === null ? [] : [`${b.bdf} up` as const]));
    } else if (busB.bridge === a) {
      links.push(...(busB.link === null ? [] : [`${a.bdf} down` as const]));
    } else if (busA === busB) {
      // Over a conventional bus: one transaction, which every device on it hears. Inside a device or a switch: none.
      links.push(
        ...(busA.kind === 'conventional' && a.device !== b.device ? [`${busA.bridge!.bdf} up` as const] : []),
      );
    } else {
      throw new Error(`${from} and ${to} are no neighbours`);
    }
  }
  return links;
}

/** The way back over the same links. */
export function reversed(links: Iterable<LinkName>): LinkName[] {
  return [...links]
    .map(
      (link) =>
        (link.endsWith(' up') ? link.replace(/ up$/, ' down') : link.replace(/ down$/, ' up')) as LinkName,
    )
    .reverse();
}

export function isSameSet(a: Iterable<LinkName>, b: Iterable<LinkName>): boolean {
  const [left, right] = [new Set(a), new Set(b)];
  return left.size === right.size && [...left].every((link) => right.has(link));
}

/** Every way that a request from one function to another can take at all: it turns below any bridge above both, or at the root. */
export function waysBetween(client: FabricFunction, provider: FabricFunction): LinkName[][] {
  const above = bridgesAbove(client);
  const shared = above.filter((bridge) => bridgesAbove(provider).includes(bridge));
  const ways: LinkName[][] = [[]];
  if (client.device !== provider.device) {
    ways.pop();
  }
  if (client.device.bus === provider.device.bus && client.device.bus.kind === 'conventional') {
    ways.push([`${client.device.bus.bridge!.bdf} up`]);
  }
  for (const top of [...shared, null]) {
    ways.push([...linksUp(client, top), ...reversed(linksUp(provider, top))]);
    // A turn inside a switch: at its upstream port, below which the links of two of its ports are all.
  }
  return ways;
}
