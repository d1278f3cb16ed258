/**
 * Create and Delete of I/O queues, Abort, Doorbell Buffer Config. Follows NVM Express Base 2.1, sections 5.1.1 and 5.2.
 *
 * Queues in the CMB need CMBSZ.SQS or CQS; one that lies there in part is an invalid use of it.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { DONE, type Status } from '../../../fabric/index.ts';
import {
  ABORT_CDW10,
  ABORT_RESULT,
  CMBLOC,
  CMBSZ,
  CQE_BYTES,
  CREATE_CQ_CDW11,
  CREATE_QUEUE_CDW10,
  CREATE_SQ_CDW11,
  DELETE_QUEUE_CDW10,
  NVME_STATUS,
  PRP1,
  PRP2,
  queueSizeEntries,
  SQE_BYTES,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import { QUEUE_CLASS, type QueuePlace } from '../queues/submission-queue.ts';
import type { AdminHost } from './admin-host.ts';

export function createCompletionQueue(host: AdminHost, command: Command): Status {
  const cdw10 = command.dword(10);
  const cdw11 = command.dword(11);
  const id = CREATE_QUEUE_CDW10.QID.of(cdw10);
  const vector = CREATE_CQ_CDW11.IV.of(cdw11);
  if (id === 0 || id > host.features.completionsMax || host.engine.completions[id] !== null) {
    command.failField(NVME_STATUS.INVALID_QUEUE_ID, 10, 0);
    return DONE;
  }
  const entries = entriesOf(host, command);
  if (entries === 0 || !isContiguous(command, CREATE_CQ_CDW11.PC.of(cdw11))) {
    return DONE;
  }
  if (vector >= host.interrupts.vectorCount) {
    command.failField(NVME_STATUS.INVALID_INTERRUPT_VECTOR, 11, 16);
    return DONE;
  }
  const place = placeOf(host, command, entries * CQE_BYTES, CMBSZ.CQS.read(host.properties) === 1);
  if (place !== null) {
    host.engine.addCompletion(id, entries, place, vector, CREATE_CQ_CDW11.IEN.of(cdw11) === 1);
  }
  return DONE;
}

export function createSubmissionQueue(host: AdminHost, command: Command): Status {
  const cdw10 = command.dword(10);
  const cdw11 = command.dword(11);
  const id = CREATE_QUEUE_CDW10.QID.of(cdw10);
  const completionId = CREATE_SQ_CDW11.CQID.of(cdw11);
  if (completionId === 0 || completionId > host.features.completionsMax) {
    command.failField(NVME_STATUS.INVALID_QUEUE_ID, 11, 16);
    return DONE;
  }
  const completion = host.engine.completions[completionId] ?? null;
  if (completion === null) {
    command.failField(NVME_STATUS.CQ_INVALID, 11, 16);
    return DONE;
  }
  if (id === 0 || id > host.features.submissionsMax || host.engine.submissions[id] !== null) {
    command.failField(NVME_STATUS.INVALID_QUEUE_ID, 10, 0);
    return DONE;
  }
  const entries = entriesOf(host, command);
  if (entries === 0 || !isContiguous(command, CREATE_SQ_CDW11.PC.of(cdw11))) {
    return DONE;
  }
  const place = placeOf(host, command, entries * SQE_BYTES, CMBSZ.SQS.read(host.properties) === 1);
  if (place !== null) {
    // Priorities mean something with weighted arbitration only.
    const queueClass = host.isWeighted
      ? QUEUE_CLASS.URGENT + CREATE_SQ_CDW11.QPRIO.of(cdw11)
      : QUEUE_CLASS.URGENT;
    host.engine.addSubmission(id, entries, place, completion, queueClass);
  }
  return DONE;
}

export function deleteCompletionQueue(host: AdminHost, command: Command): Status {
  const id = DELETE_QUEUE_CDW10.QID.of(command.dword(10));
  const queue = id === 0 ? null : (host.engine.completions[id] ?? null);
  if (queue === null) {
    command.failField(NVME_STATUS.INVALID_QUEUE_ID, 10, 0);
  } else if (queue.submissionCount > 0) {
    command.failField(NVME_STATUS.INVALID_QUEUE_DELETION, 10, 0);
  } else {
    host.engine.removeCompletion(id);
  }
  return DONE;
}

export function deleteSubmissionQueue(host: AdminHost, command: Command): Status {
  const id = DELETE_QUEUE_CDW10.QID.of(command.dword(10));
  const queue = id === 0 ? null : (host.engine.submissions[id] ?? null);
  if (queue === null || queue.deleter >= 0) {
    command.failField(NVME_STATUS.INVALID_QUEUE_ID, 10, 0);
    return DONE;
  }
  return host.engine.removeSubmission(queue, command);
}

/** Abort never fails for what it did not find: it says in dword 0 whether a command was aborted. */
export function abort(host: AdminHost, command: Command): Status {
  const cdw10 = command.dword(10);
  const queueId = ABORT_CDW10.SQID.of(cdw10);
  const cid = ABORT_CDW10.CID.of(cdw10);
  if (host.engine.submissions[queueId] === null || host.engine.submissions[queueId] === undefined) {
    command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
    return DONE;
  }
  const isSelf = queueId === 0 && cid === command.cid;
  const isAborted = !isSelf && ((queueId === 0 && host.events.abort(cid)) || host.engine.abort(queueId, cid));
  command.dw0 = isAborted ? 0 : 1 << ABORT_RESULT.IANP.low;
  return DONE;
}

