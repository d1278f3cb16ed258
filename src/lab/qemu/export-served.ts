/**
 * Devices of a lab that Peerlane serves itself: for QEMU a vfio-user-pci with a socket, for the guest the device of the lab.
 *
 * What QEMU takes from their configuration space: QEMU hw/vfio/pci.c, vfio_add_ext_cap() and vfio_setup_pcie_cap().
 */
import type { LabEndpoint } from '../file/index.ts';
import type { Changes } from './changes.ts';
import type { EndpointPlace } from './export-endpoint.ts';

export interface ServedOptions {
  /** Sockets by name of the device in the lab; for the others QEMU has models of its own. Other names are of no effect. */
  readonly served: ReadonlyMap<string, string>;
  /** How long QEMU waits for an answer; 0: QEMU's default of five seconds, after which it gives the device up. */
  readonly messageTimeoutMs: number;
}

export const NOTHING_SERVED: ServedOptions = { served: new Map(), messageTimeoutMs: 0 };

/** Where a device stands, as QEMU's options say it. */
export interface QemuPlace {
  readonly bus: string;
  /** `00.1`: device and function, hexadecimal. */
  readonly addr: string;
  readonly isMultifunction: boolean;
}

/** The device as the guest sees it. */
export function exportServed(node: LabEndpoint, place: EndpointPlace, changes: Changes): LabEndpoint {
  if (node.sriov !== null) {
    changes.add('virtual functions are left out', node.name);
  }
  if (node.bars.some((bar) => bar.resizableBytes !== null)) {
    changes.add('resizable BARs are shown with their present size only', node.name);
  }
  const onRootBus = place.kind === 'root' ? { link: null, trained: null } : {};
  return {
    ...node,
    ...onRootBus,
    device: place.device,
    function: place.function,
    sriov: null,
    bars: node.bars.map((bar) => ({ ...bar, resizableBytes: null })),
  };
}

/** Value of `-device`: JSON, as a socket address has fields of its own. */
export function servedDevice(
  id: string,
  socketPath: string,
  { bus, addr, isMultifunction }: QemuPlace,
  messageTimeoutMs: number,
): string {
  return JSON.stringify({
    driver: 'vfio-user-pci',
    id,
    bus,
    addr,
    ...(isMultifunction ? { multifunction: true } : {}),
    socket: { type: 'unix', path: socketPath },
    ...(messageTimeoutMs === 0 ? {} : { 'x-msg-timeout': messageTimeoutMs }),
  });
}
