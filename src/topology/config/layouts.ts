/**
 * Which tables describe a capability, and where: some have one layout, many have parts that depend on what stands in them.
 *
 * The answer is a list of structures with their places. None of it goes beyond the capability's span, so a broken count
 * costs nothing.
 */
import type { RegisterMeta, Structure } from '../../base/index.ts';
import * as pci from '../../spec/pci/index.ts';
import * as pcie from '../../spec/pcie/index.ts';
import { egressVectorBits } from './acs-facts.ts';
import { type ConfigView, readField, readRegister } from './config-view.ts';
import type { Capability } from './walk.ts';

/** A table laid over config space. */
export interface Part {
  readonly structure: Structure;
  /** From the start of config space. */
  readonly base: number;
  /** Of repeated parts, counted from 0: which entry, lane or channel; null for what is there once. */
  readonly instance: number | null;
}

/** What the layout of one capability may depend on beside its own bytes. */
export interface LayoutContext {
  readonly view: ConfigView;
  /** Device/Port Type; undefined where unknown or not PCI Express. */
  readonly devicePortType: number | undefined;
  readonly isBridge: boolean;
  /** Maximum Link Width; 0 where there is no link. */
  readonly lanes: number;
  /** End-End TLP Prefix Supported. */
  readonly hasTlpPrefixes: boolean;
}

export interface Layout {
  readonly parts: readonly Part[];
  /** Bytes the capability says it has, where it does say (vendor-specific ones); otherwise undefined. */
  readonly lengthBytes: number | undefined;
}

type LayoutRule = (capability: Capability, context: LayoutContext) => Layout;

/** Tables for a capability; no parts when it is not known. */
export function layoutOf(capability: Capability, context: LayoutContext): Layout {
  const rules = capability.isExtended ? EXTENDED_RULES : CONVENTIONAL_RULES;
  return rules[capability.id]?.(capability, context) ?? { parts: [], lengthBytes: undefined };
}

function fixed(structure: Structure): LayoutRule {
  return (capability) => only(part(structure, capability.offset));
}

function part(structure: Structure, base: number, instance: number | null = null): Part {
  return { structure, base, instance };
}

function only(...parts: Part[]): Layout {
  return { parts, lengthBytes: undefined };
}

/** `count` copies of a structure one behind the other, as many as the span holds. */
function repeated(structure: Structure, start: number, count: number, capability: Capability): Part[] {
  const room = Math.floor((capability.offset + capability.spanBytes - start) / structure.sizeBytes);
  const parts: Part[] = [];
  for (let i = 0; i < Math.min(count, room); i++) {
    parts.push(part(structure, start + i * structure.sizeBytes, i));
  }
  return parts;
}

function fits(structure: Structure, base: number, capability: Capability): boolean {
  return base + structure.sizeBytes <= capability.offset + capability.spanBytes;
}

function express(capability: Capability, { view, devicePortType }: LayoutContext): Layout {
  const capabilities = pcie.PCI_EXPRESS_CAPABILITIES;
  const version = readField(view, capabilities, capabilities.Capability_Version, capability.offset);
  const hasSlot = readField(view, capabilities, capabilities.Slot_Implemented, capability.offset) === 1;
  return only(
    part(version === 1 ? expressV1(devicePortType, hasSlot) : pcie.PCI_EXPRESS_CAPABILITY, capability.offset),
  );
}

function expressV1(devicePortType: number | undefined, hasSlot: boolean): Structure {
  const type = pcie.DEVICE_PORT_TYPE;
  switch (devicePortType) {
    case type.ROOT_PORT:
      return pcie.PCI_EXPRESS_V1_ROOT;
    case type.RC_EVENT_COLLECTOR:
      return pcie.PCI_EXPRESS_V1_EVENT_COLLECTOR;
    case type.RC_INTEGRATED_ENDPOINT:
      return pcie.PCI_EXPRESS_V1_DEVICE;
    case type.SWITCH_DOWNSTREAM:
      return hasSlot ? pcie.PCI_EXPRESS_V1_SLOT : pcie.PCI_EXPRESS_V1_LINK;
    default:
      return pcie.PCI_EXPRESS_V1_LINK;
  }
}

