/**
 * Who will do the DMA. Distance climbs from any device to the PCI function above it; mapping wants the function itself
 * (spec p2pdma.md sections 2.9 and 6.2), so both kinds have a type.
 */
import type { PciFunction } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';

/** A device that is no PCI function: a block disk, an RDMA or network device, a platform device. */
export interface DeviceNode {
  readonly name: string;
  /** What it hangs off; null at the root of the device tree. */
  readonly parent: Client | null;
  /** Its DMA is done by software (rxe, siw, hfi1, qib). */
  readonly hasSoftwareDma?: boolean;
}

/** A function by its driver's view, by its address alone (distance only), or a device below one. */
export type Client = PciFunction | Bdf | DeviceNode;

/** Address of the first PCI function from a device upwards; null when there is none. */
export function functionAbove(client: Client): Bdf | null {
  let at: Client | null = client;
  while (at !== null) {
    const bdf = functionOf(at);
    if (bdf !== null) {
      return bdf;
    }
    at = (at as DeviceNode).parent;
  }
  return null;
}

/** The address of a client that is a PCI function itself; null for others. */
export function functionOf(client: Client): Bdf | null {
  if (typeof client === 'string') {
    return client;
  }
  return 'bdf' in client ? client.bdf : null;
}

/** The name that the kernel's log lines begin with. */
export function nameOf(client: Client): string {
  return functionOf(client) ?? (client as DeviceNode).name;
}

export function hasSoftwareDma(client: Client): boolean {
  return typeof client !== 'string' && !('bdf' in client) && client.hasSoftwareDma === true;
}
