/**
 * A report on fio jobs with the field names of `fio --output-format=json` (3.33), so that what reads those reads ours. What is
 * our own stands in `peerlane`. Fields that are not measured here are 0, as in a fio run that is too short for them:
 * bandwidth and IOPS over time, processor use, submission latency.
 */
import { type FioDirection, type FioEntry, LatencyHistogram } from '../../orchestrators/index.ts';
import { routeJson } from '../transfer/route.ts';
import {
  errorNumber,
  type FioReport,
  PERCENTILES,
  perSecond,
  runtimeMs,
  troubleText,
  UNTIMED,
} from './fio-report.ts';

export function fioJson(report: FioReport): Record<string, unknown> {
  return {
    'fio version': 'peerlane (fields of fio-3.33)',
    timestamp: Math.floor(report.startedMs / 1000),
    timestamp_ms: report.startedMs,
    time: new Date(report.startedMs).toUTCString(),
    'global options': report.file.globalOptions,
    jobs: report.entries.map(jobJson),
    disk_util: [],
    peerlane: {
      schema: 'peerlane/fio/1',
      outcome: report.outcome,
      isSimulated: report.isSimulated,
      // In words, for who finds the figures in a log.
      figures: report.isSimulated ? UNTIMED : 'measured',
      traffic: report.traffic,
      ignored: report.ignored,
      jobs: report.entries.map((entry) => ownJson(report, entry)),
      exitStatus: report.exitStatus,
    },
  };
}

function ownJson(report: FioReport, entry: FioEntry): Record<string, unknown> {
  const { job } = entry.threads[0]!;
  const choice = report.choices.get(job);
  const failed = entry.threads.find(({ trouble }) => trouble !== undefined);
  return {
    jobname: entry.name,
    filename: report.filenames.get(job) ?? null,
    jobs: entry.threads.length,
    memory: choice === undefined ? 'host' : 'peer',
    route: choice === undefined ? null : routeJson(choice),
    verifiedBlocks: entry.threads.reduce((sum, { testedBlocks }) => sum + testedBlocks, 0),
    failure:
      failed?.trouble === undefined
        ? null
        : { kind: failed.trouble.kind, index: failed.index, message: troubleText(failed.trouble) },
  };
}

function jobJson(entry: FioEntry): Record<string, unknown> {
  const { job } = entry.threads[0]!;
  const all = allOf(entry);
  const runtime = Math.round(entry.elapsedNs / 1e6);
  return {
    jobname: entry.name,
    groupid: entry.group,
    error: errorNumber(entry.threads.find(({ trouble }) => trouble !== undefined)?.trouble),
    eta: 0,
    elapsed: Math.ceil(entry.elapsedNs / 1e9),
    ...(job.description === undefined ? {} : { desc: job.description }),
    'job options': job.options,
    read: directionJson(entry.read),
    write: directionJson(entry.write),
    trim: directionJson(nothing()),
    sync: { total_ios: 0, lat_ns: statsJson(nothing().latency) },
    job_runtime: entry.threads.length * runtime,
    usr_cpu: 0,
    sys_cpu: 0,
    ctx: 0,
    majf: 0,
    minf: 0,
    iodepth_level: level(job.iodepth, ['1', '2', '4', '8', '16', '32', '>=64']),
    iodepth_submit: { '0': 0, ...level(1, ['4', '8', '16', '32', '64', '>=64']) },
    iodepth_complete: { '0': 0, ...level(1, ['4', '8', '16', '32', '64', '>=64']) },
    latency_ns: buckets(all, 1, [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000], 0),
    latency_us: buckets(all, 1e3, [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000], 1),
    latency_ms: {
      ...buckets(all, 1e6, [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000, 2000], 1),
      '>=2000': share(all, all.count - all.countUpTo(2000e6)),
    },
    latency_depth: job.iodepth,
    latency_target: 0,
    latency_percentile: 100,
    latency_window: 0,
  };
}

function directionJson(direction: FioDirection): Record<string, unknown> {
  const { bytes, ios, latency } = direction;
  const bytesPerSecond = perSecond(bytes, direction);
  return {
    io_bytes: bytes,
    io_kbytes: Math.floor(bytes / 1024),
    bw_bytes: Math.round(bytesPerSecond),
    bw: Math.round(bytesPerSecond / 1024),
    iops: perSecond(ios, direction),
    runtime: runtimeMs(direction),
    total_ios: ios,
    short_ios: 0,
    drop_ios: 0,
    slat_ns: statsJson(nothing().latency),
    clat_ns: {
      ...statsJson(latency),
      ...(ios === 0
        ? {}
        : {
            percentile: Object.fromEntries(
              PERCENTILES.map((percent) => [percent.toFixed(6), latency.percentile(percent / 100)]),
            ),
          }),
    },
    lat_ns: statsJson(latency),
    bw_min: 0,
    bw_max: 0,
    bw_agg: 0,
    bw_mean: 0,
    bw_dev: 0,
    bw_samples: 0,
    iops_min: 0,
    iops_max: 0,
    iops_mean: 0,
    iops_stddev: 0,
    iops_samples: 0,
  };
}

function statsJson(latency: LatencyHistogram): Record<string, number> {
  const { minNs, maxNs, meanNs, count } = latency.summary();
  return { min: minNs, max: maxNs, mean: meanNs, stddev: latency.deviationNs, N: count };
}

/** Share of requests at most `limits[i]` units and above the limit before, in percent. */
function buckets(
  latency: LatencyHistogram,
  unitNs: number,
  limits: readonly number[],
  fromUnits: number,
): Record<string, number> {
  let below = latency.countUpTo(fromUnits * unitNs);
  if (fromUnits === 0) {
    below = 0;
  }
  return Object.fromEntries(
    limits.map((limit) => {
      const upTo = latency.countUpTo(limit * unitNs);
      const value = share(latency, upTo - below);
      below = upTo;
      return [String(limit), value];
    }),
  );
}

function share(latency: LatencyHistogram, count: number): number {
  return latency.count === 0 ? 0 : (count / latency.count) * 100;
}

/** The slots are kept full, so all requests are in one class: that of the depth that was asked for. */
function level(depth: number, names: readonly string[]): Record<string, number> {
  const limits = names.map((name) => Number(name.replace('>=', '')));
  const above = limits.findIndex((limit) => depth < limit);
  const own = above < 0 ? names.length - 1 : Math.max(0, above - 1);
  return Object.fromEntries(names.map((name, i) => [name, i === own ? 100 : 0]));
}

function nothing(): FioDirection {
  return { bytes: 0, ios: 0, elapsedNs: 0, latency: new LatencyHistogram() };
}

function allOf({ read, write }: FioEntry): LatencyHistogram {
  const all = new LatencyHistogram();
  all.merge(read.latency);
  all.merge(write.latency);
  return all;
}
