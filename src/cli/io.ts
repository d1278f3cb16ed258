/** What a command may touch of the outside: two streams, a terminal or not, and a person to ask. */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

export interface Io {
  /** Data. Resolves when the stream takes more. */
  readonly out: (text: string) => Promise<void>;
  /** Progress, warnings and errors. */
  readonly err: (text: string) => void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Width of the terminal on stdout, 100 where there is none. */
  readonly columns: number;
  /** A person's answer; undefined where there is no terminal to ask. */
  readonly ask: (question: string) => Promise<string | undefined>;
}

/** A reader that went away (`| head`) ends the program quietly, as the shell expects. */
export function processIo(): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      process.exit(0);
    }
    process.stderr.write(`peerlane: stdout: ${error.message}\n`);
    process.exit(3);
  });
  return {
    out: async (text) => {
      if (!process.stdout.write(text)) {
        await once(process.stdout, 'drain');
      }
    },
    err: (text) => {
      process.stderr.write(text);
    },
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    columns: process.stdout.columns ?? 100,
    ask: async (question) => {
      if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
        return undefined;
      }
      const readline = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await readline.question(question);
      } finally {
        readline.close();
      }
    },
  };
}
