/** The two ends of a transfer on the real machine, as a person names them: looked at before anything is opened or made. */
import { existsSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type Backing,
  backingOf,
  deviceNumber,
  diskIdentity,
  isBelowDev,
  liveTree,
  refuseOpenElsewhere,
  refuseTables,
  refuseUnsafeFile,
  refuseUnsafeWrite,
  statTarget,
} from '../../linux/index.ts';
import type { RouteEnd } from '../../orchestrators/index.ts';

export interface End {
  readonly path: string;
  /** Undefined: a file that is still to be made. */
  readonly stats: Stats | undefined;
  readonly backing: Backing;
  /** Of a device that will be written, what it was seen to hold: `an ext4 file system`. */
  readonly holds?: readonly string[];
}

/** Something that is there. @throws {HostError} see `statTarget` */
export function existingEnd(path: string): End {
  const stats = statTarget(path);
  return { path, stats, backing: backingOf(liveTree(), path, stats) };
}

/**
 * Something that will be written: a device, a file, or the name of a file that is still to be made.
 * @throws {HostError} also HOST_IN_USE, HOST_HAS_PARTITIONS, HOST_READ_ONLY
 */
export function writableEnd(path: string): End {
  const folder = dirname(path);
  // A name below /dev that is not there is a mistyped device.
  if (!existsSync(path) && !isBelowDev(path) && existsSync(folder)) {
    return { path, stats: undefined, backing: backingOf(liveTree(), path, statSync(folder)) };
  }
  const end = existingEnd(path);
  if (end.backing.kind === 'block') {
    const tree = liveTree();
    refuseUnsafeWrite(tree, path, end.backing);
    if (end.backing.device !== undefined && end.stats !== undefined) {
      refuseOpenElsewhere(tree, path, end.backing.device);
      return { ...end, holds: refuseTables(path, end.stats).map(({ name }) => name) };
    }
  } else if (end.stats !== undefined) {
    refuseUnsafeFile(liveTree(), path, end.stats);
  }
  return end;
}

/** The same for two names of one disk or file; undefined for a file that is still to be made. */
export function identityOf({ backing, stats }: End): string | undefined {
  if (stats === undefined) {
    return undefined;
  }
  return backing.kind === 'block'
    ? diskIdentity(backing.device, deviceNumber(stats.rdev))
    : `file ${deviceNumber(stats.dev)} ${stats.ino}`;
}

export function routeEnd(end: End): RouteEnd {
  const { requesters, peer } = end.backing;
  return {
    label: end.path,
    requesters: requesters.functions,
    uncertain: requesters.uncertain,
    takesPeerMemory: peer.capable,
    why: peer.why,
  };
}
