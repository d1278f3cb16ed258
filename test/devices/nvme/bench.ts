/**
 * A bench for controller models: one function port over host memory that answers at once, later, or after random delays in
 * random order, and a plain host that rings doorbells and reads completions.
 */

import type { Bdf } from '../../../src/base/index.ts';
import { ADDR_NOWHERE } from '../../../src/base/index.ts';
import type { Command } from '../../../src/devices/nvme/command.ts';
import type { IoExecutor } from '../../../src/devices/nvme/index.ts';
import type { ControllerServices } from '../../../src/devices/nvme/services.ts';
import {
  type BarMemory,
  DMA_STATUS,
  DONE,
  type EndpointModel,
  type EventHandler,
  EventQueue,
  type FunctionPort,
  Memory,
  noTurn,
  PENDING,
  type Status,
  TRAFFIC,
  type Traffic,
} from '../../../src/fabric/index.ts';
import {
  ACQ,
  ADMIN_OPCODE,
  AQA,
  ASQ,
  CC,
  CDW0,
  CQE_BYTES,
  CSTS,
  doorbellOffset,
  NSID,
  PRP1,
  PRP2,
  SQE_BYTES,
  statusOfWord,
} from '../../../src/spec/nvme/index.ts';

export type BenchMode =
  /** Every request is DONE. */
  | 'done'
  /** Every request is PENDING and over in the next event. */
  | 'pending'
  /** PENDING with random delays; reads overtake each other. */
  | 'jitter'
  /** In a machine with time: see `BenchPort.linkPsPerByte`. */
  | 'timed';

/** What host memory starts at, for addresses that are plainly wrong elsewhere. */
export const HOST_BASE = 0x1000_0000;
export const HOST_BYTES = 8 << 20;
/** Where the BARs are: 256 MiB apart. */
export const BAR_BASE = 0x8_0000_0000;
const BAR_STRIDE = 0x1000_0000;

interface Request {
  readonly isRead: boolean;
  readonly addr: number;
  readonly local: Memory;
  readonly localOffset: number;
  readonly lengthBytes: number;
  readonly token: number;
  readonly epoch: number;
}

/** A range of addresses that answers. */
export interface BenchRange {
  readonly start: number;
  readonly memory: Memory;
}

export class BenchPort implements FunctionPort, EventHandler {
  readonly executor: EventQueue;
  readonly bdf = '0000:03:00.0' as unknown as Bdf;
  readonly ranges: BenchRange[] = [];
  readonly host = Memory.flat(HOST_BYTES);
  isBusMaster = true;
  interruptMode: 'msi-x' | 'msi' | 'intx' = 'msi-x';
  isIntxAsserted = false;
  /** Interrupts by vector, in order. */
  readonly interrupts: number[] = [];
  onInterrupt: (vector: number) => void = () => {};
  readonly bytes = { data: 0, control: 0 };
  /** Requests to host memory or ranges, for counting batches. */
  requestCount = 0;
  internalErrors = 0;
  readonly #mode: BenchMode;
  readonly #requests = new Map<number, Request>();
  #nextRequest = 1;
  #lastWritePs = 0;
  #epoch = 0;
  model: EndpointModel | undefined;
  /** Mode `timed`: what a byte of any request takes on the one link, one after the other, and what each request takes beside. */
  linkPsPerByte = 0;
  linkLatencyPs = 0;
  #linkFreePs = 0;

  constructor(mode: BenchMode = 'done', seed = 1) {
    this.#mode = mode;
    this.executor = new EventQueue({
      turn: noTurn,
      timed: mode === 'timed',
      ...(mode === 'jitter' ? { jitter: { seed, jitterPs: 1e6 } } : {}),
    });
    this.ranges.push({ start: HOST_BASE, memory: this.host });
  }

  attach(model: EndpointModel): void {
    this.model = model;
    model.attach(this);
  }

  /** Requests and interrupts under way never end, as a reset of the function has it. */
  dropRequests(): void {
    this.#epoch++;
    this.#requests.clear();
  }

  dmaRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    return this.#request(true, addr, local, localOffset, lengthBytes, traffic, token);
  }

  dmaWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    return this.#request(false, addr, local, localOffset, lengthBytes, traffic, token);
  }

  interrupt(vector: number): void {
    if (this.#mode === 'done') {
      this.#raise(vector);
    } else {
      this.executor.at(this.#lastWritePs, this, 1, this.#epoch * 0x1_0000 + vector);
    }
  }

  setIntx(isAsserted: boolean): void {
    this.isIntxAsserted = isAsserted;
    if (isAsserted) {
      this.onInterrupt(-1);
    }
  }

  barAddress(index: number): number {
    return this.model?.description.bars.some((bar) => bar.index === index) === true
      ? BAR_BASE + index * BAR_STRIDE
      : ADDR_NOWHERE;
  }

  setOpen(range: BarMemory, isOpen: boolean): void {
    range.isOpen = isOpen;
  }

  reportInternalError(): void {
    this.internalErrors++;
  }

  onEvent(code: number, argument: number): void {
    if (code === 1) {
      const vector = argument % 0x1_0000;
      if (argument === this.#epoch * 0x1_0000 + vector) {
        this.#raise(vector);
      }
      return;
    }
    const request = this.#requests.get(argument);
    if (request === undefined || request.epoch !== this.#epoch) {
      return;
    }
    this.#requests.delete(argument);
    this.model!.onDma(request.token, this.#perform(request));
  }

  #raise(vector: number): void {
    this.interrupts.push(vector);
    this.onInterrupt(vector);
  }

  #request(
    isRead: boolean,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    if (!this.isBusMaster) {
      return DMA_STATUS.DISABLED;
    }
    this.requestCount++;
    this.bytes[traffic === TRAFFIC.DATA ? 'data' : 'control'] += lengthBytes;
    const request: Request = {
      isRead,
      addr,
      local,
      localOffset,
      lengthBytes,
      token,
      epoch: this.#epoch,
    };
    const isFree = this.#mode === 'timed' && this.linkPsPerByte === 0 && this.linkLatencyPs === 0;
    if (this.#mode === 'done' || isFree) {
      return this.#perform(request);
    }
    this.#linkFreePs = Math.max(this.executor.nowPs, this.#linkFreePs) + lengthBytes * this.linkPsPerByte;
    const arrivalPs = Math.ceil(this.#linkFreePs) + this.linkLatencyPs;
    const id = this.#nextRequest++;
    this.#requests.set(id, request);
    // Writes stay in order, and no read passes a write.
    const drawnPs = this.#mode === 'timed' ? arrivalPs : this.executor.nowPs + this.executor.drawDelayPs();
    const atPs = Math.max(this.#lastWritePs, drawnPs);
    if (!isRead) {
      this.#lastWritePs = atPs;
    }
    this.executor.at(atPs, this, 0, id);
    return PENDING;
  }

  #perform(request: Request): Status {
    const { addr, lengthBytes } = request;
    const range = this.ranges.find(
      ({ start, memory }) => addr >= start && addr + lengthBytes <= start + memory.sizeBytes,
    );
    if (range === undefined) {
      if (!request.isRead) {
        return DONE;
      }
      request.local.fill(request.localOffset, lengthBytes, 0xff);
      return DMA_STATUS.UNSUPPORTED_REQUEST;
    }
    if (request.isRead) {
      range.memory.copyTo(addr - range.start, request.local, request.localOffset, lengthBytes);
    } else {
      request.local.copyTo(request.localOffset, range.memory, addr - range.start, lengthBytes);
    }
    return DONE;
  }
}

export interface Completion {
  readonly dw0: number;
  readonly dw1: number;
  readonly sqHead: number;
  readonly sqId: number;
  readonly cid: number;
  /** `sct << 8 | sc`. */
  readonly status: number;
  readonly dnr: boolean;
  readonly more: boolean;
}

/** What a test says of a command; the rest is 0. */
export interface Sqe {
  readonly opcode: number;
  readonly nsid?: number;
  readonly flags?: number;
  readonly prp1?: number;
  readonly prp2?: number;
  readonly mptr?: number;
  readonly cdw2?: number;
  readonly cdw3?: number;
  readonly cdw10?: number;
  readonly cdw11?: number;
  readonly cdw12?: number;
  readonly cdw13?: number;
  readonly cdw14?: number;
  readonly cdw15?: number;
}