function msi(capability: Capability, { view }: LayoutContext): Layout {
  const control = readRegister(view, pci.MSI_MESSAGE_CONTROL, capability.offset) ?? 0;
  const is64Bit = pci.MSI_MESSAGE_CONTROL._64_bit_Address_Capable.of(control) === 1;
  const isMaskable = pci.MSI_MESSAGE_CONTROL.Per_Vector_Masking_Capable.of(control) === 1;
  const structure = is64Bit
    ? isMaskable
      ? pci.MSI_64_MASKABLE
      : pci.MSI_64
    : isMaskable
      ? pci.MSI_32_MASKABLE
      : pci.MSI_32;
  return only(part(structure, capability.offset));
}

function pciX(capability: Capability, { isBridge }: LayoutContext): Layout {
  return only(part(isBridge ? pci.PCI_X_BRIDGE : pci.PCI_X_FUNCTION, capability.offset));
}

function hyperTransport(capability: Capability, { view }: LayoutContext): Layout {
  const command = readRegister(view, pci.MSI_MAPPING_COMMAND, capability.offset) ?? 0;
  if (pci.MSI_MAPPING_COMMAND.Capability_Type.of(command) !== pci.HYPERTRANSPORT_TYPE_MSI_MAPPING) {
    return only(part(pci.HYPERTRANSPORT, capability.offset));
  }
  const isFixed = pci.MSI_MAPPING_COMMAND.Fixd.of(command) === 1;
  return only(
    part(isFixed ? pci.HYPERTRANSPORT_MSI_MAPPING_FIXED : pci.HYPERTRANSPORT_MSI_MAPPING, capability.offset),
  );
}

function vendorSpecific(capability: Capability, { view }: LayoutContext): Layout {
  return {
    parts: [part(pci.VENDOR_CAPABILITY, capability.offset)],
    lengthBytes: readRegister(view, pci.VENDOR_CAPABILITY_LENGTH, capability.offset),
  };
}

function enhancedAllocation(capability: Capability, { view, isBridge }: LayoutContext): Layout {
  const parts = [part(pci.EA_HEADER, capability.offset)];
  let at = capability.offset + pci.EA_HEADER.sizeBytes;
  if (isBridge) {
    parts.push(part(pci.EA_BRIDGE, at));
    at += pci.EA_BRIDGE.sizeBytes;
  }
  const count = readRegister(view, pci.EA_NUM_ENTRIES, capability.offset);
  const entries = count === undefined ? 0 : pci.EA_NUM_ENTRIES.Num_Entries.of(count);
  for (let i = 0; i < entries && fits(pci.EA_ENTRY_HEAD, at, capability); i++) {
    parts.push(part(pci.EA_ENTRY_HEAD, at, i));
    let upper = at + pci.EA_ENTRY_HEAD.sizeBytes;
    for (const [half, structure] of [
      [pci.EA_BASE, pci.EA_BASE_UPPER],
      [pci.EA_MAX_OFFSET, pci.EA_MAX_OFFSET_UPPER],
    ] as const) {
      if (readField(view, half, half.Is_64_Bit, at) === 1 && fits(structure, upper, capability)) {
        parts.push(part(structure, upper, i));
        upper += structure.sizeBytes;
      }
    }
    at += 4 * (1 + (readField(view, pci.EA_ENTRY, pci.EA_ENTRY.Entry_Size, at) ?? 0));
  }
  return { parts, lengthBytes: undefined };
}

