/** A report on fio jobs in the layout that people know: per job IOPS, bandwidth and completion latencies, then the groups. */
import type { FioDirection, FioEntry, FioJob } from '../../orchestrators/index.ts';
import { sumOf } from '../../orchestrators/index.ts';
import { routeText } from '../transfer/route.ts';
import {
  errorNumber,
  type FioReport,
  PERCENTILES,
  perSecond,
  runtimeMs,
  troubleText,
  UNTIMED,
} from './fio-report.ts';
import { printable } from './style.ts';
import { trafficLines } from './traffic.ts';

export function fioText(report: FioReport): string {
  const lines: string[] = [];
  const jobs = new Map<FioJob, number>();
  for (const { threads } of report.entries) {
    for (const { job, group } of threads) {
      jobs.set(job, group);
    }
  }
  for (const [job, group] of jobs) {
    lines.push(headLine(report, job, group));
  }
  lines.push('');
  for (const { key, line, why } of report.ignored) {
    lines.push(`ignored: ${key} (line ${line}): ${why}`);
  }
  if (report.isSimulated) {
    lines.push(`${UNTIMED}: times, rates and latencies are of this computer, which runs the simulation`);
  }
  for (const entry of report.entries) {
    lines.push('', ...entryLines(entry));
  }
  lines.push(...groupLines(report.entries));
  if (report.traffic !== null) {
    lines.push('', ...trafficLines(report.traffic));
  }
  return `${lines.join('\n')}\n`;
}

function headLine(report: FioReport, job: FioJob, group: number): string {
  const choice = report.choices.get(job);
  const memory = choice === undefined ? 'host memory' : routeText(choice);
  const copies = job.numjobs > 1 ? `, numjobs=${job.numjobs}` : '';
  return printable(
    `${job.name}: (g=${group}): rw=${job.rw}, bs=(R) ${job.readBytes}B, (W) ${job.writeBytes}B, iodepth=${job.iodepth}${copies}, filename=${report.filenames.get(job)}, iomem=${memory}`,
  );
}

function entryLines(entry: FioEntry): readonly string[] {
  const failed = entry.threads.find(({ trouble }) => trouble !== undefined);
  const { job } = entry.threads[0]!;
  const tested = entry.threads.reduce((sum, { testedBlocks }) => sum + testedBlocks, 0);
  return [
    printable(
      `${entry.name}: (groupid=${entry.group}, jobs=${entry.threads.length}): err= ${errorNumber(failed?.trouble)}${
        failed?.trouble === undefined ? '' : ` (${troubleText(failed.trouble)})`
      }`,
    ),
    ...(job.description === undefined ? [] : [printable(`  Description  : [${job.description}]`)]),
    ...directionLines('read', entry.read),
    ...directionLines('write', entry.write),
    ...(tested === 0 ? [] : [`  verify: ${tested} blocks tested (crc32c)`]),
  ];
}

function directionLines(name: string, direction: FioDirection): readonly string[] {
  const { ios, latency } = direction;
  if (ios === 0) {
    return [];
  }
  const { minNs, maxNs, meanNs } = latency.summary();
  const [unit, scale] = unitFor(meanNs);
  const value = (ns: number): string => String(Math.round(ns / scale));
  const texts = PERCENTILES.map((percent) => value(latency.percentile(percent / 100)));
  const width = Math.max(5, ...texts.map((text) => text.length));
  const cells = PERCENTILES.map(
    (percent, i) => `${percent.toFixed(2).padStart(5)}th=[${texts[i]!.padStart(width)}]`,
  );
  const rows: string[] = [];
  for (let i = 0; i < cells.length; i += 4) {
    rows.push(`     | ${cells.slice(i, i + 4).join(', ')}${i + 4 < cells.length ? ',' : ''}`);
  }
  return [
    `  ${name}: IOPS=${kilo(perSecond(ios, direction))}, ${bandwidth(direction)}(${binary(direction.bytes)}/${runtimeMs(direction)}msec)`,
    `    clat (${unit}): min=${value(minNs)}, max=${value(maxNs)}, avg=${(meanNs / scale).toFixed(2)}, stdev=${(latency.deviationNs / scale).toFixed(2)}`,
    `    clat percentiles (${unit}):`,
    ...rows,
  ];
}

function groupLines(entries: readonly FioEntry[]): readonly string[] {
  const groups = new Map<number, FioEntry[]>();
  for (const entry of entries) {
    groups.set(entry.group, [...(groups.get(entry.group) ?? []), entry]);
  }
  return [...groups].flatMap(([group, members]) => {
    const rows = (['read', 'write'] as const).flatMap((name) => {
      const sum = sumOf(members.flatMap(({ threads }) => threads.map((thread) => thread[name])));
      return sum.ios === 0
        ? []
        : [
            `${name.toUpperCase().padStart(7)}: ${bandwidth(sum).replace('BW', 'bw')}, io=${binary(sum.bytes)}, run=${runtimeMs(sum)}msec`,
          ];
    });
    return rows.length === 0 ? [] : ['', `Run status group ${group} (all jobs):`, ...rows];
  });
}

/** As fio, the unit in which the mean has at least two digits before the point. */
function unitFor(meanNs: number): readonly [string, number] {
  return meanNs >= 2e6 * 10 ? ['msec', 1e6] : meanNs >= 2e3 * 5 ? ['usec', 1e3] : ['nsec', 1];
}

function bandwidth(direction: FioDirection): string {
  const rate = perSecond(direction.bytes, direction);
  return `BW=${binary(rate)}/s (${decimal(rate)}/s)`;
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (rest >= base && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  return `${significant(rest)}${units[unit]}`;
}

function significant(value: number): string {
  return Number.isInteger(value)
    ? String(value)
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2);
}

function binary(bytes: number): string {
  return scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

function decimal(bytes: number): string {
  return scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);
}

function kilo(value: number): string {
  return value < 1000 ? value.toFixed(0) : scaled(value, 1000, ['', 'k', 'M', 'G']);
}
