/**
 * The config space of one function: bytes, and what software may do to them.
 *
 * Which bits a store changes, which ones a written one clears and which survive a reset comes from the access types of
 * the spec tables, worked out once when the space is made (`config-draft.ts`). What a mask cannot say (a Resizable BAR
 * changes the size of another register, a bit that reads zero and starts a reset) is a small rule of the capability.
 *
 * Knows no tree: a change is told to `onChange`, and whoever owns the function acts on it. Attributes: PCIe Base 6.0,
 * 7.4; resets: 6.6.
 */
import { assert, type Field, type RegisterMeta } from '../../base/index.ts';
import { COMMAND, HEADER_TYPE, PMCSR } from '../../spec/pci/index.ts';
import type { ResetKind } from '../model.ts';
import type { BarRegister } from './bar-register.ts';
import { CONFIG_CHANGES, type ConfigChange } from './config-change.ts';

/** Where capabilities are; 0 is absent. */
export interface ConfigOffsets {
  readonly pm: number;
  readonly msi: number;
  readonly msix: number;
  readonly express: number;
  readonly bridgeSubsystem: number;
  readonly vendor: number;
  readonly aer: number;
  readonly acs: number;
  readonly ari: number;
  readonly ats: number;
  readonly pri: number;
  readonly pasid: number;
  readonly sriov: number;
  readonly rebar: number;
  readonly serial: number;
  readonly virtualChannel: number;
}

/**
 * Runs after a store to its dword. `before` is the dword as it was, `written` what software wrote, zero in bytes that
 * were not enabled. Returns an event that has no bit of its own to change.
 */
export type ConfigRule = (space: ConfigSpace, before: number, written: number) => ConfigChange | undefined;

/** One byte of mask for each byte of config space. */
export interface ConfigMasks {
  readonly writable: Uint8Array;
  /** Writing 1 clears. */
  readonly clearable: Uint8Array;
  /** Survives all but power off. */
  readonly sticky: Uint8Array;
  /** Survives a Function Level Reset, beyond the sticky bits. 6.6.2. */
  readonly kept: Uint8Array;
  /** Index into CONFIG_CHANGES. */
  readonly changes: Uint8Array;
}

export interface ConfigParts {
  /** Reset values; the space takes the array over. */
  readonly bytes: Uint8Array;
  readonly masks: ConfigMasks;
  readonly offsets: ConfigOffsets;
  readonly bars: readonly BarRegister[];
  readonly vfBars: readonly BarRegister[];
  /** By offset of the dword. */
  readonly rules: ReadonlyMap<number, readonly ConfigRule[]>;
}

export class ConfigSpace {
  /** Read them at will; change them through `write` (software) or `set` and `setState` (hardware). */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly sizeBytes: 256 | 4096;
  readonly offsets: ConfigOffsets;
  /** The implemented base address registers, by ascending index. */
  readonly bars: readonly BarRegister[];
  /** Those of the SR-IOV capability; `sizeBytes` is that of one virtual function. */
  readonly vfBars: readonly BarRegister[];
  /** Called after a store of software that changed something, once for each kind; not for resets, `set` and `setState`. */
  onChange: (what: ConfigChange, offset: number) => void = () => {};

  readonly #masks: ConfigMasks;
  readonly #resetBytes: Uint8Array;
  readonly #resetView: DataView;
  readonly #writableView: DataView;
  readonly #rules: ReadonlyMap<number, readonly ConfigRule[]>;

  constructor(parts: ConfigParts) {
    assert(parts.bytes.length === 256 || parts.bytes.length === 4096, 'a config space has 256 or 4096 bytes');
    this.bytes = parts.bytes;
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    this.sizeBytes = parts.bytes.length;
    this.offsets = parts.offsets;
    this.bars = parts.bars;
    this.vfBars = parts.vfBars;
    this.#masks = parts.masks;
    this.#rules = parts.rules;
    const { writable } = parts.masks;
    this.#writableView = new DataView(writable.buffer, writable.byteOffset, writable.length);
    for (const bar of [...this.bars, ...this.vfBars]) {
      this.view.setUint32(bar.offset, bar.typeBits, true);
      this.#maskBar(bar);
    }
    this.#resetBytes = this.bytes.slice();
    this.#resetView = new DataView(this.#resetBytes.buffer);
  }

  /** A software load: unsigned; all ones beyond the end, where a conventional function has nothing. */
  read(offset: number, lengthBytes: 1 | 2 | 4): number {
    assertAligned(offset, lengthBytes);
    if (offset >= this.sizeBytes) {
      return 2 ** (8 * lengthBytes) - 1;
    }
    switch (lengthBytes) {
      case 1:
        return this.bytes[offset]!;
      case 2:
        return this.view.getUint16(offset, true);
      case 4:
        return this.view.getUint32(offset, true);
    }
  }

