/** Results of the last atomic operations of a queue pair, so that one that comes again is answered and not done again. IBA 9.7.5.1.5. */
import { RNIC_READS_LOG } from '../../spec/rdma/index.ts';

const KEPT = 2 ** RNIC_READS_LOG;

export interface AtomicResult {
  psn: number;
  low: number;
  high: number;
}

export class AtomicHistory {
  readonly #results: AtomicResult[] = [];
  #next = 0;

  add(psn: number, low: number, high: number): void {
    this.#results[this.#next] = { psn, low, high };
    this.#next = (this.#next + 1) % KEPT;
  }

  find(psn: number): AtomicResult | undefined {
    return this.#results.find((one) => one.psn === psn);
  }
}
