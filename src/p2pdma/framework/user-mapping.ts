/**
 * The file `p2pmem/allocate` as user space sees it: mmap, munmap of a part, fork, pins of requests in flight (spec
 * p2pdma.md sections 7 and 8). Each page goes back when its last reference does.
 *
 * Leaves out: rate limits of the log, and access by the CPU; `touch` only says whether it would fault.
 */
import type { PhysAddr } from '../../base/index.ts';
import type { KernelBehaviour } from './kernel-behaviour.ts';
import type { Provider, Revocable } from './provider.ts';
import { type Errno, hex, refusal } from './refusal.ts';
import type { PeerEntry } from './scatter-list.ts';
import type { KernelLog } from './verdicts.ts';

export interface MmapRequest {
  /** Rounded up to pages. */
  readonly lengthBytes: number;
  readonly offsetBytes?: number;
  /** MAP_PRIVATE. */
  readonly isPrivate?: boolean;
  /** The file is 0660 root:root. Default true. */
  readonly isRoot?: boolean;
  /** Name of the program, for the log. */
  readonly command?: string;
  /** Fault injection: inserting pages fails after this many. */
  readonly failInsertAfterPages?: number;
}

export interface PinOptions {
  /** FOLL_PCI_P2PDMA: the caller can deal with peer pages. Direct I/O to a queue that supports them does. */
  readonly takesPeerPages: boolean;
  /** FOLL_LONGTERM: RDMA registrations, registered buffers, VFIO. */
  readonly isLongTerm?: boolean;
}

/** Pages that a request in flight keeps, whatever becomes of the mapping. */
export interface PinnedPages {
  /** For `mapSg`. */
  readonly entries: readonly PeerEntry[];
  /** Idempotent. */
  release(): void;
}

/** Tests in the order of the kernel's. */
export function checkMmap(
  provider: Provider | undefined,
  name: string,
  behaviour: KernelBehaviour,
  request: MmapRequest,
  log: KernelLog,
): asserts provider is Provider {
  const { lengthBytes, offsetBytes = 0, isPrivate = false, isRoot = true, command = 'peerlane' } = request;
  if (!behaviour.hasAllocateFile) {
    throw refusal('P2P_NO_ALLOCATE', {
      message: `${name}: Linux ${behaviour.release} does not let programs map peer memory`,
      hint: 'p2pmem/allocate came with Linux 6.2',
      edgeCase: 'EC-112',
    });
  }
  if (provider === undefined || !provider.hasPool) {
    throw refusal('P2P_NO_PROVIDER', {
      message: `${name} offers no peer memory`,
      hint: 'its driver must register some',
      errno: 'ENODEV',
    });
  }
  if (!isRoot) {
    throw refusal('P2P_NO_PERMISSION', {
      message: `p2pmem/allocate of ${name} may not be opened`,
      hint: 'it is open to root only',
      errno: 'EACCES',
      edgeCase: 'EC-113',
    });
  }
  if (!(Number.isSafeInteger(lengthBytes) && lengthBytes > 0)) {
    throw wrongUse(name, `a mapping of ${lengthBytes} bytes`, 'EC-109', 'EINVAL');
  }
  if (isPrivate) {
    log(name, `${command}: fail, attempted private mapping`);
    throw wrongUse(name, 'a private mapping', 'EC-107', 'EINVAL');
  }
  if (offsetBytes !== 0) {
    log(name, `${command}: fail, attempted mapping with non-zero offset`);
    throw wrongUse(name, `a mapping at offset ${offsetBytes}`, 'EC-108', 'EINVAL');
  }
  if (provider.phase !== 'ready') {
    throw refusal('P2P_PROVIDER_GONE', {
      message: `${name} takes its peer memory back`,
      hint: 'its driver is being unbound or the device was removed',
      errno: 'ENODEV',
      edgeCase: 'EC-104',
    });
  }
}

/** read(2) and write(2) on the file. */
export function refuseReadWrite(name: string): never {
  throw wrongUse(name, 'reading or writing', 'EC-115', 'EIO');
}

function wrongUse(name: string, what: string, edgeCase: `EC-${string}`, errno: Errno): Error {
  return refusal('P2P_ALLOCATE_USE', {
    message: `${what} of p2pmem/allocate of ${name} is not possible`,
    hint: 'map it shared, from offset 0, with the length that is needed',
    errno,
    edgeCase,
  });
}

export class UserMapping implements Revocable {
  readonly #provider: Provider;
  /** Null where no page is mapped. */
  readonly #pages: (PhysAddr | null)[];
  #wasZapped = false;

  /** Takes over the reference of each page. Made by `mmapPages` and `fork`. */
  constructor(provider: Provider, pages: readonly (PhysAddr | null)[]) {
    this.#provider = provider;
    this.#pages = [...pages];
    provider.userMappings.add(this);
  }

  get lengthBytes(): number {
    return this.#pages.length * this.#pageBytes;
  }

  get mappedBytes(): number {
    return this.#pages.filter((page) => page !== null).length * this.#pageBytes;
  }

