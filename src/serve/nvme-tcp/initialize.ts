/**
 * ICReq and ICResp: what both ends say before the first capsule, and what is agreed by it.
 *
 * Follows NVMe over TCP Transport 1.1, sections 3.3 and 3.6.2.1, 3.6.2.2.
 */
import {
  FATAL_ERROR,
  IC_DGST,
  IC_PDA,
  IC_PFV,
  IC_REQ_MAXR2T,
  IC_RESP_MAXH2CDATA,
  MAXH2CDATA_MIN,
  PDA_MAX,
  PDU_TYPE,
  pduAlignmentBytes,
  pduHeaderBytes,
  r2tCountMax,
} from '../../spec/nvmeof/index.ts';
import { VIOLATION_NONE } from './pdu-check.ts';
import { fillCommon } from './pdu-writer.ts';

/** What a host wants, or a controller grants. */
export class Initialization {
  hasHeaderDigest = false;
  hasDataDigest = false;
  /** Of the data that the one who says it wants to receive. */
  alignmentBytes = 4;
  /** ICReq: R2Ts that a command may have open. */
  r2tsMax = 1;
  /** ICResp: data of one H2CData PDU, bytes. */
  h2cDataBytesMax = MAXH2CDATA_MIN;
  /** When it cannot be: for the termination. */
  fatalError: number = VIOLATION_NONE;
  information = 0;

  /** @returns false: see `fatalError` */
  read(view: DataView, at: number, isRequest: boolean): boolean {
    if (IC_PFV.value(view, at) !== 0) {
      return this.#wrong(IC_PFV.offset);
    }
    // The whole byte: what is beyond 31 is no alignment.
    const pda = view.getUint8(at + IC_PDA.offset);
    if (pda > PDA_MAX) {
      return this.#wrong(IC_PDA.offset, FATAL_ERROR.INVALID_HEADER_FIELD);
    }
    this.alignmentBytes = pduAlignmentBytes(pda);
    this.hasHeaderDigest = IC_DGST.HDGST_ENABLE.read(view, at) === 1;
    this.hasDataDigest = IC_DGST.DDGST_ENABLE.read(view, at) === 1;
    if (isRequest) {
      this.r2tsMax = r2tCountMax(IC_REQ_MAXR2T.value(view, at));
      return true;
    }
    this.h2cDataBytesMax = IC_RESP_MAXH2CDATA.value(view, at);
    const isFine = this.h2cDataBytesMax >= MAXH2CDATA_MIN && this.h2cDataBytesMax % 4 === 0;
    return isFine || this.#wrong(IC_RESP_MAXH2CDATA.offset, FATAL_ERROR.INVALID_HEADER_FIELD);
  }

  #wrong(offset: number, fatalError: number = FATAL_ERROR.UNSUPPORTED_PARAMETER): boolean {
    this.fatalError = fatalError;
    this.information = offset;
    return false;
  }
}

export interface InitializationFields {
  /** HPDA or CPDA. */
  readonly pda: number;
  readonly hasHeaderDigest: boolean;
  readonly hasDataDigest: boolean;
  /** ICReq: MAXR2T, 0's based. ICResp: MAXH2CDATA, bytes. */
  readonly limit: number;
}

/** An ICReq or ICResp. */
export function initializationPdu(isRequest: boolean, fields: InitializationFields): Uint8Array {
  const type = isRequest ? PDU_TYPE.IC_REQ : PDU_TYPE.IC_RESP;
  const lengthBytes = pduHeaderBytes(type);
  const pdu = new Uint8Array(lengthBytes);
  const view = new DataView(pdu.buffer);
  fillCommon(view, type, lengthBytes, 0, lengthBytes);
  IC_PDA.PDA.write(view, fields.pda);
  IC_DGST.HDGST_ENABLE.write(view, fields.hasHeaderDigest ? 1 : 0);
  IC_DGST.DDGST_ENABLE.write(view, fields.hasDataDigest ? 1 : 0);
  (isRequest ? IC_REQ_MAXR2T : IC_RESP_MAXH2CDATA).setValue(view, fields.limit);
  return pdu;
}
