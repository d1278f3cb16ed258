/** A command in a guest: the folder that both see, what the guest is told there, and what it leaves. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../io.ts';
import { shellWord } from '../render/shell.ts';

/** Where the command's files come from. */
export type GuestRoot =
  /** This computer's, read-only. */
  | 'host'
  /** Those of the initrd that was given. */
  | 'initrd';

const LOOK_MS = 100;
const PIECE_BYTES = 65_536;

export class GuestCommand {
  /** Seen by the host only. */
  readonly folder: string;
  /** Seen by both. */
  readonly share: string;
  #timer: NodeJS.Timeout | undefined;
  readonly #streams: readonly Tail[];

  /** @param words  at least one; the first is the program */
  constructor(words: readonly string[], root: GuestRoot, io: Pick<Io, 'out' | 'err'>) {
    this.folder = mkdtempSync(join(tmpdir(), 'peerlane-vm-'));
    this.share = join(this.folder, 'share');
    mkdirSync(this.share);
    const folder = process.cwd();
    this.#write('root', root);
    this.#write('folder', folder);
    // In the folder where it was asked for, if the guest has that too.
    const go = root === 'host' ? `cd ${shellWord(folder)} 2> /dev/null || cd /\n` : '';
    this.#write('run.sh', `${go}export HOME=/tmp\n${words.map(shellWord).join(' ')}\n`);
    this.#streams = [
      new Tail(join(this.share, 'stdout'), (text) => void io.out(text)),
      new Tail(join(this.share, 'stderr'), (text) => io.err(text)),
    ];
  }

  /** Passes on what the command prints, as it comes. */
  follow(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** What was not passed on yet is. @returns the status of the command; null when it did not end */
  finish(): number | null {
    clearInterval(this.#timer);
    this.#look();
    const path = join(this.share, 'status');
    const status = existsSync(path) ? Number(readFileSync(path, 'utf8')) : Number.NaN;
    return Number.isInteger(status) ? status : null;
  }

  close(): void {
    clearInterval(this.#timer);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #look(): void {
    for (const stream of this.#streams) {
      stream.look();
    }
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.share, name), text);
  }
}

/** What is new at the end of a file. */
class Tail {
  readonly #path: string;
  readonly #take: (text: string) => void;
  /** A character may be cut where the file ends now. */
  readonly #decoder = new TextDecoder();
  #position = 0;

  constructor(path: string, take: (text: string) => void) {
    this.#path = path;
    this.#take = take;
  }

  look(): void {
    if (!existsSync(this.#path)) {
      return;
    }
    const fd = openSync(this.#path, 'r');
    try {
      const piece = new Uint8Array(PIECE_BYTES);
      for (let count = PIECE_BYTES; count > 0; ) {
        count = readSync(fd, piece, 0, PIECE_BYTES, this.#position);
        this.#position += count;
        const text = this.#decoder.decode(piece.subarray(0, count), { stream: true });
        if (text !== '') {
          this.#take(text);
        }
      }
    } finally {
      closeSync(fd);
    }
  }
}
