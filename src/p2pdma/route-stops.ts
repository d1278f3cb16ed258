/** Results of routing, and the command registers that stop a request before any port decides. */
import type { Bdf } from '../base/index.ts';
import { COMMAND } from '../spec/pci/index.ts';
import type { MachineFunction } from '../topology/index.ts';
import type { Decision } from './acs-routing.ts';
import type { Trip } from './route-trip.ts';
import type { PhysicalRoute, RouteOutcome } from './verdict.ts';

export function names(functions: readonly MachineFunction[]): Bdf[] {
  return functions.map((fn) => fn.bdf);
}

export function route(
  outcome: RouteOutcome,
  at: string | null,
  hops: readonly string[],
  detail: string,
): PhysicalRoute {
  return { outcome, at, hops, detail, translated: outcome === 'unknown' ? undefined : false };
}

export function direct(hops: readonly string[], at: string, why: string): PhysicalRoute {
  return route('direct', at, hops, why);
}

export function blocked(at: MachineFunction, hops: readonly string[], why: string): PhysicalRoute {
  return route('blocked', at.bdf, hops, why);
}

export function ended(decision: Decision, at: MachineFunction, hops: readonly string[]): PhysicalRoute {
  return route(decision.turn === 'blocked' ? 'blocked' : 'unknown', at.bdf, hops, decision.why);
}

/** Switched-off ends: a requester that may not send, a target that does not answer. */
export function stoppedAtTheEnds(trip: Trip): PhysicalRoute | null {
  const { provider, client } = trip;
  for (const fn of [client, provider]) {
    if (fn.isGone) {
      return blocked(fn, [fn.bdf], `${fn.bdf} does not answer: it is gone or powered down`);
    }
    if (isAsleep(fn)) {
      const [at, what] = fn === client ? [fn, 'sends no requests'] : [provider, 'does not decode its memory'];
      return blocked(at, [client.bdf], `${at.bdf} ${what}: it is in ${at.powerState}`);
    }
  }
  if (isOff(client, COMMAND.Bus_Master_Enable.of)) {
    return blocked(client, [client.bdf], `${client.bdf} may not send requests: bus mastering is off`);
  }
  // A VF's memory decode is in its PF's SR-IOV control; the bit in its own command register is always 0.
  const isVf = provider.physicalFunction != null;
  if (!isVf && isOff(provider, COMMAND.Memory_Space_Enable.of)) {
    return blocked(provider, [client.bdf], `${provider.bdf} does not decode its memory: memory space is off`);
  }
  const memory = provider.bars?.filter((bar) => bar.kind === 'memory' && bar.index < 6);
  if (!isVf && memory !== undefined && memory.every((bar) => bar.start === null)) {
    const what = memory.length === 0 ? 'has no memory BAR' : 'has no memory BAR with an address';
    return blocked(provider, [client.bdf], `${provider.bdf} ${what}`);
  }
  return null;
}

function isOff(fn: MachineFunction, bit: (command: number) => number): boolean {
  return fn.command !== undefined && bit(fn.command) === 0;
}

/** In D1 to D3hot a function answers configuration requests and nothing else (PCIe Base 6.0, 5.3.1). */
function isAsleep(fn: MachineFunction): boolean {
  return fn.powerState !== undefined && /^D[123]/.test(fn.powerState);
}

/** A bridge on the way whose power state or command register stops what has to pass it. */
export function stoppedAtBridges(
  upward: readonly MachineFunction[],
  downward: readonly MachineFunction[],
  hops: readonly string[],
): PhysicalRoute | null {
  const powered = stoppedByPower([...upward, ...downward], hops);
  if (powered !== null) {
    return powered;
  }
  for (const bridge of upward) {
    if (isOff(bridge, COMMAND.Bus_Master_Enable.of)) {
      return blocked(bridge, hops, `${bridge.bdf} forwards nothing upstream: bus mastering is off`);
    }
  }
  for (const bridge of downward) {
    if (isOff(bridge, COMMAND.Memory_Space_Enable.of)) {
      return blocked(
        bridge,
        hops,
        `${bridge.bdf} forwards no memory requests downstream: memory space is off`,
      );
    }
  }
  return null;
}

/** Without power nothing passes a bridge, completions included. */
export function stoppedByPower(
  bridges: readonly MachineFunction[],
  hops: readonly string[],
): PhysicalRoute | null {
  for (const bridge of bridges) {
    if (bridge.isGone) {
      return blocked(bridge, hops, `${bridge.bdf} does not answer: it is gone or powered down`);
    }
    if (isAsleep(bridge)) {
      return blocked(bridge, hops, `${bridge.bdf} forwards nothing: it is in ${bridge.powerState}`);
    }
  }
  return null;
}
