/**
 * Which QEMU can take devices over vfio-user. It has them since 10.1, and only a look at its devices tells: builds leave things
 * out.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { HostError } from '../../base/index.ts';

const PROGRAM = 'qemu-system-x86_64';
/** QEMU's model of a device that somebody else serves. */
const DEVICE = 'vfio-user-pci';
/** The first release that had it. */
const SINCE = '10.1';

export interface FoundQemu {
  readonly path: string;
  /** `11.1.3` */
  readonly version: string;
}

/** What a program printed to stdout; undefined when it could not be started. */
export type AskProgram = (path: string, args: readonly string[]) => string | undefined;

/**
 * Where a QEMU may be, in the order of preference: what PEERLANE_QEMU names, and then nothing else; the folders of PATH; the one
 * that `scripts/kernel-lab/newer-qemu.sh` of a checkout has prepared.
 */
export function qemuPaths(env: Readonly<Record<string, string | undefined>>): string[] {
  if (env.PEERLANE_QEMU !== undefined && env.PEERLANE_QEMU !== '') {
    return [env.PEERLANE_QEMU];
  }
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const cache = env.PEERLANE_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peerlane');
  return [...folders, join(cache, 'bin')].map((folder) => join(folder, PROGRAM));
}

/**
 * The first QEMU that has vfio-user-pci.
 *
 * @param paths  candidates in the order of preference; those that cannot be started are passed over
 * @throws {HostError} HOST_NO_VFIO_USER; the message names those that were found and lack it, with their versions
 */
export function findQemu(
  paths: readonly string[] = qemuPaths(process.env),
  ask: AskProgram = askProgram,
): FoundQemu {
  const tooOld: FoundQemu[] = [];
  for (const path of new Set(paths)) {
    const version = /version (\d+(?:\.\d+)+)/.exec(ask(path, ['--version']) ?? '')?.[1];
    if (version === undefined) {
      continue;
    }
    // Its exit status is 0 for a device that it does not know, too.
    if (ask(path, ['-device', `${DEVICE},help`])?.includes('socket=') === true) {
      return { path, version };
    }
    tooOld.push({ path, version });
  }
  const found =
    tooOld.length === 0
      ? `no ${PROGRAM} was found`
      : `found ${tooOld.map(({ path, version }) => `${version} at ${path}`).join(', ')}`;
  throw new HostError('HOST_NO_VFIO_USER', {
    message: `QEMU ${SINCE} or newer with ${DEVICE} is needed; ${found}`,
    detail: { found: tooOld },
    hint: 'Debian’s is in trixie-backports, and scripts/kernel-lab/newer-qemu.sh of a checkout prepares it beside an older one; name another with PEERLANE_QEMU=PATH',
  });
}

function askProgram(path: string, args: readonly string[]): string | undefined {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return undefined;
  }
  const { stdout, error } = spawnSync(path, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
  });
  return error === undefined ? stdout : undefined;
}
