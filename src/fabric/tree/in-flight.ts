/**
 * Requests under way in a machine with delays: they arrive at random moments under the ordering rules, or when a timed
 * engine says so, and bytes move when they arrive. PCIe Base 6.0, 2.4.1.
 *
 * - Posted requests of one requester arrive in the order in which they were made; interrupts are such requests.
 * - A read does not arrive before posted requests that were made before it.
 * - A completion does not arrive before posted requests that its completer made before it.
 * - With relaxed ordering, command data may pass earlier posted requests.
 *
 * In a timed machine a posted request is over for its sender when its last byte has left. Bytes of queue entries and
 * interrupts are kept until they arrive; command data lands in memory when it has left, which nobody can tell who waits for
 * the completion entry.
 *
 * Requests live in slots that are used again; nothing is allocated for one in the steady state.
 */
import { DONE, type EventHandler, type MmioReader, PENDING, type Status } from '../../access/index.ts';
import type { EventQueue } from '../event-queue.ts';
import { Memory } from '../memory/memory.ts';
import { DMA_STATUS, TRAFFIC, type Traffic } from '../model.ts';
import { INTERRUPT_RANGE } from '../routing/root-complex.ts';
import { ROUTE_KIND } from '../routing/route.ts';
import { PROGRESS, type ProgressSink } from '../timing/engine.ts';
import type { TimedTransport } from '../timing/timed-transport.ts';
import type { FabricFunction } from './fabric-function.ts';
import type { Requester } from './requester.ts';

const KIND = { WRITE: 0, READ: 1, MESSAGE: 2, CPU_WRITE: 3, CPU_READ: 4, ACTION: 5 } as const;
type Kind = (typeof KIND)[keyof typeof KIND];

/** Codes of events. */
const ARRIVE = 0;
const COMPLETE = 1;

const NO_MEMORY = Memory.flat(0);
/** Of bytes that a slot keeps by itself: a submission queue entry. */
const OWN_BYTES = 64;

/** Who hears of a request that no model made: a source of traffic that stands for a function. */
export interface DmaSink {
  onDma(token: number, status: Status): void;
}

class Slot {
  kind: Kind = KIND.WRITE;
  requester: Requester | null = null;
  /** The requester's run when it was sent: another one means that it must not end. */
  run = 0;
  addr = 0;
  local = NO_MEMORY;
  localOffset = 0;
  lengthBytes = 0;
  traffic: Traffic = TRAFFIC.DATA;
  token = 0;
  status: Status = DONE;
  completer: FabricFunction | null = null;
  reader: MmioReader | null = null;
  action: (() => void) | null = null;
  /** Instead of the requester's model. */
  sink: DmaSink | null = null;
  /** In a timed machine: parts whose last byte has not left, not arrived, not ended. */
  untaken = 0;
  unserved = 0;
  unended = 0;
  /** The bytes are where they belong already. */
  isMoved = false;
  /** Bytes of CPU accesses, and of short posted requests. */
  readonly own = Memory.flat(OWN_BYTES);
}

export class InFlight implements EventHandler, ProgressSink {
  /** Says when, in a timed machine; null: random moments. */
  transport: TimedTransport | null = null;
  readonly #queue: EventQueue;
  readonly #slots: Slot[] = [];
  readonly #free: number[] = [];
  #count = 0;

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  /** Requests that have not ended. */
  get count(): number {
    return this.#count;
  }

  /** What the device that made a request calls it; -1 for requests that no model made. For traces. */
  deviceToken(index: number): number {
    const { kind, sink, token } = this.#slots[index]!;
    return (kind === KIND.WRITE || kind === KIND.READ) && sink === null ? token : -1;
  }

  write(
    requester: Requester,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
    sink: DmaSink | null = null,
  ): Status {
    const index = this.#take(KIND.WRITE, requester, addr);
    this.#slots[index]!.sink = sink;
    this.#fill(index, local, localOffset, lengthBytes, traffic, token);
    this.#post(requester, index, traffic === TRAFFIC.DATA && isRelaxed(requester));
    return PENDING;
  }

  read(
    requester: Requester,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
    sink: DmaSink | null = null,
  ): Status {
    const index = this.#take(KIND.READ, requester, addr);
    this.#slots[index]!.sink = sink;
    this.#fill(index, local, localOffset, lengthBytes, traffic, token);
    this.#request(requester, index);
    return PENDING;
  }

  sendMessage(requester: Requester, addr: number, data: number): void {
    const index = this.#take(KIND.MESSAGE, requester, addr);
    const slot = this.#slots[index]!;
    slot.own.setValue(0, 4, data);
    this.#fill(index, slot.own, 0, 4, TRAFFIC.CONTROL, 0);
    this.#post(requester, index, false);
  }

