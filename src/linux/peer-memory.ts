/**
 * Peer memory of the running kernel: `p2pmem/allocate` of a provider, mapped (spec p2pdma.md section 7).
 *
 * Every call is a fresh allocation of one contiguous block. The kernel takes the mapping away when the provider's driver is
 * unbound; requests in flight keep their pages, later ones get EFAULT.
 */
import { closeSync, openSync } from 'node:fs';
import type { Span } from '../access/index.ts';
import { type Bdf, MappingError, UsageError } from '../base/index.ts';
import { codeOf, errnoMeaning, errnoName, Mapping, PAGE_BYTES } from '../host/index.ts';
import type { KernelP2pmem } from '../p2pdma/index.ts';
import { attributeOrUndefined, type FileTree } from '../topology/index.ts';
import { kernelRelease } from './backing.ts';
import { LinuxSpan } from './span.ts';

export interface PeerMemoryState {
  readonly sizeBytes: number | undefined;
  readonly availableBytes: number | undefined;
  readonly published: boolean | undefined;
}

/** What the kernel says of a provider's pool; undefined when it has none. */
export function peerMemoryState(tree: FileTree, provider: Bdf): PeerMemoryState | undefined {
  const folder = `sys/bus/pci/devices/${provider}/p2pmem`;
  if (tree.kind(folder) !== 'directory') {
    return undefined;
  }
  const number = (name: string): number | undefined => {
    const text = attributeOrUndefined(tree, `${folder}/${name}`);
    return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
  };
  const published = number('published');
  return {
    sizeBytes: number('size'),
    availableBytes: number('available'),
    published: published === undefined ? undefined : published === 1,
  };
}

/**
 * A provider of the running kernel for the peer-to-peer framework (`P2pdma.addKernelOwned`): what the kernel says of it, read
 * anew each time, and allocations from it. What could not be read counts as none.
 */
export function kernelP2pmem(tree: FileTree, provider: Bdf, root = ''): KernelP2pmem {
  const state = (): PeerMemoryState | undefined => peerMemoryState(tree, provider);
  return {
    get sizeBytes() {
      return state()?.sizeBytes ?? 0;
    },
    get availableBytes() {
      return state()?.availableBytes ?? 0;
    },
    get isPublished() {
      return state()?.published === true;
    },
    allocate: (lengthBytes) => allocatePeerMemory(tree, provider, lengthBytes, root),
  };
}

/**
 * Allocates and maps peer memory. The caller owns it and closes it.
 *
 * @param lengthBytes  rounded up to pages by the kernel; one contiguous block
 * @param root         where the tree's root lies in the file system, for tests; '' is the machine
 * @throws {MappingError} P2P_NO_SUCH_FUNCTION, P2P_NO_PROVIDER, P2P_NO_ALLOCATE, P2P_POOL_EXHAUSTED, P2P_PROVIDER_GONE,
 *         P2P_NO_PERMISSION, P2P_MAP_REFUSED
 */
export function allocatePeerMemory(tree: FileTree, provider: Bdf, lengthBytes: number, root = ''): Span {
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes <= 0) {
    throw new UsageError('USAGE_SIZE', {
      message: `peer memory of ${lengthBytes} bytes was asked for`,
      hint: 'ask for at least one page',
    });
  }
  const device = `sys/bus/pci/devices/${provider}`;
  const file = `${device}/p2pmem/allocate`;
  assertProvider(tree, provider, device, file);
  let fd: number;
  try {
    // The mode check of sysfs wants the access mode that the mapping will have.
    fd = openSync(`${root}/${file}`, 'r+');
  } catch (cause) {
    throw openError(provider, cause);
  }
  let mapping: Mapping | number;
  try {
    mapping = Mapping.ofDevice(fd, lengthBytes);
  } finally {
    // The mapping does not need the descriptor.
    closeSync(fd);
  }
  if (typeof mapping === 'number') {
    throw mapError(tree, provider, lengthBytes, -mapping);
  }
  return new LinuxSpan(mapping, lengthBytes, provider);
}

