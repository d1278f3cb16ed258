/**
 * A port with host memory behind it, and the services of a controller around the data path alone: no queues, no fabric.
 *
 * Modes: every request is done at once; every request is pending and ends in order; or each is one or the other and reads
 * end in any order, as a seed has it. A pending request moves its bytes when it ends, so that whoever touches them before is
 * found out.
 */
import { SeededRandom, toBdf } from '../../../../src/base/index.ts';
import { type Command, CommandPool } from '../../../../src/devices/nvme/command.ts';
import { DataEngine } from '../../../../src/devices/nvme/data/index.ts';
import { FaultPlan } from '../../../../src/devices/nvme/fault-plan.ts';
import type { Namespace } from '../../../../src/devices/nvme/media/index.ts';
import { type NvmeOptions, resolveOptions } from '../../../../src/devices/nvme/options.ts';
import {
  type ControllerServices,
  IoCounters,
  type IoSettings,
  type LocalRange,
} from '../../../../src/devices/nvme/services.ts';
import { MediaTiming } from '../../../../src/devices/nvme/timing/index.ts';
import {
  DMA_STATUS,
  DONE,
  EventQueue,
  type FunctionPort,
  Memory,
  noTurn,
  PENDING,
  type Status,
  TRAFFIC,
} from '../../../../src/fabric/index.ts';

export const MODES = ['done', 'pending', 'jitter'] as const;
export type Mode = (typeof MODES)[number];

export const HOST_BASE = 0x1_0000_0000;
export const HOST_BYTES = 4 << 20;
export const CMB_BASE = 0x8_0000_0000;
export const CMB_BYTES = 1 << 20;
export const PMR_BASE = 0x9_0000_0000;
export const PMR_BYTES = 1 << 16;
/** The controller's own registers. */
export const BAR_BASE = 0xa_0000_0000;
export const BAR_BYTES = 0x4000;

interface Request {
  readonly isWrite: boolean;
  readonly addr: number;
  readonly local: Memory;
  readonly localOffset: number;
  readonly lengthBytes: number;
  readonly token: number;
}

export class BenchPort implements FunctionPort {
  readonly executor: EventQueue;
  readonly bdf = toBdf('0000:01:00.0')!;
  readonly isBusMaster = true;
  readonly interruptMode = 'msi-x';
  readonly host = Memory.flat(HOST_BYTES);
  /** Bytes asked for, by traffic class. */
  readonly bytes = [0, 0];
  requests = 0;
  /** Every address range of a request of data, in order. */
  readonly ranges: { addr: number; lengthBytes: number }[] = [];
  /** The next requests fail with this. */
  failWith = 0;
  /** How many pass before. */
  failAfter = 0;
  onDma: (token: number, status: Status) => void = () => {};
  readonly #mode: Mode;
  readonly #random: SeededRandom;
  #pending: Request[] = [];

  constructor(mode: Mode, seed: number, timed = false) {
    this.#mode = mode;
    this.#random = new SeededRandom(seed);
    this.executor = new EventQueue({ turn: noTurn, timed });
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  dmaRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: number,
    token: number,
  ): Status {
    return this.#ask({ isWrite: false, addr, local, localOffset, lengthBytes, token }, traffic);
  }

  dmaWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: number,
    token: number,
  ): Status {
    return this.#ask({ isWrite: true, addr, local, localOffset, lengthBytes, token }, traffic);
  }

  /** Ends one pending request, or lets one event happen; false when there is neither. */
  step(): boolean {
    if (this.#pending.length === 0 || (!this.executor.isIdle && this.#random.below(2) === 0)) {
      return this.executor.runUntilIdle(1) > 0;
    }
    const index = this.#mode === 'jitter' ? this.#random.below(this.#pending.length) : 0;
    const [request] = this.#pending.splice(index, 1);
    this.onDma(request!.token, this.#carry(request!));
    return true;
  }

  run(): void {
    while (this.step()) {
      // The next one.
    }
  }

  interrupt(): void {}
  setIntx(): void {}
  barAddress(): number {
    return BAR_BASE;
  }
  setOpen(): void {}
  reportInternalError(): void {}

  #ask(request: Request, traffic: number): Status {
    this.requests++;
    this.bytes[traffic]! += request.lengthBytes;
    if (traffic === TRAFFIC.DATA) {
      this.ranges.push({ addr: request.addr, lengthBytes: request.lengthBytes });
    }
    if (this.#mode === 'done' || (this.#mode === 'jitter' && this.#random.below(3) === 0)) {
      return this.#carry(request);
    }
    this.#pending.push(request);
    return PENDING;
  }

  #carry({ isWrite, addr, local, localOffset, lengthBytes }: Request): Status {
    const offset = addr - HOST_BASE;
    const isHost = offset >= 0 && offset + lengthBytes <= HOST_BYTES;
    let failure = isHost ? 0 : DMA_STATUS.UNSUPPORTED_REQUEST;
    if (this.failWith !== 0 && this.failAfter-- <= 0) {
      failure = this.failWith as typeof failure;
    }
    if (isWrite) {
      // Posted: what goes wrong on the way is not seen.
      if (failure === 0) {
        local.copyTo(localOffset, this.host, offset, lengthBytes);
      }
      return failure === DMA_STATUS.GONE ? failure : DONE;
    }
    if (failure !== 0) {
      local.fill(localOffset, lengthBytes, 0xff);
      return failure;
    }
    this.host.copyTo(offset, local, localOffset, lengthBytes);
    return DONE;
  }
}

