// Every code: a machine on which it applies, what it says there, and the nearest machine on which it does not.
import { describe, expect, it } from 'vitest';
import { explainPair, REASON_CODES, type Reason, type ReasonCode } from '../../src/advice/index.ts';
import { rulesFor } from '../../src/p2pdma/index.ts';
import {
  bdf,
  buildIndex,
  type FunctionSpec,
  type MachineSpec,
  memoryBar,
  switchWithTwoDrives,
} from '../support/machine-builder.ts';

const PROVIDER = '03:00.0';
const CLIENT = '04:00.0';
const DRIVES = switchWithTwoDrives(null);
const MIB = 2 ** 20;

interface Ask {
  readonly provider?: string;
  readonly client?: string;
  readonly kernel?: string | undefined;
}

function reasons(spec: MachineSpec, ask: Ask = {}): readonly Reason[] {
  const release = 'kernel' in ask ? ask.kernel : (spec.kernel ?? '7.2.12');
  const index = buildIndex(spec);
  return explainPair(index, rulesFor(release), bdf(ask.provider ?? PROVIDER), bdf(ask.client ?? CLIENT))
    .reasons;
}

/** The same machine with one function changed. */
function but(spec: MachineSpec, at: string, fields: Partial<FunctionSpec>): MachineSpec {
  return {
    ...spec,
    functions: spec.functions.map((fn) =>
      fn.at === at ? { ...fn, ...fields, more: { ...fn.more, ...fields.more } } : fn,
    ),
  };
}

const more = (spec: MachineSpec, at: string, fields: FunctionSpec['more']) =>
  but(spec, at, { more: fields ?? {} });

const twoRootPorts: MachineSpec = {
  functions: [
    { at: '00:00.0', kind: 'host-bridge', id: '8086:4c43' },
    { at: '00:01.0', kind: 'root-port', acs: 0x1d },
    { at: '03:00.0', kind: 'nvme', under: '00:01.0', more: { driver: 'nvme' } },
    { at: '00:02.0', kind: 'root-port', acs: 0x1d },
    { at: '04:00.0', kind: 'nvme', under: '00:02.0', more: { driver: 'nvme' } },
  ],
};
const zen: MachineSpec = { ...twoRootPorts, cpu: 'amd-zen' };

/** Config space with a Resizable BAR capability: BAR 1 of 256 MiB, up to 32 GiB. */
function withResizableBar(): Uint8Array {
  const config = new Uint8Array(4096);
  const view = new DataView(config.buffer);
  view.setUint32(0, 0x268410de, true);
  view.setUint16(6, 0x0010, true);
  view.setUint8(0x34, 0x60);
  view.setUint32(0x60, 0x0002_0010, true);
  view.setUint32(0x100, 0x0001_0015, true);
  view.setUint32(0x104, ((1 << 8) | (1 << 15)) << 4, true);
  view.setUint32(0x108, (8 << 8) | (1 << 5) | 1, true);
  return config;
}

interface Case {
  readonly code: ReasonCode;
  readonly spec: MachineSpec;
  readonly ask?: Ask;
  readonly blocks: boolean;
  readonly at?: string | null;
  readonly value?: string;
  /** The nearest machine without the reason. */
  readonly without: MachineSpec;
  readonly askWithout?: Ask;
}

