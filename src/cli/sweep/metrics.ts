/** A workload's report as a flat table: each number and each name under the path that leads to it. */
import type { Metrics } from './point-result.ts';

/** What names an entry of a list, in this order; else its index. */
const NAMES = ['name', 'port', 'node', 'what'] as const;

/**
 * Flattens a report (`peerlane/workload/1`). Before all else stand the totals that a sweep is mostly about: `goodputGBs`,
 * `iops` and `failures` over all streams, and of a single stream its latencies, `latency.p99Ns`.
 */
export function flatMetrics(report: object): Metrics {
  const flat: Record<string, number | string> = {};
  const streams = entriesOf(report, 'streams');
  if (streams.length > 0) {
    for (const total of ['goodputGBs', 'iops', 'failures']) {
      flat[total] = streams.reduce((sum, stream) => sum + numberOf(stream[total]), 0);
    }
    const [only] = streams;
    if (streams.length === 1) {
      flatten(flat, 'latency', only?.latency);
    }
  }
  for (const [key, value] of Object.entries(report)) {
    if (key !== 'schema') {
      flatten(flat, key, value);
    }
  }
  return flat;
}

function flatten(into: Record<string, number | string>, path: string, value: unknown): void {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) {
      flatten(into, `${path}.${nameOf(entry) ?? index}`, entry);
    }
  } else if (isObject(value)) {
    for (const [key, inner] of Object.entries(value)) {
      flatten(into, `${path}.${key}`, inner);
    }
  } else if (typeof value === 'number' ? Number.isFinite(value) : typeof value === 'string') {
    into[path] = value as number | string;
  } else if (typeof value === 'boolean') {
    into[path] = value ? 1 : 0;
  }
}

function nameOf(entry: unknown): string | undefined {
  if (!isObject(entry)) {
    return undefined;
  }
  const key = NAMES.find((name) => typeof entry[name] === 'string' || typeof entry[name] === 'number');
  return key === undefined ? undefined : String(entry[key]);
}

function entriesOf(report: object, key: string): readonly Record<string, unknown>[] {
  const value: unknown = (report as Record<string, unknown>)[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
