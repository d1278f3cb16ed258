/**
 * The MSI-X table and pending bits of a function, laid over its BARs. PCIe Base 6.0, 7.7.2; PCI 3.0, 6.8.3.2.
 *
 * Only aligned accesses of up to four bytes arrive here; longer ones are cut before.
 */
import { addressFromDwords } from '../../base/index.ts';
import { MSIX_MESSAGE_CONTROL } from '../../spec/pci/index.ts';
import type { MsixDescription } from '../model.ts';
import type { BarTarget } from '../routing/completer.ts';
import type { RegisterHandler } from '../routing/route.ts';
import type { FabricFunction } from './fabric-function.ts';

const ENTRY_DWORDS = 4;
const ENTRY_BYTES = 16;
const VECTOR_CONTROL = 3;
const MASK_BIT = 1;

export class MsixTable implements RegisterHandler {
  readonly vectorCount: number;
  readonly targets: readonly BarTarget[];
  readonly #fn: FabricFunction;
  readonly #description: MsixDescription;
  readonly #entries: Uint32Array;
  readonly #pending: Uint32Array;

  constructor(fn: FabricFunction, description: MsixDescription) {
    this.#fn = fn;
    this.#description = description;
    this.vectorCount = description.vectorCount;
    this.#entries = new Uint32Array(this.vectorCount * ENTRY_DWORDS);
    this.#pending = new Uint32Array(Math.ceil(this.vectorCount / 64) * 2);
    const target = (bar: number, start: number, lengthBytes: number): BarTarget => ({
      bar,
      start,
      end: start + lengthBytes,
      memory: null,
      memoryOffset: 0,
      range: null,
      handler: this,
    });
    this.targets = [
      target(description.tableBar, description.tableOffsetBytes, this.vectorCount * ENTRY_BYTES),
      target(description.pendingBar, description.pendingOffsetBytes, this.#pending.length * 4),
    ];
    this.reset();
  }

  /** After a reset every vector is masked. */
  reset(): void {
    this.#entries.fill(0);
    this.#pending.fill(0);
    for (let vector = 0; vector < this.vectorCount; vector++) {
      this.#entries[vector * ENTRY_DWORDS + VECTOR_CONTROL] = MASK_BIT;
    }
  }

  get isEnabled(): boolean {
    const { config } = this.#fn;
    return MSIX_MESSAGE_CONTROL.MSI_X_Enable.read(config.view, config.offsets.msix) === 1;
  }

  isMasked(vector: number): boolean {
    const { config } = this.#fn;
    return (
      MSIX_MESSAGE_CONTROL.Function_Mask.read(config.view, config.offsets.msix) === 1 ||
      (this.#entries[vector * ENTRY_DWORDS + VECTOR_CONTROL]! & MASK_BIT) !== 0
    );
  }

  isPending(vector: number): boolean {
    return ((this.#pending[vector >>> 5]! >>> (vector & 31)) & 1) === 1;
  }

  /** The model has an interrupt for software. */
  raise(vector: number): void {
    if (vector >= this.vectorCount || !this.isEnabled) {
      return;
    }
    if (this.isMasked(vector)) {
      this.#pending[vector >>> 5]! |= 1 << (vector & 31);
    } else {
      this.#send(vector);
    }
  }

  /** Sends what was waiting and is no longer masked. */
  flush(): void {
    if (!this.isEnabled) {
      return;
    }
    for (let vector = 0; vector < this.vectorCount; vector++) {
      if (this.isPending(vector) && !this.isMasked(vector)) {
        this.#pending[vector >>> 5]! &= ~(1 << (vector & 31));
        this.#send(vector);
      }
    }
  }

  readRegister(bar: number, offsetBytes: number, lengthBytes: number): number {
    const { dwords, offset } = this.#place(bar, offsetBytes);
    const dword = dwords[offset >>> 2]!;
    const shifted = dword >>> (8 * (offset & 3));
    return lengthBytes === 4 ? shifted : shifted & (2 ** (8 * lengthBytes) - 1);
  }

  writeRegister(bar: number, offsetBytes: number, lengthBytes: number, value: number): void {
    const { dwords, offset } = this.#place(bar, offsetBytes);
    if (dwords === this.#pending) {
      return;
    }
    const shift = 8 * (offset & 3);
    const mask = lengthBytes === 4 ? 0xffff_ffff : (2 ** (8 * lengthBytes) - 1) << shift;
    const index = offset >>> 2;
    let written = ((dwords[index]! & ~mask) | ((value << shift) & mask)) >>> 0;
    switch (index % ENTRY_DWORDS) {
      case 0:
        written = (written & ~3) >>> 0;
        break;
      case VECTOR_CONTROL:
        written &= MASK_BIT;
        break;
      default:
        break;
    }
    const isChanged = dwords[index] !== written;
    dwords[index] = written;
    if (isChanged && index % ENTRY_DWORDS === VECTOR_CONTROL) {
      this.flush();
      this.#fn.model?.onConfigChange?.();
    }
  }

  #place(bar: number, offsetBytes: number): { readonly dwords: Uint32Array; readonly offset: number } {
    const { tableBar, tableOffsetBytes } = this.#description;
    const offset = offsetBytes - tableOffsetBytes;
    return bar === tableBar && offset >= 0 && offset < this.vectorCount * ENTRY_BYTES
      ? { dwords: this.#entries, offset }
      : { dwords: this.#pending, offset: offsetBytes - this.#description.pendingOffsetBytes };
  }

  #send(vector: number): void {
    const at = vector * ENTRY_DWORDS;
    const addr = addressFromDwords(this.#entries[at]!, this.#entries[at + 1]!);
    this.#fn.requester.sendMessage(addr, this.#entries[at + 2]!);
  }
}
