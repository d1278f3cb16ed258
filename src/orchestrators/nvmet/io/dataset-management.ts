/** Dataset Management: deallocation; the other hints are heard and not acted on. NVM Command Set 1.1, 3.3.3. */
import {
  DSM_CDW10,
  DSM_CDW11,
  DSM_RANGE_BYTES,
  DSM_RANGE_LLB,
  DSM_RANGE_SLBA,
  rangeCount,
} from '../../../spec/nvme/index.ts';
import { BACKEND_OPERATION } from '../backend.ts';
import { type Outcome, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { checkRange, runParts } from './parts.ts';

export function executeDeallocate(queue: TargetQueue, request: TargetRequest): Outcome {
  const count = rangeCount(DSM_CDW10.NR.read(request.sqeView));
  return queue.receive(request, count * DSM_RANGE_BYTES, queue.target.controlMemory, true);
}

/** The ranges are there. All are checked before the first is acted on. */
export function continueDeallocate(_queue: TargetQueue, request: TargetRequest): Outcome {
  const namespace = request.namespace!;
  const data = new Uint8Array(request.lengthBytes);
  request.span!.copyOut(request.spanOffsetBytes, data);
  const view = new DataView(data.buffer);
  const { ranges } = request;
  ranges.length = 0;
  for (let base = 0; base < data.length; base += DSM_RANGE_BYTES) {
    const firstBlock = DSM_RANGE_SLBA.value(view, base);
    const blocks = DSM_RANGE_LLB.value(view, base);
    const outcome = checkRange(namespace, firstBlock, blocks);
    if (outcome !== SUCCESS) {
      return outcome;
    }
    if (blocks > 0) {
      ranges.push(firstBlock * namespace.blockBytes, blocks * namespace.blockBytes);
    }
  }
  namespace.counters.otherCommands++;
  // Deallocation is advice: where the backend cannot, the blocks stay as they are.
  if (DSM_CDW11.AD.read(request.sqeView) === 0 || !namespace.queue.canDeallocate) {
    return SUCCESS;
  }
  request.operation = BACKEND_OPERATION.DEALLOCATE;
  request.lengthBytes = 0;
  request.doneBytes = 0;
  return deallocatePart(request);
}

/** Goes on with the range that is under way, then with the next. */
export function deallocatePart(request: TargetRequest): Outcome {
  for (;;) {
    const outcome = runParts(request, request.lengthBytes);
    if (outcome !== SUCCESS || request.rangeIndex >= request.ranges.length) {
      return outcome;
    }
    request.offsetBytes = request.ranges[request.rangeIndex]!;
    request.lengthBytes = request.ranges[request.rangeIndex + 1]!;
    request.doneBytes = 0;
    request.rangeIndex += 2;
  }
}
