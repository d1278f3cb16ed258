/**
 * Walks Scatter Gather Lists: the descriptor in the command, segments and last segments.
 *
 * Data blocks and bit buckets with addresses are supported, any alignment and length; keyed and transport data blocks and
 * every subtype but "address" are refused (SGL Descriptor Type Invalid), as on PCIe. Descriptors for more bytes than the
 * transfer has are fine (SGLS.SGLLAS): what is left over is not looked at. A walk ends after DESCRIPTORS_MAX descriptors, so
 * a chain that leads back to itself ends too. Follows NVM Express Base 2.1, section 4.3.2.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import {
  DPTR_OFFSET,
  NVME_STATUS,
  SGL_ADDRESS,
  SGL_DESCRIPTOR_BYTES,
  SGL_IDENTIFIER,
  SGL_LENGTH,
  SGL_SUBTYPE,
  SGL_TYPE,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { SegmentSink } from './prp.ts';
import { LIST_BUFFER_BYTES, type Transfer } from './transfer.ts';

/** Descriptors of one transfer; dwords of 1 MiB. */
export const DESCRIPTORS_MAX = 0x4_0000;

/** Takes the descriptor in DPTR. DONE: the walk is over or has failed; PENDING: `walkSglSegments` goes on. */
export function walkSgl(sink: SegmentSink, command: Command, transfer: Transfer): Status {
  // The descriptor in the command is as if alone in a segment that is not the last.
  transfer.isLastSegment = false;
  if (!takeDescriptor(sink, command, transfer, command.view, command.base + DPTR_OFFSET, true)) {
    return DONE;
  }
  return transfer.listLeftBytes === 0
    ? checkLength(command, transfer)
    : walkSglSegments(sink, command, transfer);
}

/** The first descriptor of an MPTR segment: fetches it, and goes on as with the one of a command. */
export function walkMetadataSgl(sink: SegmentSink, command: Command, transfer: Transfer): Status {
  if (transfer.descriptorCount === 0 && transfer.listCount === 0) {
    if (sink.fetchList(command, transfer, SGL_DESCRIPTOR_BYTES, SGL_DESCRIPTOR_BYTES) === PENDING) {
      return PENDING;
    }
    if (command.status !== 0) {
      return DONE;
    }
  }
  if (transfer.descriptorCount > 0) {
    return walkSglSegments(sink, command, transfer);
  }
  transfer.listIndex = 1;
  transfer.isLastSegment = false;
  if (!takeDescriptor(sink, command, transfer, transfer.listView!, 0, true)) {
    return DONE;
  }
  return transfer.listLeftBytes === 0
    ? checkLength(command, transfer)
    : walkSglSegments(sink, command, transfer);
}

/** Goes on with the segment that is in the buffer, or the next piece of it. */
export function walkSglSegments(sink: SegmentSink, command: Command, transfer: Transfer): Status {
  while (transfer.walkedBytes < transfer.lengthBytes) {
    if (transfer.listIndex === transfer.listCount) {
      if (transfer.listLeftBytes === 0) {
        return checkLength(command, transfer);
      }
      const length = Math.min(transfer.listLeftBytes, LIST_BUFFER_BYTES);
      if (sink.fetchList(command, transfer, length, SGL_DESCRIPTOR_BYTES) === PENDING) {
        return PENDING;
      }
      if (command.status !== 0) {
        return DONE;
      }
    }
    const at = transfer.listIndex++ * SGL_DESCRIPTOR_BYTES;
    const isLast = transfer.listIndex === transfer.listCount && transfer.listLeftBytes === 0;
    const wasLastSegment = transfer.isLastSegment;
    if (!takeDescriptor(sink, command, transfer, transfer.listView!, at, isLast)) {
      return DONE;
    }
    if (isLast && !wasLastSegment && transfer.listLeftBytes === 0) {
      // Only a last segment ends with something else than a segment.
      command.fail(NVME_STATUS.INVALID_SGL_SEGMENT);
      return DONE;
    }
  }
  return DONE;
}

/** @returns false when the command has failed */
function takeDescriptor(
  sink: SegmentSink,
  command: Command,
  transfer: Transfer,
  view: DataView,
  base: number,
  isLastOfSegment: boolean,
): boolean {
  if (++transfer.descriptorCount > DESCRIPTORS_MAX) {
    command.fail(NVME_STATUS.INVALID_SGL_COUNT);
    return false;
  }
  const identifier = view.getUint8(base + SGL_IDENTIFIER.offset);
  const type = identifier >>> 4;
  if (type > SGL_TYPE.LAST_SEGMENT || (identifier & 0xf) !== SGL_SUBTYPE.ADDRESS) {
    command.fail(NVME_STATUS.SGL_TYPE_INVALID);
    return false;
  }
  const length = view.getUint32(base + SGL_LENGTH.offset, true);
  if (type === SGL_TYPE.BIT_BUCKET) {
    // Of data that go to the controller, a bit bucket has no bytes.
    if (!transfer.isToHost) {
      return true;
    }
    transfer.walkedBytes += Math.min(length, transfer.lengthBytes - transfer.walkedBytes);
    return true;
  }
  const address = addressFromDwords(
    view.getUint32(base + SGL_ADDRESS.offset, true),
    view.getUint32(base + SGL_ADDRESS.offset + 4, true),
  );
  if (type === SGL_TYPE.DATA_BLOCK) {
    const taken = Math.min(length, transfer.lengthBytes - transfer.walkedBytes);
    return taken === 0 || sink.addSegment(command, transfer, address, taken);
  }
  if (!isLastOfSegment || transfer.isLastSegment || length === 0 || length % SGL_DESCRIPTOR_BYTES !== 0) {
    command.fail(NVME_STATUS.INVALID_SGL_SEGMENT);
    return false;
  }
  transfer.isLastSegment = type === SGL_TYPE.LAST_SEGMENT;
  transfer.listAddress = address;
  transfer.listLeftBytes = length;
  return true;
}

function checkLength(command: Command, transfer: Transfer): Status {
  if (transfer.walkedBytes < transfer.lengthBytes) {
    command.fail(
      transfer.isMetadata ? NVME_STATUS.METADATA_SGL_LENGTH_INVALID : NVME_STATUS.DATA_SGL_LENGTH_INVALID,
    );
  }
  return DONE;
}
