/**
 * The folder of one function below sys/devices: its attributes and links. Linux drivers/pci/pci-sysfs.c,
 * Documentation/ABI/testing/sysfs-bus-pci.
 */
import {
  CAPABILITY_ID,
  HEADER_LAYOUT,
  INTERRUPT_LINE,
  PMCSR,
  SECONDARY_BUS_NUMBER,
  SUBORDINATE_BUS_NUMBER,
} from '../../spec/index.ts';
import type { NewTarEntry } from '../../topology/index.ts';
import { isKernelAtLeast } from './kernel-release.ts';
import { linkFiles } from './link-files.ts';
import { resourceText } from './resource-file.ts';
import type { ShownFunction } from './shown-function.ts';
import type { FunctionState, PeerMemoryState } from './sysfs-state.ts';

/** Where the function stands, and what it is connected to. */
export interface DevicePlace {
  /** Of its folder: `sys/devices/pci0000:00/0000:00:01.0`. */
  readonly path: string;
  /** Null: no IOMMU. */
  readonly iommuGroup: number | null;
  readonly vfs: readonly ShownFunction[];
  readonly release: string;
}

export type Files = Record<string, NewTarEntry['content'] | string>;

const POWER_STATES = ['D0', 'D1', 'D2', 'D3hot'] as const;

/** Contents by name; the text of a file ends with its newline. */
export function deviceFiles(fn: ShownFunction, state: FunctionState | undefined, place: DevicePlace): Files {
  const { found } = fn;
  const lines: Record<string, string> = {
    ...identity(fn),
    ...linkFiles(fn),
    dma_mask_bits: String(state?.dmaMaskBits ?? 32),
    enable: state?.driver == null ? '0' : '1',
    irq: String(found.config.read8(INTERRUPT_LINE.offset)),
    numa_node: String(found.hostBridge.numaNode ?? -1),
    power_state: powerState(fn),
  };
  if (found.headerType === HEADER_LAYOUT.BRIDGE) {
    lines.secondary_bus_number = String(found.config.read8(SECONDARY_BUS_NUMBER.offset));
    lines.subordinate_bus_number = String(found.config.read8(SUBORDINATE_BUS_NUMBER.offset));
  }
  if (fn.facts.sriov != null) {
    lines.sriov_numvfs = String(place.vfs.length);
    lines.sriov_totalvfs = String(fn.facts.sriov.totalVfs);
  }
  const files: Files = { config: fn.config, resource: resourceText(fn) };
  for (const [name, text] of Object.entries(lines)) {
    files[name] = `${text}\n`;
  }
  const up = '../'.repeat(place.path.split('/').length - 1);
  files.subsystem = { linkTo: `${up}bus/pci` };
  if (state?.driver != null) {
    files.driver = { linkTo: `${up}bus/pci/drivers/${state.driver}` };
  }
  if (place.iommuGroup !== null) {
    files.iommu_group = { linkTo: `${up}kernel/iommu_groups/${place.iommuGroup}` };
  }
  if (fn.physical !== null) {
    files.physfn = { linkTo: `../${fn.physical.bdf}` };
  }
  for (const vf of place.vfs) {
    files[`virtfn${vf.vfIndex}`] = { linkTo: `../${vf.bdf}` };
  }
  return state?.peerMemory == null
    ? files
    : { ...files, ...peerMemoryFiles(state.peerMemory, place.release) };
}

/** A virtual function has the vendor of its physical function, and the device id that stands there for all of them. */
function identity({ facts, physical }: ShownFunction): Record<string, string> {
  const vendor = physical === null ? facts.vendorId : physical.facts.vendorId;
  const device = physical === null ? facts.deviceId : physical.facts.sriov?.vfDeviceId;
  return {
    vendor: hex(vendor, 4),
    device: hex(device, 4),
    subsystem_vendor: hex(facts.subsystemVendorId, 4),
    subsystem_device: hex(facts.subsystemDeviceId, 4),
    revision: hex(facts.revision, 2),
    class: hex(facts.classCode, 6),
  };
}

/** A function without the capability is always on. */
function powerState({ found: { config } }: ShownFunction): string {
  const power = config.findCapability(CAPABILITY_ID.POWER_MANAGEMENT);
  return power === 0 ? 'D0' : POWER_STATES[PMCSR.PowerState.of(config.read16(power + PMCSR.offset))]!;
}

function peerMemoryFiles(memory: PeerMemoryState, release: string): Files {
  return {
    'p2pmem/size': `${memory.sizeBytes}\n`,
    'p2pmem/available': `${memory.availableBytes}\n`,
    'p2pmem/published': memory.isPublished ? '1\n' : '0\n',
    ...(isKernelAtLeast(release, 6, 2) ? { 'p2pmem/allocate': new Uint8Array(0) } : {}),
  };
}

/** What is absent reads as 0. */
function hex(value: number | null | undefined, digits: number): string {
  return `0x${(value ?? 0).toString(16).padStart(digits, '0')}`;
}
