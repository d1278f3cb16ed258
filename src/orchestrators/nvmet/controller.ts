/**
 * A controller: the association of one host with one subsystem through one port, from Connect on the admin queue to the end of
 * that connection.
 *
 * Properties are those of a message-based controller (NVM Express Base 2.1, section 3.1.4): CAP, VS, CC, CSTS.
 */
import type { EventHandler, Executor, TimerId } from '../../access/index.ts';
import { PS_PER_MS } from '../../access/index.ts';
import { CAP, CC, CSTS, SHUTDOWN_NOTIFICATION, SHUTDOWN_STATUS } from '../../spec/nvme/index.ts';
import { ErrorLog } from './error-log.ts';
import { EventDesk } from './events.ts';
import type { TargetNamespace } from './namespace.ts';
import type { TargetPort } from './port.ts';
import type { TargetQueue } from './queue.ts';
import { ReservationLog } from './reservation-log.ts';
import type { Subsystem } from './subsystem.ts';
import type { CloseReason } from './transport.ts';

/** KAS: the keep-alive timer counts in units of 100 ms. */
export const KEEP_ALIVE_UNITS_100_MS = 1;
const KEEP_ALIVE_UNIT_MS = 100 * KEEP_ALIVE_UNITS_100_MS;
/** A discovery controller that asked for no keep-alive goes after this long without a command. As NVMET_DISC_KATO_MS. */
const DISCOVERY_IDLE_MS = 120_000;

/** What the host has set, beside events. */
export interface HostSettings {
  katoMs: number;
  /** Host Behavior Support, 512 bytes. */
  behavior: Uint8Array;
  /** Reservation Notification Mask by NSID; bit n masks RESERVATION_NOTIFICATION n. */
  reservationMasks: Map<number, number>;
}

export interface ControllerFacts {
  readonly id: number;
  readonly subsystem: Subsystem;
  readonly port: TargetPort;
  readonly hostNqn: string;
  /** 16 bytes. */
  readonly hostId: Uint8Array;
  readonly hostIdText: string;
  readonly katoMs: number;
  readonly executor: Executor;
  /** Largest queue, entries. */
  readonly queueEntriesMax: number;
  /** Bytes of one command's data. */
  readonly maxTransferBytes: number;
  /** The controller is not needed any more. */
  readonly onEnd: (controller: Controller) => void;
}

export class Controller implements EventHandler {
  readonly id: number;
  readonly subsystem: Subsystem;
  readonly port: TargetPort;
  readonly hostNqn: string;
  readonly hostIdBytes: Uint8Array;
  /** 32 hexadecimal digits. */
  readonly hostId: string;
  readonly queueEntriesMax: number;
  readonly maxTransferBytes: number;
  readonly settings: HostSettings = { katoMs: 0, behavior: new Uint8Array(512), reservationMasks: new Map() };
  readonly events: EventDesk;
  readonly errorLog = new ErrorLog();
  readonly reservationLog = new ReservationLog();
  readonly changedNamespaces = new Set<number>();
  /** Registers CAP, CC, CSTS at their offsets. */
  readonly properties = new DataView(new ArrayBuffer(0x40));
  adminQueue: TargetQueue | null = null;
  /** By queue identifier; 0 is not used. */
  readonly ioQueues: (TargetQueue | null)[] = [];
  /** Set by every command: keep-alive by traffic. */
  hasTraffic = false;
  readonly #executor: Executor;
  readonly #onEnd: (controller: Controller) => void;
  #timer: TimerId = 0;
  #isEnded = false;

  constructor(facts: ControllerFacts) {
    this.id = facts.id;
    this.subsystem = facts.subsystem;
    this.port = facts.port;
    this.hostNqn = facts.hostNqn;
    this.hostIdBytes = facts.hostId;
    this.hostId = facts.hostIdText;
    this.queueEntriesMax = facts.queueEntriesMax;
    this.maxTransferBytes = facts.maxTransferBytes;
    this.#executor = facts.executor;
    this.#onEnd = facts.onEnd;
    this.events = new EventDesk((request, outcome) => this.adminQueue?.complete(request, outcome));
    CAP.MQES.write(this.properties, facts.queueEntriesMax - 1);
    CAP.CQR.write(this.properties, 1);
    // 15 s, as the kernel's.
    CAP.TO.write(this.properties, 30);
    CAP.CSS.write(this.properties, 1);
    this.setKeepAlive(facts.katoMs);
  }

