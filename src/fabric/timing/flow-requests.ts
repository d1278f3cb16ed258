/** Requests of the flow engine as parallel arrays. A number that names one is never used again for another. */
import type { ProgressSink } from './engine.ts';
import type { Shape } from './flow-shape.ts';
import type { Flow } from './flow-state.ts';

const SLOTS_MAX = 0x100_0000;

export class FlowRequests {
  readonly flows: Flow[] = [];
  readonly shapes: Shape[] = [];
  /** Null: forgotten, or its slot is free. */
  readonly sinks: (ProgressSink | null)[] = [];
  readonly tokens: number[] = [];
  readonly addrs: number[] = [];
  readonly isControl: boolean[] = [];
  /** When it was sent. */
  readonly sentPs: number[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];
  /** Requests that somebody still waits for. */
  pending = 0;

  /** @returns its slot */
  take(
    flow: Flow,
    shape: Shape,
    sink: ProgressSink,
    token: number,
    addr: number,
    isControl: boolean,
    nowPs: number,
  ): number {
    let slot = this.#free.pop();
    if (slot === undefined) {
      slot = this.#uses.length;
      this.#uses.push(0);
    }
    this.flows[slot] = flow;
    this.shapes[slot] = shape;
    this.sinks[slot] = sink;
    this.tokens[slot] = token;
    this.addrs[slot] = addr;
    this.isControl[slot] = isControl;
    this.sentPs[slot] = nowPs;
    this.pending++;
    return slot;
  }

  nameOf(slot: number): number {
    return this.#uses[slot]! * SLOTS_MAX + slot + 1;
  }

  tell(slot: number, progress: number): void {
    this.sinks[slot]?.onProgress(progress, this.tokens[slot]!);
  }

  /** The last progress: the slot is free before the sink hears of it. */
  end(slot: number, progress: number): void {
    const sink = this.sinks[slot]!;
    const token = this.tokens[slot]!;
    this.forgetSlot(slot);
    this.give(slot);
    sink?.onProgress(progress, token);
  }

  give(slot: number): void {
    this.#uses[slot]!++;
    this.#free.push(slot);
  }

  forget(request: number): void {
    const slot = (request - 1) % SLOTS_MAX;
    if (this.#uses[slot] === Math.floor((request - 1) / SLOTS_MAX)) {
      this.forgetSlot(slot);
    }
  }

  forgetSlot(slot: number): void {
    if (this.sinks[slot] !== null) {
      this.sinks[slot] = null;
      this.pending--;
    }
  }
}