function assertProvider(tree: FileTree, provider: Bdf, device: string, file: string): void {
  if (tree.kind(device) === 'absent') {
    throw new MappingError('P2P_NO_SUCH_FUNCTION', {
      message: `${provider} is not a PCI function of this machine`,
      hint: '`peerlane topo` lists them',
      detail: { provider },
    });
  }
  if (tree.kind(`${device}/p2pmem`) === 'absent') {
    throw new MappingError('P2P_NO_PROVIDER', {
      message: `${provider} offers no peer memory (no p2pmem/ in its sysfs directory)`,
      hint: noProviderHint(tree, device),
      detail: { provider },
    });
  }
  if (tree.kind(file) === 'absent') {
    const release = kernelRelease(tree);
    throw new MappingError('P2P_NO_ALLOCATE', {
      message: `${provider} has peer memory, but Linux ${release ?? '(version unknown)'} does not let programs map it`,
      hint: 'p2pmem/allocate came with Linux 6.2',
      detail: { provider, release: release ?? null },
    });
  }
}

function noProviderHint(tree: FileTree, device: string): string {
  const driver = tree.readLink(`${device}/driver`);
  if (driver === 'absent') {
    return 'no driver is bound to it; the driver is what offers the memory';
  }
  const name = driver.slice(driver.lastIndexOf('/') + 1);
  return name === 'nvme'
    ? 'the controller needs a memory buffer (CMB) of at least 2 MiB, and the kernel CONFIG_PCI_P2PDMA; dmesg tells'
    : `its driver ${name} offers none; among Linux’ own drivers only nvme does, for a controller memory buffer`;
}

function openError(provider: Bdf, cause: unknown): MappingError {
  const code = codeOf(cause);
  if (code === 'EACCES' || code === 'EPERM') {
    return new MappingError('P2P_NO_PERMISSION', {
      message: `the peer memory of ${provider} may not be mapped: permission denied`,
      hint: 'run as root: p2pmem/allocate is open to root only',
      detail: { provider, errno: code },
      cause,
    });
  }
  return new MappingError('P2P_PROVIDER_GONE', {
    message: `the peer memory of ${provider} went away while it was opened (${code ?? String(cause)})`,
    hint: 'its driver is being unbound or the device was removed',
    detail: { provider, errno: code ?? null },
    exitStatus: 3,
    cause,
  });
}

/** The errors of mmap, in the order in which the kernel tests for them (spec p2pdma.md section 7). */
function mapError(tree: FileTree, provider: Bdf, lengthBytes: number, errno: number): MappingError {
  const name = errnoName(errno);
  const detail = { provider, askedBytes: lengthBytes, errno: name };
  if (name === 'ENOMEM') {
    const state = peerMemoryState(tree, provider);
    const rounded = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
    const isFragmented = state?.availableBytes !== undefined && state.availableBytes >= rounded;
    return new MappingError('P2P_POOL_EXHAUSTED', {
      message:
        `the peer memory of ${provider} has no free block of ${rounded} bytes: ` +
        `${state?.availableBytes ?? 'an unknown number'} of ${state?.sizeBytes ?? 'an unknown number'} bytes are free` +
        `${isFragmented ? ', but not in one piece' : ''}`,
      hint: 'a smaller --chunk or --depth needs less; the NVMe driver keeps queues there unless nvme.use_cmb_sqs=0',
      detail: {
        ...detail,
        sizeBytes: state?.sizeBytes ?? null,
        availableBytes: state?.availableBytes ?? null,
      },
    });
  }
  if (name === 'ENODEV' || name === 'ENXIO') {
    return new MappingError('P2P_PROVIDER_GONE', {
      message: `${provider} takes its peer memory back (${name})`,
      hint: 'its driver is being unbound or the device was removed',
      detail,
      exitStatus: 3,
    });
  }
  return new MappingError('P2P_MAP_REFUSED', {
    message: `the peer memory of ${provider} cannot be mapped: ${name} (${errnoMeaning(errno)})`,
    hint: 'dmesg may say more',
    detail,
  });
}
