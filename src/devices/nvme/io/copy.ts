/**
 * Copy, with descriptor formats 0 to 3.
 *
 * The list is fetched; then all ranges are copied in order, in one go, so the command is atomic for others but not for
 * failures: ranges before the one that failed stay copied, and DW0 of the completion says how many they are. Extents move
 * as extents. Which status comes first is that of QEMU's model where the specification leaves it open.
 *
 * A source in the namespace of the destination overlaps (formats 2 and 3) when it ends strictly inside the destination of
 * the whole command. Leaves out fast copy (SOPT.FCO is ignored) and copies to other controllers, which do not exist.
 *
 * Follows NVM Command Set 1.1, section 3.3.2.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { DONE, type Memory, PENDING, type Status } from '../../../fabric/index.ts';
import {
  bytesOf,
  COPY_CDW12,
  COPY_FORMATS,
  COPY_RANGE_ELBAT_16B,
  COPY_RANGE_ELBAT_WIDE,
  COPY_RANGE_ELBATM_16B,
  COPY_RANGE_ELBATM_WIDE,
  COPY_RANGE_ELBT_16B,
  COPY_RANGE_ELBT_WIDE,
  COPY_RANGE_NLB,
  COPY_RANGE_SLBA,
  COPY_RANGE_SNSID,
  COPY_RANGES_MAX,
  type CopyFormat,
  GUARD_FORMAT,
  LBAT_CDW15,
  NVME_STATUS,
  PRINFO,
  rangeCount,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { Namespace } from '../media/index.ts';
import {
  checkPrinfo,
  checkReadable,
  checkWritable,
  checkWriteFault,
  failMedia,
  findNamespace,
} from './checks.ts';
import { type IoContext, isDurableWrite } from './io-context.ts';
import { type IoState, STEP } from './io-state.ts';
import { checkStored, type Expectation, hasChecks, storeGenerated } from './protection-run.ts';
import { FUA } from './read.ts';

/** The list of the command that is being copied, out of its staging memory. */
const list = new Uint8Array(COPY_RANGES_MAX * 40);
const listView = new DataView(list.buffer);

export function runCopy(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = findNamespace(context, command, command.nsid);
    if (namespace === null || !checkCommand(context, command, namespace)) {
      return DONE;
    }
    const cdw12 = command.dword(12);
    const length = rangeCount(cdw12) * COPY_FORMATS[COPY_CDW12.CDF.of(cdw12)]!.rangeBytes;
    state.namespace = namespace;
    state.staging = context.staging.take(length);
    state.step = STEP.LIST;
    if (context.data.fromHost(command, state.staging, 0, length) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.LIST) {
    if (command.status !== 0) {
      return DONE;
    }
    // Whole namespaces, one after the other: a copy waits, but never holds.
    state.slba = 0;
    state.end = Number.POSITIVE_INFINITY;
    state.isWrite = true;
    state.step = STEP.ENTER;
  }
  if (!enterAll(context, state)) {
    return PENDING;
  }
  copyAll(context, state);
  return DONE;
}

/** Whether nobody is in the way in the destination and in all sources; otherwise it waits where somebody is. */
function enterAll(context: IoContext, state: IoState): boolean {
  const destination = state.namespace!;
  if (!enterGate(state, destination)) {
    return false;
  }
  const cdw12 = state.command.dword(12);
  const format = COPY_FORMATS[COPY_CDW12.CDF.of(cdw12)]!;
  const count = format.crossNamespace ? rangeCount(cdw12) : 0;
  for (let i = 0; i < count; i++) {
    const nsid = state.staging!.getValue(i * format.rangeBytes + COPY_RANGE_SNSID.offset, 4);
    const source = context.services.namespace(nsid);
    if (source !== undefined && source !== destination && !enterGate(state, source)) {
      return false;
    }
  }
  return true;
}

function enterGate(state: IoState, namespace: Namespace): boolean {
  state.isAdmitted = false;
  state.gate = namespace.gate;
  return namespace.gate.enter(state);
}

function checkCommand(context: IoContext, command: Command, namespace: Namespace): boolean {
  const { options, settings } = context.services;
  const cdw12 = command.dword(12);
  const index = COPY_CDW12.CDF.of(cdw12);
  const format = COPY_FORMATS[index];
  if (
    format === undefined ||
    ((options.copyFormats >>> index) & 1) === 0 ||
    (format.crossNamespace && ((settings.copyFormatsAllowed >>> index) & 1) === 0)
  ) {
    command.failField(NVME_STATUS.INVALID_FIELD, 12, COPY_CDW12.CDF.low);
    return false;
  }
  if (rangeCount(cdw12) > namespace.copyLimits.rangesMax) {
    command.failField(NVME_STATUS.COMMAND_SIZE_LIMIT, 12, COPY_CDW12.NR.low);
    return false;
  }
  if (format.wideTags !== (namespace.guardFormat !== GUARD_FORMAT.GUARD_16B)) {
    command.failField(NVME_STATUS.INVALID_FORMAT, 12, COPY_CDW12.CDF.low);
    return false;
  }
  return checkWritable(command, namespace);
}

function copyAll(context: IoContext, state: IoState): void {
  const { command } = state;
  const destination = state.namespace!;
  const cdw12 = command.dword(12);
  const count = rangeCount(cdw12);
  const format = COPY_FORMATS[COPY_CDW12.CDF.of(cdw12)]!;
  state.staging!.read(0, list, 0, count * format.rangeBytes);
  let total = 0;
  for (let i = 0; i < count; i++) {
    total += COPY_RANGE_NLB.value(listView, i * format.rangeBytes) + 1;
  }
  if (total > destination.copyLimits.totalBlocksMax) {
    command.fail(NVME_STATUS.COMMAND_SIZE_LIMIT);
    return;
  }
  const start = addressFromDwords(command.dword(10), command.dword(11));
  const target: CopyTarget = {
    destination,
    start,
    end: start + total,
    format,
    prinfor: COPY_CDW12.PRINFOR.of(cdw12),
    isSourceTagChecked: COPY_CDW12.STCR.of(cdw12) === 1,
    write: writeExpectation(command, destination, cdw12),
    isDurable: isDurableWrite(context, (cdw12 & FUA) !== 0),
  };
  let at = start;
  for (let i = 0; i < count; i++) {
    const base = i * format.rangeBytes;
    const blocks = COPY_RANGE_NLB.value(listView, base) + 1;
    if (!copyRange(context, command, target, base, blocks, at)) {
      command.dw0 = i;
      return;
    }
    at += blocks;
  }
  context.services.counters.writeCommands++;
}

/** What is the same for all ranges. */
interface CopyTarget {
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

function writeExpectation(command: Command, destination: Namespace, cdw12: number): Expectation | null {
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

/** @param at  first block of the destination of this range */
function copyRange(
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
