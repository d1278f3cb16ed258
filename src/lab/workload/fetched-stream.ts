/**
 * What a drive exchanges with a function when neither reaches the other's memory: each slot has a block of system memory; the drive
 * reads into it and the function fetches it from there by DMA, or the function brings it and the drive writes it.
 */
import { type BlockTarget, PENDING, type Status } from '../../access/index.ts';
import { DMA_STATUS, type DmaSink, Memory, TRAFFIC } from '../../fabric/index.ts';
import type { LabBlockStream, LabMixStream } from '../file/index.ts';
import type { LabMember } from '../machine/index.ts';
import { checkSizes, open, story } from './block-streams.ts';
import { failureOf, prepare } from './dma-streams.ts';
import { hostBytesOf, type Place, type Reach, reach, takePlace } from './places.ts';
import { Offsets, Stream, type StreamContext, type StreamRoute } from './stream.ts';

const WAYS = {
  read: (device: string, peer: string) => `${device} to ${peer}`,
  write: (device: string, peer: string) => `${peer} to ${device}`,
  mix: (device: string, peer: string) => `${device} and ${peer}`,
} as const;

export class FetchedStream extends Stream implements DmaSink {
  readonly route: StreamRoute;
  readonly #target: BlockTarget;
  readonly #peer: LabMember;
  readonly #place: Place;
  readonly #reach: Reach;
  readonly #local: Memory;
  readonly #offsets: Offsets;
  readonly #largestBytes: number;
  readonly #readPercent: number;
  /** Of each slot's request. */
  readonly #isRead: Uint8Array;
  readonly #at: Float64Array;
  readonly #length: Float64Array;

  constructor(context: StreamContext, description: LabBlockStream | LabMixStream, peer: string) {
    super(context, description, {
      depth: description.depth,
      blocks: description.blocks,
      cpu: description.cpu,
    });
    const { machine } = context;
    const { kind, device, areaBytes, pattern, blocks } = description;
    this.#readPercent = kind === 'mix' ? description.readPercent : kind === 'read' ? 100 : 0;
    this.#target = open(context, device, this.#readPercent === 100);
    this.#target.onDone = (slot, status) => this.#driveDone(slot, status);
    this.#largestBytes = Math.max(...blocks.map(({ sizeBytes }) => sizeBytes));
    checkSizes(this.#target, this.#largestBytes, description.name);
    this.#offsets = new Offsets(
      Math.min(areaBytes, this.#target.sizeBytes),
      pattern === 'random',
      this.random,
    );
    this.#peer = prepare(context, peer);
    const bytes = this.#largestBytes * this.slotCount;
    this.#place = takePlace(machine, { kind: 'host', node: null }, this.#peer, bytes);
    this.#reach = reach(machine, this.#peer, this.#place);
    this.#local = Memory.extents(bytes);
    this.#isRead = new Uint8Array(this.slotCount);
    this.#at = new Float64Array(this.slotCount);
    this.#length = new Float64Array(this.slotCount);
    this.route = {
      kind: 'staged',
      provider: null,
      text: `${WAYS[kind](device, peer)} through ${this.#place.text}`,
      verdict: null,
    };
  }

  get hostBytes(): number {
    return hostBytesOf(this.#place);
  }

  async close(): Promise<void> {
    await this.#target.close();
    this.#reach.release();
    this.#place.span.close();
  }

  onDma(slot: number, status: Status): void {
    const failure = failureOf(status);
    if (failure !== null || this.#isRead[slot] === 1) {
      this.over(slot, failure);
      return;
    }
    this.#drive(slot);
  }

  protected issue(slot: number, lengthBytes: number): void {
    this.#at[slot] = this.#offsets.take(lengthBytes, this.#target.blockBytes);
    this.#length[slot] = lengthBytes;
    this.#isRead[slot] = this.drawsRead(this.#readPercent) ? 1 : 0;
    if (this.#isRead[slot] === 1) {
      this.#drive(slot);
    } else {
      this.#dma(slot);
    }
  }

  #drive(slot: number): void {
    const spanAt = slot * this.#largestBytes;
    const { span } = this.#place;
    const status =
      this.#isRead[slot] === 1
        ? this.#target.read(this.#at[slot]!, span, spanAt, this.#length[slot]!, slot)
        : this.#target.write(this.#at[slot]!, span, spanAt, this.#length[slot]!, slot);
    if (status !== PENDING) {
      this.#driveDone(slot, status);
    }
  }

  #driveDone(slot: number, status: Status): void {
    if (status < 0 || this.#isRead[slot] === 0) {
      this.over(slot, status < 0 ? story(this.#target, slot, status) : null);
      return;
    }
    this.#dma(slot);
  }

  #dma(slot: number): void {
    const { inFlight } = this.context.machine.fabric;
    const { fn } = this.#peer;
    const at = slot * this.#largestBytes;
    const addr = this.#reach.addr + at;
    const bytes = this.#length[slot]!;
    const status = fn.isGone
      ? DMA_STATUS.GONE
      : this.#isRead[slot] === 1
        ? inFlight.read(fn.requester, addr, this.#local, at, bytes, TRAFFIC.DATA, slot, this)
        : inFlight.write(fn.requester, addr, this.#local, at, bytes, TRAFFIC.DATA, slot, this);
    if (status !== PENDING) {
      this.onDma(slot, status);
    }
  }
}
