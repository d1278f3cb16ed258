/**
 * The way of a request through the stages, worked out once for a route: there, the completer, and back.
 */
import type { Stage } from './stage.ts';

/** One way over a number of stages. The arrays have one entry a stage; an empty leg takes `delayPs` and nothing else. */
export interface Leg {
  readonly stages: readonly Stage[];
  /**
   * From the last byte leaving the stage until a packet is ready for the next one, or has arrived: propagation, and what the
   * switch, root complex or endpoint behind it takes.
   */
  readonly delaysPs: readonly number[];
  /** Before the first stage: the sender to its pins. */
  readonly delayPs: number;
  /** Bytes of a packet besides its payload; 0 where payload alone counts. */
  readonly overheadBytes: readonly number[];
  /** From this stage on a packet travels in pieces of at most so many payload bytes; Infinity: as it was sent. */
  readonly splitBytes: readonly number[];
  /** The stage behind waits for the whole packet before it sends. False: cut-through. */
  readonly storesWhole: readonly boolean[];
  /** Packets carry an end-to-end checksum. In `overheadBytes` already. */
  readonly ecrc?: boolean;
}

/** What stands at the end of a request. */
export interface Access {
  /** From the request's arrival until its data is on the way back, or a write is globally visible. */
  readonly latencyPs: number;
}

/** Who has tags and keeps requests in order: a function, the CPU, a completer. */
export interface SourceLimits {
  /** Reads under way at once. */
  readonly tags: number;
  /** Strictly ordered posted writes wait until the one before has been seen. */
  readonly waitsForPosted: boolean;
}

/** A translation in front of the root complex. Answers by page; keeps state of its own. */
export interface TranslationStage {
  /**
   * When a packet that arrives at `atPs` may go on, and be it the same moment.
   * @param source  who made it: its addresses are its own
   */
  ready(source: number, addr: number, isWrite: boolean, atPs: number): number;
}

/** At most so many requests at a time, for all paths that share the object: what a bridge forwards. */
export interface Gate {
  readonly name: string;
  readonly requestsMax: number;
}

/** PCIe Base 6.0, 10.2.2 and 10.3.1. */
export type PathRole = 'translation-request' | 'invalidate-request' | 'invalidate-completion';

export interface TimedPath {
  readonly isWrite: boolean;
  /** Largest payload of a packet of a write; of a read the largest request. A power of two. */
  readonly requestBytes: number;
  /** Largest payload of a completion. Reads only. */
  readonly completionBytes: number;
  /** Read requests of up to so many bytes are answered in smaller pieces; 0 or missing: none. */
  readonly smallRequestBytes?: number;
  readonly smallCompletionBytes?: number;
  /** What a read costs after its last byte has come, for each byte: the engine passes everything on once more. */
  readonly drainPsPerByte?: number;
  readonly request: Leg;
  /** Null for writes. */
  readonly completion: Leg | null;
  readonly access: Access;
  readonly translation: TranslationStage | null;
  /** Index of the stage of the request leg in front of which translation happens; `stages.length`: at the completer. */
  readonly translationAt: number;
  /** Paths of one source share its order and its tags. */
  readonly source: number;
  readonly limits: SourceLimits;
  /** Reads pass it; null: nothing of the kind. */
  readonly gate: Gate | null;
  /** What it is, where it is no memory request with data: messages and requests of ATS. */
  readonly role?: PathRole;
}
