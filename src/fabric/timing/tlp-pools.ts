/** Packets, jobs and requests of the packet engine as parallel arrays; see `tlp-state.ts`. */
import type { ProgressSink } from './engine.ts';
import { NONE, Pool } from './pool.ts';
import type { PacketClass } from './stage.ts';
import type { LegState, PathState } from './tlp-state.ts';

function grownFloat(from: Float64Array): Float64Array<ArrayBuffer> {
  const into = new Float64Array(from.length * 2);
  into.set(from);
  return into;
}

function grownInt(from: Int32Array): Int32Array<ArrayBuffer> {
  const into = new Int32Array(from.length * 2);
  into.set(from);
  return into;
}

function grownByte(from: Uint8Array): Uint8Array<ArrayBuffer> {
  const into = new Uint8Array(from.length * 2);
  into.set(from);
  return into;
}

const START = 256;

/** Between first stage and arrival. */
export class PacketPool {
  readonly #pool = new Pool();
  readonly legs: (LegState | null)[] = [];
  positions = new Int32Array(START);
  classes = new Uint8Array(START);
  payloads = new Int32Array(START);
  requests = new Int32Array(START);
  jobs = new Int32Array(START);
  lengths = new Int32Array(START);
  /** Of a read request or a completion. */
  tags = new Int32Array(START);
  isLast = new Uint8Array(START);
  /** Of a control request: passes no posted packet before it. */
  isOrdered = new Uint8Array(START);
  nexts = new Int32Array(START);
  /** Filled in by whoever takes one: an address that is passed to a call may have to be allocated. */
  addrs = new Float64Array(START);
  /** When it can start on its stage, or arrives; -1 straight from a lane. */
  readies = new Float64Array(START);
  /** When it started on its last stage, and when its last byte had left there. */
  starts = new Float64Array(START);
  lasts = new Float64Array(START);
  /** When it came into its queue, as a number that counts up. */
  orders = new Float64Array(START);

  get inUse(): number {
    return this.#pool.inUse;
  }

  take(
    leg: LegState,
    packetClass: PacketClass,
    request: number,
    payloadBytes: number,
    lengthBytes: number,
    isLast: boolean,
    job: number,
  ): number {
    const index = this.#pool.take();
    if (index === this.positions.length) {
      this.#grow();
    }
    this.legs[index] = leg;
    this.positions[index] = 0;
    this.classes[index] = packetClass;
    this.payloads[index] = payloadBytes;
    this.requests[index] = request;
    this.jobs[index] = job;
    this.lengths[index] = lengthBytes;
    this.isLast[index] = isLast ? 1 : 0;
    this.readies[index] = -1;
    this.nexts[index] = NONE;
    return index;
  }

  give(index: number): void {
    this.#pool.give(index);
  }

  #grow(): void {
    this.positions = grownInt(this.positions);
    this.classes = grownByte(this.classes);
    this.payloads = grownInt(this.payloads);
    this.requests = grownInt(this.requests);
    this.jobs = grownInt(this.jobs);
    this.lengths = grownInt(this.lengths);
    this.tags = grownInt(this.tags);
    this.isLast = grownByte(this.isLast);
    this.isOrdered = grownByte(this.isOrdered);
    this.nexts = grownInt(this.nexts);
    this.addrs = grownFloat(this.addrs);
    this.readies = grownFloat(this.readies);
    this.starts = grownFloat(this.starts);
    this.lasts = grownFloat(this.lasts);
    this.orders = grownFloat(this.orders);
  }
}

/** A range of addresses that packets are made for. */
export class JobPool {
  readonly #pool = new Pool();
  requests = new Int32Array(START);
  nexts = new Int32Array(START);
  isControl = new Uint8Array(START);
  isCompletion = new Uint8Array(START);
  isStarted = new Uint8Array(START);
  /** Completions of a packet that holds a tag. */
  isTagged = new Uint8Array(START);
  tags = new Int32Array(START);
  /** Completions in pieces of the smaller kind. */
  isSmall = new Uint8Array(START);
  /** Of the next packet, and behind the last; filled in by whoever takes one. */
  addrs = new Float64Array(START);
  ends = new Float64Array(START);
  /** Bytes that have not arrived; completions only. */
  remaining = new Float64Array(START);

  get inUse(): number {
    return this.#pool.inUse;
  }

  take(request: number, lengthBytes: number, isControl: boolean, isCompletion: boolean): number {
    const index = this.#pool.take();
    if (index === this.requests.length) {
      this.#grow();
    }
    this.requests[index] = request;
    this.nexts[index] = NONE;
    this.isControl[index] = isControl ? 1 : 0;
    this.isCompletion[index] = isCompletion ? 1 : 0;
    this.isStarted[index] = 0;
    this.isTagged[index] = 0;
    this.isSmall[index] = 0;
    this.remaining[index] = lengthBytes;
    return index;
  }

  give(index: number): void {
    this.#pool.give(index);
  }

  #grow(): void {
    this.requests = grownInt(this.requests);
    this.nexts = grownInt(this.nexts);
    this.isControl = grownByte(this.isControl);
    this.isCompletion = grownByte(this.isCompletion);
    this.isStarted = grownByte(this.isStarted);
    this.isTagged = grownByte(this.isTagged);
    this.tags = grownInt(this.tags);
    this.isSmall = grownByte(this.isSmall);
    this.addrs = grownFloat(this.addrs);
    this.ends = grownFloat(this.ends);
    this.remaining = grownFloat(this.remaining);
  }
}

export class RequestPool {
  readonly #pool = new Pool();
  readonly paths: PathState[] = [];
  readonly sinks: (ProgressSink | null)[] = [];
  tokens = new Float64Array(START);
  lengths = new Float64Array(START);
  /** Bytes that a read has not got yet. */
  remaining = new Float64Array(START);
  /** Bytes of a read that the completer has not served yet. */
  unserved = new Float64Array(START);

  get inUse(): number {
    return this.#pool.inUse;
  }

  take(path: PathState, sink: ProgressSink, token: number, lengthBytes: number): number {
    const index = this.#pool.take();
    if (index === this.tokens.length) {
      this.tokens = grownFloat(this.tokens);
      this.lengths = grownFloat(this.lengths);
      this.remaining = grownFloat(this.remaining);
      this.unserved = grownFloat(this.unserved);
    }
    this.paths[index] = path;
    this.sinks[index] = sink;
    this.tokens[index] = token;
    this.lengths[index] = lengthBytes;
    this.remaining[index] = lengthBytes;
    this.unserved[index] = lengthBytes;
    return index;
  }

  give(index: number): void {
    this.sinks[index] = null;
    this.#pool.give(index);
  }
}
