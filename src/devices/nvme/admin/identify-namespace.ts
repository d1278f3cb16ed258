/**
 * What Identify says of a namespace. Follows NVM Command Set 1.1, section 4.1.5, and NVM Express Base 2.1, sections 5.1.13.2.3 and
 * 5.1.13.2.8.
 */
import {
  bytesOf,
  COMMAND_SET,
  CSI_NS_ANAGRPID,
  CSI_NS_ENDGID,
  CSI_NS_NMIC,
  CSI_NS_NSATTR,
  CSI_NS_NSTAT,
  ELBAF,
  IDENTIFY_BYTES,
  LBAF,
  NAMESPACE_ID_BYTES,
  NAMESPACE_ID_TYPE,
  NS_ANAGRPID,
  NS_DLFEAT,
  NS_DPC,
  NS_DPS,
  NS_ENDGID,
  NS_EUI64,
  NS_FLBAS,
  NS_LBAF,
  NS_MC,
  NS_MCL,
  NS_MSRC,
  NS_MSSRL,
  NS_NCAP,
  NS_NGUID,
  NS_NLBAF,
  NS_NMIC,
  NS_NSATTR,
  NS_NSFEAT,
  NS_NSZE,
  NS_NULBAF,
  NS_NUSE,
  NS_NVMCAP,
  NVM_NS_ELBAF,
  NVM_NS_LBSTM,
  setUnsigned,
} from '../../../spec/nvme/index.ts';
import type { LbaFormat, Namespace } from '../media/index.ts';
import { ANA_GROUP_ID, type NamespaceEntry, type NvmSubsystem } from '../subsystem.ts';

/** CNS 00h and 11h. */
export function identifyNamespace(entry: NamespaceEntry, subsystem: NvmSubsystem): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  const { namespace } = entry;
  NS_NSZE.setValue(view, namespace.sizeBlocks);
  NS_NCAP.setValue(view, namespace.sizeBlocks);
  NS_NUSE.setValue(view, namespace.isThin ? namespace.usedBlocks : namespace.sizeBlocks);
  NS_NSFEAT.THINP.write(view, namespace.isThin ? 1 : 0);
  NS_NSFEAT.DAE.write(view, 1);
  NS_NSFEAT.UIDREUSE.write(view, 1);
  writeFormats(view, namespace);
  NS_FLBAS.FIDXL.write(view, namespace.formatIndex & 15);
  NS_FLBAS.FIDXU.write(view, namespace.formatIndex >>> 4);
  NS_FLBAS.DBM.write(view, namespace.isExtended ? 1 : 0);
  NS_DPS.PIT.write(view, namespace.piType);
  NS_DPS.PIP.write(view, namespace.isPiFirst ? 1 : 0);
  NS_NMIC.SHRNS.write(view, namespace.isShared ? 1 : 0);
  NS_ANAGRPID.setValue(view, subsystem.hasAna ? ANA_GROUP_ID : 0);
  NS_NSATTR.WP.write(view, namespace.isWriteProtected ? 1 : 0);
  NS_ENDGID.setValue(view, 1);
  setUnsigned(NS_NVMCAP, view, entry.bytes);
  NS_MSSRL.setValue(view, namespace.copyLimits.rangeBlocksMax);
  NS_MCL.setValue(view, namespace.copyLimits.totalBlocksMax);
  NS_MSRC.setValue(view, namespace.copyLimits.rangesMax - 1);
  if (entry.nguid !== null) {
    bytesOf(NS_NGUID, view).set(entry.nguid);
  }
  if (entry.eui64 !== null) {
    bytesOf(NS_EUI64, view).set(entry.eui64);
  }
  return bytes;
}

/** CNS 00h with NSID FFFFFFFFh: what all namespaces have in common. */
export function identifyCommonNamespace(sample: Namespace): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  writeFormats(view, sample);
  NS_NSFEAT.DAE.write(view, 1);
  return bytes;
}

/** CNS 03h: identifiers of a namespace. */
export function namespaceDescriptors(entry: NamespaceEntry, hasCommandSets: boolean): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  let at = 0;
  const put = (type: number, value: Uint8Array | null): void => {
    if (value !== null) {
      bytes[at] = type;
      bytes[at + 1] = NAMESPACE_ID_BYTES[type]!;
      bytes.set(value, at + 4);
      at += 4 + value.length;
    }
  };
  put(NAMESPACE_ID_TYPE.EUI64, entry.eui64);
  put(NAMESPACE_ID_TYPE.NGUID, entry.nguid);
  put(NAMESPACE_ID_TYPE.UUID, entry.uuid);
  if (hasCommandSets) {
    put(NAMESPACE_ID_TYPE.CSI, Uint8Array.of(COMMAND_SET.NVM));
  }
  return bytes;
}

/** CNS 05h and 1Bh of the NVM command set. */
export function identifyNamespaceNvm(namespace: Namespace): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  const tagBits = namespace.format.storageTagBits;
  const mask = (1n << BigInt(tagBits)) - 1n;
  NVM_NS_LBSTM.setValue(view, Number(mask & 0xffff_ffff_ffffn));
  namespace.formats.forEach((format, index) => {
    const at = NVM_NS_ELBAF.at(index);
    ELBAF.PIF.write(view, format.guardFormat, at);
    ELBAF.STS.write(view, format.storageTagBits, at);
  });
  return bytes;
}

/** CNS 08h and 1Fh. */
export function identifyNamespaceIndependent(entry: NamespaceEntry, subsystem: NvmSubsystem): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  CSI_NS_NMIC.SHRNS.write(view, entry.namespace.isShared ? 1 : 0);
  CSI_NS_ANAGRPID.setValue(view, subsystem.hasAna ? ANA_GROUP_ID : 0);
  CSI_NS_NSATTR.WP.write(view, entry.namespace.isWriteProtected ? 1 : 0);
  CSI_NS_ENDGID.setValue(view, 1);
  CSI_NS_NSTAT.NRDY.write(view, 1);
  return bytes;
}

function writeFormats(view: DataView, namespace: Namespace): void {
  namespace.formats.forEach((format: LbaFormat, index) => {
    const at = NS_LBAF.at(index);
    LBAF.MS.write(view, format.metadataBytes, at);
    LBAF.LBADS.write(view, Math.log2(format.blockBytes), at);
    LBAF.RP.write(view, format.metadataBytes === 0 ? 0 : 1, at);
  });
  NS_NLBAF.setValue(view, namespace.commonFormatCount - 1);
  NS_NULBAF.setValue(view, namespace.formats.length - namespace.commonFormatCount);
  NS_MC.MTELBA.write(view, 1);
  NS_MC.MTSPTR.write(view, 1);
  for (const field of [NS_DPC.PIT1S, NS_DPC.PIT2S, NS_DPC.PIT3S, NS_DPC.PIIFB, NS_DPC.PIILB]) {
    field.write(view, 1);
  }
  NS_DLFEAT.DRB.write(view, 1);
  NS_DLFEAT.WZDS.write(view, 1);
}
