/** Numbers of the verbs: names and values as in libibverbs (rdma-core, infiniband/verbs.h) without the prefix `IBV_`. */

export const QP_TYPE = { RC: 2, UD: 4 } as const;
export type QpTypeName = keyof typeof QP_TYPE;

export const QP_STATE = { RESET: 0, INIT: 1, RTR: 2, RTS: 3, SQD: 4, SQE: 5, ERR: 6 } as const;
export type QpStateName = keyof typeof QP_STATE;

/** What a region or a queue pair lets others do. */
export const ACCESS = {
  LOCAL_WRITE: 1,
  REMOTE_WRITE: 2,
  REMOTE_READ: 4,
  REMOTE_ATOMIC: 8,
  MW_BIND: 0x10,
} as const;

/** Operations of a send queue. */
export const SEND_OPCODE = {
  RDMA_WRITE: 0,
  RDMA_WRITE_WITH_IMM: 1,
  SEND: 2,
  SEND_WITH_IMM: 3,
  RDMA_READ: 4,
  ATOMIC_CMP_AND_SWP: 5,
  ATOMIC_FETCH_AND_ADD: 6,
  LOCAL_INV: 7,
  BIND_MW: 8,
  SEND_WITH_INV: 9,
} as const;
export type SendOpcodeName = keyof typeof SEND_OPCODE;

export const SEND_FLAG = { FENCE: 1, SIGNALED: 2, SOLICITED: 4, INLINE: 8 } as const;

/** What became of a work request. */
export const WC_STATUS = {
  SUCCESS: 0,
  LOC_LEN_ERR: 1,
  LOC_QP_OP_ERR: 2,
  LOC_PROT_ERR: 4,
  WR_FLUSH_ERR: 5,
  MW_BIND_ERR: 6,
  BAD_RESP_ERR: 7,
  REM_INV_REQ_ERR: 9,
  REM_ACCESS_ERR: 10,
  REM_OP_ERR: 11,
  RETRY_EXC_ERR: 12,
  RNR_RETRY_EXC_ERR: 13,
} as const;
export type WcStatusName = keyof typeof WC_STATUS;

/** Which operation a completion is of. */
export const WC_OPCODE = {
  SEND: 0,
  RDMA_WRITE: 1,
  RDMA_READ: 2,
  COMP_SWAP: 3,
  FETCH_ADD: 4,
  BIND_MW: 5,
  LOCAL_INV: 6,
  RECV: 128,
  RECV_RDMA_WITH_IMM: 129,
} as const;
export type WcOpcodeName = keyof typeof WC_OPCODE;

export const WC_FLAG = { GRH: 1, WITH_IMM: 2, WITH_INV: 8 } as const;

/** Attributes of a queue pair that a change names; bits of `modifyQp`. */
export const QP_ATTR = {
  STATE: 1,
  ACCESS_FLAGS: 8,
  PKEY_INDEX: 0x10,
  PORT: 0x20,
  QKEY: 0x40,
  AV: 0x80,
  PATH_MTU: 0x100,
  TIMEOUT: 0x200,
  RETRY_CNT: 0x400,
  RNR_RETRY: 0x800,
  RQ_PSN: 0x1000,
  MAX_QP_RD_ATOMIC: 0x2000,
  MIN_RNR_TIMER: 0x8000,
  SQ_PSN: 0x1_0000,
  MAX_DEST_RD_ATOMIC: 0x2_0000,
  DEST_QPN: 0x10_0000,
} as const;

interface Transition {
  readonly from: readonly number[];
  readonly to: number;
  /** Attributes that it needs, by kind of queue pair. */
  readonly rc: number;
  readonly ud: number;
}

const { RESET, INIT, RTR, RTS, SQD, SQE } = QP_STATE;
const A = QP_ATTR;

/** Changes of state and what each needs: IBA volume 1, 11.2.5.2, tables 91 and following. To RESET and ERR one comes always. */
const TRANSITIONS: readonly Transition[] = [
  {
    from: [RESET],
    to: INIT,
    rc: A.PKEY_INDEX | A.PORT | A.ACCESS_FLAGS,
    ud: A.PKEY_INDEX | A.PORT | A.QKEY,
  },
  { from: [INIT], to: INIT, rc: 0, ud: 0 },
  {
    from: [INIT],
    to: RTR,
    rc: A.AV | A.PATH_MTU | A.DEST_QPN | A.RQ_PSN | A.MAX_DEST_RD_ATOMIC | A.MIN_RNR_TIMER,
    ud: 0,
  },
  {
    from: [RTR],
    to: RTS,
    rc: A.SQ_PSN | A.TIMEOUT | A.RETRY_CNT | A.RNR_RETRY | A.MAX_QP_RD_ATOMIC,
    ud: A.SQ_PSN,
  },
  { from: [RTS, SQD, SQE], to: RTS, rc: 0, ud: 0 },
  { from: [RTS, SQD], to: SQD, rc: 0, ud: 0 },
];

/** Attributes that a change of state needs; undefined when there is no such change. */
export function attributesFor(type: number, from: number, to: number): number | undefined {
  if (to === QP_STATE.RESET || to === QP_STATE.ERR) {
    return 0;
  }
  const found = TRANSITIONS.find((one) => one.to === to && one.from.includes(from));
  if (found === undefined || (from === SQE && type !== QP_TYPE.UD)) {
    return undefined;
  }
  return type === QP_TYPE.RC ? found.rc : found.ud;
}
