/**
 * The lower half of a controller: registers, queues, interrupts, and how it is started and stopped.
 *
 * `start` brings it from any state to working queues and may be called again after `halt`; the queues, their memory and
 * those who wait on them stay. What to do when something fails is the upper half's (`controller.ts`). Follows NVM Express
 * Base 2.1, section 3.5.1 (initialisation of memory-based controllers), and `nvme-cmb` order of section 8.2.1.
 */
import type { BarWindow, CoherentMemory, Executor, PciFunction, Task } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import {
  ACQ,
  ADMIN_OPCODE,
  AQA,
  ARBITRATION,
  ASQ,
  CC,
  CNS,
  COMMAND_SET,
  CQE_BYTES,
  CSTS,
  doorbellBytes,
  FEATURE,
  HBS_ACRE,
  HBS_CDFE,
  HBS_LBAFEE,
  HOST_BEHAVIOR_SUPPORT,
  INTERRUPT_COALESCING_FEATURE,
  memoryPageBytes,
  NUMBER_OF_QUEUES_FEATURE,
  PRP1,
  PRP2,
  QUEUE_PRIORITY,
  SHUTDOWN_NOTIFICATION,
  SHUTDOWN_STATUS,
  SQE_BYTES,
  setUnsigned,
  TIMESTAMP,
  TIMESTAMP_VALUE,
} from '../../spec/nvme/index.ts';
import { AdminCommands } from './admin-commands.ts';
import { AnomalyLog } from './anomalies.ts';
import { type CommandResult, checkResult, statusText } from './command-result.ts';
import { Command, CommandRunner } from './command-runner.ts';
import { type ControllerMemory, enableCmb, enablePmr, placeQueues } from './controller-memory.ts';
import {
  type CommandLimits,
  type ControllerIdentity,
  commandLimits,
  controllerIdentity,
  NO_COMMAND_LIMITS,
} from './identify.ts';
import { ListPool, wordsOf } from './list-pool.ts';
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

