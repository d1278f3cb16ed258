/**
 * What routing needs to know of one function, decoded from its config space. Worked out when config space has changed, so
 * that a hop decision compares numbers and reads no registers.
 *
 * PCIe Base 6.0, 7.5.1 (headers), 7.5.3 (PCI Express capability), 7.7.11 (ACS), 7.8.4 (AER), 9.3.3 (SR-IOV), 10.5.1 (ATS).
 */
import { ADDR_NOWHERE } from '../../base/index.ts';
import {
  BRIDGE_CONTROL,
  COMMAND,
  HEADER_LAYOUT,
  HEADER_TYPE,
  MEMORY_BASE,
  MEMORY_LIMIT,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  SECONDARY_BUS_NUMBER,
  SUBORDINATE_BUS_NUMBER,
} from '../../spec/pci/index.ts';
import {
  ACS_CAPABILITY,
  ACS_CONTROL,
  ACS_EGRESS_CONTROL_VECTOR_OFFSET,
  ADVANCED_ERROR_CAPABILITIES_AND_CONTROL,
  ATS_CONTROL,
  DEVICE_CONTROL,
  LINK_CAPABILITIES,
  LINK_CONTROL,
  PAGE_REQUEST_CONTROL,
  TRANSFER_SIZE_BYTES,
} from '../../spec/pcie/index.ts';
import type { ConfigSpace } from '../config/config-space.ts';

/** A run of addresses: [start, end). Empty when end is not above start. */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/** A memory BAR that decodes. */
export interface BarState extends AddressRange {
  readonly index: number;
}

/** The enabled services of an ACS capability, one bit each as in its control register. */
export interface AcsState {
  readonly sourceValidation: boolean;
  readonly translationBlocking: boolean;
  readonly requestRedirect: boolean;
  readonly completionRedirect: boolean;
  readonly upstreamForwarding: boolean;
  readonly egressControl: boolean;
  readonly directTranslated: boolean;
  readonly unclaimedRedirect: boolean;
  /** 0 direct, 1 blocked, 2 redirected: requests to memory of a downstream port, of the upstream port. */
  readonly downstreamTargets: number;
  readonly upstreamTargets: number;
  /** Bit n of dword m stands for port or function 32 m + n. */
  readonly egressVector: Uint32Array;
}

/** The bridge half of a type 1 header. */
export interface BridgeState {
  readonly secondary: number;
  readonly subordinate: number;
  /** The memory and the prefetchable window. */
  readonly windows: readonly AddressRange[];
  readonly forwardsErrors: boolean;
  /** Port Number of Link Capabilities: its bit in a sibling's egress control vector. */
  readonly portNumber: number;
  readonly isLinkDisabled: boolean;
}

export interface FunctionState {
  /** COMMAND.Bus Master Enable, in D0: may send requests, or pass them up. */
  readonly canMaster: boolean;
  /** COMMAND.Memory Space Enable, in D0: answers requests to its BARs, or passes them down. */
  readonly decodesMemory: boolean;
  readonly isD0: boolean;
  readonly bars: readonly BarState[];
  /** Of Device Control, in bytes; 0 where there is no PCI Express capability. */
  readonly maxPayloadBytes: number;
  readonly maxReadRequestBytes: number;
  readonly rcbBytes: number;
  readonly enablesRelaxedOrdering: boolean;
  readonly enablesAts: boolean;
  readonly enablesPageRequests: boolean;
  /** Packets that it makes carry an end-to-end checksum (ECRC). */
  readonly generatesEcrc: boolean;
  /** Null where there is no ACS capability. */
  readonly acs: AcsState | null;
  readonly bridge: BridgeState | null;
}

/** Where memory of virtual function `index` lies: the VF BARs of its physical function. 9.2.1.1. */
export interface VirtualPlace {
  readonly physical: ConfigSpace;
  readonly isMemoryEnabled: boolean;
  readonly index: number;
}

/** Decodes a config space. `virtual` is given for a virtual function, whose BARs are in its physical function. */
export function functionState(config: ConfigSpace, virtual: VirtualPlace | null): FunctionState {
  const { view, offsets } = config;
  const isD0 = config.powerState === 0;
  const isBridge = HEADER_TYPE.Header_Layout.read(view) === HEADER_LAYOUT.BRIDGE;
  const decodesMemory =
    isD0 && (virtual === null ? COMMAND.Memory_Space_Enable.read(view) === 1 : virtual.isMemoryEnabled);
  // A virtual function reads zero where its physical function decides for both. 9.3.5.
  const shared = virtual === null ? config : virtual.physical;
  const { express } = shared.offsets;
  return {
    isD0,
    decodesMemory,
    canMaster: isD0 && COMMAND.Bus_Master_Enable.read(view) === 1,
    bars: decodesMemory ? barStates(config, virtual) : [],
    maxPayloadBytes:
      express === 0 ? 0 : transferSize(DEVICE_CONTROL.Max_Payload_Size.read(shared.view, express)),
    maxReadRequestBytes:
      express === 0 ? 0 : transferSize(DEVICE_CONTROL.Max_Read_Request_Size.read(shared.view, express)),
    rcbBytes:
      express !== 0 && LINK_CONTROL.Read_Completion_Boundary.read(shared.view, express) === 1 ? 128 : 64,
    enablesRelaxedOrdering:
      express !== 0 && DEVICE_CONTROL.Enable_Relaxed_Ordering.read(shared.view, express) === 1,
    enablesAts: offsets.ats !== 0 && ATS_CONTROL.Enable.read(view, offsets.ats) === 1,
    enablesPageRequests: offsets.pri !== 0 && PAGE_REQUEST_CONTROL.Enable.read(view, offsets.pri) === 1,
    generatesEcrc:
      shared.offsets.aer !== 0 &&
      ADVANCED_ERROR_CAPABILITIES_AND_CONTROL.ECRC_Generation_Enable.read(shared.view, shared.offsets.aer) ===
        1,
    acs: offsets.acs === 0 ? null : acsState(view, offsets.acs),
    bridge: isBridge ? bridgeState(config) : null,
  };
}

