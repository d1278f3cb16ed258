/**
 * I/O commands: what is common to all is checked here, then each goes its way through data and backend.
 *
 * The order of the checks is the kernel's (Linux 7.1.5 drivers/nvme/target/core.c, nvmet_parse_io_cmd): namespace, ANA state,
 * write protection, reservation, then the command's own fields.
 */
import { DONE, type Status } from '../../../access/index.ts';
import { ANA_STATE, NVM_OPCODE, NVME_STATUS } from '../../../spec/nvme/index.ts';
import { BACKEND_OPERATION } from '../backend.ts';
import type { Controller } from '../controller.ts';
import { type Outcome, outcomeOfBackend, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { accessOf, isWritingCommand } from './command-list.ts';
import { compareData, comparePart, executeCompare } from './compare.ts';
import { continueCopy, copyPart, executeCopy } from './copy.ts';
import { continueDeallocate, deallocatePart, executeDeallocate } from './dataset-management.ts';
import { runParts } from './parts.ts';
import {
  executeRead,
  executeVerify,
  executeWrite,
  executeWriteZeroes,
  readThere,
  writePart,
  writeThere,
} from './read-write.ts';
import { continueReservation, executeReport, executeReservation } from './reservation-commands.ts';

/** An I/O command on a queue that is connected, proven and ready. */
export function executeIo(queue: TargetQueue, request: TargetRequest): Outcome {
  const controller = queue.controller!;
  const refused = enter(controller, request);
  if (refused !== SUCCESS) {
    return refused;
  }
  switch (request.opcode) {
    case NVM_OPCODE.READ:
      return executeRead(queue, request);
    case NVM_OPCODE.WRITE:
      return executeWrite(queue, request);
    case NVM_OPCODE.FLUSH:
      request.operation = BACKEND_OPERATION.FLUSH;
      request.lengthBytes = 1;
      return runParts(request, 1);
    case NVM_OPCODE.COMPARE:
      return executeCompare(queue, request);
    case NVM_OPCODE.WRITE_ZEROES:
      return executeWriteZeroes(queue, request);
    case NVM_OPCODE.VERIFY:
      return executeVerify(queue, request);
    case NVM_OPCODE.DATASET_MANAGEMENT:
      return executeDeallocate(queue, request);
    case NVM_OPCODE.COPY:
      return executeCopy(queue, request);
    case NVM_OPCODE.RESERVATION_REPORT:
      return executeReport(queue, request);
    case NVM_OPCODE.RESERVATION_REGISTER:
    case NVM_OPCODE.RESERVATION_ACQUIRE:
    case NVM_OPCODE.RESERVATION_RELEASE:
      return executeReservation(queue, request);
    default:
      return refuse(NVME_STATUS.INVALID_OPCODE);
  }
}

/** An I/O command whose data, or the memory for them, have come. */
export function continueIo(queue: TargetQueue, request: TargetRequest): Outcome {
  switch (request.opcode) {
    case NVM_OPCODE.READ:
      return readThere(queue, request);
    case NVM_OPCODE.WRITE:
      return writeThere(request);
    case NVM_OPCODE.COMPARE:
      return compareData(queue, request);
    case NVM_OPCODE.VERIFY:
    case NVM_OPCODE.WRITE_ZEROES:
      return runParts(request, request.partBytes);
    case NVM_OPCODE.DATASET_MANAGEMENT:
      return continueDeallocate(queue, request);
    case NVM_OPCODE.COPY:
      return continueCopy(queue, request);
    default:
      return continueReservation(queue, request);
  }
}

/** The backend has ended one part of a command. */
export function partEnded(queue: TargetQueue, request: TargetRequest, status: Status): Outcome {
  if (status !== DONE) {
    return outcomeOfBackend(status, request.operation !== BACKEND_OPERATION.READ);
  }
  request.doneBytes += request.partBytes;
  switch (request.opcode) {
    case NVM_OPCODE.READ:
      return readThere(queue, request);
    case NVM_OPCODE.WRITE:
      return writePart(request);
    case NVM_OPCODE.COMPARE:
      return comparePart(request);
    case NVM_OPCODE.DATASET_MANAGEMENT:
      return deallocatePart(request);
    case NVM_OPCODE.COPY:
      return copyPart(queue, request);
    case NVM_OPCODE.FLUSH:
      return SUCCESS;
    default:
      return runParts(request, request.partBytes);
  }
}

/** The namespace is there, reached by this path, writable if need be, and no other host has reserved it. */
function enter(controller: Controller, request: TargetRequest): Outcome {
  const namespace = controller.namespace(request.nsid);
  if (namespace === undefined || !namespace.isServing) {
    return refuse(NVME_STATUS.INVALID_NAMESPACE);
  }
  switch (controller.port.anaState(namespace.anaGroupId)) {
    case ANA_STATE.OPTIMIZED:
    case ANA_STATE.NON_OPTIMIZED:
      break;
    case ANA_STATE.INACCESSIBLE:
      return NVME_STATUS.ANA_INACCESSIBLE;
    case ANA_STATE.PERSISTENT_LOSS:
      return NVME_STATUS.ANA_PERSISTENT_LOSS;
    default:
      return NVME_STATUS.ANA_TRANSITION;
  }
  if (isWritingCommand(request.opcode) && !namespace.isWritable) {
    return refuse(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
  }
  const { reservations } = namespace;
  if (reservations !== null && !reservations.allows(controller.hostId, accessOf(request.opcode))) {
    return refuse(NVME_STATUS.RESERVATION_CONFLICT);
  }
  namespace.enter(request);
  return SUCCESS;
}