const CASES: Case[] = [
  {
    code: 'SAME_FUNCTION',
    spec: DRIVES,
    ask: { client: PROVIDER },
    blocks: false,
    at: '0000:03:00.0',
    without: DRIVES,
  },
  {
    code: 'DIRECT_SWITCH',
    spec: DRIVES,
    blocks: false,
    at: '0000:01:00.0',
    without: switchWithTwoDrives(0x1d),
  },
  {
    code: 'ACS_REDIRECT',
    spec: switchWithTwoDrives(0x1d),
    blocks: true,
    at: '0000:02:00.0',
    value: '0x001d',
    without: switchWithTwoDrives(0x11),
  },
  {
    code: 'ACS_UNKNOWN',
    spec: switchWithTwoDrives(undefined),
    blocks: false,
    at: '0000:02:00.0',
    value: 'unknown',
    without: DRIVES,
  },
  {
    code: 'ACS_SV_ONLY',
    spec: switchWithTwoDrives(0x01),
    blocks: false,
    value: '0x0001',
    without: switchWithTwoDrives(0),
  },
  { code: 'ACS_EGRESS', spec: switchWithTwoDrives(0x20), blocks: false, without: switchWithTwoDrives(0x0c) },
  {
    code: 'ACS_TRANSLATION_BLOCKED',
    spec: switchWithTwoDrives(0x02),
    blocks: false,
    at: '0000:02:01.0',
    without: but(switchWithTwoDrives(0x02), '02:01.0', { acs: 0 }),
  },
  { code: 'NO_COMMON_UPSTREAM', spec: twoRootPorts, blocks: true, at: 'pci0000:00', without: DRIVES },
  {
    code: 'RC_NOT_LISTED',
    spec: twoRootPorts,
    blocks: true,
    at: '0000:00:00.0',
    value: '8086:4c43',
    without: but(twoRootPorts, '00:00.0', { id: '8086:2020' }),
  },
  {
    code: 'THRU_HOST_BRIDGE',
    spec: but(twoRootPorts, '00:00.0', { id: '8086:2020' }),
    blocks: false,
    value: '8086:2020',
    without: twoRootPorts,
  },
  { code: 'RC_UNKNOWN', spec: { ...twoRootPorts, cpu: 'unknown' }, blocks: false, without: twoRootPorts },
  {
    code: 'PATH_UNKNOWN',
    spec: more(DRIVES, PROVIDER, { parent: undefined }),
    blocks: false,
    without: DRIVES,
  },
  {
    code: 'RC_READ_UNSUPPORTED',
    spec: {
      ...twoRootPorts,
      more: { cpu: { vendor: 'intel', family: 6, model: 0xa7, architecture: 'x86', sockets: 1 } },
    },
    blocks: true,
    without: DRIVES,
  },
  {
    code: 'NO_MEMORY_BAR',
    spec: more(DRIVES, PROVIDER, { bars: [] }),
    blocks: true,
    at: '0000:03:00.0',
    without: DRIVES,
  },
  {
    code: 'BAR_UNASSIGNED',
    spec: more(DRIVES, PROVIDER, { bars: [memoryBar(null, 64 * MIB)] }),
    blocks: true,
    value: 'unassigned',
    without: DRIVES,
  },
  {
    code: 'BAR_WINDOW_FULL',
    spec: more(more(DRIVES, PROVIDER, { bars: [memoryBar(null, 64 * MIB)] }), '02:00.0', {
      windows: [{ kind: 'memory', first: 0xf000_0000, last: 0xf0ff_ffff }],
    }),
    blocks: true,
    at: '0000:02:00.0',
    without: more(more(DRIVES, PROVIDER, { bars: [memoryBar(null, 16 * MIB)] }), '02:00.0', {
      windows: [{ kind: 'memory', first: 0xf000_0000, last: 0xf0ff_ffff }],
    }),
  },
  {
    code: 'BAR_OUTSIDE_WINDOW',
    spec: more(DRIVES, '02:00.0', { windows: [{ kind: 'memory', first: 0xe000_0000, last: 0xe0ff_ffff }] }),
    blocks: true,
    at: '0000:02:00.0',
    value: '0xf0000000-0xf0ffffff',
    without: more(DRIVES, '02:00.0', {
      windows: [{ kind: 'memory', first: 0xf000_0000, last: 0xf0ff_ffff }],
    }),
  },
  {
    code: 'MEM_DECODE_OFF',
    spec: more(DRIVES, PROVIDER, { command: 0x0404 }),
    blocks: true,
    at: '0000:03:00.0',
    value: '0x0404',
    without: more(DRIVES, CLIENT, { command: 0x0404 }),
  },
  {
    code: 'BUS_MASTER_OFF',
    spec: more(DRIVES, CLIENT, { command: 0x0402 }),
    blocks: true,
    at: '0000:04:00.0',
    value: '0x0402',
    without: more(DRIVES, PROVIDER, { command: 0x0402 }),
  },
  {
    code: 'DMA_MASK',
    spec: more(more(DRIVES, PROVIDER, { bars: [memoryBar(0x40_0000_0000, 64 * MIB)] }), CLIENT, {
      dmaMaskBits: 32,
    }),
    blocks: true,
    value: '32',
    without: more(DRIVES, CLIENT, { dmaMaskBits: 32 }),
  },
  {
    code: 'CMB_TOO_SMALL',
    spec: more(DRIVES, PROVIDER, { bars: [memoryBar(0xf000_0000, MIB)], p2pmem: null }),
    blocks: false,
    value: '1 MiB',
    without: more(DRIVES, PROVIDER, { bars: [memoryBar(0xf000_0000, 2 * MIB)], p2pmem: null }),
  },
  {
    code: 'BAR_SMALLER_THAN_MEMORY',
    spec: but(DRIVES, PROVIDER, { kind: 'gpu', more: { bars: [memoryBar(0xd000_0000, 256 * MIB, 1)] } }),
    blocks: false,
    value: '256 MiB',
    without: but(DRIVES, PROVIDER, { kind: 'gpu', more: { bars: [memoryBar(0xd000_0000, 512 * MIB, 1)] } }),
  },
  {
    code: 'DRIVER_NOT_PROVIDER',
    spec: more(DRIVES, PROVIDER, { p2pmem: null }),
    blocks: false,
    value: 'nvme',
    without: more(DRIVES, PROVIDER, { p2pmem: undefined }),
  },
  {
    code: 'NOT_PUBLISHED',
    spec: more(DRIVES, PROVIDER, {
      p2pmem: { sizeBytes: 4 * MIB, availableBytes: 4 * MIB, published: false, hasAllocate: true },
    }),
    blocks: false,
    value: '0',
    without: DRIVES,
  },
  {
    code: 'PEER_MEMORY_FULL',
    spec: more(DRIVES, PROVIDER, {
      p2pmem: { sizeBytes: 4 * MIB, availableBytes: 0, published: true, hasAllocate: true },
    }),
    blocks: false,
    without: DRIVES,
  },
  {
    code: 'ALLOCATE_MISSING',
    spec: {
      ...more(DRIVES, PROVIDER, {
        p2pmem: { sizeBytes: 4 * MIB, availableBytes: MIB, published: true, hasAllocate: false },
      }),
      kernel: '6.1.10',
    },
    blocks: false,
    without: DRIVES,
  },
  {
    code: 'NVME_MULTIPATH',
    spec: {
      ...more(DRIVES, CLIENT, { classNames: [{ subsystem: 'block', name: 'nvme0c1n1' }] }),
      kernel: '6.12',
    },
    blocks: false,
    value: 'nvme0c1n1',
    without: more(DRIVES, CLIENT, { classNames: [{ subsystem: 'block', name: 'nvme1n1' }] }),
  },
  {
    code: 'PASSED_THROUGH',
    spec: more(DRIVES, CLIENT, { driver: 'vfio-pci' }),
    blocks: false,
    at: '0000:04:00.0',
    without: DRIVES,
  },
  {
    code: 'POWERED_DOWN',
    spec: more(DRIVES, PROVIDER, { powerState: 'D3cold' }),
    blocks: false,
    value: 'D3cold',
    without: more(DRIVES, PROVIDER, { powerState: 'D0' }),
  },
  {
    code: 'EXTERNAL_UNTRUSTED',
    spec: more(DRIVES, CLIENT, { isUntrusted: true }),
    blocks: false,
    without: more(DRIVES, PROVIDER, { isUntrusted: true }),
  },
  {
    code: 'DEVICE_GONE',
    spec: more(DRIVES, CLIENT, { isGone: true }),
    blocks: true,
    at: '0000:04:00.0',
    without: DRIVES,
  },
  {
    code: 'IOMMU_TRANSLATED',
    spec: { ...zen, iommu: 'translated' },
    blocks: false,
    value: 'translated',
    without: { ...zen, iommu: 'passthrough' },
  },
  {
    code: 'IOMMU_GROUP_SPLIT',
    spec: more(more(switchWithTwoDrives(0x1d), PROVIDER, { iommuGroup: '14' }), CLIENT, { iommuGroup: '15' }),
    blocks: false,
    value: '14 and 15',
    without: more(more(DRIVES, PROVIDER, { iommuGroup: '14' }), CLIENT, { iommuGroup: '15' }),
  },
  {
    code: 'CROSS_SOCKET',
    spec: more(zen, CLIENT, { numaNode: 1 }),
    blocks: false,
    value: '0 and 1',
    without: more(DRIVES, CLIENT, { numaNode: 1 }),
  },
  {
    code: 'CROSS_DOMAIN',
    spec: {
      ...zen,
      functions: [
        ...zen.functions,
        { at: '0001:00:00.0', kind: 'root-port' },
        { at: '0001:01:00.0', kind: 'nvme', under: '0001:00:00.0' },
      ],
    },
    ask: { client: '0001:01:00.0' },
    blocks: false,
    value: '0000 and 0001',
    without: zen,
  },
  {
    code: 'BEHIND_VMD',
    spec: {
      functions: [
        { at: '00:00.0', kind: 'host-bridge' },
        { at: '00:0e.0', kind: 'nic' },
        { at: '00:01.0', kind: 'root-port' },
        { at: '03:00.0', kind: 'nvme', under: '00:01.0' },
        { at: '10000:e0:06.0', kind: 'root-port', under: '00:0e.0' },
        { at: '10000:e1:00.0', kind: 'nvme', under: '10000:e0:06.0' },
      ],
    },
    ask: { client: '10000:e1:00.0' },
    blocks: false,
    at: '0000:00:0e.0',
    without: twoRootPorts,
  },
  {
    code: 'NOT_PCIE',
    spec: but(DRIVES, CLIENT, { kind: 'pci' }),
    blocks: false,
    at: '0000:04:00.0',
    without: DRIVES,
  },
  {
    code: 'CHIPSET_UPLINK',
    spec: but(DRIVES, '01:00.0', { id: '1022:43f4' }),
    blocks: false,
    at: '0000:01:00.0',
    without: DRIVES,
  },
  {
    code: 'LINK_DEGRADED',
    spec: but(DRIVES, PROVIDER, { link: { max: '16 x16', now: '16 x8' } }),
    blocks: false,
    value: '16 GT/s x8',
    without: but(but(DRIVES, PROVIDER, { link: { max: '16 x16', now: '16 x8' } }), '02:00.0', {
      link: { max: '16 x8' },
    }),
  },
  {
    code: 'LINK_IDLE_DOWNSHIFT',
    spec: but(DRIVES, PROVIDER, { kind: 'gpu', link: { max: '16 x16', now: '2.5 x16' } }),
    blocks: false,
    value: '2.5 GT/s x16',
    without: but(DRIVES, PROVIDER, { link: { max: '16 x16', now: '2.5 x16' } }),
  },
  {
    code: 'LINK_LIMITED_BY_PORT',
    spec: but(DRIVES, '02:00.0', { link: { max: '5 x1' } }),
    blocks: false,
    at: '0000:02:00.0',
    value: '5 GT/s x1',
    without: but(DRIVES, PROVIDER, { link: { max: '5 x1' } }),
  },
  {
    code: 'RELAXED_ORDERING_OFF',
    spec: more(zen, CLIENT, { deviceControl: 0x2920 }),
    blocks: false,
    value: '0x2920',
    without: more(DRIVES, CLIENT, { deviceControl: 0x2920 }),
  },
  {
    code: 'VIRTUALISED',
    spec: { ...DRIVES, more: { isVirtual: true } },
    blocks: false,
    at: null,
    without: DRIVES,
  },
  { code: 'UNVERIFIED', spec: { ...DRIVES, kernel: '7.2.12-vendor1' }, blocks: false, without: DRIVES },
  {
    code: 'KERNEL_TOO_OLD',
    spec: { ...DRIVES, kernel: '4.15.0' },
    blocks: true,
    value: '4.15.0',
    without: DRIVES,
  },
  {
    code: 'KCONFIG_MISSING',
    spec: {
      ...DRIVES,
      more: { kernel: { release: '7.2.12', config: { CONFIG_PCI_P2PDMA: 'n' }, moduleParameters: {} } },
    },
    blocks: true,
    value: 'n',
    without: {
      ...DRIVES,
      more: { kernel: { release: '7.2.12', config: { CONFIG_PCI_P2PDMA: 'y' }, moduleParameters: {} } },
    },
  },
  {
    code: 'KERNEL_STRICTER',
    spec: but(switchWithTwoDrives(0x04), '02:01.0', { acs: 0 }),
    // RR at the provider's port redirects what comes from the provider, and nothing does.
    blocks: false,
    without: DRIVES,
  },
  {
    code: 'HARDWARE_STRICTER',
    spec: {
      ...but(twoRootPorts, '00:00.0', { id: '8086:2020' }),
      more: { cpu: { vendor: 'intel', family: 6, model: 0xa7, architecture: 'x86', sockets: 1 } },
    },
    blocks: true,
    at: 'pci0000:00',
    without: DRIVES,
  },
];

