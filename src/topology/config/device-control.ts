/** What the Device registers say of the TLPs a function may send and take, with units. PCIe Base 6.0, 7.5.3.3 to 7.5.3.5. */
import { CAPABILITY_ID } from '../../spec/pci/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL,
  LINK_CONTROL,
  PCI_EXPRESS_CAPABILITIES,
  TRANSFER_SIZE_BYTES,
} from '../../spec/pcie/index.ts';
import { readField } from './config-view.ts';
import { locateCapability } from './locate.ts';
import type { WalkOptions } from './walk.ts';

export interface DeviceControlState {
  /** The function may set the relaxed ordering attribute. */
  readonly isRelaxedOrderingEnabled: boolean;
  readonly isNoSnoopEnabled: boolean;
  readonly isExtendedTagEnabled: boolean;
  /** Largest payload it may send and must take; undefined for a reserved encoding. */
  readonly maxPayloadBytes: number | undefined;
  /** Largest read it may ask for; undefined for a reserved encoding. */
  readonly maxReadRequestBytes: number | undefined;
}

/** Reads the 16-bit Device Control word, as `MachineFunction.deviceControl` has it. */
export function deviceControlState(word: number): DeviceControlState {
  return {
    isRelaxedOrderingEnabled: DEVICE_CONTROL.Enable_Relaxed_Ordering.of(word) === 1,
    isNoSnoopEnabled: DEVICE_CONTROL.Enable_No_Snoop.of(word) === 1,
    isExtendedTagEnabled: DEVICE_CONTROL.Extended_Tag_Field_Enable.of(word) === 1,
    maxPayloadBytes: TRANSFER_SIZE_BYTES[DEVICE_CONTROL.Max_Payload_Size.of(word)],
    maxReadRequestBytes: TRANSFER_SIZE_BYTES[DEVICE_CONTROL.Max_Read_Request_Size.of(word)],
  };
}

export interface TransferCapabilities {
  /** Largest payload the function can take, before anybody chose less. */
  readonly maxPayloadSupportedBytes: number | undefined;
  readonly isExtendedTagSupported: boolean | undefined;
  /** Undefined in version 1, which cannot say, and where the bytes end. */
  readonly is10BitTagRequesterSupported: boolean | undefined;
  readonly is10BitTagCompleterSupported: boolean | undefined;
  /** Completions come in pieces that end at multiples of this. */
  readonly readCompletionBoundaryBytes: 64 | 128 | undefined;
}

/** Null for conventional PCI; undefined when the bytes end too early to tell. */
export function transferCapabilities(
  bytes: Uint8Array,
  options?: WalkOptions,
): TransferCapabilities | null | undefined {
  const located = locateCapability(bytes, CAPABILITY_ID.PCI_EXPRESS, options);
  if (located === null || located === undefined) {
    return located;
  }
  const { view } = located;
  const base = located.capability.offset;
  const version =
    readField(view, PCI_EXPRESS_CAPABILITIES, PCI_EXPRESS_CAPABILITIES.Capability_Version, base) ?? 0;
  const payload = readField(view, DEVICE_CAPABILITIES, DEVICE_CAPABILITIES.Max_Payload_Size_Supported, base);
  const in2 = (field: (typeof DEVICE_CAPABILITIES_2)['FRS_Supported']) =>
    version < 2 ? undefined : flag(readField(view, DEVICE_CAPABILITIES_2, field, base));
  const boundary = readField(view, LINK_CONTROL, LINK_CONTROL.Read_Completion_Boundary, base);
  return {
    maxPayloadSupportedBytes: payload === undefined ? undefined : TRANSFER_SIZE_BYTES[payload],
    isExtendedTagSupported: flag(
      readField(view, DEVICE_CAPABILITIES, DEVICE_CAPABILITIES.Extended_Tag_Field_Supported, base),
    ),
    is10BitTagRequesterSupported: in2(DEVICE_CAPABILITIES_2._10_Bit_Tag_Requester_Supported),
    is10BitTagCompleterSupported: in2(DEVICE_CAPABILITIES_2._10_Bit_Tag_Completer_Supported),
    readCompletionBoundaryBytes: boundary === undefined ? undefined : boundary === 1 ? 128 : 64,
  };
}

function flag(value: number | undefined): boolean | undefined {
  return value === undefined ? undefined : value === 1;
}
