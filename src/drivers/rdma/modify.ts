/** Attributes of a queue pair as parameters of MODIFY_QP. */
import { MODIFY_QP, PATH_MTU, QP_ATTR, QP_STATE, ROCE_SOURCE_PORT_FIRST } from '../../spec/rdma/index.ts';
import { accessBits } from './memory.ts';
import type { QpAttr } from './types.ts';

const HOP_LIMIT = 64;

/** Which attributes are named: QP_ATTR. */
export function attributeMask(a: QpAttr): number {
  const bit = (value: unknown, one: number): number => (value === undefined ? 0 : one);
  return (
    bit(a.qpState, QP_ATTR.STATE) |
    bit(a.qpAccessFlags, QP_ATTR.ACCESS_FLAGS) |
    bit(a.pkeyIndex, QP_ATTR.PKEY_INDEX) |
    bit(a.portNum, QP_ATTR.PORT) |
    bit(a.qkey, QP_ATTR.QKEY) |
    bit(a.ah, QP_ATTR.AV) |
    bit(a.pathMtu, QP_ATTR.PATH_MTU) |
    bit(a.timeout, QP_ATTR.TIMEOUT) |
    bit(a.retryCnt, QP_ATTR.RETRY_CNT) |
    bit(a.rnrRetry, QP_ATTR.RNR_RETRY) |
    bit(a.rqPsn, QP_ATTR.RQ_PSN) |
    bit(a.maxRdAtomic, QP_ATTR.MAX_QP_RD_ATOMIC) |
    bit(a.minRnrTimer, QP_ATTR.MIN_RNR_TIMER) |
    bit(a.sqPsn, QP_ATTR.SQ_PSN) |
    bit(a.maxDestRdAtomic, QP_ATTR.MAX_DEST_RD_ATOMIC) |
    bit(a.destQpNum, QP_ATTR.DEST_QPN)
  );
}

export function writeAttributes(view: DataView, base: number, a: QpAttr, qpn: number): void {
  MODIFY_QP.MASK.setValue(view, attributeMask(a), base);
  MODIFY_QP.STATE.setValue(view, a.qpState === undefined ? 0 : QP_STATE[a.qpState], base);
  MODIFY_QP.DEST_QPN.setValue(view, a.destQpNum ?? 0, base);
  MODIFY_QP.SQ_PSN.setValue(view, a.sqPsn ?? 0, base);
  MODIFY_QP.RQ_PSN.setValue(view, a.rqPsn ?? 0, base);
  MODIFY_QP.QKEY.setValue(view, a.qkey ?? 0, base);
  MODIFY_QP.ACCESS_FLAGS.setValue(view, accessBits(a.qpAccessFlags ?? {}), base);
  const mtu = a.pathMtu === undefined ? 0 : PATH_MTU[a.pathMtu];
  MODIFY_QP.TIMES.setValue(view, bytes(mtu, a.timeout ?? 0, a.retryCnt ?? 0, a.rnrRetry ?? 0), base);
  const hops = a.ah?.hopLimit ?? HOP_LIMIT;
  const reads = [a.maxRdAtomic ?? 0, a.maxDestRdAtomic ?? 0] as const;
  MODIFY_QP.LIMITS.setValue(view, bytes(a.minRnrTimer ?? 0, reads[0], reads[1], hops), base);
  if (a.ah !== undefined) {
    MODIFY_QP.MAC_HIGH.setValue(view, a.ah.mac.high, base);
    MODIFY_QP.MAC_LOW.setValue(view, a.ah.mac.low, base);
    for (let i = 0; i < 4; i++) {
      view.setUint32(base + MODIFY_QP.GID_0.offset + 4 * i, a.ah.gid[i]!, true);
    }
    const port = a.ah.sourcePort ?? ROCE_SOURCE_PORT_FIRST + (qpn % 0x4000);
    MODIFY_QP.FLOW.setValue(view, port + (a.ah.trafficClass ?? 0) * 0x1_0000, base);
  }
}

function bytes(lowest: number, second: number, third: number, highest: number): number {
  return (lowest | (second << 8) | (third << 16) | (highest << 24)) >>> 0;
}
