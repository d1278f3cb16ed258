/** What the two threads of a server say to each other. All of it is cloned on the way: plain values only. */
import type { ControlRequest, ErrorFactsJson } from './control-protocol.ts';
import type { ServerCounters } from './counters.ts';
import type { LogLevel } from './log/levels.ts';

/** What is served, and how. Of the thread that serves it is `workerData`. */
export interface ServeSetup {
  readonly labPath: string;
  readonly labText: string;
  /** Socket of each device that is served, by its name. */
  readonly sockets: ReadonlyMap<string, string>;
  /** The guest may map no memory of a BAR: each access is seen here. */
  readonly isTrapped: boolean;
  /** What the guest writes to a namespace with an image goes to its file. */
  readonly writesImages: boolean;
  readonly logs: readonly LogLevel[];
  /** Already open for appending; null: lines are told. Closed by who opened it. */
  readonly logFd: number | null;
}

/** What happens while devices are served. `atS` is in seconds since serving began. */
export type ServerEvent =
  | { readonly event: 'connected'; readonly atS: number; readonly device: string }
  | { readonly event: 'disconnected'; readonly atS: number; readonly device: string; readonly why: string }
  /** Somebody came while somebody else was there. */
  | { readonly event: 'refused'; readonly atS: number; readonly device: string; readonly why: string }
  | { readonly event: 'reset'; readonly atS: number; readonly device: string; readonly kind: string }
  | { readonly event: 'fault'; readonly atS: number; readonly fault: number; readonly text: string }
  | { readonly event: 'log'; readonly atS: number; readonly line: string }
  /** Lines of the log that nobody took in time, or that could not be written. */
  | { readonly event: 'lost'; readonly atS: number; readonly lines: number };

export type ToServer =
  | { readonly kind: 'ask'; readonly id: number; readonly request: ControlRequest }
  /** So much of what was told has been taken. */
  | { readonly kind: 'taken'; readonly events: number }
  | { readonly kind: 'end' };

export type FromServer =
  /** Every socket listens. Adding to `wakeFd`, an eventfd, wakes the thread. */
  | { readonly kind: 'ready'; readonly wakeFd: number }
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: ErrorFactsJson }
  | { readonly kind: 'events'; readonly events: readonly ServerEvent[] }
  /** It cannot go on. Nothing may be written to the eventfd any more; whatever it is sent next lets it close everything. */
  | { readonly kind: 'failed' }
  /** Everything is closed; the last message. `error`: it did not end because it was told to. */
  | {
      readonly kind: 'ended';
      readonly counters: ServerCounters | null;
      readonly error: ErrorFactsJson | null;
    };
