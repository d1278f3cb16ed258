/** Where an address leads, for people: asked for lines of a log only, so that nothing is kept and every answer is of now. */
import type { FabricFunction, RemoteMemory, SystemMemory } from '../../../fabric/index.ts';

/** A device as logs name it. */
export interface NamedFunction {
  readonly name: string;
  readonly fn: FabricFunction;
}

export class Places {
  readonly #devices: readonly NamedFunction[];
  readonly #bridges: ReadonlyMap<FabricFunction, string>;
  readonly #memory: SystemMemory;
  readonly #remote: RemoteMemory | null;

  /**
   * @param devices  whose BARs may be reached
   * @param bridges  names of switch ports, by function
   */
  constructor(
    devices: readonly NamedFunction[],
    bridges: ReadonlyMap<FabricFunction, string>,
    memory: SystemMemory,
    remote: RemoteMemory | null,
  ) {
    this.#devices = devices;
    this.#bridges = bridges;
    this.#memory = memory;
    this.#remote = remote;
  }

  /** `guest 0x1234000`, `nvme1 BAR4+0x1000 through sw0`, `own BAR4+0x0`, `message 0x1000`, `nowhere 0x1000`. */
  of(requester: FabricFunction, addr: number): string {
    const hex = `0x${addr.toString(16)}`;
    for (const { name, fn } of this.#devices) {
      const bar = fn.isGone ? undefined : fn.state.bars.find(({ start, end }) => start <= addr && addr < end);
      if (bar !== undefined) {
        const place = `BAR${bar.index}+0x${(addr - bar.start).toString(16)}`;
        return fn === requester ? `own ${place}` : `${name} ${place} ${this.#way(requester, fn)}`;
      }
    }
    if (this.#memory.regionAt(addr, requester) !== undefined) {
      return `guest ${hex}`;
    }
    return `${this.#remote?.reaches(requester) === true ? 'message' : 'nowhere'} ${hex}`;
  }

  #way(from: FabricFunction, to: FabricFunction): string {
    const above = new Set(bridgesAbove(to));
    const common = bridgesAbove(from).find((bridge) => above.has(bridge));
    return common === undefined
      ? 'across root ports'
      : `through ${this.#bridges.get(common) ?? 'their switch'}`;
  }
}

function bridgesAbove(fn: FabricFunction): FabricFunction[] {
  const bridges: FabricFunction[] = [];
  for (let bridge = fn.device.bus.bridge; bridge !== null; bridge = bridge.device.bus.bridge) {
    bridges.push(bridge);
  }
  return bridges;
}
