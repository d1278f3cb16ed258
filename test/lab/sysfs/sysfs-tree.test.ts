// What the recorded machines do not have: VMD, virtual functions, host bridges that translate, ranges without a place, names.
import { describe, expect, it } from 'vitest';
import { toBdf } from '../../../src/base/index.ts';
import { type BarDescription, setLink, virtualFunctionConfig } from '../../../src/fabric/index.ts';
import { measureResources, type SysfsState, sysfsTree } from '../../../src/lab/sysfs/index.ts';
import { readSysfs } from '../../../src/topology/index.ts';
import { endpoint, FakeSide, hostBridge, port } from '../support/fake-side.ts';

const bdf = (text: string) => toBdf(text)!;
const OFFSET = 2 ** 40;

function bar(index: number, sizeBytes: number, more: Partial<BarDescription> = {}): BarDescription {
  return {
    index,
    kind: 'memory',
    sizeBytes,
    is64Bit: true,
    isPrefetchable: false,
    regions: [],
    ...more,
  };
}

/** A drive with two virtual functions below a root port; a VMD with a drive behind it. */
function machine() {
  const drive = endpoint({
    bars: [
      bar(0, 16384),
      bar(2, 64 * 2 ** 20, { isPrefetchable: true }),
      bar(4, 32, { kind: 'io', is64Bit: false }),
    ],
    sriov: {
      totalVfs: 4,
      firstVfOffset: 1,
      vfStride: 1,
      vfDeviceId: 0xa80b,
      bars: [bar(0, 16384)],
      createVf: () => expect.unreachable(),
    },
  });
  const vf = () =>
    virtualFunctionConfig({
      vendorId: 0x144d,
      deviceId: 0xa80b,
      subsystemVendorId: 0x144d,
      subsystemDeviceId: 0xa801,
      revision: 2,
      classCode: 0x010802,
      bars: [],
      interruptPin: 0,
      msix: null,
      msiVectorCount: 0,
      express: {
        maxPayloadBytes: 512,
        canExtendTags: true,
        canResetFunction: true,
        hasAer: true,
        hasAts: false,
        hasPri: false,
        acs: null,
        linkSpeedGTs: 8,
        linkWidth: 4,
      },
      sriov: null,
      serialNumber: null,
    });
  const vmd = endpoint({ deviceId: 0x201d, vendorId: 0x8086, classCode: 0x010400 }, true);
  const side = new FakeSide([{ addressOffset: OFFSET, numaNode: 1 }, { domain: 0x10000 }], {
    '0000:00:00.0': hostBridge(),
    '0000:00:01.0': port('root-port', 1, 1),
    '0000:00:0e.0': vmd,
    '0000:01:00.0': drive,
    '0000:01:00.1': vf(),
    '0000:01:00.2': vf(),
    '10000:00:00.0': port('root-port', 1, 1, { deviceId: 0x2031 }),
    '10000:01:00.0': endpoint({ deviceId: 0xa80c, bars: [bar(0, 16384)] }),
  });
  for (const at of ['00:01.0', '01:00.0', '10000:00:00.0', '10000:01:00.0']) {
    setLink(side.at(at), { speedGTs: 8, width: 4 });
  }
  drive.write(0x10, 4, 0xe000_0000);
  drive.write(0x18, 4, 0x0400_0000);
  drive.write(0x1c, 4, 0x20);
  const { sriov } = drive.offsets;
  drive.write(sriov + 0x24, 4, 0xe010_0000);
  drive.write(sriov + 0x10, 2, 2);
  drive.write(sriov + 0x08, 2, 9);
  return side;
}

function stateOf(side: FakeSide, more: Partial<SysfsState> = {}): SysfsState {
  return {
    label: 'test',
    side,
    kernel: {
      release: '7.2.12',
      commandLine: 'intel_iommu=on',
      config: { CONFIG_PCI_P2PDMA: 'y' },
      moduleParameters: { 'nvme.use_cmb_sqs': 'N' },
    },
    cpu: {
      vendor: 'intel',
      family: 6,
      model: 85,
      name: 'Xeon',
      sockets: 2,
      architecture: 'x86',
    },
    iommu: { mode: 'translated', vendor: 'intel', pageBytes: 4096, hasAts: true },
    vmds: [{ domain: 0x10000, endpoint: bdf('00:0e.0') }],
    functions: new Map(),
    resources: measureResources(side),
    ...more,
  };
}

