/** A file that a command makes. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { HostError, UsageError } from '../base/index.ts';

/**
 * Whole or not at all: a reader never sees half of it.
 *
 * @throws {UsageError} USAGE_FILE_EXISTS; {HostError} HOST_WRITE_FAILED
 */
export function writeNewFile(path: string, bytes: Uint8Array, replace: boolean): void {
  const temporary = `${path}.partial-${process.pid}`;
  let isClaimed = false;
  try {
    if (!replace) {
      // Claims the name, so that two runs cannot both think it is free.
      closeSync(openSync(path, 'wx', 0o600));
      isClaimed = true;
    }
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(fd, bytes, written);
      }
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (isClaimed) {
      rmSync(path, { force: true });
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') {
      throw new UsageError('USAGE_FILE_EXISTS', {
        message: `${path} is there already`,
        hint: 'choose another name, or --force to replace it',
        detail: { path },
        cause: error,
      });
    }
    throw new HostError('HOST_WRITE_FAILED', {
      message: `${path}: cannot be written (${code ?? String(error)})`,
      hint: 'choose a directory that you may write to',
      detail: { path, errno: code },
      cause: error,
    });
  }
}
