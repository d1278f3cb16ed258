/**
 * A histogram of latencies in bounded memory: 64 buckets for each power of two, so that a percentile is at most 1.6 % too
 * high, from 1 ns to 2^48 ns (three days) in 22 KiB.
 */

const SUB_BITS = 6;
const SUB_COUNT = 2 ** SUB_BITS;
const OCTAVES = 42;
const BUCKETS = (OCTAVES + 1) * SUB_COUNT;
const TWO_32 = 0x1_0000_0000;

/** Nanoseconds. `p999` is the value that one request in a thousand exceeds. */
export interface LatencySummary {
  readonly count: number;
  readonly minNs: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumNs = 0;
  #sumSquares = 0;
  #minNs = Number.POSITIVE_INFINITY;
  #maxNs = 0;

  get count(): number {
    return this.#count;
  }

  /** Negative values (a clock that was set back) count as 0. */
  record(valueNs: number): void {
    const ns = valueNs > 0 ? Math.floor(valueNs) : 0;
    const bucket = bucketOf(ns);
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#count++;
    this.#sumNs += ns;
    this.#sumSquares += ns * ns;
    if (ns < this.#minNs) {
      this.#minNs = ns;
    }
    if (ns > this.#maxNs) {
      this.#maxNs = ns;
    }
  }

  /** Adds everything that `other` has recorded. */
  merge(other: LatencyHistogram): void {
    for (let i = 0; i < BUCKETS; i++) {
      this.#counts[i] = this.#counts[i]! + other.#counts[i]!;
    }
    this.#count += other.#count;
    this.#sumNs += other.#sumNs;
    this.#sumSquares += other.#sumSquares;
    this.#minNs = Math.min(this.#minNs, other.#minNs);
    this.#maxNs = Math.max(this.#maxNs, other.#maxNs);
  }

  /** Standard deviation of everything recorded; 0 of less than two values. */
  get deviationNs(): number {
    if (this.#count < 2) {
      return 0;
    }
    const mean = this.#sumNs / this.#count;
    return Math.sqrt(Math.max(0, this.#sumSquares / this.#count - mean * mean));
  }

  /** How many were at most `limitNs`, up to the width of a bucket. */
  countUpTo(limitNs: number): number {
    let count = 0;
    for (let bucket = 0; bucket < BUCKETS && firstOf(bucket) <= limitNs; bucket++) {
      count += this.#counts[bucket]!;
    }
    return count;
  }

  /**
   * The smallest value that at least `share` of the recorded ones do not exceed, up to the width of a bucket.
   * @param share  0 to 1
   * @returns 0 when nothing was recorded
   */
  percentile(share: number): number {
    if (this.#count === 0) {
      return 0;
    }
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted) {
        return Math.min(lastOf(bucket), this.#maxNs);
      }
    }
    return this.#maxNs;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      minNs: this.#count === 0 ? 0 : this.#minNs,
      meanNs: this.#count === 0 ? 0 : this.#sumNs / this.#count,
      p50Ns: this.percentile(0.5),
      p90Ns: this.percentile(0.9),
      p99Ns: this.percentile(0.99),
      p999Ns: this.percentile(0.999),
      maxNs: this.#maxNs,
    };
  }
}

/** Values below 64 have a bucket each; above, the six bits after the leading one choose it. */
function bucketOf(ns: number): number {
  if (ns < SUB_COUNT) {
    return ns;
  }
  const exponent = ns < TWO_32 ? 31 - Math.clz32(ns) : 63 - Math.clz32(Math.floor(ns / TWO_32));
  const octave = Math.min(exponent - SUB_BITS + 1, OCTAVES);
  const bucket = octave * SUB_COUNT + (Math.floor(ns / 2 ** (octave - 1)) - SUB_COUNT);
  return Math.min(bucket, BUCKETS - 1);
}

function firstOf(bucket: number): number {
  return bucket === 0 ? 0 : lastOf(bucket - 1) + 1;
}

function lastOf(bucket: number): number {
  const octave = Math.floor(bucket / SUB_COUNT);
  if (octave === 0) {
    return bucket;
  }
  return ((bucket % SUB_COUNT) + SUB_COUNT + 1) * 2 ** (octave - 1) - 1;
}
