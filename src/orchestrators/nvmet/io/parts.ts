/** A range of a namespace, part by part: what the backend takes at once is less than what a command may ask for. */
import { DONE, PENDING } from '../../../access/index.ts';
import { NVME_STATUS } from '../../../spec/nvme/index.ts';
import { BACKEND_OPERATION } from '../backend.ts';
import type { TargetNamespace } from '../namespace.ts';
import { LATER, type Outcome, outcomeOfBackend, refuse, SUCCESS } from '../outcome.ts';
import type { TargetRequest } from '../request.ts';

/** `blocks` at `firstBlock` lie in the namespace. Both may be anything a command can hold. */
export function checkRange(namespace: TargetNamespace, firstBlock: number, blocks: number): Outcome {
  return firstBlock + blocks > namespace.blockCount ? refuse(NVME_STATUS.LBA_OUT_OF_RANGE) : SUCCESS;
}

/**
 * Does `request.operation` on what is left of `request.lengthBytes`, the part of the span staying the same (`partSpanOffset`).
 * @returns SUCCESS when all of it is done; LATER: `partEnded` is called for the part
 */
export function runParts(request: TargetRequest, partBytesMax: number): Outcome {
  const { queue } = request.namespace!;
  while (request.doneBytes < request.lengthBytes) {
    request.partBytes = Math.min(partBytesMax, request.lengthBytes - request.doneBytes);
    const status = queue.submit(request);
    if (status === PENDING) {
      return LATER;
    }
    if (status !== DONE) {
      return outcomeOfBackend(status, request.operation !== BACKEND_OPERATION.READ);
    }
    request.doneBytes += request.partBytes;
  }
  return SUCCESS;
}

/** As `runParts`, the part of the span going along with the range, from `spanOffsetBytes` on. */
export function runAlongSpan(request: TargetRequest): Outcome {
  const { queue, backend } = request.namespace!;
  while (request.doneBytes < request.lengthBytes) {
    request.partBytes = Math.min(backend.target.maxTransferBytes, request.lengthBytes - request.doneBytes);
    request.partSpanOffset = request.spanOffsetBytes + request.doneBytes;
    const status = queue.submit(request);
    if (status === PENDING) {
      return LATER;
    }
    if (status !== DONE) {
      return outcomeOfBackend(status, request.operation !== BACKEND_OPERATION.READ);
    }
    request.doneBytes += request.partBytes;
  }
  return SUCCESS;
}
