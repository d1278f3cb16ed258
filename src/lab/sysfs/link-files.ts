/**
 * What Linux writes of a function's link: Linux drivers/pci/pci-sysfs.c and pci.c (pcie_get_speed_cap, pcie_get_width_cap).
 * The files stand at every PCI Express function; one without a link shows that nothing is known.
 */
import {
  CAPABILITY_ID,
  LINK_CAPABILITIES,
  LINK_CAPABILITIES_2,
  LINK_SPEED_GTS,
  LINK_STATUS,
  PCI_EXPRESS_CAPABILITIES,
} from '../../spec/index.ts';
import type { ShownFunction } from './shown-function.ts';

const NO_WIDTH = 255;

/** Empty for conventional PCI. */
export function linkFiles({ found, facts }: ShownFunction): Record<string, string> {
  const { config } = found;
  const express = config.findCapability(CAPABILITY_ID.PCI_EXPRESS);
  if (express === 0) {
    return {};
  }
  const hasLink = facts.pcieType !== 'rc-endpoint' && facts.pcieType !== 'rc-event-collector';
  const version = PCI_EXPRESS_CAPABILITIES.Capability_Version.of(
    config.read16(express + PCI_EXPRESS_CAPABILITIES.offset),
  );
  const capabilities = hasLink ? config.read32(express + LINK_CAPABILITIES.offset) : 0;
  const capabilities2 = version >= 2 ? config.read32(express + LINK_CAPABILITIES_2.offset) : 0;
  const status = hasLink ? config.read16(express + LINK_STATUS.offset) : 0;
  const width = capabilities === 0 ? NO_WIDTH : LINK_CAPABILITIES.Maximum_Link_Width.of(capabilities);
  return {
    max_link_speed: speedText(fastest(capabilities, capabilities2)),
    max_link_width: String(width),
    current_link_speed: speedText(LINK_STATUS.Current_Link_Speed.of(status)),
    current_link_width: String(LINK_STATUS.Negotiated_Link_Width.of(status)),
  };
}

/** As an encoding: the highest of the vector where there is one. */
function fastest(capabilities: number, capabilities2: number): number {
  const vector = LINK_CAPABILITIES_2.Supported_Link_Speeds_Vector.of(capabilities2);
  return vector === 0 ? LINK_CAPABILITIES.Max_Link_Speed.of(capabilities) : 32 - Math.clz32(vector);
}

function speedText(encoding: number): string {
  const rate = LINK_SPEED_GTS[encoding];
  return rate === undefined ? 'Unknown' : `${rate.toFixed(1)} GT/s PCIe`;
}
