/**
 * Config space of a bridge: root port, switch port, bridge to conventional PCI. PCIe Base 6.0, 7.5.1.3; PCI-to-PCI Bridge
 * 1.2, 3.2.
 */
import {
  HEADER_LAYOUT,
  IO_BASE,
  IO_BASE_UPPER_16_BITS,
  IO_LIMIT,
  IO_LIMIT_UPPER_16_BITS,
  MEMORY_BASE,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  TYPE1_BARS,
  TYPE1_HEADER,
  TYPE1_ROM,
} from '../../spec/pci/index.ts';
import { DEVICE_PORT_TYPE } from '../../spec/pcie/index.ts';
import type { BarShape } from './bar-register.ts';
import { type AcsDescription, addAcs } from './capabilities/acs.ts';
import { addErrorReporting } from './capabilities/errors.ts';
import { addExpress, type SlotDescription } from './capabilities/express.ts';
import { addBridgeSubsystem, addSerialNumber, addVirtualChannel } from './capabilities/identity.ts';
import { addMsi } from './capabilities/interrupts.ts';
import { addPowerManagement } from './capabilities/power.ts';
import type { ConfigDraft } from './config-draft.ts';
import type { ConfigSpace } from './config-space.ts';
import { draftWithHeader } from './header-draft.ts';

export type PortKind =
  | 'root-port'
  | 'switch-upstream'
  | 'switch-downstream'
  /** PCI Express above, conventional PCI below. */
  | 'pcie-to-pci-bridge'
  /** Conventional PCI on both sides. */
  | 'pci-bridge';

export interface PortDescription {
  readonly kind: PortKind;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision?: number;
  /** Null for no such capability. */
  readonly subsystem: { readonly vendorId: number; readonly deviceId: number } | null;
  /** Of Link Capabilities; also the bit of an egress control vector that stands for this port. */
  readonly portNumber: number;
  /** Root and switch downstream ports only. */
  readonly slot: SlotDescription | null;
  readonly acs: AcsDescription | null;
  readonly linkSpeedGTs: number;
  readonly linkWidth: number;
  /** 128 to 4096. */
  readonly maxPayloadBytes: number;
  readonly hasAer: boolean;
  readonly isMultiFunction: boolean;
  /** Root and switch downstream ports; missing: true. */
  readonly canForwardAri?: boolean;
  /** Missing: 32-bit I/O addresses. `none`: the window is not implemented. */
  readonly ioWindow?: '16-bit' | '32-bit' | 'none';
  /** Missing: 64-bit. */
  readonly prefetchableWindow?: '32-bit' | '64-bit' | 'none';
  /** Of the port itself, indices 0 and 1. Missing: none. */
  readonly bars?: readonly BarShape[];
  /** 0 none; missing: 1, which every PCI Express port has. */
  readonly msiVectorCount?: number;
  /** Missing: 1 for INTA. */
  readonly interruptPin?: number;
  readonly hasVirtualChannel?: boolean;
  readonly serialNumber?: { readonly low: number; readonly high: number };
}

const PCI_TO_PCI_BRIDGE = 0x060400;
/** D0, D3hot and D3cold. */
const PORT_PME_SUPPORT = 0b11001;

const PORT_TYPE: Readonly<Record<PortKind, number>> = {
  'root-port': DEVICE_PORT_TYPE.ROOT_PORT,
  'switch-upstream': DEVICE_PORT_TYPE.SWITCH_UPSTREAM,
  'switch-downstream': DEVICE_PORT_TYPE.SWITCH_DOWNSTREAM,
  'pcie-to-pci-bridge': DEVICE_PORT_TYPE.PCIE_TO_PCI_BRIDGE,
  'pci-bridge': -1,
};

