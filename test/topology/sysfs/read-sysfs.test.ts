import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { type FileTree, type Machine, readSysfs, type SysfsOptions } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { type Content, deviceFiles, type Files, memoryTree } from '../../support/memory-tree.ts';

/** A running kernel's sysfs has this file, and no copy does. */
const LIVE: Files = { 'sys/bus/pci/drivers_probe': '' };
const KERNEL: Files = { 'proc/version': 'Linux version 6.8.0-50-generic (builder@host) (gcc) #1 SMP\n' };

function read(files: Files, options: Partial<SysfsOptions> = {}): Machine {
  const machine = readSysfs(memoryTree(files), { kind: 'sysroot', ...options });
  expectMachineInvariants(machine);
  return machine;
}

function only(attributes: Readonly<Record<string, Content>>, more: Files = {}): Machine['functions'][number] {
  return read({ ...deviceFiles('pci0000:00/0000:00:03.0', attributes), ...more }).functions[0]!;
}

/** A type 0 header with ids and, at 0x40, whatever is given. */
function config(length: number, patch: Readonly<Record<number, readonly number[]>> = {}): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([0x86, 0x80, 0x34, 0x12, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x02]);
  for (const [at, values] of Object.entries(patch)) {
    bytes.set(values, Number(at));
  }
  return bytes;
}

describe('the tree', () => {
  it('is the kernel’s own: parents and host bridges come from the paths', () => {
    const machine = read({
      ...deviceFiles('pci0000:00/0000:00:00.0', { class: '0x060000\n' }),
      ...deviceFiles('pci0000:00/0000:00:01.0', { class: '0x060400\n' }),
      ...deviceFiles('pci0000:00/0000:00:01.0/0000:01:00.0', { class: '0x010802\n' }),
      ...deviceFiles('pci0000:80/0000:80:02.0', { class: '0x060400\n' }),
    });
    expect(machine.functions.map((fn) => [fn.bdf, fn.parent, fn.hostBridge])).toEqual([
      ['0000:00:00.0', null, 'pci0000:00'],
      ['0000:00:01.0', null, 'pci0000:00'],
      ['0000:01:00.0', '0000:00:01.0', 'pci0000:00'],
      ['0000:80:02.0', null, 'pci0000:80'],
    ]);
  });

  it('goes on in the parent domain behind a VMD', () => {
    const vmd = 'pci0000:00/0000:00:0e.0';
    const machine = read({
      ...deviceFiles(vmd, { class: '0x010400\n' }),
      ...deviceFiles(`${vmd}/pci10000:e0/10000:e0:06.0`, {}),
      ...deviceFiles(`${vmd}/pci10000:e0/10000:e0:06.0/10000:e1:00.0`, { class: '0x010802\n' }),
    });
    expect(machine.hostBridges).toMatchObject([
      { key: 'pci0000:00', behind: null },
      { key: 'pci10000:e0', domain: 0x10000, rootBus: 0xe0, behind: '0000:00:0e.0' },
    ]);
    expect(machine.functions.at(-1)).toMatchObject({ bdf: '10000:e1:00.0', parent: '10000:e0:06.0' });
  });

  it('has functions that stand only in a path, or only as a folder', () => {
    const { 'sys/bus/pci/devices/0000:02:00.0': _, ...withoutLink } = deviceFiles(
      'pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0',
      { vendor: '0x144d\n' },
    );
    const machine = read({
      ...deviceFiles('pci0000:00/0000:00:02.0', { vendor: '0x8086\n' }),
      ...withoutLink,
    });
    expect(machine.functions.map((fn) => fn.bdf)).toEqual([
      '0000:00:01.0',
      '0000:00:02.0',
      '0000:01:00.0',
      '0000:02:00.0',
    ]);
    expect(machine.functions.at(-1)).toMatchObject({ vendorId: 0x144d, parent: '0000:01:00.0' });
  });

  it('is read from the links alone where a copy has no folders', () => {
    const machine = read({
      'sys/bus/pci/devices/0000:00:01.0': { linkTo: '../../../devices/pci0000:00/0000:00:01.0' },
      'sys/bus/pci/devices/0000:01:00.0': { linkTo: '../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0' },
    });
    expect(machine.functions.map((fn) => [fn.parent, fn.driver, fn.vendorId])).toEqual([
      [null, undefined, undefined],
      ['0000:00:01.0', undefined, undefined],
    ]);
  });

  it('is unknown in a flattened copy, where the paths say nothing', () => {
    const machine = read({
      'sys/bus/pci/devices/0004:05:00.0/class': '0x030000\n',
      'sys/bus/pci/devices/0006:00:00.0/class': '0x030000\n',
    });
    expect(machine.functions.map((fn) => [fn.bdf, fn.parent])).toEqual([
      ['0004:05:00.0', undefined],
      ['0006:00:00.0', null],
    ]);
    expect(machine.gaps.map((gap) => gap.what)).toContain('parent');
  });

  it('stands in the order of the bus lists where the kernel tells it', () => {
    const files = {
      ...deviceFiles('pci0000:00/0000:00:00.0', { vendor: '0x8086\n', device: '0x1237\n' }),
      ...deviceFiles('pci0000:00/0000:00:02.0', { vendor: '0x8086\n', device: '0x100e\n' }),
    };
    const order = '0010\t8086100e\t0\t0\n0000\t80861237\t0\t0\n';
    expect(read({ ...files, 'proc/bus/pci/devices': order }).functions.map((fn) => fn.bdf)).toEqual([
      '0000:00:02.0',
      '0000:00:00.0',
    ]);
    for (const unclear of ['', '0010\t8086100e\n', `${order}0010\t8086100e\n`, 'nonsense\n']) {
      const machine = read({ ...files, 'proc/bus/pci/devices': unclear });
      expect(machine.functions.map((fn) => fn.bdf)).toEqual(['0000:00:00.0', '0000:00:02.0']);
      expect(machine.gaps.map((gap) => gap.what)).toContain('order');
    }
  });

  it('gives a host bridge the node that its root functions agree on', () => {
    const machine = read({
      ...deviceFiles('pci0000:00/0000:00:00.0', { numa_node: '1\n' }),
      ...deviceFiles('pci0000:00/0000:00:01.0', { numa_node: '1\n' }),
      ...deviceFiles('pci0000:00/0000:00:01.0/0000:01:00.0', { numa_node: '0\n' }),
      ...deviceFiles('pci0000:80/0000:80:00.0', { numa_node: '-1\n' }),
      ...deviceFiles('pci0000:c0/0000:c0:00.0', { numa_node: '2\n' }),
      ...deviceFiles('pci0000:c0/0000:c0:01.0', { numa_node: '3\n' }),
    });
    expect(machine.hostBridges.map((host) => host.numaNode)).toEqual([1, null, undefined]);
    expect(machine.functions.map((fn) => fn.numaNode)).toEqual([1, 1, 0, null, 2, 3]);
  });
});

