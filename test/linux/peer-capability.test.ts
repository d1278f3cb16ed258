import { describe, expect, it } from 'vitest';
import { type DeviceNumber, peerCapabilityOf, readBlockDevice } from '../../src/linux/index.ts';
import { disk, NVME_A, NVME_B, sysfsTree } from './sysfs-tree.ts';

const HEAD = disk('259:5', 'nvme5n1', 'virtual/nvme-subsystem/nvme-subsys5');
const MEMBERS = { ...disk('259:0', 'nvme0n1', NVME_A), ...disk('259:1', 'nvme1n1', NVME_B) };
const raid = (level: string) =>
  disk('9:0', 'md0', 'virtual/block', {
    'slaves/nvme0n1': '-> x',
    'slaves/nvme1n1': '-> x',
    'md/level': level,
  });

function capable(entries: Readonly<Record<string, string>>, number: string, release: string | undefined) {
  const tree = sysfsTree(entries);
  return peerCapabilityOf(tree, readBlockDevice(tree, number as DeviceNumber)!, release).capable;
}

describe('which queues take peer memory (p2pdma.md section 8, nvme-cmb.md section 3.2)', () => {
  it('an NVMe namespace from Linux 6.2 on', () => {
    expect(capable(MEMBERS, '259:0', '6.1.0-44-amd64')).toBe(false);
    expect(capable(MEMBERS, '259:0', '6.2.0')).toBe(true);
    expect(capable(MEMBERS, '259:0', '7.2.12+deb13-amd64')).toBe(true);
    expect(capable(MEMBERS, '259:0', undefined)).toBe(true);
  });

  it.each([
    ['6.12.0', false],
    ['7.1.5', false],
    ['7.1.6', undefined],
    ['7.2.0', undefined],
    ['7.2.12', true],
    ['7.3.4', true],
    [undefined, undefined],
  ] as const)('multipath heads and md RAID 1 on %s: %s', (release, expected) => {
    expect(capable(HEAD, '259:5', release)).toBe(expected);
    expect(capable({ ...MEMBERS, ...raid('raid1') }, '9:0', release)).toBe(expected);
  });

  it('md only with levels 0, 1 and 10, and only when all members do', () => {
    expect(capable({ ...MEMBERS, ...raid('raid5') }, '9:0', '7.3.4')).toBe(false);
    expect(capable({ ...MEMBERS, ...raid('linear') }, '9:0', '7.3.4')).toBe(false);
    const mixed = {
      ...disk('259:0', 'nvme0n1', NVME_A),
      ...disk('8:0', 'sda', 'pci0000:00/0000:00:17.0/ata1/block'),
      ...disk('9:0', 'md0', 'virtual/block', {
        'slaves/nvme0n1': '-> x',
        'slaves/sda': '-> x',
        'md/level': 'raid0',
      }),
    };
    expect(capable(mixed, '9:0', '7.3.4')).toBe(false);
    expect(capable(raid('raid0'), '9:0', '7.3.4')).toBeUndefined();
  });

  it('device mapper, SATA, virtio and loop never; the network is not known', () => {
    expect(capable(disk('253:0', 'dm-0', 'virtual/block'), '253:0', '7.3.4')).toBe(false);
    expect(capable(disk('8:0', 'sda', 'pci0000:00/0000:00:17.0/ata1/block'), '8:0', '7.3.4')).toBe(false);
    expect(capable(disk('254:0', 'vda', 'pci0000:00/0000:00:05.0/virtio1/block'), '254:0', '7.3.4')).toBe(
      false,
    );
    expect(capable(disk('7:0', 'loop0', 'virtual/block'), '7:0', '7.3.4')).toBe(false);
    expect(
      capable(disk('259:0', 'nvme0n1', 'virtual/nvme-fabrics/ctl/nvme0'), '259:0', '7.3.4'),
    ).toBeUndefined();
  });
});
