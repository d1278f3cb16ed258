/**
 * The interrupt controller: message addresses and data given to functions, and where what arrives is delivered.
 *
 * Handlers are called from the event queue, so never inside the access that caused the interrupt. A message that nobody
 * asked for is counted and dropped. The four wires of a host bridge are level-triggered: handlers of all sharers are called
 * while the level stays, and a wire that nobody quiets is switched off, as Linux does ("nobody cared").
 */
import type { EventHandler, Executor } from '../../access/index.ts';

/** Messages go to this address (x86: the local APIC of processor 0). */
export const MESSAGE_ADDRESS = 0xfee0_0000;
const MESSAGES_MAX = 0x1_0000;
/** Deliveries of one assertion of a wire before it is given up. */
const WIRE_DELIVERIES_MAX = 1000;

const EVENT = { MESSAGE: 0, WIRE: 1 } as const;

interface Target {
  readonly handler: (vector: number) => void;
  readonly vector: number;
}

interface Wire {
  readonly key: string;
  isAsserted: boolean;
  isQueued: boolean;
  deliveries: number;
  isOff: boolean;
  handlers: ((vector: number) => void)[];
}

export class InterruptController implements EventHandler {
  readonly #executor: Executor;
  readonly #targets: (Target | undefined)[] = [];
  readonly #wires: Wire[] = [];
  readonly #wireIndex = new Map<string, number>();
  #spurious = 0;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Messages and wires that arrived for nobody. */
  get spuriousCount(): number {
    return this.#spurious;
  }

  /** Wires switched off because nobody quieted them, as `domain:bus pin`. */
  get wiresOff(): readonly string[] {
    return this.#wires.filter(({ isOff }) => isOff).map(({ key }) => key);
  }

  /**
   * Gives out `count` neighbouring message numbers, the first a multiple of `count` rounded up to a power of two.
   * @returns the first, or undefined when there are none left
   */
  allocateMessages(count: number, handler: (vector: number) => void): number | undefined {
    const step = 2 ** Math.ceil(Math.log2(Math.max(1, count)));
    for (let first = 0; first + step <= MESSAGES_MAX; first += step) {
      let isFree = true;
      for (let i = 0; i < count; i++) {
        isFree &&= this.#targets[first + i] === undefined;
      }
      if (isFree) {
        for (let i = 0; i < count; i++) {
          this.#targets[first + i] = { handler, vector: i };
        }
        return first;
      }
    }
    return undefined;
  }

  freeMessages(first: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#targets[first + i] = undefined;
    }
  }

  /** A write to the message address arrived. */
  message(data: number): void {
    if (this.#targets[data] === undefined) {
      this.#spurious++;
      return;
    }
    this.#executor.after(0, this, EVENT.MESSAGE, data);
  }

  /** `key` names host bridge and pin. */
  attachWire(key: string, handler: (vector: number) => void): void {
    this.#wires[this.#wire(key)]!.handlers.push(handler);
    this.#queueWire(this.#wire(key));
  }

  detachWire(key: string, handler: (vector: number) => void): void {
    const wire = this.#wires[this.#wire(key)]!;
    wire.handlers = wire.handlers.filter((other) => other !== handler);
  }

  setWire(key: string, isAsserted: boolean): void {
    const index = this.#wire(key);
    const wire = this.#wires[index]!;
    if (wire.isAsserted !== isAsserted) {
      wire.isAsserted = isAsserted;
      wire.deliveries = 0;
    }
    this.#queueWire(index);
  }

  onEvent(code: number, argument: number): void {
    if (code === EVENT.MESSAGE) {
      const target = this.#targets[argument];
      if (target === undefined) {
        this.#spurious++;
      } else {
        target.handler(target.vector);
      }
      return;
    }
    const wire = this.#wires[argument]!;
    wire.isQueued = false;
    if (!wire.isAsserted || wire.isOff) {
      return;
    }
    if (++wire.deliveries > WIRE_DELIVERIES_MAX || wire.handlers.length === 0) {
      wire.isOff = wire.handlers.length > 0;
      this.#spurious++;
      return;
    }
    for (const handler of wire.handlers) {
      handler(0);
    }
    this.#queueWire(argument);
  }

  #queueWire(index: number): void {
    const wire = this.#wires[index]!;
    if (wire.isAsserted && !wire.isQueued && !wire.isOff) {
      wire.isQueued = true;
      this.#executor.after(0, this, EVENT.WIRE, index);
    }
  }

  #wire(key: string): number {
    let index = this.#wireIndex.get(key);
    if (index === undefined) {
      index = this.#wires.length;
      this.#wireIndex.set(key, index);
      this.#wires.push({
        key,
        isAsserted: false,
        isQueued: false,
        deliveries: 0,
        isOff: false,
        handlers: [],
      });
    }
    return index;
  }
}
