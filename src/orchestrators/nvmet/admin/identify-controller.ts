/** Identify Controller of NVM and of discovery controllers. NVM Express Base 2.1, 5.1.13.2.1; NVM Command Set 1.1, 4.1.5. */
import {
  bytesOf,
  CONTROLLER_TYPE,
  ID_ACL,
  ID_AERL,
  ID_ANACAP,
  ID_ANAGRPMAX,
  ID_ANATT,
  ID_CMIC,
  ID_CNTLID,
  ID_CNTRLTYPE,
  ID_CQES,
  ID_CTRATT,
  ID_ELPE,
  ID_FCATT,
  ID_FR,
  ID_FRMW,
  ID_IOCCSZ,
  ID_IORCSZ,
  ID_KAS,
  ID_LPA,
  ID_MAXCMD,
  ID_MDTS,
  ID_MN,
  ID_MNAN,
  ID_MSDBD,
  ID_NANAGRPID,
  ID_NN,
  ID_NWPC,
  ID_OAES,
  ID_OCFS,
  ID_OFCS,
  ID_ONCS,
  ID_SGLS,
  ID_SN,
  ID_SQES,
  ID_SUBNQN,
  ID_VER,
  ID_VWC,
  IDENTIFY_BYTES,
  SQE_BYTES,
  setAscii,
} from '../../../spec/nvme/index.ts';
import { type Controller, KEEP_ALIVE_UNITS_100_MS } from '../controller.ts';
import { ERROR_LOG_ENTRIES } from '../error-log.ts';
import { EVENT_REQUESTS_MAX } from '../events.ts';
import { COPY_FORMATS_SUPPORTED } from '../io/limits.ts';
import { ANA_GROUPS_MAX } from '../port.ts';
import type { TargetQueue } from '../queue.ts';
import { NSID_MAX } from '../subsystem.ts';

/** Aborts that may be outstanding: ACL + 1. They never are, as an abort ends at once. */
const ABORTS_MAX = 4;
/** Unit of MDTS: the smallest page, CAP.MPSMIN 0. */
const PAGE_BYTES = 4096;
/** Capsule sizes are in units of 16 bytes. */
const CAPSULE_UNIT_BYTES = 16;
/** Seconds that an ANA transition takes at most. */
const ANA_TRANSITION_S = 10;

export function identifyController(queue: TargetQueue, controller: Controller): Uint8Array {
  const data = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(data.buffer);
  const { identity } = controller.subsystem;
  setAscii(ID_SN, view, identity.serial);
  setAscii(ID_MN, view, identity.model);
  setAscii(ID_FR, view, identity.firmware);
  ID_MDTS.setValue(view, mdtsOf(controller.maxTransferBytes));
  ID_CNTLID.setValue(view, controller.id);
  ID_VER.setValue(view, identity.version);
  ID_CTRATT.HIDS.write(view, 1);
  ID_CTRATT.TBKAS.write(view, 1);
  ID_AERL.setValue(view, EVENT_REQUESTS_MAX - 1);
  ID_ELPE.setValue(view, ERROR_LOG_ENTRIES - 1);
  ID_LPA.LPEDS.write(view, 1);
  ID_LPA.MLPS.write(view, 1);
  ID_KAS.setValue(view, KEEP_ALIVE_UNITS_100_MS);
  ID_MAXCMD.setValue(view, controller.queueEntriesMax);
  bytesOf(ID_SUBNQN, view).set(asciiBytes(controller.subsystem.nqn));
  ID_SGLS.SGLS.write(view, 1);
  ID_SGLS.KSDBDS.write(view, queue.transport.transport === 'rdma' ? 1 : 0);
  ID_SGLS.OAS.write(view, queue.transport.inCapsuleBytesMax > 0 ? 1 : 0);
  ID_SGLS.TSDBDS.write(view, queue.transport.transport === 'rdma' ? 0 : 1);
  ID_FCATT.setValue(view, controller.subsystem.isStatic ? 1 : 0);
  ID_MSDBD.setValue(view, 1);
  if (controller.isDiscovery) {
    ID_CNTRLTYPE.setValue(view, CONTROLLER_TYPE.DISCOVERY);
    ID_OAES.DLPCN.write(view, 1);
    return data;
  }
  ID_CNTRLTYPE.setValue(view, CONTROLLER_TYPE.IO);
  fillIo(view, queue);
  return data;
}

/** What only controllers with namespaces have. */
function fillIo(view: DataView, queue: TargetQueue): void {
  ID_CMIC.MPORTS.write(view, 1);
  ID_CMIC.MCTRS.write(view, 1);
  ID_CMIC.ANAR.write(view, 1);
  ID_OAES.NSAN.write(view, 1);
  ID_OAES.ANACN.write(view, 1);
  ID_ACL.setValue(view, ABORTS_MAX - 1);
  ID_FRMW.FFSRO.write(view, 1);
  ID_FRMW.NOFS.write(view, 1);
  ID_LPA.SMARTS.write(view, 1);
  ID_LPA.CSES.write(view, 1);
  ID_ANATT.setValue(view, ANA_TRANSITION_S);
  ID_ANACAP.OPTST.write(view, 1);
  ID_ANACAP.NOPTST.write(view, 1);
  ID_ANACAP.INACST.write(view, 1);
  ID_ANACAP.PLSST.write(view, 1);
  ID_ANACAP.CHNGST.write(view, 1);
  ID_ANAGRPMAX.setValue(view, ANA_GROUPS_MAX);
  ID_NANAGRPID.setValue(view, ANA_GROUPS_MAX);
  ID_SQES.setValue(view, 0x66);
  ID_CQES.setValue(view, 0x44);
  ID_NN.setValue(view, NSID_MAX);
  ID_MNAN.setValue(view, NSID_MAX);
  ID_ONCS.NVMCMPS.write(view, 1);
  ID_ONCS.NVMDSMSV.write(view, 1);
  ID_ONCS.NVMWZSV.write(view, 1);
  ID_ONCS.RESERVS.write(view, 1);
  ID_ONCS.NVMVFYS.write(view, 1);
  ID_ONCS.NVMCPYS.write(view, 1);
  ID_OCFS.setValue(view, COPY_FORMATS_SUPPORTED);
  ID_VWC.VWCP.write(view, 1);
  // Flush of all namespaces at once is refused.
  ID_VWC.FB.write(view, 2);
  ID_NWPC.NWPWPS.write(view, 1);
  ID_IOCCSZ.setValue(view, (SQE_BYTES + queue.transport.inCapsuleBytesMax) / CAPSULE_UNIT_BYTES);
  ID_IORCSZ.setValue(view, 1);
  // Disconnect of I/O queues.
  ID_OFCS.setValue(view, 1);
}

/** Dataset Management, Verify and Write Zeroes have no limits of their own: all zeroes. */
export function identifyControllerNvm(): Uint8Array {
  return new Uint8Array(IDENTIFY_BYTES);
}

/** MDTS for a largest transfer; both are powers of two of pages. */
export function mdtsOf(maxTransferBytes: number): number {
  let mdts = 0;
  while (PAGE_BYTES * 2 ** (mdts + 1) <= maxTransferBytes) {
    mdts++;
  }
  return mdts;
}

function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return bytes;
}
