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
  /** The status that is already certain, should the reader of stdout go away before everything is printed. Default 0. */
  readonly exitWith?: (status: number) => void;
}

/** A reader that went away (`| head`) ends the program quietly, as the shell expects. */
export function processIo(): Io {
  let status = 0;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      process.exit(status);
    }
    process.stderr.write(`peerlane: stdout: ${error.message}\n`);
    process.exit(3);
  });
  // Nobody is left to be told, and it must not end a transfer.
  process.stderr.on('error', () => {});
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
    exitWith: (certain) => {
      status = certain;
    },
    columns: process.stdout.columns ?? 100,
    ask: async (question) => {
      if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
        return undefined;
      }
      const readline = createInterface({ input: process.stdin, output: process.stderr });
      // The end of input is an answer too, and not a yes. The question itself stays open for ever then, or rejects.
      const ended = new Promise<string>((resolve) => readline.once('close', () => resolve('')));
      let isInterrupted = false;
      readline.once('SIGINT', () => {
        isInterrupted = true;
        readline.close();
      });
      try {
        return await Promise.race([readline.question(question).catch(() => ''), ended]);
      } finally {
        readline.close();
        if (isInterrupted) {
          // With the terminal as it was, as if nobody had listened.
          process.kill(process.pid, 'SIGINT');
        }
      }
    },
  };
}
