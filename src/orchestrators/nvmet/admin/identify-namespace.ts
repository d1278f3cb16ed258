/** Identify Namespace in its forms. NVM Express Base 2.1, 5.1.13.2.10; NVM Command Set 1.1, 4.1.5. */
import {
  bytesOf,
  CSI_NS_ANAGRPID,
  CSI_NS_NMIC,
  CSI_NS_NSATTR,
  CSI_NS_NSTAT,
  CSI_NS_RESCAP,
  IDENTIFY_BYTES,
  LBAF,
  NS_ANAGRPID,
  NS_DLFEAT,
  NS_LBAF,
  NS_MCL,
  NS_MSRC,
  NS_MSSRL,
  NS_NCAP,
  NS_NGUID,
  NS_NMIC,
  NS_NSATTR,
  NS_NSZE,
  NS_NUSE,
  NS_RESCAP,
} from '../../../spec/nvme/index.ts';
import { COPY_RANGES, copyRangeBlocksMax, copyTotalBlocksMax } from '../io/limits.ts';
import type { TargetNamespace } from '../namespace.ts';

export function identifyNamespace(namespace: TargetNamespace): Uint8Array {
  const data = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(data.buffer);
  NS_NSZE.setValue(view, namespace.blockCount);
  NS_NCAP.setValue(view, namespace.blockCount);
  NS_NUSE.setValue(view, namespace.blockCount);
  NS_NMIC.SHRNS.write(view, 1);
  NS_RESCAP.setValue(view, reservationCapabilities(namespace));
  if (namespace.backend.deallocatedReadsZero) {
    NS_DLFEAT.DRB.write(view, 1);
    NS_DLFEAT.WZDS.write(view, 1);
  }
  NS_MSSRL.setValue(view, copyRangeBlocksMax(namespace.blockBytes));
  NS_MCL.setValue(view, copyTotalBlocksMax(namespace.blockBytes));
  NS_MSRC.setValue(view, COPY_RANGES - 1);
  NS_ANAGRPID.setValue(view, namespace.anaGroupId);
  NS_NSATTR.WP.write(view, namespace.isWritable ? 0 : 1);
  if (namespace.nguid !== null) {
    bytesOf(NS_NGUID, view).set(namespace.nguid);
  }
  LBAF.LBADS.write(view, 31 - Math.clz32(namespace.blockBytes), NS_LBAF.at(0));
  return data;
}

/** What does not depend on the command set. */
export function identifyNamespaceIndependent(namespace: TargetNamespace): Uint8Array {
  const data = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(data.buffer);
  CSI_NS_NMIC.SHRNS.write(view, 1);
  CSI_NS_RESCAP.setValue(view, reservationCapabilities(namespace));
  CSI_NS_ANAGRPID.setValue(view, namespace.anaGroupId);
  CSI_NS_NSATTR.WP.write(view, namespace.isWritable ? 0 : 1);
  CSI_NS_NSTAT.NRDY.write(view, 1);
  return data;
}

/** No protection information and no storage tags: all zeroes. */
export function identifyNamespaceNvm(): Uint8Array {
  return new Uint8Array(IDENTIFY_BYTES);
}

function reservationCapabilities(namespace: TargetNamespace): number {
  const { reservations } = namespace;
  if (reservations === null) {
    return 0;
  }
  const view = new DataView(new ArrayBuffer(NS_RESCAP.offset + 1));
  NS_RESCAP.PTPLS.write(view, reservations.canPersist ? 1 : 0);
  NS_RESCAP.WES.write(view, 1);
  NS_RESCAP.EAS.write(view, 1);
  NS_RESCAP.WEROS.write(view, 1);
  NS_RESCAP.EAROS.write(view, 1);
  NS_RESCAP.WEARS.write(view, 1);
  NS_RESCAP.EAARS.write(view, 1);
  NS_RESCAP.IEKEY.write(view, 1);
  return NS_RESCAP.value(view);
}