/** Reserved encodings behave as the smallest. */
function transferSize(encoding: number): number {
  return TRANSFER_SIZE_BYTES[encoding] ?? 128;
}

function barStates(config: ConfigSpace, virtual: VirtualPlace | null): readonly BarState[] {
  const states: BarState[] = [];
  const source = virtual === null ? config : virtual.physical;
  for (const bar of virtual === null ? config.bars : virtual.physical.vfBars) {
    // An address of zero means that nobody has assigned one.
    const base = bar.kind === 'io' ? 0 : bar.addressIn(source.view);
    if (base !== 0 && base !== ADDR_NOWHERE) {
      const start = base + (virtual === null ? 0 : virtual.index * bar.sizeBytes);
      states.push({ index: bar.index, start, end: start + bar.sizeBytes });
    }
  }
  return states;
}

function acsState(view: DataView, base: number): AcsState {
  const isOn = (field: { read(view: DataView, base?: number): number }): boolean =>
    field.read(view, base) === 1;
  const hasVector = ACS_CAPABILITY.ACS_P2P_Egress_Control.read(view, base) === 1;
  const vectorBits = ACS_CAPABILITY.Egress_Control_Vector_Size.read(view, base);
  const dwords = hasVector ? Math.ceil((vectorBits === 0 ? 256 : vectorBits) / 32) : 0;
  const egressVector = new Uint32Array(dwords);
  for (let i = 0; i < dwords; i++) {
    egressVector[i] = view.getUint32(base + ACS_EGRESS_CONTROL_VECTOR_OFFSET + 4 * i, true);
  }
  return {
    sourceValidation: isOn(ACS_CONTROL.ACS_Source_Validation_Enable),
    translationBlocking: isOn(ACS_CONTROL.ACS_Translation_Blocking_Enable),
    requestRedirect: isOn(ACS_CONTROL.ACS_P2P_Request_Redirect_Enable),
    completionRedirect: isOn(ACS_CONTROL.ACS_P2P_Completion_Redirect_Enable),
    upstreamForwarding: isOn(ACS_CONTROL.ACS_Upstream_Forwarding_Enable),
    egressControl: isOn(ACS_CONTROL.ACS_P2P_Egress_Control_Enable),
    directTranslated: isOn(ACS_CONTROL.ACS_Direct_Translated_P2P_Enable),
    unclaimedRedirect: isOn(ACS_CONTROL.ACS_Unclaimed_Request_Redirect_Control),
    downstreamTargets: ACS_CONTROL.ACS_DSP_Memory_Target_Access_Control.read(view, base),
    upstreamTargets: ACS_CONTROL.ACS_USP_Memory_Target_Access_Control.read(view, base),
    egressVector,
  };
}

/** PCI-to-PCI Bridge 1.2, 3.2.5.8 and 3.2.5.9: limits include their last MiB; a base above the limit closes the window. */
function bridgeState(config: ConfigSpace): BridgeState {
  const { view } = config;
  const is64Bit = PREFETCHABLE_MEMORY_BASE._64_bit_Addressing_Capability.read(view) === 1;
  const baseUpper = is64Bit ? PREFETCHABLE_BASE_UPPER_32_BITS.value(view) : 0;
  const limitUpper = is64Bit ? PREFETCHABLE_LIMIT_UPPER_32_BITS.value(view) : 0;
  const { express } = config.offsets;
  return {
    secondary: SECONDARY_BUS_NUMBER.value(view),
    subordinate: SUBORDINATE_BUS_NUMBER.value(view),
    windows: [
      windowRange(MEMORY_BASE.Address_31_20.read(view), MEMORY_LIMIT.Address_31_20.read(view), 0, 0),
      windowRange(
        PREFETCHABLE_MEMORY_BASE.Address_31_20.read(view),
        PREFETCHABLE_MEMORY_LIMIT.Address_31_20.read(view),
        baseUpper,
        limitUpper,
      ),
    ].filter(({ start, end }) => start < end),
    forwardsErrors: BRIDGE_CONTROL.SERR_Enable.read(view) === 1,
    portNumber: express === 0 ? 0 : LINK_CAPABILITIES.Port_Number.read(view, express),
    isLinkDisabled: express !== 0 && LINK_CONTROL.Link_Disable.read(view, express) === 1,
  };
}

function windowRange(baseMib: number, limitMib: number, baseUpper: number, limitUpper: number): AddressRange {
  const start = baseUpper * 0x1_0000_0000 + baseMib * 0x10_0000;
  const end = limitUpper * 0x1_0000_0000 + (limitMib + 1) * 0x10_0000;
  // What lies beyond 2^53 no request of ours can name.
  return { start: Math.min(start, ADDR_TOP), end: Math.min(end, ADDR_TOP) };
}

const ADDR_TOP = Number.MAX_SAFE_INTEGER;
