/**
 * What a transfer needs of a machine, real or simulated: ends by name, the facts that decide the route, and memory.
 *
 * `live-machine.ts` and `lab-machine.ts` implement it; `copy` and `bench` know nothing else. What only one of the two can do
 * is null on the other.
 */

import type { BlockTarget, Span } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';
import type { LabTraffic, WorkloadReport } from '../../lab/index.ts';
import type { RouteEnd, VerifyResult } from '../../orchestrators/index.ts';
import type { RuleSet } from '../../p2pdma/index.ts';
import type { MachineIndex } from '../../topology/index.ts';
import type { TraceFiles } from '../lab/trace-files.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface TransferMachine {
  /** Something that is there and will be read. @throws PeerlaneError */
  source(name: string): TransferEnd;
  /**
   * Something that will be written; whatever would be unsafe is refused here, before anything is opened.
   * @param mustExist false: a file may still have to be made
   */
  destination(name: string, mustExist: boolean): TransferEnd;
  /** As they are now. */
  routeFacts(): RouteFacts;
  /** Free peer memory; undefined when it is not known. */
  availableBytes(provider: Bdf): number | undefined;
  /** Stays the caller's. @throws PeerlaneError */
  allocateHost(lengthBytes: number): Span;
  /** Stays the caller's. @throws {MappingError} P2P_POOL_EXHAUSTED and others */
  allocatePeer(provider: Bdf, lengthBytes: number): Span;
  readonly simulation: Simulation | null;
  /** After every target and span was closed. */
  close(): void;
}

export interface RouteFacts {
  readonly index: MachineIndex;
  readonly rules: RuleSet;
}

/** One end, looked at and not opened. */
export interface TransferEnd {
  /** What the person named. */
  readonly label: string;
  readonly route: RouteEnd;
  /** Two ends with the same text are one disk or file; undefined: a file that is still to be made. */
  readonly identity: string | undefined;
  readonly isDevice: boolean;
  /** What a write destroys beyond this run: a device's content, a file's, or nothing. */
  readonly atStake: 'device' | 'file' | 'nothing';
  /** What it was seen to hold: `an ext4 file system`. */
  readonly holds: readonly string[];
  open(options: OpenOptions): OpenEnd;
}

export interface OpenOptions {
  readonly write: boolean;
  /** Requests at once. */
  readonly depth: number;
  /** Nobody else may have it open for writing. */
  readonly exclusive?: boolean;
  /** Of a file that is still to be made, or shorter. */
  readonly createBytes?: number;
}

export interface OpenEnd {
  readonly target: BlockTarget;
  /** Makes the opening undone, while nothing was written. */
  readonly undo: () => void;
}

/** One end of a copy is memory that the other end's device can do DMA to. */
export interface InPlace {
  /** All of the end's blocks. Stays the machine's. */
  readonly memory: Span;
  readonly provider: Bdf;
  /** The end whose device does the DMA. */
  readonly drive: TransferEnd;
}

/** What a simulated machine tells beyond a real one. Without a clock its figures are bytes, never a bandwidth. */
export interface Simulation {
  /** Of the files of a trace: listens from now on. @throws {UsageError} USAGE_PCAP_ENGINE */
  traceInto(files: TraceFiles): void;
  /** Virtual time; null: the machine has none. */
  readonly clock: VirtualClock | null;
  /** Counts from here. */
  resetTraffic(): void;
  /** What was busy since `resetTraffic`, of so much time; null without a clock. */
  report(measuredNs: number): WorkloadReport | null;
  traffic(): LabTraffic;
  /** Whether one of two ends is memory for the other; null when it is not. */
  inPlace(a: TransferEnd, b: TransferEnd): InPlace | null;
  /** Compares what two drives hold, in their own view: no request is made for it. */
  compare(
    source: TransferEnd,
    sourceOffsetBytes: number,
    target: TransferEnd,
    targetOffsetBytes: number,
    lengthBytes: number,
  ): VerifyResult;
}
