/** Bytes of a packet on the wire besides its payload (PCIe Base 6.0, 2.2 and 3.6). */

/** Sequence number, framing and LCRC: 8 bytes in every generation before flit mode. */
export const TLP_FRAMING_BYTES = 8;
export const HEADER_3DW_BYTES = 12;
export const HEADER_4DW_BYTES = 16;
export const ECRC_BYTES = 4;
/** Each end-to-end prefix (PASID, TPH). */
export const PREFIX_BYTES = 4;
/** Ack, Nak, UpdateFC, framing included. */
export const DLLP_BYTES = 8;
/** The first address that needs a 4DW header. */
const FOUR_GIB = 0x1_0000_0000;

export interface TlpOptions {
  /** 4DW header: addresses from 4 GiB on, which nearly all peer BARs have. Default true; completions ignore it. */
  readonly is64Bit?: boolean;
  readonly ecrc?: boolean;
  /** Number of end-to-end prefixes. */
  readonly prefixes?: number;
  /** Flit mode: no framing and no LCRC. */
  readonly isFlit?: boolean;
}

/** True when a request to `address` carries a 4DW header. */
export function needs64BitHeader(address: number): boolean {
  return address >= FOUR_GIB;
}

/** A memory request (write or read): bytes besides the payload. */
export function requestOverheadBytes(options: TlpOptions = {}): number {
  const header = options.is64Bit === false ? HEADER_3DW_BYTES : HEADER_4DW_BYTES;
  return header + sharedOverheadBytes(options);
}

/** A completion, with or without data: bytes besides the payload. */
export function completionOverheadBytes(options: TlpOptions = {}): number {
  return HEADER_3DW_BYTES + sharedOverheadBytes(options);
}

function sharedOverheadBytes(options: TlpOptions): number {
  const framing = options.isFlit === true ? 0 : TLP_FRAMING_BYTES;
  const ecrc = options.ecrc === true ? ECRC_BYTES : 0;
  return framing + ecrc + (options.prefixes ?? 0) * PREFIX_BYTES;
}

/** Payload travels in whole dwords. */
export function paddedPayloadBytes(payloadBytes: number): number {
  return Math.ceil(payloadBytes / 4) * 4;
}

/** Packets that an aligned transfer is cut into. */
export function packetCount(transferBytes: number, packetBytes: number): number {
  return Math.ceil(transferBytes / packetBytes);
}
