/**
 * Peerlane's own RDMA NIC: registers and doorbells, shared by its model (`devices/rnic`) and its driver (`drivers/rdma`).
 * There is no other specification: these tables and docs/devices/rnic.md are it.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';

/** Identification: class 02_00_00 (Ethernet controller). Vendor 1234 is what emulators use that were assigned no id. */
export const RNIC_ID = { vendorId: 0x1234, deviceId: 0x4d4c, classCode: 0x02_00_00 } as const;

/** How many of each there are, as powers of two. */
export const RNIC_CAP = register('CAP', 0x00, 32, {
  VERSION: bits(3, 0, 'RO'),
  QPS: bits(8, 4, 'RO'),
  CQS: bits(13, 9, 'RO'),
  SRQS: bits(18, 14, 'RO'),
  /** Entries of a queue at most. */
  ENTRIES: bits(23, 19, 'RO'),
  /** RDMA reads and atomics in flight at most, at either end of a queue pair. */
  READS: bits(28, 24, 'RO'),
});
/** LINK: the wire is there. MTU: largest path MTU, as its code. */
export const RNIC_PORT = register('PORT', 0x04, 32, {
  LINK: bit(0, 'RO'),
  HAS_V4: bit(1, 'RO'),
  MTU: bits(6, 4, 'RO'),
});
/** EN: 1 runs it, 0 stops it and forgets all queues and regions. */
export const RNIC_CTRL = register('CTRL', 0x08, 32, { EN: bit(0, 'RW') });
/** ERR: the command or event queue could not be read. */
export const RNIC_STATUS = register('STATUS', 0x0c, 32, { RDY: bit(0, 'RO'), ERR: bit(1, 'RO') });
/** Bus addresses of the command queue and the event queue; sizes are 2 to their power of entries. */
export const RNIC_CMD_LOW = plain('CMDLOW', 0x10, 32, 'RW');
export const RNIC_CMD_HIGH = plain('CMDHIGH', 0x14, 32, 'RW');
export const RNIC_EVENT_LOW = plain('EVENTLOW', 0x18, 32, 'RW');
export const RNIC_EVENT_HIGH = plain('EVENTHIGH', 0x1c, 32, 'RW');
export const RNIC_SIZES = register('SIZES', 0x20, 32, { CMD: bits(3, 0, 'RW'), EVENT: bits(11, 8, 'RW') });
/** Doorbell: commands that were ever posted, modulo 2^16. */
export const RNIC_CMD_TAIL = plain('CMDTAIL', 0x24, 32, 'RW');
/** Doorbell: events that were ever taken, modulo 2^16. */
export const RNIC_EVENT_HEAD = plain('EVENTHEAD', 0x28, 32, 'RW');
export const RNIC_MAC_HIGH = plain('MACHIGH', 0x2c, 32, 'RO');
export const RNIC_MAC_LOW = plain('MACLOW', 0x30, 32, 'RO');
/** Its address as a GID, most significant dword first; an IPv4 address is ::ffff:a.b.c.d. */
export const RNIC_GID_0 = plain('GID0', 0x34, 32, 'RO');
export const RNIC_GID_1 = plain('GID1', 0x38, 32, 'RO');
export const RNIC_GID_2 = plain('GID2', 0x3c, 32, 'RO');
export const RNIC_GID_3 = plain('GID3', 0x40, 32, 'RO');

export const RNIC_REGISTERS = structure('RDMA NIC', 'Peerlane RDMA NIC 1, registers', 0x48, [
  RNIC_CAP,
  RNIC_PORT,
  RNIC_CTRL,
  RNIC_STATUS,
  RNIC_CMD_LOW,
  RNIC_CMD_HIGH,
  RNIC_EVENT_LOW,
  RNIC_EVENT_HIGH,
  RNIC_SIZES,
  RNIC_CMD_TAIL,
  RNIC_EVENT_HEAD,
  RNIC_MAC_HIGH,
  RNIC_MAC_LOW,
  RNIC_GID_0,
  RNIC_GID_1,
  RNIC_GID_2,
  RNIC_GID_3,
  reserved(0x44, 4),
]);

/** BAR 0: registers, MSI-X, then a page of doorbells a kind of queue. */
export const RNIC_BAR_BYTES = 0x4_0000;
export const RNIC_MSIX_TABLE = 0x1000;
export const RNIC_MSIX_PENDING = 0x2000;
export const RNIC_DOORBELLS = 0x1_0000;

/** Powers of two of what there is. */
export const RNIC_QPS_LOG = 12;
export const RNIC_CQS_LOG = 12;
export const RNIC_SRQS_LOG = 10;
export const RNIC_ENTRIES_LOG = 12;
export const RNIC_READS_LOG = 4;

/** Doorbells hold entries that were ever posted (or taken), modulo 2^16. */
const SQ_AT = RNIC_DOORBELLS;
const CQ_AT = SQ_AT + 8 * 2 ** RNIC_QPS_LOG;
const SRQ_AT = CQ_AT + 8 * 2 ** RNIC_CQS_LOG;
export const RNIC_DOORBELLS_END = SRQ_AT + 4 * 2 ** RNIC_SRQS_LOG;

export function sendDoorbell(qpn: number): number {
  return SQ_AT + 8 * qpn;
}

export function receiveDoorbell(qpn: number): number {
  return SQ_AT + 8 * qpn + 4;
}

export function completionDoorbell(cqn: number): number {
  return CQ_AT + 8 * cqn;
}

/** Asks for an event with the next completion. */
export function armDoorbell(cqn: number): number {
  return CQ_AT + 8 * cqn + 4;
}

export function sharedReceiveDoorbell(srqn: number): number {
  return SRQ_AT + 4 * srqn;
}

/** Values of `armDoorbell`. */
export const ARM = { ANY: 1, SOLICITED: 2 } as const;

export const DOORBELL = { SEND: 0, RECEIVE: 1, COMPLETION: 2, ARM: 3, SHARED_RECEIVE: 4 } as const;

/** Which doorbell a place in the BAR is; -1 for none. */
export function doorbellKind(offset: number): number {
  if (offset < SQ_AT || offset >= RNIC_DOORBELLS_END || offset % 4 !== 0) {
    return -1;
  }
  if (offset < CQ_AT) {
    return offset % 8 === 0 ? DOORBELL.SEND : DOORBELL.RECEIVE;
  }
  if (offset < SRQ_AT) {
    return offset % 8 === 0 ? DOORBELL.COMPLETION : DOORBELL.ARM;
  }
  return DOORBELL.SHARED_RECEIVE;
}

/** The number of the queue of a doorbell. */
export function doorbellQueue(offset: number): number {
  if (offset < CQ_AT) {
    return Math.floor((offset - SQ_AT) / 8);
  }
  return offset < SRQ_AT ? Math.floor((offset - CQ_AT) / 8) : Math.floor((offset - SRQ_AT) / 4);
}
