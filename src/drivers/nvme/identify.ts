/**
 * What Identify says, as values that no later code can misuse.
 *
 * A controller may say anything; what cannot be is either made harmless and recorded as an anomaly, or refused with a typed
 * error where nothing can be done with it. Follows NVM Express Base 2.1, section 5.1.13, and NVM Command Set 1.1, section
 * 4.1.5.
 */
import { NvmeError } from '../../base/index.ts';
import {
  asciiOf,
  bytesOf,
  ELBAF,
  GUARD_FORMAT,
  ID_ACL,
  ID_AERL,
  ID_CNTLID,
  ID_CNTRLTYPE,
  ID_CQES,
  ID_CRDT1,
  ID_CRDT2,
  ID_CRDT3,
  ID_CTRATT,
  ID_FNA,
  ID_FR,
  ID_LPA,
  ID_MDTS,
  ID_MN,
  ID_NN,
  ID_OACS,
  ID_OAES,
  ID_OCFS,
  ID_ONCS,
  ID_RTD3E,
  ID_SGLS,
  ID_SN,
  ID_SQES,
  ID_SUBNQN,
  ID_VER,
  ID_VWC,
  LBAF,
  lbaDataBytes,
  lbaFormatCount,
  lbaFormatIndex,
  mdtsBytes,
  NAMESPACE_ID_TYPE,
  NAMESPACE_LIST,
  NID_NIDL,
  NID_NIDT,
  NS_DLFEAT,
  NS_DPS,
  NS_EUI64,
  NS_FLBAS,
  NS_LBAF,
  NS_MCL,
  NS_MSRC,
  NS_MSSRL,
  NS_NCAP,
  NS_NGUID,
  NS_NOIOB,
  NS_NSATTR,
  NS_NSFEAT,
  NS_NSZE,
  NS_NUSE,
  NVM_ID_DMRL,
  NVM_ID_DMRSL,
  NVM_ID_VSL,
  NVM_ID_WUSL,
  NVM_ID_WZSL,
  NVM_NS_ELBAF,
  PROTECTION_LAYOUTS,
} from '../../spec/nvme/index.ts';
import type { AnomalyLog } from './anomalies.ts';

/** Exponents of size limits beyond this are no limit for anything here. */
const SIZE_SHIFT_MAX = 20;

export interface ControllerIdentity {
  readonly serialNumber: string;
  readonly modelNumber: string;
  readonly firmwareRevision: string;
  readonly subsystemName: string;
  readonly controllerId: number;
  /** CNTRLTYPE; 0 in controllers that do not say. */
  readonly controllerType: number;
  /** As the property VS; 0 before revision 1.2. */
  readonly version: number;
  /** Data of one command; null for no limit. */
  readonly transferBytesMax: number | null;
  readonly namespaceIdMax: number;
  /** Abort commands at once. */
  readonly abortsMax: number;
  /** Asynchronous event requests at once. */
  readonly eventRequestsMax: number;
  /** Of the feature Asynchronous Event Configuration: what may be asked for. */
  readonly eventMask: number;
  readonly hasVolatileWriteCache: boolean;
  readonly hasFormat: boolean;
  readonly hasNamespaceManagement: boolean;
  readonly hasDoorbellBuffer: boolean;
  readonly hasCompare: boolean;
  readonly hasWriteUncorrectable: boolean;
  readonly hasDatasetManagement: boolean;
  readonly hasWriteZeroes: boolean;
  readonly hasTimestamp: boolean;
  readonly hasVerify: boolean;
  readonly hasCopy: boolean;
  /** Bit n: Copy descriptor format n. */
  readonly copyFormats: number;
  readonly hasLongLogPages: boolean;
  readonly hasExtendedFormats: boolean;
  /** Data by SGL; `dword`: aligned to dwords. */
  readonly sgl: 'none' | 'any' | 'dword';
  /** Milliseconds to wait before a retry, by CRD. */
  readonly retryDelaysMs: readonly [number, number, number, number];
  /** For a shutdown; 0 where it is not said. */
  readonly shutdownUs: number;
  readonly formatsAll: boolean;
  /** The whole structure. */
  readonly bytes: Uint8Array;
}

/**
 * @param mpsmin CAP.MPSMIN
 * @throws {NvmeError} NVME_UNSUPPORTED when queue entries have other sizes than 64 and 16 bytes
 */
