/** What has travelled in a lab machine, in the words of its reports: command data, and everything else beside it. */
import type { FabricCounts, LinkCount } from '../../fabric/index.ts';
import type { LabMachine } from './lab-machine.ts';

/** One link, by the port above it. */
export interface LinkTraffic {
  /** Name of what is at its lower end; null for an empty slot and for what the lab file does not name. */
  readonly to: string | null;
  readonly upBytes: number;
  readonly downBytes: number;
}

export interface TrafficBytes {
  /** Read from and written to system memory by devices. */
  readonly dramBytes: number;
  /** Both directions of all links below root ports. */
  readonly rootPortBytes: number;
  /** By address of the port above. */
  readonly linkBytes: Readonly<Record<string, LinkTraffic>>;
}

/** Bytes are payload, without headers. */
export interface LabTraffic extends TrafficBytes {
  /** Queue entries, lists, doorbells, interrupts, registers, configuration. */
  readonly controlBytes: TrafficBytes;
}

/** Everything since the machine was built or `machine.fabric.counters.reset()`. */
export function labTraffic(machine: LabMachine): LabTraffic {
  const counts = machine.fabric.counters.read();
  return { ...bytesOf(machine, counts, 'dataBytes'), controlBytes: bytesOf(machine, counts, 'controlBytes') };
}

function bytesOf(
  machine: LabMachine,
  counts: FabricCounts,
  kind: 'dataBytes' | 'controlBytes',
): TrafficBytes {
  return {
    dramBytes: counts.dramRead[kind] + counts.dramWrite[kind],
    rootPortBytes: counts.rootPorts[kind],
    linkBytes: Object.fromEntries(
      counts.links.map((link) => [
        link.bdf,
        { to: lowerEnd(machine, link), upBytes: link.up[kind], downBytes: link.down[kind] },
      ]),
    ),
  };
}

function lowerEnd(machine: LabMachine, { port }: LinkCount): string | null {
  const first = port.secondaryBus?.devices[0]?.functions.get(0);
  return first === undefined ? null : (machine.members.find(({ fn }) => fn === first)?.node.name ?? null);
}
