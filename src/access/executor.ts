/**
 * The model of work that devices, drivers and orchestrators share, untimed, timed and served alike.
 *
 * Two clocks in one: `after` is what a model's own work costs and is nothing in an untimed machine; `timer` is a deadline
 * and always counts. An executor of a closed run jumps to the next deadline when nothing else is left to do, so a lost
 * completion is found at once and the result does not depend on the speed of the computer.
 *
 * Time is in picoseconds, in a float64. Hot paths hand in an `EventHandler` with an integer code and argument; nothing is
 * allocated for an event.
 */

/** Receives events it has asked for. One object may use many codes. */
export interface EventHandler {
  /** `code` and `argument` are what `after` or `timer` was given. */
  onEvent(code: number, argument: number): void;
}

/** Names a pending timer; 0 is none. */
export type TimerId = number;

export interface Executor {
  /** Now. Constant within one event. */
  readonly nowPs: number;
  /**
   * Calls `handler.onEvent(code, argument)` when a model's work of `delayPs` is done: at once in an untimed machine, but
   * never before the caller has returned. Events of the same moment come in the order in which they were asked for.
   */
  after(delayPs: number, handler: EventHandler, code: number, argument: number): void;
  /** A deadline `delayPs` from now. Keeps a closed run alive, so arm one only while something is awaited. */
  timer(delayPs: number, handler: EventHandler, code: number, argument: number): TimerId;
  /** No effect when it has fired already or is 0. */
  cancel(timer: TimerId): void;
  /** Something outside the simulation is awaited (a file, a socket): no deadline is jumped to until `release`. */
  hold(): void;
  release(): void;
}

/** One millisecond and one second in the unit of time. */
export const PS_PER_NS = 1e3;
export const PS_PER_US = 1e6;
export const PS_PER_MS = 1e9;
export const PS_PER_S = 1e12;
