/**
 * Taking over what a real function says of itself: the constant bits of a config dump, so that an imported machine shows
 * the latencies, power limits and features of the one it was taken from.
 *
 * Only information is taken: identity, and capability bits that nothing in the simulator depends on. What decides which
 * bits software may write (BARs, FLR, ACS, slot controls, ARI) comes from the description; state is not taken at all.
 */
import type { Field, RegisterMeta } from '../../base/index.ts';
import {
  CAPABILITIES_POINTER,
  CAPABILITY_ID,
  CLASS_CODE,
  CONFIG_SPACE_BYTES,
  DEVICE_ID,
  HEADER_BYTES,
  HEADER_TYPE,
  PMC,
  REVISION_ID,
  STATUS,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  VENDOR_ID,
} from '../../spec/pci/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  LINK_CAPABILITIES,
  LINK_CAPABILITIES_2,
  PCI_EXPRESS_CAPABILITIES,
  SLOT_CAPABILITIES,
} from '../../spec/pcie/index.ts';
import type { ConfigSpace } from './config-space.ts';

/** Of version 1, only the first three of these registers are certainly there. PCIe Base 1.1, 7.8. */
const EXPRESS_FIELDS: readonly (readonly [RegisterMeta, readonly Field[]])[] = [
  [
    DEVICE_CAPABILITIES,
    except(
      DEVICE_CAPABILITIES,
      DEVICE_CAPABILITIES.Function_Level_Reset_Capability,
      DEVICE_CAPABILITIES.Extended_Tag_Field_Supported,
    ),
  ],
  [
    LINK_CAPABILITIES,
    except(LINK_CAPABILITIES, LINK_CAPABILITIES.Data_Link_Layer_Link_Active_Reporting_Capable),
  ],
  [
    SLOT_CAPABILITIES,
    [
      SLOT_CAPABILITIES.Physical_Slot_Number,
      SLOT_CAPABILITIES.Slot_Power_Limit_Value,
      SLOT_CAPABILITIES.Slot_Power_Limit_Scale,
    ],
  ],
];
const EXPRESS_2_FIELDS: readonly (readonly [RegisterMeta, readonly Field[]])[] = [
  [DEVICE_CAPABILITIES_2, except(DEVICE_CAPABILITIES_2, DEVICE_CAPABILITIES_2.ARI_Forwarding_Supported)],
  [LINK_CAPABILITIES_2, LINK_CAPABILITIES_2.fields],
];

function except(register: RegisterMeta, ...kept: readonly Field[]): readonly Field[] {
  return register.fields.filter((field) => !kept.includes(field));
}

/**
 * @param image  64 to 4096 bytes as `/sys/bus/pci/devices/…/config` or `lspci -xxx` have them; what is shorter or broken
 *               gives less
 */
export function restoreImage(space: ConfigSpace, image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  if (image.length < HEADER_BYTES || VENDOR_ID.value(view) === 0xffff) {
    return;
  }
  const isSameLayout = HEADER_TYPE.Header_Layout.read(view) === HEADER_TYPE.Header_Layout.read(space.view);
  for (const register of [VENDOR_ID, DEVICE_ID, REVISION_ID, CLASS_CODE]) {
    space.setState(register, register.value(view));
  }
  if (isSameLayout && HEADER_TYPE.Header_Layout.read(view) === 0) {
    space.setState(SUBSYSTEM_VENDOR_ID, SUBSYSTEM_VENDOR_ID.value(view));
    space.setState(SUBSYSTEM_ID, SUBSYSTEM_ID.value(view));
  }
  const pm = find(view, CAPABILITY_ID.POWER_MANAGEMENT);
  if (pm !== 0 && space.offsets.pm !== 0) {
    copy(space, space.offsets.pm, view, pm, PMC, PMC.fields);
  }
  const express = find(view, CAPABILITY_ID.PCI_EXPRESS);
  if (express !== 0 && space.offsets.express !== 0) {
    const isWhole = PCI_EXPRESS_CAPABILITIES.Capability_Version.read(view, express) >= 2;
    for (const [register, fields] of isWhole ? [...EXPRESS_FIELDS, ...EXPRESS_2_FIELDS] : EXPRESS_FIELDS) {
      copy(space, space.offsets.express, view, express, register, fields);
    }
  }
}

function copy(
  space: ConfigSpace,
  base: number,
  image: DataView,
  imageBase: number,
  register: RegisterMeta,
  fields: readonly Field[],
): void {
  if (imageBase + register.offset + register.widthBits / 8 > image.byteLength) {
    return;
  }
  for (const field of fields) {
    // A register that this function does not have reads zero and stays so.
    if (register.value(space.view, base) !== 0) {
      space.setState(field, field.read(image, imageBase), base);
    }
  }
}

/** Where a capability of the first 256 bytes is; 0 for none. */
function find(image: DataView, id: number): number {
  const end = Math.min(image.byteLength, CONFIG_SPACE_BYTES);
  let at = STATUS.Capabilities_List.read(image) === 1 ? CAPABILITIES_POINTER.value(image) & ~3 : 0;
  for (let count = 0; count < CONFIG_SPACE_BYTES / 4 && at >= HEADER_BYTES && at + 4 <= end; count++) {
    if (image.getUint8(at) === id) {
      return at;
    }
    at = image.getUint8(at + 1) & ~3;
  }
  return 0;
}
