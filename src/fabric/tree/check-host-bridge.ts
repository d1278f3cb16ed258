/** Refuses a host bridge that the machine cannot have: its bus numbers and its windows must be its own. */
import type { SystemMemory } from '../outside.ts';
import { FabricError } from './fabric-error.ts';
import type { HostBridge, HostBridgeOptions, HostBridgeWindow } from './host-bridge.ts';

const BUS_MAX = 255;

/** @throws {FabricError} FABRIC_BAD_ADDRESS, FABRIC_BUS_OVERLAP, FABRIC_WINDOW_OVERLAP */
export function checkHostBridge(
  { domain, rootBus, lastBus, windows }: HostBridgeOptions,
  others: readonly HostBridge[],
  dram: SystemMemory,
): void {
  if (!isBus(rootBus) || !isBus(lastBus) || lastBus < rootBus) {
    throw new FabricError('FABRIC_BAD_ADDRESS', {
      message: `a host bridge cannot have the buses ${rootBus} to ${lastBus}`,
      hint: 'bus numbers are 0 to 255, the last one not below the first',
    });
  }
  for (const other of others) {
    if (other.domain === domain && rootBus <= other.lastBus && lastBus >= other.rootBusNumber) {
      throw new FabricError('FABRIC_BUS_OVERLAP', {
        message: `${other.name} has some of the buses ${rootBus} to ${lastBus} of domain ${domain} already`,
        hint: 'give each host bridge of a domain a range of buses of its own',
      });
    }
  }
  for (const window of windows) {
    const taken = others.find((other) => other.windows.some((theirs) => overlaps(window, theirs)));
    if (taken !== undefined || overlapsDram(window, dram)) {
      throw new FabricError('FABRIC_WINDOW_OVERLAP', {
        message: `a window at 0x${window.start.toString(16)} overlaps ${taken === undefined ? 'host memory' : `one of ${taken.name}`}`,
        hint: 'windows and host memory are ranges of one address space and must be apart',
      });
    }
  }
}

function isBus(bus: number): boolean {
  return Number.isInteger(bus) && bus >= 0 && bus <= BUS_MAX;
}

function overlaps(a: HostBridgeWindow, b: HostBridgeWindow): boolean {
  return a.start < b.start + b.lengthBytes && b.start < a.start + a.lengthBytes;
}

/** Looks at both ends of the window; one that encloses a whole range of memory is not noticed, and memory goes first. */
function overlapsDram({ start, lengthBytes }: HostBridgeWindow, dram: SystemMemory): boolean {
  return (
    dram.regionAt(start, null) !== undefined || dram.regionAt(start + lengthBytes - 1, null) !== undefined
  );
}
