/** What stands outside of PCI Express: the wire of a network card, the FIFO of a capture card. */

/**
 * Payload that the wire of a network card carries, in GB/s.
 * @param rateGbps       line rate in gigabits a second
 * @param packetBytes    payload of a packet: the path's MTU as RDMA counts it (256 to 4096)
 * @param overheadBytes  headers, CRC and gap of a packet
 */
export function networkGoodputGBs(rateGbps: number, packetBytes: number, overheadBytes: number): number {
  return ((rateGbps / 8) * packetBytes) / (packetBytes + overheadBytes);
}

/** How long everything may stand still until a FIFO that fills at `rateGBs` runs over; nanoseconds. */
export function fifoStallNs(fifoBytes: number, rateGBs: number): number {
  return fifoBytes / rateGBs;
}
