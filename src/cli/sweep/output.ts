/** What a sweep found, as a table for people, CSV, JSON and a chart. Points in their order, whoever came first. */
import { type Chart, csvText, formatQuantity, quantityOfMetric, renderChart } from '../../report/index.ts';
import { padEnd, printable } from '../render/style.ts';
import type { Metrics, PointResult } from './point-result.ts';
import type { SweepPoint, SweepSet } from './sets.ts';

export interface Sweep {
  readonly label: string;
  readonly sets: readonly SweepSet[];
  readonly points: readonly SweepPoint[];
  /** By index of the point; not all, when it was stopped. */
  readonly results: ReadonlyMap<number, PointResult>;
  /** The one that is shown in table and chart. */
  readonly metric: string;
  readonly isLogY: boolean;
}

/** Beside the metric, where it is known: why it is not more. */
const LIMITER = 'limiter.what';

/** Known points only. */
export function tableText(sweep: Sweep): string {
  const { sets, metric } = sweep;
  const { unit, factor } = quantityOfMetric(metric);
  const known = sweep.points.flatMap((point) => {
    const result = sweep.results.get(point.index);
    return result === undefined ? [] : [{ point, result }];
  });
  const hasLimiter = known.some(({ result }) => metricsOf(result)?.[LIMITER] !== undefined);
  const head = [...sets.map(({ path }) => path), metric, ...(hasLimiter ? ['limiter'] : [])];
  const rows = known.map(({ point, result }) => {
    if ('error' in result) {
      const { code, message } = result.error;
      return [...point.values, `failed: ${message.split('\n', 1)[0]}${code === null ? '' : ` [${code}]`}`];
    }
    const value = result.metrics[metric];
    const shown = typeof value === 'number' ? formatQuantity(value * factor, unit) : (value ?? '-');
    return [...point.values, shown, ...(hasLimiter ? [String(result.metrics[LIMITER] ?? '')] : [])];
  });
  // A failure may take all the room there is, and makes no column wider.
  const widths = head.map((title, column) =>
    Math.max(
      title.length,
      ...rows
        .filter((row) => row.length === head.length || column < sets.length)
        .map((row) => printable(row[column] ?? '').length),
    ),
  );
  return [head, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, column) => padEnd(printable(cell), widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** One record a point, all metrics of all points; those that are not known are empty. */
export function sweepCsv(sweep: Sweep): string {
  const names = new Set<string>();
  for (const point of sweep.points) {
    for (const name in metricsOf(sweep.results.get(point.index)) ?? {}) {
      names.add(name);
    }
  }
  const metrics = [...names];
  const records = sweep.points.flatMap((point) => {
    const result = sweep.results.get(point.index);
    if (result === undefined) {
      return [];
    }
    const found = metricsOf(result);
    const error = 'error' in result ? (result.error.code ?? result.error.message) : '';
    return [[...point.values, error, ...metrics.map((name) => found?.[name])]];
  });
  return csvText([...sweep.sets.map(({ path }) => path), 'error', ...metrics], records);
}

/** The contract `peerlane/sweep/1`, piece by piece. Fields may be added. */
export function* sweepJson(sweep: Sweep): Generator<string> {
  const head = {
    schema: 'peerlane/sweep/1',
    lab: sweep.label,
    sets: sweep.sets,
    metric: sweep.metric,
    isComplete: sweep.results.size === sweep.points.length,
  };
  yield `${JSON.stringify(head).slice(0, -1)},"points":[`;
  let separator = '\n';
  for (const point of sweep.points) {
    const result = sweep.results.get(point.index);
    if (result !== undefined) {
      const values = Object.fromEntries(sweep.sets.map(({ path }, index) => [path, point.values[index]!]));
      const error = 'error' in result ? result.error : null;
      yield separator +
        JSON.stringify({ index: point.index, values, metrics: metricsOf(result) ?? null, error });
      separator = ',\n';
    }
  }
  yield '\n]}\n';
}

/** The first set along x; every combination of the others a series. Numbers are joined by lines, words stand as bars. */
export function sweepChart(sweep: Sweep): string {
  const [first, ...others] = sweep.sets;
  const { unit, factor } = quantityOfMetric(sweep.metric);
  const categories = first?.values ?? [''];
  const perCategory = sweep.points.length / categories.length;
  const series = Array.from({ length: perCategory }, (_, index) => ({
    name: others
      .map(({ path }, set) => `${shortPath(path)}=${sweep.points[index]!.values[set + 1]}`)
      .join(' '),
    values: categories.map((_category, place) => {
      const value = metricsOf(sweep.results.get(place * perCategory + index))?.[sweep.metric];
      return typeof value === 'number' ? value * factor : null;
    }),
  }));
  const chart: Chart = {
    kind: categories.every((category) => /^[+-]?[\d.]/.test(category)) ? 'line' : 'bar',
    title: `${sweep.metric} by ${first?.path ?? 'nothing'}`,
    subtitle: sweep.label,
    x: { label: first?.path ?? '', unit: '' },
    categories,
    // A unit that the axis shows is not said twice.
    y: { label: unit === '' ? sweep.metric : sweep.metric.replace(/(?:GBs|Ns|Ps|Bytes)(?=\.|$)/, ''), unit },
    isLogY: sweep.isLogY,
    series,
  };
  return renderChart(chart);
}

function metricsOf(result: PointResult | undefined): Metrics | undefined {
  return result !== undefined && 'metrics' in result ? result.metrics : undefined;
}

/** The last word, and the one before when it is a number or says little alone. */
function shortPath(path: string): string {
  return path.split('.').slice(-2).join('.');
}
