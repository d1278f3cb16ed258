/** `peerlane import`: a machine that was read becomes a lab file. */
import { importMachine, printLab } from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { readMachine } from '../machine-input.ts';
import { writeNewFile } from '../new-file.ts';
import { printable } from '../render/style.ts';

export interface ImportCommandOptions {
  readonly output: string;
  readonly force?: boolean;
}

/** @throws {InputError}, {LabError}; {UsageError} USAGE_FILE_EXISTS */
export async function importLab(where: string, options: ImportCommandOptions, io: Io): Promise<number> {
  const machine = await readMachine(where, io);
  const { lab, notes } = importMachine(machine);
  const text = printLab(lab, [
    'A machine for peerlane. What is not written has its default: docs/lab-file.md.',
    `Made by \`peerlane import\` of ${oneLine(where)}. What was assumed:`,
    ...(notes.length === 0 ? ['  nothing'] : notes.map((note) => `  ${oneLine(note)}`)),
  ]);
  if (options.output === '-') {
    await io.out(text);
  } else {
    writeNewFile(options.output, new TextEncoder().encode(text), options.force === true);
    io.err(
      `${options.output}: ${machine.functions.length} PCI functions; ${notes.length} assumption${notes.length === 1 ? '' : 's'}, told at its top\n`,
    );
  }
  return 0;
}

/** Names in a machine may hold anything; a comment ends with its line. */
function oneLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]+\s*/g, ' '));
}
