/** What is known of a point of a sweep. Plain data: it crosses threads and stands in the journal. */

/** By name with its path, `streams.r0.latency.p99Ns`; the name ends in the unit. */
export type Metrics = Readonly<Record<string, number | string>>;

export interface PointError {
  /** Of a typed error; null: a bug. */
  readonly code: string | null;
  readonly message: string;
  readonly hint: string | null;
}

export type PointResult = { readonly metrics: Metrics } | { readonly error: PointError };
