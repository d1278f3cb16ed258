/** Threads brought together for reports: one entry for each, or for each group with `group_reporting`. */
import { LatencyHistogram } from '../latency.ts';
import type { FioDirection, FioThread } from './run.ts';

/** One entry of a report. */
export interface FioEntry {
  /** Of the first thread in it. */
  readonly name: string;
  readonly group: number;
  readonly threads: readonly FioThread[];
  readonly read: FioDirection;
  readonly write: FioDirection;
  /** The longest of its threads. */
  readonly elapsedNs: number;
}

/** In the order of the threads. As in fio, all threads of a group that ask for it share one entry. */
export function fioEntries(threads: readonly FioThread[]): readonly FioEntry[] {
  const buckets: FioThread[][] = [];
  for (const thread of threads) {
    const last = buckets.at(-1)?.at(-1);
    const isShared = last?.group === thread.group && last.job.groupReporting && thread.job.groupReporting;
    if (isShared) {
      buckets.at(-1)!.push(thread);
    } else {
      buckets.push([thread]);
    }
  }
  return buckets.map((bucket) => ({
    name: bucket[0]!.job.name,
    group: bucket[0]!.group,
    threads: bucket,
    read: sumOf(bucket.map(({ read }) => read)),
    write: sumOf(bucket.map(({ write }) => write)),
    elapsedNs: Math.max(...bucket.map(({ elapsedNs }) => elapsedNs)),
  }));
}

/** Bytes and requests add up, time is that of the longest. */
export function sumOf(directions: readonly FioDirection[]): FioDirection {
  const latency = new LatencyHistogram();
  let bytes = 0;
  let ios = 0;
  let elapsedNs = 0;
  for (const direction of directions) {
    latency.merge(direction.latency);
    bytes += direction.bytes;
    ios += direction.ios;
    elapsedNs = Math.max(elapsedNs, direction.elapsedNs);
  }
  return { bytes, ios, elapsedNs, latency };
}
