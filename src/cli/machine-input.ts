/**
 * `-m`, `--sysroot`, `--lspci` and `lab FILE`: from what a person named to a `Machine`. The kind is found from the content.
 * What labs need is loaded when there is one.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { InputError, UsageError } from '../base/index.ts';
import { boundedGunzip, directoryTree, liveTree } from '../linux/index.ts';
import {
  archiveTree,
  decodeText,
  type FileTree,
  isGzip,
  type Machine,
  pciIdsText,
  readSysfs,
  readTextBytes,
  recognise,
  TAR_BYTES_MAX,
} from '../topology/index.ts';
import type { Io } from './io.ts';
import type { RunningLab } from './lab/boot.ts';

export interface MachineOptions {
  readonly machine?: string;
  readonly sysroot?: string;
  readonly lspci?: string;
  /** Of `peerlane lab FILE`: must be a lab file. */
  readonly lab?: string;
}

/** What a person named, as far as it had to be looked at to know what it is. */
export type MachineSource =
  | { readonly kind: 'live'; readonly path: 'live' }
  | { readonly kind: 'sysroot'; readonly path: string }
  | { readonly kind: 'lab'; readonly path: string; readonly text: string }
  /** An archive, or the output of a program. */
  | { readonly kind: 'snapshot'; readonly path: string; readonly bytes: Uint8Array };

/** The largest snapshot of a real machine is a few megabytes. */
const INPUT_BYTES_MAX = 256 * 2 ** 20;

/**
 * @throws {UsageError} USAGE_TWO_MACHINES
 * @throws {InputError} INPUT_NO_PCI when the machine has no PCI functions; INPUT_MISSING, INPUT_UNREADABLE, INPUT_TOO_LARGE,
 *   INPUT_UNKNOWN and what the readers throw
 * @throws {LabError} a lab file with mistakes
 */
export async function loadMachine(options: MachineOptions, io: Pick<Io, 'err'>): Promise<Machine> {
  return (await machineOfSource(await openMachine(options), io)).machine;
}

/** The same, with the lab that it is of, running; null for every other input. */
export async function loadMachineAndLab(options: MachineOptions, io: Pick<Io, 'err'>): Promise<ReadMachine> {
  return machineOfSource(await openMachine(options), io);
}

/** Looks at what was named, without making a machine of it. Errors as `loadMachine`. */
export async function openMachine(options: MachineOptions): Promise<MachineSource> {
  const named = Object.entries({
    machine: options.machine,
    sysroot: options.sysroot,
    lspci: options.lspci,
    lab: options.lab,
  }).filter(([, value]) => value !== undefined);
  if (named.length > 1) {
    throw new UsageError('USAGE_TWO_MACHINES', {
      message: `more than one machine was given: ${named
        .map(([name]) => (name === 'lab' ? '`lab FILE`' : `--${name}`))
        .join(' and ')}`,
      hint: 'they are spellings of the same option: give one',
    });
  }
  return options.lab === undefined ? openPath(named[0]?.[1] ?? 'live') : openLabFile(options.lab);
}

/** `live`, or the path of anything that describes a machine. */
export async function readMachine(where: string, io: Pick<Io, 'err'>): Promise<Machine> {
  return (await machineOfSource(await openPath(where), io)).machine;
}

/** A file that a person says is a lab: what is wrong with it is told as of a lab. */
export function openLabFile(path: string): MachineSource & { readonly kind: 'lab' } {
  statOf(path);
  const bytes = readWhole(path);
  try {
    return { kind: 'lab', path, text: decodeText(bytes, path) };
  } catch (error) {
    if (!(error instanceof InputError)) {
      throw error;
    }
    throw new InputError(error.code, {
      message: error.message,
      hint: 'a lab file is text that says `peerlane: lab/1`; other descriptions of a machine are read with -m',
      detail: error.detail,
      cause: error,
    });
  }
}

async function openPath(path: string): Promise<MachineSource> {
  if (path === 'live') {
    return { kind: 'live', path };
  }
  if (statOf(path).isDirectory()) {
    return { kind: 'sysroot', path };
  }
  const stored = readWhole(path);
  const bytes = isGzip(stored) ? unpack(stored, path) : stored;
  const text = await labText(bytes);
  return text === undefined ? { kind: 'snapshot', path, bytes } : { kind: 'lab', path, text };
}

/** The marker of a lab file stands within so many bytes; comments may stand before it. */
const LAB_HEAD_BYTES = 65_536;

/** The text of a lab file; undefined for anything else. */
async function labText(bytes: Uint8Array): Promise<string | undefined> {
  if (recognise(bytes) === 'tar') {
    return undefined;
  }
  try {
    // Only a file that names us can be one, and the readers of all others need not wait for what labs need.
    if (!decodeText(bytes.subarray(0, LAB_HEAD_BYTES), '').includes('peerlane')) {
      return undefined;
    }
    const { looksLikeLab } = await import('../lab/index.ts');
    const text = decodeText(bytes, '');
    return looksLikeLab(text) ? text : undefined;
  } catch (error) {
    if (error instanceof InputError) {
      return undefined;
    }
    throw error;
  }
}

export interface ReadMachine {
  readonly machine: Machine;
  readonly lab: RunningLab | null;
}

async function machineOfSource(source: MachineSource, io: Pick<Io, 'err'>): Promise<ReadMachine> {
  const read =
    source.kind === 'lab' ? await bootedLab(source, io) : { machine: readSource(source), lab: null };
  const { machine } = read;
  if (machine.functions.length === 0) {
    throw new InputError('INPUT_NO_PCI', {
      message: `${source.kind === 'live' ? 'this machine' : source.path} has no PCI functions`,
      hint:
        source.kind === 'live'
          ? 'try `peerlane demo`, or -m with a lab file or a snapshot of another machine'
          : 'is it the right file?',
      detail: { where: source.path },
    });
  }
  return read;
}

async function bootedLab(
  source: MachineSource & { readonly kind: 'lab' },
  io: Pick<Io, 'err'>,
): Promise<ReadMachine> {
  const { bootLab, machineOf, warnOfBoot } = await import('./lab/boot.ts');
  const lab = bootLab(source.path, source.text);
  warnOfBoot(lab, io);
  return { machine: machineOf(lab), lab };
}

function readSource(source: Exclude<MachineSource, { readonly kind: 'lab' }>): Machine {
  switch (source.kind) {
    case 'live':
      return readSysfs(liveTree(), { kind: 'live', label: 'live', gunzip: boundedGunzip });
    case 'sysroot':
      return readSysroot(directoryTree(source.path), source.path);
    case 'snapshot':
      return recognise(source.bytes) === 'tar'
        ? readSysfs(archiveTree(source.bytes, source.path), {
            kind: 'archive',
            label: source.path,
            gunzip: boundedGunzip,
          })
        : // Text of lspci may print names only; the list they came from is asked for when it does.
          readTextBytes(source.bytes, source.path, { pciIds: () => pciIdsText(liveTree()) });
  }
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
      hint: '-m takes `live` or the path of a lab file, snapshot, sysroot, lspci text, hwloc or NCCL XML, or udev export',
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
