/**
 * What a controller did that no correct one does, and that could be survived: counted by kind, the first few told.
 *
 * Leaves out what cannot be survived, which is an `NvmeError`, and command statuses, which are no anomaly.
 */

/** Kinds of anomaly. */
export const ANOMALY_KINDS = [
  /** A completion for a command that was never sent. */
  'unknown-command',
  /** A second completion of a command. */
  'doubled-completion',
  /** A completion that names another submission queue. */
  'wrong-queue',
  /** SQHD outside the entries that are under way. */
  'head-out-of-range',
  /** Completions that were found by the deadline and not by their interrupt. */
  'lost-interrupt',
  /** Entries of the queue look used although nothing is under way. */
  'stuck-head',
  /** A deadline passed. */
  'timeout',
  /** Asynchronous events without end. */
  'event-storm',
  /** A value of Identify that cannot be. */
  'identify',
  /** A capability that cannot be used as it stands. */
  'capability',
  /** A controller memory buffer or persistent memory region that cannot be used as it stands. */
  'controller-memory',
  /** A namespace that is open is not what it was: after a reset, a format, a deletion. */
  'namespace-changed',
  /** A command of the driver's own that is not essential failed. */
  'command-refused',
] as const;

export type AnomalyKind = (typeof ANOMALY_KINDS)[number];

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly message: string;
}

const TOLD_MAX = 64;

export class AnomalyLog {
  /** The first of them, in order. */
  readonly told: Anomaly[] = [];
  /** How many there were, by kind. */
  readonly #counts = new Map<AnomalyKind, number>();

  count(kind: AnomalyKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  get total(): number {
    let sum = 0;
    for (const count of this.#counts.values()) {
      sum += count;
    }
    return sum;
  }

  record(kind: AnomalyKind, message: string): void {
    this.#counts.set(kind, this.count(kind) + 1);
    if (this.told.length < TOLD_MAX) {
      this.told.push({ kind, message });
    }
  }
}
