/** Runs the command line in this process, against strings instead of streams. */
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/program.ts';

export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCli(args: readonly string[], answers: readonly string[] = []): Promise<CliResult> {
  let stdout = '';
  let stderr = '';
  const pending = [...answers];
  const io: Io = {
    out: async (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    outIsTerminal: false,
    errIsTerminal: false,
    columns: 120,
    ask: async () => pending.shift(),
  };
  const status = await run(args, '0.0.0-test', io);
  return { status, stdout, stderr };
}
