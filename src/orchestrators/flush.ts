/** Asks a target to make durable what was written. */
import { type BlockTarget, DONE, PENDING, STATUS, type Status } from '../access/index.ts';
import type { TransferFailure } from './transfer.ts';

/**
 * Takes the target's `onDone` over; nothing may be in flight.
 * @returns what failed; undefined: nothing
 */
export async function flushTarget(target: BlockTarget, token: number): Promise<TransferFailure | undefined> {
  const status = await new Promise<Status>((resolve) => {
    target.onDone = (_, result) => resolve(result);
    const first = target.flush(token);
    if (first !== PENDING) {
      resolve(first);
    }
  });
  if (status === DONE) {
    return undefined;
  }
  const story = target.failure(token);
  return {
    status: status < 0 ? status : STATUS.IO,
    code: story?.code ?? 'UNKNOWN',
    message: story?.message ?? `${target.label}: flush ended with status ${status}`,
    phase: 'flush',
    at: target.label,
    offsetBytes: 0,
    lengthBytes: 0,
  };
}