describe('one function', () => {
  it('takes its ids from the text files, which know VFs and quirks', () => {
    const vf = config(256, { 0: [0xff, 0xff, 0xff, 0xff] });
    const fn = only({
      config: vf,
      vendor: '0x15b3\n',
      device: '0x101e\n',
      subsystem_vendor: '0x15b3\n',
      subsystem_device: '0x0058\n',
      revision: '0x00\n',
      class: '0x020000\n',
    });
    expect(fn).toMatchObject({
      vendorId: 0x15b3,
      deviceId: 0x101e,
      subsystemVendorId: 0x15b3,
      subsystemDeviceId: 0x58,
      revision: 0,
      classCode: 0x020000,
      isGone: false,
    });
  });

  it('has no subsystem where both ids are zero', () => {
    const fn = only({ subsystem_vendor: '0x0000\n', subsystem_device: '0x0000\n' });
    expect([fn.subsystemVendorId, fn.subsystemDeviceId]).toEqual([null, null]);
  });

  it('keeps its ids when config space reads all ones', () => {
    const fn = only({ config: new Uint8Array(4096).fill(0xff), vendor: '0x10de\n', device: '0x2330\n' });
    expect(fn).toMatchObject({ isGone: true, vendorId: 0x10de, deviceId: 0x2330, acs: undefined });
  });

  it('takes BARs with addresses and sizes from `resource`, unassigned ones too', () => {
    const row = (start: string, end: string, flags: string) =>
      [start, end, flags].map((word) => `0x${word.padStart(16, '0')}`).join(' ');
    const none = row('0', '0', '0');
    const resource = [
      row('f0000000', 'f0003fff', '40200'),
      none,
      row('38000000000', '38fffffffff', '14220c'),
      none,
      row('0', 'fffff', '20140204'),
      none,
      row('f0100000', 'f01fffff', '46200'),
    ].join('\n');
    expect(only({ resource: `${resource}\n` }).bars).toEqual([
      {
        index: 0,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: false,
        start: 0xf0000000,
        sizeBytes: 0x4000,
      },
      {
        index: 2,
        kind: 'memory',
        is64Bit: true,
        isPrefetchable: true,
        start: 0x38000000000,
        sizeBytes: 2 ** 36,
      },
      { index: 4, kind: 'memory', is64Bit: true, isPrefetchable: false, start: null, sizeBytes: 0x100000 },
      {
        index: 6,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: true,
        start: 0xf0100000,
        sizeBytes: 0x100000,
      },
    ]);
  });

  it('takes bridge windows from the last rows of `resource`, with and without SR-IOV rows', () => {
    const none = '0x0000000000000000 0x0000000000000000 0x0000000000000000';
    const windows = [
      '0x0000000000001000 0x0000000000001fff 0x0000000000000101',
      '0x00000000fbc00000 0x00000000fbdfffff 0x0000000000000200',
      '0x00000000fea00000 0x00000000febfffff 0x0000000000102201',
      none,
    ];
    const expected = [
      { kind: 'io', first: 0x1000, last: 0x1fff },
      { kind: 'memory', first: 0xfbc00000, last: 0xfbdfffff },
      { kind: 'prefetchable', first: 0xfea00000, last: 0xfebfffff },
    ];
    for (const rows of [7, 13]) {
      const resource = [...new Array<string>(rows).fill(none), ...windows].join('\n');
      expect(only({ resource }).windows, `${rows} rows before`).toEqual(expected);
    }
    expect(only({ resource: 'not a resource file\n' }).bars).toBeUndefined();
  });

  /** The first 64 bytes of a function with capabilities, which lie further down. */
  const header = config(64, { 6: [0x10], 52: [0x40] });

  it('reads link files where config space stops at the header', () => {
    const links = {
      current_link_speed: '2.5 GT/s PCIe\n',
      current_link_width: '4\n',
      max_link_speed: '16.0 GT/s PCIe\n',
      max_link_width: '16\n',
    };
    expect(only({ config: header, ...links }).link).toEqual({
      max: { speedGTs: 16, width: 16 },
      current: { speedGTs: 2.5, width: 4 },
    });
    expect(
      only({ ...links, current_link_speed: 'Unknown speed\n', max_link_width: '255\n' }).link,
    ).toBeUndefined();
    expect(only({ max_link_speed: '8 GT/s\n', max_link_width: '8\n' }).link).toEqual({
      max: { speedGTs: 8, width: 8 },
      current: undefined,
    });
  });

  it('is conventional PCI where a kernel that shows links shows none', () => {
    expect(only({ config: header }, { ...LIVE, ...KERNEL })).toMatchObject({
      pcieType: null,
      acs: null,
      link: null,
    });
    expect(only({ config: header }, LIVE).pcieType).toBeUndefined();
  });

  it('offers peer memory as the files say, and `allocate` by its existence', () => {
    expect(
      only({
        'p2pmem/size': '67108864\n',
        'p2pmem/available': '67043328\n',
        'p2pmem/published': '1\n',
        'p2pmem/allocate': '',
      }).p2pmem,
    ).toEqual({ sizeBytes: 67108864, availableBytes: 67043328, published: true, hasAllocate: true });
    const old = { 'p2pmem/size': '0\n', 'p2pmem/published': '0\n' };
    const expected = { sizeBytes: 0, availableBytes: undefined, published: false };
    expect(only(old, LIVE).p2pmem).toEqual({ ...expected, hasAllocate: false });
    // It cannot be read, so whoever copies the folder may have left it out.
    expect(only(old).p2pmem).toEqual({ ...expected, hasAllocate: undefined });
  });

  it('knows driver, group, PF, DMA mask and power state', () => {
    const machine = read({
      ...deviceFiles('pci0000:00/0000:00:03.0', { driver: { linkTo: '../../../bus/pci/drivers/mlx5_core' } }),
      ...deviceFiles('pci0000:00/0000:00:03.1', {
        physfn: { linkTo: '../0000:00:03.0' },
        iommu_group: { linkTo: '../../../kernel/iommu_groups/17' },
        dma_mask_bits: '64\n',
        power_state: 'D3hot\n',
        removable: 'removable\n',
      }),
    });
    expect(machine.functions[0]).toMatchObject({
      driver: 'mlx5_core',
      physicalFunction: null,
      iommuGroup: null,
    });
    expect(machine.functions[1]).toMatchObject({
      driver: null,
      physicalFunction: '0000:00:03.0',
      iommuGroup: '17',
      dmaMaskBits: 64,
      powerState: 'D3hot',
      isUntrusted: true,
    });
  });
});

