/** One request on its way: what changes from hop to hop, and what it has passed. */
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import type { LinkDirection } from '../tree/link.ts';
import type { AddressType } from './acs.ts';
import type { Region } from './region.ts';
import type { RequestShape } from './route.ts';

export class Trip {
  /** Who made it; null for the CPU. */
  readonly requester: FabricFunction | null;
  /** On the bus where it is now: changes at the IOMMU and at a host bridge that translates. */
  addr: number;
  /** What it carries as requester ID: changes at a bridge to conventional PCI. */
  requesterId: number;
  /** As it left the requester: translated already where ATS is used. */
  readonly sentAddr: number;
  readonly region: Region;
  readonly isWrite: boolean;
  readonly addressType: AddressType;
  /** Bytes that are wanted; a hint for how far to translate. */
  readonly lengthBytes: number;
  readonly links: LinkDirection[] = [];
  readonly stops: FabricFunction[] = [];
  /** Links travelled before each stop. */
  readonly linksBefore: number[] = [];
  root: HostBridge | null = null;
  /** Of the system memory where it ended; null elsewhere. */
  numaNode: number | null = null;
  redirectedAt: FabricFunction | null = null;

  constructor(
    requester: FabricFunction | null,
    addr: number,
    requesterId: number,
    region: Region,
    shape: RequestShape,
    lengthBytes: number,
  ) {
    this.requester = requester;
    this.addr = addr;
    this.sentAddr = addr;
    this.requesterId = requesterId;
    this.region = region;
    this.isWrite = shape.isWrite;
    this.addressType = shape.addressType;
    this.lengthBytes = lengthBytes;
  }

  pass(stop: FabricFunction): void {
    // A port that turns it round is passed once.
    if (this.stops.at(-1) !== stop) {
      this.stops.push(stop);
      this.linksBefore.push(this.links.length);
    }
  }

  contains(range: { readonly start: number; readonly end: number }): boolean {
    return this.region.contains(this.addr, range.start, range.end);
  }

  /** Remembers who redirected it first. */
  redirect(at: FabricFunction): void {
    this.redirectedAt ??= at;
  }
}