export function controllerIdentity(
  bytes: Uint8Array,
  mpsmin: number,
  label: string,
  anomalies: AnomalyLog,
): ControllerIdentity {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hasEntrySizes =
    ID_SQES.MINQES.read(view) <= 6 &&
    ID_SQES.MAXQES.read(view) >= 6 &&
    ID_CQES.MINQES.read(view) <= 4 &&
    ID_CQES.MAXQES.read(view) >= 4;
  if (!hasEntrySizes) {
    throw new NvmeError('NVME_UNSUPPORTED', {
      message: `${label} does not take queue entries of 64 and 16 bytes`,
      hint: 'it is no controller for the NVM command set',
      detail: { sqes: ID_SQES.value(view), cqes: ID_CQES.value(view) },
      exitStatus: 3,
    });
  }
  const mdts = ID_MDTS.value(view);
  if (mdts > SIZE_SHIFT_MAX) {
    anomalies.record('identify', `${label}: MDTS is ${mdts}; taken as no limit`);
  }
  const namespaceIdMax = ID_NN.value(view);
  if (namespaceIdMax === 0xffff_ffff) {
    anomalies.record('identify', `${label}: NN is FFFFFFFFh, which is no NSID`);
  }
  const sgls = ID_SGLS.SGLS.read(view);
  return {
    serialNumber: asciiOf(ID_SN, view),
    modelNumber: asciiOf(ID_MN, view),
    firmwareRevision: asciiOf(ID_FR, view),
    subsystemName: asciiOf(ID_SUBNQN, view),
    controllerId: ID_CNTLID.value(view),
    controllerType: ID_CNTRLTYPE.value(view),
    version: ID_VER.value(view),
    transferBytesMax: mdts > SIZE_SHIFT_MAX ? null : mdtsBytes(mdts, mpsmin),
    namespaceIdMax,
    abortsMax: ID_ACL.value(view) + 1,
    eventRequestsMax: ID_AERL.value(view) + 1,
    // Health events need no leave; the others are announced in OAES at the same bits.
    eventMask: (0x1f | (ID_OAES.value(view) & 0xffff_ff00)) >>> 0,
    hasVolatileWriteCache: ID_VWC.VWCP.read(view) === 1,
    hasFormat: ID_OACS.FNVMS.read(view) === 1,
    hasNamespaceManagement: ID_OACS.NMS.read(view) === 1,
    hasDoorbellBuffer: ID_OACS.DBCS.read(view) === 1,
    hasCompare: ID_ONCS.NVMCMPS.read(view) === 1,
    hasWriteUncorrectable: ID_ONCS.NVMWUSV.read(view) === 1,
    hasDatasetManagement: ID_ONCS.NVMDSMSV.read(view) === 1,
    hasWriteZeroes: ID_ONCS.NVMWZSV.read(view) === 1,
    hasTimestamp: ID_ONCS.TSS.read(view) === 1,
    hasVerify: ID_ONCS.NVMVFYS.read(view) === 1,
    hasCopy: ID_ONCS.NVMCPYS.read(view) === 1,
    copyFormats: ID_OCFS.value(view),
    hasLongLogPages: ID_LPA.LPEDS.read(view) === 1,
    hasExtendedFormats: ID_CTRATT.ELBAS.read(view) === 1,
    sgl: sgls === 1 ? 'any' : sgls === 2 ? 'dword' : 'none',
    retryDelaysMs: [0, ID_CRDT1.value(view) * 100, ID_CRDT2.value(view) * 100, ID_CRDT3.value(view) * 100],
    shutdownUs: ID_RTD3E.value(view),
    formatsAll: ID_FNA.FNS.read(view) === 1,
    bytes,
  };
}

/** Limits of single commands, from Identify Controller of the NVM command set (CNS 06h); null for no limit. */
export interface CommandLimits {
  readonly verifyBytesMax: number | null;
  readonly writeZeroesBytesMax: number | null;
  readonly writeUncorrectableBytesMax: number | null;
  readonly deallocateRangesMax: number | null;
  readonly deallocateBlocksMax: number | null;
}

export const NO_COMMAND_LIMITS: CommandLimits = {
  verifyBytesMax: null,
  writeZeroesBytesMax: null,
  writeUncorrectableBytesMax: null,
  deallocateRangesMax: null,
  deallocateBlocksMax: null,
};