  get isDiscovery(): boolean {
    return this.subsystem.isDiscovery;
  }

  /** CC.EN and CSTS.RDY: commands other than those of fabrics are taken. */
  get isReady(): boolean {
    return CSTS.RDY.read(this.properties) === 1;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  namespace(nsid: number): TargetNamespace | undefined {
    return this.subsystem.namespaces.get(nsid);
  }

  /** Property Set of CC. */
  configure(value: number): void {
    const wasEnabled = CC.EN.read(this.properties) === 1;
    const wasShutDown = CC.SHN.read(this.properties) !== SHUTDOWN_NOTIFICATION.NONE;
    CC.setValue(this.properties, value);
    const isEnabled = CC.EN.read(this.properties) === 1;
    if (isEnabled && !wasEnabled) {
      this.#enable();
    } else if (!isEnabled && wasEnabled) {
      CSTS.RDY.write(this.properties, 0);
      CSTS.SHST.write(this.properties, SHUTDOWN_STATUS.NONE);
    }
    const isShutDown = CC.SHN.read(this.properties) !== SHUTDOWN_NOTIFICATION.NONE;
    if (isShutDown && !wasShutDown) {
      // There is nothing volatile in the target itself; the backends are flushed by the host's own Flush.
      CSTS.RDY.write(this.properties, 0);
      CSTS.SHST.write(this.properties, SHUTDOWN_STATUS.COMPLETE);
      CC.EN.write(this.properties, 0);
    } else if (!isShutDown && wasShutDown) {
      CSTS.SHST.write(this.properties, SHUTDOWN_STATUS.NONE);
    }
  }

  /** Milliseconds, rounded up to whole units; 0: off. */
  setKeepAlive(katoMs: number): void {
    this.settings.katoMs = Math.ceil(katoMs / KEEP_ALIVE_UNIT_MS) * KEEP_ALIVE_UNIT_MS;
    this.hasTraffic = false;
    this.#executor.cancel(this.#timer);
    this.#timer = 0;
    this.#arm();
  }

  onEvent(): void {
    this.#timer = 0;
    if (this.#isEnded) {
      return;
    }
    if (this.hasTraffic) {
      this.hasTraffic = false;
      this.#arm();
      return;
    }
    this.fail('keep-alive-expired');
  }

  /** The controller has failed: CSTS.CFS, and all its connections end. */
  fail(reason: CloseReason): void {
    CSTS.CFS.write(this.properties, 1);
    this.closeAll(reason);
  }

  closeAll(reason: CloseReason): void {
    for (const queue of [...this.ioQueues]) {
      queue?.transport.close(reason);
    }
    this.adminQueue?.transport.close(reason);
  }

  /** A connection has gone. The one of the admin queue takes the others and the controller with it. */
  queueGone(queue: TargetQueue): void {
    if (queue !== this.adminQueue) {
      if (queue.queueId !== null && this.ioQueues[queue.queueId] === queue) {
        this.ioQueues[queue.queueId] = null;
      }
      return;
    }
    this.adminQueue = null;
    this.#isEnded = true;
    this.#executor.cancel(this.#timer);
    this.#timer = 0;
    CSTS.RDY.write(this.properties, 0);
    for (const other of [...this.ioQueues]) {
      other?.transport.close('controller-removed');
    }
    this.#onEnd(this);
  }

  #enable(): void {
    const { properties } = this;
    // NVM command set, pages of 4 KiB, round robin, entries of 64 and 16 bytes. Discovery
    // controllers have no I/O queues: their entry sizes do not count.
    const isFine =
      CC.CSS.read(properties) === 0 &&
      CC.MPS.read(properties) === 0 &&
      CC.AMS.read(properties) === 0 &&
      (this.isDiscovery || (CC.IOSQES.read(properties) === 6 && CC.IOCQES.read(properties) === 4));
    if (isFine) {
      CSTS.RDY.write(properties, 1);
      CSTS.SHST.write(properties, SHUTDOWN_STATUS.NONE);
    } else {
      CSTS.CFS.write(properties, 1);
    }
  }

  #arm(): void {
    const ms = this.settings.katoMs === 0 && this.isDiscovery ? DISCOVERY_IDLE_MS : this.settings.katoMs;
    if (ms > 0) {
      this.#timer = this.#executor.timer(ms * PS_PER_MS, this, 0, 0);
    }
  }
}
