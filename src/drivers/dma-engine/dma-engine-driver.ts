/**
 * Driver of the DMA engine (`spec/dma-engine`): copies between any two addresses that the engine's function was given
 * mappings for.
 */
import {
  type BarWindow,
  type CoherentMemory,
  Delivery,
  type PciFunction,
  read32,
  type Task,
} from '../../access/index.ts';
import type { DmaAddr } from '../../base/index.ts';
import {
  DESC_FLAGS,
  DESC_LENGTH,
  DESC_RESULT,
  DESC_SOURCE_HIGH,
  DESC_SOURCE_LOW,
  DESC_TARGET_HIGH,
  DESC_TARGET_LOW,
  DESCRIPTOR_BYTES,
  ENGINE_CAP,
  ENGINE_CTRL,
  ENGINE_RING_HIGH,
  ENGINE_RING_LOW,
  ENGINE_RING_SIZE,
  ENGINE_STATUS,
  ENGINE_TAIL,
  maxLengthBytes,
  ringEntries,
} from '../../spec/index.ts';

/** What became of a copy. `gone`: the function went away meanwhile. */
export type EngineOutcome = 'done' | 'read-failed' | 'write-failed' | 'bad-length' | 'gone' | 'stopped';

const OUTCOMES: readonly (EngineOutcome | undefined)[] = [
  undefined,
  'done',
  'read-failed',
  'write-failed',
  'bad-length',
];

const RING_SIZE = 7;

export class DmaEngineDriver {
  readonly #fn: PciFunction;
  readonly #registers: BarWindow;
  readonly #ring: CoherentMemory;
  readonly #entries: number;
  /** Largest copy of one descriptor; longer ones are cut. */
  readonly pieceBytesMax: number;
  readonly #waiting: (Delivery<EngineOutcome> | undefined)[];
  #head = 0;
  #tail = 0;
  /** Copies that wait for a free entry of the ring. */
  #rooms: Delivery<void>[] = [];
  #isGone = false;

  private constructor(
    fn: PciFunction,
    registers: BarWindow,
    ring: CoherentMemory,
    entries: number,
    pieceBytesMax: number,
  ) {
    this.#fn = fn;
    this.#registers = registers;
    this.#ring = ring;
    this.#entries = entries;
    this.pieceBytesMax = pieceBytesMax;
    this.#waiting = new Array<Delivery<EngineOutcome> | undefined>(entries).fill(undefined);
  }

  /** Brings the engine up. @returns undefined when the function does not answer or has no registers */
  static *start(fn: PciFunction): Task<DmaEngineDriver | undefined> {
    fn.enable({ memory: true, busMaster: true });
    const registers = fn.bar(0);
    if (registers === undefined) {
      return undefined;
    }
    const cap = yield* read32(registers, ENGINE_CAP.offset);
    if (cap === 0xffff_ffff || ENGINE_CAP.VERSION.of(cap) !== 1) {
      return undefined;
    }
    const size = Math.min(RING_SIZE, ENGINE_CAP.RINGMAX.of(cap));
    const entries = ringEntries(size);
    const ring = fn.dma.allocCoherent(entries * DESCRIPTOR_BYTES, 64);
    const driver = new DmaEngineDriver(
      fn,
      registers,
      ring,
      entries,
      maxLengthBytes(ENGINE_CAP.MAXLEN.of(cap)),
    );
    fn.onGone = () => driver.#end('gone');
    const vectors = fn.interrupts.enable(1, () => driver.#reap());
    registers.write32(ENGINE_CTRL.offset, 0);
    registers.write32(ENGINE_RING_SIZE.offset, size);
    registers.write32(ENGINE_RING_LOW.offset, ring.addr % 2 ** 32);
    registers.write32(ENGINE_RING_HIGH.offset, Math.floor(ring.addr / 2 ** 32));
    registers.write32(ENGINE_CTRL.offset, vectors > 0 ? 3 : 1);
    const status = yield* read32(registers, ENGINE_STATUS.offset);
    if (status === 0xffff_ffff || ENGINE_STATUS.RDY.of(status) === 0 || vectors === 0) {
      driver.close();
      return undefined;
    }
    return driver;
  }

  /**
   * Copies `lengthBytes`; both addresses must be contiguous and mapped for this function. Pieces are done in order; the
   * first that fails ends the copy.
   */
  *copy(source: DmaAddr, target: DmaAddr, lengthBytes: number): Task<EngineOutcome> {
    const pieces: Delivery<EngineOutcome>[] = [];
    for (let done = 0; done < lengthBytes; done += this.pieceBytesMax) {
      while (!this.#isGone && (this.#tail + 1) % this.#entries === this.#head) {
        const room = new Delivery<void>();
        this.#rooms.push(room);
        yield* room.wait();
      }
      if (this.#isGone) {
        return 'gone';
      }
      pieces.push(this.#post(source + done, target + done, Math.min(this.pieceBytesMax, lengthBytes - done)));
    }
    let outcome: EngineOutcome = 'done';
    for (const piece of pieces) {
      const result = yield* piece.wait();
      outcome = outcome === 'done' ? result : outcome;
    }
    return outcome;
  }

  /** Stops the engine. Copies under way end as `stopped`. Idempotent. */
  close(): void {
    if (!this.#isGone) {
      this.#registers.write32(ENGINE_CTRL.offset, 0);
      this.#fn.interrupts.disable();
      this.#end('stopped');
      this.#ring.free();
    }
  }

  #post(source: number, target: number, lengthBytes: number): Delivery<EngineOutcome> {
    const { view } = this.#ring;
    const base = this.#tail * DESCRIPTOR_BYTES;
    DESC_SOURCE_LOW.setValue(view, source % 2 ** 32, base);
    DESC_SOURCE_HIGH.setValue(view, Math.floor(source / 2 ** 32), base);
    DESC_TARGET_LOW.setValue(view, target % 2 ** 32, base);
    DESC_TARGET_HIGH.setValue(view, Math.floor(target / 2 ** 32), base);
    DESC_LENGTH.setValue(view, lengthBytes, base);
    DESC_FLAGS.setValue(view, 0, base);
    DESC_FLAGS.IRQ.write(view, 1, base);
    DESC_RESULT.setValue(view, 0, base);
    const delivery = new Delivery<EngineOutcome>();
    this.#waiting[this.#tail] = delivery;
    this.#tail = (this.#tail + 1) % this.#entries;
    this.#registers.write32(ENGINE_TAIL.offset, this.#tail);
    return delivery;
  }

  #reap(): void {
    const { view } = this.#ring;
    while (this.#head !== this.#tail) {
      const result = DESC_RESULT.value(view, this.#head * DESCRIPTOR_BYTES);
      const outcome = OUTCOMES[result];
      if (outcome === undefined) {
        break;
      }
      const waiting = this.#waiting[this.#head];
      this.#waiting[this.#head] = undefined;
      this.#head = (this.#head + 1) % this.#entries;
      waiting?.deliver(outcome);
    }
    this.#makeRoom();
  }

  #end(outcome: EngineOutcome): void {
    this.#isGone = true;
    for (let i = 0; i < this.#entries; i++) {
      const waiting = this.#waiting[i];
      this.#waiting[i] = undefined;
      waiting?.deliver(outcome);
    }
    this.#makeRoom();
  }

  #makeRoom(): void {
    const rooms = this.#rooms;
    this.#rooms = [];
    for (const room of rooms) {
      room.deliver();
    }
  }
}
