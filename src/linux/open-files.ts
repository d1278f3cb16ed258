/**
 * Which programs hold a block device open. One that opened it without a claim (a virtual machine's disk, a database on the
 * bare device) is no obstacle to O_EXCL, so /proc is the only place that knows. Source: proc(5), /proc/PID/fd.
 *
 * Not seen: a descriptor that was closed after it was mapped or registered, and processes that we may not look into.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { deviceNumber } from './backing.ts';
import type { DeviceNumber } from './block-device.ts';
import { parseMounts } from './block-usage.ts';

export interface Opener {
  readonly pid: number;
  /** `/proc/PID/comm`, without control characters; empty when it is not known. */
  readonly command: string;
  readonly canWrite: boolean;
}

export interface OpenFilesOptions {
  /** Default `/proc`. */
  readonly root?: string;
  /** The process that is not looked at. Default: this one. */
  readonly self?: number;
  /** How the device behind a descriptor is found; for tests, which cannot make device nodes. */
  readonly stat?: (path: string) => Pick<Stats, 'rdev' | 'isBlockDevice'>;
}

/** Descriptors, of all processes together: more than any machine without trouble has, and an end. */
const DESCRIPTORS_LIMIT = 1 << 20;
/** A stat of a file on a server that is gone never returns. Such a mount holds no device nodes that matter. */
const REMOTE = /^(nfs|cifs|smb|ceph|fuse|9p|afs|lustre|glusterfs|beegfs|gpfs)/;
const OWNER_MAY_WRITE = 0o200;

/** Processes that hold one of the devices open, each once, in the order of /proc. What cannot be read is left out. */
export function openersOf(
  numbers: ReadonlySet<DeviceNumber>,
  options: OpenFilesOptions = {},
): readonly Opener[] {
  const { root = '/proc', self = process.pid, stat = statSync } = options;
  const remoteBelow = remoteMounts(root);
  const openers: Opener[] = [];
  let left = DESCRIPTORS_LIMIT;
  for (const pid of list(root).filter((name) => /^\d+$/.test(name) && Number(name) !== self)) {
    let isOpener = false;
    let canWrite = false;
    for (const fd of list(`${root}/${pid}/fd`).slice(0, left)) {
      left--;
      const link = `${root}/${pid}/fd/${fd}`;
      const target = attempt(() => readlinkSync(link));
      // Sockets, pipes and the like have names without a slash in front.
      if (target?.startsWith('/') !== true) {
        continue;
      }
      if (!target.startsWith('/dev/') && remoteBelow(pid).some((place) => target.startsWith(place))) {
        continue;
      }
      const stats = attempt(() => stat(link));
      if (stats?.isBlockDevice() === true && numbers.has(deviceNumber(stats.rdev))) {
        isOpener = true;
        // The permissions of the link are those that the descriptor was opened with.
        const mode = attempt(() => lstatSync(link).mode) ?? OWNER_MAY_WRITE;
        canWrite ||= (mode & OWNER_MAY_WRITE) !== 0;
      }
    }
    if (isOpener) {
      openers.push({ pid: Number(pid), command: commandOf(`${root}/${pid}/comm`), canWrite });
    }
  }
  return openers;
}

function commandOf(path: string): string {
  const text = attempt(() => readFileSync(path, 'utf8')) ?? '';
  return text.replace(/\p{C}/gu, ' ').trim();
}

/** Mount points of remote file systems as a process sees them; read once for each mount namespace. */
function remoteMounts(root: string): (pid: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (pid) => {
    const namespace = attempt(() => readlinkSync(`${root}/${pid}/ns/mnt`)) ?? pid;
    let places = known.get(namespace);
    if (places === undefined) {
      const text = attempt(() => readFileSync(`${root}/${pid}/mountinfo`, 'utf8')) ?? '';
      places = parseMounts(text)
        .filter((mount) => REMOTE.test(mount.type))
        .map((mount) => `${mount.at}/`);
      known.set(namespace, places);
    }
    return places;
  };
}

function list(path: string): readonly string[] {
  return attempt(() => readdirSync(path)) ?? [];
}

/** Processes end while they are looked at, and others are none of our business. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
