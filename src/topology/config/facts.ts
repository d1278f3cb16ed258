/**
 * What a function's config space alone says of it, in the terms of `MachineFunction`.
 *
 * `undefined` is what these bytes cannot tell, `null` what the function is known not to have. Where Linux has looked at the
 * same registers, "not there" means what it means to Linux.
 */
import {
  BRIDGE_SUBSYSTEM,
  CAPABILITY_ID,
  CARDBUS_BUS_NUMBER,
  CARDBUS_SUBORDINATE_BUS_NUMBER,
  CARDBUS_SUBSYSTEM_ID,
  CARDBUS_SUBSYSTEM_VENDOR_ID,
  CLASS_CODE,
  COMMAND,
  DEVICE_ID,
  HEADER_BYTES,
  HEADER_LAYOUT,
  HEADER_TYPE,
  REVISION_ID,
  SECONDARY_BUS_NUMBER,
  SSID,
  SSVID,
  SUBORDINATE_BUS_NUMBER,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  VENDOR_ID,
  VENDOR_ID_NONE,
} from '../../spec/pci/index.ts';
import { EXTENDED_ID } from '../../spec/pcie/index.ts';
import type { AcsState, Bar, BridgeWindow, LinkState, MachineFunction, PcieType } from '../machine.ts';
import { acsState } from './acs-facts.ts';
import { bridgeWindows, headerBars } from './bars.ts';
import {
  type ConfigView,
  configView,
  isAllOnes,
  isAllZeros,
  readField,
  readRegister,
} from './config-view.ts';
import { expressFacts } from './express-facts.ts';
import type { ConfigFinding } from './finding.ts';
import { type SriovState, sriovState } from './sriov-facts.ts';
import { type CapabilityWalk, findCapability, findExtendedCapability, walkCapabilities } from './walk.ts';

export interface ConfigOptions {
  /**
   * The reader knows that these bytes are all the config space that the kernel itself sees: then 256 bytes mean that there
   * is no extended config space (so no ACS to the kernel). False when they may be cut, as `lspci -xxx` prints them. 64 bytes
   * are always a cut.
   */
  readonly isWhole: boolean;
}

/** The fields of a `MachineFunction` that config space can tell, and what it tells beyond them. */
export interface ConfigFacts
  extends Pick<
    MachineFunction,
    | 'vendorId'
    | 'deviceId'
    | 'subsystemVendorId'
    | 'subsystemDeviceId'
    | 'revision'
    | 'classCode'
    | 'headerType'
    | 'isMultifunction'
    | 'pcieType'
    | 'isGone'
    | 'command'
    | 'acs'
    | 'deviceControl'
    | 'link'
    | 'bars'
    | 'windows'
    | 'secondaryBus'
    | 'subordinateBus'
  > {
  /**
   * The ID registers read all ones while the rest does not: what a VF answers (PCIe Base 6.0, 9.3.4.1). IDs come from the
   * PF then, BARs from the PF's SR-IOV capability, and COMMAND has no memory enable bit.
   */
  readonly looksLikeVf: boolean;
  /** Of a PF. */
  readonly sriov: SriovState | null | undefined;
  readonly findings: readonly ConfigFinding[];
}

const NOTHING = {
  vendorId: undefined,
  deviceId: undefined,
  subsystemVendorId: undefined,
  subsystemDeviceId: undefined,
  revision: undefined,
  classCode: undefined,
  headerType: undefined,
  isMultifunction: undefined,
  pcieType: undefined,
  isGone: false,
  command: undefined,
  acs: undefined,
  deviceControl: undefined,
  link: undefined,
  bars: undefined,
  windows: undefined,
  secondaryBus: undefined,
  subordinateBus: undefined,
  looksLikeVf: false,
  sriov: undefined,
} as const satisfies Omit<ConfigFacts, 'findings'>;

/** Enough of a header to tell a device that is gone from a VF, whose class and header type are real. */
const GONE_BYTES = 16;

/**
 * Reads a function's config space from byte 0; any length, any content. Never throws: what is wrong is in `findings`.
 *
 * @param bytes  stays the caller's; not kept
 */
export function factsFromConfig(bytes: Uint8Array, options: ConfigOptions): ConfigFacts {
  const view = configView(bytes);
  if (isAllOnes(view, 0, HEADER_BYTES) && view.lengthBytes >= 4) {
    const isGone = view.lengthBytes >= GONE_BYTES;
    const detail = isGone
      ? 'config space reads all ones: the device is powered down, hung or gone'
      : `only ${view.lengthBytes} bytes of config space, all ones`;
    return { ...NOTHING, isGone, findings: [{ code: 'CONFIG_ALL_ONES', offset: 0, detail }] };
  }
  const findings: ConfigFinding[] = [];
  if (view.lengthBytes < HEADER_BYTES) {
    findings.push({
      code: 'CONFIG_SHORT',
      offset: view.lengthBytes,
      detail: `only ${view.lengthBytes} bytes of config space; a header has ${HEADER_BYTES}`,
    });
  }
  if (isAllZeros(view, 0, 4)) {
    findings.push({ code: 'CONFIG_ALL_ZEROS', offset: 0, detail: 'vendor and device ID read zero' });
  }

  const walk = walkCapabilities(view.bytes, options);
  findings.push(...walk.findings);
  const vendorId = readRegister(view, VENDOR_ID);
  const looksLikeVf = vendorId === VENDOR_ID_NONE;
  const layout = readField(view, HEADER_TYPE, HEADER_TYPE.Header_Layout);
  if (layout !== undefined && layout > HEADER_LAYOUT.CARDBUS) {
    findings.push({
      code: 'HEADER_UNKNOWN',
      offset: HEADER_TYPE.offset,
      detail: `header layout ${layout} is not defined`,
    });
  }
  const vfs = sriov(view, walk, findings);
  const isMultifunction = readField(view, HEADER_TYPE, HEADER_TYPE.Multi_Function_Device);
  return {
    vendorId: looksLikeVf ? undefined : vendorId,
    deviceId: looksLikeVf ? undefined : readRegister(view, DEVICE_ID),
    ...subsystem(view, layout, walk),
    revision: readRegister(view, REVISION_ID),
    classCode: readRegister(view, CLASS_CODE),
    headerType: layout,
    isMultifunction: isMultifunction === undefined ? undefined : isMultifunction === 1,
    isGone: false,
    command: readRegister(view, COMMAND),
    ...express(view, walk, looksLikeVf, findings),
    acs: acs(view, walk),
    bars: layout === undefined || looksLikeVf ? undefined : headerAndVfBars(view, layout, vfs, findings),
    ...bridge(view, layout, findings),
    looksLikeVf,
    sriov: vfs,
    findings,
  };
}

