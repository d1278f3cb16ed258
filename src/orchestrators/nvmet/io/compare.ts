/** Compare: the host's data against the blocks, in memory. NVM Command Set 1.1, 3.3.1. */
import { DATA_DIRECTION, NVME_STATUS } from '../../../spec/nvme/index.ts';
import { BACKEND_OPERATION } from '../backend.ts';
import { type Outcome, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { runAlongSpan } from './parts.ts';
import { takeDataRange } from './read-write.ts';

export function executeCompare(queue: TargetQueue, request: TargetRequest): Outcome {
  const lengthBytes = takeDataRange(queue, request);
  if (lengthBytes === 0) {
    return request.outcome;
  }
  request.operation = BACKEND_OPERATION.READ;
  return queue.receive(request, lengthBytes, request.namespace!.backend.memory);
}

/** The host's data are there: they are put aside, and the blocks are read into the same memory. */
export function compareData(queue: TargetQueue, request: TargetRequest): Outcome {
  const { lengthBytes } = request;
  if (request.kept === null) {
    request.kept = new Uint8Array(lengthBytes);
    request.span!.copyOut(request.spanOffsetBytes, request.kept);
    request.direction = DATA_DIRECTION.NONE;
    if (request.memory === null) {
      // The span is the transport's, and may not be one that the backend reaches.
      request.span = null;
      request.spanOffsetBytes = 0;
      return queue.withMemory(request, lengthBytes, request.namespace!.backend.memory);
    }
  }
  return comparePart(request);
}

export function comparePart(request: TargetRequest): Outcome {
  const outcome = runAlongSpan(request);
  if (outcome !== SUCCESS) {
    return outcome;
  }
  const stored = new Uint8Array(request.lengthBytes);
  request.span!.copyOut(request.spanOffsetBytes, stored);
  request.namespace!.counters.otherCommands++;
  const kept = request.kept!;
  for (let i = 0; i < stored.length; i++) {
    if (stored[i] !== kept[i]) {
      return refuse(NVME_STATUS.COMPARE_FAILURE);
    }
  }
  return SUCCESS;
}
