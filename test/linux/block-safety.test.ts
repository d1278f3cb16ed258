import { describe, expect, it } from 'vitest';
import { HostError } from '../../src/base/index.ts';
import {
  type Backing,
  type DeviceNumber,
  readBlockDevice,
  refuseUnsafeWrite,
  usesOf,
} from '../../src/linux/index.ts';
import { disk, NVME_A, partition, sysfsTree } from './sysfs-tree.ts';

const MOUNT = '29 1 259:1 / /srv/my\\040data rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw';
const PARTITIONED = {
  ...disk('259:0', 'nvme0n1', NVME_A),
  ...partition('259:1', 'nvme0n1p1', NVME_A, 'nvme0n1'),
};

function refusal(entries: Readonly<Record<string, string>>, number: string): HostError | undefined {
  const tree = sysfsTree(entries);
  const backing = { kind: 'block', device: readBlockDevice(tree, number as DeviceNumber) } as Backing;
  try {
    refuseUnsafeWrite(tree, '/dev/x', backing);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ exitStatus: 2 });
    expect((error as HostError).hint).toBeTruthy();
    expect((error as HostError).message).not.toContain('\n');
    return error as HostError;
  }
}

describe('writing to a block device', () => {
  it('is allowed when nobody uses it', () => {
    expect(
      refusal(
        { ...disk('259:0', 'nvme0n1', NVME_A), 'proc/self/mountinfo': '1 0 8:1 / / rw - ext4 /dev/sda1 rw' },
        '259:0',
      ),
    ).toBeUndefined();
  });

  it('is refused when it is mounted, with the place', () => {
    const error = refusal({ ...PARTITIONED, 'proc/self/mountinfo': MOUNT }, '259:1');
    expect(error).toMatchObject({ code: 'HOST_IN_USE' });
    expect(error!.message).toContain('nvme0n1p1 is mounted at /srv/my data');
  });

  it('is refused when one of its partitions is mounted', () => {
    expect(refusal({ ...PARTITIONED, 'proc/self/mountinfo': MOUNT }, '259:0')!.message).toContain(
      'nvme0n1p1 is mounted',
    );
  });

  it('is refused when a file system without a device number of its own (btrfs) names it', () => {
    const line = '29 1 0:35 /@ /home rw - btrfs /dev/nvme0n1p1 rw';
    expect(refusal({ ...PARTITIONED, 'proc/self/mountinfo': line }, '259:1')).toMatchObject({
      code: 'HOST_IN_USE',
    });
  });

  it('is refused when it is mounted by another of its names', () => {
    const line = '29 1 0:35 /@ /home rw - btrfs /dev/disk/by-label/home rw';
    const entries = {
      ...PARTITIONED,
      'proc/self/mountinfo': line,
      'dev/disk/by-label/home': '-> ../../nvme0n1p1',
      'dev/nvme0n1p1': '',
    };
    expect(refusal(entries, '259:1')).toMatchObject({ code: 'HOST_IN_USE' });
  });

  it('is refused when it holds partitions that nobody uses', () => {
    const error = refusal(PARTITIONED, '259:0');
    expect(error).toMatchObject({ code: 'HOST_HAS_PARTITIONS' });
    expect(error!.message).toContain('nvme0n1p1');
    expect(refusal(PARTITIONED, '259:1')).toBeUndefined();
  });

  it('is refused when it is swap', () => {
    const swaps =
      'Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1p1                          partition\t1000\t0\t-2';
    expect(refusal({ ...PARTITIONED, 'proc/swaps': swaps }, '259:1')!.message).toContain('swap');
  });

  it('is refused when an array or a volume holds it or its partition', () => {
    const dm = { ...disk('253:0', 'dm-0', 'virtual/block', { 'dm/name': 'vg-root' }) };
    const member = { ...disk('259:0', 'nvme0n1', NVME_A, { 'holders/dm-0': '-> x' }) };
    expect(refusal({ ...dm, ...member }, '259:0')!.message).toContain('part of dm-0 (vg-root)');
    const inPartition = { ...PARTITIONED, [`sys/devices/${NVME_A}/nvme0n1/nvme0n1p1/holders/md0`]: '-> x' };
    expect(refusal(inPartition, '259:0')).toMatchObject({ code: 'HOST_IN_USE' });
  });

  it('is refused when it is read-only', () => {
    const entries = { ...disk('259:0', 'nvme0n1', NVME_A), [`sys/devices/${NVME_A}/nvme0n1/ro`]: '1' };
    expect(refusal(entries, '259:0')).toMatchObject({ code: 'HOST_READ_ONLY' });
  });

  it('is refused when sysfs does not know it', () => {
    expect(refusal({ sys: '/' }, '259:0')).toMatchObject({ code: 'HOST_IN_USE' });
  });
});

describe('mountinfo that is damaged', () => {
  it.each(['', 'garbage', '1 2 3 - x', '- - -', '29 1 259:0', '\u0000\u0001'])(
    '%j is no use and no error',
    (text) => {
      const tree = sysfsTree({ ...disk('259:0', 'nvme0n1', NVME_A), 'proc/self/mountinfo': text });
      expect(usesOf(tree, readBlockDevice(tree, '259:0' as DeviceNumber)!)).toEqual([]);
    },
  );
});
