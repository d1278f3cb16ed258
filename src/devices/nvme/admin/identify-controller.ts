/**
 * Identify Controller: what this controller says of itself. Follows NVM Express Base 2.1, section 5.1.13.2.1, and NVM
 * Command Set 1.1, section 4.1.5.2. Fields that a revision did not have are 0 in it.
 */
import {
  bytesOf,
  CONTROLLER_TYPE,
  ID_ACL,
  ID_ACWU,
  ID_AERL,
  ID_ANACAP,
  ID_ANAGRPMAX,
  ID_ANATT,
  ID_APSTA,
  ID_AWUN,
  ID_AWUPF,
  ID_CCTEMP,
  ID_CMIC,
  ID_CNTLID,
  ID_CNTRLTYPE,
  ID_CQES,
  ID_CTRATT,
  ID_DSTO,
  ID_EDSTT,
  ID_ELPE,
  ID_ENDGIDMAX,
  ID_FNA,
  ID_FR,
  ID_FRMW,
  ID_FUSES,
  ID_FWUG,
  ID_HMMIN,
  ID_HMPRE,
  ID_IEEE,
  ID_KAS,
  ID_LPA,
  ID_MDTS,
  ID_MN,
  ID_MNAN,
  ID_MTFA,
  ID_NANAGRPID,
  ID_NN,
  ID_NPSS,
  ID_NWPC,
  ID_OACS,
  ID_OAES,
  ID_OCFS,
  ID_ONCS,
  ID_PSD,
  ID_RAB,
  ID_RTD3E,
  ID_RTD3R,
  ID_SANICAP,
  ID_SGLS,
  ID_SN,
  ID_SQES,
  ID_SSVID,
  ID_SUBNQN,
  ID_TNVMCAP,
  ID_UNVMCAP,
  ID_VER,
  ID_VID,
  ID_VWC,
  ID_WCTEMP,
  IDENTIFY_BYTES,
  NVM_ID_DMRL,
  NVM_ID_DMRSL,
  NVM_ID_DMSL,
  NVM_ID_VSL,
  PSD_ENLAT,
  PSD_EXLAT,
  PSD_FLAGS,
  PSD_MP,
  PSD_RRL,
  PSD_RRT,
  PSD_RWL,
  PSD_RWT,
  setAscii,
  setUnsigned,
} from '../../../spec/nvme/index.ts';
import { CRITICAL_TEMPERATURE_K, WARNING_TEMPERATURE_K } from '../health.ts';
import { VERSION_VALUE } from '../options.ts';
import type { AdminHost } from './admin-host.ts';
import { EVENT_REQUESTS_MAX } from './async-events.ts';
import { ERROR_LOG_ENTRIES } from './error-log.ts';
import { ARBITRATION_BURST, POWER_STATES } from './feature-table.ts';
import { FIRMWARE_SLOTS } from './firmware.ts';

/** Aborts that may be in work: ACL is one less. */
export const ABORTS_MAX = 4;
/** Milliseconds to activate firmware without a reset. */
const ACTIVATION_MS = 1000;

/** Power in watts, entry and exit latency in microseconds; the last two are not operational. */
const POWER: readonly (readonly [number, number, number])[] = [
  [12, 0, 0],
  [9, 0, 0],
  [6, 0, 0],
  [0.08, 2_000, 3_000],
  [0.005, 10_000, 40_000],
];

