/**
 * Every name below /sys, /proc, /boot and /etc that is ever read, in one place: the reader reads nothing else, and a
 * snapshot holds nothing else. Never on these lists: `vpd`, `rom`, `resourceN`, `reset`, `remove`, `rescan` and whatever
 * acts or blocks when it is opened.
 *
 * Meaning of the files: Linux Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-iommu, sysfs-kernel-iommu_groups.
 */

/** Files of a PCI function that hold one short text. */
export const DEVICE_ATTRIBUTES = [
  'class',
  'current_link_speed',
  'current_link_width',
  'device',
  'dma_mask_bits',
  'max_link_speed',
  'max_link_width',
  'numa_node',
  'power_state',
  'removable',
  'resource',
  'revision',
  'secondary_bus_number',
  'subordinate_bus_number',
  'subsystem_device',
  'subsystem_vendor',
  'vendor',
] as const;

/** Links of a PCI function; only their last component counts. */
export const DEVICE_LINKS = ['driver', 'iommu_group', 'physfn'] as const;

export const CONFIG_FILE = 'config';
/** Extended config space ends here (PCIe Base 6.0, 7.2.2). */
export const CONFIG_BYTES_MAX = 4096;

export const P2PMEM_FOLDER = 'p2pmem';
export const P2PMEM_ATTRIBUTES = ['available', 'published', 'size'] as const;
/** Mapping it allocates memory: its existence is noted, and it is never opened. */
export const P2PMEM_ALLOCATE = 'allocate';

export const DEVICES_FOLDER = 'sys/bus/pci/devices';
/** Write-only, so no snapshot has it: where it stands, this is the sysfs of a running kernel and not a copy. */
export const LIVE_MARK = 'sys/bus/pci/drivers_probe';

/** Folders of links that name what stands behind a function, and the subsystem to report. */
export const CLASS_FOLDERS: readonly (readonly [folder: string, subsystem: string])[] = [
  ['sys/class/nvme', 'nvme'],
  ['sys/class/nvme-generic', 'nvme-generic'],
  ['sys/class/block', 'block'],
  ['sys/class/net', 'net'],
  ['sys/class/infiniband', 'infiniband'],
  ['sys/class/infiniband_verbs', 'infiniband_verbs'],
  ['sys/class/drm', 'drm'],
  ['sys/class/accel', 'accel'],
  ['sys/class/switchtec', 'switchtec'],
  ['sys/class/dma', 'dma'],
  ['sys/class/scsi_host', 'scsi_host'],
  ['sys/bus/virtio/devices', 'virtio'],
];

export const IOMMU_CLASS_FOLDER = 'sys/class/iommu';
export const IOMMU_GROUPS_FOLDER = 'sys/kernel/iommu_groups';

export const CPUINFO_FILE = 'proc/cpuinfo';
export const VERSION_FILE = 'proc/version';
export const OSRELEASE_FILE = 'proc/sys/kernel/osrelease';
export const COMMAND_LINE_FILE = 'proc/cmdline';
export const BUS_LIST_FILE = 'proc/bus/pci/devices';
export const KERNEL_CONFIG_GZ_FILE = 'proc/config.gz';

/** Where distributions put the options of a kernel's build. */
export function kernelConfigFiles(release: string): readonly string[] {
  return [`boot/config-${release}`, `usr/lib/modules/${release}/config`, `lib/modules/${release}/config`];
}

/** Options of the kernel's build that a verdict or a hint may depend on. */
export const KERNEL_OPTIONS = [
  'CONFIG_AMD_IOMMU',
  'CONFIG_BLK_DEV_NVME',
  'CONFIG_DEVICE_PRIVATE',
  'CONFIG_DMABUF_MOVE_NOTIFY',
  'CONFIG_HSA_AMD_P2P',
  'CONFIG_INTEL_IOMMU',
  'CONFIG_INTEL_IOMMU_DEFAULT_ON',
  'CONFIG_IOMMU_DEFAULT_DMA_LAZY',
  'CONFIG_IOMMU_DEFAULT_DMA_STRICT',
  'CONFIG_IOMMU_DEFAULT_PASSTHROUGH',
  'CONFIG_MEMORY_HOTPLUG',
  'CONFIG_MEMORY_HOTREMOVE',
  'CONFIG_NVME_MULTIPATH',
  'CONFIG_NVME_TARGET',
  'CONFIG_PCI_IOV',
  'CONFIG_PCI_P2PDMA',
  'CONFIG_PCI_QUIRKS',
  'CONFIG_SPARSEMEM_VMEMMAP',
  'CONFIG_VFIO_PCI_DMABUF',
  'CONFIG_VMD',
  'CONFIG_ZONE_DEVICE',
] as const;

/** Parameters of loaded modules: `sys/module/<module>/parameters/<parameter>`. */
export const MODULE_PARAMETERS: readonly (readonly [module: string, parameter: string])[] = [
  ['amdgpu', 'pcie_p2p'],
  ['nvidia_peermem', 'peerdirect_support'],
  ['nvme', 'max_host_mem_size_mb'],
  ['nvme', 'sgl_threshold'],
  ['nvme', 'use_cmb_sqs'],
  ['nvme_core', 'default_ps_max_latency_us'],
  ['nvme_core', 'multipath'],
  ['pcie_aspm', 'policy'],
];

export const MODPROBE_FOLDERS = [
  'etc/modprobe.d',
  'run/modprobe.d',
  'usr/lib/modprobe.d',
  'lib/modprobe.d',
] as const;
/** Modules whose options are of interest; a name stands for itself and for what continues it after `_` or `-`. */
export const MODPROBE_MODULES = [
  'amdgpu',
  'ib',
  'iommu',
  'mlx4',
  'mlx5',
  'nvidia',
  'nvme',
  'nvmet',
  'pci',
  'pcie',
  'rdma',
  'vfio',
  'vmd',
  'xe',
] as const;

export const PCI_IDS_FILES = [
  'usr/share/misc/pci.ids',
  'usr/share/hwdata/pci.ids',
  'usr/share/pci.ids',
] as const;

/** Of the firmware's description only who made the machine and what it is called, to know a guest by. */
export const DMI_FILES = ['sys/class/dmi/id/product_name', 'sys/class/dmi/id/sys_vendor'] as const;

export const TEXT_BYTES_MAX = {
  cpuinfo: 16 * 2 ** 20,
  version: 4096,
  commandLine: 65536,
  busList: 64 * 2 ** 20,
  kernelConfig: 4 * 2 ** 20,
  modprobe: 256 * 1024,
  pciIds: 8 * 2 ** 20,
} as const;
