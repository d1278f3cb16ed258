/** Loads and stores of the registers in a device's BARs, as lines of a log. */
import type { Structure } from '../../../base/index.ts';
import { DmaEngine, NvmeController } from '../../../devices/index.ts';
import { DMA_ENGINE_REGISTERS } from '../../../spec/index.ts';
import { CONTROLLER_PROPERTIES, DOORBELLS_OFFSET, doorbellIndex } from '../../../spec/nvme/index.ts';
import { accessName, changedFields, hexValue, registerAt } from './register-text.ts';

/** Registers of BAR 0, and doorbells if there are some. */
interface BarTable {
  readonly registers: Structure;
  /** CAP.DSTRD; null: no doorbells. */
  readonly doorbellStride: number | null;
}

/** What one device is asked and told; remembers what it knows of each register, to say what has changed. */
export class BarLog {
  readonly #name: string;
  readonly #table: BarTable | null;
  readonly #known = new Map<number, number>();

  constructor(name: string, model: unknown) {
    this.#name = name;
    this.#table = tableOf(model);
  }

  /** Registers are as after a reset. */
  forget(): void {
    this.#known.clear();
  }

  /** `nvme0 write CC = 0x00460001 EN=1 IOSQES=6 IOCQES=4`, `nvme0 SQ1 tail 5`, `gpu0 read BAR2+0x10 = 0x00000000`. */
  line(isWrite: boolean, bar: number, offset: number, lengthBytes: number, value: number): string {
    const what = isWrite ? 'write' : 'read';
    const table = bar === 0 ? this.#table : null;
    if (table !== null) {
      if (isWrite && table.doorbellStride !== null && offset >= DOORBELLS_OFFSET) {
        const index = doorbellIndex(offset, table.doorbellStride);
        if (index >= 0) {
          return `${this.#name} ${index % 2 === 0 ? 'SQ' : 'CQ'}${Math.floor(index / 2)} ${index % 2 === 0 ? 'tail' : 'head'} ${value}`;
        }
      }
      const register = registerAt(table.registers, offset, lengthBytes);
      if (register !== undefined) {
        const key = 8 * offset + lengthBytes;
        const fields = changedFields(register, offset, lengthBytes, value, this.#known.get(key));
        this.#known.set(key, value);
        return `${this.#name} ${what} ${accessName(register, offset, lengthBytes)} = ${hexValue(value, lengthBytes)}${fields}`;
      }
    }
    return `${this.#name} ${what} BAR${bar}+0x${offset.toString(16)} = ${hexValue(value, lengthBytes)}`;
  }
}

function tableOf(model: unknown): BarTable | null {
  if (model instanceof NvmeController) {
    return { registers: CONTROLLER_PROPERTIES, doorbellStride: model.options.doorbellStride };
  }
  return model instanceof DmaEngine ? { registers: DMA_ENGINE_REGISTERS, doorbellStride: null } : null;
}
