/** What went wrong with a copy or a load, in one line with its code. */
import { STATUS } from '../../access/index.ts';
import type { CopyResult } from '../../orchestrators/index.ts';

/** Codes of what is told beside figures and not thrown. */
export const FAILED = 'COPY_FAILED';
export const MISMATCH = 'COPY_MISMATCH';
export const STOPPED = 'COPY_STOPPED';
const BENCH_STOPPED = 'BENCH_STOPPED';

/** Of a copy whose result is not `done`. */
export function troubleText(result: CopyResult, source: string, destination: string): string {
  const certain = `the first ${result.certainBytes} bytes are copied (${result.copiedBytes} in all)`;
  if (result.outcome === 'mismatch') {
    return `${destination} differs from ${source} at byte ${result.verify?.mismatchAtBytes} of the range [${MISMATCH}]`;
  }
  if (result.failure !== undefined) {
    const { failure } = result;
    const advice =
      failure.status === STATUS.UNREACHABLE
        ? '; `peerlane check` shows the verdict, --fallback copies through host memory'
        : '';
    return `${failure.phase} at byte ${failure.offsetBytes} failed: ${failure.message}; ${certain}${advice} [${FAILED}]`;
  }
  return `stopped; ${certain} [${STOPPED}]`;
}

/** Of a load that a signal ended. @param what  the figures are of it: `the time until then` */
export function benchStoppedText(what: string): string {
  return `stopped; the figures are of ${what} [${BENCH_STOPPED}]`;
}
