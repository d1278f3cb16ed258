/** What the PCI Express capability says of a function: its type, its link, its Device Control. */
import {
  DEVICE_CONTROL,
  DEVICE_PORT_TYPE,
  LINK_CAPABILITIES,
  LINK_CAPABILITIES_2,
  LINK_SPEED_GTS,
  LINK_STATUS,
  PCI_EXPRESS_CAPABILITIES,
} from '../../spec/pcie/index.ts';
import type { LinkRate, LinkState, PcieType } from '../machine.ts';
import { type ConfigView, readField, readRegister } from './config-view.ts';
import { type ConfigFinding, hex } from './finding.ts';

const PCIE_TYPES: Readonly<Record<number, PcieType>> = {
  [DEVICE_PORT_TYPE.ENDPOINT]: 'endpoint',
  [DEVICE_PORT_TYPE.LEGACY_ENDPOINT]: 'legacy-endpoint',
  [DEVICE_PORT_TYPE.ROOT_PORT]: 'root-port',
  [DEVICE_PORT_TYPE.SWITCH_UPSTREAM]: 'switch-upstream',
  [DEVICE_PORT_TYPE.SWITCH_DOWNSTREAM]: 'switch-downstream',
  [DEVICE_PORT_TYPE.PCIE_TO_PCI_BRIDGE]: 'pcie-to-pci-bridge',
  [DEVICE_PORT_TYPE.PCI_TO_PCIE_BRIDGE]: 'pci-to-pcie-bridge',
  [DEVICE_PORT_TYPE.RC_INTEGRATED_ENDPOINT]: 'rc-endpoint',
  [DEVICE_PORT_TYPE.RC_EVENT_COLLECTOR]: 'rc-event-collector',
};

/** The name of a Device/Port Type; undefined for a reserved encoding. */
export function pcieTypeOf(devicePortType: number): PcieType | undefined {
  return PCIE_TYPES[devicePortType];
}

export interface ExpressFacts {
  readonly pcieType: PcieType | undefined;
  readonly deviceControl: number | undefined;
  readonly link: LinkState | null | undefined;
}

/**
 * @param base  where the capability starts
 * @param isVirtualFunction  its Link Status is reserved and says nothing (PCIe Base 6.0, 9.3.5.6)
 */
export function expressFacts(
  view: ConfigView,
  base: number,
  isVirtualFunction: boolean,
  findings: ConfigFinding[],
): ExpressFacts {
  const typeCode = readField(view, PCI_EXPRESS_CAPABILITIES, PCI_EXPRESS_CAPABILITIES.Device_Port_Type, base);
  const pcieType = typeCode === undefined ? undefined : pcieTypeOf(typeCode);
  if (typeCode !== undefined && pcieType === undefined) {
    findings.push({
      code: 'PCIE_TYPE_RESERVED',
      offset: base + PCI_EXPRESS_CAPABILITIES.offset,
      detail: `the PCI Express capability at ${hex(base)} has the reserved Device/Port Type ${hex(typeCode, 1)}`,
    });
  }
  return {
    pcieType,
    deviceControl: readRegister(view, DEVICE_CONTROL, base),
    link: pcieType === undefined ? undefined : linkRates(view, base, pcieType, isVirtualFunction),
  };
}

/** Null for functions of the root complex that have no link. */
function linkRates(
  view: ConfigView,
  base: number,
  pcieType: PcieType,
  isVirtualFunction: boolean,
): LinkState | null {
  if (pcieType === 'rc-endpoint' || pcieType === 'rc-event-collector') {
    return null;
  }
  return {
    max: rate(
      maxSpeedCode(view, base),
      readField(view, LINK_CAPABILITIES, LINK_CAPABILITIES.Maximum_Link_Width, base),
    ),
    current: isVirtualFunction
      ? undefined
      : rate(
          readField(view, LINK_STATUS, LINK_STATUS.Current_Link_Speed, base),
          readField(view, LINK_STATUS, LINK_STATUS.Negotiated_Link_Width, base),
        ),
  };
}

/**
 * As Linux has it for `max_link_speed` (drivers/pci/pci.c, pcie_get_speed_cap): the highest bit of the Supported Link Speeds
 * Vector; Link Capabilities alone where the vector is empty, as in version 1 and before 8 GT/s.
 */
function maxSpeedCode(view: ConfigView, base: number): number | undefined {
  const version = readField(
    view,
    PCI_EXPRESS_CAPABILITIES,
    PCI_EXPRESS_CAPABILITIES.Capability_Version,
    base,
  );
  if (version !== undefined && version >= 2) {
    const vector = readField(
      view,
      LINK_CAPABILITIES_2,
      LINK_CAPABILITIES_2.Supported_Link_Speeds_Vector,
      base,
    );
    if (vector !== undefined && vector !== 0) {
      return 32 - Math.clz32(vector);
    }
  }
  return readField(view, LINK_CAPABILITIES, LINK_CAPABILITIES.Max_Link_Speed, base);
}

/** Undefined where the encoding is reserved, or the link is down (width 0). */
function rate(speedCode: number | undefined, width: number | undefined): LinkRate | undefined {
  const speedGTs = speedCode === undefined ? undefined : LINK_SPEED_GTS[speedCode];
  return speedGTs === undefined || width === undefined || width === 0 || width > 32
    ? undefined
    : { speedGTs, width };
}