  /** Something that travels like a posted write: a change of an interrupt pin. In an untimed machine it is next. */
  postAction(requester: Requester, action: () => void): void {
    // In a timed machine it takes as long as an interrupt message of the same function.
    const index = this.#take(KIND.ACTION, requester, INTERRUPT_RANGE.start);
    const slot = this.#slots[index]!;
    slot.action = action;
    this.#fill(index, slot.own, 0, 4, TRAFFIC.CONTROL, 0);
    this.#post(requester, index, false);
  }

  /** A store of the CPU. The bytes are taken now. */
  cpuWrite(
    requester: Requester,
    addr: number,
    from: Memory,
    fromOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): void {
    const index = this.#take(KIND.CPU_WRITE, requester, addr);
    const slot = this.#slots[index]!;
    const local = lengthBytes <= slot.own.sizeBytes ? slot.own : Memory.flat(lengthBytes);
    from.copyTo(fromOffset, local, 0, lengthBytes);
    this.#fill(index, local, 0, lengthBytes, traffic, 0);
    this.#post(requester, index, false);
  }

  /** A load of the CPU of up to four bytes. */
  cpuRead(requester: Requester, addr: number, lengthBytes: number, reader: MmioReader): void {
    const index = this.#take(KIND.CPU_READ, requester, addr);
    const slot = this.#slots[index]!;
    slot.reader = reader;
    this.#fill(index, slot.own, 0, lengthBytes, TRAFFIC.CONTROL, 0);
    this.#request(requester, index);
  }

  onEvent(code: number, index: number): void {
    const slot = this.#slots[index]!;
    const requester = slot.requester!;
    if (slot.run !== requester.run) {
      this.#abandoned(index, slot);
    } else if (code === ARRIVE) {
      this.#arrive(index, slot, requester);
    } else {
      this.#complete(index, slot, requester);
    }
  }

  onProgress(progress: number, index: number): void {
    const slot = this.#slots[index]!;
    const requester = slot.requester!;
    const isAlive = slot.run === requester.run;
    switch (progress) {
      case PROGRESS.TAKEN:
        if (--slot.untaken === 0 && isAlive) {
          this.#taken(slot, requester);
        }
        return;
      case PROGRESS.ARRIVED:
        if (slot.unserved > 0) {
          if (--slot.unserved === 0 && isAlive) {
            this.#serve(slot, requester);
          }
          return;
        }
        break;
      default:
        break;
    }
    if (--slot.unended > 0) {
      return;
    }
    if (!isAlive) {
      this.#abandoned(index, slot);
    } else if (progress === PROGRESS.COMPLETED) {
      this.#complete(index, slot, requester);
    } else {
      this.#arriveTimed(index, slot, requester);
    }
  }

