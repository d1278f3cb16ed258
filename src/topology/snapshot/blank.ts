/**
 * What is taken out of a snapshot so that it can be shown to strangers: serial numbers, MAC addresses, names of hosts and
 * builders, and command-line values that are not known to be harmless.
 */
import { EXTENDED_ID } from '../../spec/pcie/index.ts';
import { walkCapabilities } from '../config/index.ts';

export const BLANKED = '<blanked>';

/** Device Serial Number: two dwords after the capability header (PCIe Base 6.0, 7.9.3). */
const SERIAL_NUMBER_OFFSET = 4;
const SERIAL_NUMBER_BYTES = 8;

/** The config space without the function's serial number (for a network card that is its MAC address). */
export function withoutSerialNumber(config: Uint8Array): Uint8Array {
  const found = walkCapabilities(config, { isWhole: true }).extended.filter(
    (capability) => capability.id === EXTENDED_ID.DEVICE_SERIAL_NUMBER,
  );
  if (found.length === 0) {
    return config;
  }
  const blanked = config.slice();
  for (const { offset } of found) {
    blanked.fill(0, offset + SERIAL_NUMBER_OFFSET, offset + SERIAL_NUMBER_OFFSET + SERIAL_NUMBER_BYTES);
  }
  return blanked;
}

/**
 * Parameters whose values name no person, host or secret, and that a verdict, a fix or lint may ask for. The name of
 * a module covers its parameters, `nvme_core.multipath`.
 */
const HARMLESS_PARAMETERS = [
  'acpi',
  'amd_iommu',
  'amdgpu',
  'arm-smmu',
  'arm-smmu-v3',
  'default_hugepagesz',
  'efi',
  'hugepages',
  'hugepagesz',
  'idle',
  'intel_idle',
  'intel_iommu',
  'iommu',
  'iomem',
  'isolcpus',
  'kvm',
  'kvm_amd',
  'kvm_intel',
  'loglevel',
  'maxcpus',
  'mem',
  'memmap',
  'memory_hotplug',
  'mitigations',
  'mlx5_core',
  'modprobe.blacklist',
  'module_blacklist',
  'nvidia',
  'nvidia-drm',
  'nvme',
  'nvme_core',
  'nvmet',
  'panic',
  'pci',
  'pcie_acs_override',
  'pcie_aspm',
  'pcie_bus_perf',
  'pcie_hp',
  'pcie_ports',
  'pcie_port_pm',
  'pciehp',
  'processor',
  'swiotlb',
  'vfio',
  'vfio-pci',
  'vfio_iommu_type1',
  'vfio_pci',
  'vmd',
  'xe',
] as const;

/**
 * A kernel command line with unknown values blanked: `root=<blanked>`. Words without a value stay; what stands after `--`
 * belongs to init and goes as a whole.
 */
export function blankedCommandLine(text: string): string {
  const words: string[] = [];
  for (const word of commandLineWords(text)) {
    if (word === '--') {
      words.push('--', BLANKED);
      break;
    }
    const equals = word.indexOf('=');
    const name = equals === -1 ? word : word.slice(0, equals);
    const isKept = isHarmless(name.replace(/^"/, ''));
    words.push(equals === -1 ? bareWord(word) : isKept ? word : `${name.replace(/^"/, '')}=${BLANKED}`);
  }
  return words.join(' ');
}

/** Names of parameters are short and plain; anything else without a `=` may be data. */
function bareWord(word: string): string {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,31}$/.test(word) ? word : BLANKED;
}

/** Words are split at blanks outside double quotes, as the kernel does (lib/cmdline.c, next_arg). */
function commandLineWords(text: string): readonly string[] {
  return text.trim().match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
}

function isHarmless(name: string): boolean {
  // The kernel treats - and _ in names alike.
  const plain = name.replaceAll('-', '_');
  return HARMLESS_PARAMETERS.some((known) => {
    const harmless = known.replaceAll('-', '_');
    return plain === harmless || plain.startsWith(`${harmless}.`);
  });
}

/** Keeps `Linux version RELEASE` and drops who built it, where, with what and when. */
export function blankedVersion(text: string): string {
  const match = /^Linux version [^\s]+/.exec(text);
  return match === null ? BLANKED : `${match[0]} (${BLANKED})`;
}

/** systemd and rdma-core name what has no better name after its MAC address or GUID: `enx001122334455`, `ibx506b4b...`. */
const MAC_NAME = /^([a-z]{2,5}x)(?:[0-9a-f]{12}|[0-9a-f]{16})$/;

/** Replaces MAC addresses in names; two different ones stay different. */
export class NameBlanker {
  readonly #given = new Map<string, string>();

  blank(name: string): string {
    const match = MAC_NAME.exec(name);
    if (match === null) {
      return name;
    }
    const known = this.#given.get(name);
    if (known !== undefined) {
      return known;
    }
    const blanked = `${match[1]}-blanked-${this.#given.size + 1}`;
    this.#given.set(name, blanked);
    return blanked;
  }
}