describe('what is not there', () => {
  it('is unknown in a copy that has no file of that kind', () => {
    expect(only({ vendor: '0x8086\n' })).toMatchObject({
      driver: undefined,
      iommuGroup: undefined,
      p2pmem: undefined,
      physicalFunction: undefined,
      isUntrusted: undefined,
    });
  });

  it('is known to be absent in a running kernel’s sysfs', () => {
    expect(only({ vendor: '0x8086\n' }, { ...LIVE, ...KERNEL })).toMatchObject({
      driver: null,
      iommuGroup: null,
      p2pmem: null,
      physicalFunction: null,
      isUntrusted: false,
    });
  });

  it('makes config space that tar filled up with zeros end where it was cut', () => {
    const cut = config(4096, { 6: [0x10], 52: [0x40] });
    const fn = only({ config: cut });
    expect(fn.config).toHaveLength(64);
    expect(fn.acs).toBeUndefined();
    // The same length with no capabilities is a conventional device on a bus with extended config space.
    expect(only({ config: config(4096) }).config).toHaveLength(4096);
  });

  it('makes text that tar filled up with zeros end at the first', () => {
    const padded = new Uint8Array(4096);
    padded.set(new TextEncoder().encode('0x8086\n'));
    expect(only({ vendor: padded }).vendorId).toBe(0x8086);
  });

  it('tells a reading without privileges, and what root would add', () => {
    const machine = read(deviceFiles('pci0000:00/0000:00:03.0', { config: config(64) }));
    expect(machine.source.privileged).toBe(false);
    expect(machine.gaps.find((gap) => gap.what === 'extended-config')!.detail).toContain('root');
    expect(read(deviceFiles('pci0000:00/0000:00:03.0', { config: config(256) })).source.privileged).toBe(
      true,
    );
    expect(
      read(deviceFiles('pci0000:00/0000:00:03.0', { vendor: '0x8086\n' })).source.privileged,
    ).toBeUndefined();
  });

  it('is a typed error when there is nothing at all', () => {
    const codeOf = (tree: FileTree, kind: SysfsOptions['kind']): readonly [string, string | undefined] => {
      try {
        readSysfs(tree, { kind });
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        return [(error as InputError).code, (error as InputError).hint];
      }
      throw new Error('no error');
    };
    expect(codeOf(memoryTree({ 'etc/passwd': 'x' }), 'sysroot')[0]).toBe('INPUT_NO_SYSFS');
    expect(codeOf(memoryTree({ 'sys/bus/pci/devices': 'directory' }), 'archive')[0]).toBe('INPUT_NO_PCI');
    const [code, hint] = codeOf(memoryTree({ 'sys/bus/pci/devices/README': 'x' }), 'live');
    expect(code).toBe('INPUT_NO_PCI');
    expect(hint).toContain('peerlane demo');
  });
});

