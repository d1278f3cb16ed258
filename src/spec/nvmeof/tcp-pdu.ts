/**
 * The PDUs of NVMe/TCP: one table for each header, their flags, the codes of a termination.
 *
 * Offsets count from the start of the PDU. Follows NVM Express NVMe over TCP Transport 1.1, section 3.6; the PDUs of key
 * discovery (0Ah, 0Bh) are left out, as nobody here speaks them.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun } from '../nvme/index.ts';

/** PDU-Type. 3.6.2. */
export const PDU_TYPE = {
  /** Initialize Connection Request, host to controller. */
  IC_REQ: 0x00,
  IC_RESP: 0x01,
  /** Host to Controller Terminate Connection Request. */
  H2C_TERM_REQ: 0x02,
  C2H_TERM_REQ: 0x03,
  CAPSULE_CMD: 0x04,
  CAPSULE_RESP: 0x05,
  H2C_DATA: 0x06,
  C2H_DATA: 0x07,
  /** Ready to Transfer, controller to host. */
  R2T: 0x09,
} as const;

/** The common header. 3.6.1. */
export const PDU_COMMON_BYTES = 8;
export const PDU_KIND = plain('PDU-Type', 0x00, 8);
export const PDU_FLAGS = register('FLAGS', 0x01, 8, {
  /** A header digest follows the header. */
  HDGSTF: bit(0),
  /** A data digest follows the data. */
  DDGSTF: bit(1),
  /** H2CData and C2HData: the last of a transfer. */
  LAST_PDU: bit(2),
  /** C2HData: the command has succeeded with a result of zero, and no response capsule follows. */
  SUCCESS: bit(3),
});
/** FLAGS as they are put together. */
export const PDU_FLAG = { HDGST: 0x01, DDGST: 0x02, LAST: 0x04, SUCCESS: 0x08 } as const;
/** Header Length, bytes, without the digest. */
export const PDU_HLEN = plain('HLEN', 0x02, 8);
/** PDU Data Offset, bytes from the start of the PDU; 0 where there is no data. */
export const PDU_PDO = plain('PDO', 0x03, 8);
/** PDU Length, bytes: header, digests, padding and data. */
export const PDU_PLEN = plain('PLEN', 0x04, 32);

export const DIGEST_BYTES = 4;

/** Length of the header by type, 0 for what is no type. 3.6.2. */
export function pduHeaderBytes(type: number): number {
  switch (type) {
    case PDU_TYPE.IC_REQ:
    case PDU_TYPE.IC_RESP:
      return 128;
    case PDU_TYPE.CAPSULE_CMD:
      return 72;
    case PDU_TYPE.H2C_TERM_REQ:
    case PDU_TYPE.C2H_TERM_REQ:
    case PDU_TYPE.CAPSULE_RESP:
    case PDU_TYPE.H2C_DATA:
    case PDU_TYPE.C2H_DATA:
    case PDU_TYPE.R2T:
      return 24;
    default:
      return 0;
  }
}

/** PDU Format Version of ICReq and ICResp: the only one. */
export const IC_PFV = plain('PFV', 0x08, 16);
/** ICReq: Host PDU Data Alignment. ICResp: Controller PDU Data Alignment. 0's based dwords; see `pduAlignmentBytes`. */
export const IC_PDA = register('PDA', 0x0a, 8, { PDA: bits(4, 0) });
export const IC_DGST = register('DGST', 0x0b, 8, { HDGST_ENABLE: bit(0), DDGST_ENABLE: bit(1) });
/** ICReq: R2Ts that one command may have outstanding, 0's based; see `r2tCountMax`. */
export const IC_REQ_MAXR2T = plain('MAXR2T', 0x0c, 32);
/** ICResp: the most data of one H2CData PDU, bytes; at least 4,096 and a multiple of 4. */
export const IC_RESP_MAXH2CDATA = plain('MAXH2CDATA', 0x0c, 32);
export const MAXH2CDATA_MIN = 4096;
/** The largest value of HPDA and CPDA. */
export const PDA_MAX = 31;

