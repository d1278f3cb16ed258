/** Streams of a drive's driver: reads, writes, both mixed, and copies from one drive to another. */
import { type BlockTarget, PENDING, STATUS, type Status, statusName } from '../../access/index.ts';
import { LabError } from '../../base/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import type { LabBlockStream, LabCopyStream, LabMixStream } from '../file/index.ts';
import { findLabEnd, openLabEnd } from '../machine/index.ts';
import { hostBytesOf, type Place, takePlace } from './places.ts';
import { chooseBuffer } from './route.ts';
import { FIRST_STEP, Offsets, Stream, type StreamContext, type StreamRoute } from './stream.ts';

export function open(context: StreamContext, name: string, isReadOnly: boolean): BlockTarget {
  const { machine } = context;
  return openLabEnd(machine, findLabEnd(machine, new MachineIndex(machine.machine()), name), { isReadOnly });
}

/** Until a slot of a copy asks again for a place among the requests of a drive. */
const AGAIN_PS = 10e6;

/** What a target says of a request that failed. */
export function story(target: BlockTarget, slot: number, status: Status): string {
  const failure = target.failure(slot);
  return failure === undefined ? statusName(status) : `${failure.code}: ${failure.message}`;
}

function largestOf(blocks: readonly { readonly sizeBytes: number }[]): number {
  return Math.max(...blocks.map(({ sizeBytes }) => sizeBytes));
}

/** Requests larger than a target takes at once are a mistake that the person should know of. */
export function checkSizes(target: BlockTarget, largestBytes: number, name: string): void {
  if (largestBytes > target.maxTransferBytes || largestBytes % target.blockBytes !== 0) {
    throw new LabError('LAB_VALUE', {
      message: `stream ${name}: ${target.label} takes requests of up to ${target.maxTransferBytes} bytes in multiples of ${target.blockBytes}, not of ${largestBytes}`,
      hint: 'make `block` smaller, or the `mdts` of the drive larger',
      exitStatus: 2,
    });
  }
}

export class BlockStream extends Stream {
  readonly route: StreamRoute;
  readonly #target: BlockTarget;
  readonly #place: Place;
  readonly #offsets: Offsets;
  readonly #largestBytes: number;
  readonly #readPercent: number;
  readonly #at: Float64Array;
  readonly #isRead: Uint8Array;
  /** Slots beyond what the drive takes of one user at once, first come, first served. */
  readonly #parked: number[] = [];
  readonly #copyPsPerByte: number;
  readonly #device: string;