  /** The last byte of a posted request has left: its sender may use the place again. */
  #taken(slot: Slot, requester: Requester): void {
    if (slot.kind !== KIND.WRITE) {
      return;
    }
    const { addr, localOffset, lengthBytes, traffic, token } = slot;
    let status: Status = DONE;
    const route = traffic === TRAFFIC.DATA ? requester.routeOf(addr, lengthBytes, true, traffic) : null;
    if (route !== null && (route.kind === ROUTE_KIND.MEMORY || route.isUnsent)) {
      status = requester.writeNow(addr, slot.local, localOffset, lengthBytes, traffic);
      slot.isMoved = true;
    } else {
      const kept = lengthBytes <= OWN_BYTES ? slot.own : Memory.flat(lengthBytes);
      slot.local.copyTo(localOffset, kept, 0, lengthBytes);
      slot.local = kept;
      slot.localOffset = 0;
    }
    const sink = slot.sink ?? requester.fn?.model;
    slot.sink = null;
    sink?.onDma(token, status);
  }

  /** Its requester is gone or was reset, and hears nothing; who sent it in the requester's name does. */
  #abandoned(index: number, { sink, token }: Slot): void {
    this.#release(index);
    sink?.onDma(token, DMA_STATUS.GONE);
  }

  #arriveTimed(index: number, slot: Slot, requester: Requester): void {
    if (slot.kind === KIND.WRITE) {
      if (!slot.isMoved) {
        requester.writeNow(slot.addr, slot.local, slot.localOffset, slot.lengthBytes, slot.traffic);
      }
      this.#release(index);
    } else {
      this.#arrive(index, slot, requester);
    }
  }

  /** A read has reached its completer: what is there now is what it gets. */
  #serve(slot: Slot, requester: Requester): void {
    const { addr, local, localOffset, lengthBytes, traffic } = slot;
    slot.status = requester.readNow(addr, local, localOffset, lengthBytes, traffic);
    slot.completer = requester.lastCompleter;
  }

  #arrive(index: number, slot: Slot, requester: Requester): void {
    const { addr, local, localOffset, lengthBytes, traffic, token } = slot;
    switch (slot.kind) {
      case KIND.WRITE: {
        const status = requester.writeNow(addr, local, localOffset, lengthBytes, traffic);
        const isAlive = slot.run === requester.run;
        const sink = slot.sink ?? requester.fn?.model;
        this.#release(index);
        if (isAlive) {
          sink?.onDma(token, status);
        }
        return;
      }
      case KIND.MESSAGE:
        requester.writeNow(addr, slot.own, 0, 4, TRAFFIC.CONTROL);
        this.#release(index);
        return;
      case KIND.CPU_WRITE:
        requester.writeNow(addr, local, localOffset, lengthBytes, traffic);
        this.#release(index);
        return;
      case KIND.ACTION: {
        const { action } = slot;
        this.#release(index);
        action?.();
        return;
      }
      case KIND.READ:
      case KIND.CPU_READ: {
        slot.status = requester.readNow(addr, local, localOffset, lengthBytes, traffic);
        slot.completer = requester.lastCompleter;
        const behindPs = slot.completer === null ? 0 : slot.completer.requester.lastPostedPs;
        this.#queue.at(Math.max(this.#laterPs(), behindPs), this, COMPLETE, index);
        return;
      }
    }
  }

  #complete(index: number, slot: Slot, requester: Requester): void {
    const { kind, addr, local, localOffset, lengthBytes, traffic, token, reader, completer } = slot;
    let { status } = slot;
    // Whoever was to answer has been pulled out meanwhile.
    if (status === DONE && completer?.isGone === true) {
      status = DMA_STATUS.TIMEOUT;
      local.fill(localOffset, lengthBytes, 0xff);
    }
    if (kind === KIND.READ) {
      const watcher = slot.sink === null ? (requester.fn?.dmaWatcher ?? null) : null;
      const sink = slot.sink ?? requester.fn?.model;
      this.#release(index);
      if (watcher !== null) {
        watcher.onRead(addr, local, localOffset, lengthBytes, traffic, status);
      }
      sink?.onDma(token, status);
    } else {
      const value = local.getValue(localOffset, lengthBytes);
      this.#release(index);
      reader?.deliver(value);
    }
  }

  /** In order behind earlier posted requests, unless relaxed. */
  #post(requester: Requester, index: number, relaxed: boolean): void {
    if (this.transport !== null) {
      const slot = this.#slots[index]!;
      const parts = this.transport.send(requester, slot.addr, slot.lengthBytes, true, slot.traffic, index);
      slot.untaken = parts;
      slot.unended = parts;
      return;
    }
    const drawnPs = this.#laterPs();
    const atPs = relaxed ? drawnPs : Math.max(drawnPs, requester.lastPostedPs);
    requester.lastPostedPs = Math.max(requester.lastPostedPs, atPs);
    this.#queue.at(atPs, this, ARRIVE, index);
  }

  #request(requester: Requester, index: number): void {
    if (this.transport !== null) {
      const slot = this.#slots[index]!;
      const parts = this.transport.send(requester, slot.addr, slot.lengthBytes, false, slot.traffic, index);
      slot.unserved = parts;
      slot.unended = parts;
      return;
    }
    this.#queue.at(Math.max(this.#laterPs(), requester.lastPostedPs), this, ARRIVE, index);
  }

  #laterPs(): number {
    return this.#queue.nowPs + this.#queue.drawDelayPs();
  }

  #take(kind: Kind, requester: Requester, addr: number): number {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#slots.length;
      this.#slots.push(new Slot());
    }
    const slot = this.#slots[index]!;
    slot.kind = kind;
    slot.requester = requester;
    slot.run = requester.run;
    slot.addr = addr;
    slot.sink = null;
    slot.isMoved = false;
    slot.status = DONE;
    this.#count++;
    return index;
  }

  #fill(
    index: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): void {
    const slot = this.#slots[index]!;
    slot.local = local;
    slot.localOffset = localOffset;
    slot.lengthBytes = lengthBytes;
    slot.traffic = traffic;
    slot.token = token;
  }

  /** The slot may be used again from here on, within the call that follows as well. */
  #release(index: number): void {
    const slot = this.#slots[index]!;
    slot.local = NO_MEMORY;
    slot.reader = null;
    slot.completer = null;
    slot.action = null;
    this.#free.push(index);
    this.#count--;
  }
}

/** Whether command data of this requester carries the Relaxed Ordering attribute. */
function isRelaxed(requester: Requester): boolean {
  const { fn } = requester;
  return fn?.device.usesRelaxedOrdering === true && fn.state.enablesRelaxedOrdering;
}
