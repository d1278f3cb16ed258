/** Numbers of queues and keys; a number that was given back is used again last. */
export class NumberPool {
  readonly #end: number;
  #next: number;
  readonly #free: number[] = [];

  /** From `first` to below `end`. */
  constructor(first: number, end: number) {
    this.#next = first;
    this.#end = end;
  }

  take(): number | undefined {
    return this.#next < this.#end ? this.#next++ : this.#free.shift();
  }

  give(number: number): void {
    this.#free.push(number);
  }
}