const CONVENTIONAL_RULES: Readonly<Record<number, LayoutRule>> = {
  [pci.CAPABILITY_ID.POWER_MANAGEMENT]: fixed(pci.POWER_MANAGEMENT),
  [pci.CAPABILITY_ID.AGP]: fixed(pci.AGP),
  [pci.CAPABILITY_ID.AGP_8X]: fixed(pci.AGP),
  [pci.CAPABILITY_ID.VPD]: fixed(pci.VPD),
  [pci.CAPABILITY_ID.SLOT_IDENTIFICATION]: fixed(pci.SLOT_IDENTIFICATION),
  [pci.CAPABILITY_ID.MSI]: msi,
  [pci.CAPABILITY_ID.PCI_X]: pciX,
  [pci.CAPABILITY_ID.HYPERTRANSPORT]: hyperTransport,
  [pci.CAPABILITY_ID.VENDOR_SPECIFIC]: vendorSpecific,
  [pci.CAPABILITY_ID.DEBUG_PORT]: fixed(pci.DEBUG_PORT),
  [pci.CAPABILITY_ID.BRIDGE_SUBSYSTEM_VENDOR_ID]: fixed(pci.BRIDGE_SUBSYSTEM),
  [pci.CAPABILITY_ID.PCI_EXPRESS]: express,
  [pci.CAPABILITY_ID.MSI_X]: fixed(pci.MSI_X),
  [pci.CAPABILITY_ID.SATA_CONFIGURATION]: fixed(pci.SATA_CONFIGURATION),
  [pci.CAPABILITY_ID.ADVANCED_FEATURES]: fixed(pci.ADVANCED_FEATURES),
  [pci.CAPABILITY_ID.ENHANCED_ALLOCATION]: enhancedAllocation,
  [pci.CAPABILITY_ID.FLATTENING_PORTAL_BRIDGE]: fixed(pci.FLATTENING_PORTAL_BRIDGE),
};

function errorReporting(capability: Capability, { devicePortType, hasTlpPrefixes }: LayoutContext): Layout {
  const isRoot =
    devicePortType === pcie.DEVICE_PORT_TYPE.ROOT_PORT ||
    devicePortType === pcie.DEVICE_PORT_TYPE.RC_EVENT_COLLECTOR;
  const parts = [part(isRoot ? pcie.AER_ROOT : pcie.AER, capability.offset)];
  const prefixLog = capability.offset + pcie.AER_PREFIX_LOG_OFFSET;
  if (hasTlpPrefixes && fits(pcie.AER_PREFIX_LOG, prefixLog, capability)) {
    parts.push(part(pcie.AER_PREFIX_LOG, prefixLog));
  }
  return { parts, lengthBytes: undefined };
}

function accessControl(capability: Capability, { view }: LayoutContext): Layout {
  const bits = egressVectorBits(readRegister(view, pcie.ACS_CAPABILITY, capability.offset) ?? 0);
  return only(
    part(pcie.ACS, capability.offset),
    ...repeated(
      pcie.ACS_EGRESS_CONTROL_VECTOR,
      capability.offset + pcie.ACS_EGRESS_CONTROL_VECTOR_OFFSET,
      Math.ceil(bits / 32),
      capability,
    ),
  );
}

function resizableBar(header: Structure): LayoutRule {
  return (capability, { view }) => {
    const first = capability.offset + header.sizeBytes;
    const count = readField(
      view,
      pcie.RESIZABLE_BAR_CONTROL,
      pcie.RESIZABLE_BAR_CONTROL.Number_of_Resizable_BARs,
      first,
    );
    const entries = Math.min(count ?? 0, pcie.RESIZABLE_BARS_MAX);
    return only(
      part(header, capability.offset),
      ...repeated(pcie.RESIZABLE_BAR_ENTRY, first, entries, capability),
    );
  };
}

function virtualChannel(capability: Capability, { view }: LayoutContext): Layout {
  const count = readField(
    view,
    pcie.PORT_VC_CAPABILITY_1,
    pcie.PORT_VC_CAPABILITY_1.Extended_VC_Count,
    capability.offset,
  );
  return only(
    part(pcie.VIRTUAL_CHANNEL, capability.offset),
    ...repeated(
      pcie.VC_RESOURCE,
      capability.offset + pcie.VIRTUAL_CHANNEL.sizeBytes,
      count === undefined ? 0 : count + 1,
      capability,
    ),
  );
}

function perLane(head: Structure, lane: Structure): LayoutRule {
  return (capability, { lanes }) =>
    only(
      part(head, capability.offset),
      ...repeated(lane, capability.offset + head.sizeBytes, lanes, capability),
    );
}

