/** Interrupts of one function: MSI-X where it has them, else MSI, else its pin; programmed through config and BARs. */
import type { BarWindow, ConfigSpace, Interrupts } from '../../access/index.ts';
import {
  CAPABILITY_ID,
  COMMAND,
  INTERRUPT_PIN,
  MSI_MESSAGE_ADDRESS,
  MSI_MESSAGE_CONTROL,
  MSIX_MESSAGE_CONTROL,
  MSIX_TABLE,
  msixVectorCount,
} from '../../spec/index.ts';
import { type InterruptController, MESSAGE_ADDRESS } from './interrupt-controller.ts';

const MSIX_ENABLE = 1 << MSIX_MESSAGE_CONTROL.MSI_X_Enable.low;
const MSIX_MASK_ALL = 1 << MSIX_MESSAGE_CONTROL.Function_Mask.low;
const INTX_DISABLE = 1 << COMMAND.Interrupt_Disable.low;
/** An MSI-X table entry: address, upper address, data, control (bit 0 masks). PCIe Base 6.0, 7.7.2.5. */
const ENTRY_BYTES = 16;
const ENTRY = { ADDRESS: 0, UPPER_ADDRESS: 4, DATA: 8, CONTROL: 12 } as const;
/** What follows the address in an MSI capability, without and with 64-bit addresses. PCIe Base 6.0, 7.7.1. */
const MSI_UPPER_ADDRESS = 8;
const MSI_DATA = { bits32: 8, bits64: 12 } as const;
const MSI_MASK = { bits32: 12, bits64: 16 } as const;

export class FunctionInterrupts implements Interrupts {
  readonly kind: 'msi-x' | 'msi' | 'intx' | 'none';
  readonly #config: ConfigSpace;
  readonly #controller: InterruptController;
  readonly #bar: (index: number) => BarWindow | undefined;
  readonly #wireKey: string;
  readonly #msix: number;
  readonly #msi: number;
  #vectorCount = 0;
  #first = 0;
  #handler: ((vector: number) => void) | undefined;

  constructor(
    config: ConfigSpace,
    controller: InterruptController,
    bar: (index: number) => BarWindow | undefined,
    wireKey: (pin: number) => string,
  ) {
    this.#config = config;
    this.#controller = controller;
    this.#bar = bar;
    this.#msix = config.findCapability(CAPABILITY_ID.MSI_X);
    this.#msi = config.findCapability(CAPABILITY_ID.MSI);
    const pin = config.read8(INTERRUPT_PIN.offset);
    this.#wireKey = wireKey(pin);
    this.kind = this.#msix !== 0 ? 'msi-x' : this.#msi !== 0 ? 'msi' : pin >= 1 && pin <= 4 ? 'intx' : 'none';
  }

  get vectorCount(): number {
    return this.#vectorCount;
  }

  enable(count: number, handler: (vector: number) => void): number {
    this.disable();
    const granted =
      this.kind === 'msi-x'
        ? this.#enableMsix(count, handler)
        : this.kind === 'msi'
          ? this.#enableMsi(count, handler)
          : this.kind === 'intx'
            ? this.#enableWire(handler)
            : 0;
    this.#vectorCount = granted;
    this.#handler = granted > 0 ? handler : undefined;
    return granted;
  }

  mask(vector: number): void {
    this.#setMask(vector, true);
  }

  unmask(vector: number): void {
    this.#setMask(vector, false);
  }

  disable(): void {
    if (this.#vectorCount === 0) {
      return;
    }
    if (this.kind === 'msi-x') {
      const offset = this.#msix + MSIX_MESSAGE_CONTROL.offset;
      this.#config.write16(offset, this.#config.read16(offset) & ~MSIX_ENABLE);
      this.#controller.freeMessages(this.#first, this.#vectorCount);
    } else if (this.kind === 'msi') {
      const offset = this.#msi + MSI_MESSAGE_CONTROL.offset;
      this.#config.write16(offset, this.#config.read16(offset) & ~(1 << MSI_MESSAGE_CONTROL.MSI_Enable.low));
      this.#controller.freeMessages(this.#first, this.#vectorCount);
    } else if (this.#handler !== undefined) {
      this.#config.write16(COMMAND.offset, this.#config.read16(COMMAND.offset) | INTX_DISABLE);
      this.#controller.detachWire(this.#wireKey, this.#handler);
    }
    this.#vectorCount = 0;
    this.#handler = undefined;
  }

