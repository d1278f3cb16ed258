/**
 * Files behind the namespaces of a lab: `image:` of docs/lab-file.md.
 *
 * What a run writes stays in memory unless a person says `--write-images`: a lab is run again and again, and the file may be
 * the only copy of something. Reading commands never open one.
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HostError } from '../../base/index.ts';
import type { BackingFile } from '../../devices/index.ts';

export type ImageUse = 'none' | 'copy-on-write' | 'write';

/** The images of one machine, opened as its drives are made. */
export class Images {
  readonly #folder: string;
  readonly #use: ImageUse;
  readonly #open: number[] = [];

  /** @param labPath  names in a lab file are relative to it */
  constructor(labPath: string, use: ImageUse) {
    this.#folder = dirname(labPath);
    this.#use = use;
  }

  /** @throws {HostError} HOST_NO_SUCH_PATH, HOST_NO_PERMISSION, HOST_NOT_BLOCK */
  readonly open = (name: string, sizeBytes: number): BackingFile => {
    if (this.#use === 'none') {
      return new ClosedImage(sizeBytes);
    }
    const path = resolve(this.#folder, name);
    const isWritten = this.#use === 'write';
    const fd = openImage(path, isWritten);
    this.#open.push(fd);
    return isWritten ? new WrittenImage(fd, sizeBytes) : new OverlaidImage(fd, sizeBytes);
  };

  close(): void {
    for (const fd of this.#open.splice(0)) {
      closeSync(fd);
    }
  }
}

function openImage(path: string, isWritten: boolean): number {
  let fd: number;
  try {
    // Without waiting: a pipe would block for ever, and is refused below.
    fd = openSync(path, (isWritten ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') {
      throw new HostError('HOST_NO_SUCH_PATH', {
        message: `${path}: no such file; a namespace of the lab has its content there`,
        hint: 'names of images are relative to the lab file; without `image:` a drive starts with a pattern',
        detail: { path },
        cause: error,
      });
    }
    if (errno === 'EISDIR') {
      throw noRegularFile(path);
    }
    throw new HostError('HOST_NO_PERMISSION', {
      message: `${path}: cannot be opened (${errno ?? String(error)})`,
      hint: isWritten ? 'without --write-images it need not be writable' : 'may you read it?',
      detail: { path, errno },
      cause: error,
    });
  }
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw noRegularFile(path);
  }
  return fd;
}

function noRegularFile(path: string): HostError {
  return new HostError('HOST_NOT_BLOCK', {
    message: `${path} is no regular file`,
    hint: 'an image is a file with the bytes of a drive',
    detail: { path },
  });
}

/** Stands for an image that no command of this run looks into. */
class ClosedImage implements BackingFile {
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  read(): boolean {
    return false;
  }

  write(): boolean {
    return false;
  }

  flush(): boolean {
    return true;
  }
}

/** What lies behind the end of the file reads as zeros. */
function readFile(
  fd: number,
  offset: number,
  into: Uint8Array,
  intoOffset: number,
  lengthBytes: number,
): boolean {
  try {
    let done = 0;
    while (done < lengthBytes) {
      const count = readSync(fd, into, intoOffset + done, lengthBytes - done, offset + done);
      if (count === 0) {
        into.fill(0, intoOffset + done, intoOffset + lengthBytes);
        break;
      }
      done += count;
    }
    return true;
  } catch {
    return false;
  }
}

class WrittenImage implements BackingFile {
  readonly sizeBytes: number;
  readonly #fd: number;

  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
  }

  read(offset: number, into: Uint8Array, intoOffset: number, lengthBytes: number): boolean {
    return readFile(this.#fd, offset, into, intoOffset, lengthBytes);
  }

  write(offset: number, from: Uint8Array, fromOffset: number, lengthBytes: number): boolean {
    try {
      let done = 0;
      while (done < lengthBytes) {
        done += writeSync(this.#fd, from, fromOffset + done, lengthBytes - done, offset + done);
      }
      return true;
    } catch {
      return false;
    }
  }

  flush(): boolean {
    try {
      fsyncSync(this.#fd);
      return true;
    } catch {
      return false;
    }
  }
}

const PIECE_BYTES = 65_536;

/** Pieces that were written, over a file that stays as it is. */
class OverlaidImage implements BackingFile {
  readonly sizeBytes: number;
  readonly #fd: number;
  readonly #pieces = new Map<number, Uint8Array>();

  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
  }

  read(offset: number, into: Uint8Array, intoOffset: number, lengthBytes: number): boolean {
    for (let done = 0; done < lengthBytes; ) {
      const at = (offset + done) % PIECE_BYTES;
      const length = Math.min(PIECE_BYTES - at, lengthBytes - done);
      const piece = this.#pieces.get(Math.floor((offset + done) / PIECE_BYTES));
      if (piece !== undefined) {
        into.set(piece.subarray(at, at + length), intoOffset + done);
      } else if (!readFile(this.#fd, offset + done, into, intoOffset + done, length)) {
        return false;
      }
      done += length;
    }
    return true;
  }

  write(offset: number, from: Uint8Array, fromOffset: number, lengthBytes: number): boolean {
    for (let done = 0; done < lengthBytes; ) {
      const number = Math.floor((offset + done) / PIECE_BYTES);
      const at = (offset + done) % PIECE_BYTES;
      const length = Math.min(PIECE_BYTES - at, lengthBytes - done);
      let piece = this.#pieces.get(number);
      if (piece === undefined) {
        piece = new Uint8Array(PIECE_BYTES);
        if (length < PIECE_BYTES && !readFile(this.#fd, number * PIECE_BYTES, piece, 0, PIECE_BYTES)) {
          return false;
        }
        this.#pieces.set(number, piece);
      }
      piece.set(from.subarray(fromOffset + done, fromOffset + done + length), at);
      done += length;
    }
    return true;
  }

  flush(): boolean {
    return true;
  }
}
