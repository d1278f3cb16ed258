/**
 * Something that does one piece of work after the other, first come, first served: all that is known of its queue is when it
 * will be free. Work is handed over when it arrives, never ahead of time, so what is left to do has no holes in it.
 */
export class Server {
  #freePs = 0;
  /** Work that was handed over and is counted, done or not. */
  #countedPs = 0;

  /** When all work that was handed over is done; may have passed. */
  get freePs(): number {
    return this.#freePs;
  }

  /** Takes work of `workPs` at `nowPs`. @returns when it starts */
  take(nowPs: number, workPs: number): number {
    const startPs = Math.max(nowPs, this.#freePs);
    this.#freePs = startPs + workPs;
    this.#countedPs += workPs;
    return startPs;
  }

  /** Picoseconds of work that is still to be done. */
  leftPs(nowPs: number): number {
    return Math.max(0, this.#freePs - nowPs);
  }

  /** How long it has been busy since `resetCounts`. */
  busyPs(nowPs: number): number {
    return Math.max(0, this.#countedPs - this.leftPs(nowPs));
  }

  resetCounts(nowPs: number): void {
    this.#countedPs = this.leftPs(nowPs);
  }

  /** Nobody wants the rest of the work any more. */
  drop(nowPs: number): void {
    this.#countedPs -= this.leftPs(nowPs);
    this.#freePs = Math.min(this.#freePs, nowPs);
  }
}
