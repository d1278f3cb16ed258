/**
 * What the kernel laboratory needs, and where it is: QEMU and busybox on this machine, a kernel and the test module in the
 * cache that `scripts/kernel-lab/prepare.sh` fills. Nothing here downloads.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerlaneError } from '../../src/base/index.ts';
import { findQemu } from '../../src/cli/qemu/find-qemu.ts';

export interface Lab {
  /** `7.2.12+deb13-amd64`, as `uname -r` prints it. */
  readonly kernelVersion: string;
  readonly vmlinuz: string;
  /** The folder that holds `modules.dep`. */
  readonly modulesDir: string;
  readonly qemu: string;
  readonly busybox: string;
  /** Where things made from the kernel may be kept. */
  readonly cacheDir: string;
  /** The compiled test module; undefined where the kernel's headers could not be had. */
  readonly verdictModule: string | undefined;
}

export type LabAvailability =
  | { readonly ok: true; readonly lab: Lab }
  | { readonly ok: false; readonly why: string };

/** Which line of kernels is asked: `7.2` unless PEERLANE_KERNEL_SERIES names another (`newest` in nightly runs). */
const kernelSeries = process.env.PEERLANE_KERNEL_SERIES ?? '7.2';

const moduleDir = fileURLToPath(new URL('module/', import.meta.url));
const prepareHint = 'run scripts/kernel-lab/prepare.sh';

/**
 * Finds the laboratory, or says in one line what is missing and how to get it.
 *
 * @throws {Error} when PEERLANE_ORACLE=required, which continuous integration sets: there, skipping would hide a failure
 */
export function labAvailable(): LabAvailability {
  const found = findLab();
  if (!found.ok && process.env.PEERLANE_ORACLE === 'required') {
    throw new Error(`the kernel oracle is required here, but ${found.why}`);
  }
  return found;
}

/** As `labAvailable`, and the test module is there too. */
export function verdictLabAvailable(): LabAvailability {
  const found = labAvailable();
  if (!found.ok || found.lab.verdictModule !== undefined) {
    return found;
  }
  const why = `the test module is not built for ${found.lab.kernelVersion}; ${prepareHint}`;
  if (process.env.PEERLANE_ORACLE === 'required') {
    throw new Error(`the kernel oracle is required here, but ${why}`);
  }
  return { ok: false, why };
}

/** As `verdictLabAvailable`, with a QEMU that takes devices over vfio-user. */
export function vfioUserLabAvailable(): LabAvailability {
  const found = verdictLabAvailable();
  if (!found.ok) {
    return found;
  }
  try {
    return { ok: true, lab: { ...found.lab, qemu: findQemu().path } };
  } catch (error) {
    if (!(error instanceof PeerlaneError) || process.env.PEERLANE_ORACLE === 'required') {
      throw error;
    }
    return { ok: false, why: `${error.message}; ${prepareHint}` };
  }
}

function findLab(): LabAvailability {
  const qemu = findProgram('qemu-system-x86_64');
  if (qemu === undefined) {
    return { ok: false, why: 'qemu-system-x86_64 is not installed; .ci/run installs it' };
  }
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(isStatic);
  if (busybox === undefined) {
    return { ok: false, why: 'no static busybox (package busybox-static); .ci/run installs it' };
  }
  const cacheDir =
    process.env.PEERLANE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peerlane');
  const seriesFile = join(cacheDir, 'kernel', `series-${kernelSeries}`);
  if (!existsSync(seriesFile)) {
    return { ok: false, why: `no ${kernelSeries} kernel in the cache; ${prepareHint}` };
  }
  const kernelVersion = readFileSync(seriesFile, 'utf8').trim();
  const kernelDir = join(cacheDir, 'kernel', kernelVersion);
  if (!existsSync(join(kernelDir, 'complete'))) {
    return { ok: false, why: `the cached kernel ${kernelVersion} is incomplete; ${prepareHint}` };
  }
  const modulesDir = join(kernelDir, 'usr/lib/modules', kernelVersion);
  const verdictModule = join(cacheDir, 'module', `${kernelVersion}-${moduleHash()}`, 'peerlane_verdicts.ko');
  return {
    ok: true,
    lab: {
      kernelVersion,
      vmlinuz: join(modulesDir, 'vmlinuz'),
      modulesDir,
      qemu,
      busybox,
      cacheDir,
      verdictModule: existsSync(verdictModule) ? verdictModule : undefined,
    },
  };
}

/** The same name as build-module.sh gives: a change of the source is another module. */
function moduleHash(): string {
  const hash = createHash('sha256');
  for (const name of ['Makefile', 'peerlane_verdicts.c']) {
    hash.update(readFileSync(join(moduleDir, name)));
  }
  return hash.digest('hex').slice(0, 12);
}

export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A dynamically linked busybox names its loader, and finds none in an initramfs. */
function isStatic(path: string): boolean {
  return isExecutable(path) && !readFileSync(path).includes('/lib64/ld-linux');
}
