/** What went wrong with a copy, in one line. */
import { STATUS } from '../../access/index.ts';
import type { CopyResult } from '../../orchestrators/index.ts';

/** Of a result that is not `done`. */
export function troubleText(result: CopyResult, source: string, destination: string): string {
  const certain = `the first ${result.certainBytes} bytes are copied (${result.copiedBytes} in all)`;
  if (result.outcome === 'mismatch') {
    return `${destination} differs from ${source} at byte ${result.verify?.mismatchAtBytes} of the range [COPY_MISMATCH]`;
  }
  if (result.failure !== undefined) {
    const { failure } = result;
    const advice =
      failure.status === STATUS.UNREACHABLE
        ? '; `peerlane check` shows the verdict, --fallback copies through host memory'
        : '';
    return `${failure.phase} at byte ${failure.offsetBytes} failed: ${failure.message}; ${certain}${advice} [COPY_FAILED]`;
  }
  return `stopped; ${certain} [COPY_STOPPED]`;
}
