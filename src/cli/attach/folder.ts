/** The directory with the sockets of one server. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { HostError, UsageError } from '../../base/index.ts';
import { CONTROL_SOCKET, isServed } from './control-client.ts';

/** sun_path of struct sockaddr_un, without the byte that ends it. include/uapi/linux/un.h */
const SOCKET_PATH_BYTES = 107;

export interface ServeFolder {
  readonly path: string;
  readonly controlPath: string;
  readonly socketPath: (device: string) => string;
  /** Takes it away where it was made for this server and is empty. */
  readonly close: () => void;
}

/**
 * @param given  undefined: a fresh one that only this user can look into
 * @throws {UsageError} USAGE_SOCKET_PATH; {HostError} HOST_ALREADY_SERVED, HOST_WRITE_FAILED
 */
export async function openServeFolder(
  given: string | undefined,
  devices: readonly string[],
): Promise<ServeFolder> {
  const isFresh = given === undefined || !existsSync(given);
  const path = given === undefined ? freshFolder() : resolve(given);
  const controlPath = join(path, CONTROL_SOCKET);
  const socketPath = (device: string): string => join(path, `${device}.sock`);
  const close = (): void => {
    try {
      if (isFresh) {
        rmdirSync(path);
      }
    } catch {
      // Somebody keeps files of their own there.
    }
  };
  try {
    for (const socket of [controlPath, ...devices.map(socketPath)]) {
      refuseLongPath(socket);
    }
    if (given !== undefined) {
      await prepare(path, controlPath);
    }
  } catch (error) {
    if (given === undefined) {
      close();
    }
    throw error;
  }
  return { path, controlPath, socketPath, close };
}

function freshFolder(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  const base = runtime !== undefined && isWritable(runtime) ? runtime : tmpdir();
  try {
    // Mode 0700.
    return mkdtempSync(join(base, 'peerlane-'));
  } catch (error) {
    throw notWritten(base, error);
  }
}

async function prepare(path: string, controlPath: string): Promise<void> {
  try {
    makeFolders(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw notWritten(path, error);
  }
  if (existsSync(controlPath)) {
    if (await isServed(controlPath)) {
      throw new HostError('HOST_ALREADY_SERVED', {
        message: `${path}: another server has its sockets there`,
        hint: `choose another --dir, or end that one: peerlane control ${path} quit`,
        detail: { path },
      });
    }
    if (!statSync(controlPath).isSocket()) {
      throw new HostError('HOST_WRITE_FAILED', {
        message: `${controlPath} is there already, and is no socket`,
        hint: 'choose another --dir',
        detail: { path: controlPath },
      });
    }
    // Of a server that was killed.
    rmSync(controlPath, { force: true });
  }
}

/** One by one: `mkdirSync` with `recursive` never returns where the system has a folder and lets nothing be made in it (/proc). */
function makeFolders(path: string): void {
  if (!existsSync(dirname(path))) {
    makeFolders(dirname(path));
  }
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) {
      throw error;
    }
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function refuseLongPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > SOCKET_PATH_BYTES) {
    throw new UsageError('USAGE_SOCKET_PATH', {
      message: `${path}: a socket's path has at most ${SOCKET_PATH_BYTES} bytes, and this one has ${length}`,
      hint: 'choose a shorter --dir, such as /tmp/vm',
      detail: { path, lengthBytes: length },
    });
  }
}

function notWritten(path: string, error: unknown): HostError {
  const errno = (error as NodeJS.ErrnoException).code;
  return new HostError('HOST_WRITE_FAILED', {
    message: `${path}: no sockets can be made there (${errno ?? String(error)})`,
    hint: 'choose a directory that you may write to with --dir',
    detail: { path, errno },
    cause: error,
  });
}
