/** Commands of the RDMA NIC: entries of its command queue. Peerlane RDMA NIC 1; docs/devices/rnic.md. */
import { bits, plain, type Register, register, reserved, structure } from '../../base/index.ts';

export const RNIC_COMMAND_BYTES = 128;

export const RNIC_COMMAND = {
  CREATE_CQ: 1,
  DESTROY_CQ: 2,
  CREATE_SRQ: 3,
  MODIFY_SRQ: 4,
  DESTROY_SRQ: 5,
  CREATE_QP: 6,
  MODIFY_QP: 7,
  QUERY_QP: 8,
  DESTROY_QP: 9,
  CREATE_MR: 10,
  DESTROY_MR: 11,
  CREATE_MW: 12,
  DESTROY_MW: 13,
} as const;

export const RNIC_RESULT = {
  /** Not done yet. */
  NONE: 0,
  DONE: 1,
  BAD_COMMAND: 2,
  /** A number out of range, one that is in use, or one that is not. */
  BAD_NUMBER: 3,
  BAD_PARAMETER: 4,
  /** Something still refers to it. */
  BUSY: 5,
  /** No such change of state, or an attribute that it needs is missing. */
  BAD_STATE: 6,
  /** The table of a region could not be read. */
  TABLE_FAILED: 7,
} as const;

/** In every command. NUMBER: of the queue, the queue pair or the key. */
export const CMD_OPCODE = register('OPCODE', 0x00, 32, { OPCODE: bits(7, 0) });
export const CMD_NUMBER = plain('NUMBER', 0x04, 32);
/** Ring or table in memory. */
export const CMD_ADDR_LOW = plain('ADDRLOW', 0x08, 32);
export const CMD_ADDR_HIGH = plain('ADDRHIGH', 0x0c, 32);
/** Entries as powers of two. */
export const CMD_SIZES = register('SIZES', 0x10, 32, { FIRST: bits(7, 0), SECOND: bits(15, 8) });
export const CMD_PD = plain('PD', 0x14, 32);

const dwords = <Count extends number>(from: number, count: Count): readonly Register<never>[] =>
  Array.from({ length: count }, (_, i) => plain(`P${(from + 4 * i - 0x18) / 4}`, from + 4 * i, 32));

/** What else the command needs, by command: the functions below. */
const PARAMETERS = dwords(0x18, 18);

/** Written by the NIC: one of RNIC_RESULT, then what was asked for. */
export const CMD_RESULT = plain('RESULT', 0x60, 32);
export const CMD_RESULTS_AT = 0x60;
export const CMD_RESULTS_BYTES = 0x20;

export const RNIC_COMMAND_ENTRY = structure(
  'RDMA NIC command',
  'Peerlane RDMA NIC 1, command',
  RNIC_COMMAND_BYTES,
  [
    CMD_OPCODE,
    CMD_NUMBER,
    CMD_ADDR_LOW,
    CMD_ADDR_HIGH,
    CMD_SIZES,
    CMD_PD,
    ...PARAMETERS,
    CMD_RESULT,
    reserved(0x64, 0x1c),
  ],
);

/** CREATE_QP: SIZES.FIRST is the send queue's, SECOND the receive queue's; ADDR the send ring. */
export const CREATE_QP = {
  RECEIVE_LOW: PARAMETERS[0]!,
  RECEIVE_HIGH: PARAMETERS[1]!,
  SEND_CQ: PARAMETERS[2]!,
  RECEIVE_CQ: PARAMETERS[3]!,
  /** All ones: none. */
  SRQ: PARAMETERS[4]!,
  TYPE: PARAMETERS[5]!,
  /** 1: a completion for every send, whatever its flags. */
  ALL_SIGNALED: PARAMETERS[6]!,
} as const;

/** CREATE_SRQ, MODIFY_SRQ: an event when fewer entries than this are left; 0 is none. */
export const SRQ_LIMIT = PARAMETERS[0]!;

/** MODIFY_QP. */
export const MODIFY_QP = {
  /** QP_ATTR. */
  MASK: PARAMETERS[0]!,
  STATE: PARAMETERS[1]!,
  DEST_QPN: PARAMETERS[2]!,
  SQ_PSN: PARAMETERS[3]!,
  RQ_PSN: PARAMETERS[4]!,
  QKEY: PARAMETERS[5]!,
  ACCESS_FLAGS: PARAMETERS[6]!,
  /** Bytes, from the lowest: path MTU, timeout, retry count, RNR retry count. */
  TIMES: PARAMETERS[7]!,
  /** Bytes, from the lowest: minimum RNR timer, reads as requester, reads as responder, hop limit. */
  LIMITS: PARAMETERS[8]!,
  MAC_HIGH: PARAMETERS[9]!,
  MAC_LOW: PARAMETERS[10]!,
  GID_0: PARAMETERS[11]!,
  GID_1: PARAMETERS[12]!,
  GID_2: PARAMETERS[13]!,
  GID_3: PARAMETERS[14]!,
  /** UDP source port, traffic class in bits 16 to 23. */
  FLOW: PARAMETERS[15]!,
} as const;

/** Where QUERY_QP puts what it found. */
export const QUERY_QP = {
  STATE: plain('STATE', 0x64, 32),
  SQ_PSN: plain('SQPSN', 0x68, 32),
  RQ_PSN: plain('RQPSN', 0x6c, 32),
} as const;

/** CREATE_MR, CREATE_MW: NUMBER is the key. ADDR is the table: entries of RNIC_TABLE_ENTRY_BYTES. */
export const CREATE_MR = {
  ACCESS: PARAMETERS[0]!,
  VA_LOW: PARAMETERS[1]!,
  VA_HIGH: PARAMETERS[2]!,
  LENGTH_LOW: PARAMETERS[3]!,
  LENGTH_HIGH: PARAMETERS[4]!,
  /** Entries of the table. */
  COUNT: PARAMETERS[5]!,
} as const;

/** One run of addresses: bus address and length in bytes, a 64-bit number each. */
export const RNIC_TABLE_ENTRY_BYTES = 16;
/** Entries of one table. */
export const RNIC_TABLE_ENTRIES_MAX = 65_536;