  #enableMsix(count: number, handler: (vector: number) => void): number {
    const controlAt = this.#msix + MSIX_MESSAGE_CONTROL.offset;
    const control = this.#config.read16(controlAt);
    const table = this.#table();
    const granted = Math.min(count, msixVectorCount(MSIX_MESSAGE_CONTROL.Table_Size.of(control)));
    if (table === undefined || granted < 1) {
      return 0;
    }
    const first = this.#controller.allocateMessages(granted, handler);
    if (first === undefined) {
      return 0;
    }
    this.#first = first;
    // All masked while the table is written, as Linux does.
    this.#config.write16(controlAt, control | MSIX_ENABLE | MSIX_MASK_ALL);
    for (let vector = 0; vector < granted; vector++) {
      const entry = table.offset + vector * ENTRY_BYTES;
      table.window.write32(entry + ENTRY.ADDRESS, MESSAGE_ADDRESS);
      table.window.write32(entry + ENTRY.UPPER_ADDRESS, 0);
      table.window.write32(entry + ENTRY.DATA, first + vector);
      table.window.write32(entry + ENTRY.CONTROL, 0);
    }
    this.#config.write16(controlAt, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    return granted;
  }

  #enableMsi(count: number, handler: (vector: number) => void): number {
    const config = this.#config;
    const controlAt = this.#msi + MSI_MESSAGE_CONTROL.offset;
    const control = config.read16(controlAt);
    const offered = 2 ** MSI_MESSAGE_CONTROL.Multiple_Message_Capable.of(control);
    const exponent = Math.floor(Math.log2(Math.max(1, Math.min(count, offered))));
    const granted = 2 ** exponent;
    const first = this.#controller.allocateMessages(granted, handler);
    if (first === undefined) {
      return 0;
    }
    this.#first = first;
    config.write32(this.#msi + MSI_MESSAGE_ADDRESS.offset, MESSAGE_ADDRESS);
    const is64Bit = MSI_MESSAGE_CONTROL._64_bit_Address_Capable.of(control) === 1;
    if (is64Bit) {
      config.write32(this.#msi + MSI_UPPER_ADDRESS, 0);
    }
    config.write16(this.#msi + (is64Bit ? MSI_DATA.bits64 : MSI_DATA.bits32), first);
    const enable = MSI_MESSAGE_CONTROL.Multiple_Message_Enable;
    const kept = control & ~(7 << enable.low);
    config.write16(controlAt, kept | (exponent << enable.low) | (1 << MSI_MESSAGE_CONTROL.MSI_Enable.low));
    return granted;
  }

  #enableWire(handler: (vector: number) => void): number {
    this.#config.write16(COMMAND.offset, this.#config.read16(COMMAND.offset) & ~INTX_DISABLE);
    this.#controller.attachWire(this.#wireKey, handler);
    return 1;
  }

  #setMask(vector: number, isMasked: boolean): void {
    if (vector < 0 || vector >= this.#vectorCount) {
      return;
    }
    if (this.kind === 'msi-x') {
      const table = this.#table();
      table?.window.write32(table.offset + vector * ENTRY_BYTES + ENTRY.CONTROL, isMasked ? 1 : 0);
      return;
    }
    const control = this.kind === 'msi' ? this.#config.read16(this.#msi + MSI_MESSAGE_CONTROL.offset) : 0;
    if (MSI_MESSAGE_CONTROL.Per_Vector_Masking_Capable.of(control) === 1) {
      const is64Bit = MSI_MESSAGE_CONTROL._64_bit_Address_Capable.of(control) === 1;
      const offset = this.#msi + (is64Bit ? MSI_MASK.bits64 : MSI_MASK.bits32);
      const mask = this.#config.read32(offset);
      this.#config.write32(offset, isMasked ? (mask | (1 << vector)) >>> 0 : (mask & ~(1 << vector)) >>> 0);
    }
  }

  #table(): { readonly window: BarWindow; readonly offset: number } | undefined {
    const word = this.#config.read32(this.#msix + MSIX_TABLE.offset);
    const window = this.#bar(MSIX_TABLE.Table_BIR.of(word));
    return window === undefined ? undefined : { window, offset: MSIX_TABLE.Table_Offset.of(word) * 8 };
  }
}