/** CNS 01h. */
export function identifyController(host: AdminHost): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  const { options, subsystem } = host;
  const isSecond = options.version === '2.0' || options.version === '2.1';
  const isFourth = isSecond || options.version === '1.4';

  ID_VID.setValue(view, options.vendorId);
  ID_SSVID.setValue(view, options.subsystemVendorId);
  setAscii(ID_SN, view, options.serial);
  setAscii(ID_MN, view, options.model);
  setAscii(ID_FR, view, host.revision);
  ID_RAB.setValue(view, ARBITRATION_BURST);
  ID_IEEE.setValue(view, options.oui);
  ID_CMIC.MCTRS.write(view, subsystem.controllerCountMax > 1 ? 1 : 0);
  ID_CMIC.ANAR.write(view, subsystem.hasAna ? 1 : 0);
  ID_MDTS.setValue(view, options.mdts);
  ID_CNTLID.setValue(view, host.controllerId);
  ID_VER.setValue(view, VERSION_VALUE[options.version]);
  ID_RTD3R.setValue(view, 500_000);
  ID_RTD3E.setValue(view, 2_000_000);
  ID_OAES.NSAN.write(view, 1);
  ID_OAES.FAN.write(view, 1);
  ID_OAES.ANACN.write(view, subsystem.hasAna ? 1 : 0);
  ID_CTRATT.HIDS.write(view, 1);
  ID_CTRATT.NOPSPM.write(view, 1);
  if (isFourth) {
    ID_CNTRLTYPE.setValue(view, CONTROLLER_TYPE.IO);
    ID_CTRATT.EGS.write(view, 1);
    ID_ENDGIDMAX.setValue(view, 1);
  }
  if (isSecond) {
    ID_CTRATT.ELBAS.write(view, 1);
  }

  ID_OACS.FNVMS.write(view, 1);
  ID_OACS.FWDS.write(view, 1);
  ID_OACS.NMS.write(view, 1);
  ID_OACS.DSTS.write(view, 1);
  ID_OACS.DIRS.write(view, 1);
  ID_OACS.DBCS.write(view, 1);
  ID_ACL.setValue(view, ABORTS_MAX - 1);
  ID_AERL.setValue(view, EVENT_REQUESTS_MAX - 1);
  ID_FRMW.NOFS.write(view, FIRMWARE_SLOTS);
  ID_FRMW.FAWR.write(view, 1);
  ID_LPA.SMARTS.write(view, 1);
  ID_LPA.CSES.write(view, 1);
  ID_LPA.LPEDS.write(view, 1);
  ID_LPA.TS.write(view, 1);
  ID_LPA.MLPS.write(view, isSecond ? 1 : 0);
  ID_ELPE.setValue(view, ERROR_LOG_ENTRIES - 1);
  ID_NPSS.setValue(view, POWER_STATES - 1);
  ID_APSTA.setValue(view, 1);
  ID_WCTEMP.setValue(view, WARNING_TEMPERATURE_K);
  ID_CCTEMP.setValue(view, CRITICAL_TEMPERATURE_K);
  ID_MTFA.setValue(view, ACTIVATION_MS / 100);
  ID_HMPRE.setValue(view, Math.floor(options.hostMemoryBytes / 4096));
  ID_HMMIN.setValue(view, options.hostMemoryBytes > 0 ? 1 : 0);
  setUnsigned(ID_TNVMCAP, view, subsystem.capacityBytes);
  setUnsigned(ID_UNVMCAP, view, subsystem.unallocatedBytes);
  ID_EDSTT.setValue(view, 1);
  ID_DSTO.SDSO.write(view, 1);
  ID_FWUG.setValue(view, 1);
  ID_KAS.setValue(view, 10);
  ID_SANICAP.CES.write(view, 1);
  ID_SANICAP.BES.write(view, 1);
  ID_SANICAP.OWS.write(view, 1);
  if (subsystem.hasAna) {
    ID_ANATT.setValue(view, 10);
    for (const field of [ID_ANACAP.OPTST, ID_ANACAP.NOPTST, ID_ANACAP.INACST, ID_ANACAP.CHNGST]) {
      field.write(view, 1);
    }
    ID_ANAGRPMAX.setValue(view, 1);
    ID_NANAGRPID.setValue(view, 1);
    ID_MNAN.setValue(view, options.namespaceCountMax);
  }

  ID_SQES.MINQES.write(view, 6);
  ID_SQES.MAXQES.write(view, 6);
  ID_CQES.MINQES.write(view, 4);
  ID_CQES.MAXQES.write(view, 4);
  ID_NN.setValue(view, options.namespaceCountMax);
  for (const field of [
    ID_ONCS.NVMCMPS,
    ID_ONCS.NVMWUSV,
    ID_ONCS.NVMDSMSV,
    ID_ONCS.NVMWZSV,
    ID_ONCS.SSFS,
    ID_ONCS.TSS,
  ]) {
    field.write(view, 1);
  }
  ID_ONCS.NVMVFYS.write(view, isFourth ? 1 : 0);
  ID_ONCS.NVMCPYS.write(view, isSecond ? 1 : 0);
  ID_OCFS.setValue(view, isSecond ? options.copyFormats : 0);
  ID_FNA.CRYES.write(view, 1);
  ID_VWC.VWCP.write(view, options.volatileWriteCache ? 1 : 0);
  ID_VWC.FB.write(view, 3);
  // Commands never get between each other's blocks, whatever their length.
  ID_AWUN.setValue(view, 0x3ff);
  ID_AWUPF.setValue(view, 0);
  ID_ACWU.setValue(view, 0x3ff);
  ID_FUSES.FCWS.write(view, 1);
  ID_NWPC.NWPWPS.write(view, isFourth ? 1 : 0);
  if (options.hasSgl) {
    ID_SGLS.SGLS.write(view, 1);
    ID_SGLS.BBS.write(view, 1);
    ID_SGLS.SGLLAS.write(view, 1);
    ID_SGLS.MPTRSGLS.write(view, 1);
  }
  bytesOf(ID_SUBNQN, view).set(asciiBytes(subsystem.nqn));
  writePowerStates(view);
  return bytes;
}

/** CNS 06h of the NVM command set. */
export function identifyControllerNvm(host: AdminHost): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  NVM_ID_VSL.setValue(view, host.options.mdts);
  NVM_ID_DMRL.setValue(view, 255);
  NVM_ID_DMRSL.setValue(view, 0xffff_ffff);
  NVM_ID_DMSL.setValue(view, 0);
  return bytes;
}

function writePowerStates(view: DataView): void {
  POWER.forEach(([watts, entryUs, exitUs], state) => {
    const at = ID_PSD.at(state);
    const isSmall = watts < 1;
    PSD_MP.setValue(view, Math.round(watts * (isSmall ? 10_000 : 100)), at);
    PSD_FLAGS.MXPS.write(view, isSmall ? 1 : 0, at);
    PSD_FLAGS.NOPS.write(view, isSmall ? 1 : 0, at);
    PSD_ENLAT.setValue(view, entryUs, at);
    PSD_EXLAT.setValue(view, exitUs, at);
    for (const rank of [PSD_RRT, PSD_RRL, PSD_RWT, PSD_RWL]) {
      rank.setValue(view, state, at);
    }
  });
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
