// Config spaces made by hand: a header, and capabilities that are linked as they are added.
import type { RegisterMeta } from '../../src/base/index.ts';
import {
  CAPABILITIES_POINTER,
  CARDBUS_CAPABILITIES_POINTER,
  CLASS_CODE,
  DEVICE_ID,
  HEADER_LAYOUT,
  HEADER_TYPE,
  STATUS,
  VENDOR_ID,
} from '../../src/spec/pci/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from '../../src/spec/pcie/index.ts';

export class ConfigBuilder {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the next pointer of the conventional chain stands. */
  #link: number;
  #nextFree = 0x40;
  #lastExtended = 0;
  #nextExtended = 0x100;

  /** @param layout 0 endpoint, 1 bridge, 2 CardBus */
  constructor(layout = 0, lengthBytes = 4096) {
    this.bytes = new Uint8Array(4096).subarray(0, lengthBytes);
    this.view = new DataView(this.bytes.buffer);
    this.set(VENDOR_ID, 0x1234).set(DEVICE_ID, 0x5678).set(CLASS_CODE, 0x010802);
    HEADER_TYPE.Header_Layout.write(this.view, layout);
    this.#link = (
      layout === HEADER_LAYOUT.CARDBUS ? CARDBUS_CAPABILITIES_POINTER : CAPABILITIES_POINTER
    ).offset;
    if (layout === HEADER_LAYOUT.CARDBUS) {
      this.#nextFree = 0x80;
    }
  }

  set(register: RegisterMeta, value: number, base = 0): this {
    register.setValue(this.view, value, base);
    return this;
  }

  /** Adds a capability and links it; returns where it starts. `at` overrides the next free place. */
  capability(id: number, sizeBytes: number, at = this.#nextFree): number {
    STATUS.Capabilities_List.write(this.view, 1);
    this.view.setUint8(this.#link, at);
    this.view.setUint8(at, id);
    this.view.setUint8(at + 1, 0);
    this.#link = at + 1;
    this.#nextFree = Math.max(this.#nextFree, (at + sizeBytes + 3) & ~3);
    return at;
  }

  /** Adds an extended capability and links it; returns where it starts. */
  extended(id: number, version: number, sizeBytes: number, at = this.#nextExtended): number {
    if (this.#lastExtended !== 0) {
      EXTENDED_CAPABILITY_HEADER.Next_Capability_Offset.write(this.view, at, this.#lastExtended);
    }
    EXTENDED_CAPABILITY_HEADER.PCI_Express_Extended_Capability_ID.write(this.view, id, at);
    EXTENDED_CAPABILITY_HEADER.Capability_Version.write(this.view, version, at);
    this.#lastExtended = at;
    this.#nextExtended = Math.max(this.#nextExtended, (at + sizeBytes + 3) & ~3);
    return at;
  }

  /** The first bytes, as a reader that may see no more has them. */
  cut(lengthBytes: number): Uint8Array {
    return this.bytes.slice(0, lengthBytes);
  }
}

/** A PCI Express function: the capability with its type, version 2, of 0x3c bytes. */
export function expressFunction(
  devicePortType: number,
  layout = 0,
): { config: ConfigBuilder; express: number } {
  const config = new ConfigBuilder(layout);
  const express = config.capability(0x10, 0x3c);
  config.view.setUint16(express + 2, 2 | (devicePortType << 4), true);
  return { config, express };
}
