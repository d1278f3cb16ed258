import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boundedGunzip } from '../../../src/linux/index.ts';
import {
  archiveTree,
  collectSnapshot,
  type FileTree,
  type Machine,
  readSysfs,
  type SnapshotOptions,
  writeTar,
} from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { deviceFiles, type Files, memoryTree } from '../../support/memory-tree.ts';
import { hasTestdata, testdataPath } from '../../support/testdata.ts';

function snapshotOf(tree: FileTree, options?: SnapshotOptions): FileTree {
  return archiveTree(writeTar(collectSnapshot(tree, options).entries), tree.label);
}

/** The machine without what a snapshot blanks on purpose, and without where it came from. */
function comparable(machine: Machine): unknown {
  return {
    ...machine,
    // As text, which is compared at once and not byte by byte.
    functions: machine.functions.map((fn) => ({
      ...fn,
      config: fn.config && Buffer.from(fn.config).toString('hex'),
    })),
    source: { ...machine.source, kind: 'archive' },
    kernel: { ...machine.kernel, commandLine: undefined },
    gaps: machine.gaps.map((gap) => [gap.at, gap.what]),
  };
}

const gpuPath = 'pci0000:00/0000:00:01.0/0000:01:00.0';
const machineFiles: Files = {
  'sys/bus/pci/drivers_probe': '',
  ...deviceFiles('pci0000:00/0000:00:01.0', {
    vendor: '0x8086\n',
    device: '0x2030\n',
    class: '0x060400\n',
    driver: { linkTo: '../../../bus/pci/drivers/pcieport' },
    config: new Uint8Array(256),
    vpd: 'SERIAL',
    rom: 'ROM',
    resource0: 'BAR',
    reset: '',
    remove: '',
    rescan: '',
    uevent: 'x',
  }),
  ...deviceFiles(gpuPath, {
    vendor: '0x144d\n',
    device: '0xa80a\n',
    class: '0x010802\n',
    iommu_group: { linkTo: '../../../../kernel/iommu_groups/4' },
    'p2pmem/size': '1048576\n',
    'p2pmem/available': '1048576\n',
    'p2pmem/published': '1\n',
    'p2pmem/allocate': 'never read',
  }),
  'sys/kernel/iommu_groups/4/type': 'DMA\n',
  'sys/class/iommu/dmar0': { linkTo: '../../devices/virtual/iommu/dmar0' },
  'sys/class/nvme/nvme0': { linkTo: `../../devices/${gpuPath}/nvme/nvme0` },
  'sys/class/net/enx001122334455': { linkTo: `../../devices/${gpuPath}/net/enx001122334455` },
  'sys/class/net/lo': { linkTo: '../../devices/virtual/net/lo' },
  'sys/class/dmi/id/sys_vendor': 'Dell Inc.\n',
  'sys/class/dmi/id/product_serial': 'SERIAL\n',
  'sys/module/nvme/parameters/use_cmb_sqs': 'Y\n',
  'proc/cpuinfo': 'vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t: 1\nphysical id\t: 0\nflags\t: fpu\n',
  'proc/version': 'Linux version 6.8.0 (root@secret-host) (gcc) #1\n',
  'proc/cmdline': 'root=UUID=1-2-3 pci=nomsi iommu=pt\n',
  'proc/bus/pci/devices': '0008\t80862030\t1f\tdeadbeef\n0100\t144da80a\t1f\tdeadbeef\n',
  'boot/config-6.8.0': 'CONFIG_PCI_P2PDMA=y\nCONFIG_SECRET="host"\n',
  'etc/modprobe.d/a.conf': 'options nvme use_cmb_sqs=1\noptions mydriver password=1\n',
  'usr/share/misc/pci.ids': '144d  Samsung\n\ta80a  PM9A1\n10de  NVIDIA\n',
  'etc/shadow': 'no',
};

