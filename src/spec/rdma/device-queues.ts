/** Entries of the RDMA NIC's queues in memory. Peerlane RDMA NIC 1; docs/devices/rnic.md. Little-endian, immediate data too. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';

export const SGE_BYTES = 16;
/** Pieces of one request. */
export const SGE_COUNT_MAX = 4;
export const INLINE_BYTES_MAX = SGE_BYTES * SGE_COUNT_MAX;

/** A piece of memory of a request; a length of 0 is no piece. */
export const SGE_ADDR_LOW = plain('ADDRLOW', 0x00, 32);
export const SGE_ADDR_HIGH = plain('ADDRHIGH', 0x04, 32);
export const SGE_L_KEY = plain('LKEY', 0x08, 32);
export const SGE_LENGTH = plain('LENGTH', 0x0c, 32);
export const RNIC_SGE = structure('RDMA NIC piece', 'Peerlane RDMA NIC 1, piece of memory', SGE_BYTES, [
  SGE_ADDR_LOW,
  SGE_ADDR_HIGH,
  SGE_L_KEY,
  SGE_LENGTH,
]);

export const SEND_ENTRY_BYTES = 128;
/** FLAGS: SEND_FLAG. INLINE: bytes that stand where the pieces would. */
export const SQ_HEAD = register('HEAD', 0x00, 32, {
  OPCODE: bits(7, 0),
  FLAGS: bits(15, 8),
  INLINE: bits(23, 16),
});
/** Immediate data, or the key to invalidate. */
export const SQ_IMM = plain('IMM', 0x04, 32);
export const SQ_R_KEY = plain('RKEY', 0x0c, 32);
export const SQ_VA_LOW = plain('VALOW', 0x10, 32);
export const SQ_VA_HIGH = plain('VAHIGH', 0x14, 32);
/** Compare and swap: what is expected, and what is put there. Fetch and add: what is added. */
export const SQ_COMPARE_LOW = plain('COMPARELOW', 0x18, 32);
export const SQ_COMPARE_HIGH = plain('COMPAREHIGH', 0x1c, 32);
export const SQ_SWAP_LOW = plain('SWAPLOW', 0x20, 32);
export const SQ_SWAP_HIGH = plain('SWAPHIGH', 0x24, 32);
/** Bind of a window: the region it is bound to, its access and length; VA is where it starts, RKEY the window's new key. */
export const SQ_BIND_L_KEY = plain('BINDKEY', 0x18, 32);
export const SQ_BIND_ACCESS = plain('BINDACCESS', 0x1c, 32);
export const SQ_BIND_LENGTH_LOW = plain('BINDLENGTHLOW', 0x20, 32);
export const SQ_BIND_LENGTH_HIGH = plain('BINDLENGTHHIGH', 0x24, 32);
/** Datagrams: where to. */
export const SQ_UD_QPN = plain('UDQPN', 0x10, 32);
export const SQ_UD_Q_KEY = plain('UDQKEY', 0x14, 32);
export const SQ_UD_MAC_HIGH = plain('UDMACHIGH', 0x18, 32);
export const SQ_UD_MAC_LOW = plain('UDMACLOW', 0x1c, 32);
export const SQ_UD_GID_0 = plain('UDGID0', 0x20, 32);
export const SQ_UD_GID_1 = plain('UDGID1', 0x24, 32);
export const SQ_UD_GID_2 = plain('UDGID2', 0x28, 32);
export const SQ_UD_GID_3 = plain('UDGID3', 0x2c, 32);
/** Pieces, or inline data. */
export const SQ_DATA_AT = 0x40;

/** As connected queue pairs have it; the places of a bind and of a datagram are the same bytes. */
export const RNIC_SEND_ENTRY = structure(
  'RDMA NIC send entry',
  'Peerlane RDMA NIC 1, send entry',
  SEND_ENTRY_BYTES,
  [
    SQ_HEAD,
    SQ_IMM,
    reserved(0x08, 4),
    SQ_R_KEY,
    SQ_VA_LOW,
    SQ_VA_HIGH,
    SQ_COMPARE_LOW,
    SQ_COMPARE_HIGH,
    SQ_SWAP_LOW,
    SQ_SWAP_HIGH,
    reserved(0x28, 0x18),
    reserved(SQ_DATA_AT, INLINE_BYTES_MAX),
  ],
);

/** Nothing but pieces. */
export const RECEIVE_ENTRY_BYTES = SGE_BYTES * SGE_COUNT_MAX;

export const CQ_ENTRY_BYTES = 32;
export const CQ_QPN = register('QPN', 0x00, 32, { QPN: bits(23, 0), OPCODE: bits(31, 24) });
/** INDEX: requests of that queue before this one, modulo 2^16. PHASE turns over with every round of the ring; first it is 1. */
export const CQ_HEAD = register('HEAD', 0x04, 32, {
  INDEX: bits(15, 0),
  STATUS: bits(23, 16),
  FLAGS: bits(29, 24),
  IS_RECEIVE: bit(30),
  PHASE: bit(31),
});
export const CQ_LENGTH = plain('LENGTH', 0x08, 32);
/** Immediate data, or the key that was invalidated. */
export const CQ_IMM = plain('IMM', 0x0c, 32);
export const CQ_SRC_QP = plain('SRCQP', 0x10, 32);
export const RNIC_CQ_ENTRY = structure(
  'RDMA NIC completion',
  'Peerlane RDMA NIC 1, completion',
  CQ_ENTRY_BYTES,
  [CQ_QPN, CQ_HEAD, CQ_LENGTH, CQ_IMM, CQ_SRC_QP, reserved(0x14, 12)],
);

export const EVENT_BYTES = 16;
export const EVENT_HEAD = register('HEAD', 0x00, 32, { TYPE: bits(7, 0), PHASE: bit(31) });
/** Of the queue, or how many commands are done. */
export const EVENT_NUMBER = plain('NUMBER', 0x04, 32);
export const RNIC_EVENT = structure('RDMA NIC event', 'Peerlane RDMA NIC 1, event', EVENT_BYTES, [
  EVENT_HEAD,
  EVENT_NUMBER,
  reserved(0x08, 8),
]);

/** Asynchronous events have their names from libibverbs. */
export const RNIC_EVENT_TYPE = {
  COMMAND_DONE: 1,
  /** A completion in a queue that was armed. */
  COMPLETION: 2,
  CQ_ERR: 3,
  QP_FATAL: 4,
  QP_REQ_ERR: 5,
  QP_ACCESS_ERR: 6,
  COMM_EST: 7,
  SQ_DRAINED: 8,
  QP_LAST_WQE_REACHED: 9,
  SRQ_LIMIT_REACHED: 10,
} as const;
export type RnicEventName = keyof typeof RNIC_EVENT_TYPE;
