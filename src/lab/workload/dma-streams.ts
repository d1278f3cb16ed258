/** Streams that a function makes by itself, with no driver: DMA to and from memory, and staged transfers between two devices. */
import { PENDING, type Status } from '../../access/index.ts';
import { DMA_STATUS, type DmaSink, type FabricFunction, Memory, TRAFFIC } from '../../fabric/index.ts';
import type { LabDmaStream, LabStageStream } from '../file/index.ts';
import type { LabMember } from '../machine/index.ts';
import { hostBytesOf, memberOf, type Place, type Reach, reach, takePlace } from './places.ts';
import { FIRST_STEP, Offsets, Stream, type StreamContext, type StreamRoute } from './stream.ts';

/** Requests of a function whose model knows nothing of them. */
export function prepare(context: StreamContext, name: string): LabMember {
  const member = memberOf(context.machine, name);
  member.platform.enable({ memory: true, busMaster: true });
  return member;
}

export function failureOf(status: Status): string | null {
  if (status >= 0) {
    return null;
  }
  const name = Object.entries(DMA_STATUS).find(([, value]) => value === status)?.[0];
  return (name ?? `status ${status}`).toLowerCase().replaceAll('_', ' ');
}

/**
 * A posted write that is refused on its way tells nobody; a person who measures wants to know. Null: it arrives.
 * Reads say by themselves.
 */
function refusal(fn: FabricFunction, addr: number, lengthBytes: number): string | null {
  const { failure } = fn.requester.routeOf(addr, lengthBytes, true, TRAFFIC.DATA);
  return failure === null ? null : `posted writes do not arrive: ${failure.code.replaceAll('-', ' ')}`;
}

/** Bytes that requests bring their own data in, or leave what they read: pages of it are shared. */
const LOCAL_BYTES_MAX = 2 ** 40;

export class DmaStream extends Stream implements DmaSink {
  readonly route: StreamRoute;
  readonly #member: LabMember;
  readonly #place: Place;
  readonly #reach: Reach;
  readonly #offsets: Offsets;
  readonly #writePercent: number;
  /** Hundredths of a write that are due. */
  #writesDue = 0;
  readonly #local: Memory;
  readonly #largestBytes: number;

  constructor(context: StreamContext, description: LabDmaStream) {
    super(context, description, { depth: description.depth, blocks: description.blocks, cpu: 'none' });
    const { machine } = context;
    const { device, memory, areaBytes, pattern, blocks, writePercent } = description;
    this.#writePercent = writePercent;
    this.#member = prepare(context, device);
    this.#place = takePlace(machine, memory, this.#member, areaBytes);
    this.#reach = reach(machine, this.#member, this.#place);
    this.#offsets = new Offsets(areaBytes, pattern === 'random', this.random);
    this.#largestBytes = Math.max(...blocks.map(({ sizeBytes }) => sizeBytes));
    // What it writes is a pattern, so that it can be told from memory that nobody wrote to.
    this.#local = Memory.extents(
      Math.min(LOCAL_BYTES_MAX, this.#largestBytes * this.slotCount),
      writePercent > 0 ? { seed: context.seed, position: 0 } : null,
    );
    this.route = {
      kind: this.#place.provider === null ? 'host' : 'p2p',
      provider: this.#place.provider,
      text: `${device} ${writePercent === 100 ? 'to' : writePercent === 0 ? 'from' : 'to and from'} ${this.#place.text}`,
      verdict: this.#reach.verdict,
    };
  }

  get hostBytes(): number {
    return hostBytesOf(this.#place);
  }

  async close(): Promise<void> {
    this.#reach.release();
    this.#place.span.close();
  }

  onDma(slot: number, status: Status): void {
    this.over(slot, failureOf(status));
  }

  protected issue(slot: number, lengthBytes: number): void {
    const { fabric } = this.context.machine;
    const { fn } = this.#member;
    // Payload is aligned as the sizes are: to whole dwords.
    const addr = this.#reach.addr + this.#offsets.take(lengthBytes, 4);
    const localAt = slot * this.#largestBytes;
    this.#writesDue += this.#writePercent;
    const isWrite = this.#writesDue >= 100;
    this.#writesDue -= isWrite ? 100 : 0;
    const refused = isWrite && !fn.isGone ? refusal(fn, addr, lengthBytes) : null;
    if (refused !== null) {
      this.over(slot, refused);
      return;
    }
    const status = fn.isGone
      ? DMA_STATUS.GONE
      : isWrite
        ? fabric.inFlight.write(
            fn.requester,
            addr,
            this.#local,
            localAt,
            lengthBytes,
            TRAFFIC.DATA,
            slot,
            this,
          )
        : fabric.inFlight.read(
            fn.requester,
            addr,
            this.#local,
            localAt,
            lengthBytes,
            TRAFFIC.DATA,
            slot,
            this,
          );
    if (status !== PENDING) {
      this.onDma(slot, status);
    }
  }
}

const PS_PER_NS = 1000;
const STEP = { SYNCED: FIRST_STEP, COPIED: FIRST_STEP + 1 } as const;

/**
 * From one device to another through system memory, in chunks and steps: in each step one chunk goes in and, where steps
 * overlap, the one before goes out; then software looks, which takes its time, and the next step begins.
 */
export class StageStream extends Stream implements DmaSink {
  readonly route: StreamRoute;
  readonly #source: LabMember;
  readonly #target: LabMember;
  readonly #place: Place;
  readonly #in: Reach;
  readonly #out: Reach;
  readonly #local: Memory;
  readonly #chunkBytes: number;
  /** Of each job: transfers of the step that have not ended, and whether a chunk waits to go out. */
  readonly #open: Int32Array;
  readonly #filled: Uint8Array;
  /** Which half of its buffer the next chunk goes into. */
  readonly #half: Uint8Array;
  readonly #failed: (string | null)[];
  readonly #overlaps: boolean;
  readonly #syncPs: number;
  readonly #copyPs: number;

