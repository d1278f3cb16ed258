/**
 * How a request becomes packets. PCIe Base 6.0, 2.2.7 (no crossing of 4 KiB, Max_Payload_Size, Max_Read_Request_Size),
 * 2.3.1.1 (completions are cut at the Read Completion Boundary), 2.2.5 (byte enables).
 *
 * Requests are cut where an aligned block of the limit ends, as controllers do; since every limit divides 4 KiB, no packet
 * crosses one. `packetCount` says how many without making them.
 */

/** One packet of a request. Addresses are of the first byte, not aligned. */
export interface TlpPiece {
  readonly addr: number;
  readonly lengthBytes: number;
  /** Length field: dwords that the packet touches. */
  readonly lengthDw: number;
  /** Four bits each; `lastEnables` is 0 in a packet of one dword. */
  readonly firstEnables: number;
  readonly lastEnables: number;
}

/** Packets of at most `limitBytes` (a power of two) for a range. */
export function packetCount(addr: number, lengthBytes: number, limitBytes: number): number {
  return Math.floor((addr + lengthBytes - 1) / limitBytes) - Math.floor(addr / limitBytes) + 1;
}

/** The size of the largest of these packets. */
export function largestPacketBytes(addr: number, lengthBytes: number, limitBytes: number): number {
  const toBoundary = limitBytes - (addr % limitBytes);
  if (lengthBytes <= toBoundary) {
    return lengthBytes;
  }
  return Math.max(toBoundary, Math.min(limitBytes, lengthBytes - toBoundary));
}

/** Cuts a request. @param limitBytes Max_Payload_Size for writes, Max_Read_Request_Size for reads */
export function splitRequest(addr: number, lengthBytes: number, limitBytes: number): readonly TlpPiece[] {
  const pieces: TlpPiece[] = [];
  const end = addr + lengthBytes;
  for (let at = addr; at < end; ) {
    const next = Math.min(end, at - (at % limitBytes) + limitBytes);
    pieces.push(pieceOf(at, next - at));
    at = next;
  }
  return pieces;
}

/**
 * Cuts the completions of one read request.
 * @param chunkBytes  what the completer sends at most: its Max_Payload_Size or less, a multiple of the boundary
 * @param rcbBytes    64 or 128
 */
export function splitCompletions(
  addr: number,
  lengthBytes: number,
  chunkBytes: number,
  rcbBytes: number,
): readonly TlpPiece[] {
  return splitRequest(addr, lengthBytes, Math.max(chunkBytes, rcbBytes));
}

function pieceOf(addr: number, lengthBytes: number): TlpPiece {
  const skew = addr % 4;
  const endSkew = (skew + lengthBytes) % 4;
  const lengthDw = Math.ceil((skew + lengthBytes) / 4);
  const first = (0xf << skew) & 0xf;
  const last = endSkew === 0 ? 0xf : (1 << endSkew) - 1;
  return lengthDw === 1
    ? { addr, lengthBytes, lengthDw, firstEnables: first & last, lastEnables: 0 }
    : { addr, lengthBytes, lengthDw, firstEnables: first, lastEnables: last };
}
