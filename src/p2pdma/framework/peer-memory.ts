/**
 * The memory of one provider: its regions, who holds which pages, and when the last holder is gone.
 *
 * Two kinds of holders, as in the kernel. A *block* is what `alloc` gave: it goes back whole, by exactly the address and
 * length it was given. *Pages* are what a user mapping got: each has a count of its own and goes back alone when that falls
 * to 0 (Linux drivers/pci/p2pdma.c, p2pdma_folio_free). The kernel's `free` trusts its caller and ends in a BUG or frees a
 * neighbour's pages; this one looks first and leaves everything as it was.
 */
import { ADDR_NOWHERE, type Bdf, type BusAddr, lastAddress, type PhysAddr } from '../../base/index.ts';
import { NO_PAGES, PagePool } from './page-pool.ts';
import { hex, refusal } from './refusal.ts';

/** A registered range of a BAR. */
export interface Region {
  readonly provider: Bdf;
  readonly bar: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** As the CPU sees it. */
  readonly start: PhysAddr;
  /** As it stands in the BAR. */
  readonly busStart: BusAddr;
}

interface Block {
  readonly address: number;
  /** As asked for. */
  readonly lengthBytes: number;
  /** Mappings and others that would be surprised if it went away. */
  holders: number;
}

/** Keeps memory from going back. */
export interface MemoryHold {
  /** Idempotent. */
  release(): void;
}

export class PeerMemory {
  readonly provider: Bdf;
  /** Newest first. */
  readonly regions: Region[] = [];
  /** Called whenever the last reference has gone. */
  onEmptied: () => void = () => {};
  readonly #pool: PagePool;
  readonly #blocks = new Map<number, Block>();
  /** By address of the page. */
  readonly #pageCounts = new Map<number, number>();

  constructor(provider: Bdf, pageBytes: number) {
    this.provider = provider;
    this.#pool = new PagePool(pageBytes);
  }

  get pageBytes(): number {
    return this.#pool.pageBytes;
  }

  get sizeBytes(): number {
    return this.#pool.sizeBytes;
  }

  get availableBytes(): number {
    return this.#pool.availableBytes;
  }

  get largestFreeBytes(): number {
    return this.#pool.largestFreeBytes;
  }

  /** Blocks and pages that are out. */
  get references(): number {
    return this.#blocks.size + this.#pageCounts.size;
  }

  addRegion(region: Region): void {
    this.regions.unshift(region);
    this.#pool.addChunk(region.start, region.sizeBytes);
  }

  regionOf(address: number): Region | undefined {
    return this.regions.find(
      (region) => address >= region.start && address < region.start + region.sizeBytes,
    );
  }

  /** Bus address of memory of this provider; ADDR_NOWHERE (the kernel's all ones) for anything else. */
  busAddress(address: number): BusAddr {
    const region = this.regionOf(address);
    return (region === undefined ? ADDR_NOWHERE : region.busStart + (address - region.start)) as BusAddr;
  }

  /** @returns null when there is no block of that size in one piece, and for 0 bytes */
  alloc(lengthBytes: number): PhysAddr | null {
    const address = this.#pool.alloc(lengthBytes);
    if (address === NO_PAGES) {
      return null;
    }
    this.#blocks.set(address, { address, lengthBytes, holders: 0 });
    return address as PhysAddr;
  }

  /**
   * @throws {MappingError} P2P_FOREIGN_FREE, P2P_DOUBLE_FREE, P2P_FREE_SIZE, P2P_MEMORY_IN_USE; nothing is freed then
   */
  free(address: number, lengthBytes: number): void {
    const block = this.#blocks.get(address);
    if (block === undefined) {
      throw this.#notABlock(address, lengthBytes);
    }
    const asked = this.#pagesOf(lengthBytes);
    const given = this.#pagesOf(block.lengthBytes);
    if (asked !== given) {
      const isSmaller = asked < given;
      throw refusal('P2P_FREE_SIZE', {
        message: `${lengthBytes} bytes at ${hex(address)} of ${this.provider} were to be freed, but ${block.lengthBytes} were allocated`,
        hint: 'free with the length that was allocated',
        kernel: isSmaller
          ? 'the rest leaks until the pool is destroyed, then BUG'
          : 'frees a neighbour, or BUG',
        edgeCase: isSmaller ? 'EC-097' : 'EC-098',
        detail: { provider: this.provider, address, lengthBytes, allocatedBytes: block.lengthBytes },
      });
    }
    if (block.holders > 0) {
      throw refusal('P2P_MEMORY_IN_USE', {
        message: `memory at ${hex(address)} of ${this.provider} is mapped for a device and cannot be freed`,
        hint: 'end the requests and unmap first',
        kernel: 'the device goes on reading and writing memory of the next owner',
        detail: { provider: this.provider, address, holders: block.holders },
      });
    }
    this.#blocks.delete(address);
    this.#pool.free(address, block.lengthBytes);
    this.#tellIfEmpty();
  }

