/**
 * A machine as its PCI functions see it: the one shape that every reader gives and every question starts from.
 *
 * Two rules hold for every field. `undefined` means *unknown*: the input could not say. `null` means *known to be
 * absent*: the function has no such thing. What would make an unknown known stands in `gaps`.
 */
import type { Bdf } from '../base/index.ts';

export type InputKind = 'live' | 'sysroot' | 'archive' | 'lspci' | 'hwloc' | 'nccl' | 'udev' | 'lab';

/** Something that could not be read, and what would make it readable. */
export interface Gap {
  /** The function concerned, or null for the machine. */
  readonly at: Bdf | null;
  /** What is missing: `extended-config`, `config`, `kernel`, `cpu`, `iommu`, `link`, `bars`, `order` ... */
  readonly what: string;
  /** One line for a person: why, and what would supply it. */
  readonly detail: string;
}

/** Something in the input that is wrong or suspicious, kept instead of thrown. Codes are listed in docs/findings.md. */
export interface Finding {
  readonly at: Bdf | null;
  /** `CAP_LOOP`, `CAP_OUT_OF_RANGE`, `CAP_OVERLAP`, `CONFIG_ALL_ONES`, `BUS_NUMBERS`, `PARENT_GUESSED` ... */
  readonly code: string;
  readonly detail: string;
}

/** Device/Port Type of the PCI Express Capabilities register (PCIe Base 6.0, 7.5.3.2). */
export type PcieType =
  | 'endpoint'
  | 'legacy-endpoint'
  | 'root-port'
  | 'switch-upstream'
  | 'switch-downstream'
  | 'pcie-to-pci-bridge'
  | 'pci-to-pcie-bridge'
  | 'rc-endpoint'
  | 'rc-event-collector';

/** Access Control Services as they stand (PCIe Base 6.0, 7.7.11). Words are the raw 16-bit registers. */
export interface AcsState {
  /** Where the capability lies in config space; null when the input (text) does not say. */
  readonly offset: number | null;
  readonly capability: number;
  readonly control: number;
  /** Egress control vector, bit n = port or function n; null when not implemented or not readable. */
  readonly egressVector: readonly boolean[] | null;
}

/** One link end. `speedGTs` is 2.5, 5, 8, 16, 32 or 64; `width` is in lanes. */
export interface LinkRate {
  readonly speedGTs: number;
  readonly width: number;
}

export interface LinkState {
  /** What both the registers of this port and its slot allow: Link Capabilities. */
  readonly max: LinkRate | undefined;
  /** What it runs at now: Link Status. An idle device may have lowered it. */
  readonly current: LinkRate | undefined;
}

/** One address range. 64-bit BARs take two indices; `index` is the lower. */
export interface Bar {
  /** 0 to 5; 6 is the expansion ROM; 7 to 12 are SR-IOV BARs of a PF. */
  readonly index: number;
  readonly kind: 'memory' | 'io';
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** CPU address of the first byte (physical); undefined when unknown, null when not assigned. */
  readonly start: number | null | undefined;
  /** Undefined when the input has only the register and not the size. */
  readonly sizeBytes: number | undefined;
}

/** Windows that a bridge forwards downstream. A closed window is null. */
export interface BridgeWindow {
  readonly kind: 'memory' | 'prefetchable' | 'io';
  readonly first: number;
  readonly last: number;
}

/** Peer memory that the kernel offers at this function: `p2pmem/`. */
export interface P2pmemState {
  readonly sizeBytes: number | undefined;
  readonly availableBytes: number | undefined;
  readonly published: boolean | undefined;
  /** The `allocate` file is there (Linux 6.2 and later). */
  readonly hasAllocate: boolean | undefined;
}

/** A name that programs know the function by. */
export interface ClassName {
  /** Linux class: `nvme`, `block`, `infiniband`, `net`, `drm` ... */
  readonly subsystem: string;
  /** `nvme0`, `nvme0n1`, `mlx5_0`, `eth0`, `card0` ... */
  readonly name: string;
}

export interface MachineFunction {
  readonly bdf: Bdf;
  /** Key of its host bridge in `machine.hostBridges`. */
  readonly hostBridge: string;
  /** The bridge that owns its bus; null on a root bus. A VF has the parent that its own address suggests. */
  readonly parent: Bdf | null | undefined;
  /** The input leaves bridges out between this function and `parent` (NCCL lists every second port), so hops cannot be counted. */
  readonly hiddenAbove: boolean;
  /** Of a VF: its PF. Null for everything that is known not to be a VF. */
  readonly physicalFunction: Bdf | null | undefined;

  readonly vendorId: number | undefined;
  readonly deviceId: number | undefined;
  readonly subsystemVendorId: number | null | undefined;
  readonly subsystemDeviceId: number | null | undefined;
  readonly revision: number | undefined;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number | undefined;
  /** Header type without the multi-function bit: 0 endpoint, 1 bridge, 2 CardBus. */
  readonly headerType: number | undefined;
  readonly isMultifunction: boolean | undefined;
  /** Names of vendor and device as the input or `pci.ids` has them. */
  readonly vendorName: string | undefined;
  readonly deviceName: string | undefined;

