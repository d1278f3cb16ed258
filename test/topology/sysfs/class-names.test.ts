import { describe, expect, it } from 'vitest';
import { MachineIndex, readSysfs } from '../../../src/topology/index.ts';
import { deviceFiles, type Files, memoryTree } from '../../support/memory-tree.ts';

const nvmePath = 'pci0000:00/0000:00:01.0/0000:01:00.0';
const nicPath = 'pci0000:00/0000:00:02.0';
const devices: Files = {
  ...deviceFiles(nvmePath, { vendor: '0x144d\n' }),
  ...deviceFiles(nicPath, { vendor: '0x15b3\n' }),
};

function namesOf(files: Files, bdf: string): string[] {
  const machine = readSysfs(memoryTree({ ...devices, ...files }), { kind: 'sysroot' });
  const names = machine.functions.find((fn) => fn.bdf === bdf)!.classNames;
  return names.map((entry) => `${entry.subsystem}:${entry.name}`);
}

const link = (target: string) => ({ linkTo: `../../devices/${target}` });

describe('names from the class folders', () => {
  it('belong to the function that their path leads through', () => {
    const files = {
      'sys/class/nvme/nvme0': link(`${nvmePath}/nvme/nvme0`),
      'sys/class/block/nvme0n1': link(`${nvmePath}/nvme/nvme0/nvme0n1`),
      'sys/class/net/eth0': link(`${nicPath}/net/eth0`),
      'sys/class/infiniband/mlx5_0': link(`${nicPath}/infiniband/mlx5_0`),
      'sys/class/net/lo': link('virtual/net/lo'),
    };
    expect(namesOf(files, '0000:01:00.0')).toEqual(['block:nvme0n1', 'nvme:nvme0']);
    expect(namesOf(files, '0000:00:02.0')).toEqual(['infiniband:mlx5_0', 'net:eth0']);
  });

  it('leave out partitions and the connectors of a display', () => {
    const files = {
      'sys/class/block/nvme0n1': link(`${nvmePath}/nvme/nvme0/nvme0n1`),
      'sys/class/block/nvme0n1p1': link(`${nvmePath}/nvme/nvme0/nvme0n1/nvme0n1p1`),
      'sys/class/drm/card0': link(`${nicPath}/drm/card0`),
      'sys/class/drm/card0-DP-1': link(`${nicPath}/drm/card0/card0-DP-1`),
      'sys/class/drm/version': 'drm 1.1.0\n',
    };
    expect(namesOf(files, '0000:01:00.0')).toEqual(['block:nvme0n1']);
    expect(namesOf(files, '0000:00:02.0')).toEqual(['drm:card0']);
  });

  it('call the path of a multipath drive by the name of the drive', () => {
    const files = {
      'sys/class/block/nvme0n1': link('virtual/nvme-subsystem/nvme-subsys0/nvme0n1'),
      'sys/class/block/nvme0c1n1': link(`${nvmePath}/nvme/nvme1/nvme0c1n1`),
    };
    expect(namesOf(files, '0000:01:00.0')).toEqual(['block:nvme0n1']);
  });

  it('lead through the PF and not through what is above or below', () => {
    const files = {
      'sys/class/block/sda': link(`${nicPath}/ata1/host0/target0:0:0/0:0:0:0/block/sda`),
      'sys/bus/virtio/devices/virtio3': { linkTo: `../../../devices/${nicPath}/virtio3` },
    };
    expect(namesOf(files, '0000:00:02.0')).toEqual(['block:sda', 'virtio:virtio3']);
  });
});

describe('names without class folders', () => {
  it('come from the folders below the function', () => {
    const files = {
      [`sys/devices/${nvmePath}/nvme/nvme0/nvme0n1/size`]: '1\n',
      [`sys/devices/${nvmePath}/nvme/nvme0/hwmon1/name`]: 'nvme\n',
      [`sys/devices/${nicPath}/net/eth0/mtu`]: '1500\n',
      [`sys/devices/${nicPath}/infiniband/mlx5_0/node_type`]: '1\n',
      [`sys/devices/${nicPath}/virtio7/block/vda/size`]: '1\n',
    };
    expect(namesOf(files, '0000:01:00.0')).toEqual(['block:nvme0n1', 'nvme:nvme0']);
    expect(namesOf(files, '0000:00:02.0')).toEqual([
      'block:vda',
      'infiniband:mlx5_0',
      'net:eth0',
      'virtio:virtio7',
    ]);
  });
});

describe('a name', () => {
  it('is what a person finds the function by', () => {
    const tree = memoryTree({
      ...devices,
      'sys/class/block/nvme0n1': link(`${nvmePath}/nvme/nvme0/nvme0n1`),
    });
    const index = new MachineIndex(readSysfs(tree, { kind: 'sysroot' }));
    expect(index.resolve('/dev/nvme0n1').bdf).toBe('0000:01:00.0');
  });
});
