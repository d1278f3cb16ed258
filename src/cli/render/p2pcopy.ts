/** What `peerlane p2pcopy` prints: the headings that users of p2pmem-test know, and JSON. */
import type { LabTraffic } from '../../lab/index.ts';
import type { HostAccessResult, P2pCopyResult, RouteChoice } from '../../orchestrators/index.ts';
import { failureJson, routeJson, routeText } from '../transfer/route.ts';
import { formatBytes, printable } from './style.ts';
import { trafficLines } from './traffic.ts';
import { formatNs, formatRate, latencyTable } from './transfer.ts';

/** One drive of the run; null size: it is not used. */
export interface P2pCopyDrive {
  readonly label: string;
  readonly sizeBytes: number | null;
}

export interface P2pCopyReport {
  readonly source: P2pCopyDrive;
  readonly target: P2pCopyDrive;
  readonly choice: RouteChoice;
  readonly chunkBytes: number;
  readonly chunks: number;
  readonly threads: number;
  readonly isOverlapping: boolean;
  readonly skipsRead: boolean;
  readonly skipsWrite: boolean;
  /** Null: no limit. */
  readonly durationSeconds: number | null;
  readonly pageBytes: number;
  /** Bytes set to zero first; null: none. */
  readonly initBytes: number | null;
  readonly hostAccess: { readonly result: HostAccessResult; readonly isReadOnly: boolean } | null;
  /** Null: no check. */
  readonly seed: number | null;
  /** Null: stopped before the transfer, as asked for. */
  readonly result: P2pCopyResult | null;
  /** Null on the real machine. */
  readonly traffic: LabTraffic | null;
  readonly isSimulated: boolean;
  readonly exitStatus: number;
}

const onOff = (value: boolean): string => (value ? 'ON' : 'OFF');

function drive({ label, sizeBytes }: P2pCopyDrive): string {
  return `${printable(label)} (${sizeBytes === null ? 'not used' : formatBytes(sizeBytes)})`;
}

export function p2pCopyText(report: P2pCopyReport): string {
  const { chunkBytes, chunks, threads, choice, hostAccess, result } = report;
  const duration = report.durationSeconds === null ? 'no limit' : `${report.durationSeconds} s`;
  const kind = choice.kind === 'host' ? 'system memory' : 'p2pmem';
  const lines = [
    `Running peerlane p2pcopy: reading ${drive(report.source)}: writing ${drive(report.target)}`,
    `\tchunk size = ${chunkBytes} : number of chunks = ${chunks} : total = ${formatBytes(chunkBytes * chunks)} : thread(s) = ${threads} : overlap = ${onOff(report.isOverlapping)}`,
    `\tskip-read = ${onOff(report.skipsRead)} : skip-write = ${onOff(report.skipsWrite)} : duration = ${duration}`,
    `\tbuffer = ${routeText(choice)} (${kind}): mmap = ${formatBytes(chunkBytes * threads)}`,
    `\tPAGE_SIZE = ${report.pageBytes} B`,
    ...(report.initBytes === null
      ? []
      : [`\tinitialised ${formatBytes(report.initBytes)} of the buffer with zeros`]),
    ...(hostAccess === null ? [] : [`\t${hostAccessText(hostAccess)}`]),
    ...(report.seed === null ? [] : [`\tchecking data with seed = ${report.seed}`]),
  ];
  if (result === null) {
    lines.push('stopped before the transfer, as asked for');
    return `${lines.join('\n')}\n`;
  }
  lines.push(...checkLines(report, result), 'Transfer:', `  ${transferText(report, result)}`);
  if (report.traffic !== null) {
    lines.push(...trafficLines(report.traffic).map((line) => `  ${line}`));
  }
  const { latency } = result;
  const table = report.isSimulated
    ? ''
    : latencyTable([
        ['  read', latency.read],
        ['  write', latency.write],
        ['  chunk', latency.chunk],
      ]);
  return `${lines.join('\n')}\n${table}`;
}

