/** Subsystem IDs of a bridge, whose header has no place for them. PCI-to-PCI Bridge 1.2, 3.2.5.13. */
import { plain, reserved, structure } from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from './capability-header.ts';

export const SSVID = plain('SSVID', 0x04, 16, 'HwInit');
export const SSID = plain('SSID', 0x06, 16, 'HwInit');

export const BRIDGE_SUBSYSTEM = structure(
  'Bridge Subsystem Vendor ID',
  'PCI-to-PCI Bridge 1.2, 3.2.5.13',
  0x08,
  [CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER, reserved(0x02, 2), SSVID, SSID],
);
