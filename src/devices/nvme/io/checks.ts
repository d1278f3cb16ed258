/**
 * What is checked before a command touches blocks: its namespace, range, length, protection fields, and the media.
 *
 * Every function gives false when the command has failed. The order is that of the callers. Follows NVM Express Base 2.1,
 * sections 3.2.1 and 4.2.3, and NVM Command Set 1.1, sections 2.1, 3.3 and 5.3.2.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { IO_CDW12, NSID_BROADCAST, NVME_STATUS, PRINFO, PROTECTION_TYPE } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { Namespace, Tags } from '../media/index.ts';
import type { IoContext } from './io-context.ts';
import type { IoState } from './io-state.ts';

const STC = 1 << IO_CDW12.STC.low;

/** A namespace that is active here: NVM Express Base 2.1, 3.2.1.5. */
export function findNamespace(context: IoContext, command: Command, nsid: number): Namespace | null {
  const { services } = context;
  const namespace = services.namespace(nsid);
  if (namespace === undefined) {
    const isValid = nsid !== 0 && nsid !== NSID_BROADCAST && nsid <= services.options.namespaceCountMax;
    command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return null;
  }
  if (namespace.blockedStatus !== 0) {
    command.failForNow(namespace.blockedStatus);
    return null;
  }
  return namespace;
}

/** Namespace and range of a command with SLBA in CDW10 and 11 and NLB in CDW12. */
export function takeRange(context: IoContext, state: IoState): Namespace | null {
  const { command } = state;
  const namespace = findNamespace(context, command, command.nsid);
  if (namespace === null) {
    return null;
  }
  const cdw12 = command.dword(12);
  const slba = addressFromDwords(command.dword(10), command.dword(11));
  const blocks = (cdw12 & 0xffff) + 1;
  state.namespace = namespace;
  state.gate = namespace.gate;
  state.slba = slba;
  state.blocks = blocks;
  state.end = slba + blocks;
  state.hostBlockBytes = namespace.blockBytes;
  state.metadataBytes = 0;
  if (namespace.metadataBytes > 0) {
    takeLayout(state, namespace, cdw12);
  }
  state.dataBytes = blocks * state.hostBlockBytes;
  return namespace;
}

/** How the host sees data and metadata: NVM Command Set 1.1, 5.2 and 5.3.2. */
function takeLayout(state: IoState, namespace: Namespace, cdw12: number): void {
  const { protection } = namespace;
  let hasMetadata = true;
  if (protection !== null) {
    state.prinfo = IO_CDW12.PRINFO.of(cdw12);
    state.isStorageTagChecked = (cdw12 & STC) !== 0;
    state.tags = protection.makeTags();
    state.tags.setDwords(state.command.dword(2), state.command.dword(3), state.command.dword(14));
    // Metadata that is nothing but protection information is inserted and stripped.
    hasMetadata =
      (state.prinfo & PRINFO.PRACT) === 0 || namespace.metadataBytes !== protection.layout.sizeBytes;
  }
  if (hasMetadata && namespace.isExtended) {
    state.hostBlockBytes += namespace.metadataBytes;
  } else if (hasMetadata) {
    state.metadataBytes = state.blocks * namespace.metadataBytes;
  }
}

/** MDTS: NVM Express Base 2.1, 5.1.13.2.1. */
export function checkLength(context: IoContext, state: IoState): boolean {
  if (state.dataBytes > context.transferBytesMax) {
    state.command.failField(NVME_STATUS.INVALID_FIELD, 12, 0);
    return false;
  }
  return true;
}

export function checkBounds(state: IoState): boolean {
  if (!(state.end <= state.namespace!.sizeBlocks)) {
    state.command.failField(NVME_STATUS.LBA_OUT_OF_RANGE, 10, 0);
    state.command.errorLba = Math.min(state.slba, Number.MAX_SAFE_INTEGER);
    return false;
  }
  return true;
}

/** PRINFO against the type of protection: NVM Command Set 1.1, 5.3.2. */
export function checkPrinfo(
  command: Command,
  namespace: Namespace,
  prinfo: number,
  tags: Tags,
  slba: number,
): boolean {
  if ((prinfo & PRINFO.PRCHK_REFERENCE_TAG) === 0) {
    return true;
  }
  const { piType } = namespace;
  if (piType === PROTECTION_TYPE.TYPE_3 || (piType === PROTECTION_TYPE.TYPE_1 && !tags.isOfBlock(slba))) {
    command.fail(NVME_STATUS.INVALID_PROTECTION_INFORMATION);
    return false;
  }
  return true;
}

export function checkWritable(command: Command, namespace: Namespace): boolean {
  if (namespace.isWriteProtected) {
    command.fail(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
    return false;
  }
  return true;
}

/** Whether blocks can be read; makes them ready for it. */
export function checkReadable(
  context: IoContext,
  command: Command,
  namespace: Namespace,
  slba: number,
  blocks: number,
): boolean {
  const { services } = context;
  const bad = namespace.firstBad(slba, blocks);
  if (bad >= 0) {
    return failMedia(context, command, NVME_STATUS.UNRECOVERED_READ_ERROR, bad);
  }
  if (!services.faults.isMediaSound) {
    const status = services.faults.forMedia(namespace.nsid, slba, blocks, false);
    if (status !== 0) {
      return failMedia(context, command, status, services.faults.faultLba);
    }
  }
  const unallocated = namespace.firstUnallocated(slba, blocks);
  if (unallocated >= 0 && services.settings.hasDeallocatedError(namespace.nsid)) {
    command.fail(NVME_STATUS.DEALLOCATED_OR_UNWRITTEN);
    command.errorLba = unallocated;
    return false;
  }
  const status = namespace.settle(slba, blocks);
  return status === 0 || failMedia(context, command, status, slba);
}

/** Whether the media take a write, as far as faults on purpose go. */
export function checkWriteFault(
  context: IoContext,
  command: Command,
  namespace: Namespace,
  slba: number,
  blocks: number,
): boolean {
  const { faults } = context.services;
  if (faults.isMediaSound) {
    return true;
  }
  const status = faults.forMedia(namespace.nsid, slba, blocks, true);
  return status === 0 || failMedia(context, command, status, faults.faultLba);
}

/** A media error: counted, and it says which block. */
export function failMedia(context: IoContext, command: Command, status: number, lba: number): false {
  command.fail(status);
  command.errorLba = lba;
  context.services.counters.mediaErrors++;
  return false;
}