function hostAccessText({ result, isReadOnly }: NonNullable<P2pCopyReport['hostAccess']>): string {
  const accesses = `${result.accesses} host accesses${isReadOnly ? ' (read only)' : ''}`;
  return result.mismatchAtBytes === undefined
    ? `${isReadOnly ? 'done with' : 'MATCH on'} ${accesses}`
    : `MISMATCH on host access ${result.accesses}, byte ${result.mismatchAtBytes} of the buffer`;
}

function checkLines(report: P2pCopyReport, { check }: P2pCopyResult): readonly string[] {
  if (report.seed === null) {
    return [];
  }
  switch (check?.outcome) {
    case 'match':
      return [
        `MATCH on data check: all ${check.comparedBytes} bytes are the ones that were written to the source.`,
      ];
    case 'mismatch':
      return [
        `MISMATCH on data check: ${check.badChunks} of ${report.chunks} chunks differ, first at byte ${check.mismatchAtBytes}: ${hex(check.expected)} != ${hex(check.found)}.`,
      ];
    default:
      return ['data check: not finished.'];
  }
}

function transferText(report: P2pCopyReport, result: P2pCopyResult): string {
  const bytes = `${formatBytes(result.totalBytes)} (${result.totalBytes} B)`;
  const time = report.isSimulated
    ? `in ${formatNs(result.elapsedNs)} of this computer's time (simulated, untimed)`
    : `in ${formatNs(result.elapsedNs)}, ${formatRate(result.bytesPerSecond)}`;
  return `${bytes} ${time}${result.isTimeUp ? '; ended by the duration' : ''}`;
}

function hex(byte: number | undefined): string {
  return `0x${(byte ?? 0).toString(16).padStart(2, '0')}`;
}

/** The contract of `p2pcopy --json`. Fields may be added. */
export function p2pCopyJson(report: P2pCopyReport): Record<string, unknown> {
  const { result, traffic, hostAccess } = report;
  return {
    schema: 'peerlane/p2pcopy/1',
    source: report.source,
    target: report.target,
    route: routeJson(report.choice),
    chunkBytes: report.chunkBytes,
    chunks: report.chunks,
    threads: report.threads,
    overlap: report.isOverlapping,
    skipRead: report.skipsRead,
    skipWrite: report.skipsWrite,
    durationSeconds: report.durationSeconds,
    bufferBytes: report.chunkBytes * report.threads,
    initBytes: report.initBytes,
    hostAccess:
      hostAccess === null
        ? null
        : {
            accesses: hostAccess.result.accesses,
            isReadOnly: hostAccess.isReadOnly,
            mismatchAtBytes: hostAccess.result.mismatchAtBytes ?? null,
          },
    seed: report.seed,
    isSimulated: report.isSimulated,
    outcome: result?.outcome ?? 'stopped',
    isTimeUp: result?.isTimeUp ?? false,
    chunksDone: result?.chunksDone ?? 0,
    totalBytes: result?.totalBytes ?? 0,
    bytesRead: result?.bytesRead ?? 0,
    bytesWritten: result?.bytesWritten ?? 0,
    elapsedNs: Math.round(result?.elapsedNs ?? 0),
    // A simulated rate would be taken for a figure of the machine.
    bytesPerSecond: report.isSimulated || result === null ? null : Math.round(result.bytesPerSecond),
    latencyNs: report.isSimulated || result === null ? null : result.latency,
    check:
      result?.check === undefined
        ? null
        : {
            outcome: result.check.outcome,
            comparedBytes: result.check.comparedBytes,
            badChunks: result.check.badChunks,
            mismatchAtBytes: result.check.mismatchAtBytes ?? null,
            expected: result.check.expected ?? null,
            found: result.check.found ?? null,
          },
    traffic,
    failure: failureJson(result?.failure),
    exitStatus: report.exitStatus,
  };
}