type Subsystem = Pick<ConfigFacts, 'subsystemVendorId' | 'subsystemDeviceId'>;

/** Zero in both registers means that there is none. */
function subsystem(view: ConfigView, layout: number | undefined, walk: CapabilityWalk): Subsystem {
  switch (layout) {
    case HEADER_LAYOUT.ENDPOINT:
      return subsystemOf(readRegister(view, SUBSYSTEM_VENDOR_ID), readRegister(view, SUBSYSTEM_ID));
    case HEADER_LAYOUT.CARDBUS:
      return subsystemOf(
        readRegister(view, CARDBUS_SUBSYSTEM_VENDOR_ID),
        readRegister(view, CARDBUS_SUBSYSTEM_ID),
      );
    case HEADER_LAYOUT.BRIDGE: {
      const found = findCapability(walk, CAPABILITY_ID.BRIDGE_SUBSYSTEM_VENDOR_ID);
      if (found === null) {
        return { subsystemVendorId: null, subsystemDeviceId: null };
      }
      if (found === undefined || found.spanBytes < BRIDGE_SUBSYSTEM.sizeBytes) {
        return subsystemOf(undefined, undefined);
      }
      return subsystemOf(readRegister(view, SSVID, found.offset), readRegister(view, SSID, found.offset));
    }
    default:
      return subsystemOf(undefined, undefined);
  }
}

function subsystemOf(vendor: number | undefined, device: number | undefined): Subsystem {
  return vendor === 0 && device === 0
    ? { subsystemVendorId: null, subsystemDeviceId: null }
    : { subsystemVendorId: vendor, subsystemDeviceId: device };
}

interface Express {
  readonly pcieType: PcieType | null | undefined;
  readonly deviceControl: number | null | undefined;
  readonly link: LinkState | null | undefined;
}

function express(view: ConfigView, walk: CapabilityWalk, isVf: boolean, findings: ConfigFinding[]): Express {
  const found = findCapability(walk, CAPABILITY_ID.PCI_EXPRESS);
  if (found === null) {
    return { pcieType: null, deviceControl: null, link: null };
  }
  return found === undefined
    ? { pcieType: undefined, deviceControl: undefined, link: undefined }
    : expressFacts(view, found.offset, isVf, findings);
}

function acs(view: ConfigView, walk: CapabilityWalk): AcsState | null | undefined {
  const found = findExtendedCapability(walk, EXTENDED_ID.ACCESS_CONTROL_SERVICES);
  return found === null || found === undefined ? found : acsState(view, found.offset);
}

function sriov(
  view: ConfigView,
  walk: CapabilityWalk,
  findings: ConfigFinding[],
): SriovState | null | undefined {
  const found = findExtendedCapability(walk, EXTENDED_ID.SR_IOV);
  return found === null || found === undefined ? found : sriovState(view, found.offset, findings);
}

function headerAndVfBars(
  view: ConfigView,
  layout: number,
  vfs: SriovState | null | undefined,
  findings: ConfigFinding[],
): readonly Bar[] | undefined {
  const bars = headerBars(view, layout, findings);
  return bars === undefined ? undefined : [...bars, ...(vfs?.bars ?? [])];
}

interface Bridge {
  readonly windows: readonly BridgeWindow[] | undefined;
  readonly secondaryBus: number | null | undefined;
  readonly subordinateBus: number | null | undefined;
}

function bridge(view: ConfigView, layout: number | undefined, findings: ConfigFinding[]): Bridge {
  switch (layout) {
    case HEADER_LAYOUT.ENDPOINT:
      return { windows: [], secondaryBus: null, subordinateBus: null };
    case HEADER_LAYOUT.BRIDGE: {
      const secondaryBus = readRegister(view, SECONDARY_BUS_NUMBER);
      const subordinateBus = readRegister(view, SUBORDINATE_BUS_NUMBER);
      if (secondaryBus !== undefined && subordinateBus !== undefined && secondaryBus > subordinateBus) {
        findings.push({
          code: 'BUS_NUMBERS',
          offset: SECONDARY_BUS_NUMBER.offset,
          detail: `secondary bus ${secondaryBus} is above subordinate bus ${subordinateBus}`,
        });
      }
      return { windows: bridgeWindows(view), secondaryBus, subordinateBus };
    }
    case HEADER_LAYOUT.CARDBUS:
      return {
        windows: undefined,
        secondaryBus: readRegister(view, CARDBUS_BUS_NUMBER),
        subordinateBus: readRegister(view, CARDBUS_SUBORDINATE_BUS_NUMBER),
      };
    default:
      return { windows: undefined, secondaryBus: undefined, subordinateBus: undefined };
  }
}