  /** Null for conventional PCI. */
  readonly pcieType: PcieType | null | undefined;
  /** The config space as far as it could be read, from byte 0; undefined when none was. */
  readonly config: Uint8Array | undefined;
  /** The device answered all ones (`rev ff`): powered down, hung or gone. */
  readonly isGone: boolean;

  /** COMMAND register, 16 bits: bit 1 memory decode, bit 2 bus master. */
  readonly command: number | undefined;
  readonly acs: AcsState | null | undefined;
  /** PCI Express Device Control, 16 bits: bit 4 relaxed ordering, bits 7:5 MPS, 14:12 MRRS. */
  readonly deviceControl: number | null | undefined;
  readonly link: LinkState | null | undefined;
  readonly bars: readonly Bar[] | undefined;
  readonly windows: readonly BridgeWindow[] | undefined;
  /** Bus numbers of a bridge. */
  readonly secondaryBus: number | null | undefined;
  readonly subordinateBus: number | null | undefined;

  readonly numaNode: number | null | undefined;
  readonly iommuGroup: string | null | undefined;
  readonly driver: string | null | undefined;
  readonly classNames: readonly ClassName[];
  readonly p2pmem: P2pmemState | null | undefined;
  /** Bits that the driver said the device can address. */
  readonly dmaMaskBits: number | undefined;
  /** D0, D3hot, D3cold ... as the kernel has it. */
  readonly powerState: string | undefined;
  /** Linux treats the device as outside the machine: Thunderbolt and other external ports. */
  readonly isUntrusted: boolean | undefined;
}

export interface HostBridge {
  /** `pci0000:00`. */
  readonly key: string;
  readonly domain: number;
  readonly rootBus: number | undefined;
  readonly numaNode: number | null | undefined;
  /** The endpoint that this bridge's domain hangs off: an Intel VMD. Null for the normal case. */
  readonly behind: Bdf | null;
}

export interface Cpu {
  /** `intel`, `amd`, `hygon`, `zhaoxin`, `arm`, `ibm` ... lower case; undefined when not known. */
  readonly vendor: string | undefined;
  readonly family: number | undefined;
  /** Where `family` is not known but must be one of these; missing where nothing is known. */
  readonly possibleFamilies?: readonly number[] | undefined;
  readonly model: number | undefined;
  readonly name: string | undefined;
  /** `x86`, `arm64`, `ppc64`, `riscv64` ... */
  readonly architecture: string | undefined;
  readonly sockets: number | undefined;
}

export interface KernelState {
  /** Release as `uname -r` prints it. */
  readonly release: string | undefined;
  readonly commandLine: string | undefined;
  /** Options of the build that matter here, where /boot/config or /proc/config.gz was readable. */
  readonly config: Readonly<Record<string, string>> | undefined;
  /** Module parameters that matter here, by `module.parameter`. */
  readonly moduleParameters: Readonly<Record<string, string>>;
  /** What modprobe is told of modules that matter here; missing where the input has no such files. */
  readonly modprobeOptions?: readonly ModprobeLine[] | undefined;
}

/** One line of a modprobe.d file. */
export interface ModprobeLine {
  /** From the root of the tree: `etc/modprobe.d/nvme.conf`. */
  readonly file: string;
  readonly command: 'options' | 'blacklist' | 'softdep';
  readonly module: string;
  /** The rest of the line: `use_cmb_sqs=0`. */
  readonly rest: string;
}

export interface IommuState {
  /** `off` no IOMMU in use; `passthrough` or `translated` default domain; `on` when only its presence is known. */
  readonly mode: 'off' | 'passthrough' | 'translated' | 'on' | undefined;
  /** `intel`, `amd`, `arm-smmu` ... from /sys/class/iommu. */
  readonly driver: string | undefined;
}

export interface Machine {
  readonly source: {
    readonly kind: InputKind;
    readonly label: string;
    /** False when the input was plainly taken without root (64-byte config, access denied). */
    readonly privileged: boolean | undefined;
  };
  /** In bus-list order, which decides who stands for a host bridge. */
  readonly functions: readonly MachineFunction[];
  readonly hostBridges: readonly HostBridge[];
  readonly cpu: Cpu;
  readonly kernel: KernelState;
  readonly iommu: IommuState;
  /** The machine itself is a guest, by CPUID flag or DMI class; undefined when not known. */
  readonly isVirtual: boolean | undefined;
  readonly gaps: readonly Gap[];
  readonly findings: readonly Finding[];
  /** Parts that the person who asks supplied in place of the input: `cpu`. Missing when there are none. */
  readonly given?: readonly 'cpu'[] | undefined;
}
