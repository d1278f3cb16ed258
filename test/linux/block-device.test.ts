import { describe, expect, it } from 'vitest';
import {
  type BlockDevice,
  type DeviceNumber,
  deviceNumber,
  readBlockDevice,
  readBlockDeviceByName,
  requestersOf,
} from '../../src/linux/index.ts';
import type { FileTree } from '../../src/topology/index.ts';
import { disk, NVME_A, NVME_B, partition, sysfsTree } from './sysfs-tree.ts';

function read(tree: FileTree, number: string): BlockDevice {
  const device = readBlockDevice(tree, number as DeviceNumber);
  if (device === undefined) {
    throw new Error(`no device ${number}`);
  }
  return device;
}

describe('device numbers', () => {
  it.each([
    [0x0801, '8:1'],
    [0x10300, `${0x103}:0`],
    [0x1fd01, '509:1'],
    // Minor 1048575 of major 253, as glibc's makedev packs it.
    [0xfff0_fdff, '253:1048575'],
  ])('%i is %s', (dev, text) => {
    expect(deviceNumber(dev)).toBe(text);
  });
});

describe('a block device in sysfs', () => {
  it('that is not there is undefined', () => {
    expect(readBlockDevice(sysfsTree({ sys: '/' }), '8:0' as DeviceNumber)).toBeUndefined();
    expect(readBlockDeviceByName(sysfsTree({ sys: '/' }), 'sda')).toBeUndefined();
  });

  it('NVMe namespace: its controller is the requester', () => {
    const tree = sysfsTree(disk('259:0', 'nvme0n1', NVME_A));
    const device = read(tree, '259:0');
    expect(device).toMatchObject({
      name: 'nvme0n1',
      disk: 'nvme0n1',
      isPartition: false,
      kind: 'nvme',
      isReadOnly: false,
      partitions: [],
      holders: [],
      maxTransferBytes: 512 * 1024,
    });
    expect(requestersOf(tree, device)).toEqual({ functions: ['0000:03:00.0'], uncertain: undefined });
  });

  it('partition: belongs to its disk; the disk lists it', () => {
    const tree = sysfsTree({
      ...disk('259:0', 'nvme0n1', NVME_A),
      ...partition('259:1', 'nvme0n1p1', NVME_A, 'nvme0n1'),
    });
    expect(read(tree, '259:1')).toMatchObject({
      name: 'nvme0n1p1',
      disk: 'nvme0n1',
      isPartition: true,
      partitions: [],
      kind: 'nvme',
    });
    expect(read(tree, '259:0').partitions).toEqual(['nvme0n1p1']);
    expect(requestersOf(tree, read(tree, '259:1')).functions).toEqual(['0000:03:00.0']);
  });

  it('behind an Intel VMD: the function below the VMD domain, not the VMD', () => {
    const tree = sysfsTree(
      disk('259:0', 'nvme0n1', 'pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0/nvme/nvme0'),
    );
    expect(requestersOf(tree, read(tree, '259:0')).functions).toEqual(['10000:e1:00.0']);
  });

  it('multipath head: every controller that has a path to this namespace, and no other', () => {
    const subsystem = 'devices/virtual/nvme-subsystem/nvme-subsys0';
    const controller = (n: number, bdf: string, path: string) => ({
      [`sys/${subsystem}/nvme${n}`]: `-> ../../../pci0000:00/${bdf}/nvme/nvme${n}`,
      [`sys/devices/pci0000:00/${bdf}/nvme/nvme${n}/${path}/ro`]: '0',
    });
    const tree = sysfsTree({
      ...disk('259:1', 'nvme0n1', 'virtual/nvme-subsystem/nvme-subsys0'),
      ...controller(0, '0000:03:00.0', 'nvme0c0n1'),
      ...controller(1, '0000:04:00.0', 'nvme0c1n1'),
      ...controller(2, '0000:05:00.0', 'nvme0c2n2'),
    });
    const device = read(tree, '259:1');
    expect(device.kind).toBe('nvme-multipath');
    expect(requestersOf(tree, device)).toEqual({
      functions: ['0000:03:00.0', '0000:04:00.0'],
      uncertain: undefined,
    });
  });

  it('md and dm: the requesters of everything below, once each', () => {
    const tree = sysfsTree({
      ...disk('259:0', 'nvme0n1', NVME_A, { 'holders/md0': '-> ../../x' }),
      ...disk('259:1', 'nvme1n1', NVME_B),
      ...disk('9:0', 'md0', 'virtual/block', {
        'slaves/nvme0n1': '-> x',
        'slaves/nvme1n1': '-> x',
        'md/level': 'raid1',
      }),
      ...disk('253:0', 'dm-0', 'virtual/block', { 'slaves/md0': '-> x' }),
    });
    expect(read(tree, '9:0')).toMatchObject({ kind: 'md', level: 'raid1', slaves: ['nvme0n1', 'nvme1n1'] });
    expect(requestersOf(tree, read(tree, '253:0'))).toEqual({
      functions: ['0000:03:00.0', '0000:04:00.0'],
      uncertain: undefined,
    });
    expect(read(tree, '259:0').holders).toEqual(['md0']);
  });

  it('a stack that contains itself ends', () => {
    const tree = sysfsTree(disk('253:0', 'dm-0', 'virtual/block', { 'slaves/dm-0': '-> x' }));
    expect(requestersOf(tree, read(tree, '253:0')).uncertain).toContain('dm-0');
  });

  it('network and loop devices: nobody known, with the reason', () => {
    const tree = sysfsTree({
      ...disk('259:0', 'nvme0n1', 'virtual/nvme-fabrics/ctl/nvme0'),
      'sys/devices/virtual/nvme-fabrics/ctl/nvme0/transport': 'tcp',
      ...disk('7:0', 'loop0', 'virtual/block'),
    });
    expect(requestersOf(tree, read(tree, '259:0'))).toMatchObject({
      functions: [],
      uncertain: expect.stringContaining('Fabrics'),
    });
    expect(requestersOf(tree, read(tree, '7:0'))).toMatchObject({
      functions: [],
      uncertain: expect.stringContaining('loop'),
    });
  });

  it('SATA and virtio: the adapter', () => {
    const tree = sysfsTree({
      ...disk('8:0', 'sda', 'pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block'),
      ...disk('254:0', 'vda', 'pci0000:00/0000:00:05.0/virtio1/block'),
    });
    expect(requestersOf(tree, read(tree, '8:0')).functions).toEqual(['0000:00:17.0']);
    expect(requestersOf(tree, read(tree, '254:0')).functions).toEqual(['0000:00:05.0']);
  });
});
