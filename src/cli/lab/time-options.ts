/** Options of commands that run a lab in virtual time. Loads nothing of labs: definitions import it. */
import { type Command, Option } from 'commander';

export interface TimeOptions {
  /** Default `auto`: as the lab file says, which by default is flow for bulk and packets for the rest. */
  readonly engine?: 'auto' | 'tlp' | 'flow';
}

/** What watches a run (traces) is an option of the same commands and belongs here too. */
export function timeOptions(command: Command): Command {
  return command.addOption(
    new Option(
      '--engine <engine>',
      'on a lab: every packet (tlp), trains of packets (flow), or flow where all requests have 64 KiB and more',
    ).choices(['auto', 'tlp', 'flow']),
  );
}
