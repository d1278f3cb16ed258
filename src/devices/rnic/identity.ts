/** Addresses on the wire: of the NIC itself, and of who is at the other end. */

/** A GID, most significant dword first. */
export type Gid = readonly [number, number, number, number];

export interface Identity {
  readonly macHigh: number;
  readonly macLow: number;
  readonly gid: Gid;
}

/** An IPv4 address as a GID is ::ffff:a.b.c.d; RFC 4291, 2.5.5.2. */
export function isMappedV4(gid: Gid): boolean {
  return gid[0] === 0 && gid[1] === 0 && gid[2] === 0xffff;
}

/** Where packets go: mutable, filled from a queue pair's address vector or a datagram's. */
export class Path {
  macHigh = 0;
  macLow = 0;
  gid: [number, number, number, number] = [0, 0, 0, 0];
  hopLimit = 64;
  trafficClass = 0;
  sourcePort = 0xc000;
}
