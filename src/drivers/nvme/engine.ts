/**
 * The lower half of a controller: registers, queues, interrupts, and how it is started and stopped.
 *
 * `start` brings it from any state to working queues and may be called again after `halt`; the queues, their memory and
 * those who wait on them stay. What to do when something fails is the upper half's (`controller.ts`). Follows NVM Express
 * Base 2.1, section 3.5.1 (initialisation of memory-based controllers).
 */
import type { BarWindow, CoherentMemory, Executor, PciFunction, Task } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import {
  ACQ,
  AQA,
  ARBITRATION,
  ASQ,
  CC,
  CNS,
  COMMAND_SET,
  CQE_BYTES,
  CSTS,
  memoryPageBytes,
  SHUTDOWN_NOTIFICATION,
  SHUTDOWN_STATUS,
  SQE_BYTES,
} from '../../spec/nvme/index.ts';
import { AdminCommands } from './admin-commands.ts';
import { AnomalyLog } from './anomalies.ts';
import { CommandRunner } from './command-runner.ts';
import { type ControllerMemory, enableCmb, enablePmr } from './controller-memory.ts';
import { setHostFeatures } from './host-features.ts';
import {
  type CommandLimits,
  type ControllerIdentity,
  commandLimits,
  controllerIdentity,
  NO_COMMAND_LIMITS,
} from './identify.ts';
import { IoQueues } from './io-queues.ts';
import { ListPool } from './list-pool.ts';
import type { ResolvedOptions } from './options.ts';
import {
  awaitStatus,
  type Capabilities,
  disableController,
  readCapabilities,
  writeAddress,
} from './properties.ts';
import { type Loss, QueuePair, type Supervisor } from './queue-pair.ts';

const ADMIN_ENTRIES = 32;
/** 64 MiB of lists at most. */
const LIST_BYTES_MAX = 64 * 1024 * 1024;
/** Where the controller does not say how long a shutdown takes. */
const SHUTDOWN_MS = 10_000;

export class Engine {
  readonly fn: PciFunction;
  readonly executor: Executor;
  readonly options: ResolvedOptions;
  readonly anomalies = new AnomalyLog();
  /** I/O queues that were created, in order of their ids; a new list after each start. */
  queues: readonly QueuePair[] = [];
  cmb: ControllerMemory | null = null;
  pmr: ControllerMemory | null = null;
  limits: CommandLimits = NO_COMMAND_LIMITS;
  isPolling = false;

  readonly #supervisor: Supervisor;
  #registers: BarWindow | undefined;
  #capabilities: Capabilities | undefined;
  #identity: ControllerIdentity | undefined;
  #lists: ListPool | undefined;
  #runner: CommandRunner | undefined;
  #adminQueue: QueuePair | undefined;
  #admin: AdminCommands | undefined;
  readonly #ioQueues: IoQueues;
  #vectorCount = 0;
  #hasInterrupts = false;

