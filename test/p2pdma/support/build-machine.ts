/** Machines for tests, from as little as a test wants to say. Everything else is known and harmless. */
import { type Bdf, bdfParts, toBdf } from '../../../src/base/index.ts';
import type {
  AcsState,
  Gap,
  IommuState,
  Machine,
  MachineFunction,
  PcieType,
} from '../../../src/topology/index.ts';

export function bdf(text: string): Bdf {
  const canonical = toBdf(text);
  if (canonical === undefined) {
    throw new Error(`not an address: ${text}`);
  }
  return canonical;
}

export type FunctionSketch = { readonly at: string } & Partial<
  Omit<MachineFunction, 'bdf' | 'parent' | 'acs' | 'physicalFunction'>
> & {
    readonly up?: string | null | undefined;
    readonly pf?: string | null | undefined;
    readonly id?: string | undefined;
    /** A control word, null for no capability, undefined for unknown; the whole state where a test needs it. */
    readonly acs?: number | AcsState | null | undefined;
  };

/** A 64-bit BAR that is assigned, so that a function can be a provider by the PCIe rules. */
export const SOME_BAR = {
  index: 0,
  kind: 'memory',
  is64Bit: true,
  isPrefetchable: true,
  start: 0x10_0000_0000,
  sizeBytes: 0x400_0000,
} as const;

export function acsState(control: number, capability = 0x7f): AcsState {
  return { offset: 0x100, capability, control, egressVector: null };
}

export function makeFunction(sketch: FunctionSketch): MachineFunction {
  const { at, up, pf, id, acs, ...rest } = sketch;
  const address = bdf(at);
  const parts = bdfParts(address);
  const [vendor, device] = (id ?? '1b36:0010').split(':');
  const domain = parts.domain.toString(16).padStart(4, '0');
  return {
    bdf: address,
    hostBridge: `pci${domain}:00`,
    parent: 'up' in sketch ? (up == null ? up : bdf(up)) : null,
    hiddenAbove: false,
    physicalFunction: 'pf' in sketch ? (pf == null ? pf : bdf(pf)) : null,
    vendorId: Number.parseInt(vendor!, 16),
    deviceId: Number.parseInt(device!, 16),
    subsystemVendorId: null,
    subsystemDeviceId: null,
    revision: 0,
    classCode: 0x01_0802,
    headerType: 0,
    isMultifunction: false,
    vendorName: undefined,
    deviceName: undefined,
    pcieType: 'endpoint',
    config: undefined,
    isGone: false,
    command: 0x0006,
    acs: typeof acs === 'number' ? acsState(acs) : 'acs' in sketch ? acs : null,
    deviceControl: 0x2810,
    link: null,
    bars: [SOME_BAR],
    windows: undefined,
    secondaryBus: null,
    subordinateBus: null,
    numaNode: null,
    iommuGroup: null,
    driver: null,
    classNames: [],
    p2pmem: null,
    dmaMaskBits: undefined,
    powerState: 'D0',
    isUntrusted: false,
    ...rest,
  };
}

export interface MachineSketch {
  readonly functions: readonly FunctionSketch[];
  readonly cpu?: Partial<Machine['cpu']>;
  readonly kernel?: Partial<Machine['kernel']>;
  readonly iommu?: IommuState['mode'];
  readonly gaps?: readonly Gap[];
  readonly isVirtual?: boolean | undefined;
}

/** An Intel machine of family 6 (no model) without IOMMU, unless the sketch says otherwise. */
export function makeMachine(sketch: MachineSketch): Machine {
  const functions = sketch.functions.map(makeFunction);
  const keys = [...new Set(functions.map((fn) => fn.hostBridge))];
  return {
    source: { kind: 'lab', label: 'test', privileged: true },
    functions,
    hostBridges: keys.map((key) => ({
      key,
      domain: Number.parseInt(key.slice(3), 16),
      rootBus: undefined,
      numaNode: null,
      behind: null,
    })),
    cpu: {
      vendor: 'intel',
      family: 6,
      model: undefined,
      name: undefined,
      architecture: 'x86',
      sockets: 1,
      ...sketch.cpu,
    },
    kernel: {
      release: '7.2.12',
      commandLine: '',
      config: undefined,
      moduleParameters: {},
      ...sketch.kernel,
    },
    iommu: { mode: 'iommu' in sketch ? sketch.iommu : 'off', driver: undefined },
    isVirtual: 'isVirtual' in sketch ? sketch.isVirtual : false,
    gaps: sketch.gaps ?? [],
    findings: [],
  };
}

export const INTEL_UNLISTED = '8086:9999';
export const SKYLAKE_E = '8086:2030';

const BRIDGE = { classCode: 0x06_0400, headerType: 1, bars: [] } as const;

export function hostBridgeFunction(id: string, at = '00:00.0'): FunctionSketch {
  return { at, id, pcieType: null, classCode: 0x06_0000, bars: [] };
}

export function port(
  at: string,
  up: string | null,
  pcieType: PcieType | null,
  more: Partial<FunctionSketch> = {},
): FunctionSketch {
  return { ...BRIDGE, at, up, pcieType, ...more };
}

/**
 * One switch below root port 00:01.0: upstream 01:00.0, downstream 02:00.0 and 02:01.0, endpoints 03:00.0 (provider in
 * most tests) and 04:00.0 (client). Changes are merged into the function at that address.
 */
export function oneSwitch(
  changes: Readonly<Record<string, Partial<FunctionSketch>>> = {},
  hostBridge = INTEL_UNLISTED,
): FunctionSketch[] {
  const base = [
    hostBridgeFunction(hostBridge),
    port('00:01.0', null, 'root-port'),
    port('01:00.0', '00:01.0', 'switch-upstream'),
    port('02:00.0', '01:00.0', 'switch-downstream'),
    port('02:01.0', '01:00.0', 'switch-downstream'),
    { at: '03:00.0', up: '02:00.0' },
    { at: '04:00.0', up: '02:01.0' },
  ];
  return base.map((fn) => ({ ...fn, ...changes[fn.at] }));
}

/** Two root ports 00:01.0 and 00:02.0 with endpoints 01:00.0 and 02:00.0. */
export function twoRootPorts(
  changes: Readonly<Record<string, Partial<FunctionSketch>>> = {},
  hostBridge = INTEL_UNLISTED,
): FunctionSketch[] {
  const base = [
    hostBridgeFunction(hostBridge),
    port('00:01.0', null, 'root-port'),
    port('00:02.0', null, 'root-port'),
    { at: '01:00.0', up: '00:01.0' },
    { at: '02:00.0', up: '00:02.0' },
  ];
  return base.map((fn) => ({ ...fn, ...changes[fn.at] }));
}