const driven = new Map([
  [
    bdf('01:00.0'),
    {
      driver: 'nvme',
      names: [
        { subsystem: 'block', name: 'nvme0n1' },
        { subsystem: 'nvme', name: 'nvme0' },
      ],
      peerMemory: { sizeBytes: 2 ** 26, availableBytes: 2 ** 26 - 65536, isPublished: true },
      dmaMaskBits: 64,
    },
  ],
]);

describe('sysfsTree', () => {
  it('leaves nothing unknown', () => {
    const read = readSysfs(sysfsTree(stateOf(machine())), { kind: 'archive' });
    // Of a virtual function, Link Status says nothing (PCIe Base 6.0, 9.3.5.6): no machine knows more.
    expect(read.gaps).toEqual([
      expect.objectContaining({
        what: 'link',
        detail: expect.stringContaining('(0000:01:00.1, 0000:01:00.2)'),
      }),
    ]);
    expect(read.findings).toEqual([]);
    expect(read.functions.map((fn) => fn.bdf)).toEqual([
      '0000:00:00.0',
      '0000:00:01.0',
      '0000:00:0e.0',
      '0000:01:00.0',
      '0000:01:00.1',
      '0000:01:00.2',
      '10000:00:00.0',
      '10000:01:00.0',
    ]);
    expect(read.cpu).toMatchObject({ vendor: 'intel', family: 6, model: 85, name: 'Xeon', sockets: 2 });
    expect(read.kernel).toMatchObject({
      release: '7.2.12',
      commandLine: 'intel_iommu=on',
      moduleParameters: { 'nvme.use_cmb_sqs': 'N' },
      modprobeOptions: [],
    });
    expect(read.kernel.config?.CONFIG_PCI_P2PDMA).toBe('y');
    expect(read.iommu).toEqual({ mode: 'translated', driver: 'intel' });
    expect(read.isVirtual).toBe(false);
  });

  it('gives ranges in addresses of the processor, and the length to one that found no place', () => {
    const side = machine();
    const read = readSysfs(sysfsTree(stateOf(side)), { kind: 'archive' });
    expect(read.functions[3]!.bars).toEqual([
      expect.objectContaining({ index: 0, start: OFFSET + 0xe000_0000, sizeBytes: 16384 }),
      expect.objectContaining({
        index: 2,
        start: OFFSET + 0x20_0400_0000,
        sizeBytes: 64 * 2 ** 20,
        isPrefetchable: true,
      }),
      expect.objectContaining({ index: 4, kind: 'io', start: null, sizeBytes: 32 }),
      // All four that there may be.
      expect.objectContaining({ index: 7, start: OFFSET + 0xe010_0000, sizeBytes: 4 * 16384 }),
    ]);
    const tree = sysfsTree(stateOf(side));
    const resource = tree.read('sys/bus/pci/devices/0000:01:00.0/resource', 4096) as Uint8Array;
    expect(new TextDecoder().decode(resource).split('\n').slice(0, 5)).toEqual([
      '0x00000100e0000000 0x00000100e0003fff 0x0000000000140204',
      '0x0000000000000000 0x0000000000000000 0x0000000000000000',
      '0x0000012004000000 0x0000012007ffffff 0x000000000014220c',
      '0x0000000000000000 0x0000000000000000 0x0000000000000000',
      '0x0000000000000000 0x000000000000001f 0x0000000020040101',
    ]);
  });

  it('shows the windows of a bridge, in addresses of the processor too, and leaves closed ones out', () => {
    const side = machine();
    const bridge = side.at('00:01.0');
    bridge.write(0x20, 4, 0xe0f0_e000);
    const read = readSysfs(sysfsTree(stateOf(side)), { kind: 'archive' });
    expect(read.functions[1]!.windows).toEqual([
      { kind: 'memory', first: OFFSET + 0xe000_0000, last: OFFSET + 0xe0ff_ffff },
    ]);
  });

  it('measures without a trace: the registers stand as before', () => {
    const side = machine();
    const before = side.at('01:00.0').bytes.slice();
    measureResources(side);
    expect(side.at('01:00.0').bytes).toEqual(before);
  });

  it('has virtual functions beside their physical one, with its ids and a part of its range', () => {
    const tree = sysfsTree(stateOf(machine()));
    const read = readSysfs(tree, { kind: 'archive' });
    expect(read.functions[5]).toMatchObject({
      bdf: '0000:01:00.2',
      physicalFunction: '0000:01:00.0',
      vendorId: 0x144d,
      deviceId: 0xa80b,
      parent: '0000:00:01.0',
      bars: [expect.objectContaining({ index: 0, start: OFFSET + 0xe010_4000, sizeBytes: 16384 })],
    });
    expect(tree.readLink('sys/bus/pci/devices/0000:01:00.0/virtfn1')).toBe('../0000:01:00.2');
  });

  it('hangs the domain of a VMD below its endpoint, in the endpoint’s IOMMU group', () => {
    const tree = sysfsTree(stateOf(machine()));
    expect(tree.resolve('sys/bus/pci/devices/10000:01:00.0')).toBe(
      'sys/devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:00.0/10000:01:00.0',
    );
    const read = readSysfs(tree, { kind: 'archive' });
    expect(read.hostBridges).toMatchObject([
      { key: 'pci0000:00', behind: null, numaNode: 1 },
      { key: 'pci10000:00', behind: '0000:00:0e.0' },
    ]);
    const groups = new Map(read.functions.map((fn) => [fn.bdf as string, fn.iommuGroup]));
    expect(groups.get('10000:01:00.0')).toBe(groups.get('0000:00:0e.0'));
    expect(groups.get('0000:01:00.0')).not.toBe(groups.get('0000:00:0e.0'));
  });

  it('names what drivers made, and the memory that they lend', () => {
    const [, , , drive] = readSysfs(sysfsTree(stateOf(machine(), { functions: driven })), {
      kind: 'archive',
    }).functions;
    expect(drive).toMatchObject({
      driver: 'nvme',
      classNames: [
        { subsystem: 'block', name: 'nvme0n1' },
        { subsystem: 'nvme', name: 'nvme0' },
      ],
      dmaMaskBits: 64,
      p2pmem: { sizeBytes: 2 ** 26, availableBytes: 2 ** 26 - 65536, published: true, hasAllocate: true },
    });
  });

  it('has p2pmem/allocate from Linux 6.2 on', () => {
    const state = stateOf(machine(), { functions: driven });
    const old = { ...state, kernel: { ...state.kernel, release: '6.1.0-38-amd64' } };
    expect(readSysfs(sysfsTree(old), { kind: 'archive' }).functions[3]!.p2pmem?.hasAllocate).toBe(false);
  });

  it('lists what was plugged in later last', () => {
    const side = machine();
    const order = [...stateOf(side).resources.keys()].filter((at) => at !== bdf('00:00.0'));
    const read = readSysfs(sysfsTree(stateOf(side, { order })), { kind: 'archive' });
    expect(read.functions.at(-1)!.bdf).toBe('0000:00:00.0');
  });

  it.each([
    ['off', 'off', undefined],
    ['passthrough', 'passthrough', 'amd'],
  ] as const)('an IOMMU that is %s', (mode, expected, driver) => {
    const iommu = { mode, vendor: 'amd', pageBytes: 4096, hasAts: true } as const;
    const read = readSysfs(sysfsTree(stateOf(machine(), { iommu })), { kind: 'archive' });
    expect(read.iommu).toEqual({ mode: expected, driver });
    expect(read.functions.every((fn) => (fn.iommuGroup === null) === (mode === 'off'))).toBe(true);
  });

  it.each([
    { vendor: 'amd', family: 25, model: 1, architecture: 'x86' },
    { vendor: 'hygon', family: 24, model: 1, architecture: 'x86' },
    { vendor: 'zhaoxin', family: 7, model: 91, architecture: 'x86' },
    { vendor: 'arm', family: null, model: 0xd0c, architecture: 'arm64' },
    { vendor: 'ibm', family: null, model: null, architecture: 'ppc64' },
  ] as const)('a processor of $vendor', (given) => {
    const cpu = { ...given, name: given.vendor === 'ibm' ? 'POWER9' : 'a name', sockets: 2 };
    const read = readSysfs(sysfsTree(stateOf(machine(), { cpu })), { kind: 'archive' });
    expect(read.cpu).toMatchObject({ vendor: cpu.vendor, architecture: cpu.architecture, sockets: 2 });
    expect(read.cpu.family ?? null).toBe(cpu.family);
    expect(read.cpu.name).toBe(cpu.name);
  });
});
