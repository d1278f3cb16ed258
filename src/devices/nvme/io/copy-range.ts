/**
 * One range of a Copy: its source, whether it fits, protection information on both sides, and the move.
 *
 * A source in the namespace of the destination overlaps (formats 2 and 3) when it ends strictly inside the destination of
 * the whole command. Follows NVM Command Set 1.1, sections 3.3.2 and 5.3.2.
 */
import { addressFromDwords } from '../../../base/index.ts';
import type { Memory } from '../../../fabric/index.ts';
import {
  bytesOf,
  COPY_CDW12,
  COPY_RANGE_ELBAT_16B,
  COPY_RANGE_ELBAT_WIDE,
  COPY_RANGE_ELBATM_16B,
  COPY_RANGE_ELBATM_WIDE,
  COPY_RANGE_ELBT_16B,
  COPY_RANGE_ELBT_WIDE,
  COPY_RANGE_SLBA,
  COPY_RANGE_SNSID,
  COPY_RANGES_MAX,
  type CopyFormat,
  LBAT_CDW15,
  NVME_STATUS,
  PRINFO,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { Namespace } from '../media/index.ts';
import { checkPrinfo, checkReadable, checkWriteFault, failMedia, findNamespace } from './checks.ts';
import type { IoContext } from './io-context.ts';
import { checkStored, type Expectation, hasChecks, storeGenerated } from './protection-run.ts';

/** The list of the command that is being copied, out of its staging memory. */
export const list = new Uint8Array(COPY_RANGES_MAX * 40);
export const listView = new DataView(list.buffer);

/** What is the same for all ranges. */
export interface CopyTarget {
  readonly destination: Namespace;
  readonly start: number;
  readonly end: number;
  readonly format: CopyFormat;
  readonly prinfor: number;
  readonly isSourceTagChecked: boolean;
  /** Null without protection information. */
  readonly write: Expectation | null;
  readonly isDurable: boolean;
}

/** What the destination's protection information is checked against or made from; null without. */
export function writeExpectation(
  command: Command,
  destination: Namespace,
  cdw12: number,
): Expectation | null {
  const tags = destination.protection?.makeTags();
  if (tags === undefined) {
    return null;
  }
  tags.setDwords(command.dword(2), command.dword(3), command.dword(14));
  return {
    prinfo: COPY_CDW12.PRINFOW.of(cdw12),
    isStorageTagChecked: COPY_CDW12.STCW.of(cdw12) === 1,
    applicationTag: LBAT_CDW15.LBAT.of(command.dword(15)),
    applicationMask: LBAT_CDW15.LBATM.of(command.dword(15)),
    tags,
  };
}

function readExpectation(target: CopyTarget, source: Namespace, base: number): Expectation | null {
  const tags = source.protection?.makeTags();
  if (tags === undefined) {
    return null;
  }
  const isWide = target.format.wideTags;
  if (isWide) {
    tags.setBytes(bytesOf(COPY_RANGE_ELBT_WIDE, listView, base));
  } else {
    tags.setDwords(0, 0, COPY_RANGE_ELBT_16B.value(listView, base));
  }
  return {
    prinfo: target.prinfor,
    isStorageTagChecked: target.isSourceTagChecked,
    applicationTag: (isWide ? COPY_RANGE_ELBAT_WIDE : COPY_RANGE_ELBAT_16B).value(listView, base),
    applicationMask: (isWide ? COPY_RANGE_ELBATM_WIDE : COPY_RANGE_ELBATM_16B).value(listView, base),
    tags,
  };
}

/**
 * Checks and copies one range.
 * @param base  where its entry starts in `list`
 * @param at  first block of its destination
 * @returns false: the command has failed
 */
export function copyRange(
  context: IoContext,
  command: Command,
  target: CopyTarget,
  base: number,
  blocks: number,
  at: number,
): boolean {
  const { destination, write } = target;
  const slba = addressFromDwords(
    listView.getUint32(base + COPY_RANGE_SLBA.offset, true),
    listView.getUint32(base + COPY_RANGE_SLBA.offset + 4, true),
  );
  const source = findSource(context, command, target, base, slba + blocks);
  if (source === null || !checkCompatible(command, target, source)) {
    return false;
  }
  if (blocks > source.copyLimits.rangeBlocksMax) {
    command.fail(NVME_STATUS.COMMAND_SIZE_LIMIT);
    return false;
  }
  if (!checkEnd(command, source, slba, blocks) || !checkReadable(context, command, source, slba, blocks)) {
    return false;
  }
  const read = readExpectation(target, source, base);
  if (read !== null && hasChecks(read.prinfo, read.isStorageTagChecked)) {
    if (!checkStored(context, command, source, slba, blocks, read)) {
      return false;
    }
  }
  const isGenerated = write !== null && (write.prinfo & PRINFO.PRACT) !== 0;
  if (isGenerated) {
    if (!checkPrinfo(command, destination, write.prinfo, write.tags, at)) {
      return false;
    }
  } else if (write !== null && hasChecks(write.prinfo, write.isStorageTagChecked)) {
    if (!checkStored(context, command, source, slba, blocks, write)) {
      return false;
    }
  }
  return (
    checkEnd(command, destination, at, blocks) &&
    checkWriteFault(context, command, destination, at, blocks) &&
    moveRange(context, command, target, source, slba, blocks, at, isGenerated)
  );
}

function findSource(
  context: IoContext,
  command: Command,
  target: CopyTarget,
  base: number,
  end: number,
): Namespace | null {
  const { destination } = target;
  if (!target.format.crossNamespace) {
    return destination;
  }
  const nsid = COPY_RANGE_SNSID.value(listView, base);
  if (nsid !== destination.nsid) {
    return findNamespace(context, command, nsid);
  }
  if (end > target.start && end < target.end) {
    command.fail(NVME_STATUS.OVERLAPPING_IO_RANGE);
    return null;
  }
  return destination;
}

/** Formats and protection of source and destination: NVM Command Set 1.1, 3.3.2. */
function checkCompatible(command: Command, target: CopyTarget, source: Namespace): boolean {
  const { destination, write } = target;
  const isReadAct = source.protection !== null && (target.prinfor & PRINFO.PRACT) !== 0;
  const isWriteAct = write !== null && (write.prinfo & PRINFO.PRACT) !== 0;
  if (source === destination) {
    if (isReadAct !== isWriteAct) {
      command.failField(NVME_STATUS.INVALID_FIELD, 12, COPY_CDW12.PRINFOR.low);
      return false;
    }
    return true;
  }
  const hasBoth = (source.protection === null) === (destination.protection === null);
  const isSame = hasBoth
    ? source.metadataBytes === destination.metadataBytes &&
      source.piType === destination.piType &&
      source.isPiFirst === destination.isPiFirst &&
      source.guardFormat === destination.guardFormat &&
      source.format.storageTagBits === destination.format.storageTagBits &&
      isReadAct === isWriteAct
    : isInsertion(source, destination, isWriteAct) || isInsertion(destination, source, isReadAct);
  if (!isSame || source.blockBytes !== destination.blockBytes) {
    command.fail(NVME_STATUS.INCOMPATIBLE_NAMESPACE);
    return false;
  }
  return true;
}

/** Blocks without metadata on one side, nothing but protection information on the other, and PRACT there. */
function isInsertion(bare: Namespace, protectedOne: Namespace, isAct: boolean): boolean {
  const { protection } = protectedOne;
  return (
    isAct &&
    bare.metadataBytes === 0 &&
    protection !== null &&
    protectedOne.metadataBytes === protection.layout.sizeBytes
  );
}

function checkEnd(command: Command, namespace: Namespace, slba: number, blocks: number): boolean {
  if (!(slba + blocks <= namespace.sizeBlocks)) {
    command.fail(NVME_STATUS.LBA_OUT_OF_RANGE);
    command.errorLba = Math.min(slba, Number.MAX_SAFE_INTEGER);
    return false;
  }
  return true;
}

function moveRange(
  context: IoContext,
  command: Command,
  target: CopyTarget,
  source: Namespace,
  slba: number,
  blocks: number,
  at: number,
  isGenerated: boolean,
): boolean {
  const { destination } = target;
  const { blockBytes } = destination;
  const { data } = source;
  const isOverlapping = source === destination && slba < at + blocks && at < slba + blocks;
  const metadataBytes = Math.min(source.metadataBytes, destination.metadataBytes);
  destination.beginWrite(at, blocks);
  let status = 0;
  if (data !== null && !isOverlapping && !isGenerated) {
    status = destination.store(at, blocks, data, slba * blockBytes);
    copyMetadata(source.metadata, slba * source.metadataBytes, destination, at, blocks * metadataBytes);
  } else {
    const bounce = context.staging.take(blocks * blockBytes);
    const ofMetadata = context.staging.take(blocks * metadataBytes);
    status = source.load(slba, blocks, bounce, 0);
    if (status === 0) {
      source.metadata.copyTo(slba * source.metadataBytes, ofMetadata, 0, blocks * metadataBytes);
      status = destination.store(at, blocks, bounce, 0);
      if (isGenerated) {
        const incoming = {
          data: bounce,
          dataOffset: 0,
          dataStride: blockBytes,
          metadata: ofMetadata,
          metadataOffset: 0,
          metadataStride: metadataBytes,
        };
        storeGenerated(destination, at, blocks, incoming, target.write!);
      } else {
        copyMetadata(ofMetadata, 0, destination, at, blocks * metadataBytes);
      }
    }
    context.staging.giveBack(bounce);
    context.staging.giveBack(ofMetadata);
  }
  if (status !== 0) {
    destination.abandonWrite(at, blocks);
    return failMedia(context, command, status, at);
  }
  destination.endWrite(at, blocks, target.isDurable);
  if (target.isDurable) {
    status = destination.commit();
  }
  return status === 0 || failMedia(context, command, status, at);
}

function copyMetadata(
  from: Memory,
  fromOffset: number,
  destination: Namespace,
  at: number,
  lengthBytes: number,
): void {
  from.copyTo(fromOffset, destination.metadata, at * destination.metadataBytes, lengthBytes);
}
