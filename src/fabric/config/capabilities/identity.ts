/** Capabilities that say who a function is: serial number, subsystem of a bridge, ARI, vendor data, one virtual channel. */
import {
  BRIDGE_SUBSYSTEM,
  CAPABILITY_ID,
  SSID,
  SSVID,
  VENDOR_CAPABILITY,
  VENDOR_CAPABILITY_LENGTH,
} from '../../../spec/pci/index.ts';
import {
  ARI,
  ARI_CONTROL,
  DEVICE_SERIAL_NUMBER,
  EXTENDED_ID,
  PORT_VC_CONTROL,
  VC_RESOURCE,
  VC_RESOURCE_CONTROL,
  VIRTUAL_CHANNEL,
} from '../../../spec/pcie/index.ts';
import type { ConfigDraft } from '../config-draft.ts';

/** PCIe Base 6.0, 7.9.3. */
export function addSerialNumber(
  draft: ConfigDraft,
  serial: { readonly low: number; readonly high: number },
): number {
  const base = draft.extended('serial', EXTENDED_ID.DEVICE_SERIAL_NUMBER, 1, DEVICE_SERIAL_NUMBER, 'other');
  draft.view.setUint32(base + 4, serial.low, true);
  draft.view.setUint32(base + 8, serial.high, true);
  return base;
}

/** PCI-to-PCI Bridge 1.2, 3.2.5.13. */
export function addBridgeSubsystem(draft: ConfigDraft, vendorId: number, deviceId: number): number {
  const base = draft.capability(
    'bridgeSubsystem',
    CAPABILITY_ID.BRIDGE_SUBSYSTEM_VENDOR_ID,
    BRIDGE_SUBSYSTEM,
    'other',
  );
  draft.set(SSVID, vendorId, base).set(SSID, deviceId, base);
  return base;
}

/** Data of the vendor's own, read-only here. PCIe Base 6.0, 7.9.4. */
export function addVendorData(draft: ConfigDraft, data: Uint8Array): number {
  const sizeBytes = VENDOR_CAPABILITY.sizeBytes + data.length;
  const base = draft.capability(
    'vendor',
    CAPABILITY_ID.VENDOR_SPECIFIC,
    VENDOR_CAPABILITY,
    'other',
    sizeBytes,
  );
  draft.set(VENDOR_CAPABILITY_LENGTH, sizeBytes, base);
  draft.bytes.set(data, base + VENDOR_CAPABILITY.sizeBytes);
  return base;
}

/** Without function groups. The next function number is hardware's to know. PCIe Base 6.0, 7.8.8. */
export function addAri(draft: ConfigDraft): number {
  const base = draft.extended('ari', EXTENDED_ID.ARI, 1, ARI, 'ari');
  draft.hardwire(base, ...ARI_CONTROL.fields);
  return base;
}

/** VC0 alone, always on, with TC0 hardwired to it. PCIe Base 6.0, 7.9.1. */
export function addVirtualChannel(draft: ConfigDraft): number {
  const base = draft.extended(
    'virtualChannel',
    EXTENDED_ID.VIRTUAL_CHANNEL,
    1,
    VIRTUAL_CHANNEL,
    'other',
    VIRTUAL_CHANNEL.sizeBytes + VC_RESOURCE.sizeBytes,
  );
  const channel = base + VIRTUAL_CHANNEL.sizeBytes;
  draft
    .hardwire(base, ...PORT_VC_CONTROL.fields)
    .place(VC_RESOURCE, channel, 'other')
    // Software moves TC1 to TC7 and nothing else.
    .restrict(VC_RESOURCE_CONTROL, channel, 0xfe)
    .set(VC_RESOURCE_CONTROL.TC_VC_Map, 0xff, channel)
    .set(VC_RESOURCE_CONTROL.VC_Enable, 1, channel)
    .keep(channel, VC_RESOURCE_CONTROL.TC_VC_Map);
  return base;
}