function containment(capability: Capability, { view }: LayoutContext): Layout {
  const parts = [part(pcie.DOWNSTREAM_PORT_CONTAINMENT, capability.offset)];
  const hasExtensions =
    readField(view, pcie.DPC_CAPABILITY, pcie.DPC_CAPABILITY.RP_Extensions_for_DPC, capability.offset) === 1;
  const rootPort = capability.offset + pcie.DPC_ROOT_PORT_OFFSET;
  if (hasExtensions && fits(pcie.DPC_ROOT_PORT, rootPort, capability)) {
    parts.push(part(pcie.DPC_ROOT_PORT, rootPort));
  }
  return { parts, lengthBytes: undefined };
}

function l1Substates(capability: Capability, { view }: LayoutContext): Layout {
  const parts = [part(pcie.L1_PM_SUBSTATES, capability.offset)];
  const hasActivation =
    readField(
      view,
      pcie.L1SS_CAPABILITIES,
      pcie.L1SS_CAPABILITIES.Link_Activation_Supported,
      capability.offset,
    ) === 1;
  const status = capability.offset + pcie.L1SS_STATUS_OFFSET;
  if (hasActivation && fits(pcie.L1SS_STATUS, status, capability)) {
    parts.push(part(pcie.L1SS_STATUS, status));
  }
  return { parts, lengthBytes: undefined };
}

function multicast(capability: Capability, { isBridge }: LayoutContext): Layout {
  const parts = [part(pcie.MULTICAST, capability.offset)];
  const overlay = capability.offset + pcie.MULTICAST_OVERLAY_OFFSET;
  if (isBridge && fits(pcie.MULTICAST_OVERLAY, overlay, capability)) {
    parts.push(part(pcie.MULTICAST_OVERLAY, overlay));
  }
  return { parts, lengthBytes: undefined };
}

function eventCollector(capability: Capability): Layout {
  const parts = [part(pcie.RCEC_ENDPOINT_ASSOCIATION, capability.offset)];
  const busNumbers = capability.offset + pcie.RCEC_BUS_NUMBERS_OFFSET;
  if ((capability.version ?? 0) >= 2 && fits(pcie.RCEC_BUS_NUMBERS, busNumbers, capability)) {
    parts.push(part(pcie.RCEC_BUS_NUMBERS, busNumbers));
  }
  return { parts, lengthBytes: undefined };
}

function linkDeclaration(capability: Capability, { view }: LayoutContext): Layout {
  const count = readField(
    view,
    pcie.ELEMENT_SELF_DESCRIPTION,
    pcie.ELEMENT_SELF_DESCRIPTION.Number_of_Link_Entries,
    capability.offset,
  );
  return only(
    part(pcie.ROOT_COMPLEX_LINK_DECLARATION, capability.offset),
    ...repeated(
      pcie.LINK_ENTRY,
      capability.offset + pcie.ROOT_COMPLEX_LINK_DECLARATION.sizeBytes,
      count ?? 0,
      capability,
    ),
  );
}

/** A vendor's structure says its own length. */
function sized(structure: Structure, header: RegisterMeta, lengthOf: (value: number) => number): LayoutRule {
  return (capability, { view }) => {
    const value = readRegister(view, header, capability.offset);
    return {
      parts: [part(structure, capability.offset)],
      lengthBytes: value === undefined ? undefined : lengthOf(value),
    };
  };
}