  constructor(context: StreamContext, description: LabBlockStream | LabMixStream) {
    super(context, description, {
      depth: description.depth,
      blocks: description.blocks,
      cpu: description.cpu,
    });
    const { kind, device, memory, areaBytes, pattern, blocks } = description;
    this.#device = device;
    this.#copyPsPerByte = (description.cpuCopies * 1000) / context.cpu.copyGBs;
    this.#readPercent = kind === 'mix' ? description.readPercent : kind === 'read' ? 100 : 0;
    this.#target = open(context, device, this.#readPercent === 100);
    this.#target.onDone = (slot, status) => this.#done(slot, status);
    this.#at = new Float64Array(this.slotCount);
    this.#isRead = new Uint8Array(this.slotCount);
    this.#largestBytes = largestOf(blocks);
    checkSizes(this.#target, this.#largestBytes, description.name);
    const area = Math.min(areaBytes, this.#target.sizeBytes);
    this.#offsets = new Offsets(area, pattern === 'random', this.random);
    const member = context.machine.member(device) ?? null;
    this.#place = takePlace(context.machine, memory, member, this.#largestBytes * this.slotCount);
    const isPeer = this.#place.span.kind === 'peer';
    this.route = {
      kind: isPeer ? 'p2p' : 'host',
      provider: this.#place.provider,
      text: `${device} ${kind === 'read' ? 'to' : kind === 'write' ? 'from' : 'and'} ${this.#place.text}`,
      verdict: null,
    };
  }

  get hostBytes(): number {
    return hostBytesOf(this.#place);
  }

  async close(): Promise<void> {
    await this.#target.close();
    this.#place.span.close();
  }

  protected issue(slot: number, lengthBytes: number): void {
    const { blockBytes } = this.#target;
    this.#at[slot] = this.#offsets.take(lengthBytes, blockBytes);
    this.#isRead[slot] = this.drawsRead(this.#readPercent) ? 1 : 0;
    this.#send(slot);
  }

  #send(slot: number): void {
    const { blockBytes } = this.#target;
    const at = this.#at[slot]!;
    const isRead = this.#isRead[slot] === 1;
    const lengthBytes = this.lengthOf(slot);
    const spanAt = slot * this.#largestBytes;
    this.listener?.onIssued(this, slot, this.#device, isRead, at / blockBytes);
    const status = isRead
      ? this.#target.read(at, this.#place.span, spanAt, lengthBytes, slot)
      : this.#target.write(at, this.#place.span, spanAt, lengthBytes, slot);
    if (status !== PENDING) {
      this.#done(slot, status);
    }
  }

  /** The thread has copied the data. */
  protected override onStep(_code: number, slot: number): void {
    this.over(slot);
  }

  #done(slot: number, status: Status): void {
    if (status === STATUS.FULL) {
      this.#parked.push(slot);
      return;
    }
    this.#ended(slot, status);
    const next = this.#parked.shift();
    if (next !== undefined) {
      this.#send(next);
    }
  }

  #ended(slot: number, status: Status): void {
    if (status >= 0 && this.#copyPsPerByte > 0) {
      // Whether before a write or after a read, it is time of the same thread.
      const donePs = this.work(slot, this.lengthOf(slot) * this.#copyPsPerByte);
      this.queue.schedule(donePs, this, FIRST_STEP, slot);
      return;
    }
    this.over(slot, status < 0 ? story(this.#target, slot, status) : null);
  }
}

/** Each slot reads a block into its part of the buffer and writes it from there. */
export class CopyStream extends Stream {
  readonly route: StreamRoute;
  readonly #source: BlockTarget;
  readonly #target: BlockTarget;
  readonly #place: Place;
  readonly #offsets: Offsets;
  readonly #largestBytes: number;
  readonly #ends: LabCopyStream;
  readonly #at: Float64Array;
  readonly #length: Float64Array;

  constructor(context: StreamContext, description: LabCopyStream) {
    super(context, description, {
      depth: description.depth,
      blocks: description.blocks,
      cpu: description.cpu,
    });
    const { device, target, areaBytes, pattern, blocks } = description;
    this.#ends = description;
    this.#source = open(context, device, true);
    this.#target = open(context, target, false);
    this.#source.onDone = (slot, status) => this.#wasRead(slot, status);
    this.#target.onDone = (slot, status) => this.#wasWritten(slot, status);
    this.#largestBytes = largestOf(blocks);
    checkSizes(this.#source, this.#largestBytes, description.name);
    checkSizes(this.#target, this.#largestBytes, description.name);
    const area = Math.min(areaBytes, this.#source.sizeBytes, this.#target.sizeBytes);
    this.#offsets = new Offsets(area, pattern === 'random', this.random);
    const chosen = chooseBuffer(
      context.machine,
      description,
      [this.#source, this.#target],
      this.#largestBytes * this.slotCount,
    );
    this.#place = chosen.place;
    this.route = {
      kind: chosen.place.span.kind === 'peer' ? 'p2p' : 'host',
      provider: chosen.place.provider,
      text: `${device} to ${target} through ${chosen.place.text}`,
      verdict: chosen.why,
    };
    this.#at = new Float64Array(this.slotCount);
    this.#length = new Float64Array(this.slotCount);
  }

  get hostBytes(): number {
    return hostBytesOf(this.#place);
  }

  async close(): Promise<void> {
    await this.#source.close();
    await this.#target.close();
    this.#place.span.close();
  }

  protected issue(slot: number, lengthBytes: number): void {
    const at = this.#offsets.take(lengthBytes, Math.max(this.#source.blockBytes, this.#target.blockBytes));
    this.#at[slot] = at;
    this.#length[slot] = lengthBytes;
    this.#read(slot);
  }

  #read(slot: number): void {
    const at = this.#at[slot]!;
    this.listener?.onIssued(this, slot, this.#ends.device, true, at / this.#source.blockBytes);
    const status = this.#source.read(
      at,
      this.#place.span,
      slot * this.#largestBytes,
      this.#length[slot]!,
      slot,
    );
    if (status !== PENDING) {
      this.#wasRead(slot, status);
    }
  }

  /** A drive may have room again. */
  protected override onStep(code: number, slot: number): void {
    if (code === FIRST_STEP) {
      this.#read(slot);
    } else {
      this.#write(slot);
    }
  }

  #wasRead(slot: number, status: Status): void {
    if (status === STATUS.FULL) {
      this.queue.schedule(this.queue.nowPs + AGAIN_PS, this, FIRST_STEP, slot);
      return;
    }
    if (status < 0) {
      this.over(slot, story(this.#source, slot, status));
      return;
    }
    this.#write(slot);
  }

  #write(slot: number): void {
    this.listener?.onIssued(this, slot, this.#ends.target, false, this.#at[slot]! / this.#target.blockBytes);
    const written = this.#target.write(
      this.#at[slot]!,
      this.#place.span,
      slot * this.#largestBytes,
      this.#length[slot]!,
      slot,
    );
    if (written !== PENDING) {
      this.#wasWritten(slot, written);
    }
  }

  #wasWritten(slot: number, status: Status): void {
    if (status === STATUS.FULL) {
      this.queue.schedule(this.queue.nowPs + AGAIN_PS, this, FIRST_STEP + 1, slot);
      return;
    }
    this.over(slot, status < 0 ? story(this.#target, slot, status) : null);
  }
}
