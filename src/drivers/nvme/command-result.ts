/**
 * What became of a command, as a value; and what statuses mean to those above (`Status` of `access`).
 *
 * Follows NVM Express Base 2.1, section 4.2.3. Which statuses are worth another attempt is the controller's to say (Do Not
 * Retry), except where the request can never fit.
 */
import { STATUS, type Status } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import {
  CQE_STATUS,
  NVME_STATUS,
  STATUS_WORD_DNR,
  STATUS_WORD_MORE,
  statusCode,
  statusCodeType,
  statusMeaning,
  statusName,
  statusOfWord,
} from '../../spec/nvme/index.ts';
import type { Loss } from './queue-pair.ts';

export interface CommandResult {
  /** Packed status code (NVME_STATUS); SUCCESS is 0. ABORTED_BY_HOST when `loss` is not null. */
  readonly status: number;
  readonly doNotRetry: boolean;
  /** The error log has more. */
  readonly hasMore: boolean;
  readonly dw0: number;
  readonly dw1: number;
  /** Why no completion came; null when one did. */
  readonly loss: Loss | null;
}

export function completedResult(statusWord: number, dw0: number, dw1: number): CommandResult {
  return {
    status: statusOfWord(statusWord),
    doNotRetry: (statusWord & STATUS_WORD_DNR) !== 0,
    hasMore: (statusWord & STATUS_WORD_MORE) !== 0,
    dw0,
    dw1,
    loss: null,
  };
}

export function lostResult(loss: Loss): CommandResult {
  return { status: NVME_STATUS.ABORTED_BY_HOST, doNotRetry: false, hasMore: false, dw0: 0, dw1: 0, loss };
}

/** A packed status as `sct/sc` in hexadecimal: `0/80`. */
export function statusCodeText(packed: number): string {
  return `${statusCodeType(packed).toString(16)}/${statusCode(packed).toString(16).padStart(2, '0')}`;
}

/** Name and meaning on one line. */
export function statusText(packed: number): string {
  const meaning = statusMeaning(packed);
  const name = `${statusName(packed)} (${statusCodeText(packed)})`;
  return meaning === null ? name : `${name}: ${meaning}`;
}

/** Units of 100 ms to wait before a retry, by CRD: index 1 to 3. */
export type RetryDelays = readonly [number, number, number, number];

/** CRD of a status word. */
export function retryDelayIndex(statusWord: number): number {
  return CQE_STATUS.CRD.of(statusWord);
}

/** Whether sending the command again may help. */
export function mayRetry(statusWord: number): boolean {
  return (statusWord & STATUS_WORD_DNR) === 0 && !NEVER_RETRIED.has(statusOfWord(statusWord));
}

// Drives forget DNR here, and the answer cannot change.
const NEVER_RETRIED: ReadonlySet<number> = new Set([
  NVME_STATUS.INVALID_OPCODE,
  NVME_STATUS.INVALID_FIELD,
  NVME_STATUS.INVALID_NAMESPACE,
  NVME_STATUS.LBA_OUT_OF_RANGE,
  NVME_STATUS.CAPACITY_EXCEEDED,
  NVME_STATUS.INVALID_CMB_USE,
  NVME_STATUS.COMPARE_FAILURE,
  NVME_STATUS.ACCESS_DENIED,
  NVME_STATUS.WRITE_TO_READ_ONLY,
  NVME_STATUS.NAMESPACE_WRITE_PROTECTED,
  NVME_STATUS.DEALLOCATED_OR_UNWRITTEN,
  NVME_STATUS.GUARD_CHECK_ERROR,
  NVME_STATUS.APPLICATION_TAG_CHECK_ERROR,
  NVME_STATUS.REFERENCE_TAG_CHECK_ERROR,
  NVME_STATUS.STORAGE_TAG_CHECK_ERROR,
]);

/** What a packed status, which is not SUCCESS, is to a caller of a `BlockTarget`. */
export function blockStatus(packed: number): Status {
  switch (packed) {
    case NVME_STATUS.LBA_OUT_OF_RANGE:
    case NVME_STATUS.INVALID_OPCODE:
    case NVME_STATUS.INVALID_FIELD:
    case NVME_STATUS.INVALID_PRP_OFFSET:
    case NVME_STATUS.WRITE_TO_READ_ONLY:
    case NVME_STATUS.NAMESPACE_WRITE_PROTECTED:
      return STATUS.INVALID;
    case NVME_STATUS.CAPACITY_EXCEEDED:
      return STATUS.FULL;
    case NVME_STATUS.INVALID_CMB_USE:
      return STATUS.UNREACHABLE;
    case NVME_STATUS.ABORT_REQUESTED:
    case NVME_STATUS.ABORTED_SQ_DELETION:
    case NVME_STATUS.ABORTED_BY_HOST:
      return STATUS.ABORTED;
    case NVME_STATUS.INVALID_NAMESPACE:
      return STATUS.GONE;
    default:
      return STATUS.IO;
  }
}

/** What a loss is to a caller of a `BlockTarget`. */
export function lossStatus(loss: Loss): Status {
  return loss === 'gone' || loss === 'failed' || loss === 'changed' ? STATUS.GONE : STATUS.ABORTED;
}

/** The errors of losses. */
export function lossError(label: string, what: string, loss: Loss): NvmeError {
  switch (loss) {
    case 'gone':
      return new NvmeError('NVME_GONE', {
        message: `${label} went away during ${what}`,
        hint: 'was the device removed, or its link lost?',
        exitStatus: 3,
      });
    case 'failed':
      return new NvmeError('NVME_FAILED', {
        message: `${label} was given up during ${what}`,
        hint: 'bring the controller up again; its anomalies tell what happened',
        exitStatus: 3,
      });
    case 'changed':
      return new NvmeError('NVME_NAMESPACE', {
        message: `${what} cannot go on: the namespace is not what it was when it was opened`,
        hint: 'open it again',
        exitStatus: 3,
      });
    case 'timeout':
      return new NvmeError('NVME_TIMEOUT', {
        message: `${label} did not answer in time during ${what}`,
        hint: 'its anomalies tell what happened before; a reset or a power cycle may bring it back',
        exitStatus: 3,
      });
    case 'reset':
      return new NvmeError('NVME_RESET', {
        message: `${label} was reset during ${what}`,
        hint: 'try again',
        exitStatus: 3,
      });
    case 'closed':
      return new NvmeError('NVME_CLOSED', {
        message: `${label} was closed during ${what}`,
        hint: 'open it again',
        exitStatus: 3,
      });
  }
}

/** @throws {NvmeError} NVME_COMMAND when the controller refused it, or the error of its loss */
export function checkResult(
  result: CommandResult,
  label: string,
  what: string,
  detail: Readonly<Record<string, unknown>> = {},
): CommandResult {
  if (result.loss !== null) {
    throw lossError(label, what, result.loss);
  }
  if (result.status !== NVME_STATUS.SUCCESS) {
    throw new NvmeError('NVME_COMMAND', {
      message: `${label} refused ${what}: ${statusText(result.status)}`,
      hint: 'the status says why; a newer controller or other parameters may do it',
      detail: { ...detail, status: result.status, doNotRetry: result.doNotRetry },
      exitStatus: 3,
    });
  }
  return result;
}
