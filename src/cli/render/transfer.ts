/** Figures of a transfer: rates, times, latencies, and a line of progress for terminals. */
import type { LatencySummary } from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { formatBytes, padEnd } from './style.ts';

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Math.round(bytesPerSecond))}/s`;
}

/** Three significant digits in the unit that suits. */
export function formatNs(ns: number): string {
  const units: readonly [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'us'],
    [1, 'ns'],
  ];
  const [scale, unit] = units.find(([limit]) => ns >= limit) ?? [1, 'ns'];
  const value = ns / scale;
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ${unit}`;
}

const COLUMNS: readonly [string, keyof LatencySummary][] = [
  ['mean', 'meanNs'],
  ['p50', 'p50Ns'],
  ['p90', 'p90Ns'],
  ['p99', 'p99Ns'],
  ['p99.9', 'p999Ns'],
  ['max', 'maxNs'],
];
const LABEL_WIDTH = 22;
const COLUMN_WIDTH = 10;

/** A table of latencies; rows without a single request are left out. */
export function latencyTable(rows: readonly (readonly [string, LatencySummary])[]): string {
  const filled = rows.filter(([, summary]) => summary.count > 0);
  if (filled.length === 0) {
    return '';
  }
  const head = padEnd('latency', LABEL_WIDTH) + COLUMNS.map(([name]) => name.padStart(COLUMN_WIDTH)).join('');
  const lines = filled.map(
    ([label, summary]) =>
      padEnd(label, LABEL_WIDTH) +
      COLUMNS.map(([, key]) => formatNs(summary[key]).padStart(COLUMN_WIDTH)).join(''),
  );
  return `${[head, ...lines].join('\n')}\n`;
}

/** A line on stderr that is written over, ten times a second at most; nothing where stderr is no terminal. */
export class ProgressLine {
  readonly #io: Io;
  readonly #nowNs: () => number;
  #lastNs = Number.NEGATIVE_INFINITY;
  #width = 0;

  constructor(io: Io, nowNs: () => number) {
    this.#io = io;
    this.#nowNs = nowNs;
  }

  show(text: string): void {
    const now = this.#nowNs();
    if (!this.#io.errIsTerminal || now - this.#lastNs < 1e8) {
      return;
    }
    this.#lastNs = now;
    this.#io.err(`\r${text.padEnd(this.#width)}`);
    this.#width = text.length;
  }

  clear(): void {
    if (this.#width > 0) {
      this.#io.err(`\r${' '.repeat(this.#width)}\r`);
      this.#width = 0;
    }
  }
}
