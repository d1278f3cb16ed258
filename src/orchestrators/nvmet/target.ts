/**
 * The NVMe-oF target: subsystems, ports, hosts, and who is connected. Transport-neutral: `transport.ts` says how capsules come in.
 *
 * Configuration changes at run time, one call at a time; hosts that are connected are told by events, or lose their connection
 * where their right has gone. Follows NVM Express Base 2.1; behaviour that it leaves open is that of Linux 7.1.5 drivers/nvme/target.
 */
import type { Executor } from '../../access/index.ts';
import { TargetError } from '../../base/index.ts';
import { ASYNC_EVENT } from '../../spec/nvme/index.ts';
import { DISCOVERY_CHANGE_EVENT, DISCOVERY_NQN, FABRICS_STATUS } from '../../spec/nvmeof/index.ts';
import type { NamespaceBackend } from './backend.ts';
import { newSubsystem } from './config/defaults.ts';
import type {
  AnaStateName,
  HostConfig,
  NamespaceConfig,
  PortConfig,
  ReferralConfig,
  SubsystemConfig,
  TargetConfig,
  UnknownKeys,
} from './config/model.ts';
import type { Controller } from './controller.ts';
import { hexOf, stableIdentifier } from './identifiers.ts';
import { PooledMemory, type SpanMemory } from './memory.ts';
import { TargetNamespace } from './namespace.ts';
import { type Outcome, refuse, SUCCESS } from './outcome.ts';
import { TargetPort } from './port.ts';
import { TargetQueue } from './queue.ts';
import type { ReservationStore } from './reservations.ts';
import { Subsystem, type SubsystemIdentity } from './subsystem.ts';
import type {
  AuthenticationFacts,
  Authenticator,
  CloseReason,
  QueueHandle,
  TransportQueue,
} from './transport.ts';

export type LogLevel = 'info' | 'warning' | 'error';

export interface TargetOptions {
  readonly executor: Executor;
  /** Null or not given: nobody has to prove itself in band. */
  readonly authenticator?: Authenticator | null;
  /** Keeps reservations through a loss of power. */
  readonly reservationStore?: ReservationStore | null;
  /** Largest transfer of one command; a power of two, at least 4 KiB. Default 1 MiB. */
  readonly maxTransferBytes?: number;
  /** Memory for admin data and lists. Default: of JavaScript, 64 MiB at most. */
  readonly controlMemory?: SpanMemory;
  /** Controllers of all hosts together. Default 1024. */
  readonly controllersMax?: number;
  readonly log?: (level: LogLevel, message: string) => void;
}

const MAX_TRANSFER_BYTES = 1 << 20;
const CONTROL_MEMORY_BYTES = 64 << 20;
const CONTROLLERS_MAX = 1024;
/** Entries of a queue where the port says nothing. As NVMET_QUEUE_SIZE's largest. */
const QUEUE_ENTRIES_DEFAULT = 128;
/** Version 2.1.0. */
const VERSION_DEFAULT = 0x0002_0100;

export class Target {
  readonly executor: Executor;
  readonly maxTransferBytes: number;
  readonly controlMemory: SpanMemory;
  readonly log: (level: LogLevel, message: string) => void;
  readonly #authenticator: Authenticator | null;
  readonly #reservationStore: ReservationStore | null;
  readonly #controllersMax: number;
  readonly #hosts = new Map<string, HostConfig>();
  readonly #ports = new Map<number, TargetPort>();
  readonly #subsystems = new Map<string, Subsystem>();
  readonly #discovery: Subsystem;
  readonly #queues = new Set<TargetQueue>();
  #unknown: UnknownKeys = {};
  #controllerCount = 0;
  #discoveryGeneration = 1;
  #isDraining = false;
  #onDrained: (() => void) | null = null;

  constructor(options: TargetOptions) {
    this.executor = options.executor;
    this.maxTransferBytes = options.maxTransferBytes ?? MAX_TRANSFER_BYTES;
    this.controlMemory = options.controlMemory ?? PooledMemory.ofBytes(CONTROL_MEMORY_BYTES);
    this.log = options.log ?? (() => {});
    this.#authenticator = options.authenticator ?? null;
    this.#reservationStore = options.reservationStore ?? null;
    this.#controllersMax = options.controllersMax ?? CONTROLLERS_MAX;
    const config = { ...newSubsystem(DISCOVERY_NQN), allowAnyHost: true };
    this.#discovery = new Subsystem(config, identityOf(config), true);
  }