interface ShadowMemory {
  readonly values: CoherentMemory;
  readonly eventIndexes: CoherentMemory;
}

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
  /** All I/O queues that were ever made; `queues` are those in use. */
  readonly #ioQueues: QueuePair[] = [];
  #shadow: ShadowMemory | undefined;
  #vectorCount = 0;
  #hasInterrupts = false;

  constructor(fn: PciFunction, options: ResolvedOptions, supervisor: Supervisor) {
    this.fn = fn;
    this.executor = fn.executor;
    this.options = options;
    this.#supervisor = supervisor;
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
    this.#makeAdminQueue(registers, capabilities, memoryPageBytes(mps));
    yield* this.#enable(registers, capabilities, mps);
    this.adminQueue.isOpen = true;
    const bytes = yield* this.admin.identify(CNS.CONTROLLER);
    this.#identity = controllerIdentity(bytes, capabilities.mpsmin, label, anomalies);
    const additions = yield* this.admin.identifyIfThere(CNS.COMMAND_SET_CONTROLLER, 0, COMMAND_SET.NVM);
    this.limits = additions === null ? NO_COMMAND_LIMITS : commandLimits(additions, capabilities.mpsmin);
    yield* this.#setFeatures();
    yield* this.#makeQueues();
    yield* this.#configureShadow();
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
    for (const queue of this.#ioQueues) {
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
    for (const queue of this.#ioQueues.splice(0)) {
      queue.close();
    }
    this.queues = [];
    this.#adminQueue?.close();
    this.#lists?.close();
    this.#shadow?.values.free();
    this.#shadow?.eventIndexes.free();
    this.#shadow = undefined;
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

  #makeAdminQueue(registers: BarWindow, capabilities: Capabilities, pageBytes: number): void {
    if (this.#adminQueue !== undefined) {
      return;
    }
    const { dma } = this.fn;
    this.#lists = new ListPool(dma, pageBytes, Math.floor(LIST_BYTES_MAX / pageBytes));
    this.#runner = new CommandRunner(dma, this.#lists);
    this.#adminQueue = this.#makeQueue(
      0,
      ADMIN_ENTRIES,
      registers,
      capabilities,
      this.options.adminTimeoutPs,
    );
    this.#admin = new AdminCommands(this.#runner, this.#adminQueue, this.label);
  }

  #makeQueue(
    id: number,
    entries: number,
    registers: BarWindow,
    capabilities: Capabilities,
    timeoutPs: number,
  ): QueuePair {
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
      registers,
      dstrd: capabilities.dstrd,
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

  /** What the host wants the controller to know or do. None of it is essential. */
  *#setFeatures(): Task<void> {
    const { identity, options, admin } = this;
    const crossNamespace = identity.copyFormats & 0b1100;
    const hasDelays = identity.retryDelaysMs.some((delay) => delay > 0);
    if (crossNamespace !== 0 || identity.hasExtendedFormats || hasDelays) {
      const data = new Uint8Array(HOST_BEHAVIOR_SUPPORT.sizeBytes);
      const view = new DataView(data.buffer);
      HBS_ACRE.ACRE.write(view, 1);
      HBS_LBAFEE.LBAFEE.write(view, identity.hasExtendedFormats ? 1 : 0);
      HBS_CDFE.setValue(view, crossNamespace);
      this.#optional(
        yield* admin.trySetFeature(FEATURE.HOST_BEHAVIOR_SUPPORT, 0, { data }),
        'host behaviour',
      );
    }
    if (identity.hasTimestamp && options.timestampMs !== undefined) {
      const data = new Uint8Array(TIMESTAMP.sizeBytes);
      setUnsigned(TIMESTAMP_VALUE, new DataView(data.buffer), Math.max(0, Math.floor(options.timestampMs)));
      this.#optional(yield* admin.trySetFeature(FEATURE.TIMESTAMP, 0, { data }), 'the timestamp');
    }
    if (identity.hasVolatileWriteCache && options.volatileWriteCache !== undefined) {
      const enable = options.volatileWriteCache ? 1 : 0;
      this.#optional(yield* admin.trySetFeature(FEATURE.VOLATILE_WRITE_CACHE, enable), 'the write cache');
    }
    if (options.coalescing !== undefined && !this.isPolling) {
      const view = new DataView(new ArrayBuffer(SQE_BYTES));
      INTERRUPT_COALESCING_FEATURE.THR.write(view, Math.max(0, options.coalescing.threshold - 1));
      INTERRUPT_COALESCING_FEATURE.TIME.write(view, options.coalescing.time100us);
      const value = INTERRUPT_COALESCING_FEATURE.value(view);
      this.#optional(yield* admin.trySetFeature(FEATURE.INTERRUPT_COALESCING, value), 'interrupt coalescing');
    }
  }

  #optional(result: CommandResult, what: string): void {
    if (result.loss !== null) {
      checkResult(result, this.label, `setting ${what}`);
    }
    if (result.status !== 0) {
      this.anomalies.record(
        'command-refused',
        `${this.label} does not take ${what}: ${statusText(result.status)}`,
      );
    }
  }

  *#makeQueues(): Task<void> {
    const { options, capabilities } = this;
    const wanted = Math.min(options.queueCount, capabilities.queuePairsMax - 1);
    this.queues = [];
    if (wanted === 0) {
      if (options.queueCount > 0) {
        throw this.#noQueues('BAR 0 has no doorbells for an I/O queue');
      }
      return;
    }
    const view = new DataView(new ArrayBuffer(SQE_BYTES));
    NUMBER_OF_QUEUES_FEATURE.NSQR.write(view, wanted - 1);
    NUMBER_OF_QUEUES_FEATURE.NCQR.write(view, wanted - 1);
    const value = NUMBER_OF_QUEUES_FEATURE.value(view);
    const result = yield* this.admin.trySetFeature(FEATURE.NUMBER_OF_QUEUES, value);
    if (result.loss !== null || result.status !== 0) {
      checkResult({ ...result, status: 0 }, this.label, 'asking for queues');
      throw this.#noQueues(statusText(result.status));
    }
    const granted = Math.min(
      wanted,
      NUMBER_OF_QUEUES_FEATURE.NSQR.of(result.dw0) + 1,
      NUMBER_OF_QUEUES_FEATURE.NCQR.of(result.dw0) + 1,
    );
    const entries = this.#placeQueues(granted);
    const queues: QueuePair[] = [];
    for (let id = 1; id <= granted; id++) {
      let queue = this.#ioQueues[id - 1];
      if (queue === undefined) {
        queue = this.#makeQueue(id, entries, this.registers, capabilities, options.timeoutPs);
        this.#ioQueues.push(queue);
      }
      this.#placeQueue(queue, granted);
      const vector = this.isPolling ? null : this.#vectorOf(id);
      const priority = options.queuePriorities[id - 1] ?? QUEUE_PRIORITY.MEDIUM;
      const created = yield* this.admin.createQueues(
        queue,
        vector,
        options.arbitration === 'weighted' && capabilities.canWeigh ? priority : 0,
      );
      if (created.loss !== null) {
        checkResult(created, this.label, `creating queue ${id}`);
      }
      if (created.status !== 0) {
        const why = `queue ${id} was refused: ${statusText(created.status)}`;
        if (id === 1) {
          throw this.#noQueues(why);
        }
        this.anomalies.record('command-refused', `${this.label}: ${why}; going on with ${id - 1}`);
        break;
      }
      queues.push(queue);
    }
    for (const queue of queues) {
      queue.isOpen = true;
    }
    this.queues = queues;
  }

  /** Entries of each I/O queue, shortened where they have to fit the CMB; the memory for data starts behind them. */
  #placeQueues(count: number): number {
    const { options, capabilities, cmb } = this;
    const entries = Math.min(options.queueDepth + 1, capabilities.queueEntriesMax);
    // Queues that exist keep their length.
    const wanted = this.#ioQueues[0]?.entries ?? Math.max(2, entries);
    if (!options.queuesInCmb || cmb === null || !cmb.takesQueues) {
      return wanted;
    }
    const placement = placeQueues(cmb.regionSizeBytes, count, wanted, SQE_BYTES, this.lists.pageBytes);
    if (placement === null || (this.#ioQueues.length > 0 && placement.entries !== wanted)) {
      this.anomalies.record('controller-memory', `${this.label}: the CMB is too small for submission queues`);
      return wanted;
    }
    this.cmb = {
      ...cmb,
      offsetBytes: cmb.regionOffsetBytes + placement.totalBytes,
      sizeBytes: cmb.regionSizeBytes - placement.totalBytes,
    };
    return placement.entries;
  }

  #placeQueue(queue: QueuePair, count: number): void {
    const cmb = this.cmb;
    const taken = cmb === null ? 0 : cmb.offsetBytes - cmb.regionOffsetBytes;
    const window = cmb === null ? undefined : this.fn.bar(cmb.bar);
    queue.place(
      cmb === null || taken === 0 || window === undefined
        ? null
        : { window, offsetBytes: cmb.regionOffsetBytes + (taken / count) * (queue.id - 1) },
    );
  }

  #noQueues(why: string): NvmeError {
    return new NvmeError('NVME_NO_QUEUES', {
      message: `${this.label} gives no I/O queue: ${why}`,
      hint: 'other users of the controller may hold them; ask for 0 queues to send admin commands only',
      exitStatus: 3,
    });
  }

  *#configureShadow(): Task<void> {
    const { options, capabilities, identity } = this;
    const page = this.lists.pageBytes;
    const fits = doorbellBytes(this.queues.length + 1, capabilities.dstrd) <= page;
    if (!options.shadowDoorbells || !identity.hasDoorbellBuffer || !fits || this.queues.length === 0) {
      return;
    }
    // Entries in controller memory are posted writes: a controller that sees the tail in host memory could fetch before
    // they have arrived. A doorbell register is behind them on the bus, a shadow is not.
    if (this.queues.some((queue) => queue.isInControllerMemory)) {
      return;
    }
    const { dma } = this.fn;
    this.#shadow ??= {
      values: dma.allocCoherent(page, page),
      eventIndexes: dma.allocCoherent(page, page),
    };
    const { values, eventIndexes } = this.#shadow;
    values.bytes.fill(0);
    eventIndexes.bytes.fill(0);
    const command = new Command(ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG);
    PRP1.setValue(command.view, values.addr);
    PRP2.setValue(command.view, eventIndexes.addr);
    const result = yield* this.admin.submit(command.bytes);
    this.#optional(result, 'shadow doorbells');
    if (result.status !== 0) {
      return;
    }
    const valueWords = wordsOf(values, 0, page);
    const eventWords = wordsOf(eventIndexes, 0, page);
    const stride = 1 << capabilities.dstrd;
    for (const queue of this.queues) {
      queue.shadow = {
        values: valueWords,
        eventIndexes: eventWords,
        tail: 2 * queue.id * stride,
        head: (2 * queue.id + 1) * stride,
      };
    }
  }
}
