/**
 * Copy: ranges of this namespace, or (format 2, when the host has enabled it) of others of the subsystem, one after the other to
 * where the command says, through memory of the target. NVM Command Set 1.1, 3.3.2.
 */
import { DONE, PENDING } from '../../../access/index.ts';
import {
  ANA_STATE,
  COPY_CDW12,
  COPY_FORMATS,
  COPY_RANGE_NLB,
  COPY_RANGE_SLBA,
  COPY_RANGE_SNSID,
  COPY_RANGE_SOPT,
  DATA_DIRECTION,
  HBS_CDFE,
  NVME_STATUS,
  rangeCount,
  SLBA,
} from '../../../spec/nvme/index.ts';
import { BACKEND_OPERATION } from '../backend.ts';
import type { Controller } from '../controller.ts';
import type { TargetNamespace } from '../namespace.ts';
import { LATER, type Outcome, outcomeOfBackend, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { ACCESS } from '../reservations.ts';
import {
  COPY_FORMATS_SUPPORTED,
  COPY_RANGES,
  copyRangeBlocksMax,
  copyTotalBlocksMax,
  SCRATCH_BYTES,
} from './limits.ts';
import { checkRange } from './parts.ts';

/** Steps of each part. */
const STEP_READ = 0;
const STEP_WRITE = 1;

export function executeCopy(queue: TargetQueue, request: TargetRequest): Outcome {
  const { sqeView } = request;
  const cdf = COPY_CDW12.CDF.read(sqeView);
  const format = COPY_FORMATS[cdf];
  const isEnabled =
    format?.crossNamespace !== true || HBS_CDFE.CDF2E.read(behaviorOf(queue.controller!)) === 1;
  if (format === undefined || ((COPY_FORMATS_SUPPORTED >>> cdf) & 1) === 0 || !isEnabled) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  if (COPY_CDW12.PRINFOR.read(sqeView) !== 0 || COPY_CDW12.PRINFOW.read(sqeView) !== 0) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  const count = rangeCount(COPY_CDW12.NR.read(sqeView));
  if (count > COPY_RANGES) {
    return refuse(NVME_STATUS.COMMAND_SIZE_LIMIT);
  }
  return queue.receive(request, count * format.rangeBytes, queue.target.controlMemory);
}

/** The ranges are there, or the memory to copy through. */
export function continueCopy(queue: TargetQueue, request: TargetRequest): Outcome {
  if (request.direction === DATA_DIRECTION.NONE) {
    return advance(queue, request);
  }
  const outcome = takeRanges(queue.controller!, request);
  if (outcome !== SUCCESS) {
    return outcome;
  }
  request.namespace!.counters.otherCommands++;
  request.direction = DATA_DIRECTION.NONE;
  if (request.memory !== null) {
    request.memory.release(request.span!);
  }
  request.span = null;
  request.doneBytes = 0;
  request.step = STEP_READ;
  return queue.withMemory(request, SCRATCH_BYTES, request.namespace!.backend.memory);
}

/** A part has been read or written. */
export function copyPart(queue: TargetQueue, request: TargetRequest): Outcome {
  request.doneBytes = 0;
  ended(request);
  return advance(queue, request);
}

/** Ranges are kept as NSID, offset and length in bytes. */
function takeRanges(controller: Controller, request: TargetRequest): Outcome {
  const namespace = request.namespace!;
  const format = COPY_FORMATS[COPY_CDW12.CDF.read(request.sqeView)]!;
  const data = new Uint8Array(request.lengthBytes);
  request.span!.copyOut(request.spanOffsetBytes, data);
  const view = new DataView(data.buffer);
  const { ranges } = request;
  ranges.length = 0;
  let total = 0;
  for (let base = 0; base < data.length; base += format.rangeBytes) {
    const firstBlock = COPY_RANGE_SLBA.value(view, base);
    const blocks = COPY_RANGE_NLB.value(view, base) + 1;
    const nsid = format.crossNamespace ? COPY_RANGE_SNSID.value(view, base) : namespace.nsid;
    if (format.crossNamespace && COPY_RANGE_SOPT.FCO.read(view, base) === 1) {
      return refuse(NVME_STATUS.FAST_COPY_NOT_POSSIBLE);
    }
    const source = controller.namespace(nsid);
    const refused = checkSource(controller, namespace, source);
    if (refused !== SUCCESS || source === undefined) {
      return refused;
    }
    const outcome = checkRange(source, firstBlock, blocks);
    if (outcome !== SUCCESS) {
      return outcome;
    }
    total += blocks;
    if (
      blocks > copyRangeBlocksMax(namespace.blockBytes) ||
      total > copyTotalBlocksMax(namespace.blockBytes)
    ) {
      return refuse(NVME_STATUS.COMMAND_SIZE_LIMIT);
    }
    ranges.push(nsid, firstBlock * namespace.blockBytes, blocks * namespace.blockBytes);
  }
  const firstBlock = SLBA.value(request.sqeView);
  const outcome = checkRange(namespace, firstBlock, total);
  if (outcome !== SUCCESS) {
    return outcome;
  }
  // Where the destination goes on; `offsetBytes` is what the backend is asked for.
  request.ranges.unshift(firstBlock * namespace.blockBytes);
  request.rangeIndex = 1;
  return overlaps(request) ? refuse(NVME_STATUS.OVERLAPPING_IO_RANGE) : SUCCESS;
}

function checkSource(
  controller: Controller,
  destination: TargetNamespace,
  source: TargetNamespace | undefined,
): Outcome {
  if (source === destination) {
    return SUCCESS;
  }
  if (source === undefined || !source.isServing) {
    return refuse(NVME_STATUS.INVALID_NAMESPACE);
  }
  const state = controller.port.anaState(source.anaGroupId);
  if (state !== ANA_STATE.OPTIMIZED && state !== ANA_STATE.NON_OPTIMIZED) {
    return NVME_STATUS.INTERNAL_PATH_ERROR;
  }
  if (source.blockBytes !== destination.blockBytes || source.backend.memory !== destination.backend.memory) {
    return refuse(NVME_STATUS.INCOMPATIBLE_NAMESPACE);
  }
  return source.reservations === null || source.reservations.allows(controller.hostId, ACCESS.READ)
    ? SUCCESS
    : refuse(NVME_STATUS.RESERVATION_CONFLICT);
}

/** A source that lies in the destination would be overwritten before it is read. */
function overlaps(request: TargetRequest): boolean {
  const { ranges, nsid } = request;
  const start = ranges[0]!;
  let total = 0;
  for (let i = 1; i < ranges.length; i += 3) {
    total += ranges[i + 2]!;
  }
  for (let i = 1; i < ranges.length; i += 3) {
    const from = ranges[i + 1]!;
    if (ranges[i] === nsid && from < start + total && start < from + ranges[i + 2]!) {
      return true;
    }
  }
  return false;
}

/** Takes what has been done into account: after a write, destination and range go on. */
function ended(request: TargetRequest): void {
  if (request.step === STEP_READ) {
    request.step = STEP_WRITE;
    return;
  }
  const { ranges, rangeIndex: i, partBytes } = request;
  request.step = STEP_READ;
  ranges[0]! += partBytes;
  ranges[i + 1]! += partBytes;
  ranges[i + 2]! -= partBytes;
  if (ranges[i + 2] === 0) {
    request.rangeIndex += 3;
  }
}

/** Reads and writes in turn, until something takes its time or all is done. */
function advance(queue: TargetQueue, request: TargetRequest): Outcome {
  const { ranges } = request;
  const destination = request.namespace!;
  while (request.rangeIndex < ranges.length) {
    const i = request.rangeIndex;
    const isRead = request.step === STEP_READ;
    const source = queue.controller!.namespace(ranges[i]!);
    if (source === undefined) {
      return refuse(NVME_STATUS.INVALID_NAMESPACE);
    }
    if (isRead) {
      const mostBytes = Math.min(
        SCRATCH_BYTES,
        source.backend.target.maxTransferBytes,
        destination.backend.target.maxTransferBytes,
      );
      request.partBytes = Math.min(mostBytes, ranges[i + 2]!);
    }
    request.operation = isRead ? BACKEND_OPERATION.READ : BACKEND_OPERATION.WRITE;
    request.offsetBytes = isRead ? ranges[i + 1]! : ranges[0]!;
    const status = (isRead ? source : destination).queue.submit(request);
    if (status === PENDING) {
      return LATER;
    }
    if (status !== DONE) {
      return outcomeOfBackend(status, !isRead);
    }
    ended(request);
  }
  return SUCCESS;
}

function behaviorOf(controller: Controller): DataView {
  const { behavior } = controller.settings;
  return new DataView(behavior.buffer, behavior.byteOffset, behavior.byteLength);
}
