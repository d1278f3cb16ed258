/** What a provider of peer memory can do. Ours (`Provider`) does all of it; the kernel's own (`KernelOwned`) a part. */
import type { Span, Task } from '../../access/index.ts';
import type { Bdf, BusAddr, PhysAddr } from '../../base/index.ts';
import type { MemoryHold } from './peer-memory.ts';
import type { ScatterList } from './scatter-list.ts';

/** `ready`: allocates. `dying`: allocates no more, memory is still out. `gone`: removed. */
export type ProviderPhase = 'ready' | 'dying' | 'gone';

/** What becomes of memory that is in use when its provider goes: wait until it is given back, or take it. */
export type RemovalMode = 'wait' | 'revoke';

export interface PeerProvider {
  readonly bdf: Bdf;
  readonly phase: ProviderPhase;
  /** `size`, `available` and `published` of the p2pmem folder in sysfs. */
  readonly sizeBytes: number;
  readonly availableBytes: number;
  readonly isPublished: boolean;

  /**
   * Memory as a span, which its holder closes. Not cleared: it holds what somebody left there (EC-106).
   * @throws {MappingError} P2P_POOL_EXHAUSTED, P2P_PROVIDER_GONE
   */
  allocSpan(lengthBytes: number): Span;

  // What follows throws P2P_KERNEL_OWNED where the kernel owns the memory.

  /** Offers the memory to whoever searches. Gates nothing else: not allocation, mapping or distance. */
  publish(isPublished: boolean): void;
  /**
   * pci_alloc_p2pmem(): one block of whole pages; newest region first, first fit.
   * @returns null for 0 bytes, when there is no such block, and while the provider is removed
   * @throws {MappingError} P2P_NO_POOL
   */
  alloc(lengthBytes: number): PhysAddr | null;
  /**
   * pci_free_p2pmem().
   * @throws {MappingError} P2P_DOUBLE_FREE, P2P_FOREIGN_FREE, P2P_FREE_SIZE, P2P_MEMORY_IN_USE, P2P_PROVIDER_GONE;
   *         nothing is freed then
   */
  free(address: PhysAddr, lengthBytes: number): void;
  /** pci_p2pmem_virt_to_bus(): 0 for null, ADDR_NOWHERE for what is not this provider's. */
  virtToBus(address: PhysAddr | null): BusAddr;
  /** pci_p2pmem_alloc_sgl(): one entry in one piece. @throws {MappingError} P2P_SGL_LENGTH from 4 GiB on */
  allocSgl(lengthBytes: number): ScatterList | null;
  freeSgl(list: ScatterList): void;
  /**
   * get_page and put_page on a range that is allocated: nothing of it goes back before it is released, page by page for
   * memory of a user mapping, as a whole for a block. Mapping does this itself.
   * @throws {MappingError} P2P_NOT_ALLOCATED
   */
  holdPages(address: PhysAddr, lengthBytes: number): MemoryHold;
  /**
   * Takes the provider away. Begins at once: allocations fail and user mappings end before this returns. The task ends when
   * the last reference is gone; with `revoke` every holder is told and everything is taken, so that is at once.
   * A removal that waits can be turned into one that revokes.
   * @throws {MappingError} P2P_REMOVAL
   */
  remove(mode: RemovalMode): Task<void>;
}