describe('the machine around', () => {
  const device = deviceFiles('pci0000:00/0000:00:03.0', { vendor: '0x144d\n', device: '0xa80a\n' });
  const group = (n: number, type: string): Files => ({
    ...deviceFiles(`pci0000:00/0000:00:0${n}.0`, {
      iommu_group: { linkTo: `../../../kernel/iommu_groups/${n}` },
    }),
    [`sys/kernel/iommu_groups/${n}/type`]: `${type}\n`,
  });
  const dmar: Files = { 'sys/class/iommu/dmar0': { linkTo: '../../devices/virtual/iommu/dmar0' } };

  it('has an IOMMU as class and groups say', () => {
    expect(read({ ...device, 'sys/class/iommu': 'directory' }).iommu).toEqual({
      mode: 'off',
      driver: undefined,
    });
    expect(read(device).iommu.mode).toBeUndefined();
    expect(read({ ...device, ...LIVE }).iommu.mode).toBe('off');
    expect(read({ ...device, ...dmar }).iommu).toEqual({ mode: 'on', driver: 'intel' });
    expect(read({ ...dmar, ...group(3, 'DMA-FQ'), ...group(4, 'DMA') }).iommu.mode).toBe('translated');
    expect(read({ ...dmar, ...group(3, 'identity'), ...group(4, 'identity') }).iommu.mode).toBe(
      'passthrough',
    );
    expect(read({ ...dmar, ...group(3, 'identity'), ...group(4, 'unmanaged') }).iommu.mode).toBe(
      'passthrough',
    );
    expect(read({ ...group(3, 'odd') }).iommu).toEqual({ mode: 'on', driver: undefined });
  });

  it('says which groups pass through where they differ', () => {
    const machine = read({ ...dmar, ...group(3, 'identity'), ...group(4, 'DMA') });
    expect(machine.iommu.mode).toBe('on');
    expect(machine.findings).toMatchObject([
      { code: 'IOMMU_MIXED', detail: expect.stringContaining('identity 3') },
    ]);
  });

  it('does not believe the command line about the IOMMU', () => {
    expect(read({ ...device, 'proc/cmdline': 'iommu=pt intel_iommu=on\n' }).iommu.mode).toBeUndefined();
  });

  it('runs a kernel with a release, a command line, options and module parameters', () => {
    const machine = read({
      ...device,
      ...KERNEL,
      'proc/cmdline': 'ro quiet pci=disable_acs_redir=0000:00:1c.0\n',
      'boot/config-6.8.0-50-generic':
        'CONFIG_PCI_P2PDMA=y\n# CONFIG_ZONE_DEVICE is not set\nCONFIG_UNRELATED=y\n',
      'sys/module/nvme/parameters/use_cmb_sqs': 'N\n',
      'etc/modprobe.d/nvme.conf': 'options nvme_core multipath=N\noptions snd foo=1\n# options nvme x=1\n',
      'lib/modprobe.d/nvme.conf': 'options nvme_core multipath=Y\n',
      'lib/modprobe.d/dist.conf': 'blacklist nvidiafb\nsoftdep nvme pre: \\\n vmd\n',
    });
    expect(machine.kernel).toMatchObject({
      release: '6.8.0-50-generic',
      commandLine: 'ro quiet pci=disable_acs_redir=0000:00:1c.0',
      moduleParameters: { 'nvme.use_cmb_sqs': 'N' },
      modprobeOptions: [
        { file: 'etc/modprobe.d/nvme.conf', command: 'options', module: 'nvme_core', rest: 'multipath=N' },
        { file: 'lib/modprobe.d/dist.conf', command: 'softdep', module: 'nvme', rest: 'pre: vmd' },
      ],
    });
    expect(machine.kernel.config).toMatchObject({
      CONFIG_PCI_P2PDMA: 'y',
      CONFIG_ZONE_DEVICE: 'n',
      CONFIG_VMD: 'n',
    });
    expect(machine.kernel.config).not.toHaveProperty('CONFIG_UNRELATED');
  });

  it('reads /proc/config.gz where it can be unpacked, and survives where not', () => {
    const files = { ...device, ...KERNEL, 'proc/config.gz': 'packed' };
    const gunzip = () => new TextEncoder().encode('CONFIG_PCI_P2PDMA=y\n');
    expect(read(files, { gunzip }).kernel.config).toMatchObject({ CONFIG_PCI_P2PDMA: 'y' });
    expect(read(files).kernel.config).toBeUndefined();
    const broken = () => {
      throw new Error('damaged');
    };
    expect(read(files, { gunzip: broken }).kernel.config).toBeUndefined();
  });

  it('falls back to osrelease, and does not take nonsense for a release', () => {
    expect(read({ ...device, 'proc/sys/kernel/osrelease': '5.4.0\n' }).kernel.release).toBe('5.4.0');
    expect(read({ ...device, 'proc/version': 'Plan 9\n' }).kernel.release).toBeUndefined();
    expect(read({ ...device, 'proc/sys/kernel/osrelease': '../../etc\n' }).kernel.release).toBeUndefined();
  });

  it('has names from pci.ids, for the ids that occur', () => {
    const ids =
      '# comment\n144d  Samsung\n\ta80a  NVMe SSD PM9A1\n\t\t144d a801  SSD 980\n\tffff  Other\n10de  NVIDIA\nC 01  Mass\n';
    expect(read({ ...device, 'usr/share/misc/pci.ids': ids }).functions[0]).toMatchObject({
      vendorName: 'Samsung',
      deviceName: 'NVMe SSD PM9A1',
    });
    expect(read({ ...device, 'usr/share/hwdata/pci.ids': '144d  Samsung\n' }).functions[0]).toMatchObject({
      vendorName: 'Samsung',
      deviceName: undefined,
    });
  });

  it('is a guest by CPU flag, and by firmware where CPUs have none', () => {
    const x86 = (flags: string) => `vendor_id\t: GenuineIntel\nflags\t\t: ${flags}\n`;
    expect(read({ ...device, 'proc/cpuinfo': x86('fpu hypervisor sse') }).isVirtual).toBe(true);
    expect(read({ ...device, 'proc/cpuinfo': x86('fpu sse') }).isVirtual).toBe(false);
    const arm = { ...device, 'proc/cpuinfo': 'CPU implementer\t: 0x41\nCPU architecture: 8\n' };
    expect(read({ ...arm, 'sys/class/dmi/id/sys_vendor': 'QEMU\n' }).isVirtual).toBe(true);
    expect(read({ ...arm, 'sys/class/dmi/id/sys_vendor': 'GIGABYTE\n' }).isVirtual).toBeUndefined();
  });
});