  constructor(context: StreamContext, description: LabStageStream) {
    const { chunkBytes, jobs } = description;
    super(context, description, {
      depth: 1,
      blocks: [{ sizeBytes: chunkBytes, share: 1 }],
      cpu: 'none',
    });
    const { machine } = context;
    this.#source = prepare(context, description.device);
    this.#target = prepare(context, description.target);
    this.#chunkBytes = chunkBytes;
    this.#place = takePlace(machine, description.via, this.#source, 2 * chunkBytes * jobs);
    this.#in = reach(machine, this.#source, this.#place);
    this.#out = reach(machine, this.#target, this.#place);
    this.#local = Memory.extents(2 * chunkBytes * jobs);
    this.#open = new Int32Array(jobs);
    this.#filled = new Uint8Array(jobs);
    this.#half = new Uint8Array(jobs);
    this.#failed = new Array<string | null>(jobs).fill(null);
    this.#overlaps = description.overlaps;
    this.#syncPs = description.syncPs ?? context.cpu.stagingSyncNs * PS_PER_NS;
    this.#copyPs = (description.cpuCopies * chunkBytes * 1000) / context.cpu.copyGBs;
    this.route = {
      kind: 'staged',
      provider: null,
      text: `${description.device} to ${description.target} through ${this.#place.text}`,
      verdict: null,
    };
  }

  get hostBytes(): number {
    return hostBytesOf(this.#place);
  }

  async close(): Promise<void> {
    this.#in.release();
    this.#out.release();
    this.#place.span.close();
  }

  /** Token: four times the slot, and which way. */
  onDma(token: number, status: Status): void {
    const slot = Math.floor(token / 4);
    this.#failed[slot] ??= failureOf(status);
    if (--this.#open[slot]! > 0) {
      return;
    }
    if (!this.#overlaps && token % 4 === IN) {
      this.#copied(slot);
      return;
    }
    const copiedPs = this.#overlaps ? this.work(slot, this.#copyPs) : this.queue.nowPs;
    this.waitedForSoftware(copiedPs + this.#syncPs - this.queue.nowPs);
    this.queue.schedule(copiedPs + this.#syncPs, this, STEP.SYNCED, slot);
  }

  protected issue(slot: number): void {
    if (this.#overlaps) {
      this.#half[slot] = 1 - this.#half[slot]!;
      this.#open[slot] = 1 + this.#filled[slot]!;
      if (this.#filled[slot] === 1) {
        this.#move(slot, OUT);
      }
      this.#filled[slot] = 1;
    } else {
      this.#open[slot] = 1;
    }
    this.#move(slot, IN);
  }

  protected override onStep(code: number, slot: number): void {
    if (code === STEP.COPIED) {
      this.#open[slot] = 1;
      this.#move(slot, OUT);
      return;
    }
    const failure = this.#failed[slot] ?? null;
    this.#failed[slot] = null;
    this.over(slot, failure);
  }

  /** A chunk is in memory; without overlap it goes out now. */
  #copied(slot: number): void {
    this.queue.schedule(this.work(slot, this.#copyPs), this, STEP.COPIED, slot);
  }

  #move(slot: number, way: number): void {
    const { fabric } = this.context.machine;
    // What goes out is what came in a step ago, or just now where steps do not overlap.
    const half = this.#overlaps && way === OUT ? 1 - this.#half[slot]! : this.#half[slot]!;
    const at = (2 * slot + half) * this.#chunkBytes;
    const token = slot * 4 + way;
    const { fn } = way === IN ? this.#source : this.#target;
    const status = fn.isGone
      ? DMA_STATUS.GONE
      : way === IN
        ? fabric.inFlight.write(
            fn.requester,
            this.#in.addr + at,
            this.#local,
            at,
            this.#chunkBytes,
            TRAFFIC.DATA,
            token,
            this,
          )
        : fabric.inFlight.read(
            fn.requester,
            this.#out.addr + at,
            this.#local,
            at,
            this.#chunkBytes,
            TRAFFIC.DATA,
            token,
            this,
          );
    if (status !== PENDING) {
      this.onDma(token, status);
    }
  }
}

const IN = 0;
const OUT = 1;
