/** The transport headers of InfiniBand, as RoCE v2 carries them. InfiniBand Architecture Specification 1.x, volume 1, chapter 9. */
import { at, networkHeader } from './network-layout.ts';

const IBA = 'InfiniBand Architecture, volume 1';

/** Base Transport Header. */
export const BTH = networkHeader('BTH', `${IBA}, 9.2`, 12, {
  OPCODE: at(0, 8),
  /** Solicited event. */
  SE: at(1, 1),
  MIG_REQ: at(1, 1, 1),
  /** Bytes that pad the payload to a multiple of 4. */
  PAD: at(1, 2, 2),
  TVER: at(1, 4, 4),
  P_KEY: at(2, 16),
  FECN: at(4, 1),
  BECN: at(4, 1, 1),
  RESERVED6: at(4, 6, 2),
  DEST_QP: at(5, 24),
  ACK_REQ: at(8, 1),
  RESERVED7: at(8, 7, 1),
  PSN: at(9, 24),
});
/** The byte with FECN, BECN and reserved bits, which the ICRC leaves out. */
export const BTH_RESV8A_OFFSET = 4;
/** The only partition key there is here: default, full member. */
export const P_KEY_DEFAULT = 0xffff;

/** RDMA Extended Transport Header. */
export const RETH = networkHeader('RETH', `${IBA}, 9.3.3`, 16, {
  VA_HIGH: at(0, 32),
  VA_LOW: at(4, 32),
  R_KEY: at(8, 32),
  DMA_LENGTH: at(12, 32),
});

/** Datagram Extended Transport Header. */
export const DETH = networkHeader('DETH', `${IBA}, 9.3.2`, 8, {
  Q_KEY: at(0, 32),
  RESERVED8: at(4, 8),
  SRC_QP: at(5, 24),
});

/** ACK Extended Transport Header. */
export const AETH = networkHeader('AETH', `${IBA}, 9.3.5`, 4, { SYNDROME: at(0, 8), MSN: at(1, 24) });

export const ATOMIC_ETH = networkHeader('AtomicETH', `${IBA}, 9.3.4`, 28, {
  VA_HIGH: at(0, 32),
  VA_LOW: at(4, 32),
  R_KEY: at(8, 32),
  SWAP_HIGH: at(12, 32),
  SWAP_LOW: at(16, 32),
  COMPARE_HIGH: at(20, 32),
  COMPARE_LOW: at(24, 32),
});

export const ATOMIC_ACK_ETH = networkHeader('AtomicAckETH', `${IBA}, 9.5.3`, 8, {
  ORIGINAL_HIGH: at(0, 32),
  ORIGINAL_LOW: at(4, 32),
});

/** Immediate data. */
export const IMM_DT = networkHeader('ImmDt', `${IBA}, 9.3.6`, 4, { DATA: at(0, 32) });
/** Invalidate: the R_Key that the receiver shall invalidate. */
export const IETH = networkHeader('IETH', `${IBA}, 9.3.7`, 4, { R_KEY: at(0, 32) });

export const ICRC_BYTES = 4;
/** What stands before the message in the buffer of a datagram: a global route header, or 20 bytes and an IPv4 header. */
export const GRH_BYTES = 40;

/** Syndromes of an AETH, IBA table 43: bits 6 and 5 say which. */
export const AETH_KIND = { ACK: 0, RNR_NAK: 1, NAK: 3 } as const;
/** In the low bits of an ACK: the responder does not limit the sender. */
export const CREDITS_UNLIMITED = 31;

/** In the low bits of a NAK, IBA table 45. */
export const NAK_CODE = {
  PSN_SEQUENCE_ERROR: 0,
  INVALID_REQUEST: 1,
  REMOTE_ACCESS_ERROR: 2,
  REMOTE_OPERATIONAL_ERROR: 3,
} as const;

export function aethSyndrome(kind: number, value: number): number {
  return (kind << 5) | value;
}

export function aethKind(syndrome: number): number {
  return (syndrome >>> 5) & 7;
}

export function aethValue(syndrome: number): number {
  return syndrome & 31;
}

/** What a receiver that is not ready asks for, in 10 microseconds; IBA table 46. */
const RNR_TENS_OF_US = [
  65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072,
  4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152,
] as const;

export function rnrDelayPs(code: number): number {
  return RNR_TENS_OF_US[code & 31]! * 1e7;
}

/** The local ACK timeout: 4.096 us times a power of two; 0 is for ever. IBA 9.7.6.1.3. */
export function ackTimeoutPs(code: number): number {
  return code === 0 ? Number.POSITIVE_INFINITY : 4_096_000 * 2 ** code;
}

/** Codes of the path MTU, IBA 9.4 and 11.2.4.2. */
export const PATH_MTU = { 256: 1, 512: 2, 1024: 3, 2048: 4, 4096: 5 } as const;

export function mtuBytes(code: number): number {
  return 128 * 2 ** code;
}

/** Packet sequence numbers have 24 bits. */
export const PSN_COUNT = 0x100_0000;

export function psnAdd(psn: number, count: number): number {
  return (psn + count) & 0xff_ffff;
}

/** How far `psn` is ahead of `base`: -2^23 to 2^23 - 1. */
export function psnDelta(psn: number, base: number): number {
  return ((psn - base) << 8) >> 8;
}
