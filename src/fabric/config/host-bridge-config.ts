/** Config space of the host bridge function, 00.0 of a root bus: an identity and nothing else. PCI 3.0, 6.1. */
import {
  HEADER_LAYOUT,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  TYPE0_BARS,
  TYPE0_HEADER,
  TYPE0_ROM,
} from '../../spec/pci/index.ts';
import type { ConfigSpace } from './config-space.ts';
import { draftWithHeader } from './header-draft.ts';

export interface HostBridgeDescription {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemDeviceId?: number;
  readonly isMultiFunction?: boolean;
}

const HOST_BRIDGE = 0x060000;

/** @returns 256 bytes without capabilities and without BARs */
export function hostBridgeConfig(d: HostBridgeDescription): ConfigSpace {
  return draftWithHeader(TYPE0_HEADER, HEADER_LAYOUT.ENDPOINT, TYPE0_ROM, {
    vendorId: d.vendorId,
    deviceId: d.deviceId,
    revision: d.revision ?? 0,
    classCode: HOST_BRIDGE,
    interruptPin: 0,
    isMultiFunction: d.isMultiFunction ?? false,
    hasIo: false,
    isExpress: false,
  })
    .set(SUBSYSTEM_VENDOR_ID, d.subsystemVendorId ?? 0)
    .set(SUBSYSTEM_ID, d.subsystemDeviceId ?? 0)
    .bars([], TYPE0_BARS[0]!.offset, TYPE0_BARS)
    .finish();
}
