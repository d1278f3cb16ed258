/** Whether calls into the C library can be made here; where not, suites say so in one line and skip. */
import { libc } from '../../src/host/index.ts';

export function hasFfi(): boolean {
  try {
    libc();
    return true;
  } catch (error) {
    console.log(`skipped: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}