/** Shadow doorbells for all I/O queues. PRP1 is the page of positions, PRP2 that of EventIdx. */
export function doorbellBufferConfig(host: AdminHost, command: Command): Status {
  const values = qwordAt(command, PRP1.offset);
  const events = qwordAt(command, PRP2.offset);
  const { pageBytes } = host.services;
  if (values % pageBytes !== 0 || events % pageBytes !== 0) {
    command.failField(NVME_STATUS.INVALID_FIELD, values % pageBytes !== 0 ? 6 : 8, 0);
    return DONE;
  }
  host.engine.turnOnShadow(values, events);
  return DONE;
}

/** The queue size as a count; 0 when the command failed. */
function entriesOf(host: AdminHost, command: Command): number {
  const entries = queueSizeEntries(CREATE_QUEUE_CDW10.QSIZE.of(command.dword(10)));
  if (entries < 2 || entries > host.options.queueEntriesMax) {
    command.failField(NVME_STATUS.INVALID_QUEUE_SIZE, 10, 16);
    return 0;
  }
  return entries;
}

function isContiguous(command: Command, pc: number): boolean {
  if (pc === 1) {
    return true;
  }
  command.failField(NVME_STATUS.INVALID_FIELD, 11, 0);
  return false;
}

/** Where a queue lies; null when the command failed. */
function placeOf(
  host: AdminHost,
  command: Command,
  lengthBytes: number,
  mayBeInCmb: boolean,
): QueuePlace | null {
  const address = qwordAt(command, PRP1.offset);
  const own = host.localAddress(address, lengthBytes);
  if (own === 'invalid') {
    command.failField(NVME_STATUS.INVALID_CMB_USE, 6, 0);
    return null;
  }
  if (own !== null) {
    const unit = CMBLOC.CQDA.read(host.properties) === 1 ? 4 : host.services.pageBytes;
    if (own.kind !== 'cmb' || !mayBeInCmb) {
      command.failField(NVME_STATUS.INVALID_CMB_USE, 6, 0);
      return null;
    }
    if (address % unit !== 0) {
      command.failField(NVME_STATUS.INVALID_PRP_OFFSET, 6, 0);
      return null;
    }
    return { address, memory: own.memory, offset: own.offset };
  }
  if (Number.isFinite(address) && address % host.services.pageBytes !== 0) {
    command.failField(NVME_STATUS.INVALID_PRP_OFFSET, 6, 0);
    return null;
  }
  return { address, memory: null, offset: 0 };
}

function qwordAt(command: Command, offset: number): number {
  return addressFromDwords(
    command.view.getUint32(command.base + offset, true),
    command.view.getUint32(command.base + offset + 4, true),
  );
}
