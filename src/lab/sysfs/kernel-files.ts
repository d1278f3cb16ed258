/**
 * What the kernel says of itself: version, command line, options of its build, module parameters. Linux fs/proc; the build's
 * options as distributions put them into /boot.
 */
import type { LabKernel } from '../file/index.ts';
import type { Files } from './device-files.ts';

/**
 * Options as distributions build kernels of today (Debian's 7.2), for what the lab does not state: without them the reader
 * would take each for `n`.
 */
const BUILD_OPTIONS: Readonly<Record<string, string>> = {
  CONFIG_AMD_IOMMU: 'y',
  CONFIG_BLK_DEV_NVME: 'm',
  CONFIG_DEVICE_PRIVATE: 'y',
  CONFIG_INTEL_IOMMU: 'y',
  CONFIG_IOMMU_DEFAULT_DMA_LAZY: 'y',
  CONFIG_MEMORY_HOTPLUG: 'y',
  CONFIG_MEMORY_HOTREMOVE: 'y',
  CONFIG_NVME_MULTIPATH: 'y',
  CONFIG_NVME_TARGET: 'm',
  CONFIG_PCI_IOV: 'y',
  CONFIG_PCI_P2PDMA: 'y',
  CONFIG_PCI_QUIRKS: 'y',
  CONFIG_SPARSEMEM_VMEMMAP: 'y',
  CONFIG_VFIO_PCI_DMABUF: 'y',
  CONFIG_VMD: 'm',
  CONFIG_ZONE_DEVICE: 'y',
};

/** By path from the root. */
export function kernelFiles(kernel: LabKernel): Files {
  const { release, commandLine, config, moduleParameters } = kernel;
  const options = Object.entries({ ...BUILD_OPTIONS, ...config });
  const files: Files = {
    'proc/version': `Linux version ${release} (lab@peerlane) #1 SMP\n`,
    'proc/sys/kernel/osrelease': `${release}\n`,
    'proc/cmdline': `${commandLine}\n`,
    [`boot/config-${release}`]: options.map(([name, value]) => `${name}=${value}\n`).join(''),
    // There are no module options in files, which is not the same as not knowing.
    'etc/modprobe.d': 'directory',
  };
  for (const [name, value] of Object.entries(moduleParameters)) {
    const dot = name.indexOf('.');
    files[`sys/module/${name.slice(0, dot)}/parameters/${name.slice(dot + 1)}`] = `${value}\n`;
  }
  return files;
}