export function commandLimits(bytes: Uint8Array, mpsmin: number): CommandLimits {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizeOf = (shift: number): number | null => (shift > SIZE_SHIFT_MAX ? null : mdtsBytes(shift, mpsmin));
  return {
    verifyBytesMax: sizeOf(NVM_ID_VSL.value(view)),
    writeZeroesBytesMax: sizeOf(NVM_ID_WZSL.value(view)),
    writeUncorrectableBytesMax: sizeOf(NVM_ID_WUSL.value(view)),
    deallocateRangesMax: NVM_ID_DMRL.value(view) || null,
    deallocateBlocksMax: NVM_ID_DMRSL.value(view) || null,
  };
}

/** NSIDs of an active namespace list, up to the first that is 0 or not ascending. */
export function namespaceIds(bytes: Uint8Array, after: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids: number[] = [];
  let last = after;
  for (let i = 0; i < NAMESPACE_LIST.count; i++) {
    const id = view.getUint32(NAMESPACE_LIST.at(i), true);
    if (id <= last || id >= 0xffff_fffe) {
      break;
    }
    ids.push(id);
    last = id;
  }
  return ids;
}

/** How protection information is kept, when the namespace has any. */
export interface Protection {
  /** 1 to 3. */
  readonly type: number;
  /** PIF: the format of the guard. */
  readonly format: number;
  /** Bits of the reference tag. */
  readonly referenceBits: number;
  /** The metadata is nothing but protection information, so the controller can insert and strip it. */
  readonly isAll: boolean;
}

export interface NamespaceIdentity {
  readonly nsid: number;
  readonly sizeBlocks: number;
  readonly capacityBlocks: number;
  readonly usedBlocks: number;
  /** Bytes of data of a block. */
  readonly blockBytes: number;
  readonly metadataBytes: number;
  /** Metadata follows the data of each block, instead of having a buffer of its own. */
  readonly isExtended: boolean;
  readonly formatIndex: number;
  readonly formatCount: number;
  readonly protection: Protection | null;
  readonly isWriteProtected: boolean;
  readonly isThin: boolean;
  /** What deallocated blocks read as; null when it is not said. */
  readonly deallocatedByte: 0 | 0xff | null;
  readonly optimalBoundaryBlocks: number;
  /** Limits of Copy: blocks of one range, blocks in all, ranges. */
  readonly copyRangeBlocksMax: number;
  readonly copyBlocksMax: number;
  readonly copyRangesMax: number;
  /** Hexadecimal, null when there is none. */
  readonly nguid: string | null;
  readonly eui64: string | null;
  readonly uuid: string | null;
  /** The whole structure. */
  readonly bytes: Uint8Array;
}

/**
 * @param independent    bytes of CNS 05h of the NVM command set; null where the controller has none
 * @param descriptors    bytes of CNS 03h; null where the controller has none
 * @throws {NvmeError} NVME_NAMESPACE when the namespace has no size or no format that can be
 */
