/** `-m`, `--sysroot`, `--lspci`: from what a person named to a `Machine`. The kind is found from the content. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { InputError, UsageError } from '../base/index.ts';
import { boundedGunzip, directoryTree, liveTree } from '../linux/index.ts';
import {
  archiveTree,
  type FileTree,
  isGzip,
  type Machine,
  pciIdsText,
  readSysfs,
  readTextBytes,
  recognise,
  TAR_BYTES_MAX,
} from '../topology/index.ts';

export interface MachineOptions {
  readonly machine?: string;
  readonly sysroot?: string;
  readonly lspci?: string;
}

/** The largest snapshot of a real machine is a few megabytes. */
const INPUT_BYTES_MAX = 256 * 2 ** 20;

/**
 * @throws {UsageError} USAGE_TWO_MACHINES
 * @throws {InputError} INPUT_NO_PCI when the machine has no PCI functions; INPUT_MISSING, INPUT_UNREADABLE, INPUT_TOO_LARGE,
 *   INPUT_UNKNOWN and what the readers throw
 */
export async function loadMachine(options: MachineOptions): Promise<Machine> {
  return readMachine(namedMachine(options));
}

/** `live` when nothing was named. @throws {UsageError} USAGE_TWO_MACHINES */
export function namedMachine(options: MachineOptions): string {
  const named = [options.machine, options.sysroot, options.lspci].filter((value) => value !== undefined);
  if (named.length > 1) {
    throw new UsageError('USAGE_TWO_MACHINES', {
      message: 'more than one of --machine, --sysroot and --lspci was given',
      hint: 'they are spellings of the same option: give one',
    });
  }
  return named[0] ?? 'live';
}

/** `live`, or the path of anything that describes a machine. */
export function readMachine(where: string): Machine {
  const machine =
    where === 'live'
      ? readSysfs(liveTree(), { kind: 'live', label: 'live', gunzip: boundedGunzip })
      : readPath(where);
  if (machine.functions.length === 0) {
    throw new InputError('INPUT_NO_PCI', {
      message: `${where === 'live' ? 'this machine' : where} has no PCI functions`,
      hint:
        where === 'live'
          ? 'try `peerlane demo`, or -m with a snapshot of another machine'
          : 'is it the right file?',
      detail: { where },
    });
  }
  return machine;
}

function readPath(path: string): Machine {
  if (statOf(path).isDirectory()) {
    return readSysroot(directoryTree(path), path);
  }
  const stored = readWhole(path);
  const bytes = isGzip(stored) ? unpack(stored, path) : stored;
  return recognise(bytes) === 'tar'
    ? readSysfs(archiveTree(bytes, path), { kind: 'archive', label: path, gunzip: boundedGunzip })
    : // Text of lspci may print names only; the list they came from is asked for when it does.
      readTextBytes(bytes, path, { pciIds: () => pciIdsText(liveTree()) });
}

/** Folders without which there are no functions. */
const NEEDED_FOLDERS = ['sys', 'sys/bus/pci/devices', 'sys/devices'];

/** @throws {InputError} INPUT_UNREADABLE where root would see more; INPUT_NO_SYSFS, INPUT_NO_PCI */
export function readSysroot(tree: FileTree, path: string): Machine {
  try {
    return readSysfs(tree, { kind: 'sysroot', label: path, gunzip: boundedGunzip });
  } catch (error) {
    // A folder that may not be listed looks empty to the reader, which keeps that apart from an error on purpose.
    const denied = NEEDED_FOLDERS.find((folder) => tree.list(folder) === 'denied');
    throw denied === undefined ? error : unreadable(`${path}/${denied}`, { code: 'EACCES' });
  }
}

function unpack(stored: Uint8Array, path: string): Uint8Array {
  try {
    return boundedGunzip(stored, TAR_BYTES_MAX);
  } catch (error) {
    if (!(error instanceof InputError)) {
      throw error;
    }
    throw new InputError(error.code, {
      message: `${path}: ${error.message}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      detail: { path, ...error.detail },
      cause: error,
    });
  }
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): InputError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new InputError('INPUT_MISSING', {
      message: `${path}: no such file or directory`,
      hint: '-m takes `live` or the path of a snapshot, sysroot, lspci text, hwloc or NCCL XML, or udev export',
      detail: { path },
      cause: error,
    });
  }
  return new InputError('INPUT_UNREADABLE', {
    message: `${path}: cannot be read (${code ?? String(error)})`,
    hint:
      code === 'EACCES'
        ? 'root, or a copy of the file that you own, would be able to'
        : 'is it a regular file?',
    detail: { path, errno: code },
    cause: error,
  });
}

/** The bytes of a file or a pipe, within bounds: a device file has no end. */
function readWhole(path: string): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const expected = fstatSync(fd).size;
    let bytes = new Uint8Array(Math.min(Math.max(expected + 1, 65536), INPUT_BYTES_MAX + 1));
    let length = 0;
    for (;;) {
      if (length === bytes.length) {
        if (length > INPUT_BYTES_MAX) {
          throw new InputError('INPUT_TOO_LARGE', {
            message: `${path}: more than ${INPUT_BYTES_MAX / 2 ** 20} MiB`,
            hint: 'a snapshot of a machine has a few megabytes; is it the right file?',
            detail: { path, bytesMax: INPUT_BYTES_MAX },
          });
        }
        const larger = new Uint8Array(Math.min(bytes.length * 2, INPUT_BYTES_MAX + 1));
        larger.set(bytes);
        bytes = larger;
      }
      const count = readSync(fd, bytes, length, bytes.length - length, null);
      if (count === 0) {
        return bytes.subarray(0, length);
      }
      length += count;
    }
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(path, error);
  } finally {
    closeSync(fd);
  }
}
