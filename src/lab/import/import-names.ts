/** Names of functions in the lab: those that programs know them by, where a lab file can hold them. */
import type { MachineFunction } from '../../topology/index.ts';

/** As in the lab file: a letter, then letters, digits, `_` and `-`. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;
/** Of several names the first kind counts: a controller before its disk, an RDMA device before its interface. */
const SUBSYSTEMS = ['nvme', 'infiniband', 'net', 'accel', 'drm', 'block'] as const;

export class ImportNames {
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  /** @param functions  all of the machine, whose names are kept free for them */
  constructor(functions: readonly MachineFunction[]) {
    for (const fn of functions) {
      for (const { name } of fn.classNames) {
        this.#taken.add(name);
      }
    }
  }

  readonly #given = new Set<string>();

  nameOf(fn: MachineFunction, prefix: string): string {
    for (const subsystem of SUBSYSTEMS) {
      const found = fn.classNames.find(
        ({ subsystem: of, name }) => of === subsystem && NAME.test(name) && !this.#given.has(name),
      );
      if (found !== undefined) {
        this.#given.add(found.name);
        return found.name;
      }
    }
    return this.next(prefix);
  }

  /** `dev0`, `dev1`, … */
  next(prefix: string): string {
    for (let index = this.#next.get(prefix) ?? 0; ; index++) {
      const name = `${prefix}${index}`;
      if (!this.#taken.has(name) && !this.#given.has(name)) {
        this.#next.set(prefix, index + 1);
        this.#given.add(name);
        return name;
      }
    }
  }
}
