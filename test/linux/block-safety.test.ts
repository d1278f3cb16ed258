import { describe, expect, it } from 'vitest';
import { HostError } from '../../src/base/index.ts';
import {
  type Backing,
  type DeviceNumber,
  diskIdentity,
  readBlockDevice,
  refuseUnsafeFile,
  refuseUnsafeWrite,
  twinsOf,
  usesOf,
} from '../../src/linux/index.ts';
import { disk, NVME_A, NVME_B, partition, sysfsTree } from './sysfs-tree.ts';

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

describe('what the kernel serves without claiming it', () => {
  const plain = disk('259:0', 'nvme0n1', NVME_A);
  const loop = (file: string) => ({
    ...disk('7:0', 'loop0', 'virtual/block'),
    'sys/devices/virtual/block/loop0/loop/backing_file': file,
  });

  it('a device behind a loop device is refused', () => {
    expect(refusal({ ...plain, ...loop('/dev/nvme0n1') }, '259:0')!.message).toContain(
      'nvme0n1 is behind /dev/loop0',
    );
    expect(refusal({ ...plain, ...loop('/dev/nvme1n1') }, '259:0')).toBeUndefined();
  });

  it('a partition is refused when the loop device is on its whole disk, and the disk when it is on a partition', () => {
    expect(refusal({ ...PARTITIONED, ...loop('/dev/nvme0n1') }, '259:1')).toMatchObject({
      code: 'HOST_IN_USE',
    });
    expect(refusal({ ...PARTITIONED, ...loop('/dev/nvme0n1p1') }, '259:0')).toMatchObject({
      code: 'HOST_IN_USE',
    });
  });

  it('a device that is exported by nvmet is refused while the export is on', () => {
    const folder = 'sys/kernel/config/nvmet/subsystems/nqn.test/namespaces/1';
    const exported = (enable: string) => ({
      ...plain,
      [`${folder}/device_path`]: '/dev/nvme0n1',
      [`${folder}/enable`]: enable,
    });
    expect(refusal(exported('1'), '259:0')!.message).toContain('namespace 1 of the NVMe target nqn.test');
    expect(refusal(exported('0'), '259:0')).toBeUndefined();
  });

  it('a file is refused behind a loop device and as swap, by whatever name', () => {
    const stats = {} as Parameters<typeof refuseUnsafeFile>[2];
    const tree = sysfsTree({
      ...loop('/srv/disk.img'),
      'proc/swaps': 'Filename Type Size Used Priority\n/srv/my\\040swap file 8188 0 -2',
    });
    const refuse = (same: string) => () =>
      refuseUnsafeFile(tree, '/other/name', stats, (path) => path === same);
    expect(refuse('/srv/disk.img')).toThrow('/other/name is behind /dev/loop0');
    expect(refuse('/srv/my swap')).toThrow('/other/name is swap space');
    expect(refuse('/srv/else')).not.toThrow();
  });
});

describe('one NVMe namespace by two controllers', () => {
  const both = (wwid: string) => ({
    ...disk('259:0', 'nvme0n1', NVME_A, { wwid: 'eui.0001' }),
    ...disk('259:2', 'nvme1n1', NVME_B, { wwid }),
    'proc/self/mountinfo': '29 1 259:2 / /data rw - ext4 /dev/nvme1n1 rw',
  });

  it('is refused by one name when it is mounted by the other', () => {
    expect(refusal(both('eui.0001'), '259:0')!.message).toContain(
      'nvme1n1 is mounted at /data, and nvme1n1 is the same namespace',
    );
    expect(refusal(both('eui.0002'), '259:0')).toBeUndefined();
    // No name is not the same name.
    expect(refusal({ ...both(''), 'sys/devices/x': '/' }, '259:0')).toBeUndefined();
  });

  it('has one identity', () => {
    const of = (wwid: string, number: string) => {
      const device = readBlockDevice(sysfsTree(both(wwid)), number as DeviceNumber)!;
      return diskIdentity(device, device.number);
    };
    expect(of('eui.0001', '259:0')).toBe(of('eui.0001', '259:2'));
    expect(of('eui.0002', '259:0')).not.toBe(of('eui.0002', '259:2'));
    const tree = sysfsTree(both('eui.0001'));
    expect(twinsOf(tree, readBlockDevice(tree, '259:0' as DeviceNumber)!).map((twin) => twin.name)).toEqual([
      'nvme1n1',
    ]);
  });
});
