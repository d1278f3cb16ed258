/** What the admin commands see of the controller they belong to. The controller implements it. */
import type { Executor, Memory, Status } from '../../../fabric/index.ts';
import type { Command } from '../command.ts';
import type { Health } from '../health.ts';
import type { Namespace } from '../media/index.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Interrupts } from '../queues/interrupts.ts';
import type { QueueEngine } from '../queues/queue-engine.ts';
import type { ControllerServices } from '../services.ts';
import type { NvmSubsystem } from '../subsystem.ts';
import type { AsyncEvents } from './async-events.ts';
import type { ErrorLog } from './error-log.ts';
import type { Features } from './features.ts';
import type { FirmwareSlots } from './firmware.ts';
import type { SelfTest } from './self-test.ts';

/** Moves the data of a command; see `command.ts` for what it returns. Implemented by data/. */
export interface CommandData {
  toHost(command: Command, local: Memory, localOffset: number, lengthBytes: number): Status;
  fromHost(command: Command, local: Memory, localOffset: number, lengthBytes: number): Status;
}

export interface AdminHost {
  readonly options: ResolvedOptions;
  readonly services: ControllerServices;
  readonly executor: Executor;
  readonly data: CommandData;
  readonly engine: QueueEngine;
  readonly interrupts: Interrupts;
  readonly events: AsyncEvents;
  readonly features: Features;
  readonly errors: ErrorLog;
  readonly health: Health;
  readonly firmware: FirmwareSlots;
  readonly selfTest: SelfTest;
  readonly subsystem: NvmSubsystem;
  /** The 4 KiB of properties. */
  readonly properties: DataView;
  readonly controllerId: number;
  /** CC.AMS chose weighted round robin. */
  readonly isWeighted: boolean;
  namespace(nsid: number): Namespace | undefined;
  /**
   * Takes data of a command from the host; the handler of its opcode gets them. More than a transfer may have (MDTS) fails
   * the command.
   */
  takeData(command: Command, lengthBytes: number): Status;
  /** Executes an admin command again from the start, soon: something has to end first. @returns PENDING, or DONE for failed */
  retryLater(command: Command): Status;
  /** Reports warnings that are new. */
  checkHealth(): void;
  /** The host is alive: the Keep Alive Timer starts again. */
  keepAlive(): void;
  /** Ends an admin command that was PENDING. */
  complete(command: Command): void;
  /** A queue engine's view of an address: own memory, the bus, or 'invalid'. */
  localAddress: ControllerServices['localAddress'];
  /** NSIDs that were attached, detached, resized or formatted since the log was last read, and did not fit an event. */
  readonly changedNamespaces: Set<number>;
  /** Of the firmware that runs. */
  readonly revision: string;
  /** Milliseconds since the power came. */
  readonly poweredMs: number;
}
