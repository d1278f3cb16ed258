/** Nothing is written to a block device without a person's yes. */
import { CopyError } from '../../base/index.ts';
import type { Io } from '../io.ts';
import type { TransferEnd } from './machine.ts';

/**
 * Asks on a terminal. In a script `--yes` is the only consent, and what is lost is told as a warning.
 * @throws {CopyError} COPY_NOT_CONFIRMED (exit status 2)
 */
export async function confirmWrite(
  io: Io,
  yes: boolean | undefined,
  end: Pick<TransferEnd, 'label' | 'holds'>,
  withWhat: string,
): Promise<void> {
  const holds = end.holds.join(' and ');
  if (yes === true) {
    if (holds !== '') {
      io.err(`peerlane: warning: ${end.label} holds ${holds}, which is overwritten\n`);
    }
    return;
  }
  const losing = holds === '' ? '' : ` (it holds ${holds})`;
  const answer = await io.ask(`Overwrite ${end.label}${losing} with ${withWhat}? [y/N] `);
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
