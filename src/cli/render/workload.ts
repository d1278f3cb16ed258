/** What a workload reached, for people: streams, links, memory, processor, stalls, and the limiter. */
import type { LinkReport, StreamReport, WorkloadReport } from '../../lab/index.ts';
import { formatBytes, padEnd, printable, type Style, visibleWidth } from './style.ts';
import { formatNs } from './transfer.ts';

/** Links that are less used are counted, not shown. */
const IDLE = 0.005;
const STALLS_MAX = 4;

export function* workloadLines(report: WorkloadReport, style: Style): Generator<string> {
  yield* table(
    ['stream', 'GB/s', 'requests/s', 'mean', 'p50', 'p90', 'p99', 'p99.9', 'max', 'route'],
    report.streams.map(streamCells),
  );
  for (const { name, failures, failure } of report.streams) {
    if (failures > 0) {
      yield style.bad(printable(`${name}: ${failures} requests failed: ${failure}`));
    }
  }
  for (const { name, requests } of report.streams.filter(({ isCoarse }) => isCoarse)) {
    const few =
      requests === 0 ? 'no request' : requests === 1 ? 'only 1 request' : `only ${requests} requests`;
    yield printable(`${name}: ${few} ended in the measured time; a longer \`duration\` tells more`);
  }
  const used = report.links.filter(({ up, down }) => Math.max(up.utilisation, down.utilisation) >= IDLE);
  const idle = report.links.length - used.length;
  if (used.length > 0) {
    yield '';
    yield* table(
      ['link', 'up GB/s', 'busy', 'down GB/s', 'busy', ''],
      used.map((link) => linkCells(link)),
    );
  }
  if (idle > 0) {
    yield `${idle}${used.length > 0 ? ' other' : ''} link${idle === 1 ? ' is' : 's are'} idle`;
  }
  yield '';
  yield `memory: ${memoryText(report)}`;
  yield `root ports: ${formatBytes(report.rootPortBytes)} of data`;
  yield `processor: ${cpuText(report)}`;
  if (report.stalls.length > 0) {
    const told = report.stalls.slice(0, STALLS_MAX).map(({ what, share }) => `${what} ${percentText(share)}`);
    const more = report.stalls.length > told.length ? `, and ${report.stalls.length - told.length} more` : '';
    yield printable(`waited for: ${told.join(', ')} of the time${more}`);
  }
  yield limiterLine(report, style);
  yield* faultLines(report);
}

/** `fault 1 (nvme0 drop, opcode 0x02, skip 20): acted once`, then what drivers saw of it. */
export function* faultLines({ faults }: WorkloadReport): Generator<string> {
  for (const { id, rule, acted } of faults?.rules ?? []) {
    const { device, do: action, ...rest } = rule;
    const words = Object.entries(rest).map(([key, value]) => `, ${key} ${value}`);
    const times = acted === 0 ? 'did not act' : acted === 1 ? 'acted once' : `acted ${acted} times`;
    yield printable(`fault ${id} (${device} ${action}${words.join('')}): ${times}`);
  }
  for (const { device, resets, anomalies } of faults?.drivers ?? []) {
    for (const { count, first } of anomalies) {
      yield printable(
        `  driver of ${device}: ${first}${count === 1 ? '' : `, and ${count - 1} more like it`}`,
      );
    }
    if (resets > 0) {
      yield printable(
        `  driver of ${device}: reset the controller ${resets === 1 ? 'once' : `${resets} times`}`,
      );
    }
  }
}

/** `limiter: Gen3 x4 link of 0000:03:00.0, 98 % busy; next: media of nvme0 (pipe) at 91 %`. */
export function limiterLine(report: WorkloadReport, style: Style): string {
  return `${style.bold('limiter')}: ${printable(report.limiter.text)}`;
}

/** `10 ms of virtual time, flow engine, intel-xeon-bdw`; says so where a run was stopped. */
export function timeLine(report: WorkloadReport): string {
  const cut = report.isComplete ? '' : ' so far (stopped before its end)';
  return `${formatNs(report.measuredPs / 1000)} of virtual time${cut}; ${report.engine} engine, platform ${report.platform}`;
}

export function percentText(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function streamCells(stream: StreamReport): readonly string[] {
  const { latency } = stream;
  const ns = (value: number | undefined): string => (value === undefined ? '-' : formatNs(value));
  return [
    printable(stream.name),
    stream.goodputGBs.toFixed(3),
    String(Math.round(stream.iops)),
    ns(latency?.meanNs),
    ns(latency?.p50Ns),
    ns(latency?.p90Ns),
    ns(latency?.p99Ns),
    ns(latency?.p999Ns),
    ns(latency?.maxNs),
    printable(`${stream.route.text} (${ROUTES[stream.route.kind]})`),
  ];
}

const ROUTES: Readonly<Record<StreamReport['route']['kind'], string>> = {
  p2p: 'peer to peer',
  host: 'through system memory',
  staged: 'staged',
  mmio: 'loads and stores',
};

function linkCells({ port, to, speed, up, down }: LinkReport): readonly string[] {
  return [
    printable(`${port} ${speed}`),
    up.goodputGBs.toFixed(3),
    percentText(up.utilisation),
    down.goodputGBs.toFixed(3),
    percentText(down.utilisation),
    printable(to === null ? '' : `to ${to}`),
  ];
}

function memoryText({ dramBytes, controlDramBytes, dramShare, memory, isCached }: WorkloadReport): string {
  const nodes =
    memory.length === 1
      ? ''
      : ` (${memory.map(({ node, utilisation }) => `node ${node} ${percentText(utilisation)}`).join(', ')})`;
  if (isCached && dramBytes > 0) {
    return `${formatBytes(dramBytes)} of data and ${formatBytes(controlDramBytes)} of control to and from system memory; all that is staged stays in the cache of the processor, and DRAM sees none of it`;
  }
  return `${formatBytes(dramBytes)} of data over DRAM and ${formatBytes(controlDramBytes)} of control, ${percentText(dramShare)} of what it gives devices${nodes}`;
}

function cpuText({ cpu, streams }: WorkloadReport): string {
  // DMA that a function does by itself costs the processor nothing, and does not make the others cheaper.
  const iops = streams.reduce((sum, stream) => sum + (stream.cpuBusyPs > 0 ? stream.iops : 0), 0);
  const each = iops === 0 ? '' : `, ${formatNs((cpu.cores * 1e9) / iops)} a request`;
  return `${formatNs(cpu.busyPs / 1000)} busy, ${cpu.cores.toFixed(2)} cores${each}`;
}

/** The first column and the last are left-aligned, the others right. */
function* table(head: readonly string[], rows: readonly (readonly string[])[]): Generator<string> {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => visibleWidth(row[i]!))));
  const last = head.length - 1;
  for (const row of all) {
    yield row
      .map((cell, i) => (i === 0 || i === last ? padEnd(cell, widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  }
}
