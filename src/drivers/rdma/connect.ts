/**
 * A connected queue pair from RESET to ready, with what the other end has told of itself. It is told out of band: whoever sets both ends up
 * carries it from one to the other. There is no connection manager here.
 */
import type { Task } from '../../access/index.ts';
import type { RdmaContext } from './context.ts';
import type { QueuePair } from './queue-pair.ts';
import type { AccessFlags, PortAddress, QpAttr } from './types.ts';

export interface RemoteEnd extends PortAddress {
  readonly qpNum: number;
  /** Number of the first packet that it sends. */
  readonly psn: number;
}

export interface ConnectOptions {
  /** Number of the first packet that is sent from here. */
  readonly psn: number;
  readonly access: AccessFlags;
  readonly pathMtu?: QpAttr['pathMtu'];
  readonly timeout?: number;
  readonly retryCnt?: number;
  readonly rnrRetry?: number;
  readonly minRnrTimer?: number;
  readonly maxRdAtomic?: number;
  readonly maxDestRdAtomic?: number;
}

/** RESET to INIT to RTR to RTS. @throws {RdmaError} those of commands */
export function* connectQp(
  context: RdmaContext,
  qp: QueuePair,
  remote: RemoteEnd,
  options: ConnectOptions,
): Task<void> {
  const most = context.attributes.maxQpRdAtom;
  yield* context.modifyQp(qp, { qpState: 'INIT', pkeyIndex: 0, portNum: 1, qpAccessFlags: options.access });
  yield* context.modifyQp(qp, {
    qpState: 'RTR',
    ah: remote,
    destQpNum: remote.qpNum,
    rqPsn: remote.psn,
    pathMtu: options.pathMtu ?? 4096,
    maxDestRdAtomic: options.maxDestRdAtomic ?? most,
    minRnrTimer: options.minRnrTimer ?? 1,
  });
  yield* context.modifyQp(qp, {
    qpState: 'RTS',
    sqPsn: options.psn,
    timeout: options.timeout ?? 14,
    retryCnt: options.retryCnt ?? 7,
    rnrRetry: options.rnrRetry ?? 7,
    maxRdAtomic: options.maxRdAtomic ?? most,
  });
}

/** A datagram queue pair from RESET to ready. */
export function* activateUd(context: RdmaContext, qp: QueuePair, qkey: number, psn = 0): Task<void> {
  yield* context.modifyQp(qp, { qpState: 'INIT', pkeyIndex: 0, portNum: 1, qkey });
  yield* context.modifyQp(qp, { qpState: 'RTR' });
  yield* context.modifyQp(qp, { qpState: 'RTS', sqPsn: psn });
}
