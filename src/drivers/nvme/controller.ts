/**
 * An NVMe controller: brought up, kept alive, taken down.
 *
 * The upper half of the driver: what to do when a command does not end, when the controller reports a fatal status, when
 * the function is gone. Every request that was accepted ends exactly once, whatever happens: with its completion, after it
 * was sent again, or with a failure once the controller can no longer touch its memory. Follows NVM Express Base 2.1,
 * sections 3.5 to 3.7 and 9.
 *
 * Leaves out: power states, firmware download, sanitize (send them with `submitAdmin`).
 */
import {
  Delivery,
  type EventHandler,
  type Executor,
  type PciFunction,
  runTask,
  startTask,
  type Task,
} from '../../access/index.ts';
import { NvmeError, PeerlaneError } from '../../base/index.ts';
import { ASYNC_EVENT, CNS, COMMAND_SET, CSTS } from '../../spec/nvme/index.ts';
import type { AdminCommands } from './admin-commands.ts';
import type { AnomalyLog } from './anomalies.ts';
import { type CommandResult, lossError } from './command-result.ts';
import type { ControllerMemory } from './controller-memory.ts';
import { Engine } from './engine.ts';
import { listen, type NvmeEvent } from './events.ts';
import {
  type CommandLimits,
  type ControllerIdentity,
  isStillThere,
  type NamespaceIdentity,
  namespaceIdentity,
} from './identify.ts';
import { type NamespaceHome, type NamespaceOptions, NvmeNamespace } from './namespace.ts';
import { type NvmeOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { NO_ROOM, SENT } from './part-sender.ts';
import { readStatus } from './properties.ts';
import type { Loss, QueuePair, Supervisor } from './queue-pair.ts';

export type ControllerState =
  /** Not brought up yet, or being brought up. */
  | 'starting'
  | 'live'
  /** Being reset; requests wait. */
  | 'recovering'
  /** The function was taken away. */
  | 'gone'
  /** It could not be brought up, or back. */
  | 'failed'
  | 'closed';

const GONE_EVENT = 0;

export class NvmeController implements Supervisor, NamespaceHome, EventHandler {
  readonly engine: Engine;
  readonly fn: PciFunction;
  readonly executor: Executor;
  /** Namespaces that can be opened, ascending by NSID; found when the controller was brought up and after changes. */
  namespaces: readonly NamespaceIdentity[] = [];
  /** Why the others cannot. */
  readonly unusable = new Map<number, PeerlaneError>();
  /** Times that it was reset to bring it back. */
  resetCount = 0;
  onEventReport: (event: NvmeEvent) => void = () => {};
  onStateChange: (state: ControllerState) => void = () => {};

  #state: ControllerState = 'starting';
  #isClosing = false;
  /** Grows with every reset; asynchronous event requests of before notice it. */
  #generation = 0;
  readonly #open = new Set<NvmeNamespace>();
  /** Whose requests wait for slots, in the order of their turns. */
  #wanting: NvmeNamespace[] = [];
  #isServing = false;
  /** Tasks and namespaces go first by turns. */
  #areTasksFirst = false;
  /** Commands that an Abort was sent for. */
  readonly #aborted = new Set<string>();
  #abortsUnderWay = 0;
  #isHalting = false;
  #isBringingUp = false;
  #settled: Delivery<void>[] = [];
  /** The error of a failed bring-up or recovery. */
  #failure: PeerlaneError | undefined;

  constructor(fn: PciFunction, options: NvmeOptions = {}) {
    this.fn = fn;
    this.executor = fn.executor;
    this.engine = new Engine(fn, resolveOptions(options, fn.bdf), this);
  }

  get label(): string {
    return this.engine.label;
  }

  get options(): ResolvedOptions {
    return this.engine.options;
  }

  get state(): ControllerState {
    return this.#state;
  }

  /** Why it is `failed`. */
  get failure(): PeerlaneError | undefined {
    return this.#failure;
  }

  get anomalies(): AnomalyLog {
    return this.engine.anomalies;
  }

  get identity(): ControllerIdentity {
    return this.engine.identity;
  }

  get limits(): CommandLimits {
    return this.engine.limits;
  }

  get admin(): AdminCommands {
    return this.engine.admin;
  }

  get queues(): readonly QueuePair[] {
    return this.engine.queues;
  }

  /** The controller memory buffer, without what queues took of it; null when there is none. May change with a reset. */
  get cmb(): ControllerMemory | null {
    return this.engine.cmb;
  }

  get pmr(): ControllerMemory | null {
    return this.engine.pmr;
  }

  get isLive(): boolean {
    return this.#state === 'live';
  }

  get end(): Loss | null {
    switch (this.#state) {
      case 'gone':
        return 'gone';
      case 'failed':
        return 'failed';
      case 'closed':
        return 'closed';
      default:
        return null;
    }
  }

  /**
   * Brings the controller up. Call once. After an error it is `failed` and holds nothing.
   * @throws {NvmeError} NVME_UNSUPPORTED, NVME_GONE, NVME_TIMEOUT, NVME_FATAL, NVME_COMMAND, NVME_NO_QUEUES;
   * {MappingError} when there is no memory for the queues
   */
  *starting(): Task<void> {
    this.fn.onGone = () => this.executor.after(0, this, GONE_EVENT, 0);
    try {
      yield* this.#bringUp();
    } catch (error) {
      this.#failure = error instanceof PeerlaneError ? error : undefined;
      yield* this.#stopForGood();
      this.#end(this.end ?? (error instanceof NvmeError && error.code === 'NVME_GONE' ? 'gone' : 'failed'));
      this.engine.release();
      throw error;
    }
    this.#setState('live');
    this.#listen();
  }

  /** As `starting`, as a promise. */
  start(): Promise<void> {
    return runTask(this.starting());
  }

  /**
   * A namespace to read and write. Several handles of one namespace may be open.
   * @throws {NvmeError} NVME_NAMESPACE when there is no such namespace or it cannot be used, NVME_NO_QUEUES, or the error
   * of the controller's end
   */
  openNamespace(nsid: number, options: NamespaceOptions = {}): NvmeNamespace {
    if (this.end !== null || this.#isClosing) {
      throw lossError(this.label, `opening namespace ${nsid}`, this.end ?? 'closed');
    }
    const identity = this.namespaces.find((each) => each.nsid === nsid);
    if (identity === undefined) {
      throw (
        this.unusable.get(nsid) ??
        new NvmeError('NVME_NAMESPACE', {
          message: `${this.label} has no active namespace ${nsid}`,
          hint:
            this.namespaces.length === 0
              ? 'it has none at all'
              : `it has ${this.namespaces.map((each) => each.nsid).join(', ')}`,
        })
      );
    }
    const namespace = new NvmeNamespace(this, identity, options);
    this.#open.add(namespace);
    return namespace;
  }

  /** Any admin command; see `AdminCommands.submit`. */
  submitAdmin(sqe: Uint8Array, data: Uint8Array | null = null): Task<CommandResult> {
    return this.engine.admin.submit(sqe, data);
  }

  /** Takes completions that are there without an interrupt: for those who poll. */
  poll(): void {
    this.engine.drain();
  }

  /** Resets the controller and brings it back, as after a command that did not end. Resolves when it is live or given up. */
  *resetting(why: string): Task<void> {
    if (this.#state === 'live') {
      this.#recover(why);
    }
    yield* this.#awaitSettled();
  }

  /** Looks at all namespaces anew, after namespace management or a format. Handles of those that are others now end. */
  *rescanning(): Task<void> {
    yield* this.#findNamespaces();
  }

  /**
   * Takes no more requests, waits for those under way, shuts the controller down and gives everything back.
   * Idempotent; never fails for what the device does.
   */
  *closing(): Task<void> {
    if (this.#isClosing) {
      yield* this.#awaitSettled();
      return;
    }
    this.#isClosing = true;
    for (const namespace of [...this.#open]) {
      const closed = new Delivery<void>();
      namespace.closeThen(() => closed.deliver());
      yield* closed.wait();
    }
    yield* this.#awaitSettled();
    if (this.#state === 'closed') {
      return;
    }
    this.#generation++;
    if (this.#state === 'live') {
      this.#setState('recovering');
      try {
        if (!(yield* this.engine.shutDown())) {
          this.anomalies.record('timeout', `${this.label} did not finish its shutdown in time`);
        }
      } catch (error) {
        rethrowUnlessTyped(error);
      }
      yield* this.#stopForGood();
      this.#end('closed');
      this.engine.release();
    }
    this.#setState('closed');
  }

  close(): Promise<void> {
    return runTask(this.closing());
  }

  onEvent(): void {
    this.#onGone();
  }

  wants(namespace: NvmeNamespace): void {
    this.#wanting.push(namespace);
  }

  onNamespaceClosed(namespace: NvmeNamespace): void {
    this.#open.delete(namespace);
  }

  isAwaited(namespace: NvmeNamespace): boolean {
    const { runner } = this.engine;
    return (
      (this.#wanting.length > 0 &&
        (this.#isServing ||
          this.#wanting.some((other) => other !== namespace && other.sharesQueuesWith(namespace)))) ||
      (runner.isAnyWaiting && namespace.usesQueue((queue) => runner.isWaitingFor(queue)))
    );
  }

  onRoom(queue: QueuePair): void {
    this.#areTasksFirst = !this.#areTasksFirst;
    if (!this.#areTasksFirst) {
      this.serve();
    }
    // Also while starting: its own commands wait for room too.
    this.engine.runner.onRoom(queue);
    if (this.#areTasksFirst) {
      this.serve();
    }
  }

  /** In turn, a command each: one that floods the queues holds up nobody else. Whoever finds no room keeps its place. */
  serve(): void {
    if (this.#isServing) {
      return;
    }
    const wanting = this.#wanting;
    const full: NvmeNamespace[] = [];
    this.#isServing = true;
    try {
      while (wanting.length > 0 && this.isLive) {
        const namespace = wanting.shift()!;
        const outcome = namespace.sendOne();
        if (outcome === SENT) {
          wanting.push(namespace);
        } else if (outcome === NO_ROOM) {
          full.push(namespace);
        }
      }
    } finally {
      wanting.unshift(...full);
      this.#isServing = false;
    }
  }

  onExpired(queue: QueuePair, slot: number): void {
    const cid = queue.cidOf(slot);
    this.anomalies.record('timeout', `${this.label}: command ${cid} of queue ${queue.id} does not end`);
    if (this.end !== null) {
      queue.reset(this.end);
      return;
    }
    queue.extend(slot);
    if (this.#state !== 'live') {
      // A step of bringing it up fails, once the controller cannot touch the memory of the step any more. Everything else is
      // lost by whoever is halting the controller now.
      if (this.#isBringingUp) {
        this.#haltAndLose();
      }
      return;
    }
    const key = `${queue.id}/${cid}`;
    const isFirst = !this.#aborted.has(key);
    if (queue.id === 0 || !isFirst || this.options.onTimeout === 'reset') {
      this.#recover(`command ${cid} of queue ${queue.id} does not end`);
    } else {
      this.#aborted.add(key);
      this.#run(this.#abort(queue, cid, key));
    }
  }

  *#abort(queue: QueuePair, cid: number, key: string): Task<void> {
    const { engine } = this;
    const status = yield* readStatus(engine.registers, this.label);
    if (CSTS.CFS.of(status) === 1) {
      this.#recover('it reports a fatal status (CSTS.CFS)');
      return;
    }
    if (!queue.isUnderWay(cid) || !this.isLive) {
      this.#aborted.delete(key);
      return;
    }
    if (this.#abortsUnderWay >= engine.identity.abortsMax) {
      // Others are being aborted; if that does not help, the next deadline resets.
      return;
    }
    this.#abortsUnderWay++;
    try {
      yield* engine.admin.abort(queue.id, cid);
    } finally {
      this.#abortsUnderWay--;
    }
    queue.process();
    if (!queue.isUnderWay(cid)) {
      this.#aborted.delete(key);
    }
  }

  /** Starts a recovery, unless there is one, or nothing left to recover. */
  #recover(why: string): void {
    if (this.#state !== 'live') {
      return;
    }
    this.#setState('recovering');
    this.#generation++;
    this.#aborted.clear();
    this.#run(this.#recovering(why));
  }

  *#recovering(why: string): Task<void> {
    let last: PeerlaneError | undefined;
    for (let attempt = 0; attempt < this.options.resetsMax && this.#state === 'recovering'; attempt++) {
      this.resetCount++;
      try {
        if (!(yield* this.engine.halt())) {
          break;
        }
        // What it had completed before it stopped counts.
        this.engine.drain();
        this.engine.lose('reset');
        yield* this.#bringUp();
      } catch (error) {
        last = rethrowUnlessTyped(error);
        if (last.code === 'NVME_GONE') {
          this.#onGone();
        }
        continue;
      }
      if (this.#state === 'recovering') {
        this.#setState('live');
        this.#listen();
        this.serve();
        this.#tellSettled();
        return;
      }
    }
    if (this.#state === 'recovering') {
      this.#failure = new NvmeError('NVME_FAILED', {
        message: `${this.label} did not come back after ${why}`,
        hint: 'power cycle it; its anomalies tell what happened',
        cause: last,
        exitStatus: 3,
      });
      yield* this.#stopForGood();
      this.#end('failed');
      this.engine.release();
      this.#tellSettled();
    }
  }

  *#bringUp(): Task<void> {
    this.#isBringingUp = true;
    try {
      yield* this.engine.start();
      yield* this.#findNamespaces();
    } finally {
      this.#isBringingUp = false;
    }
  }

  *#findNamespaces(): Task<void> {
    const found: NamespaceIdentity[] = [];
    this.unusable.clear();
    const ids = yield* this.engine.admin.activeNamespaces(this.engine.identity.namespaceIdMax);
    for (const nsid of ids) {
      try {
        const identity = yield* this.#identify(nsid);
        if (identity !== null) {
          found.push(identity);
        }
      } catch (error) {
        const typed = rethrowUnlessTyped(error);
        if (typed.code !== 'NVME_NAMESPACE' && typed.code !== 'NVME_COMMAND') {
          throw error;
        }
        this.unusable.set(nsid, typed);
      }
    }
    this.namespaces = found;
    for (const namespace of [...this.#open]) {
      const now = found.find(({ nsid }) => nsid === namespace.nsid);
      if (!isStillThere(namespace.identity, now)) {
        this.anomalies.record(
          'namespace-changed',
          `${namespace.label} is not what it was when it was opened`,
        );
        namespace.onEnd('changed');
      }
    }
  }

  /** @returns null when it is not active */
  *#identify(nsid: number): Task<NamespaceIdentity | null> {
    const { admin, anomalies, label } = this.engine;
    const bytes = yield* admin.identify(CNS.NAMESPACE, nsid);
    // An inactive namespace is all zeros, by the specification and in life.
    if (bytes.every((byte) => byte === 0)) {
      return null;
    }
    const commandSet = yield* admin.identifyIfThere(CNS.COMMAND_SET_NAMESPACE, nsid, COMMAND_SET.NVM);
    const descriptors = yield* admin.identifyIfThere(CNS.NAMESPACE_DESCRIPTORS, nsid);
    return namespaceIdentity(nsid, bytes, commandSet, descriptors, label, anomalies);
  }

  #listen(): void {
    const generation = this.#generation;
    const isCurrent = (): boolean => this.#generation === generation && this.isLive;
    this.#run(listen(this.engine, isCurrent, (event) => this.#report(event)));
  }

  #report(event: NvmeEvent): void {
    const changed = ASYNC_EVENT.NAMESPACE_ATTRIBUTE_CHANGED;
    if (event.type === changed.type && event.information === changed.information) {
      this.#run(
        (function* (controller: NvmeController): Task<void> {
          yield* controller.#findNamespaces();
          controller.onEventReport(event);
        })(this),
      );
      return;
    }
    this.onEventReport(event);
    // The controller says itself that it is broken.
    const broken = ASYNC_EVENT.PERSISTENT_INTERNAL_ERROR;
    if (event.type === broken.type && event.information === broken.information) {
      this.#recover('it reported a persistent internal error');
    }
  }

  #haltAndLose(): void {
    if (this.#isHalting) {
      return;
    }
    this.#isHalting = true;
    this.#run(
      (function* (controller: NvmeController): Task<void> {
        yield* controller.#stopForGood();
        controller.#isHalting = false;
        if (controller.isLive) {
          // The step has ended after all, and then the controller was stopped.
          controller.#recover('it was stopped because a command of its bring-up was late');
          return;
        }
        controller.engine.drain();
        controller.engine.lose('timeout');
      })(this),
    );
  }

  /** Stops the controller by whatever means: afterwards it does no DMA. */
  *#stopForGood(): Task<void> {
    try {
      yield* this.engine.halt();
    } catch (error) {
      // Gone, or never brought up far enough to be stopped.
      rethrowUnlessTyped(error);
      this.fn.enable({ memory: true, busMaster: false });
    }
  }

  #onGone(): void {
    if (this.end !== null) {
      return;
    }
    const wasStarting = this.#state === 'starting';
    this.#generation++;
    this.#end('gone');
    if (!wasStarting) {
      this.engine.release();
    }
    this.#tellSettled();
  }

  /** Everything under way and everything that waits ends. */
  #end(loss: Loss): void {
    const state = loss === 'gone' ? 'gone' : loss === 'closed' ? 'closed' : 'failed';
    this.#setState(state);
    this.engine.lose(loss);
    this.engine.endTasks(loss);
    this.#wanting = [];
    for (const namespace of [...this.#open]) {
      namespace.onEnd(loss);
    }
  }

  *#awaitSettled(): Task<void> {
    while (this.#state === 'recovering' || (this.#state === 'starting' && this.#isHalting)) {
      const settled = new Delivery<void>();
      this.#settled.push(settled);
      yield* settled.wait();
    }
  }

  #tellSettled(): void {
    for (const settled of this.#settled.splice(0)) {
      settled.deliver();
    }
  }

  #setState(state: ControllerState): void {
    this.#state = state;
    this.onStateChange(state);
  }

  /** A task of the controller's own: what the device does to it is known from elsewhere. */
  #run(task: Task<void>): void {
    startTask(
      task,
      () => {},
      (error) => {
        const typed = rethrowUnlessTyped(error);
        if (typed.code === 'NVME_GONE') {
          this.#onGone();
        }
      },
    );
  }
}

function rethrowUnlessTyped(error: unknown): PeerlaneError {
  if (!(error instanceof PeerlaneError)) {
    throw error;
  }
  return error;
}

/** Brings a controller up. @throws as `NvmeController.starting` */
export async function openNvme(fn: PciFunction, options: NvmeOptions = {}): Promise<NvmeController> {
  const controller = new NvmeController(fn, options);
  await controller.start();
  return controller;
}
