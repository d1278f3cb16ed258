/** Read, Write, Write Zeroes and Verify. NVM Command Set 1.1, 3.3.4 to 3.3.8. */
import { blockCount, IO_CDW12, NVME_STATUS, SLBA, WRITE_ZEROES_CDW12 } from '../../../spec/nvme/index.ts';
import { BACKEND_OPERATION } from '../backend.ts';
import type { TargetNamespace } from '../namespace.ts';
import { type Outcome, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { SCRATCH_BYTES } from './limits.ts';
import { checkRange, runAlongSpan, runParts } from './parts.ts';

/** Steps of Write. */
const STEP_DATA = 0;
const STEP_FLUSH = 1;

/** Sets offset and length from SLBA and NLB. @returns the length in bytes, or 0 with a refusal in `request.outcome` */
function takeRange(request: TargetRequest, namespace: TargetNamespace): number {
  const cdw12 = request.dword(12);
  const firstBlock = SLBA.value(request.sqeView);
  const blocks = blockCount(cdw12);
  request.outcome = checkRange(namespace, firstBlock, blocks);
  // There is no protection information to check.
  if (request.outcome === SUCCESS && IO_CDW12.PRINFO.of(cdw12) !== 0) {
    request.outcome = refuse(NVME_STATUS.INVALID_FIELD);
  }
  if (request.outcome !== SUCCESS) {
    return 0;
  }
  request.offsetBytes = firstBlock * namespace.blockBytes;
  request.isForcedUnitAccess = IO_CDW12.FUA.of(cdw12) === 1;
  return blocks * namespace.blockBytes;
}

/** As `takeRange`, for commands that carry their data. */
export function takeDataRange(queue: TargetQueue, request: TargetRequest): number {
  const lengthBytes = takeRange(request, request.namespace!);
  if (lengthBytes > queue.maxTransferBytes) {
    request.outcome = refuse(NVME_STATUS.INVALID_FIELD);
    return 0;
  }
  return lengthBytes;
}

export function executeRead(queue: TargetQueue, request: TargetRequest): Outcome {
  const lengthBytes = takeDataRange(queue, request);
  if (lengthBytes === 0) {
    return request.outcome;
  }
  const refused = queue.checkSend(request, lengthBytes);
  if (refused !== SUCCESS) {
    return refused;
  }
  request.operation = BACKEND_OPERATION.READ;
  request.lengthBytes = lengthBytes;
  return queue.withMemory(request, lengthBytes, request.namespace!.backend.memory);
}

export function readThere(queue: TargetQueue, request: TargetRequest): Outcome {
  const outcome = runAlongSpan(request);
  if (outcome !== SUCCESS) {
    return outcome;
  }
  const { counters } = request.namespace!;
  counters.readCommands++;
  counters.readBytes += request.lengthBytes;
  return queue.send(request);
}

export function executeWrite(queue: TargetQueue, request: TargetRequest): Outcome {
  const lengthBytes = takeDataRange(queue, request);
  if (lengthBytes === 0) {
    return request.outcome;
  }
  request.operation = BACKEND_OPERATION.WRITE;
  return queue.receive(request, lengthBytes, request.namespace!.backend.memory);
}

/** The host's data are there. */
export function writeThere(request: TargetRequest): Outcome {
  const outcome = runAlongSpan(request);
  return outcome === SUCCESS ? written(request) : outcome;
}

/** A part of a write, or its flush, has ended. */
export function writePart(request: TargetRequest): Outcome {
  if (request.step === STEP_FLUSH) {
    return SUCCESS;
  }
  return writeThere(request);
}

function written(request: TargetRequest): Outcome {
  const { counters } = request.namespace!;
  counters.writeCommands++;
  counters.writeBytes += request.lengthBytes;
  if (!request.isForcedUnitAccess || request.step !== STEP_DATA) {
    return SUCCESS;
  }
  // A backend knows no write-through: what was written is made durable before the host hears of it.
  request.step = STEP_FLUSH;
  request.operation = BACKEND_OPERATION.FLUSH;
  request.doneBytes = 0;
  request.lengthBytes = 1;
  return runParts(request, 1);
}

export function executeWriteZeroes(_queue: TargetQueue, request: TargetRequest): Outcome {
  const namespace = request.namespace!;
  const lengthBytes = takeRange(request, namespace);
  if (lengthBytes === 0) {
    return request.outcome;
  }
  request.lengthBytes = lengthBytes;
  const { backend, queue } = namespace;
  namespace.counters.otherCommands++;
  const mayDeallocate = WRITE_ZEROES_CDW12.DEAC.read(request.sqeView) === 1;
  if (mayDeallocate && backend.deallocatedReadsZero && queue.canDeallocate) {
    request.operation = BACKEND_OPERATION.DEALLOCATE;
    return runParts(request, lengthBytes);
  }
  const partBytes = Math.min(SCRATCH_BYTES, backend.target.maxTransferBytes);
  const zeroes = namespace.zeroes(partBytes);
  if (zeroes === null) {
    return NVME_STATUS.INTERNAL_ERROR;
  }
  request.operation = BACKEND_OPERATION.WRITE;
  request.span = zeroes;
  request.partBytes = partBytes;
  return runParts(request, partBytes);
}

/** Reads the blocks and keeps nothing. */
export function executeVerify(queue: TargetQueue, request: TargetRequest): Outcome {
  const namespace = request.namespace!;
  const lengthBytes = takeRange(request, namespace);
  if (lengthBytes === 0) {
    return request.outcome;
  }
  const { backend, counters } = namespace;
  counters.otherCommands++;
  request.operation = BACKEND_OPERATION.READ;
  request.lengthBytes = lengthBytes;
  request.partBytes = Math.min(SCRATCH_BYTES, backend.target.maxTransferBytes);
  return queue.withMemory(request, request.partBytes, backend.memory);
}