  constructor(fn: PciFunction, options: ResolvedOptions, supervisor: Supervisor) {
    this.fn = fn;
    this.executor = fn.executor;
    this.options = options;
    this.#supervisor = supervisor;
    this.#ioQueues = new IoQueues(this, {
      make: (id, entries, timeoutPs) => this.#makeQueue(id, entries, timeoutPs),
      vectorOf: (id) => (this.isPolling ? null : this.#vectorOf(id)),
    });
  }

  get label(): string {
    return this.options.label;
  }

  get registers(): BarWindow {
    return this.#made(this.#registers);
  }

  get capabilities(): Capabilities {
    return this.#made(this.#capabilities);
  }

  get identity(): ControllerIdentity {
    return this.#made(this.#identity);
  }

  get lists(): ListPool {
    return this.#made(this.#lists);
  }

  get runner(): CommandRunner {
    return this.#made(this.#runner);
  }

  get admin(): AdminCommands {
    return this.#made(this.#admin);
  }

  get adminQueue(): QueuePair {
    return this.#made(this.#adminQueue);
  }

  /** Commands that one I/O command may move. */
  get transferBytesMax(): number {
    return Math.min(this.identity.transferBytesMax ?? Number.POSITIVE_INFINITY, this.options.commandBytesMax);
  }

  /**
   * From any state to working I/O queues.
   * @throws {NvmeError} NVME_UNSUPPORTED, NVME_GONE, NVME_TIMEOUT, NVME_FATAL, NVME_COMMAND, NVME_NO_QUEUES
   */
  *start(): Task<void> {
    const { fn, options, label, anomalies } = this;
    fn.enable({ memory: true, busMaster: true });
    const registers = fn.bar(0);
    if (registers === undefined) {
      throw new NvmeError('NVME_UNSUPPORTED', {
        message: `${label} has no BAR 0, where its properties are`,
        hint: 'was the BAR given an address?',
        exitStatus: 3,
      });
    }
    this.#registers = registers;
    const capabilities = yield* readCapabilities(registers, label, anomalies);
    this.#capabilities = capabilities;
    if (!(yield* this.halt())) {
      throw new NvmeError('NVME_TIMEOUT', {
        message: `${label} does not stop when CC.EN is cleared, nor after a reset of the function`,
        hint: 'a power cycle may help',
        exitStatus: 3,
      });
    }
    const mps = Math.min(capabilities.mpsmax, Math.max(capabilities.mpsmin, (options.pageShift ?? 12) - 12));
    const place = { registers, bar: (index: number) => fn.bar(index), label, anomalies };
    this.cmb = options.cmb ? yield* enableCmb(place, capabilities.hasCmbControl) : null;
    this.pmr = options.pmr && capabilities.hasPmr ? yield* enablePmr(place, this.executor) : null;
    this.#enableInterrupts();
    this.#makeAdminQueue(memoryPageBytes(mps));
    yield* this.#enable(registers, capabilities, mps);
    this.adminQueue.isOpen = true;
    const bytes = yield* this.admin.identify(CNS.CONTROLLER);
    this.#identity = controllerIdentity(bytes, capabilities.mpsmin, label, anomalies);
    const additions = yield* this.admin.identifyIfThere(CNS.COMMAND_SET_CONTROLLER, 0, COMMAND_SET.NVM);
    this.limits = additions === null ? NO_COMMAND_LIMITS : commandLimits(additions, capabilities.mpsmin);
    yield* setHostFeatures(this);
    const { queues, cmb } = yield* this.#ioQueues.create();
    this.queues = queues;
    this.cmb = cmb;
    yield* this.#ioQueues.configureShadow(queues);
    // Tasks that had to wait while the queues were closed.
    this.runner.onRoom(this.adminQueue);
    for (const queue of this.queues) {
      this.runner.onRoom(queue);
    }
  }

  /**
   * Stops the controller; afterwards it does no DMA and has forgotten its queues. Falls back on a reset of the function.
   * @returns false when it would not stop; bus mastering is off then
   * @throws {NvmeError} NVME_GONE
   */
  *halt(): Task<boolean> {
    const { fn, executor, label } = this;
    const timeoutMs = this.capabilities.readyTimeoutMs;
    if (yield* disableController(this.registers, executor, label, timeoutMs)) {
      return true;
    }
    const isBack = yield* fn.reset();
    this.#hasInterrupts = false;
    fn.interrupts.disable();
    fn.enable({ memory: true, busMaster: true });
    if (isBack && (yield* disableController(this.registers, executor, label, timeoutMs))) {
      return true;
    }
    fn.enable({ memory: true, busMaster: false });
    return false;
  }

  /** A normal shutdown: caches are written back. @returns false when it took too long */
  *shutDown(): Task<boolean> {
    const cc = new DataView(new ArrayBuffer(0x20));
    this.#writeConfiguration(cc, this.capabilities, this.#mps(), SHUTDOWN_NOTIFICATION.NORMAL);
    this.registers.write32(CC.offset, CC.value(cc));
    const announced = Math.ceil(this.identity.shutdownUs / 1000);
    return yield* awaitStatus(
      this.registers,
      this.executor,
      this.label,
      Math.max(announced, SHUTDOWN_MS),
      (status) => CSTS.SHST.of(status) === SHUTDOWN_STATUS.COMPLETE,
    );
  }

  /** Takes completions that are there, on all queues. */
  drain(): void {
    this.#adminQueue?.process();
    for (const queue of this.queues) {
      queue.process();
    }
  }

  /** Every command under way is lost. The controller is halted, gone, or off the bus. */
  lose(loss: Loss): void {
    for (const queue of this.#ioQueues.all) {
      queue.reset(loss);
    }
    this.#adminQueue?.reset(loss);
  }

  /** No command of a task goes out any more; those that wait for room end. */
  endTasks(loss: Loss): void {
    this.#runner?.close(loss);
  }

  /** Gives everything back. Nothing is under way and the controller does not use its queues. */
  release(): void {
    this.fn.interrupts.disable();
    this.#hasInterrupts = false;
    this.#ioQueues.release();
    this.queues = [];
    this.#adminQueue?.close();
    this.#lists?.close();
    this.fn.enable({ memory: true, busMaster: false });
  }

  #made<Thing>(thing: Thing | undefined): Thing {
    if (thing === undefined) {
      throw new NvmeError('NVME_CLOSED', {
        message: `${this.label} has not been brought up`,
        hint: 'start it first',
        exitStatus: 3,
      });
    }
    return thing;
  }

  #mps(): number {
    return Math.round(Math.log2(this.lists.pageBytes)) - 12;
  }

  #enableInterrupts(): void {
    if (this.#hasInterrupts) {
      return;
    }
    this.#vectorCount =
      this.options.completion === 'poll'
        ? 0
        : this.fn.interrupts.enable(1 + this.options.queueCount, (vector) => this.#onInterrupt(vector));
    this.#hasInterrupts = this.#vectorCount > 0;
    this.isPolling = this.#vectorCount === 0;
  }

  /** Vector 0 is the admin queue's; I/O queues share the others, or all share the only one. */
  #vectorOf(queueId: number): number {
    return this.#vectorCount > 1 && queueId > 0 ? 1 + ((queueId - 1) % (this.#vectorCount - 1)) : 0;
  }

  #onInterrupt(vector: number): void {
    if (vector === 0) {
      this.#adminQueue?.process();
    }
    if (vector > 0 || this.#vectorCount === 1) {
      const step = Math.max(1, this.#vectorCount - 1);
      for (let i = Math.max(0, vector - 1); i < this.queues.length; i += step) {
        this.queues[i]!.process();
      }
    }
  }

  #makeAdminQueue(pageBytes: number): void {
    if (this.#adminQueue !== undefined) {
      return;
    }
    const { dma } = this.fn;
    this.#lists = new ListPool(dma, pageBytes, Math.floor(LIST_BYTES_MAX / pageBytes));
    this.#runner = new CommandRunner(dma, this.#lists);
    this.#adminQueue = this.#makeQueue(0, ADMIN_ENTRIES, this.options.adminTimeoutPs);
    this.#admin = new AdminCommands(this.#runner, this.#adminQueue, this.label);
  }

  #makeQueue(id: number, entries: number, timeoutPs: number): QueuePair {
    const { dma } = this.fn;
    const page = this.lists.pageBytes;
    const roundUp = (bytes: number): number => Math.ceil(bytes / page) * page;
    const sqMemory = dma.allocCoherent(roundUp(entries * SQE_BYTES), page);
    let cqMemory: CoherentMemory;
    try {
      cqMemory = dma.allocCoherent(roundUp(entries * CQE_BYTES), page);
    } catch (error) {
      sqMemory.free();
      throw error;
    }
    return new QueuePair({
      id,
      entries,
      executor: this.executor,
      registers: this.registers,
      dstrd: this.capabilities.dstrd,
      sqMemory,
      cqMemory,
      lists: this.lists,
      anomalies: this.anomalies,
      supervisor: this.#supervisor,
      timeoutPs,
      pollPs: this.isPolling ? this.options.pollPs : null,
    });
  }

  *#enable(registers: BarWindow, capabilities: Capabilities, mps: number): Task<void> {
    const view = new DataView(new ArrayBuffer(0x40));
    AQA.ASQS.write(view, ADMIN_ENTRIES - 1);
    AQA.ACQS.write(view, ADMIN_ENTRIES - 1);
    registers.write32(AQA.offset, AQA.value(view));
    writeAddress(registers, ASQ.offset, this.adminQueue.sqAddress);
    writeAddress(registers, ACQ.offset, this.adminQueue.cqAddress);
    this.#writeConfiguration(view, capabilities, mps, SHUTDOWN_NOTIFICATION.NONE);
    registers.write32(CC.offset, CC.value(view));
    let isFatal = false;
    const isReady = yield* awaitStatus(
      registers,
      this.executor,
      this.label,
      capabilities.readyTimeoutMs,
      (status) => {
        isFatal = CSTS.CFS.of(status) === 1;
        return isFatal || CSTS.RDY.of(status) === 1;
      },
    );
    if (isFatal) {
      throw new NvmeError('NVME_FATAL', {
        message: `${this.label} reports a fatal status (CSTS.CFS) while it is enabled`,
        hint: 'reset or power cycle it',
        exitStatus: 3,
      });
    }
    if (!isReady) {
      throw new NvmeError('NVME_TIMEOUT', {
        message: `${this.label} was not ready ${capabilities.readyTimeoutMs} ms after it was enabled`,
        hint: 'reset or power cycle it',
        exitStatus: 3,
      });
    }
  }

  #writeConfiguration(view: DataView, capabilities: Capabilities, mps: number, notification: number): void {
    const isWeighted = this.options.arbitration === 'weighted' && capabilities.canWeigh;
    CC.EN.write(view, 1);
    CC.CSS.write(view, capabilities.commandSet);
    CC.MPS.write(view, mps);
    CC.AMS.write(view, isWeighted ? ARBITRATION.WEIGHTED_ROUND_ROBIN_URGENT : ARBITRATION.ROUND_ROBIN);
    CC.SHN.write(view, notification);
    CC.IOSQES.write(view, Math.log2(SQE_BYTES));
    CC.IOCQES.write(view, Math.log2(CQE_BYTES));
  }
}
