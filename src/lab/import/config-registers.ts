/** Registers of a recorded config space, as far as it was readable. */
import type { RegisterMeta } from '../../base/index.ts';
import { type MachineFunction, walkCapabilities } from '../../topology/index.ts';

export class ConfigRegisters {
  readonly #view: DataView | null;
  readonly #capabilities = new Map<number, number>();
  readonly #extended = new Map<number, number>();
  /** False where nothing behind the header came. */
  readonly isKnown: boolean;

  constructor({ config }: Pick<MachineFunction, 'config'>) {
    this.isKnown = config !== undefined && config.length >= 256;
    this.#view =
      config === undefined ? null : new DataView(config.buffer, config.byteOffset, config.byteLength);
    const walk = config === undefined ? undefined : walkCapabilities(config, { isWhole: true });
    for (const { id, offset } of walk?.conventional ?? []) {
      this.#capabilities.set(id, this.#capabilities.get(id) ?? offset);
    }
    for (const { id, offset } of walk?.extended ?? []) {
      this.#extended.set(id, this.#extended.get(id) ?? offset);
    }
  }

  /** Undefined where the function has no such capability, or nobody could read it. */
  capability(id: number, register: RegisterMeta): number | undefined {
    return this.#read(this.#capabilities.get(id), register);
  }

  header(register: RegisterMeta): number | undefined {
    return this.#read(0, register);
  }

  hasExtended(id: number): boolean {
    return this.#extended.has(id);
  }

  #read(base: number | undefined, register: RegisterMeta): number | undefined {
    const end = (base ?? 0) + register.offset + register.widthBits / 8;
    return base === undefined || this.#view === null || end > this.#view.byteLength
      ? undefined
      : register.value(this.#view, base);
  }
}