  /** Unmaps whole pages; those that nobody else holds are free at once. Default: everything. */
  munmap(offsetBytes = 0, lengthBytes = this.lengthBytes - offsetBytes): void {
    const first = Math.floor(offsetBytes / this.#pageBytes);
    const end = Math.min(this.#pages.length, Math.ceil((offsetBytes + lengthBytes) / this.#pageBytes));
    for (let i = first; i < end; i++) {
      const page = this.#pages[i]!;
      if (page !== null) {
        this.#pages[i] = null;
        this.#provider.memory.putPage(page);
      }
    }
    if (this.#pages.every((page) => page === null)) {
      this.#provider.userMappings.delete(this);
    }
  }

  /** The child's mapping, of the same pages. */
  fork(): UserMapping {
    for (const page of this.#pages) {
      if (page !== null) {
        this.#provider.memory.getPage(page);
      }
    }
    return new UserMapping(this.#provider, this.#pages);
  }

  /** mremap to a larger length: the new part has no pages. */
  grow(lengthBytes: number): void {
    const pages = Math.ceil(lengthBytes / this.#pageBytes);
    while (this.#pages.length < pages) {
      this.#pages.push(null);
    }
  }

  /** @throws {MappingError} P2P_FAULT where a load or store would end the program with SIGBUS */
  touch(offsetBytes: number): void {
    if ((this.#pages[Math.floor(offsetBytes / this.#pageBytes)] ?? null) === null) {
      throw refusal('P2P_FAULT', {
        message: `no page of ${this.#provider.bdf} is mapped at offset ${hex(offsetBytes)}`,
        hint: this.#wasZapped
          ? 'the provider was removed'
          : 'the mapping ends before, or this part was unmapped',
        kernel: 'SIGBUS',
        edgeCase: this.#wasZapped ? 'EC-119' : 'EC-121',
        detail: { provider: this.#provider.bdf, offsetBytes },
      });
    }
  }

  /**
   * Takes a reference on each page of a range, as a request does for its time in flight.
   * @throws {MappingError} P2P_PIN, P2P_FAULT
   */
  pin(offsetBytes: number, lengthBytes: number, options: PinOptions): PinnedPages {
    if (!options.takesPeerPages || options.isLongTerm === true) {
      const isBoth = options.takesPeerPages;
      throw refusal('P2P_PIN', {
        message: `pages of ${this.#provider.bdf} cannot be pinned ${isBoth ? 'for long' : 'by a caller that does not know peer pages'}`,
        hint: 'direct I/O to an NVMe drive can; registered buffers, RDMA regions and VFIO cannot',
        errno: isBoth ? 'EINVAL' : 'EREMOTEIO',
        edgeCase: isBoth ? 'EC-142' : options.isLongTerm === true ? 'EC-141' : 'EC-139',
        detail: { provider: this.#provider.bdf },
      });
    }
    const entries: PeerEntry[] = [];
    for (let at = offsetBytes; at < offsetBytes + lengthBytes; ) {
      this.touch(at);
      const inPage = at % this.#pageBytes;
      const take = Math.min(this.#pageBytes - inPage, offsetBytes + lengthBytes - at);
      const page = this.#pages[Math.floor(at / this.#pageBytes)]!;
      entries.push({ address: (page + inPage) as PhysAddr, lengthBytes: take });
      at += take;
    }
    const holds = entries.map((entry) => this.#provider.holdPages(entry.address, entry.lengthBytes));
    return {
      entries: joined(entries),
      release: () => {
        for (const hold of holds) {
          hold.release();
        }
      },
    };
  }

  /** For the provider: the mapping is taken away under the program's feet. */
  revoke(): void {
    this.#wasZapped = true;
    this.munmap();
    this.#provider.userMappings.delete(this);
  }

  get #pageBytes(): number {
    return this.#provider.memory.pageBytes;
  }
}

/** Allocates and inserts the pages of one mmap call. @throws {MappingError} P2P_POOL_EXHAUSTED, P2P_ALLOCATE_USE */
export function mmapPages(provider: Provider, request: MmapRequest): UserMapping {
  const { memory, bdf } = provider;
  const count = Math.ceil(request.lengthBytes / memory.pageBytes);
  const first = memory.allocPages(request.lengthBytes);
  if (first === null) {
    throw refusal('P2P_POOL_EXHAUSTED', {
      message: `the peer memory of ${bdf} has no free block of ${request.lengthBytes} bytes: ${memory.availableBytes} of ${memory.sizeBytes} bytes are free`,
      hint: 'map less at a time',
      errno: 'ENOMEM',
      edgeCase: 'EC-111',
      detail: { provider: bdf, lengthBytes: request.lengthBytes, availableBytes: memory.availableBytes },
    });
  }
  const pages = Array.from({ length: count }, (_, i) => (first + i * memory.pageBytes) as PhysAddr);
  if ((request.failInsertAfterPages ?? count) < count) {
    for (const page of pages) {
      memory.putPage(page);
    }
    throw refusal('P2P_ALLOCATE_USE', {
      message: `pages of ${bdf} could not be inserted into the mapping`,
      hint: 'there was no memory for page tables; try again',
      errno: 'ENOMEM',
      kernel: '6.2 to 6.19 leak a reference here, and unbinding hangs',
      edgeCase: 'EC-120',
      detail: { provider: bdf },
    });
  }
  return new UserMapping(provider, pages);
}

/** Neighbouring pages as one entry, as the block layer gathers them. */
function joined(entries: readonly PeerEntry[]): PeerEntry[] {
  const runs: PeerEntry[] = [];
  for (const entry of entries) {
    const last = runs.at(-1);
    if (last !== undefined && last.address + last.lengthBytes === entry.address) {
      runs[runs.length - 1] = { address: last.address, lengthBytes: last.lengthBytes + entry.lengthBytes };
    } else {
      runs.push(entry);
    }
  }
  return runs;
}