export function namespaceIdentity(
  nsid: number,
  bytes: Uint8Array,
  commandSet: Uint8Array | null,
  descriptors: Uint8Array | null,
  label: string,
  anomalies: AnomalyLog,
): NamespaceIdentity {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refuse = (why: string, detail: Record<string, unknown>): NvmeError =>
    new NvmeError('NVME_NAMESPACE', {
      message: `namespace ${nsid} of ${label} cannot be used: ${why}`,
      hint: 'format it, or use another namespace',
      detail: { nsid, ...detail },
      exitStatus: 3,
    });
  const flbas = NS_FLBAS.value(view);
  const formatIndex = lbaFormatIndex(flbas);
  const formatCount = lbaFormatCount(view);
  if (formatIndex >= formatCount) {
    throw refuse(`it uses format ${formatIndex} of ${formatCount}`, { formatIndex, formatCount });
  }
  const lbaf = view.getUint32(NS_LBAF.at(formatIndex), true);
  const blockBytes = lbaDataBytes(lbaf);
  // A block is moved by one command, which moves at most some MiB.
  if (blockBytes === null || LBAF.LBADS.of(lbaf) > SIZE_SHIFT_MAX) {
    throw refuse(`its blocks have 2^${LBAF.LBADS.of(lbaf)} bytes`, { lbads: LBAF.LBADS.of(lbaf) });
  }
  let sizeBlocks = NS_NSZE.value(view);
  if (sizeBlocks === 0) {
    throw refuse('it has no blocks', {});
  }
  const blocksMax = Math.floor(Number.MAX_SAFE_INTEGER / blockBytes);
  if (sizeBlocks > blocksMax) {
    anomalies.record('identify', `${label}: NSZE of namespace ${nsid} is 2^53 bytes or more; cut there`);
    sizeBlocks = blocksMax;
  }
  let capacityBlocks = NS_NCAP.value(view);
  if (capacityBlocks > sizeBlocks) {
    anomalies.record('identify', `${label}: NCAP of namespace ${nsid} is above NSZE`);
    capacityBlocks = sizeBlocks;
  }
  const metadataBytes = LBAF.MS.of(lbaf);
  const zeroes = NS_DLFEAT.DRB.read(view);
  const identifiers = descriptors === null ? null : namespaceDescriptors(descriptors);
  return {
    nsid,
    sizeBlocks,
    capacityBlocks,
    usedBlocks: Math.min(NS_NUSE.value(view), capacityBlocks),
    blockBytes,
    metadataBytes,
    isExtended: metadataBytes > 0 && NS_FLBAS.DBM.read(view) === 1,
    formatIndex,
    formatCount,
    protection: protectionOf(view, commandSet, formatIndex, metadataBytes),
    isWriteProtected: NS_NSATTR.WP.read(view) === 1,
    isThin: NS_NSFEAT.THINP.read(view) === 1,
    deallocatedByte: zeroes === 1 ? 0 : zeroes === 2 ? 0xff : null,
    optimalBoundaryBlocks: NS_NOIOB.value(view),
    copyRangeBlocksMax: NS_MSSRL.value(view),
    copyBlocksMax: NS_MCL.value(view),
    copyRangesMax: NS_MSRC.value(view) + 1,
    nguid: identifiers?.get(NAMESPACE_ID_TYPE.NGUID) ?? hexOrNull(bytesOf(NS_NGUID, view)),
    eui64: identifiers?.get(NAMESPACE_ID_TYPE.EUI64) ?? hexOrNull(bytesOf(NS_EUI64, view)),
    uuid: identifiers?.get(NAMESPACE_ID_TYPE.UUID) ?? null,
    bytes,
  };
}

/** Whether somebody who works with `before` may go on: the same namespace, in the same format, not smaller. */
export function isStillThere(before: NamespaceIdentity, now: NamespaceIdentity | null | undefined): boolean {
  return (
    now != null &&
    now.sizeBlocks >= before.sizeBlocks &&
    now.blockBytes === before.blockBytes &&
    now.metadataBytes === before.metadataBytes &&
    now.isExtended === before.isExtended &&
    now.protection?.type === before.protection?.type &&
    now.protection?.format === before.protection?.format &&
    now.nguid === before.nguid &&
    now.eui64 === before.eui64 &&
    now.uuid === before.uuid
  );
}

function protectionOf(
  view: DataView,
  commandSet: Uint8Array | null,
  formatIndex: number,
  metadataBytes: number,
): Protection | null {
  const type = NS_DPS.PIT.read(view);
  if (type === 0 || type > 3) {
    return null;
  }
  let format: number = GUARD_FORMAT.GUARD_16B;
  let storageBits = 0;
  if (commandSet !== null) {
    const extended = new DataView(commandSet.buffer, commandSet.byteOffset, commandSet.byteLength);
    const elbaf = extended.getUint32(NVM_NS_ELBAF.at(formatIndex), true);
    format = ELBAF.PIF.of(elbaf);
    storageBits = ELBAF.STS.of(elbaf);
  }
  const layout = PROTECTION_LAYOUTS[format];
  if (layout === undefined || metadataBytes < layout.sizeBytes) {
    return { type, format, referenceBits: 0, isAll: false };
  }
  return {
    type,
    format,
    referenceBits: Math.max(0, layout.storageReferenceBytes * 8 - storageBits),
    isAll: metadataBytes === layout.sizeBytes,
  };
}

/** Identifiers by NIDT, as hexadecimal; a descriptor that runs past the end, or has no length, ends the list. */
function namespaceDescriptors(bytes: Uint8Array): ReadonlyMap<number, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, string>();
  let at = 0;
  while (at + 4 <= bytes.length) {
    const type = NID_NIDT.value(view, at);
    const length = NID_NIDL.value(view, at);
    if (type === 0 || length === 0 || at + 4 + length > bytes.length) {
      break;
    }
    found.set(type, hex(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return found;
}

function hexOrNull(bytes: Uint8Array): string | null {
  return bytes.every((byte) => byte === 0) ? null : hex(bytes);
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte.toString(16).padStart(2, '0');
  }
  return text;
}
