/** Values of fields that other modules reason with: port types, link speeds, sizes. */

/** Device/Port Type. PCIe Base 6.0, 7.5.3.2. */
export const DEVICE_PORT_TYPE = {
  ENDPOINT: 0x0,
  LEGACY_ENDPOINT: 0x1,
  ROOT_PORT: 0x4,
  SWITCH_UPSTREAM: 0x5,
  SWITCH_DOWNSTREAM: 0x6,
  PCIE_TO_PCI_BRIDGE: 0x7,
  PCI_TO_PCIE_BRIDGE: 0x8,
  RC_INTEGRATED_ENDPOINT: 0x9,
  RC_EVENT_COLLECTOR: 0xa,
} as const;

/** Link speed in GT/s by its encoding: index 1 is 2.5 GT/s. PCIe Base 6.0, 7.5.3.6 and 7.5.3.18. */
export const LINK_SPEED_GTS: readonly (number | undefined)[] = [undefined, 2.5, 5, 8, 16, 32, 64];

/** Max_Payload_Size and Max_Read_Request_Size in bytes; undefined for the reserved encodings 6 and 7. */
export const TRANSFER_SIZE_BYTES: readonly (number | undefined)[] = [128, 256, 512, 1024, 2048, 4096];

/**
 * A slot power limit in watts; undefined for a reserved encoding. From F0h on, with scale 0, the value names a limit
 * instead of counting. PCIe Base 6.0, 7.5.3.9.
 */
export function slotPowerLimitWatts(value: number, scale: number): number | undefined {
  if (scale === 0 && value >= 0xf0) {
    return SLOT_POWER_LIMITS_ABOVE_239[value - 0xf0];
  }
  return value / 10 ** scale;
}

const SLOT_POWER_LIMITS_ABOVE_239: readonly number[] = [250, 275, 300];
