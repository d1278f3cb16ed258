/** Kernel modules for a guest: which are needed, in which order, and their bytes. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { HostError, UsageError } from '../../base/index.ts';

const LIST = 'modules.dep';

/**
 * The folder with `modules.dep` of a kernel: the one that was named; else beside the kernel; else this machine's, by the
 * version that the kernel's image names.
 *
 * @returns null when there is none: everything may be built in
 * @throws {UsageError} USAGE_VM_KERNEL where one was named and is none
 */
export function modulesFolder(kernel: string, given: string | undefined): string | null {
  if (given !== undefined) {
    if (!existsSync(join(given, LIST))) {
      throw new UsageError('USAGE_VM_KERNEL', {
        message: `${given} has no ${LIST}: it is no folder of kernel modules`,
        hint: 'name the folder that is called as the kernel, such as /lib/modules/6.12.0-amd64',
      });
    }
    return given;
  }
  const version = kernelVersion(kernel);
  const folders = [dirname(kernel), ...(version === null ? [] : [join('/lib/modules', version)])];
  return folders.find((folder) => existsSync(join(folder, LIST))) ?? null;
}

/**
 * As `uname -r` prints it; null for what is no x86 kernel image.
 * Linux Documentation/arch/x86/boot.rst, kernel_version.
 */
export function kernelVersion(path: string): string | null {
  const image = readFileSync(path);
  if (image.length < 0x210 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') {
    return null;
  }
  const start = image.readUInt16LE(0x20e) + 0x200;
  const text = image.toString('latin1', start, start + 200);
  return /^[\w.+~-]+/.exec(text)?.[0] ?? null;
}

/** Paths of the wanted modules, each after everything it depends on. A name that is not there may be built in. */
export function loadOrder(modulesDep: string, wanted: readonly string[]): string[] {
  const dependencies = new Map<string, readonly string[]>();
  const byName = new Map<string, string>();
  for (const line of modulesDep.split('\n')) {
    const [path, rest] = line.split(':');
    if (path !== undefined && rest !== undefined) {
      dependencies.set(path, rest.split(' ').filter(Boolean));
      byName.set(moduleName(path), path);
    }
  }
  const ordered = new Set<string>();
  for (const name of wanted) {
    const path = byName.get(name.replaceAll('-', '_'));
    if (path !== undefined) {
      // The list has what must be there, furthest last.
      for (const needed of [...(dependencies.get(path) ?? [])].reverse()) {
        ordered.add(needed);
      }
      ordered.add(path);
    }
  }
  return [...ordered];
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko.*$/, '')
    .replaceAll('-', '_');
}

export interface KernelModule {
  /** Without what says that it was compressed. */
  readonly fileName: string;
  readonly bytes: Uint8Array;
}

/** In the order in which they are to be loaded. @throws {HostError} HOST_UNPACK */
export function readModules(folder: string, wanted: readonly string[]): KernelModule[] {
  return loadOrder(readFileSync(join(folder, LIST), 'utf8'), wanted).map((path) => ({
    fileName: basename(path).replace(/\.(xz|zst|gz)$/, ''),
    bytes: unpacked(join(folder, path)),
  }));
}

const UNPACKERS = { '.xz': ['xz', '-dc'], '.zst': ['zstd', '-dcq'] } as const;
const MODULE_BYTES_MAX = 256 * 2 ** 20;

function unpacked(path: string): Uint8Array {
  if (path.endsWith('.gz')) {
    return gunzipSync(readFileSync(path), { maxOutputLength: MODULE_BYTES_MAX });
  }
  const unpacker = Object.entries(UNPACKERS).find(([ending]) => path.endsWith(ending))?.[1];
  if (unpacker === undefined) {
    return readFileSync(path);
  }
  const [program, options] = unpacker;
  const { status, stdout, stderr, error } = spawnSync(program, [options, path], {
    maxBuffer: MODULE_BYTES_MAX,
  });
  if (status !== 0) {
    throw new HostError('HOST_UNPACK', {
      message: `${path}: ${program} could not unpack it: ${error?.message ?? stderr.toString().trim()}`,
      hint: `is ${program} installed?`,
      detail: { path, program },
      exitStatus: 3,
      ...(error === undefined ? {} : { cause: error }),
    });
  }
  return stdout;
}
