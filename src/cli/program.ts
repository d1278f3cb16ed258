/** The command line. Commands with their options and help are in `definitions/`, what they do in `commands/`. */
import { Command, CommanderError } from 'commander';
import { PeerlaneError, UsageError } from '../base/index.ts';
import { machineOptions } from './arguments.ts';
import type { Definitions } from './definitions/definitions.ts';
import { defineGuests } from './definitions/guests.ts';
import { defineLab } from './definitions/lab.ts';
import { defineP2pCopy } from './definitions/p2pcopy.ts';
import { defineReading } from './definitions/reading.ts';
import { defineReproduce } from './definitions/reproduce.ts';
import { defineSweep } from './definitions/sweep.ts';
import { defineTarget } from './definitions/target.ts';
import { defineTransfer } from './definitions/transfer.ts';
import { type Io, processIo } from './io.ts';
import { printable } from './render/style.ts';

const EXIT_USAGE = 2;
const EXIT_FAILED = 3;

/** @returns the exit status; never throws for a person's mistake. */
export async function run(args: readonly string[], version: string, io: Io = processIo()): Promise<number> {
  let status = 0;
  const program = buildProgram(io, version, (result) => {
    status = result;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    return report(error, io);
  }
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) {
    // Help and version were printed by commander and are no mistake.
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  if (error instanceof PeerlaneError) {
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    io.err(`peerlane: ${oneLine(error.message + hint)} [${error.code}]\n`);
    return error.exitStatus;
  }
  io.err(
    `peerlane: this is a bug in peerlane, please report it with the command line and the input:\n${
      error instanceof Error ? (error.stack ?? error.message) : String(error)
    }\n`,
  );
  return EXIT_FAILED;
}

/** Messages name files and devices, and those names may hold anything. */
function oneLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]+\s*/g, ' '));
}

type Done = (status: number) => void;

function buildProgram(io: Io, version: string, done: Done): Command {
  const program = new Command('peerlane')
    .description(
      'Peer-to-peer PCIe DMA: which devices can reach each other, by which route, how fast, why not, and what to change.',
    )
    .version(version, '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.out(text),
      // Commander writes here only where it would answer a missing command with the whole help.
      writeErr: () => {
        throw new UsageError('USAGE_NO_COMMAND', {
          message: 'no command was given, or help was asked for one that does not exist',
          hint: 'try `peerlane matrix`; `peerlane --help` lists commands and options',
        });
      },
      outputError: (text) => {
        const message = oneLine(text.trim().replace(/^error: |\.$/g, ''));
        io.err(`peerlane: ${message}; \`peerlane --help\` lists commands and options\n`);
      },
    })
    .addHelpText(
      'after',
      `
Start here:
  peerlane demo                       a copy from drive to drive on a simulated machine, both ways
  peerlane matrix                     every pair of devices of this machine
  peerlane check nvme0 nvme1          one pair in full: verdict, route, reasons
  peerlane fix nvme0 nvme1            what to change, what it costs, how to undo it
  peerlane -m host.tar.gz matrix      the same for another machine's snapshot
  peerlane lab examples/eideticom.yaml   the same for a machine described in a file, and copies on it

Exit status: 0 printed or usable; 1 a pair is not supported or unknown, or diff or lint found
something; 2 wrong usage, unreadable input, or refused for safety; 3 started and failed.`,
    );
  program.enablePositionalOptions();
  machineOptions(program);

  const definitions: Definitions = {
    program,
    io,
    version,
    done,
    merged: (options) => ({ ...program.opts(), ...options }),
    withoutMachine: (command, why) => {
      const given = Object.keys(program.opts())[0];
      if (given !== undefined) {
        throw new UsageError('USAGE_MACHINE_NOT_TAKEN', {
          message: `${given === 'lab' ? '`lab FILE`' : `--${given}`} has no meaning for ${command}: ${why}`,
          hint: `leave it out, or see \`peerlane ${command} --help\``,
          detail: { option: given, command },
        });
      }
    },
    again: (args) => run(args, version, io),
  };
  // The order of the help.
  defineReading(definitions);
  defineTransfer(definitions);
  defineP2pCopy(definitions);
  defineLab(definitions);
  defineGuests(definitions);
  defineTarget(definitions);
  defineReproduce(definitions);
  defineSweep(definitions);
  return program;
}