  /** A software store. Bits that software may not write keep their value; beyond the end it is lost. */
  write(offset: number, lengthBytes: 1 | 2 | 4, value: number): void {
    assertAligned(offset, lengthBytes);
    if (offset >= this.sizeBytes) {
      return;
    }
    const { writable, clearable } = this.#masks;
    const dword = offset & ~3;
    const before = this.view.getUint32(dword, true);
    for (let i = 0; i < lengthBytes; i++) {
      const at = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const old = this.bytes[at]!;
      const mask = writable[at]!;
      this.bytes[at] = ((old & ~mask) | (byte & mask)) & ~(byte & clearable[at]!);
    }
    let events = 0;
    const rules = this.#rules.get(dword);
    if (rules !== undefined) {
      const enabled =
        lengthBytes === 4 ? value : (value & (2 ** (8 * lengthBytes) - 1)) << (8 * (offset & 3));
      for (const rule of rules) {
        const event = rule(this, before, enabled >>> 0);
        events |= event === undefined ? 0 : 1 << CONFIG_CHANGES.indexOf(event);
      }
    }
    const changed = before ^ this.view.getUint32(dword, true);
    for (let i = 0; i < 4; i++) {
      if (((changed >>> (8 * i)) & 0xff) !== 0) {
        events |= 1 << this.#masks.changes[dword + i]!;
      }
    }
    for (let index = 0; events !== 0; index++, events >>>= 1) {
      if ((events & 1) !== 0) {
        this.onChange(CONFIG_CHANGES[index]!, offset);
      }
    }
  }

  /** Hardware changes a field for now: a status bit, an error log. `base` is where its structure starts. */
  set(field: Field | RegisterMeta, value: number, base = 0): void {
    writePart(field, this.view, value, base);
  }

  /** Hardware changes what no reset takes back: link and presence state. */
  setState(field: Field | RegisterMeta, value: number, base = 0): void {
    writePart(field, this.view, value, base);
    writePart(field, this.#resetView, value, base);
  }

  /** Function 0 says whether there are others; the builder of the device knows. */
  setMultiFunction(isMultiFunction: boolean): void {
    this.setState(HEADER_TYPE.Multi_Function_Device, isMultiFunction ? 1 : 0);
  }

  /**
   * Back to reset values. What survives: of a 'bus' reset the sticky bits; of a 'function' reset also what 6.6.2 lists;
   * of 'power' nothing. Tells nobody: whoever resets knows.
   */
  reset(kind: ResetKind): void {
    const { sticky, kept } = this.#masks;
    for (let i = 0; i < this.sizeBytes; i++) {
      const survives = kind === 'power' ? 0 : kind === 'bus' ? sticky[i]! : sticky[i]! | kept[i]!;
      this.bytes[i] = (this.bytes[i]! & survives) | (this.#resetBytes[i]! & ~survives);
    }
    for (const bar of [...this.bars, ...this.vfBars]) {
      bar.sizeBytes = bar.initialSizeBytes;
      this.#maskBar(bar);
    }
  }

  /** A BAR gets another size; address bits that are no longer there read zero from now on. */
  resizeBar(bar: BarRegister, sizeBytes: number): void {
    bar.sizeBytes = sizeBytes;
    this.#maskBar(bar);
    const low = this.view.getUint32(bar.offset, true);
    this.view.setUint32(bar.offset, ((low & bar.lowMask) | bar.typeBits) >>> 0, true);
    if (bar.is64Bit) {
      this.view.setUint32(
        bar.offset + 4,
        (this.view.getUint32(bar.offset + 4, true) & bar.highMask) >>> 0,
        true,
      );
    }
  }

  bar(index: number): BarRegister | undefined {
    return this.bars.find((bar) => bar.index === index);
  }

  /** What stands in a BAR, whether or not it is decoded; undefined when there is none. */
  barAddress(index: number): number | undefined {
    return this.bar(index)?.addressIn(this.view);
  }

  get isMemoryEnabled(): boolean {
    return COMMAND.Memory_Space_Enable.read(this.view) === 1;
  }

  get isIoEnabled(): boolean {
    return COMMAND.IO_Space_Enable.read(this.view) === 1;
  }

  get isBusMaster(): boolean {
    return COMMAND.Bus_Master_Enable.read(this.view) === 1;
  }

  /** 0 to 3; only 0 and 3 (D3hot) ever stand there. */
  get powerState(): number {
    return this.offsets.pm === 0 ? 0 : PMCSR.PowerState.read(this.view, this.offsets.pm);
  }

  #maskBar(bar: BarRegister): void {
    this.#writableView.setUint32(bar.offset, bar.lowMask, true);
    if (bar.is64Bit) {
      this.#writableView.setUint32(bar.offset + 4, bar.highMask, true);
    }
  }
}

function writePart(part: Field | RegisterMeta, view: DataView, value: number, base: number): void {
  if ('setValue' in part) {
    part.setValue(view, value, base);
  } else {
    part.write(view, value, base);
  }
}

function assertAligned(offset: number, lengthBytes: number): void {
  assert(
    Number.isInteger(offset) && offset >= 0 && offset % lengthBytes === 0,
    'a config access is not aligned to its size',
    { offset, lengthBytes },
  );
}
