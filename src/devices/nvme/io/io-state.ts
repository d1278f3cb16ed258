/**
 * Where one I/O command stands: its range, what it holds, and the buffers it was lent.
 *
 * One object per command slot, made when the slot first executes an I/O command. `begin` sets every field.
 */
import type { Memory } from '../../../fabric/index.ts';
import type { Command } from '../command.ts';
import type { GateEntry, Namespace, RangeGate, Tags } from '../media/index.ts';

/** What an operation does when it is run next. Each operation uses some of them, in this order. */
export const STEP = {
  BEGIN: 0,
  /** The list of ranges has come. */
  LIST: 1,
  /** Nobody is in the way, or has been asked yet. */
  ENTER: 2,
  /** The data have moved. */
  DATA: 3,
  /** The metadata have moved. */
  METADATA: 4,
  /** There is room in the cache of the drive. */
  ROOM: 5,
  /** The media are ready, or have been read. */
  MEDIA: 6,
} as const;
export type Step = (typeof STEP)[keyof typeof STEP];

/** How far a command is on a drive whose media take time. */
export const CLOCK = {
  /** The controller has not taken it up. */
  FETCHED: 0,
  RUNNING: 1,
  /** It has been executed, and is over when its time is. */
  ENDING: 2,
} as const;
export type Clock = (typeof CLOCK)[keyof typeof CLOCK];

/** Who goes on with a command that has waited. */
export interface IoOwner {
  onAdmitted(state: IoState): void;
}

export class IoState implements GateEntry {
  readonly command: Command;
  readonly #owner: IoOwner;
  /** It was pending and is not over. */
  isUnderWay = false;
  step: Step = STEP.BEGIN;
  namespace: Namespace | null = null;

  slba = 0;
  /** The block after the last. */
  end = 0;
  blocks = 0;

  /** Where it holds a range or waits for one: that of its namespace, but for the sources of a Copy. */
  gate: RangeGate | null = null;
  isWrite = false;
  isAdmitted = false;
  isWaiting = false;
  heldAt = -1;

  /** Bytes in the data buffer of the host, for one block and for all. */
  hostBlockBytes = 0;
  dataBytes = 0;
  /** Bytes in the separate metadata buffer of the host. */
  metadataBytes = 0;
  /** 4 bits of PRINFO; 0 without protection information. */
  prinfo = 0;
  isStorageTagChecked = false;
  tags: Tags | null = null;

  clock: Clock = CLOCK.FETCHED;
  /** Waits for nothing but time. The clock's, as the next two. */
  isTimed = false;
  /** Counts what was started or given up in this slot: events of an earlier run mean nothing. */
  timeRun = 0;
  /** The next piece of its data to come off the media. */
  piece = 0;

  staging: Memory | null = null;
  metadataStaging: Memory | null = null;

  /** The second of a fused pair, at the first; null otherwise. */
  second: IoState | null = null;
  /** The first of a fused pair, at the second. */
  first: IoState | null = null;

  constructor(command: Command, owner: IoOwner) {
    this.command = command;
    this.#owner = owner;
  }

  resume(): void {
    this.#owner.onAdmitted(this);
  }

  begin(): void {
    this.step = STEP.BEGIN;
    this.namespace = null;
    this.gate = null;
    this.isWrite = false;
    this.isAdmitted = false;
    this.isWaiting = false;
    this.prinfo = 0;
    this.isStorageTagChecked = false;
    this.clock = CLOCK.FETCHED;
    this.isTimed = false;
    this.timeRun++;
    this.second = null;
    this.first = null;
  }
}
