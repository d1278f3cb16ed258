/** Runs the command line in this process, against strings instead of streams. */
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/program.ts';

export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Writes to stdout. */
  readonly writes: number;
}

export interface Surroundings {
  readonly outIsTerminal?: boolean;
  readonly columns?: number;
  /** Takes the writes to stdout instead of `stdout`, for output that should not be one string here either. */
  readonly onWrite?: (text: string) => void;
}

/** @param answers what a person types when asked; none: there is nobody to ask */
export async function runCli(
  args: readonly string[],
  answers: readonly string[] = [],
  around: Surroundings = {},
): Promise<CliResult> {
  let stdout = '';
  let stderr = '';
  let writes = 0;
  const pending = [...answers];
  const io: Io = {
    out: async (text) => {
      writes++;
      if (around.onWrite === undefined) {
        stdout += text;
      } else {
        around.onWrite(text);
      }
    },
    err: (text) => {
      stderr += text;
    },
    outIsTerminal: around.outIsTerminal ?? false,
    errIsTerminal: false,
    columns: around.columns ?? 120,
    ask: async () => pending.shift(),
  };
  const status = await run(args, '0.0.0-test', io);
  return { status, stdout, stderr, writes };
}

/** The document that a command printed, which must have succeeded in printing it. */
export async function runJson<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
  const { stdout, stderr } = await runCli([...args, '--json']);
  if (stderr !== '') {
    throw new Error(`${args.join(' ')}: ${stderr}`);
  }
  return JSON.parse(stdout) as T;
}
