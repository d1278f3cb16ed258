// Machines in a few lines, for tests. Everything that is not said is what a healthy machine read by root would have.
import { type Bdf, toBdf } from '../../src/base/index.ts';
import {
  assembleMachine,
  type Bar,
  type FunctionDraft,
  type LinkRate,
  type Machine,
  type MachineDraft,
  MachineIndex,
  type PcieType,
} from '../../src/topology/index.ts';

export function bdf(text: string): Bdf {
  const address = toBdf(text);
  if (address === undefined) {
    throw new Error(`not an address: ${text}`);
  }
  return address;
}

export type Kind = PcieType | 'pci' | 'host-bridge' | 'nvme' | 'gpu' | 'nic';

export interface FunctionSpec {
  readonly at: string;
  readonly kind: Kind;
  /** Address of the bridge above; nothing: on a root bus. */
  readonly under?: string;
  /** `8086:2030`. */
  readonly id?: string;
  /** ACS Control word; null: no capability (default); undefined in an explicit property: not readable. */
  readonly acs?: number | null | undefined;
  /** ACS Capability word; default 0x7f. */
  readonly acsCapability?: number;
  readonly link?: { readonly max?: string; readonly now?: string };
  readonly more?: Partial<FunctionDraft>;
}

export interface MachineSpec {
  readonly functions: readonly FunctionSpec[];
  readonly cpu?: 'intel' | 'amd-zen' | 'amd-old' | 'hygon' | 'unknown';
  readonly kernel?: string;
  readonly commandLine?: string;
  readonly iommu?: Machine['iommu']['mode'];
  readonly more?: Partial<MachineDraft>;
}

const CPUS = {
  intel: { vendor: 'intel', family: 6, architecture: 'x86', sockets: 1 },
  'amd-zen': { vendor: 'amd', family: 0x19, architecture: 'x86', sockets: 1 },
  'amd-old': { vendor: 'amd', family: 0x15, architecture: 'x86', sockets: 1 },
  hygon: { vendor: 'hygon', family: 0x18, architecture: 'x86', sockets: 1 },
  unknown: {},
} as const;

const CLASS: Partial<Record<Kind, number>> = {
  'host-bridge': 0x060000,
  'root-port': 0x060400,
  'switch-upstream': 0x060400,
  'switch-downstream': 0x060400,
  'pcie-to-pci-bridge': 0x060400,
  nvme: 0x010802,
  gpu: 0x030000,
  nic: 0x020000,
};

const BRIDGES: readonly Kind[] = ['root-port', 'switch-upstream', 'switch-downstream', 'pcie-to-pci-bridge'];

/** `16 x4` is 16 GT/s, four lanes. */
export function rate(text: string): LinkRate {
  const [speed, width] = text.split(' x');
  return { speedGTs: Number(speed), width: Number(width) };
}

export function memoryBar(start: number | null, sizeBytes: number, index = 0): Bar {
  return { index, kind: 'memory', is64Bit: true, isPrefetchable: true, start, sizeBytes };
}

export function buildMachine(spec: MachineSpec): Machine {
  return assembleMachine({
    source: { kind: 'sysroot', label: 'test', privileged: true },
    isBusListOrder: true,
    functions: spec.functions.map(draftOf),
    cpu: CPUS[spec.cpu ?? 'intel'],
    kernel: {
      release: spec.kernel ?? '7.2.12',
      commandLine: spec.commandLine ?? 'quiet',
      config: undefined,
      moduleParameters: {},
    },
    iommu: { mode: spec.iommu ?? 'off' },
    isVirtual: false,
    ...spec.more,
  });
}

export function buildIndex(spec: MachineSpec): MachineIndex {
  return new MachineIndex(buildMachine(spec));
}

function draftOf(spec: FunctionSpec): FunctionDraft {
  const [vendorId, deviceId] = (spec.id ?? '1234:5678').split(':').map((part) => Number.parseInt(part, 16));
  const isBridge = BRIDGES.includes(spec.kind);
  return {
    bdf: bdf(spec.at),
    parent: spec.under === undefined ? null : bdf(spec.under),
    physicalFunction: null,
    vendorId,
    deviceId,
    classCode: CLASS[spec.kind] ?? 0x088000,
    headerType: isBridge ? 1 : 0,
    isMultifunction: false,
    pcieType: typeOf(spec.kind),
    command: 0x0406,
    acs: acsOf(spec),
    deviceControl: 0x2930,
    link: linkOf(spec),
    bars: isBridge || spec.kind === 'host-bridge' ? [] : [memoryBar(0xf000_0000, 0x100_0000)],
    numaNode: 0,
    iommuGroup: null,
    driver: null,
    p2pmem: null,
    isUntrusted: false,
    ...spec.more,
  };
}

function typeOf(kind: Kind): PcieType | null {
  switch (kind) {
    case 'pci':
    case 'host-bridge':
      return null;
    case 'nvme':
    case 'gpu':
    case 'nic':
      return 'endpoint';
    default:
      return kind;
  }
}

function acsOf(spec: FunctionSpec): FunctionDraft['acs'] {
  if (!('acs' in spec)) {
    return null;
  }
  if (spec.acs == null) {
    return spec.acs;
  }
  return { offset: 0x148, capability: spec.acsCapability ?? 0x7f, control: spec.acs, egressVector: null };
}

function linkOf(spec: FunctionSpec): FunctionDraft['link'] {
  if (typeOf(spec.kind) === null) {
    return null;
  }
  const max = rate(spec.link?.max ?? '16 x16');
  return { max, current: spec.link?.now === undefined ? max : rate(spec.link.now) };
}

/** Two NVMe drives (03:00.0 with peer memory, 04:00.0) below one switch. `acs` is the word of both downstream ports. */
export function switchWithTwoDrives(
  acs: number | null | undefined,
  more: Partial<MachineSpec> & { readonly rootAcs?: number | null } = {},
): MachineSpec {
  return {
    functions: [
      { at: '00:00.0', kind: 'host-bridge', id: '8086:29c0' },
      { at: '00:01.0', kind: 'root-port', id: '8086:3420', acs: more.rootAcs ?? null },
      { at: '01:00.0', kind: 'switch-upstream', under: '00:01.0' },
      { at: '02:00.0', kind: 'switch-downstream', under: '01:00.0', acs },
      { at: '02:01.0', kind: 'switch-downstream', under: '01:00.0', acs },
      {
        at: '03:00.0',
        kind: 'nvme',
        under: '02:00.0',
        more: {
          driver: 'nvme',
          classNames: [{ subsystem: 'nvme', name: 'nvme0' }],
          p2pmem: {
            sizeBytes: 64 * 2 ** 20,
            availableBytes: 64 * 2 ** 20,
            published: true,
            hasAllocate: true,
          },
        },
      },
      {
        at: '04:00.0',
        kind: 'nvme',
        under: '02:01.0',
        more: { driver: 'nvme', classNames: [{ subsystem: 'nvme', name: 'nvme1' }] },
      },
    ],
    ...more,
  };
}
