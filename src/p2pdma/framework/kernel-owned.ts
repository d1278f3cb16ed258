/**
 * Peer memory that the running kernel owns (`p2pmem` of a real machine): allocation and state go through, everything that
 * needs the kernel's own structures is refused.
 */
import type { Span, Task } from '../../access/index.ts';
import type { Bdf, BusAddr, PhysAddr } from '../../base/index.ts';
import type { MemoryHold } from './peer-memory.ts';
import type { PeerProvider, ProviderPhase, RemovalMode } from './peer-provider.ts';
import { refusal } from './refusal.ts';
import type { ScatterList } from './scatter-list.ts';

/** What the real machine has to offer (`linux`): the sysfs folder `p2pmem` of one function. */
export interface KernelP2pmem {
  readonly sizeBytes: number;
  readonly availableBytes: number;
  readonly isPublished: boolean;
  /** One contiguous block, which the caller closes. @throws {MappingError} P2P_POOL_EXHAUSTED, P2P_PROVIDER_GONE ... */
  allocate(lengthBytes: number): Span;
}

export class KernelOwned implements PeerProvider {
  readonly bdf: Bdf;
  readonly #p2pmem: KernelP2pmem;

  constructor(bdf: Bdf, p2pmem: KernelP2pmem) {
    this.bdf = bdf;
    this.#p2pmem = p2pmem;
  }

  /** The kernel tells only by failing an allocation. */
  get phase(): ProviderPhase {
    return 'ready';
  }

  get sizeBytes(): number {
    return this.#p2pmem.sizeBytes;
  }

  get availableBytes(): number {
    return this.#p2pmem.availableBytes;
  }

  get isPublished(): boolean {
    return this.#p2pmem.isPublished;
  }

  allocSpan(lengthBytes: number): Span {
    return this.#p2pmem.allocate(lengthBytes);
  }

  publish(): void {
    throw this.#kernelOwned('publish');
  }

  alloc(): PhysAddr | null {
    throw this.#kernelOwned('alloc');
  }

  free(): void {
    throw this.#kernelOwned('free');
  }

  virtToBus(): BusAddr {
    throw this.#kernelOwned('virtToBus');
  }

  allocSgl(): ScatterList | null {
    throw this.#kernelOwned('allocSgl');
  }

  freeSgl(): void {
    throw this.#kernelOwned('freeSgl');
  }

  holdPages(): MemoryHold {
    throw this.#kernelOwned('holdPages');
  }

  remove(_mode: RemovalMode): Task<void> {
    throw this.#kernelOwned('remove');
  }

  #kernelOwned(call: string): Error {
    return refusal('P2P_KERNEL_OWNED', {
      message: `${call}: the peer memory of ${this.bdf} belongs to the running kernel`,
      hint: 'allocSpan gives memory of it; all else is its driver’s',
      detail: { provider: this.bdf, call },
    });
  }
}