/** Bytes that data of a PDU are aligned to, from HPDA or CPDA. */
export function pduAlignmentBytes(pda: number): number {
  return (pda + 1) * 4;
}

/** R2Ts outstanding for one command, from MAXR2T. */
export function r2tCountMax(maxr2t: number): number {
  return maxr2t + 1;
}

/** Fatal Error Status of a termination, and the bytes that explain it. 3.6.2.3, 3.6.2.4. */
export const TERM_FES = plain('FES', 0x08, 16);
/** Fatal Error Information: a byte offset for FES 1 and 6, the digest as received for FES 3. */
export const TERM_FEI = plain('FEI', 0x0a, 32);
/** Of the header of the PDU in error, which follows a termination, at most. */
export const TERM_HEADER_BYTES_MAX = 128;
export const FATAL_ERROR = {
  INVALID_HEADER_FIELD: 0x01,
  PDU_SEQUENCE: 0x02,
  HEADER_DIGEST: 0x03,
  DATA_OUT_OF_RANGE: 0x04,
  /** From the controller: more data than MAXH2CDATA. */
  DATA_LIMIT_EXCEEDED: 0x05,
  /** From the host: more R2Ts than MAXR2T. The same number, the other way. */
  R2T_LIMIT_EXCEEDED: 0x05,
  UNSUPPORTED_PARAMETER: 0x06,
} as const;

/** Where the submission queue entry of a command capsule and the completion of a response capsule stand. */
export const CAPSULE_ENTRY_OFFSET = 8;

/** H2CData, C2HData and R2T: the command. 3.6.2.7 to 3.6.2.9. */
export const DATA_CCCID = plain('CCCID', 0x08, 16);
/** H2CData and R2T: Transfer Tag, the controller's name for an R2T. */
export const DATA_TTAG = plain('TTAG', 0x0a, 16);
/** DATAO, R2TO: bytes from the start of the command's data. */
export const DATA_OFFSET = plain('DATAO', 0x0c, 32);
/** DATAL, R2TL: bytes. */
export const DATA_LENGTH = plain('DATAL', 0x10, 32);

const SOURCE = 'NVMe over TCP Transport 1.1, 3.6.2';
const COMMON = [PDU_KIND, PDU_FLAGS, PDU_HLEN, PDU_PDO, PDU_PLEN];

/** The headers as structures, which check themselves when they are loaded. */
export const PDU_STRUCTURES = [
  structure('ICReq', SOURCE, 128, [...COMMON, IC_PFV, IC_PDA, IC_DGST, IC_REQ_MAXR2T, reserved(16, 112)]),
  structure('ICResp', SOURCE, 128, [
    ...COMMON,
    IC_PFV,
    IC_PDA,
    IC_DGST,
    IC_RESP_MAXH2CDATA,
    reserved(16, 112),
  ]),
  structure('TermReq', SOURCE, 24, [...COMMON, TERM_FES, TERM_FEI, reserved(14, 10)]),
  structure('CapsuleCmd', SOURCE, 72, [...COMMON, byteRun('CCSQE', CAPSULE_ENTRY_OFFSET, 64)]),
  structure('CapsuleResp', SOURCE, 24, [...COMMON, byteRun('RCCQE', CAPSULE_ENTRY_OFFSET, 16)]),
  structure('H2CData', SOURCE, 24, [
    ...COMMON,
    DATA_CCCID,
    DATA_TTAG,
    DATA_OFFSET,
    DATA_LENGTH,
    reserved(20, 4),
  ]),
  structure('C2HData', SOURCE, 24, [
    ...COMMON,
    DATA_CCCID,
    reserved(10, 2),
    DATA_OFFSET,
    DATA_LENGTH,
    reserved(20, 4),
  ]),
  structure('R2T', SOURCE, 24, [...COMMON, DATA_CCCID, DATA_TTAG, DATA_OFFSET, DATA_LENGTH, reserved(20, 4)]),
] as const;

/** NVMe/TCP of I/O controllers, and of discovery. */
export const NVME_TCP_PORT = 4420;
export const NVME_TCP_DISCOVERY_PORT = 8009;
