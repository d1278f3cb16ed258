/**
 * What the engines below a controller (data/, io/) get from it: the port, its own memory by address, namespaces, and
 * the settings that the host made. The controller implements it; nobody else does, except a test bench.
 */
import type { FunctionPort, Memory } from '../../fabric/index.ts';
import type { Command } from './command.ts';
import type { FaultPlan } from './fault-plan.ts';
import type { Namespace } from './media/index.ts';
import type { ResolvedOptions } from './options.ts';
import type { MediaTiming } from './timing/index.ts';

/** A range of the controller's own memory. One object per controller, overwritten by the next call. */
export interface LocalRange {
  kind: 'cmb' | 'pmr';
  memory: Memory;
  offset: number;
}

/** What the CMB may be used for by commands; all false while there is none. */
export interface CmbUse {
  readonly lists: boolean;
  /** RDS: commands that move data to the host. */
  readonly readData: boolean;
  /** WDS. */
  readonly writeData: boolean;
  /** One command may use CMB and other memory; otherwise INVALID_CMB_USE. */
  readonly mayMix: boolean;
}

/** Sums for the SMART log; bytes and commands since the factory. Whoever executes a command adds to them. */
export class IoCounters {
  readBytes = 0;
  writtenBytes = 0;
  readCommands = 0;
  writeCommands = 0;
  mediaErrors = 0;
  errorLogEntries = 0;
}

/** Settings of the host that I/O commands obey. */
export interface IoSettings {
  /** Volatile Write Cache, feature 06h. */
  isWriteCacheOn: boolean;
  /** Host Behavior Support CDFE: bit n allows Copy descriptor format n (2 and 3). */
  copyFormatsAllowed: number;
  /** Host Behavior Support LBAFEE. */
  hasExtendedFormats: boolean;
  /** Write Atomicity Normal, feature 0Ah: AWUN and AWUNF need not be kept. */
  isAtomicityOff: boolean;
  /** Error Recovery DULBE of a namespace, feature 05h. */
  hasDeallocatedError(nsid: number): boolean;
}

export interface ControllerServices {
  readonly options: ResolvedOptions;
  readonly port: FunctionPort;
  /** Bytes of a memory page: CC.MPS. */
  readonly pageBytes: number;
  readonly cmbUse: CmbUse;
  readonly settings: IoSettings;
  readonly counters: IoCounters;
  readonly faults: FaultPlan;
  /** What the media cost in time; null for nothing. */
  readonly media: MediaTiming | null;

  /**
   * Whether an address is this controller's own.
   * @param addr  any number, ADDR_NOWHERE included
   * @returns the range; null when it is not (any of) its own and goes to the bus; 'invalid' when it starts in the CMB or PMR and
   *   ends outside, or touches the controller's registers: Data Transfer Error
   */
  localAddress(addr: number, lengthBytes: number): LocalRange | null | 'invalid';

  /** An active namespace: it exists and is attached to this controller; undefined otherwise. */
  namespace(nsid: number): Namespace | undefined;
  /** All active ones, ascending. */
  activeNamespaces(): Iterable<Namespace>;
  /** Allocated in the subsystem, active here or not. */
  isAllocated(nsid: number): boolean;

  /** An execution that was PENDING is over; the outcome is in the command. */
  complete(command: Command): void;
}