export interface BenchSetup {
  readonly mode?: Mode;
  readonly seed?: number;
  readonly pageBytes?: number;
  readonly options?: NvmeOptions;
  readonly slots?: number;
  readonly cmbUse?: Partial<ControllerServices['cmbUse']>;
}

/** The services a controller gives to its engines. */
export class Bench implements ControllerServices {
  readonly options;
  readonly port: BenchPort;
  readonly pageBytes: number;
  readonly cmb = Memory.flat(CMB_BYTES);
  readonly pmr = Memory.flat(PMR_BYTES);
  cmbUse: ControllerServices['cmbUse'];
  readonly counters = new IoCounters();
  readonly faults = new FaultPlan(1);
  readonly media: MediaTiming | null;
  readonly settings: IoSettings & { deallocatedErrors: Set<number> } = {
    isWriteCacheOn: true,
    copyFormatsAllowed: 0,
    hasExtendedFormats: true,
    isAtomicityOff: false,
    deallocatedErrors: new Set<number>(),
    hasDeallocatedError(nsid: number): boolean {
      return this.deallocatedErrors.has(nsid);
    },
  };
  readonly namespaces = new Map<number, Namespace>();
  readonly pool: CommandPool;
  readonly data: DataEngine;
  /** Commands that `complete` was called for, in order. */
  readonly completed: Command[] = [];
  onComplete: (command: Command) => void = () => {};
  /** Commands whose transfers ended late. */
  readonly transferred: Command[] = [];
  readonly #range: LocalRange = { kind: 'cmb', memory: this.cmb, offset: 0 };

  constructor(setup: BenchSetup = {}) {
    this.options = resolveOptions(setup.options ?? {});
    const { timing, commandSlots } = this.options;
    this.port = new BenchPort(setup.mode ?? 'done', setup.seed ?? 1, timing !== null);
    this.media = timing === null ? null : new MediaTiming(timing, commandSlots);
    this.pageBytes = setup.pageBytes ?? 4096;
    this.cmbUse = { lists: true, readData: true, writeData: true, mayMix: true, ...setup.cmbUse };
    this.pool = new CommandPool(setup.slots ?? 16);
    this.data = new DataEngine(this, this.pool.slots);
    this.port.onDma = (token, status) => this.data.onDma(token, status);
  }

  localAddress(addr: number, lengthBytes: number): LocalRange | null | 'invalid' {
    if (addr >= CMB_BASE && addr < CMB_BASE + CMB_BYTES) {
      return this.#own('cmb', this.cmb, addr - CMB_BASE, lengthBytes);
    }
    if (addr >= PMR_BASE && addr < PMR_BASE + PMR_BYTES) {
      return this.#own('pmr', this.pmr, addr - PMR_BASE, lengthBytes);
    }
    return addr >= BAR_BASE && addr < BAR_BASE + BAR_BYTES ? 'invalid' : null;
  }

  namespace(nsid: number): Namespace | undefined {
    return this.namespaces.get(nsid);
  }

  activeNamespaces(): Iterable<Namespace> {
    return this.namespaces.values();
  }

  isAllocated(nsid: number): boolean {
    return this.namespaces.has(nsid);
  }

  complete(command: Command): void {
    this.completed.push(command);
    this.onComplete(command);
  }

  /** A command of I/O queue 1 with these dwords; the rest is 0. */
  command(dwords: Readonly<Record<number, number>>, queueId = 1): Command {
    const command = this.pool.take()!;
    this.pool.staging.fill(command.base, 64, 0);
    for (const [number, value] of Object.entries(dwords)) {
      command.view.setUint32(command.base + 4 * Number(number), value, true);
    }
    command.decode(queueId);
    command.onDone = { onTransfer: (one) => this.transferred.push(one) };
    return command;
  }

  /** Runs the bus until nothing is under way. @returns the status of a command that was started alone */
  settle(command: Command, status: Status): number {
    if (status === PENDING) {
      const before = this.transferred.length + this.completed.length;
      this.port.run();
      if (this.transferred.length + this.completed.length !== before + 1) {
        throw new Error('a pending transfer did not end exactly once');
      }
    }
    return command.status;
  }

  #own(kind: 'cmb' | 'pmr', memory: Memory, offset: number, length: number): LocalRange | 'invalid' {
    this.#range.kind = kind;
    this.#range.memory = memory;
    this.#range.offset = offset;
    return offset + length <= memory.sizeBytes ? this.#range : 'invalid';
  }
}

/** Low and high dword of an address. */
export function dwords(value: number): [number, number] {
  return [value % 0x1_0000_0000, Math.floor(value / 0x1_0000_0000)];
}

export function putAddress(memory: Memory, offset: number, value: number): void {
  const [low, high] = dwords(value);
  memory.setValue(offset, 4, low);
  memory.setValue(offset + 4, 4, high);
}

/** An SGL descriptor with an address. */
export function putDescriptor(
  memory: Memory,
  offset: number,
  identifier: number,
  address: number,
  lengthBytes: number,
): void {
  putAddress(memory, offset, address);
  memory.setValue(offset + 8, 4, lengthBytes);
  memory.setValue(offset + 12, 4, 0);
  memory.setValue(offset + 15, 1, identifier);
}