  /** Grows whenever a discovery log page becomes another. */
  get discoveryGeneration(): number {
    return this.#discoveryGeneration;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get ports(): Iterable<TargetPort> {
    return this.#ports.values();
  }

  get subsystems(): Iterable<Subsystem> {
    return this.#subsystems.values();
  }

  /** Of all subsystems, discovery included. */
  get controllerCount(): number {
    return this.#controllerCount;
  }

  get queues(): Iterable<TargetQueue> {
    return this.#queues;
  }

  port(portId: number): TargetPort | undefined {
    return this.#ports.get(portId);
  }

  subsystem(nqn: string): Subsystem | undefined {
    return this.#subsystems.get(nqn);
  }

  host(nqn: string): HostConfig | undefined {
    return this.#hosts.get(nqn);
  }

  /** All that is configured now. */
  config(): TargetConfig {
    return {
      hosts: [...this.#hosts.values()],
      ports: [...this.#ports.values()].map((port) => port.config),
      subsystems: [...this.#subsystems.values()].map((subsystem) => subsystem.config),
      unknown: this.#unknown,
    };
  }

  /** Keys of a configuration file that belong to nothing here, to be written again. */
  keepUnknown(unknown: UnknownKeys): void {
    this.#unknown = unknown;
  }

  // Connections.

  /** A connection is there; its capsules go to what is returned. */
  openQueue(transport: TransportQueue): QueueHandle {
    const queue = new TargetQueue(this, transport);
    this.#queues.add(queue);
    return queue;
  }

  queueGone(queue: TargetQueue): void {
    this.#queues.delete(queue);
    this.#checkDrained();
  }

  controllerEnded(controller: Controller): void {
    controller.subsystem.controllers.delete(controller.id);
    this.#controllerCount--;
    this.log('info', `controller ${controller.id} of ${controller.subsystem.nqn} has gone`);
  }

  /** @returns false when there are too many controllers; otherwise one more is counted */
  hasRoom(): boolean {
    if (this.#controllerCount >= this.#controllersMax) {
      return false;
    }
    this.#controllerCount++;
    return true;
  }

  /** The subsystem of a name, if it is behind this port. */
  reachable(nqn: string, port: TargetPort): Subsystem | undefined {
    if (nqn === DISCOVERY_NQN) {
      return this.#discovery;
    }
    return port.hasSubsystem(nqn) ? this.#subsystems.get(nqn) : undefined;
  }

  queueEntriesMax(port: TargetPort): number {
    return port.config.maxQueueSize ?? QUEUE_ENTRIES_DEFAULT;
  }

  /** Largest transfer of one command through a port, bytes: the port's MDTS, if it is below the target's own. */
  maxTransferBytesOf(port: TargetPort): number {
    const { mdts } = port.config;
    return mdts === null || mdts === 0
      ? this.maxTransferBytes
      : Math.min(this.maxTransferBytes, 4096 * 2 ** mdts);
  }

  // Authentication.

  /** @returns whether the host has to prove itself on this queue */
  beginAuthentication(queue: TargetQueue, facts: AuthenticationFacts): boolean {
    queue.authenticationFacts = facts;
    queue.exchange = this.#authenticator?.begin(facts) ?? null;
    queue.isAuthenticated = queue.exchange === null;
    return queue.exchange !== null;
  }

  /** A host proves itself again. @returns false when nothing is to prove */
  restartAuthentication(queue: TargetQueue): boolean {
    const facts = queue.authenticationFacts;
    queue.exchange = facts === null ? null : (this.#authenticator?.begin(facts) ?? null);
    return queue.exchange !== null;
  }

  /** Commands of a queue whose host has not proved itself are refused. */
  refuseUnproven(queue: TargetQueue): Outcome {
    return queue.isAuthenticated ? SUCCESS : refuse(FABRICS_STATUS.AUTHENTICATION_REQUIRED);
  }

  // Hosts.

  /** @throws {TargetError} TARGET_EXISTS */
  addHost(config: HostConfig): void {
    if (this.#hosts.has(config.nqn)) {
      throw exists(`host ${config.nqn}`);
    }
    this.#hosts.set(config.nqn, config);
  }

  /** Takes the host out of all subsystems too. */
  removeHost(nqn: string): void {
    this.#hosts.delete(nqn);
    for (const subsystem of this.#subsystems.values()) {
      if (subsystem.config.allowedHosts.includes(nqn)) {
        this.disallowHost(subsystem.nqn, nqn);
      }
    }
  }

  // Subsystems.

  /** Without its namespaces, which `enableNamespace` adds with their backends. @throws {TargetError} TARGET_EXISTS */
  addSubsystem(config: SubsystemConfig): void {
    if (this.#subsystems.has(config.nqn) || config.nqn === DISCOVERY_NQN) {
      throw exists(`subsystem ${config.nqn}`);
    }
    const own = { ...config, namespaces: config.namespaces.map((one) => ({ ...one, isEnabled: false })) };
    this.#subsystems.set(config.nqn, new Subsystem(own, identityOf(config), false));
    this.#discoveryChanged(config.nqn);
  }

  /** Ends its controllers, then its namespaces. @throws {TargetError} TARGET_UNKNOWN */
  async removeSubsystem(nqn: string): Promise<void> {
    const subsystem = this.#subsystemOf(nqn);
    for (const port of this.#ports.values()) {
      if (port.hasSubsystem(nqn)) {
        this.unlinkSubsystem(port.portId, nqn);
      }
    }
    closeControllers(subsystem, 'controller-removed', () => true);
    await Promise.all([...subsystem.namespaces.keys()].map((nsid) => this.disableNamespace(nqn, nsid)));
    this.#subsystems.delete(nqn);
  }

  /** @throws {TargetError} TARGET_UNKNOWN */
  setAllowAnyHost(nqn: string, allowAnyHost: boolean): void {
    const subsystem = this.#subsystemOf(nqn);
    subsystem.config = { ...subsystem.config, allowAnyHost };
    this.#rightsChanged(subsystem);
  }

  /** @throws {TargetError} TARGET_UNKNOWN */
  allowHost(nqn: string, hostNqn: string): void {
    const subsystem = this.#subsystemOf(nqn);
    const { allowedHosts } = subsystem.config;
    if (!allowedHosts.includes(hostNqn)) {
      subsystem.config = { ...subsystem.config, allowedHosts: [...allowedHosts, hostNqn] };
      this.#rightsChanged(subsystem);
    }
  }

  /** Connections of the host end. @throws {TargetError} TARGET_UNKNOWN */
  disallowHost(nqn: string, hostNqn: string): void {
    const subsystem = this.#subsystemOf(nqn);
    // Those that lose the subsystem are told that their log is another, too.
    this.#discoveryChanged(nqn);
    const allowedHosts = subsystem.config.allowedHosts.filter((one) => one !== hostNqn);
    subsystem.config = { ...subsystem.config, allowedHosts };
    this.#rightsChanged(subsystem);
  }

  // Namespaces.

  /**
   * A namespace begins to serve; its backend is the target's from here on.
   * @throws {TargetError} TARGET_UNKNOWN (subsystem), TARGET_EXISTS (it is enabled already), TARGET_BACKEND (blocks of a size that
   *         NVMe does not have, or an empty backend)
   */
  enableNamespace(nqn: string, config: NamespaceConfig, backend: NamespaceBackend): TargetNamespace {
    const subsystem = this.#subsystemOf(nqn);
    if (subsystem.namespaces.has(config.nsid)) {
      throw exists(`namespace ${config.nsid} of ${nqn}`);
    }
    checkBackend(backend);
    const namespace = new TargetNamespace(nqn, config, backend, this.#reservationStore);
    subsystem.addNamespace(namespace);
    const others = subsystem.config.namespaces.filter((one) => one.nsid !== config.nsid);
    const namespaces = [...others, { ...config, isEnabled: true }].sort((a, b) => a.nsid - b.nsid);
    subsystem.config = { ...subsystem.config, namespaces };
    this.#anaLogChanged(subsystem, config.anaGroupId);
    subsystem.noteNamespaceChange(config.nsid);
    return namespace;
  }

  /** Commands in flight end first; then the backend is closed. @throws {TargetError} TARGET_UNKNOWN */
  async disableNamespace(nqn: string, nsid: number): Promise<void> {
    const subsystem = this.#subsystemOf(nqn);
    const namespace = this.#namespaceOf(subsystem, nsid);
    subsystem.namespaces.delete(nsid);
    const namespaces = subsystem.config.namespaces.map((one) =>
      one.nsid === nsid ? { ...one, isEnabled: false } : one,
    );
    subsystem.config = { ...subsystem.config, namespaces };
    this.#anaLogChanged(subsystem, namespace.anaGroupId);
    subsystem.noteNamespaceChange(nsid);
    await namespace.close();
  }

  /** Asks the backend for its size again and tells the hosts when it is another. @throws {TargetError} TARGET_UNKNOWN */
  revalidateNamespace(nqn: string, nsid: number): boolean {
    const subsystem = this.#subsystemOf(nqn);
    const isChanged = this.#namespaceOf(subsystem, nsid).revalidate();
    if (isChanged) {
      subsystem.noteNamespaceChange(nsid);
    }
    return isChanged;
  }

  /** @throws {TargetError} TARGET_UNKNOWN */
  setAnaGroup(nqn: string, nsid: number, groupId: number): void {
    const subsystem = this.#subsystemOf(nqn);
    const namespace = this.#namespaceOf(subsystem, nsid);
    if (namespace.anaGroupId === groupId) {
      return;
    }
    namespace.anaGroupId = groupId;
    const namespaces = subsystem.config.namespaces.map((one) =>
      one.nsid === nsid ? { ...one, anaGroupId: groupId } : one,
    );
    subsystem.config = { ...subsystem.config, namespaces };
    this.#anaLogChanged(subsystem, groupId);
    subsystem.noteNamespaceChange(nsid);
  }

  // Ports.

  /** @throws {TargetError} TARGET_EXISTS */
  addPort(config: PortConfig): TargetPort {
    if (this.#ports.has(config.portId)) {
      throw exists(`port ${config.portId}`);
    }
    const port = new TargetPort(config);
    this.#ports.set(config.portId, port);
    this.#discoveryGeneration++;
    return port;
  }

  /** Its connections end. @throws {TargetError} TARGET_UNKNOWN */
  removePort(portId: number): void {
    this.#portOf(portId);
    this.#ports.delete(portId);
    this.#discoveryGeneration++;
    for (const queue of [...this.#queues]) {
      if (queue.transport.port.portId === portId) {
        queue.transport.close('controller-removed');
      }
    }
  }

  /** @throws {TargetError} TARGET_UNKNOWN */
  linkSubsystem(portId: number, nqn: string): void {
    const port = this.#portOf(portId);
    this.#subsystemOf(nqn);
    if (!port.hasSubsystem(nqn)) {
      port.setSubsystems([...port.config.subsystems, nqn]);
      this.#discoveryChanged(nqn);
    }
  }

  /** Connections to the subsystem through the port end. @throws {TargetError} TARGET_UNKNOWN */
  unlinkSubsystem(portId: number, nqn: string): void {
    const port = this.#portOf(portId);
    const subsystem = this.#subsystemOf(nqn);
    if (port.hasSubsystem(nqn)) {
      this.#discoveryChanged(nqn);
      port.setSubsystems(port.config.subsystems.filter((one) => one !== nqn));
      closeControllers(subsystem, 'controller-removed', (controller) => controller.port === port);
    }
  }

  /** @throws {TargetError} TARGET_UNKNOWN */
  setReferrals(portId: number, referrals: readonly ReferralConfig[]): void {
    const port = this.#portOf(portId);
    port.setReferrals(referrals);
    this.#discoveryGeneration++;
    for (const controller of this.#discovery.controllers.values()) {
      if (controller.port === port) {
        controller.events.report(DISCOVERY_CHANGE_EVENT);
      }
    }
  }

  /** The state in which the namespaces of a group are seen through a port. @throws {TargetError} TARGET_UNKNOWN */
  setAnaState(portId: number, groupId: number, state: AnaStateName): void {
    const port = this.#portOf(portId);
    if (port.setAnaState(groupId, state)) {
      this.#tellAna(port);
    }
  }

  // The end.

  /**
   * Takes no new controllers, lets what runs end, then closes all connections and backends. Hosts that do not stop are cut off
   * by a second call.
   */
  async drain(): Promise<void> {
    if (this.#isDraining) {
      this.#closeQueues('shutdown');
    }
    this.#isDraining = true;
    if (this.outstandingIo > 0) {
      await new Promise<void>((resolve) => {
        const before = this.#onDrained;
        this.#onDrained = () => {
          before?.();
          resolve();
        };
      });
    }
    this.#closeQueues('shutdown');
    for (const subsystem of this.#subsystems.values()) {
      await Promise.all(
        [...subsystem.namespaces.keys()].map((nsid) => this.disableNamespace(subsystem.nqn, nsid)),
      );
    }
  }

  /** I/O commands taken and not answered, over all queues. */
  get outstandingIo(): number {
    let count = 0;
    for (const queue of this.#queues) {
      if (queue.queueId !== null && queue.queueId > 0) {
        count += queue.outstanding;
      }
    }
    return count;
  }

  /** An I/O command has been answered. Looked at only while draining. */
  noteAnswer(): void {
    if (this.#isDraining) {
      this.#checkDrained();
    }
  }

  #checkDrained(): void {
    if (this.#onDrained !== null && this.outstandingIo === 0) {
      const onDrained = this.#onDrained;
      this.#onDrained = null;
      onDrained();
    }
  }

  /** I/O queues first: an admin queue takes those of its controller with it, for a reason of its own. */
  #closeQueues(reason: CloseReason): void {
    const isAdmin = (queue: TargetQueue): number => (queue.queueId === 0 ? 1 : 0);
    for (const queue of [...this.#queues].sort((a, b) => isAdmin(a) - isAdmin(b))) {
      queue.transport.close(reason);
    }
  }

  #rightsChanged(subsystem: Subsystem): void {
    closeControllers(subsystem, 'access-revoked', (controller) => !subsystem.allows(controller.hostNqn));
    this.#discoveryChanged(subsystem.nqn);
  }

  /** The log pages that have this subsystem are others now. */
  #discoveryChanged(nqn: string): void {
    this.#discoveryGeneration++;
    const subsystem = this.#subsystems.get(nqn);
    for (const controller of this.#discovery.controllers.values()) {
      if (controller.port.hasSubsystem(nqn) && subsystem?.allows(controller.hostNqn) !== false) {
        controller.events.report(DISCOVERY_CHANGE_EVENT);
      }
    }
  }

  #anaLogChanged(subsystem: Subsystem, groupId: number): void {
    for (const port of this.#ports.values()) {
      if (port.hasSubsystem(subsystem.nqn)) {
        port.noteAnaChange(groupId);
        this.#tellAna(port);
      }
    }
  }

  #tellAna(port: TargetPort): void {
    for (const subsystem of this.#subsystems.values()) {
      for (const controller of subsystem.controllers.values()) {
        if (controller.port === port) {
          controller.events.report(ASYNC_EVENT.ANA_CHANGE);
        }
      }
    }
  }