export interface HostQueue {
  readonly id: number;
  readonly entries: number;
  readonly sqAddress: number;
  readonly cqAddress: number;
  tail: number;
  sqHead: number;
  head: number;
  phase: number;
  nextCid: number;
  readonly completions: Completion[];
}

/** A host that drives one controller on a bench. */
export class BenchHost {
  readonly port: BenchPort;
  readonly model: EndpointModel;
  readonly queues: (HostQueue | undefined)[] = [];
  readonly view: DataView;
  #free = HOST_BASE + 0x10_0000;

  constructor(model: EndpointModel, mode: BenchMode = 'done', seed = 1) {
    this.port = new BenchPort(mode, seed);
    this.model = model;
    this.port.attach(model);
    const bytes = this.port.host.flat!;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Host memory, aligned to a page. */
  alloc(lengthBytes: number): number {
    const address = this.#free;
    this.#free += Math.ceil(lengthBytes / 4096) * 4096;
    return address;
  }

  /** The host's view of an address. */
  bytes(address: number, lengthBytes: number): Uint8Array {
    return this.port.host.flat!.subarray(address - HOST_BASE, address - HOST_BASE + lengthBytes);
  }

  read(offset: number): number {
    return this.model.readRegister(0, offset, 4);
  }

  write(offset: number, value: number): void {
    this.model.writeRegister(0, offset, 4, value);
  }

  run(): void {
    this.port.executor.runUntilIdle(10_000_000);
  }

  makeQueue(id: number, entries: number): HostQueue {
    const queue: HostQueue = {
      id,
      entries,
      sqAddress: this.alloc(entries * SQE_BYTES),
      cqAddress: this.alloc(entries * CQE_BYTES),
      tail: 0,
      sqHead: 0,
      head: 0,
      phase: 1,
      nextCid: 0,
      completions: [],
    };
    this.bytes(queue.cqAddress, entries * CQE_BYTES).fill(0);
    this.queues[id] = queue;
    return queue;
  }

  /** Programs the admin queues and sets CC.EN. `extra` is or'ed into CC. */
  enable(entries = 32, extra = 0): void {
    const queue = this.makeQueue(0, entries);
    this.write(AQA.offset, ((entries - 1) << 16) | (entries - 1));
    this.write64(ASQ.offset, queue.sqAddress);
    this.write64(ACQ.offset, queue.cqAddress);
    this.write(CC.offset, (0x0046_0001 | extra) >>> 0);
    this.run();
  }

  write64(offset: number, value: number): void {
    this.write(offset, value % 0x1_0000_0000);
    this.write(offset + 4, Math.floor(value / 0x1_0000_0000));
  }

  get isReady(): boolean {
    return CSTS.RDY.of(this.read(CSTS.offset)) === 1;
  }

  /** Puts an entry into a queue without ringing. @returns its identifier */
  push(queueId: number, sqe: Sqe | Uint8Array, cid?: number): number {
    const queue = this.queues[queueId]!;
    const at = queue.sqAddress - HOST_BASE + queue.tail * SQE_BYTES;
    const id = cid ?? queue.nextCid++ & 0xffff;
    if (sqe instanceof Uint8Array) {
      this.port.host.flat!.set(sqe, at);
    } else {
      this.port.host.flat!.fill(0, at, at + SQE_BYTES);
      this.view.setUint32(at, sqe.opcode | (sqe.flags ?? 0), true);
      this.view.setUint32(at + NSID.offset, sqe.nsid ?? 0, true);
      this.view.setUint32(at + 8, sqe.cdw2 ?? 0, true);
      this.view.setUint32(at + 12, sqe.cdw3 ?? 0, true);
      this.#setAddress(at + 16, sqe.mptr ?? 0);
      this.#setAddress(at + PRP1.offset, sqe.prp1 ?? 0);
      this.#setAddress(at + PRP2.offset, sqe.prp2 ?? 0);
      const dwords = [sqe.cdw10, sqe.cdw11, sqe.cdw12, sqe.cdw13, sqe.cdw14, sqe.cdw15];
      dwords.forEach((value, i) => {
        this.view.setUint32(at + 40 + 4 * i, value ?? 0, true);
      });
    }
    CDW0.CID.write(this.view, id, at);
    queue.tail = (queue.tail + 1) % queue.entries;
    return id;
  }

  ring(queueId: number): void {
    this.write(doorbellOffset(queueId, 'sq', 0), this.queues[queueId]!.tail);
  }

  /** Takes new completions of a queue and moves its head. */
  reap(queueId: number): readonly Completion[] {
    const queue = this.queues[queueId]!;
    const found: Completion[] = [];
    for (;;) {
      const at = queue.cqAddress - HOST_BASE + queue.head * CQE_BYTES;
      const word = this.view.getUint16(at + 14, true);
      if ((word & 1) !== queue.phase) {
        break;
      }
      found.push({
        dw0: this.view.getUint32(at, true),
        dw1: this.view.getUint32(at + 4, true),
        sqHead: this.view.getUint16(at + 8, true),
        sqId: this.view.getUint16(at + 10, true),
        cid: this.view.getUint16(at + 12, true),
        status: statusOfWord(word),
        dnr: (word & 0x8000) !== 0,
        more: (word & 0x4000) !== 0,
      });
      if (++queue.head === queue.entries) {
        queue.head = 0;
        queue.phase ^= 1;
      }
    }
    if (found.length > 0) {
      queue.sqHead = found.at(-1)!.sqHead;
      queue.completions.push(...found);
      this.write(doorbellOffset(queueId, 'cq', 0), queue.head);
    }
    return found;
  }

  /** One command, run to its end. Throws when it does not complete, so nothing waits for ever. */
  execute(queueId: number, sqe: Sqe): Completion {
    const cid = this.push(queueId, sqe);
    this.ring(queueId);
    this.run();
    const completion = this.reap(queueId).find((one) => one.cid === cid);
    if (completion === undefined) {
      throw new Error(`command ${sqe.opcode.toString(16)}h of queue ${queueId} did not complete`);
    }
    this.run();
    return completion;
  }

  admin(sqe: Sqe): Completion {
    return this.execute(0, sqe);
  }

  /** Creates a completion and a submission queue. */
  createQueue(id: number, entries = 16, options: { vector?: number; ien?: boolean } = {}): HostQueue {
    const queue = this.makeQueue(id, entries);
    const size = ((entries - 1) << 16) | id;
    const cq = this.admin({
      opcode: ADMIN_OPCODE.CREATE_IO_CQ,
      prp1: queue.cqAddress,
      cdw10: size,
      cdw11: ((options.vector ?? id) << 16) | (options.ien === false ? 0 : 2) | 1,
    });
    const sq = this.admin({
      opcode: ADMIN_OPCODE.CREATE_IO_SQ,
      prp1: queue.sqAddress,
      cdw10: size,
      cdw11: (id << 16) | 1,
    });
    if (cq.status !== 0 || sq.status !== 0) {
      throw new Error(`queue ${id} was refused: ${cq.status.toString(16)}h, ${sq.status.toString(16)}h`);
    }
    return queue;
  }

  #setAddress(at: number, value: number): void {
    this.view.setUint32(at, value % 0x1_0000_0000, true);
    this.view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}

/** I/O commands that mean nothing: each answers with its CDW10, those of opcode 81h some time later. */
export class EchoIo implements IoExecutor, EventHandler {
  static readonly LATER = 0x81;
  readonly executed: number[] = [];
  readonly #services: ControllerServices;
  readonly #waiting = new Map<number, Command>();
  #next = 0;

  constructor(services: ControllerServices) {
    this.#services = services;
  }

  execute(command: Command): Status {
    this.executed.push(command.queueId * 0x1_0000 + command.cid);
    command.dw0 = command.dword(10);
    if (command.opcode !== EchoIo.LATER) {
      return DONE;
    }
    this.#waiting.set(this.#next, command);
    this.#services.port.executor.after(0, this, 0, this.#next++);
    return PENDING;
  }

  onEvent(_code: number, argument: number): void {
    const command = this.#waiting.get(argument);
    if (command !== undefined) {
      this.#waiting.delete(argument);
      this.#services.complete(command);
    }
  }

  reset(): void {
    this.#waiting.clear();
  }
}