  #notABlock(address: number, lengthBytes: number): Error {
    const detail = { provider: this.provider, address, lengthBytes };
    const isTaken = this.#pool.isTaken(address);
    if (isTaken === undefined) {
      return refusal('P2P_FOREIGN_FREE', {
        message: `${hex(address)} is not memory of ${this.provider}`,
        hint: 'free memory at the provider that gave it',
        kernel: 'BUG',
        edgeCase: 'EC-096',
        detail,
      });
    }
    if (!isTaken) {
      return refusal('P2P_DOUBLE_FREE', {
        message: `memory at ${hex(address)} of ${this.provider} is free already`,
        hint: 'free each block once',
        kernel: 'BUG',
        edgeCase: 'EC-095',
        detail,
      });
    }
    return refusal('P2P_FREE_SIZE', {
      message: `${hex(address)} of ${this.provider} is in use, but no block begins there`,
      hint: 'free with the address that was allocated; pages of a user mapping go back when it is unmapped',
      kernel: 'frees part of what somebody else uses',
      edgeCase: 'EC-098',
      detail,
    });
  }

  /** A block of which every page goes back alone; each page starts with one reference. */
  allocPages(lengthBytes: number): PhysAddr | null {
    const address = this.#pool.alloc(lengthBytes);
    if (address === NO_PAGES) {
      return null;
    }
    const end = address + this.#pagesOf(lengthBytes) * this.pageBytes;
    for (let page = address; page < end; page += this.pageBytes) {
      this.#pageCounts.set(page, 1);
    }
    return address as PhysAddr;
  }

  /** One more reference on a page that has one. */
  getPage(page: number): void {
    const count = this.#pageCounts.get(page);
    if (count === undefined) {
      throw this.#notHeld(page, this.pageBytes);
    }
    this.#pageCounts.set(page, count + 1);
  }

  /** The page is free when its last reference goes. */
  putPage(page: number): void {
    const count = this.#pageCounts.get(page);
    if (count === undefined) {
      // The provider was revoked meanwhile, and with it every reference.
      return;
    }
    if (count > 1) {
      this.#pageCounts.set(page, count - 1);
      return;
    }
    this.#pageCounts.delete(page);
    this.#pool.free(page, this.pageBytes);
    this.#tellIfEmpty();
  }

  /** References on a page of a user mapping; 0 when it is free or part of a block. */
  pageCount(page: number): number {
    return this.#pageCounts.get(page) ?? 0;
  }

  /**
   * Keeps a range from going back: as a whole block or part of one, or page by page.
   * @throws {MappingError} P2P_NOT_ALLOCATED when some of it is out to nobody
   */
  hold(address: number, lengthBytes: number): MemoryHold {
    const block = this.#blockAround(address, lengthBytes);
    if (block !== undefined) {
      block.holders += 1;
      return once(() => {
        block.holders -= 1;
      });
    }
    const pages = this.#heldPages(address, lengthBytes);
    for (const page of pages) {
      this.getPage(page);
    }
    return once(() => {
      for (const page of pages) {
        this.putPage(page);
      }
    });
  }

  /** Takes everything back, whoever holds it. */
  revokeAll(): void {
    for (const block of this.#blocks.values()) {
      this.#pool.free(block.address, block.lengthBytes);
    }
    this.#blocks.clear();
    for (const page of this.#pageCounts.keys()) {
      this.#pool.free(page, this.pageBytes);
    }
    this.#pageCounts.clear();
    this.#tellIfEmpty();
  }

  /** The block that holds a range. Blocks are mostly asked for by their first byte. */
  #blockAround(address: number, lengthBytes: number): Block | undefined {
    const holds = (block: Block): boolean =>
      address >= block.address &&
      address + lengthBytes <= block.address + this.#pagesOf(block.lengthBytes) * this.pageBytes;
    const exact = this.#blocks.get(address);
    if (exact !== undefined) {
      return holds(exact) ? exact : undefined;
    }
    for (const block of this.#blocks.values()) {
      if (holds(block)) {
        return block;
      }
    }
    return undefined;
  }

  #heldPages(address: number, lengthBytes: number): number[] {
    const region = this.regionOf(address);
    const last = lastAddress(address, lengthBytes);
    if (region === undefined || !(lengthBytes > 0) || last >= region.start + region.sizeBytes) {
      throw this.#notHeld(address, lengthBytes);
    }
    const pages: number[] = [];
    const first = address - ((address - region.start) % this.pageBytes);
    for (let page = first; page <= last; page += this.pageBytes) {
      if (!this.#pageCounts.has(page)) {
        throw this.#notHeld(address, lengthBytes);
      }
      pages.push(page);
    }
    return pages;
  }

  #notHeld(address: number, lengthBytes: number): Error {
    return refusal('P2P_NOT_ALLOCATED', {
      message: `${lengthBytes} bytes at ${hex(address)} of ${this.provider} are not allocated`,
      hint: 'allocate before mapping, and keep the memory until it is unmapped',
      kernel: 'maps whatever lies there',
      detail: { provider: this.provider, address, lengthBytes },
    });
  }

  #pagesOf(lengthBytes: number): number {
    return Math.ceil(lengthBytes / this.pageBytes);
  }

  #tellIfEmpty(): void {
    if (this.references === 0) {
      this.onEmptied();
    }
  }
}

function once(release: () => void): MemoryHold {
  let isHeld = true;
  return {
    release: () => {
      if (isHeld) {
        isHeld = false;
        release();
      }
    },
  };
}
