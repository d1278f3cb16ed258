/** Nothing is written to a block device without a person's yes. */
import { CopyError } from '../../base/index.ts';
import type { Io } from '../io.ts';

/**
 * Asks on a terminal. In a script `--yes` is the only consent.
 * @throws {CopyError} COPY_NOT_CONFIRMED (exit status 2)
 */
export async function confirmWrite(io: Io, yes: boolean | undefined, question: string): Promise<void> {
  if (yes === true) {
    return;
  }
  const answer = await io.ask(`${question} [y/N] `);
  if (answer !== undefined && /^\s*y(es)?\s*$/i.test(answer)) {
    return;
  }
  throw new CopyError('COPY_NOT_CONFIRMED', {
    message:
      answer === undefined
        ? 'there is no terminal to ask before writing to a block device'
        : 'not confirmed; nothing was written',
    hint: 'check the names and give --yes',
  });
}
