/**
 * When the media of a drive have done what a command asks of them.
 *
 * A command passes the controller's pipeline (one command in `1 / IOPS`, which delays nobody when it is idle), then the media
 * path (a shared server, a byte in `1 / GB/s`), and a read the channels and dies behind it, in parallel. So one small read takes
 * `readLatencyPs`, a closed loop of QD of them does `min(QD / latency, IOPS)`, and one operation at a time moves
 * `size / (t0 + size / rate)`.
 *
 * A write takes room in the cache, which drains at a rate of its own; a full cache makes it wait. Every call is made at the
 * moment at which the command gets there, so nothing is reserved ahead of time. One object a controller, state by command slot;
 * nothing is allocated per command.
 */
import { Dies } from './dies.ts';
import { type MediaTimingOptions, type ResolvedMediaTiming, resolveMediaTiming } from './options.ts';
import { Server } from './server.ts';

/** What can be the bottleneck. `pipe`: the media path, `read` and `write` what of it each took; `drain`: cache to media. */
export const MEDIA_PARTS = ['controller', 'pipe', 'read', 'write', 'channels', 'dies', 'drain'] as const;
export type MediaPart = (typeof MEDIA_PARTS)[number];

/** Since the counters were last reset. */
export interface MediaUtilisation {
  readonly elapsedPs: number;
  /** How long each part was busy; channels and dies: the mean of them. */
  readonly busyPs: Readonly<Record<MediaPart, number>>;
  /** The busiest part, and its share of the time, 0 to 1. */
  readonly busiest: { readonly part: MediaPart; readonly share: number };
}

/** Commands that the mixture of reads and writes is judged by. */
const MIX_WINDOW = 64;

export class MediaTiming {
  readonly timing: ResolvedMediaTiming;
  readonly #controller = new Server();
  readonly #pipe = new Server();
  /** Work is the time that bytes take from the cache to the media. */
  readonly #drain = new Server();
  readonly #dies: Dies;
  /** Share of reads among the last commands; -1 before the first. */
  #readShare = -1;
  /** What mixing makes of the cost of a command and of a byte. */
  #factor = 1;
  #readWorkPs = 0;
  #writeWorkPs = 0;
  #countedFromPs = 0;

  // By command slot.
  readonly #pieceBytes: Float64Array;
  readonly #pieceCounts: Int32Array;
  readonly #readyPs: Float64Array;
  readonly #writtenPs: Float64Array;

  /**
   * @param slotCount  command slots of the controller
   * @throws {DeviceError} DEVICE_OPTIONS
   */
  constructor(options: MediaTimingOptions, slotCount: number) {
    this.timing = resolveMediaTiming(options);
    this.#dies = new Dies(this.timing);
    this.#pieceBytes = new Float64Array(slotCount);
    this.#pieceCounts = new Int32Array(slotCount);
    this.#readyPs = new Float64Array(slotCount * this.timing.piecesMax);
    this.#writtenPs = new Float64Array(slotCount);
  }

  /** A command is there. @returns when the controller takes it up */
  begin(nowPs: number, isRead: boolean): number {
    const { mixedPenalty, readCommandPs, writeCommandPs } = this.timing;
    if (mixedPenalty > 0) {
      const one = isRead ? 1 : 0;
      const share = this.#readShare < 0 ? one : this.#readShare + (one - this.#readShare) / MIX_WINDOW;
      this.#readShare = share;
      this.#factor = 1 / (1 - mixedPenalty * 4 * share * (1 - share));
    }
    return this.#controller.take(nowPs, (isRead ? readCommandPs : writeCommandPs) * this.#factor);
  }

  /** Reads a range; `pieceEndBytes` and `pieceReadyPs` say when which part of it is off the media. */
  read(nowPs: number, slot: number, nsid: number, offset: number, lengthBytes: number): void {
    const { pageBytes, piecesMax, readPsPerByte, readLatencyPs, readPs } = this.timing;
    const pieceBytes = Math.max(1, Math.ceil(lengthBytes / piecesMax / pageBytes)) * pageBytes;
    const psPerByte = readPsPerByte * this.#factor;
    const count = Math.ceil(lengthBytes / pieceBytes);
    let startPs = this.#pipe.take(nowPs, lengthBytes * psPerByte);
    this.#readWorkPs += lengthBytes * psPerByte;
    this.#pieceBytes[slot] = pieceBytes;
    this.#pieceCounts[slot] = count;
    let lastPs = 0;
    for (let i = 0; i < count; i++) {
      const at = i * pieceBytes;
      const length = Math.min(pieceBytes, lengthBytes - at);
      const sensedPs = this.#dies.read(nsid, offset + at, length, startPs);
      // Pieces leave in order, each when its last byte has passed the media path.
      lastPs = Math.max(lastPs, sensedPs + (readLatencyPs - readPs) + length * psPerByte);
      this.#readyPs[slot * piecesMax + i] = lastPs;
      startPs += length * psPerByte;
    }
  }

