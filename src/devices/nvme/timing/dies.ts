/**
 * Channels and the dies on them: where a page lies, and when it can be read.
 *
 * Pages are striped over all dies, each row of the stripe turned by a hash of its number, so a sequential read finds every die
 * once and random ones find any. What is written goes to the next die in turn, wherever its blocks are: the drive keeps a log.
 * A die holds the page that it read last, so small reads in sequence cost one tR a page.
 */
import type { ResolvedMediaTiming } from './options.ts';

export class Dies {
  readonly count: number;
  readonly #timing: ResolvedMediaTiming;
  /** When a channel has sent what it was asked for. */
  readonly #channelFreePs: Float64Array;
  readonly #channelFromPs: Float64Array;
  /** The last run of reads of a die: from when, and until when. */
  readonly #readFromPs: Float64Array;
  readonly #readFreePs: Float64Array;
  readonly #programFromPs: Float64Array;
  readonly #programFreePs: Float64Array;
  /** The page in the register of a die; -1 for none. */
  readonly #loaded: Float64Array;
  /** Bytes that wait until there are enough for a program, and the die that gets them. */
  #unprogrammedBytes = 0;
  #nextDie = 0;
  #dieWorkPs = 0;
  #channelWorkPs = 0;

  constructor(timing: ResolvedMediaTiming) {
    this.#timing = timing;
    this.count = timing.channels * timing.dies;
    this.#channelFreePs = new Float64Array(timing.channels);
    this.#channelFromPs = new Float64Array(timing.channels);
    this.#readFromPs = new Float64Array(this.count);
    this.#readFreePs = new Float64Array(this.count);
    this.#programFromPs = new Float64Array(this.count);
    this.#programFreePs = new Float64Array(this.count);
    this.#loaded = new Float64Array(this.count).fill(-1);
  }

  /** The die of a page; a channel's dies are those with the same remainder. */
  dieOf(nsid: number, page: number): number {
    const row = Math.floor(page / this.count);
    return (page + spread(row, nsid)) % this.count;
  }

  /**
   * Reads a range whose first byte may pass the channel at `atPs`.
   * @returns when the last of its pages is in the register of its die: `atPs + tR` when nobody is in the way
   */
  read(nsid: number, offset: number, lengthBytes: number, atPs: number): number {
    const { pageBytes, readPs, channels, channelPsPerByte, suspendPs } = this.#timing;
    const end = offset + lengthBytes;
    let lastPs = atPs;
    let from = offset;
    while (from < end) {
      const page = Math.floor(from / pageBytes);
      const to = Math.min(end, (page + 1) * pageBytes);
      const die = this.dieOf(nsid, page);
      const channel = die % channels;
      const workPs = (to - from) * channelPsPerByte;
      const startPs = Math.max(atPs, this.#channelFreePs[channel]!);
      if (startPs > this.#channelFreePs[channel]!) {
        this.#channelFromPs[channel] = startPs;
      }
      this.#channelFreePs[channel] = startPs + workPs;
      this.#channelWorkPs += workPs;
      const key = nsid * 2 ** 40 + page;
      let readyPs = Math.max(startPs, this.#readFreePs[die]!);
      if (this.#loaded[die] !== key) {
        const programEndPs = this.#programFreePs[die]!;
        if (suspendPs > 0 && programEndPs > readyPs && this.#programFromPs[die]! <= readyPs) {
          readyPs = Math.min(programEndPs, readyPs + suspendPs);
        }
        if (readyPs > this.#readFreePs[die]!) {
          this.#readFromPs[die] = readyPs;
        }
        readyPs += readPs;
        this.#readFreePs[die] = readyPs;
        this.#dieWorkPs += readPs;
        this.#loaded[die] = key;
      }
      lastPs = Math.max(lastPs, readyPs);
      from = to;
    }
    return lastPs;
  }

  /** Bytes leave the cache at `atPs`; dies are programmed as soon as there is enough for one. */
  program(lengthBytes: number, atPs: number): void {
    const { programBytes, programPs } = this.#timing;
    if (programPs === 0) {
      return;
    }
    this.#unprogrammedBytes += lengthBytes;
    while (this.#unprogrammedBytes >= programBytes) {
      this.#unprogrammedBytes -= programBytes;
      const die = this.#nextDie;
      this.#nextDie = die + 1 === this.count ? 0 : die + 1;
      const startPs = Math.max(atPs, this.#programFreePs[die]!);
      if (startPs > this.#programFreePs[die]!) {
        this.#programFromPs[die] = startPs;
      }
      this.#programFreePs[die] = startPs + programPs;
      this.#dieWorkPs += programPs;
      this.#loaded[die] = -1;
    }
  }

  /** Of all dies together, since `resetCounts`. */
  busyPs(nowPs: number): number {
    return Math.max(0, this.#dieWorkPs - this.#diesLeftPs(nowPs));
  }

  /** Of all channels together. */
  channelBusyPs(nowPs: number): number {
    return Math.max(0, this.#channelWorkPs - leftPs(this.#channelFromPs, this.#channelFreePs, nowPs));
  }

  resetCounts(nowPs: number): void {
    this.#dieWorkPs = this.#diesLeftPs(nowPs);
    this.#channelWorkPs = leftPs(this.#channelFromPs, this.#channelFreePs, nowPs);
  }

  /** Reads that were asked for are not wanted any more; what is being programmed goes on. */
  drop(nowPs: number): void {
    this.#dieWorkPs -= leftPs(this.#readFromPs, this.#readFreePs, nowPs);
    this.#channelWorkPs -= leftPs(this.#channelFromPs, this.#channelFreePs, nowPs);
    for (let die = 0; die < this.count; die++) {
      if (this.#readFreePs[die]! > nowPs) {
        this.#readFreePs[die] = nowPs;
        this.#loaded[die] = -1;
      }
    }
    for (let channel = 0; channel < this.#channelFreePs.length; channel++) {
      this.#channelFreePs[channel] = Math.min(this.#channelFreePs[channel]!, nowPs);
    }
  }

  #diesLeftPs(nowPs: number): number {
    return (
      leftPs(this.#readFromPs, this.#readFreePs, nowPs) +
      leftPs(this.#programFromPs, this.#programFreePs, nowPs)
    );
  }
}

/** Work of runs that has not been done. A pause inside of a run that has not begun is taken for work. */
function leftPs(fromPs: Float64Array, freePs: Float64Array, nowPs: number): number {
  let sum = 0;
  for (let i = 0; i < freePs.length; i++) {
    sum += Math.max(0, freePs[i]! - Math.max(nowPs, fromPs[i]!));
  }
  return sum;
}

/** Turns a row of the stripe: any of 2^32 numbers, the same for the same row. */
function spread(row: number, nsid: number): number {
  let mixed = ((row % 0x1_0000_0000) >>> 0) ^ Math.imul(nsid, 0x9e37_79b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
