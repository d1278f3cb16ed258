/**
 * An NVMe controller as the fabric sees it: one PCI function with registers, queues, namespaces and controller memory.
 *
 * This file is the resets and where the parts are put together: `life-cycle.ts` is the state machine of CC and CSTS, `queues/` fetch and complete,
 * `admin/` executes admin commands, `io/` the NVM command set, `data/` moves payload, `media/` remembers.
 *
 * Leaves out SR-IOV, boot partitions and command sets other than NVM. Follows NVM Express Base 2.1, sections 3.1, 3.5 and 3.7, and
 * NVMe over PCIe Transport 1.1.
 */
import { SeededRandom } from '../../base/index.ts';
import type {
  EndpointModel,
  EventHandler,
  FunctionDescription,
  FunctionPort,
  ResetKind,
  Status,
} from '../../fabric/index.ts';
import {
  ARBITRATION,
  ASYNC_EVENT,
  adminQueueAddress,
  adminQueueEntries,
  CAP,
  CC,
  CQE_BYTES,
  CSTS,
  DOORBELLS_OFFSET,
  ERROR_RECOVERY_FEATURE,
  FEATURE,
  INTMC,
  INTMS,
  memoryPageBytes,
  NSSD,
  NSSD_ABRUPT,
  NSSD_NORMAL,
  NSSR,
  NSSR_RESET,
  NVME_STATUS,
  SQE_BYTES,
} from '../../spec/nvme/index.ts';
import { AdminCommands } from './admin/admin-commands.ts';
import type { AdminHost } from './admin/admin-host.ts';
import { AsyncEvents } from './admin/async-events.ts';
import { ErrorLog } from './admin/error-log.ts';
import { Features } from './admin/features.ts';
import { FirmwareSlots } from './admin/firmware.ts';
import { SelfTest } from './admin/self-test.ts';
import { type BarLayout, layOut } from './bar-layout.ts';
import { type Command, CommandPool } from './command.ts';
import { ControllerMemory } from './controller-memory.ts';
import { DataEngine } from './data/index.ts';
import { FaultPlan } from './fault-plan.ts';
import { Health } from './health.ts';
import { HostSettings } from './host-settings.ts';
import { IoCommands } from './io/index.ts';
import { KeepAlive } from './keep-alive.ts';
import { type ControllerPhase, LifeCycle, type LifeHooks } from './life-cycle.ts';
import type { Namespace } from './media/index.ts';
import { type NvmeOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { PropertyFile } from './property-file.ts';
import type { CommandListener } from './queues/command-listener.ts';
import type { IoExecutor } from './queues/dispatcher.ts';
import { Interrupts } from './queues/interrupts.ts';
import { QueueEngine, type QueueListener } from './queues/queue-engine.ts';
import { QUEUE_CLASS } from './queues/submission-queue.ts';
import { TOKEN_QUEUES } from './queues/tokens.ts';
import {
  type CmbUse,
  type ControllerServices,
  IoCounters,
  type IoSettings,
  type LocalRange,
} from './services.ts';
import { NvmSubsystem, type SubsystemMember } from './subsystem.ts';
import { AdminDelay, MediaTiming, type MediaUtilisation } from './timing/index.ts';

/** What a controller is put together with, beside its options. */
export interface NvmeParts {
  /** Shared with other controllers; default: one of its own. */
  readonly subsystem?: NvmSubsystem;
  readonly faults?: FaultPlan;
  /** Executes I/O commands; default: the NVM command set of io/. */
  readonly makeIo?: (services: ControllerServices, data: DataEngine) => IoExecutor;
  /** Puts an executor of further commands before it. */
  readonly extendIo?: (inner: IoExecutor, services: ControllerServices) => IoExecutor;
}

export class NvmeController
  implements
    EndpointModel,
    EventHandler,
    QueueListener,
    LifeHooks,
    SubsystemMember,
    AdminHost,
    ControllerServices
{
  readonly name: string;
  readonly options: ResolvedOptions;
  readonly description: FunctionDescription;
  readonly controllerId: number;
  readonly subsystem: NvmSubsystem;
  readonly faults: FaultPlan;
  readonly health = new Health();
  readonly errors = new ErrorLog();
  readonly counters = new IoCounters();
  readonly changedNamespaces = new Set<number>();
  readonly settings: IoSettings;

  port!: FunctionPort;
  engine!: QueueEngine;
  interrupts!: Interrupts;
  features!: Features;
  data!: DataEngine;
  readonly events: AsyncEvents;
  readonly firmware: FirmwareSlots;
  readonly selfTest: SelfTest;
  readonly memory: ControllerMemory;
  readonly admin: AdminCommands;
  readonly media: MediaTiming | null;
  pageBytes = 4096;

  readonly #layout: BarLayout;
  readonly #file: PropertyFile;
  readonly #life: LifeCycle;
  /** The 4 KiB that the host reads. */
  readonly properties: DataView;
  readonly #pool: CommandPool;
  readonly #makeIo: NvmeParts['makeIo'];
  readonly #extendIo: NvmeParts['extendIo'];
  #io: IoExecutor | undefined;
  /** Null where admin commands cost nothing. */
  #adminDelay: AdminDelay | null = null;
  readonly #keepAlive: KeepAlive;
  #poweredPs = 0;

  /** @throws {DeviceError} DEVICE_OPTIONS */
  constructor(options: NvmeOptions = {}, parts: NvmeParts = {}) {
    this.options = resolveOptions(options);
    this.name = this.options.name;
    this.subsystem = parts.subsystem ?? new NvmSubsystem({ seed: this.options.seed });
    this.faults = parts.faults ?? new FaultPlan(this.options.seed);
    this.#makeIo = parts.makeIo;
    this.#extendIo = parts.extendIo;
    this.#layout = layOut(this.options);
    this.description = this.#layout.description;
    this.#file = new PropertyFile(this.options);
    this.properties = this.#file.view;
    this.#life = new LifeCycle(this.properties, this);
    this.#pool = new CommandPool(this.options.commandSlots);
    const { timing, commandSlots } = this.options;
    this.media = timing === null ? null : new MediaTiming(timing, commandSlots);
    this.memory = new ControllerMemory(this.options, this.#layout, this.properties);
    this.events = new AsyncEvents((command) => this.engine.complete(command));
    this.firmware = new FirmwareSlots(this, this.options.firmware);
    this.selfTest = new SelfTest(this);
    this.admin = new AdminCommands(this);
    this.settings = {
      isWriteCacheOn: this.options.volatileWriteCache,
      copyFormatsAllowed: 0,
      hasExtendedFormats: false,
      isAtomicityOff: false,
      hasDeallocatedError: (nsid) =>
        ERROR_RECOVERY_FEATURE.DULBE.of(this.features.value(FEATURE.ERROR_RECOVERY, nsid)) === 1,
    };
    this.#keepAlive = new KeepAlive(() => this.#onHostLost());
    this.controllerId = this.subsystem.nextControllerId();
    this.subsystem.join(this, this.options);
    this.#file.reset();
    this.memory.initialise();
  }

  /** What the state machine is in, for people and tests. */
  get phase(): ControllerPhase {
    return this.#life.phase;
  }

  get executor(): FunctionPort['executor'] {
    return this.port.executor;
  }

  get services(): ControllerServices {
    return this;
  }

  get cmbUse(): CmbUse {
    return this.memory.use;
  }

  get revision(): string {
    return this.firmware.revision;
  }

  get isWeighted(): boolean {
    return CC.AMS.read(this.properties) === ARBITRATION.WEIGHTED_ROUND_ROBIN_URGENT;
  }

  get poweredMs(): number {
    return Math.floor((this.executor.nowPs - this.#poweredPs) / 1e9);
  }

  /** How busy media and controller have been since `resetMediaCounts`; null for a drive without timing. */
  mediaUtilisation(): MediaUtilisation | null {
    return this.media?.utilisation(this.executor.nowPs) ?? null;
  }

  /** Counts `mediaUtilisation` from now on. */
  resetMediaCounts(): void {
    this.media?.resetCounts(this.executor.nowPs);
  }

  /** Hears of commands, for traces. Set once the controller is plugged in. */
  set commandListener(listener: CommandListener | null) {
    this.engine.commandListener = listener;
  }

  /** State for people and for saving: plain values only. */
  snapshot(): Record<string, unknown> {
    const queue = (
      one: { readonly id: number; readonly entries: number; head: number; tail: number } | null,
    ) => (one === null ? [] : [{ id: one.id, entries: one.entries, head: one.head, tail: one.tail }]);
    return {
      name: this.name,
      phase: this.phase,
      cc: CC.value(this.properties),
      csts: CSTS.value(this.properties),
      submissionQueues: this.engine?.submissions.flatMap(queue) ?? [],
      completionQueues: this.engine?.completions.flatMap(queue) ?? [],
      commandsInWork: this.#pool.busyCount,
      eventRequests: this.events.requestCount,
      counts: { ...this.engine?.counts },
      counters: { ...this.counters },
      errors: this.errors.count,
      namespaces: this.subsystem
        .entries()
        .filter((entry) => entry.attached.has(this.controllerId))
        .map((entry) => entry.namespace.nsid),
    };
  }

  // --- EndpointModel -------------------------------------------------------------------------------------------

  attach(port: FunctionPort): void {
    this.port = port;
    this.#keepAlive.attach(port.executor);
    this.#life.attach(port.executor);
    this.#poweredPs = port.executor.nowPs;
    this.memory.attach(port);
    this.memory.updateAddresses();
    const vectors = Math.max(1, this.options.vectorCount, this.options.msiVectorCount);
    this.interrupts = new Interrupts(port, vectors, () => this.#completionQueues());
    this.data = new DataEngine(this, this.#pool.slots);
    const io = this.#makeIo?.(this, this.data) ?? new IoCommands(this, this.data, this.#pool.slots);
    this.#io = this.#extendIo?.(io, this) ?? io;
    const adminPs = this.media?.timing.adminPs ?? 0;
    this.#adminDelay =
      adminPs === 0
        ? null
        : new AdminDelay(this.admin, port.executor, adminPs, this.#pool.slots, (one) => this.complete(one));
    this.engine = new QueueEngine({
      port,
      pool: this.#pool,
      interrupts: this.interrupts,
      faults: this.faults,
      admin: this.#adminDelay ?? this.admin,
      io: this.#io,
      listener: this,
      pairCount: this.options.queueCount + 1,
      doorbellStrideBytes: 4 << this.options.doorbellStride,
    });
    this.features = new Features(this, new HostSettings(this, this.settings, this.#keepAlive));
    this.features.reset(true);
  }

  detach(): void {
    this.#forgetEverything();
  }

  reset(kind: ResetKind): void {
    // Before it was plugged in there is nothing to forget.
    if (this.port !== undefined) {
      this.#resetFunction(kind === 'power');
    }
  }

  readRegister(bar: number, offsetBytes: number, lengthBytes: number): number {
    return bar === 0 ? this.#file.read(offsetBytes, lengthBytes) : 0;
  }

  writeRegister(bar: number, offsetBytes: number, lengthBytes: number, value: number): void {
    if (bar !== 0) {
      return;
    }
    if (offsetBytes >= DOORBELLS_OFFSET) {
      this.#ring(offsetBytes - DOORBELLS_OFFSET, value);
    } else if (lengthBytes === 4) {
      // Narrower stores to properties are not allowed by the specification and do nothing here.
      this.#writeProperty(offsetBytes, value >>> 0);
    }
  }

  onDma(token: number, status: Status): void {
    if (token < TOKEN_QUEUES) {
      this.data.onDma(token, status);
    } else {
      this.engine.onDma(token, status);
    }
  }

  onConfigChange(): void {
    this.memory.updateAddresses();
    this.interrupts.updatePin();
  }

  // --- ControllerServices and AdminHost ------------------------------------------------------------------------

  localAddress(addr: number, lengthBytes: number): LocalRange | null | 'invalid' {
    return this.memory.localAddress(addr, lengthBytes);
  }

  namespace(nsid: number): Namespace | undefined {
    return this.subsystem.attachedNamespace(nsid, this.controllerId);
  }

  *activeNamespaces(): Iterable<Namespace> {
    for (const entry of this.subsystem.entries()) {
      if (entry.attached.has(this.controllerId)) {
        yield entry.namespace;
      }
    }
  }

  isAllocated(nsid: number): boolean {
    return this.subsystem.entry(nsid) !== undefined;
  }

  complete(command: Command): void {
    this.engine.complete(command);
  }

  takeData(command: Command, lengthBytes: number): Status {
    return this.admin.takeData(command, lengthBytes);
  }

  retryLater(command: Command): Status {
    return this.admin.retryLater(command);
  }

  keepAlive(): void {
    this.#keepAlive.restart();
  }

  /** Tells the host of warnings that a lab has caused through `health`. */
  checkHealth(): void {
    this.health.check(this.events.configuration, (event) => this.events.report(event));
  }

  // --- QueueListener -------------------------------------------------------------------------------------------

  onInvalidDoorbell(isValue: boolean): void {
    this.errors.addOther(NVME_STATUS.INVALID_FIELD);
    this.events.report(isValue ? ASYNC_EVENT.INVALID_DOORBELL_VALUE : ASYNC_EVENT.INVALID_DOORBELL_REGISTER);
  }

  onFatal(): void {
    this.#life.fail();
  }

  onFailed(command: Command): void {
    this.errors.addCommand(command);
    command.more = true;
  }

  onQuieter(): void {
    this.#life.onQuieter();
  }

  // --- SubsystemMember -----------------------------------------------------------------------------------------

  onNamespacesChanged(nsids: readonly number[], by: number): void {
    for (const nsid of nsids) {
      this.changedNamespaces.add(nsid);
    }
    // Who changed it knows.
    if (by !== this.controllerId) {
      this.events.report(ASYNC_EVENT.NAMESPACE_ATTRIBUTE_CHANGED);
    }
  }

  onSubsystemReset(): void {
    this.#resetFunction(false);
    CSTS.NSSRO.write(this.properties, 1);
  }

  updateIoGate(): void {
    if (this.engine !== undefined) {
      this.engine.ioGate = this.subsystem.ioGateOf(this.controllerId);
    }
  }

  onAnaChanged(): void {
    this.updateIoGate();
    this.events.report(ASYNC_EVENT.ANA_CHANGE);
  }

  onSanitized(): void {
    this.events.report(ASYNC_EVENT.SANITIZE_COMPLETED);
  }

  isIdle(nsid: number): boolean {
    return this.#io?.isIdle?.(nsid) ?? true;
  }

  // --- LifeHooks -----------------------------------------------------------------------------------------------

  get isQuiet(): boolean {
    return this.engine.isQuiet;
  }

  open(): boolean {
    this.pageBytes = memoryPageBytes(CC.MPS.read(this.properties));
    this.memory.updateAddresses();
    const completions = this.#adminQueue('cq', CQE_BYTES);
    const submissions = this.#adminQueue('sq', SQE_BYTES);
    if (completions === null || submissions === null) {
      return false;
    }
    this.engine.addCompletion(0, completions.entries, completions.place, 0, true);
    const [queue] = this.engine.completions;
    this.engine.addSubmission(0, submissions.entries, submissions.place, queue!, QUEUE_CLASS.ADMIN);
    this.engine.start();
    return true;
  }

  halt(): void {
    this.engine.halt();
  }

  stopWork(): void {
    this.engine.stop();
    this.events.reset();
    this.#keepAlive.stop();
  }

  flush(): void {
    for (const namespace of this.activeNamespaces()) {
      namespace.flush();
    }
  }

  resetInside(): void {
    this.engine.clear();
    this.#resetAdmin();
    this.interrupts.reset();
    this.#resetInternal(false);
  }

  // --- EventHandler --------------------------------------------------------------------------------------------

  /** NSSR was written. */
  onEvent(): void {
    this.subsystem.reset();
  }

  #onHostLost(): void {
    this.errors.addOther(NVME_STATUS.KEEP_ALIVE_EXPIRED);
    this.engine.stop();
    this.onFatal();
  }

  #ring(offset: number, value: number): void {
    if (this.phase !== 'ready') {
      return;
    }
    const strideBytes = 4 << this.options.doorbellStride;
    const index = offset / strideBytes;
    if (!Number.isInteger(index)) {
      this.onInvalidDoorbell(false);
    } else if (index % 2 === 0) {
      this.engine.ringSubmission(index / 2, value & 0xffff);
    } else {
      this.engine.ringCompletion((index - 1) / 2, value & 0xffff);
    }
  }

  #writeProperty(offset: number, value: number): void {
    const view = this.properties;
    switch (offset) {
      case CC.offset:
        this.#life.configure(value);
        break;
      case INTMS.offset:
      case INTMC.offset:
        this.interrupts.writeMask(value, offset === INTMS.offset);
        view.setUint32(INTMS.offset, this.interrupts.mask, true);
        view.setUint32(INTMC.offset, this.interrupts.mask, true);
        break;
      case NSSR.offset:
        if (value === NSSR_RESET) {
          this.executor.after(0, this, 0, 0);
        }
        break;
      case NSSD.offset:
        if ((value === NSSD_NORMAL || value === NSSD_ABRUPT) && CAP.NSSS.read(view) === 1) {
          this.#life.shutDown();
        }
        break;
      default:
        if (!this.memory.write(offset, value)) {
          this.#file.write(offset, value);
        }
        break;
    }
  }

  /** An admin queue by AQA, ASQ and ACQ; null when it touches own memory in a way that is not allowed. */
  #adminQueue(kind: 'sq' | 'cq', entryBytes: number) {
    const entries = adminQueueEntries(kind, this.properties);
    const address = adminQueueAddress(kind, this.properties);
    const own = this.localAddress(address, entries * entryBytes);
    if (own === 'invalid') {
      return null;
    }
    return { entries, place: { address, memory: own?.memory ?? null, offset: own?.offset ?? 0 } };
  }

  /** FLR, hot reset, subsystem reset, power. */
  #resetFunction(isPower: boolean): void {
    const wasReady = this.phase === 'ready';
    this.#forgetEverything();
    if (isPower) {
      this.errors.clear();
      this.health.powerCycles++;
      this.health.unsafeShutdowns += wasReady ? 1 : 0;
      this.#layout.cmb?.range.memory.reset();
      this.media?.reset(this.executor.nowPs, true);
      const random = new SeededRandom(
        (this.options.seed ^ Math.imul(this.health.powerCycles, 0x9e37_79b1)) >>> 0,
      );
      for (const namespace of this.activeNamespaces()) {
        namespace.losePower(random);
      }
      this.#poweredPs = this.executor.nowPs;
    }
    this.#file.reset();
    this.memory.initialise();
    this.#resetInternal(isPower);
  }

  /** What every kind of reset does inside. */
  #resetInternal(isPower: boolean): void {
    this.selfTest.reset();
    this.firmware.reset();
    this.changedNamespaces.clear();
    this.health.forgetWarnings();
    this.health.underThresholdK = 0;
    this.settings.copyFormatsAllowed = 0;
    this.settings.hasExtendedFormats = false;
    this.features.reset(isPower);
    this.pageBytes = 4096;
    // A sanitize goes on, and what it forbids.
    this.updateIoGate();
  }

  /** Requests under way never end: drop all without waiting. */
  #forgetEverything(): void {
    this.#life.forget();
    this.#keepAlive.stop();
    this.engine.clear();
    this.events.forget();
    this.#resetAdmin();
    this.#io?.reset?.();
    this.media?.reset(this.executor.nowPs, false);
    this.data.reset();
    this.interrupts.reset();
  }

  #resetAdmin(): void {
    this.admin.reset();
    this.#adminDelay?.reset();
  }

  *#completionQueues() {
    for (const queue of this.engine.completions) {
      if (queue !== null) {
        yield queue;
      }
    }
  }
}