CASES.push({
  code: 'PAYLOAD_SIZE_MISMATCH',
  // 512 bytes from the client, 256 at the port above it.
  spec: more(DRIVES, CLIENT, { deviceControl: 0x2950 }),
  blocks: false,
  at: '0000:02:01.0',
  value: '0x2930',
  without: more(zen, CLIENT, { deviceControl: 0x2950 }),
});

describe('reasons', () => {
  it('are all exercised here', () => {
    expect(CASES.map((row) => row.code).sort()).toEqual(Object.keys(REASON_CODES).sort());
  });

  it.each(CASES)('$code applies where it should and only there', (row) => {
    const found = reasons(row.spec, row.ask);
    const reason = found.find((candidate) => candidate.code === row.code);
    expect(found.map((candidate) => candidate.code)).toContain(row.code);
    expect(reason!.class).toBe(REASON_CODES[row.code]);
    expect(reason!.blocks).toBe(row.blocks);
    if (row.at !== undefined) {
      expect(reason!.at).toBe(row.at);
    }
    if (row.value !== undefined) {
      expect(reason!.evidence?.value).toBe(row.value);
    }
    const elsewhere = reasons(row.without, row.askWithout);
    expect(elsewhere.map((candidate) => candidate.code)).not.toContain(row.code);
  });

  it('are one line each, with a hint', () => {
    for (const row of CASES) {
      for (const reason of reasons(row.spec, row.ask)) {
        expect(reason.detail).not.toMatch(/\n|undefined|null|\[object/);
        expect(reason.hint).not.toBe('');
      }
    }
  });
});

describe('the refused host bridge', () => {
  const apart = (first: string, second: string): MachineSpec => ({
    functions: [
      { at: '00:00.0', kind: 'host-bridge', id: first },
      { at: '00:01.0', kind: 'root-port' },
      { at: '03:00.0', kind: 'nvme', under: '00:01.0' },
      { at: '40:00.0', kind: 'host-bridge', id: second, more: { hostBridge: 'pci0000:40' } },
      { at: '40:01.0', kind: 'root-port', more: { hostBridge: 'pci0000:40' } },
      { at: '04:00.0', kind: 'nvme', under: '40:01.0', more: { hostBridge: 'pci0000:40' } },
    ],
  });
  const refusal = (spec: MachineSpec) => reasons(spec).find((reason) => reason.code === 'RC_NOT_LISTED')!;

  it('is named alone where the other one is on the list', () => {
    const reason = refusal(apart('8086:2020', '8086:4c43'));
    expect(reason).toMatchObject({ at: '0000:40:00.0', evidence: { value: '8086:4c43' } });
    expect(reason.detail).not.toContain('8086:2020');
  });

  it('is both where neither is', () => {
    expect(refusal(apart('8086:4c43', '8086:4668'))).toMatchObject({
      at: '0000:00:00.0',
      evidence: { value: '8086:4c43 and 8086:4668' },
    });
  });

  it('without a function to stand for it is told by what that kernel asks', () => {
    const spec = but(twoRootPorts, '00:00.0', { at: '00:00.1' });
    expect(refusal({ ...spec, kernel: '5.12.9' }).detail).toContain('it has no 00.0');
  });
});

describe('what the hardware does is told as it is', () => {
  it('a VF has a bus master bit of its own', () => {
    const vf: FunctionSpec = {
      at: '04:00.1',
      kind: 'nvme',
      under: '02:01.0',
      more: { physicalFunction: bdf(CLIENT), command: 0x0000 },
    };
    const found = reasons({ functions: [...DRIVES.functions, vf] }, { client: '04:00.1' });
    expect(found.find((reason) => reason.code === 'BUS_MASTER_OFF')).toMatchObject({
      blocks: true,
      at: '0000:04:00.1',
    });
    expect(found.map((reason) => reason.code)).not.toContain('HARDWARE_STRICTER');
  });

  it('a common port above both need not decode: nothing comes down through it', () => {
    const codes = reasons(more(DRIVES, '01:00.0', { command: 0x0404 })).map((reason) => reason.code);
    expect(codes).not.toContain('MEM_DECODE_OFF');
  });

  it('32 bits are the kernel’s first guess until a driver has set the mask', () => {
    const far = more(DRIVES, PROVIDER, { bars: [memoryBar(0x40_0000_0000, 64 * MIB)] });
    for (const driver of [null, 'vfio-pci']) {
      const codes = reasons(more(far, CLIENT, { dmaMaskBits: 32, driver })).map((reason) => reason.code);
      expect(codes).not.toContain('DMA_MASK');
    }
  });

  it('NUMA nodes are not sockets', () => {
    const detail = (sockets: number | undefined): string => {
      const cpu = { vendor: 'amd', family: 0x19, architecture: 'x86', sockets } as const;
      const spec = more(more(twoRootPorts, PROVIDER, { numaNode: 1 }), CLIENT, { numaNode: 3 });
      return reasons({ ...spec, more: { cpu } }).find((reason) => reason.code === 'CROSS_SOCKET')!.detail;
    };
    expect(detail(1)).toContain('of one socket');
    expect(detail(2)).toContain('may cross');
    expect(detail(4)).toMatch(/requests cross/);
  });

  it('a port that looks like one of the chipset is one of the hypervisor in a guest', () => {
    const at1c: MachineSpec = {
      functions: twoRootPorts.functions.map((fn) =>
        fn.at === '00:02.0'
          ? { ...fn, at: '00:1c.0', id: '8086:a33c' }
          : fn.under === '00:02.0'
            ? { ...fn, under: '00:1c.0' }
            : fn,
      ),
    };
    const codes = (spec: MachineSpec) => reasons(spec).map((reason) => reason.code);
    expect(codes(at1c)).toContain('CHIPSET_UPLINK');
    expect(codes({ ...at1c, more: { isVirtual: true } })).not.toContain('CHIPSET_UPLINK');
  });

  it('bridges left out on the way are a reason where they leave the answer open', () => {
    const found = reasons(more(DRIVES, PROVIDER, { hiddenAbove: true }));
    expect(found.find((reason) => reason.code === 'PATH_UNKNOWN')).toMatchObject({ at: '0000:03:00.0' });
  });

  it('packets inside one device, and completions that are small enough, are not blamed for their size', () => {
    const sibling: FunctionSpec = { at: '03:00.1', kind: 'nvme', under: '02:00.0', acs: 0x01 };
    const codes = (spec: MachineSpec, ask?: Ask) => reasons(spec, ask).map((reason) => reason.code);
    const inside: MachineSpec = {
      functions: [...more(DRIVES, PROVIDER, { deviceControl: 0x2910 }).functions, sibling],
    };
    expect(codes(inside, { client: '03:00.1' })).not.toContain('PAYLOAD_SIZE_MISMATCH');
    expect(codes(inside)).toContain('PAYLOAD_SIZE_MISMATCH');
    expect(codes(DRIVES)).not.toContain('PAYLOAD_SIZE_MISMATCH');
  });
});

describe('Translation Blocking', () => {
  /** Config space of the client with ATS, enabled or not. */
  function withAts(isEnabled: boolean): Uint8Array {
    const config = new Uint8Array(4096);
    const view = new DataView(config.buffer);
    view.setUint32(0, 0x5678_1234, true);
    // Extended capabilities belong to PCI Express functions: capability 10h at 40h.
    view.setUint16(0x06, 0x0010, true);
    config[0x34] = 0x40;
    view.setUint32(0x40, 0x0002_0010, true);
    view.setUint32(0x100, 0x0001_000f, true);
    view.setUint16(0x106, isEnabled ? 0x8000 : 0, true);
    return config;
  }
  const explained = (config: Uint8Array | undefined) => {
    const spec = more(switchWithTwoDrives(0x02), CLIENT, { config });
    return explainPair(buildIndex(spec), rulesFor('7.2.12'), bdf(PROVIDER), bdf(CLIENT));
  };

  it.each([
    ['enabled', withAts(true), 'unknown', /ATS is enabled at the client/],
    ['not enabled', withAts(false), 'direct', /not enabled/],
    ['not known', undefined, 'unknown', /is not known/],
  ] as const)(
    'with ATS %s blocks no pair that the kernel accepts, and says the same as the route',
    (_, config, outcome, detail) => {
      const { verdict, physical, reasons: found } = explained(config);
      expect(verdict).toMatchObject({ mapType: 'bus-addr', usable: true });
      expect([physical.write.outcome, physical.read.outcome]).toEqual([outcome, outcome]);
      expect(found.find((reason) => reason.code === 'ACS_TRANSLATION_BLOCKED')).toMatchObject({
        blocks: false,
        detail: expect.stringMatching(detail),
      });
      expect(found.map((reason) => reason.code)).not.toContain('HARDWARE_STRICTER');
    },
  );
});

describe('reasons say a thing once', () => {
  it('a register that stops a request is not repeated as HARDWARE_STRICTER', () => {
    const codes = reasons(more(DRIVES, CLIENT, { command: 0x0402 })).map((reason) => reason.code);
    expect(codes).toContain('BUS_MASTER_OFF');
    expect(codes).not.toContain('HARDWARE_STRICTER');
  });

  it('a function without memory BARs is not blamed for not decoding them', () => {
    const codes = reasons(more(DRIVES, PROVIDER, { bars: [], command: 0 })).map((reason) => reason.code);
    expect(codes).toContain('NO_MEMORY_BAR');
    expect(codes).not.toContain('MEM_DECODE_OFF');
  });

  it('the aperture of a GPU of the root complex is no small BAR', () => {
    const spec: MachineSpec = {
      functions: [
        ...DRIVES.functions,
        { at: '00:05.0', kind: 'gpu', more: { bars: [memoryBar(0xd000_0000, 256 * MIB)] } },
      ],
    };
    const codes = reasons(spec, { provider: '00:05.0' }).map((reason) => reason.code);
    expect(codes).not.toContain('BAR_SMALLER_THAN_MEMORY');
  });
});

describe('rank of reasons', () => {
  const codes = (spec: MachineSpec, ask: Ask = {}) => reasons(spec, ask).map((reason) => reason.code);

  it('puts what made the verdict first: ACS below one switch, the missing switch between root ports', () => {
    expect(codes(switchWithTwoDrives(0x1d))[0]).toBe('ACS_REDIRECT');
    expect(codes(twoRootPorts).slice(0, 2)).toEqual(['NO_COMMON_UPSTREAM', 'RC_NOT_LISTED']);
  });

  it('puts every blocking reason before every other one', () => {
    for (const row of CASES) {
      const blocking = reasons(row.spec, row.ask).map((reason) => reason.blocks);
      expect(blocking).toEqual([...blocking].sort((a, b) => Number(b) - Number(a)));
    }
  });

  it('names one ACS_REDIRECT for each function, in the order of the kernel', () => {
    const found = reasons(switchWithTwoDrives(0x1d)).filter((reason) => reason.code === 'ACS_REDIRECT');
    expect(found.map((reason) => reason.at)).toEqual(['0000:02:00.0', '0000:02:01.0']);
  });

  it('lists all blockers, not only the first', () => {
    const spec = more(more(switchWithTwoDrives(0x1d), PROVIDER, { command: 0 }), CLIENT, { command: 0 });
    expect(codes(spec)).toEqual(
      expect.arrayContaining(['ACS_REDIRECT', 'RC_NOT_LISTED', 'MEM_DECODE_OFF', 'BUS_MASTER_OFF']),
    );
  });
});

describe('reasons claim nothing that the input does not say', () => {
  const blank: FunctionSpec['more'] = {
    vendorId: undefined,
    deviceId: undefined,
    classCode: undefined,
    pcieType: undefined,
    command: undefined,
    acs: undefined,
    deviceControl: undefined,
    link: undefined,
    bars: undefined,
    windows: undefined,
    numaNode: undefined,
    iommuGroup: undefined,
    driver: undefined,
    classNames: [],
    p2pmem: undefined,
    dmaMaskBits: undefined,
    powerState: undefined,
    isUntrusted: undefined,
    physicalFunction: undefined,
  };

  it('a bare tree gives what is open and nothing else', () => {
    const spec: MachineSpec = {
      ...DRIVES,
      cpu: 'unknown',
      functions: DRIVES.functions.map((fn) => ({ ...fn, more: blank })),
      more: { kernel: {}, iommu: {}, isVirtual: undefined },
    };
    const codes = new Set(reasons(spec, { kernel: undefined }).map((reason) => reason.code));
    expect([...codes].sort()).toEqual(['ACS_UNKNOWN', 'RC_UNKNOWN', 'UNVERIFIED']);
  });

  it('a bridge without any window was not read rather than closed', () => {
    const codes = reasons(more(DRIVES, '02:00.0', { windows: [] })).map((reason) => reason.code);
    expect(codes).not.toContain('BAR_OUTSIDE_WINDOW');
  });

  it('unknown ACS is no reason where every value gives the same answer', () => {
    const spec = but(but(zen, '00:01.0', { acs: undefined }), '00:02.0', { acs: undefined });
    expect(reasons(spec).map((reason) => reason.code)).not.toContain('ACS_UNKNOWN');
  });
});

describe('resizable BARs', () => {
  it('are read from config space: what is set, and what the device supports', () => {
    const spec = but(DRIVES, PROVIDER, {
      kind: 'gpu',
      more: { config: withResizableBar(), bars: [memoryBar(0xd000_0000, 256 * MIB, 1)] },
    });
    const reason = reasons(spec).find((candidate) => candidate.code === 'BAR_SMALLER_THAN_MEMORY')!;
    expect(reason.evidence).toEqual({ register: 'Resizable BAR Control', value: 'BAR 1 256 MiB' });
    expect(reason.detail).toContain('up to 32 GiB');
  });
});
