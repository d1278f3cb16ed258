/**
 * Whether the queue of a block device takes peer memory at all, before any verdict: the P2P feature of a queue is not shown
 * in sysfs, so it is told from the kind of device and the kernel version (spec p2pdma.md section 8, nvme-cmb.md section 3.2).
 */
import type { FileTree } from '../topology/index.ts';
import { type BlockDevice, readBlockDeviceByName } from './block-device.ts';

export interface PeerCapability {
  /** Undefined: not known; the kernel says at the first request. */
  readonly capable: boolean | undefined;
  /** One line: why. */
  readonly why: string;
}

/** First kernel in which user space can map peer memory. */
const ALLOCATE_SINCE = [6, 2, 0] as const;
/** Stacking was read in 7.1.5 (absent) and 7.2.12 (present). */
const STACKING_ABSENT_UNTIL = [7, 1, 5] as const;
const STACKING_SINCE = [7, 2, 12] as const;

const STACK_LIMIT = 16;

/** `release` as `uname -r` prints it; undefined when unknown. */
export function peerCapabilityOf(
  tree: FileTree,
  device: BlockDevice,
  release: string | undefined,
  depth = 0,
): PeerCapability {
  const version = parseRelease(release);
  if (version !== undefined && isBefore(version, ALLOCATE_SINCE)) {
    return { capable: false, why: `Linux ${release} takes no peer memory from programs (6.2 is the first)` };
  }
  switch (device.kind) {
    case 'nvme':
      return { capable: true, why: `${device.disk} is an NVMe namespace on PCIe` };
    case 'nvme-multipath':
    case 'md': {
      if (device.kind === 'md' && !['raid0', 'raid1', 'raid10'].includes(device.level ?? '')) {
        return {
          capable: false,
          why: `${device.disk} is md ${device.level ?? 'of an unknown level'}; only RAID 0, 1 and 10 take peer memory`,
        };
      }
      const what = device.kind === 'md' ? `md ${device.level}` : 'an NVMe multipath device';
      if (version === undefined) {
        return {
          capable: undefined,
          why: `${device.disk} is ${what}: that depends on the kernel version, which is not known`,
        };
      }
      if (!isBefore(STACKING_ABSENT_UNTIL, version)) {
        const remedy = device.kind === 'md' ? '' : '; nvme_core.multipath=N gives plain namespaces';
        return {
          capable: false,
          why: `${device.disk} is ${what}, which takes peer memory only from Linux 7.2 on${remedy}`,
        };
      }
      if (isBefore(version, STACKING_SINCE)) {
        return {
          capable: undefined,
          why: `${device.disk} is ${what}: unknown for Linux ${release}, between 7.1.5 (no) and 7.2.12 (yes)`,
        };
      }
      return device.kind === 'md'
        ? allBelow(tree, device, release, depth)
        : {
            capable: true,
            why: `${device.disk} is ${what}; Linux ${release} takes peer memory if all paths do`,
          };
    }
    case 'nvme-fabrics':
      return {
        capable: undefined,
        why: `${device.disk} is NVMe over Fabrics: RDMA may take peer memory, TCP does not`,
      };
    case 'dm':
      return { capable: false, why: `${device.disk} is a device-mapper device; none takes peer memory` };
    case 'loop':
    case 'virtio':
    case 'scsi':
      return {
        capable: false,
        why: `${device.disk} is a ${device.kind} device; only NVMe takes peer memory`,
      };
    case 'other':
      return { capable: undefined, why: `nothing is known of ${device.disk} and peer memory` };
  }
}

function allBelow(
  tree: FileTree,
  device: BlockDevice,
  release: string | undefined,
  depth: number,
): PeerCapability {
  if (depth >= STACK_LIMIT || device.slaves.length === 0) {
    return { capable: undefined, why: `the members of ${device.disk} are not known` };
  }
  let open: PeerCapability | undefined;
  for (const name of device.slaves) {
    const member = readBlockDeviceByName(tree, name);
    const answer: PeerCapability =
      member === undefined
        ? { capable: undefined, why: `${name} below ${device.disk} is not in sysfs` }
        : peerCapabilityOf(tree, member, release, depth + 1);
    if (answer.capable === false) {
      return answer;
    }
    open ??= answer.capable === undefined ? answer : undefined;
  }
  return (
    open ?? {
      capable: true,
      why: `${device.disk} is md ${device.level}, and all its members take peer memory`,
    }
  );
}

type Version = readonly [number, number, number];

function parseRelease(release: string | undefined): Version | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release ?? '');
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

function isBefore(a: Version, b: Version): boolean {
  for (let i = 0; i < 3; i++) {
    if (a[i] !== b[i]) {
      return a[i]! < b[i]!;
    }
  }
  return false;
}
