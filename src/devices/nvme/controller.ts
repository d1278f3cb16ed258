/**
 * An NVMe controller as the fabric sees it: one PCI function with registers, queues, namespaces and controller memory.
 *
 * This file is the state machine of CC and CSTS, the resets, and where the parts are put together: `queues/` fetch and complete,
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
  ACQ,
  AQA,
  ARBITRATION,
  ASQ,
  ASYNC_EVENT,
  adminQueueAddress,
  adminQueueEntries,
  CAP,
  CC,
  COMMAND_SET_SELECTED,
  CQE_BYTES,
  CRTO,
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
  SHUTDOWN_STATUS,
  SQE_BYTES,
  VS,
} from '../../spec/nvme/index.ts';
import { AdminCommands } from './admin/admin-commands.ts';
import type { AdminHost } from './admin/admin-host.ts';
import { AsyncEvents } from './admin/async-events.ts';
import { ErrorLog } from './admin/error-log.ts';
import type { Features } from './admin/features.ts';
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
import type { Namespace } from './media/index.ts';
import { type NvmeOptions, type ResolvedOptions, resolveOptions, VERSION_VALUE } from './options.ts';
import { Interrupts } from './queues/interrupts.ts';
import { type IoExecutor, QueueEngine, type QueueListener } from './queues/queue-engine.ts';
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

const EVENT = { CONFIGURED: 0, READY: 1, QUIET: 2, SUBSYSTEM_RESET: 3 } as const;

/** CSTS.RDY may take that long, in units of 500 ms. */
const READY_TIMEOUT = 20;
/** CC.MPS up to pages of 64 KiB. */
const PAGE_ENCODING_MAX = 4;

