/** Functions in a few words: what a line of the tree, a row of the matrix and a step of a path say of them. */
import type { Bdf } from '../../base/index.ts';
import {
  type AcsState,
  familyText,
  type LinkRate,
  type LinkState,
  type Machine,
  type MachineFunction,
} from '../../topology/index.ts';
import { formatBytes, printable } from './style.ts';

/** `03:00.0` where the machine has one domain only, else the whole address. */
export function shortBdf(machine: Machine, bdf: string): string {
  const oneDomain = machine.functions.every((fn) => fn.bdf.startsWith('0000:'));
  return printable(oneDomain && /^0000:[0-9a-f]{2}:/.test(bdf) ? bdf.slice(5) : bdf);
}

/** The name a person would use: nvme0 rather than nvme0n1, eth0, card0. */
export function mainName(fn: MachineFunction): string | undefined {
  const order = ['nvme', 'infiniband', 'net', 'drm', 'accel', 'block', 'gpu'];
  for (const subsystem of order) {
    const found = fn.classNames.find((known) => known.subsystem === subsystem);
    if (found !== undefined) {
      return printable(found.name);
    }
  }
  return fn.classNames[0] === undefined ? undefined : printable(fn.classNames[0].name);
}

export function hexId(fn: MachineFunction): string {
  const part = (value: number | undefined): string =>
    value === undefined ? '????' : value.toString(16).padStart(4, '0');
  return `${part(fn.vendorId)}:${part(fn.deviceId)}`;
}

const CLASS_NAMES: Readonly<Record<string, string>> = {
  '0101': 'IDE',
  '0104': 'RAID',
  '0106': 'SATA',
  '0107': 'SAS',
  '0108': 'NVMe',
  '0180': 'storage',
  '0200': 'Ethernet',
  '0207': 'InfiniBand',
  '0280': 'network',
  '0300': 'VGA',
  '0302': '3D',
  '0380': 'display',
  '0403': 'audio',
  '0500': 'memory',
  '0580': 'memory',
  '0600': 'host bridge',
  '0601': 'ISA bridge',
  '0604': 'PCI bridge',
  '0607': 'CardBus bridge',
  '0680': 'bridge',
  '0880': 'system',
  '0c03': 'USB',
  '0c05': 'SMBus',
  '1200': 'accelerator',
};

const PORT_NAMES: Readonly<Record<string, string>> = {
  'root-port': 'root port',
  'switch-upstream': 'switch upstream port',
  'switch-downstream': 'switch downstream port',
  'pcie-to-pci-bridge': 'PCIe to PCI bridge',
  'pci-to-pcie-bridge': 'PCI to PCIe bridge',
};

/** `root port`, `NVMe`, `VGA`, `class 0b40`. */
export function kindOf(fn: MachineFunction): string {
  const port = fn.pcieType == null ? undefined : PORT_NAMES[fn.pcieType];
  if (port !== undefined) {
    return port;
  }
  if (fn.classCode === undefined) {
    return 'function';
  }
  const hex = fn.classCode.toString(16).padStart(6, '0');
  return CLASS_NAMES[hex.slice(0, 4)] ?? `class ${hex.slice(0, 4)}`;
}

export function rateText(rate: LinkRate): string {
  return `${rate.speedGTs} GT/s x${rate.width}`;
}

/** Current rate, with the capability where it is above; which of the two is always said. */
export function linkText(link: LinkState | null | undefined): string | undefined {
  if (link == null) {
    return undefined;
  }
  const { current, max } = link;
  if (current !== undefined && max !== undefined) {
    return current.speedGTs === max.speedGTs && current.width === max.width
      ? rateText(current)
      : `${rateText(current)} now, ${rateText(max)} capable`;
  }
  if (current !== undefined) {
    return `${rateText(current)} now`;
  }
  return max === undefined ? undefined : `${rateText(max)} capable`;
}

const ACS_BITS = ['SV', 'TB', 'RR', 'CR', 'UF', 'EC', 'DT'];

/** The bits of ACS Control that are set, as the kernel's documents abbreviate them. */
export function acsBits(control: number): string {
  const set = ACS_BITS.filter((_, index) => (control & (1 << index)) !== 0);
  return set.length === 0 ? 'none' : set.join(' ');
}

export function acsText(acs: AcsState | null | undefined): string | undefined {
  if (acs === undefined) {
    return 'ACS ?';
  }
  return acs === null ? undefined : `ACS ${acsBits(acs.control)}`;
}

export function peerMemoryText(fn: MachineFunction): string | undefined {
  const memory = fn.p2pmem;
  if (memory == null) {
    return undefined;
  }
  const size = memory.sizeBytes === undefined ? 'of unknown size' : formatBytes(memory.sizeBytes);
  const free = memory.availableBytes === undefined ? '' : `, ${formatBytes(memory.availableBytes)} free`;
  const published =
    memory.published === undefined ? '' : memory.published ? ', published' : ', not published';
  return `peer memory ${size}${free}${published}`;
}

/** Vendor and device by name where known; the numbers always. */
export function productText(fn: MachineFunction): string {
  const names = [fn.vendorName, fn.deviceName].filter((name): name is string => name !== undefined);
  return names.length === 0 ? hexId(fn) : `${printable(names.join(' '))} (${hexId(fn)})`;
}

/** `0000:03:00.0 nvme0 (NVMe)`. */
export function labelOf(
  machine: Machine,
  find: (bdf: Bdf) => MachineFunction | undefined,
  bdf: string,
): string {
  const fn = find(bdf as Bdf);
  if (fn === undefined) {
    return printable(bdf);
  }
  const name = mainName(fn);
  return `${shortBdf(machine, bdf)} ${name === undefined ? kindOf(fn) : `${name} (${kindOf(fn)})`}`;
}

/** One line for the head of every report: what machine this is. */
export function machineLine(machine: Machine): string {
  const { cpu, kernel, iommu } = machine;
  const numbers = familyText(cpu);
  const family = numbers === undefined ? '' : ` family ${numbers}`;
  const cpuText =
    cpu.name !== undefined
      ? `${printable(cpu.name)}${cpu.vendor === undefined ? '' : ` (${cpu.vendor}${family})`}`
      : cpu.vendor === undefined
        ? 'CPU unknown'
        : `${cpu.vendor}${family} CPU`;
  const isGiven = machine.given?.includes('cpu') === true;
  const parts = [
    `${machine.source.label} (${machine.source.kind})`,
    kernel.release === undefined ? 'kernel unknown' : `Linux ${printable(kernel.release)}`,
    isGiven ? `${cpuText} (as given with --cpu)` : cpuText,
    `IOMMU ${iommu.mode ?? 'unknown'}`,
    `${machine.functions.length} PCI functions`,
  ];
  if (machine.isVirtual === true) {
    parts.push('a virtual machine');
  }
  return printable(parts.join('; '));
}
