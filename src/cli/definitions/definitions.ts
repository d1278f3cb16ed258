import type { Command } from 'commander';
import type { Io } from '../io.ts';

/** What the definitions of commands share. `program.ts` makes one for each run. */
export interface Definitions {
  readonly program: Command;
  readonly io: Io;
  /** Of the program. */
  readonly version: string;
  /** Tells the exit status of a command that ended. */
  readonly done: (status: number) => void;
  /** Options of the program itself hold before and after the command's name. */
  readonly merged: <T>(options: T) => T;
  /** Commands that choose their machine themselves: an option that had no effect would mislead. @throws {UsageError} */
  readonly withoutMachine: (command: string, why: string) => void;
  /** Another command line in this one's place. */
  readonly again: (args: readonly string[]) => Promise<number>;
}
