/** What both forms of a report on fio jobs are made of. */
import type { LabTraffic } from '../../lab/index.ts';
import type {
  FioDirection,
  FioEntry,
  FioIgnored,
  FioJob,
  FioJobFile,
  FioTrouble,
  RouteChoice,
} from '../../orchestrators/index.ts';

/** What a simulated machine's figures are, in every form of the report. */
export const UNTIMED = 'simulated, untimed';

export interface FioReport {
  readonly file: FioJobFile;
  readonly entries: readonly FioEntry[];
  /** Of jobs with peer memory. */
  readonly choices: ReadonlyMap<FioJob, RouteChoice>;
  readonly filenames: ReadonlyMap<FioJob, string>;
  readonly ignored: readonly FioIgnored[];
  readonly outcome: 'done' | 'stopped' | 'failed';
  /** Null on the real machine. */
  readonly traffic: LabTraffic | null;
  readonly isSimulated: boolean;
  readonly startedMs: number;
  readonly exitStatus: number;
}

/** The percentiles that fio prints when it is not told others. */
export const PERCENTILES = [
  1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99,
] as const;

/** fio counts run time in whole milliseconds, at least one where anything was moved. */
export function runtimeMs({ bytes, elapsedNs }: FioDirection): number {
  return bytes === 0 ? 0 : Math.max(1, Math.round(elapsedNs / 1e6));
}

/** Of the exact time, which a rounded millisecond would distort in short runs. */
export function perSecond(amount: number, { elapsedNs }: FioDirection): number {
  return elapsedNs > 0 ? (amount / elapsedNs) * 1e9 : 0;
}

/** One line of what ended a job. */
export function troubleText(trouble: FioTrouble): string {
  switch (trouble.kind) {
    case 'request': {
      const { failure } = trouble;
      return `${failure.phase} at byte ${failure.offsetBytes} of ${failure.at} failed: ${failure.message}`;
    }
    case 'verify':
      return `verify at byte ${trouble.bad.offsetBytes} failed: ${trouble.bad.problem}`;
  }
}

/** As errno has it: what fio's `error` would be. */
export function errorNumber(trouble: FioTrouble | undefined): number {
  switch (trouble?.kind) {
    case undefined:
      return 0;
    case 'verify':
      return 84; // EILSEQ, as fio says of a checksum
    case 'request':
      return /REMOTE|UNREACH/.test(trouble.failure.code) ? 121 : 5; // EREMOTEIO, else EIO
  }
}
