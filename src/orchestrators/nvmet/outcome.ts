/**
 * How a command ends, as one number: a packed NVMe status with the flags of the status word; or LATER.
 *
 * Statuses that a retry on the same path cannot change carry NO_RETRY; the path-related ones never do, as hosts fail over on them.
 */
import { DONE, STATUS, type Status } from '../../access/index.ts';
import { NVME_STATUS, STATUS_WORD_DNR, STATUS_WORD_MORE } from '../../spec/nvme/index.ts';

/** A packed status, STATUS_WORD_DNR and STATUS_WORD_MORE or'ed to it; or LATER. */
export type Outcome = number;

export const SUCCESS: Outcome = NVME_STATUS.SUCCESS;
/** The command goes on; whoever carries it on will complete it. */
export const LATER: Outcome = -1;

export const NO_RETRY = STATUS_WORD_DNR;

/** A status that does not go away by itself. */
export function refuse(packed: number): Outcome {
  return packed | NO_RETRY;
}

/** The packed status without flags. */
export function statusOfOutcome(outcome: Outcome): number {
  return outcome & 0x7ff;
}

/** The flags, as `statusWord` takes them. */
export function flagsOfOutcome(outcome: Outcome): number {
  return outcome & (STATUS_WORD_DNR | STATUS_WORD_MORE);
}

/** What a host is told of a failed request to a backend. */
export function outcomeOfBackend(status: Status, isWrite: boolean): Outcome {
  switch (status) {
    case DONE:
      return SUCCESS;
    case STATUS.GONE:
      return NVME_STATUS.INTERNAL_PATH_ERROR;
    case STATUS.INVALID:
      return refuse(NVME_STATUS.LBA_OUT_OF_RANGE);
    case STATUS.FULL:
      return refuse(NVME_STATUS.CAPACITY_EXCEEDED);
    case STATUS.ABORTED:
      return NVME_STATUS.ABORT_REQUESTED;
    case STATUS.UNREACHABLE:
      return NVME_STATUS.INTERNAL_ERROR;
    default:
      return isWrite ? NVME_STATUS.WRITE_FAULT : NVME_STATUS.UNRECOVERED_READ_ERROR;
  }
}