export type ControllerPhase =
  /** CC.EN is 0. */
  | 'off'
  | 'starting'
  | 'ready'
  /** CC.EN went to 0 and work in progress has to end. */
  | 'stopping'
  /** CC.SHN was written; what was under way has to end. */
  | 'halting'
  | 'halted'
  /** CSTS.CFS: nothing but a reset helps. */
  | 'fatal';

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
    FeatureEffects,
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
  pageBytes = 4096;

  readonly #layout: BarLayout;
  readonly #bytes = new Uint8Array(DOORBELLS_OFFSET);
  readonly properties = new DataView(this.#bytes.buffer);
  readonly #pool: CommandPool;
  readonly #makeIo: NvmeParts['makeIo'];
  readonly #extendIo: NvmeParts['extendIo'];
  #io: IoExecutor | undefined;
  #phase: ControllerPhase = 'off';
  #isResetWanted = false;
  #isShutdownWanted = false;
  #isQuietAsked = false;
  /** Changes with every reset of the function: old events mean nothing. */
  #epoch = 0;
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
    this.#pool = new CommandPool(this.options.commandSlots);
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
    this.#resetProperties();
  }

  /** What the state machine is in, for people and tests. */
  get phase(): ControllerPhase {
    return this.#phase;
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

  /** State for people and for saving: plain values only. */
  snapshot(): Record<string, unknown> {
    const queue = (
      one: { readonly id: number; readonly entries: number; head: number; tail: number } | null,
    ) => (one === null ? [] : [{ id: one.id, entries: one.entries, head: one.head, tail: one.tail }]);
    return {
      name: this.name,
      phase: this.#phase,
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
    this.#poweredPs = port.executor.nowPs;
    this.memory.attach(port);
    this.memory.updateAddresses();
    const vectors = Math.max(1, this.options.vectorCount, this.options.msiVectorCount);
    this.interrupts = new Interrupts(port, vectors, () => this.#completionQueues());
    this.data = new DataEngine(this, this.#pool.slots);
    const io = this.#makeIo?.(this, this.data) ?? new IoCommands(this, this.data, this.#pool.slots);
    this.#io = this.#extendIo?.(io, this) ?? io;
    this.engine = new QueueEngine({
      port,
      pool: this.#pool,
      interrupts: this.interrupts,
      faults: this.faults,
      admin: this.admin,
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
    if (bar !== 0 || offsetBytes + lengthBytes > DOORBELLS_OFFSET) {
      return 0;
    }
    switch (lengthBytes) {
      case 1:
        return this.properties.getUint8(offsetBytes);
      case 2:
        return this.properties.getUint16(offsetBytes, true);
      default:
        return this.properties.getUint32(offsetBytes, true);
    }
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
    CSTS.CFS.write(this.properties, 1);
    if (this.#phase === 'ready' || this.#phase === 'starting') {
      this.#phase = 'fatal';
    }
    this.#askQuiet();
  }

  onFailed(command: Command): void {
    this.errors.addCommand(command);
    command.more = true;
  }

  onQuieter(): void {
    if (this.#phase === 'stopping' || this.#phase === 'halting') {
      this.#askQuiet();
    }
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

  // --- Events --------------------------------------------------------------------------------------------------

  onEvent(code: number, epoch: number): void {
    if (epoch !== this.#epoch) {
      return;
    }
    switch (code) {
      case EVENT.CONFIGURED:
        this.#onConfigured();
        break;
      case EVENT.READY:
        this.#onReady();
        break;
      case EVENT.QUIET:
        this.#isQuietAsked = false;
        this.#onQuiet();
        break;
      case EVENT.SUBSYSTEM_RESET:
        this.subsystem.reset();
        break;
      default:
        break;
    }
  }

  #onHostLost(): void {
    this.errors.addOther(NVME_STATUS.KEEP_ALIVE_EXPIRED);
    this.engine.stop();
    this.onFatal();
  }

  #ring(offset: number, value: number): void {
    if (this.#phase !== 'ready') {
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
        this.#writeConfiguration(value);
        break;
      case INTMS.offset:
      case INTMC.offset:
        this.interrupts.writeMask(value, offset === INTMS.offset);
        view.setUint32(INTMS.offset, this.interrupts.mask, true);
        view.setUint32(INTMC.offset, this.interrupts.mask, true);
        break;
      case CSTS.offset:
        if (CSTS.NSSRO.of(value) === 1) {
          CSTS.NSSRO.write(view, 0);
        }
        break;
      case NSSR.offset:
        if (value === NSSR_RESET) {
          this.executor.after(0, this, EVENT.SUBSYSTEM_RESET, this.#epoch);
        }
        break;
      case NSSD.offset:
        if ((value === NSSD_NORMAL || value === NSSD_ABRUPT) && CAP.NSSS.read(view) === 1) {
          this.#wantShutdown();
        }
        break;
      case AQA.offset:
        view.setUint32(offset, (value & 0x0fff_0fff) >>> 0, true);
        break;
      case ASQ.offset:
      case ACQ.offset:
        view.setUint32(offset, (value & 0xffff_f000) >>> 0, true);
        break;
      case ASQ.offset + 4:
      case ACQ.offset + 4:
        view.setUint32(offset, value, true);
        break;
      default:
        this.memory.write(offset, value);
        break;
    }
  }

  /** A store to CC is noted and acted upon in an event of its own, since it may come from inside a DMA request of ours. */
  #writeConfiguration(value: number): void {
    const view = this.properties;
    const wasOn = CC.EN.read(view) === 1;
    CC.setValue(view, (value & 0x01ff_fff1) >>> 0);
    if (wasOn && CC.EN.of(value) === 0) {
      this.#isResetWanted = true;
      this.engine.halt();
    }
    if (CC.SHN.of(value) !== 0 && CSTS.SHST.read(view) === SHUTDOWN_STATUS.NONE) {
      this.#wantShutdown();
    }
    this.executor.after(0, this, EVENT.CONFIGURED, this.#epoch);
  }

  #wantShutdown(): void {
    CSTS.SHST.write(this.properties, SHUTDOWN_STATUS.OCCURRING);
    this.#isShutdownWanted = true;
    this.executor.after(0, this, EVENT.CONFIGURED, this.#epoch);
  }

  #onConfigured(): void {
    if (this.#isShutdownWanted && this.#phase !== 'stopping') {
      this.#isShutdownWanted = false;
      this.#phase = 'halting';
      this.#stopWork();
    }
    if (this.#isResetWanted) {
      this.#isResetWanted = false;
      this.#isShutdownWanted = false;
      this.#phase = 'stopping';
      this.#stopWork();
    } else if (this.#phase === 'off' && CC.EN.read(this.properties) === 1) {
      this.#start();
    }
  }

  #start(): void {
    const view = this.properties;
    const selected = CC.CSS.read(view);
    const arbitration = CC.AMS.read(view);
    const hasAll = (CAP.CSS.read(view) & (1 << COMMAND_SET_SELECTED.ALL)) !== 0;
    const isPossible =
      CC.MPS.read(view) <= PAGE_ENCODING_MAX &&
      (selected === COMMAND_SET_SELECTED.NVM || (selected === COMMAND_SET_SELECTED.ALL && hasAll)) &&
      (arbitration === ARBITRATION.ROUND_ROBIN || arbitration === ARBITRATION.WEIGHTED_ROUND_ROBIN_URGENT) &&
      AQA.ASQS.read(view) > 0 &&
      AQA.ACQS.read(view) > 0;
    if (!isPossible) {
      this.#phase = 'fatal';
      CSTS.CFS.write(view, 1);
      return;
    }
    this.#phase = 'starting';
    this.executor.after(0, this, EVENT.READY, this.#epoch);
  }

  #onReady(): void {
    if (this.#phase !== 'starting') {
      return;
    }
    const view = this.properties;
    this.pageBytes = memoryPageBytes(CC.MPS.read(view));
    this.memory.updateAddresses();
    const completions = this.#adminQueue('cq', CQE_BYTES);
    const submissions = this.#adminQueue('sq', SQE_BYTES);
    if (completions === null || submissions === null) {
      this.#phase = 'fatal';
      CSTS.CFS.write(view, 1);
      return;
    }
    this.engine.addCompletion(0, completions.entries, completions.place, 0, true);
    this.engine.addSubmission(
      0,
      submissions.entries,
      submissions.place,
      this.engine.completions[0]!,
      QUEUE_CLASS.ADMIN,
    );
    this.engine.start();
    this.#phase = 'ready';
    CSTS.RDY.write(view, 1);
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

  /** Ends all work; `#onQuiet` comes when nothing is under way any more. */
  #stopWork(): void {
    this.engine.stop();
    this.events.reset();
    this.#keepAlive.stop();
    this.#askQuiet();
  }

  #askQuiet(): void {
    if (!this.#isQuietAsked) {
      this.#isQuietAsked = true;
      this.executor.after(0, this, EVENT.QUIET, this.#epoch);
    }
  }

  #onQuiet(): void {
    if (!this.engine.isQuiet) {
      return;
    }
    if (this.#phase === 'halting') {
      this.#phase = 'halted';
      for (const namespace of this.activeNamespaces()) {
        namespace.flush();
      }
      CSTS.SHST.write(this.properties, SHUTDOWN_STATUS.COMPLETE);
    } else if (this.#phase === 'stopping') {
      this.#finishReset();
    }
  }

  /** A Controller Reset: the admin queue's properties and CMBMSC stay. */
  #finishReset(): void {
    this.engine.clear();
    this.admin.reset();
    this.interrupts.reset();
    this.#resetInternal(false);
    const nssro = CSTS.NSSRO.read(this.properties);
    CSTS.setValue(this.properties, 0);
    CSTS.NSSRO.write(this.properties, nssro);
    this.#phase = 'off';
    if (CC.EN.read(this.properties) === 1) {
      this.#start();
    } else if (CC.SHN.read(this.properties) !== 0) {
      CSTS.SHST.write(this.properties, SHUTDOWN_STATUS.COMPLETE);
    }
  }

  /** FLR, hot reset, subsystem reset, power. */
  #resetFunction(isPower: boolean): void {
    const wasReady = this.#phase === 'ready';
    this.#forgetEverything();
    if (isPower) {
      this.errors.clear();
      this.health.powerCycles++;
      this.health.unsafeShutdowns += wasReady ? 1 : 0;
      this.#layout.cmb?.range.memory.reset();
      const random = new SeededRandom(
        (this.options.seed ^ Math.imul(this.health.powerCycles, 0x9e37_79b1)) >>> 0,
      );
      for (const namespace of this.activeNamespaces()) {
        namespace.losePower(random);
      }
      this.#poweredPs = this.executor.nowPs;
    }
    this.#resetProperties();
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
    this.#epoch++;
    this.#phase = 'off';
    this.#isResetWanted = false;
    this.#isShutdownWanted = false;
    this.#isQuietAsked = false;
    this.#keepAlive.stop();
    this.engine.clear();
    this.events.forget();
    this.admin.reset();
    this.data.reset();
    this.#io?.reset?.();
    this.interrupts.reset();
  }

  #resetProperties(): void {
    const view = this.properties;
    const isSecond = this.options.version === '2.0' || this.options.version === '2.1';
    this.#bytes.fill(0);
    CAP.MQES.write(view, this.options.queueEntriesMax - 1);
    CAP.CQR.write(view, 1);
    CAP.AMS.write(view, 1);
    CAP.TO.write(view, READY_TIMEOUT);
    CAP.DSTRD.write(view, this.options.doorbellStride);
    CAP.NSSRS.write(view, 1);
    CAP.CSS.write(view, isSecond ? 0b100_0001 : 1);
    CAP.MPSMIN.write(view, 0);
    CAP.MPSMAX.write(view, PAGE_ENCODING_MAX);
    CAP.CRMS.write(view, isSecond ? 1 : 0);
    CRTO.CRWMT.write(view, isSecond ? READY_TIMEOUT : 0);
    VS.setValue(view, VERSION_VALUE[this.options.version]);
    this.memory.initialise();
  }

  *#completionQueues() {
    for (const queue of this.engine.completions) {
      if (queue !== null) {
        yield queue;
      }
    }
  }
}
