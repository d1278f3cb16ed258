/**
 * The wire between two NICs: two directions, each with a rate, a delay, a loss rate and an order.
 *
 * A frame occupies its direction for its bytes and the Ethernet overhead that no capture shows, arrives whole after the delay, and
 * never overtakes another. Which frames are lost comes from a seed. In an untimed machine it takes no time.
 */
import { assert, SeededRandom } from '../../base/index.ts';
import type { EventHandler, Executor } from '../../fabric/index.ts';
import { ETHERNET_FRAME_BYTES_MIN, ETHERNET_OVERHEAD_BYTES } from '../../spec/rdma/index.ts';
import { DeviceError } from '../nvme/index.ts';
import type { Frame } from './frame.ts';

/** One direction, from the end that sends. */
export interface WireOptions {
  /** Bits a second; default 100e9. */
  readonly bitsPerSecond?: number;
  /** From the last bit sent to the frame being there; default 500 ns. */
  readonly delayPs?: number;
  /** Share of frames that never arrive, 0 to below 1; default 0. */
  readonly lossRate?: number;
  /** Of what is lost; by default another at each end. */
  readonly seed?: number;
}

/** What hangs on an end. */
export interface WireEnd {
  readonly executor: Executor;
  /** Takes a frame over; its user gives it back. */
  receive(frame: Frame): void;
}

/** Looks at frames as they are sent, lost ones too. `from` is the end; `bytes` are the wire's and valid during the call. */
export type WireTap = (atPs: number, from: 0 | 1, bytes: Uint8Array) => void;

class Direction implements EventHandler {
  readonly psPerByte: number;
  readonly delayPs: number;
  readonly lossRate: number;
  readonly random: SeededRandom;
  freePs = 0;
  target: WireEnd | null = null;
  /** Under way, in order; null is a frame that is lost. */
  readonly #frames: (Frame | null)[] = [];
  #head = 0;

  constructor(options: WireOptions, end: number) {
    const { bitsPerSecond = 100e9, delayPs = 500_000, lossRate = 0, seed = end + 1 } = options;
    if (!(bitsPerSecond > 0 && delayPs >= 0 && lossRate >= 0 && lossRate < 1)) {
      throw new DeviceError('DEVICE_OPTIONS', {
        message: `a wire of ${bitsPerSecond} bit/s with ${delayPs} ps of delay that loses ${lossRate}`,
        detail: { bitsPerSecond, delayPs, lossRate },
        hint: 'a rate above 0, a delay of 0 or more, and a loss rate from 0 to below 1',
      });
    }
    this.psPerByte = 8e12 / bitsPerSecond;
    this.delayPs = delayPs;
    this.lossRate = lossRate;
    this.random = new SeededRandom(seed);
  }

  push(frame: Frame | null, executor: Executor, delayPs: number): void {
    this.#frames.push(frame);
    executor.after(delayPs, this, 0, 0);
  }

  /** Frames arrive in their order, whichever event comes first. */
  onEvent(): void {
    const frame = this.#frames[this.#head]!;
    this.#frames[this.#head++] = null;
    if (this.#head > 64 && this.#head * 2 > this.#frames.length) {
      this.#frames.splice(0, this.#head);
      this.#head = 0;
    }
    if (frame !== null) {
      if (this.target === null) {
        frame.release();
      } else {
        this.target.receive(frame);
      }
    }
  }
}

export class EthernetWire {
  readonly #directions: [Direction | null, Direction | null] = [null, null];
  readonly #ends: [WireEnd | null, WireEnd | null] = [null, null];
  tap: WireTap | null = null;
  /** A person's or a test's own idea of what is lost, asked before the loss rate. */
  loses: ((from: 0 | 1, bytes: Uint8Array) => boolean) | null = null;
  /** By end that sent them; bytes with the overhead of Ethernet. */
  readonly frames: [number, number] = [0, 0];
  readonly bytes: [number, number] = [0, 0];
  readonly lost: [number, number] = [0, 0];

  /**
   * Hangs something on an end.
   * @param options  of what it sends
   * @returns which end it is. @throws {DeviceError} DEVICE_OPTIONS, also when both ends are taken
   */
  plug(end: WireEnd, options: WireOptions = {}): 0 | 1 {
    const index = this.#ends[0] === null ? 0 : 1;
    if (this.#ends[index] !== null) {
      throw new DeviceError('DEVICE_OPTIONS', {
        message: 'a wire has two ends, and both are taken',
        hint: 'give the third NIC a wire of its own',
      });
    }
    const direction = new Direction(options, index);
    const other = 1 - index;
    direction.target = this.#ends[other]!;
    this.#directions[index] = direction;
    this.#ends[index] = end;
    const back = this.#directions[other] ?? null;
    if (back !== null) {
      back.target = end;
    }
    return index;
  }

  /** Both ends are there. */
  get isWhole(): boolean {
    return this.#ends[0] !== null && this.#ends[1] !== null;
  }

  /**
   * Sends a frame and owns it.
   * @returns picoseconds until the next can be sent
   */
  send(from: 0 | 1, frame: Frame): number {
    const direction = this.#directions[from];
    const end = this.#ends[from];
    assert(end !== null && direction !== null, 'a frame from an end that nothing hangs on', { from });
    const { executor } = end;
    const wireBytes = Math.max(frame.lengthBytes, ETHERNET_FRAME_BYTES_MIN) + ETHERNET_OVERHEAD_BYTES;
    const startPs = Math.max(executor.nowPs, direction.freePs);
    const frameBytes = frame.bytes.subarray(0, frame.lengthBytes);
    direction.freePs = startPs + wireBytes * direction.psPerByte;
    this.frames[from]++;
    this.bytes[from] += wireBytes;
    this.tap?.(executor.nowPs, from, frameBytes);
    const isDrawn = direction.lossRate > 0 && direction.random.fraction() < direction.lossRate;
    if (isDrawn || this.loses?.(from, frameBytes) === true) {
      this.lost[from]++;
      frame.release();
    } else {
      direction.push(frame, executor, direction.freePs + direction.delayPs - executor.nowPs);
    }
    return direction.freePs - executor.nowPs;
  }
}