  #subsystemOf(nqn: string): Subsystem {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined) {
      throw unknown(`subsystem ${nqn}`);
    }
    return subsystem;
  }

  #portOf(portId: number): TargetPort {
    const port = this.#ports.get(portId);
    if (port === undefined) {
      throw unknown(`port ${portId}`);
    }
    return port;
  }

  #namespaceOf(subsystem: Subsystem, nsid: number): TargetNamespace {
    const namespace = subsystem.namespaces.get(nsid);
    if (namespace === undefined) {
      throw unknown(`enabled namespace ${nsid} in ${subsystem.nqn}`);
    }
    return namespace;
  }
}

function closeControllers(
  subsystem: Subsystem,
  reason: CloseReason,
  isMeant: (controller: Controller) => boolean,
): void {
  for (const controller of [...subsystem.controllers.values()]) {
    if (isMeant(controller)) {
      controller.closeAll(reason);
    }
  }
}

function identityOf(config: SubsystemConfig): SubsystemIdentity {
  return {
    serial: config.serial ?? hexOf(stableIdentifier(config.nqn)).slice(0, 20),
    model: config.model ?? 'Peerlane',
    firmware: config.firmware ?? '1',
    version: config.version === null ? VERSION_DEFAULT : versionOf(config.version),
  };
}