/** @returns a config space in its state after power on: windows closed, link down, slot empty */
export function portConfig(d: PortDescription): ConfigSpace {
  const isExpress = d.kind !== 'pci-bridge';
  const bars = d.bars ?? [];
  const ioWindow = d.ioWindow ?? '32-bit';
  const draft = draftWithHeader(TYPE1_HEADER, HEADER_LAYOUT.BRIDGE, TYPE1_ROM, {
    vendorId: d.vendorId,
    deviceId: d.deviceId,
    revision: d.revision ?? 0,
    classCode: PCI_TO_PCI_BRIDGE,
    interruptPin: d.interruptPin ?? 1,
    isMultiFunction: d.isMultiFunction,
    hasIo: ioWindow !== 'none' || bars.some((bar) => bar.kind === 'io'),
    isExpress,
  });
  draft.bars(bars, TYPE1_BARS[0]!.offset, TYPE1_BARS);
  addWindows(draft, ioWindow, d.prefetchableWindow ?? '64-bit');
  addPowerManagement(draft, PORT_PME_SUPPORT);
  const vectors = d.msiVectorCount ?? (isExpress ? 1 : 0);
  if (vectors > 0) {
    addMsi(draft, vectors);
  }
  if (d.subsystem !== null) {
    addBridgeSubsystem(draft, d.subsystem.vendorId, d.subsystem.deviceId);
  }
  if (isExpress) {
    addPortExpress(draft, d);
  }
  return draft.finish();
}

function addPortExpress(draft: ConfigDraft, d: PortDescription): void {
  const isDownstream = d.kind === 'root-port' || d.kind === 'switch-downstream';
  addExpress(draft, {
    portType: PORT_TYPE[d.kind],
    maxPayloadBytes: d.maxPayloadBytes,
    canExtendTags: true,
    canResetFunction: false,
    linkSpeedGTs: d.linkSpeedGTs,
    linkWidth: d.linkWidth,
    portNumber: d.portNumber,
    slot: isDownstream ? d.slot : null,
    canForwardAri: isDownstream && d.canForwardAri !== false,
    isVirtual: false,
  });
  if (d.hasAer) {
    addErrorReporting(draft, d.kind === 'root-port' ? 'root-port' : 'port');
  }
  if (d.serialNumber !== undefined) {
    addSerialNumber(draft, d.serialNumber);
  }
  if (d.hasVirtualChannel === true) {
    addVirtualChannel(draft);
  }
  if (d.acs !== null) {
    addAcs(draft, d.acs);
  }
}

/** Windows reset closed, base above limit: an open window at zero would swallow what belongs to memory. */
function addWindows(
  draft: ConfigDraft,
  io: '16-bit' | '32-bit' | 'none',
  prefetchable: '32-bit' | '64-bit' | 'none',
): void {
  draft.set(MEMORY_BASE.Address_31_20, 0xfff);
  if (io === 'none') {
    draft.hardwire(0, ...IO_BASE.fields, ...IO_LIMIT.fields);
  } else {
    const capability = io === '32-bit' ? 1 : 0;
    draft
      .set(IO_BASE.IO_Addressing_Capability, capability)
      .set(IO_LIMIT.IO_Addressing_Capability, capability)
      .set(IO_BASE.Address_15_12, 0xf);
  }
  if (io !== '32-bit') {
    draft.hardwire(0, IO_BASE_UPPER_16_BITS, IO_LIMIT_UPPER_16_BITS);
  }
  if (prefetchable === 'none') {
    draft.hardwire(0, ...PREFETCHABLE_MEMORY_BASE.fields, ...PREFETCHABLE_MEMORY_LIMIT.fields);
  } else {
    const capability = prefetchable === '64-bit' ? 1 : 0;
    draft
      .set(PREFETCHABLE_MEMORY_BASE._64_bit_Addressing_Capability, capability)
      .set(PREFETCHABLE_MEMORY_LIMIT._64_bit_Addressing_Capability, capability)
      .set(PREFETCHABLE_MEMORY_BASE.Address_31_20, 0xfff);
  }
  if (prefetchable !== '64-bit') {
    draft.hardwire(0, PREFETCHABLE_BASE_UPPER_32_BITS, PREFETCHABLE_LIMIT_UPPER_32_BITS);
  }
}