  pieceCount(slot: number): number {
    return this.#pieceCounts[slot]!;
  }

  /** Where a piece of the read of a slot ends; that of the last may be behind the read's end. */
  pieceEndBytes(slot: number, piece: number): number {
    return (piece + 1) * this.#pieceBytes[slot]!;
  }

  pieceReadyPs(slot: number, piece: number): number {
    return this.#readyPs[slot * this.timing.piecesMax + piece]!;
  }

  /** Takes room in the cache, or in the buffer of a drive without one. @returns when it is there */
  takeRoom(nowPs: number, lengthBytes: number): number {
    const { cacheBytes, drainPsPerByte } = this.timing;
    if (drainPsPerByte === 0) {
      return nowPs;
    }
    const overPs =
      this.#drain.leftPs(nowPs) + (lengthBytes - Math.max(cacheBytes, lengthBytes)) * drainPsPerByte;
    const startPs = this.#drain.take(nowPs, lengthBytes * drainPsPerByte);
    this.#dies.program(lengthBytes, startPs);
    return nowPs + Math.max(0, overPs);
  }

  /** A write that has room. @returns when its data may come */
  write(nowPs: number, slot: number, lengthBytes: number): number {
    const workPs = lengthBytes * this.timing.writePsPerByte * this.#factor;
    const startPs = this.#pipe.take(nowPs, workPs);
    this.#writeWorkPs += workPs;
    this.#writtenPs[slot] = startPs + Math.max(workPs, lengthBytes * this.timing.commandWritePsPerByte);
    return startPs;
  }

  /** When a write whose data have come is over. `isPastCache`: it is on the media then, not in the cache. */
  writeDonePs(nowPs: number, slot: number, isPastCache: boolean): number {
    const { cacheBytes, writeLatencyPs, programPs } = this.timing;
    const isThrough = isPastCache && cacheBytes > 0;
    return Math.max(nowPs, this.#writtenPs[slot]!) + writeLatencyPs + (isThrough ? programPs : 0);
  }

  /** When all that is in the cache now will be on the media. */
  flushedPs(nowPs: number): number {
    const isEmpty = this.timing.cacheBytes === 0 || this.#drain.leftPs(nowPs) === 0;
    return isEmpty ? nowPs : this.#drain.freePs + this.timing.programPs;
  }

  /** Reads and writes bytes inside of the drive. @returns when that is over */
  copy(nowPs: number, lengthBytes: number): number {
    const { readPsPerByte, writePsPerByte, readLatencyPs, writeLatencyPs } = this.timing;
    const readPs = lengthBytes * readPsPerByte * this.#factor;
    const writePs = lengthBytes * writePsPerByte * this.#factor;
    const roomPs = this.takeRoom(nowPs, lengthBytes);
    const startPs = this.#pipe.take(nowPs, readPs + writePs);
    this.#readWorkPs += readPs;
    this.#writeWorkPs += writePs;
    return Math.max(roomPs, startPs + readPs + writePs) + readLatencyPs + writeLatencyPs;
  }

  /** Commands that were under way are forgotten. `isPower`: the cache is empty as well; otherwise it goes on draining. */
  reset(nowPs: number, isPower: boolean): void {
    this.#controller.drop(nowPs);
    this.#pipe.drop(nowPs);
    this.#dies.drop(nowPs);
    if (isPower) {
      this.#drain.drop(nowPs);
    }
  }

  utilisation(nowPs: number): MediaUtilisation {
    const elapsedPs = Math.max(0, nowPs - this.#countedFromPs);
    // Sums of fractions may be beyond it by a rounding.
    const within = (busyPs: number) => Math.min(elapsedPs, busyPs);
    const pipe = within(this.#pipe.busyPs(nowPs));
    const workPs = this.#readWorkPs + this.#writeWorkPs;
    const read = workPs === 0 ? 0 : (pipe * this.#readWorkPs) / workPs;
    const busyPs: Record<MediaPart, number> = {
      controller: within(this.#controller.busyPs(nowPs)),
      pipe,
      read,
      write: Math.max(0, pipe - read),
      channels: within(this.#dies.channelBusyPs(nowPs) / this.timing.channels),
      dies: within(this.#dies.busyPs(nowPs) / this.#dies.count),
      drain: within(this.#drain.busyPs(nowPs)),
    };
    let part: MediaPart = 'controller';
    for (const other of MEDIA_PARTS) {
      if (busyPs[other] > busyPs[part]) {
        part = other;
      }
    }
    return { elapsedPs, busyPs, busiest: { part, share: elapsedPs === 0 ? 0 : busyPs[part] / elapsedPs } };
  }

  /** Counts from now on; what is under way goes on. */
  resetCounts(nowPs: number): void {
    this.#countedFromPs = nowPs;
    this.#controller.resetCounts(nowPs);
    this.#pipe.resetCounts(nowPs);
    this.#drain.resetCounts(nowPs);
    this.#dies.resetCounts(nowPs);
    this.#readWorkPs = 0;
    this.#writeWorkPs = 0;
  }
}