/** `2.1` and `1.4.0` as the property VS has them; the reader of configurations has checked the text. */
function versionOf(text: string): number {
  const [major = 0, minor = 0, tertiary = 0] = text.split('.').map(Number);
  return major * 0x1_0000 + minor * 0x100 + tertiary;
}

function checkBackend({ target }: NamespaceBackend): void {
  const { blockBytes, sizeBytes, label } = target;
  const isPower =
    blockBytes >= 512 &&
    blockBytes <= 0x8000_0000 &&
    2 ** Math.floor(31 - Math.clz32(blockBytes)) === blockBytes;
  if (!isPower || sizeBytes < blockBytes) {
    throw new TargetError('TARGET_BACKEND', {
      message: `${label} has ${sizeBytes} bytes in blocks of ${blockBytes}, which no namespace can have`,
      hint: 'blocks are powers of two from 512 bytes on, and there is at least one',
      detail: { label, blockBytes, sizeBytes },
    });
  }
}

function exists(what: string): TargetError {
  return new TargetError('TARGET_EXISTS', {
    message: `there is a ${what} already`,
    hint: 'remove it first, or choose another name',
  });
}

function unknown(what: string): TargetError {
  return new TargetError('TARGET_UNKNOWN', {
    message: `there is no ${what}`,
    hint: 'check the name against the configuration',
  });
}