describe('a snapshot', () => {
  it('holds a fixed list of names, and nothing that identifies or acts', () => {
    const { entries } = collectSnapshot(memoryTree(machineFiles));
    const paths = entries.map((entry) => entry.path);
    expect(
      paths.filter((path) =>
        /vpd|rom$|resource\d|reset|remove$|rescan|uevent|serial|shadow|drivers_probe/.test(path),
      ),
    ).toEqual([]);
    const all = entries
      .map(
        (entry) =>
          `${entry.path} ${entry.content instanceof Uint8Array ? new TextDecoder().decode(entry.content) : JSON.stringify(entry.content)}`,
      )
      .join('\n');
    for (const secret of [
      'SERIAL',
      'secret-host',
      'UUID',
      '001122334455',
      'password',
      'never read',
      'NVIDIA',
      'SECRET',
      'deadbeef',
    ]) {
      expect(all, secret).not.toContain(secret);
    }
    expect(all).toContain('pci=nomsi iommu=pt');
  });

  it('reads back as the machine it was taken from', () => {
    const tree = memoryTree(machineFiles);
    const live = readSysfs(tree, { kind: 'live' });
    const back = readSysfs(snapshotOf(tree), { kind: 'archive' });
    expectMachineInvariants(back);
    const withoutMac = (machine: Machine): unknown => ({
      ...(comparable(machine) as Machine),
      functions: (comparable(machine) as Machine).functions.map((fn) => ({
        ...fn,
        classNames: fn.classNames.map(({ subsystem, name }) => ({
          subsystem,
          name: name.replace(/^enx.*/, 'enx'),
        })),
      })),
    });
    expect(withoutMac(back)).toEqual(withoutMac(live));
    expect(back.functions[1]).toMatchObject({
      p2pmem: { hasAllocate: true, published: true },
      vendorName: 'Samsung',
    });
    expect(back.functions[0]).toMatchObject({ p2pmem: null, iommuGroup: null, driver: 'pcieport' });
    expect(back.kernel.commandLine).toBe('root=<blanked> pci=nomsi iommu=pt');
  });

  it('keeps identities when asked', () => {
    const tree = memoryTree(machineFiles);
    const back = readSysfs(snapshotOf(tree, { keepIdentities: true }), { kind: 'archive' });
    expect(back.kernel.commandLine).toBe('root=UUID=1-2-3 pci=nomsi iommu=pt');
    expect(back.functions[1]!.classNames.map((entry) => entry.name)).toContain('enx001122334455');
    expect(comparable(back)).toEqual(comparable(readSysfs(tree, { kind: 'live' })));
  });

  it('of a snapshot is the same snapshot', () => {
    const first = snapshotOf(memoryTree(machineFiles));
    const second = collectSnapshot(first);
    expect(writeTar(second.entries)).toEqual(writeTar(collectSnapshot(memoryTree(machineFiles)).entries));
  });

  it('remembers what could not be read, and does not take it for missing', () => {
    const tree = memoryTree(machineFiles);
    const shut: FileTree = {
      label: 'shut',
      kind: (path) => tree.kind(path),
      list: (path) => tree.list(path),
      readLink: (path) => tree.readLink(path),
      resolve: (path) => tree.resolve(path),
      read: (path, limit) => (/\/(config|size)$/.test(path) ? 'denied' : tree.read(path, limit)),
    };
    const live = readSysfs(shut, { kind: 'live' });
    const snapshot = collectSnapshot(shut);
    expect(snapshot.notes.join('\n')).toContain('could not be read');
    const back = readSysfs(archiveTree(writeTar(snapshot.entries), 'x'), { kind: 'archive' });
    expect(back.functions.map((fn) => fn.config)).toEqual(live.functions.map((fn) => fn.config));
    expect(back.functions[1]!.p2pmem!.sizeBytes).toBeUndefined();
    expect(back.source.privileged).toBe(false);
  });

  it('of an incomplete copy does not claim to be complete', () => {
    const { 'sys/bus/pci/drivers_probe': _, ...copy } = machineFiles;
    const back = readSysfs(snapshotOf(memoryTree(copy)), { kind: 'archive' });
    expect(back.functions[0]!.physicalFunction).toBe(
      readSysfs(memoryTree(copy), { kind: 'sysroot' }).functions[0]!.physicalFunction,
    );
    expect(back.functions[0]!.isUntrusted).toBeUndefined();
  });

  it('is one file with fixed bytes: nothing of the moment is in it', () => {
    const bytes = () => writeTar(collectSnapshot(memoryTree(machineFiles)).entries);
    expect(bytes()).toEqual(bytes());
  });

  it('of nothing is empty but for its own note', () => {
    const { entries } = collectSnapshot(memoryTree({ 'etc/x': 'y' }));
    expect(entries.map((entry) => entry.path)).toEqual(['peerlane/snapshot.json']);
  });
});

describe.skipIf(!hasTestdata('data', 'kernel-verdicts'))('snapshots of recorded machines', () => {
  const folders = [testdataPath('data', 'kernel-verdicts'), testdataPath('data', 'topologies', 'sysfs')];
  const files = folders.flatMap((folder) =>
    hasTestdata('data', 'kernel-verdicts')
      ? readdirSync(folder)
          .filter((file) => file.endsWith('.tar.gz'))
          .map((file) => `${folder}/${file}`)
      : [],
  );

  it.each(files.map((file) => [file.slice(file.lastIndexOf('/') + 1), file]))(
    '%s reads back the same',
    (_, file) => {
      const tree = archiveTree(readFileSync(file), 'recorded', { gunzip: boundedGunzip });
      const options = { kind: 'archive', gunzip: boundedGunzip } as const;
      const again = readSysfs(snapshotOf(tree, { keepIdentities: true }), options);
      expect(comparable(again)).toEqual(comparable(readSysfs(tree, options)));
    },
  );
});