const EXTENDED_RULES: Readonly<Record<number, LayoutRule>> = {
  [pcie.EXTENDED_ID.ADVANCED_ERROR_REPORTING]: errorReporting,
  [pcie.EXTENDED_ID.VIRTUAL_CHANNEL]: virtualChannel,
  [pcie.EXTENDED_ID.VIRTUAL_CHANNEL_MFVC]: virtualChannel,
  [pcie.EXTENDED_ID.DEVICE_SERIAL_NUMBER]: fixed(pcie.DEVICE_SERIAL_NUMBER),
  [pcie.EXTENDED_ID.POWER_BUDGETING]: fixed(pcie.POWER_BUDGETING),
  [pcie.EXTENDED_ID.ROOT_COMPLEX_LINK_DECLARATION]: linkDeclaration,
  [pcie.EXTENDED_ID.RCEC_ENDPOINT_ASSOCIATION]: eventCollector,
  [pcie.EXTENDED_ID.VENDOR_SPECIFIC]: sized(pcie.VSEC, pcie.VSEC_HEADER, pcie.VSEC_HEADER.VSEC_Length.of),
  [pcie.EXTENDED_ID.ACCESS_CONTROL_SERVICES]: accessControl,
  [pcie.EXTENDED_ID.ARI]: fixed(pcie.ARI),
  [pcie.EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES]: fixed(pcie.ATS),
  [pcie.EXTENDED_ID.SR_IOV]: fixed(pcie.SR_IOV),
  [pcie.EXTENDED_ID.MULTICAST]: multicast,
  [pcie.EXTENDED_ID.PAGE_REQUEST]: fixed(pcie.PAGE_REQUEST),
  [pcie.EXTENDED_ID.RESIZABLE_BAR]: resizableBar(pcie.RESIZABLE_BAR_HEADER),
  [pcie.EXTENDED_ID.VF_RESIZABLE_BAR]: resizableBar(pcie.VF_RESIZABLE_BAR_HEADER),
  [pcie.EXTENDED_ID.DYNAMIC_POWER_ALLOCATION]: fixed(pcie.DYNAMIC_POWER_ALLOCATION),
  [pcie.EXTENDED_ID.TPH_REQUESTER]: fixed(pcie.TPH_REQUESTER),
  [pcie.EXTENDED_ID.LATENCY_TOLERANCE_REPORTING]: fixed(pcie.LATENCY_TOLERANCE_REPORTING),
  [pcie.EXTENDED_ID.SECONDARY_PCI_EXPRESS]: perLane(pcie.SECONDARY_PCI_EXPRESS, pcie.LANE_EQUALIZATION),
  [pcie.EXTENDED_ID.PASID]: fixed(pcie.PASID),
  [pcie.EXTENDED_ID.DOWNSTREAM_PORT_CONTAINMENT]: containment,
  [pcie.EXTENDED_ID.L1_PM_SUBSTATES]: l1Substates,
  [pcie.EXTENDED_ID.PRECISION_TIME_MEASUREMENT]: fixed(pcie.PRECISION_TIME_MEASUREMENT),
  [pcie.EXTENDED_ID.FRS_QUEUEING]: fixed(pcie.FRS_QUEUEING),
  [pcie.EXTENDED_ID.READINESS_TIME_REPORTING]: fixed(pcie.READINESS_TIME_REPORTING),
  [pcie.EXTENDED_ID.DESIGNATED_VENDOR_SPECIFIC]: sized(
    pcie.DVSEC,
    pcie.DVSEC_HEADER_1,
    pcie.DVSEC_HEADER_1.DVSEC_Length.of,
  ),
  [pcie.EXTENDED_ID.DATA_LINK_FEATURE]: fixed(pcie.DATA_LINK_FEATURE),
  [pcie.EXTENDED_ID.PHYSICAL_LAYER_16GT]: perLane(pcie.PHYSICAL_LAYER_16GT, pcie.LANE_PRESETS),
  [pcie.EXTENDED_ID.LANE_MARGINING]: perLane(pcie.LANE_MARGINING, pcie.LANE_MARGIN),
  [pcie.EXTENDED_ID.NATIVE_PCIE_ENCLOSURE_MANAGEMENT]: fixed(pcie.NATIVE_PCIE_ENCLOSURE_MANAGEMENT),
  [pcie.EXTENDED_ID.PHYSICAL_LAYER_32GT]: perLane(pcie.PHYSICAL_LAYER_32GT, pcie.LANE_PRESETS),
  [pcie.EXTENDED_ID.DATA_OBJECT_EXCHANGE]: fixed(pcie.DATA_OBJECT_EXCHANGE),
  [pcie.EXTENDED_ID.DEVICE_3]: fixed(pcie.DEVICE_3),
  [pcie.EXTENDED_ID.INTEGRITY_AND_DATA_ENCRYPTION]: fixed(pcie.INTEGRITY_AND_DATA_ENCRYPTION),
  [pcie.EXTENDED_ID.PHYSICAL_LAYER_64GT]: perLane(pcie.PHYSICAL_LAYER_64GT, pcie.LANE_PRESETS),
};
