/**
 * Commands of the fabrics command set: one opcode (ADMIN_OPCODE.FABRICS, 7Fh), the kind in FCTYPE, and the data that Connect carries.
 *
 * Leaves out the messages of authentication. Follows NVM Express Base 2.1, section 6; offsets count from the start of the submission
 * queue entry, as in `spec/nvme`.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun } from '../nvme/index.ts';

/** FCTYPE. Bits 1:0 tell which way data go, as in an opcode. NVM Express Base 2.1, 6. */
export const FABRICS_TYPE = {
  PROPERTY_SET: 0x00,
  CONNECT: 0x01,
  PROPERTY_GET: 0x04,
  AUTHENTICATION_SEND: 0x05,
  AUTHENTICATION_RECEIVE: 0x06,
  DISCONNECT: 0x08,
} as const;

/** Fabrics Command Type: where other commands have their namespace. */
export const FCTYPE = plain('FCTYPE', 0x04, 8);

/** Connect. NVM Express Base 2.1, 6.3. */
export const CONNECT_RECFMT = plain('RECFMT', 0x28, 16);
/** 0: the admin queue. */
export const CONNECT_QID = plain('QID', 0x2a, 16);
/** 0's based; see `connectQueueEntries`. */
export const CONNECT_SQSIZE = plain('SQSIZE', 0x2c, 16);
export const CONNECT_CATTR = register('CATTR', 0x2e, 8, {
  /** Priority class of the queue. */
  PRIO: bits(1, 0),
  /** The host does not look at SQHD. */
  DSQFC: bit(2),
  /** The host may delete this I/O queue with Disconnect. */
  IOQD: bit(3),
});
/** Milliseconds, 0 for none; admin queue only. */
export const CONNECT_KATO = plain('KATO', 0x30, 32);

/** Entries of the queue that Connect asks for: 1 (which is refused) to 65,536. */
export function connectQueueEntries(sqsize: number): number {
  return sqsize + 1;
}

export const CONNECT_DATA_BYTES = 1024;
export const NQN_BYTES_MAX = 223;
export const CONNECT_HOSTID = byteRun('HOSTID', 0, 16);
export const CONNECT_CNTLID = plain('CNTLID', 16, 16);
/** ASCII or UTF-8, ended by a null byte. */
export const CONNECT_SUBNQN = byteRun('SUBNQN', 256, 256);
export const CONNECT_HOSTNQN = byteRun('HOSTNQN', 512, 256);
export const CONNECT_DATA = structure('Connect Data', 'NVM Express Base 2.1, 6.3', CONNECT_DATA_BYTES, [
  CONNECT_HOSTID,
  CONNECT_CNTLID,
  reserved(18, 238),
  CONNECT_SUBNQN,
  CONNECT_HOSTNQN,
  reserved(768, 256),
]);

/** Values of CNTLID in Connect. NVM Express Base 2.1, 6.3. */
export const CNTLID_DYNAMIC = 0xffff;
/** Static model: any that is free. */
export const CNTLID_STATIC_ANY = 0xfffe;
/** The largest that a controller can have. */
export const CNTLID_MAX = 0xffef;

/** Dword 0 of a successful Connect. NVM Express Base 2.1, 6.3. */
export const CONNECT_RESULT = register('Connect DW0', 0, 32, {
  CNTLID: bits(15, 0),
  /** Authentication Transaction Required. */
  ATR: bit(17),
  /** Authentication on a Secure Channel Required. */
  ASCR: bit(18),
});
/** Dword 0 of a Connect refused with CONNECT_INVALID_PARAMETERS. NVM Express Base 2.1, 6.3. */
export const CONNECT_INVALID = register('Connect Invalid Parameters DW0', 0, 32, {
  /** Invalid Parameter Offset, bytes. */
  IPO: bits(15, 0),
  /** 0: from the start of the entry; 1: from the start of the data. */
  IATTR: bit(16),
});

/** Property Get and Set. NVM Express Base 2.1, 6.5 and 6.6. */
export const PROPERTY_ATTRIB = register('ATTRIB', 0x28, 8, {
  /** See PROPERTY_SIZE. */
  SIZE: bits(2, 0),
});
export const PROPERTY_SIZE = { BYTES_4: 0, BYTES_8: 1 } as const;
export const PROPERTY_OFFSET = plain('OFST', 0x2c, 32);
/** Property Set: 4 bytes, or 8 with PROPERTY_VALUE_HIGH. Property Get answers in dwords 0 and 1. */
export const PROPERTY_VALUE = plain('VALUE', 0x30, 32);
export const PROPERTY_VALUE_HIGH = plain('VALUE High', 0x34, 32);

/** Disconnect. NVM Express Base 2.1, 6.4. */
export const DISCONNECT_RECFMT = plain('RECFMT', 0x28, 16);

/** Authentication Send and Receive. NVM Express Base 2.1, 6.1 and 6.2. */
export const AUTHENTICATION_CDW10 = register('Authentication CDW10', 0x28, 32, {
  SPSP0: bits(15, 8),
  SPSP1: bits(23, 16),
  SECP: bits(31, 24),
});
/** Transfer length (TL) or allocation length (AL), bytes. */
export const AUTHENTICATION_LENGTH = plain('TL or AL', 0x2c, 32);
/** Security Protocol of in-band authentication. */
export const SECURITY_PROTOCOL_NVMEOF = 0xe9;
