/**
 * A function that offers memory: what pci-p2pdma.h lets its driver do with it, from registration to removal (spec
 * p2pdma.md sections 4, 5 and 9).
 *
 * Leaves out: who may reach it (`Verdicts`), addresses for clients (`Mapper`), and mappings of user space
 * (`UserMapping`, which uses the pages kept here).
 */
import { Delivery, type PciFunction, type Task } from '../../access/index.ts';
import { ADDR_NOWHERE, type Bdf, type BusAddr, type PhysAddr } from '../../base/index.ts';
import { type MemoryHold, PeerMemory, type Region } from './peer-memory.ts';
import type { PeerProvider, ProviderPhase, RemovalMode } from './peer-provider.ts';
import { PeerSpan } from './peer-span.ts';
import { hex, refusal } from './refusal.ts';
import { ENTRY_BYTES_MAX, type PeerEntry, type ScatterList } from './scatter-list.ts';
import { MapTypeCache } from './verdicts.ts';

/** Something that ends when the provider takes its memory back. */
export interface Revocable {
  revoke(): void;
}

export class Provider implements PeerProvider {
  readonly fn: PciFunction;
  readonly mapTypes: MapTypeCache;
  /** For the mapper and for user mappings. */
  readonly memory: PeerMemory;
  /** User mappings: they end first, before anybody is waited for. */
  readonly userMappings = new Set<Revocable>();
  /** Mappings for devices: they end on revoke only. */
  readonly deviceMappings = new Set<Revocable>();
  readonly #spans = new Set<PeerSpan>();
  /** Spans over memory of another span: they hold it and do not own it. */
  readonly #shares = new Map<PeerSpan, MemoryHold>();
  readonly #onGone: () => void;
  #hasPool = false;
  #isPublished = false;
  #phase: ProviderPhase = 'ready';
  readonly #waiting: Delivery<void>[] = [];

  constructor(fn: PciFunction, options: { pageBytes: number; slotsMax: number; onGone: () => void }) {
    this.fn = fn;
    this.mapTypes = new MapTypeCache(options.slotsMax);
    this.memory = new PeerMemory(fn.bdf, options.pageBytes);
    this.memory.onEmptied = () => this.#endWhenEmpty();
    this.#onGone = options.onGone;
  }

  get bdf(): Bdf {
    return this.fn.bdf;
  }

  get phase(): ProviderPhase {
    return this.#phase;
  }

  /** False for a provider that was made without registering memory (6.19 and later). */
  get hasPool(): boolean {
    return this.#hasPool;
  }

  get isPublished(): boolean {
    return this.#isPublished;
  }

  get sizeBytes(): number {
    return this.memory.sizeBytes;
  }

  get availableBytes(): number {
    return this.memory.availableBytes;
  }

  get largestFreeBytes(): number {
    return this.memory.largestFreeBytes;
  }

  get regions(): readonly Region[] {
    return this.memory.regions;
  }

  get references(): number {
    return this.memory.references;
  }

  /** The pool is made before the region is tested, so that one that fails leaves an empty pool behind (EC-083). */
  makePool(): void {
    this.#hasPool = true;
  }

  addRegion(region: Region): void {
    this.memory.addRegion(region);
  }

  publish(isPublished: boolean): void {
    this.#isPublished = isPublished;
  }

  alloc(lengthBytes: number): PhysAddr | null {
    if (this.#phase !== 'ready') {
      return null;
    }
    this.#needPool();
    return this.memory.alloc(lengthBytes);
  }

  free(address: PhysAddr, lengthBytes: number): void {
    if (this.#phase === 'gone') {
      throw refusal('P2P_PROVIDER_GONE', {
        message: `memory at ${hex(address)} was to be freed, but ${this.bdf} has been removed`,
        hint: 'free before the provider is removed; revoked memory need not be freed',
        kernel: 'NULL dereference',
        edgeCase: 'EC-099',
        detail: { provider: this.bdf, address, lengthBytes },
      });
    }
    this.memory.free(address, lengthBytes);
  }

  virtToBus(address: PhysAddr | null): BusAddr {
    if (address === null || this.#phase === 'gone') {
      return 0 as BusAddr;
    }
    return this.#hasPool ? this.memory.busAddress(address) : (ADDR_NOWHERE as BusAddr);
  }

  allocSgl(lengthBytes: number): ScatterList | null {
    if (lengthBytes > ENTRY_BYTES_MAX) {
      throw refusal('P2P_SGL_LENGTH', {
        message: `a scatter list of ${lengthBytes} bytes was asked for`,
        hint: 'at most 4 GiB - 1 in one list',
        kernel: 'the length is cut to 32 bits',
        edgeCase: 'EC-103',
        detail: { provider: this.bdf, lengthBytes },
      });
    }
    const address = this.alloc(lengthBytes);
    return address === null ? null : [{ address, lengthBytes }];
  }

  freeSgl(list: ScatterList): void {
    for (const entry of list) {
      this.free((entry as PeerEntry).address, entry.lengthBytes);
    }
  }

  allocSpan(lengthBytes: number): PeerSpan {
    if (this.#phase !== 'ready') {
      throw refusal('P2P_PROVIDER_GONE', {
        message: `${this.bdf} takes its peer memory back`,
        hint: 'its driver is being unbound or the device was removed',
        errno: 'ENODEV',
        edgeCase: 'EC-104',
        detail: { provider: this.bdf, phase: this.#phase },
      });
    }
    const address = this.alloc(lengthBytes);
    if (address === null) {
      const { availableBytes, largestFreeBytes } = this;
      throw refusal('P2P_POOL_EXHAUSTED', {
        message: `the peer memory of ${this.bdf} has no free block of ${lengthBytes} bytes: ${availableBytes} of ${this.sizeBytes} bytes are free, the largest block has ${largestFreeBytes}`,
        hint: 'ask for less at a time, or free some first; queues of the driver take from the same pool',
        errno: 'ENOMEM',
        detail: { provider: this.bdf, lengthBytes, availableBytes, largestFreeBytes },
      });
    }
    const span = new PeerSpan(this, address, lengthBytes);
    this.#spans.add(span);
    return span;
  }

  /** For `PeerSpan.close`. */
  release(span: PeerSpan): void {
    const hold = this.#shares.get(span);
    if (hold === undefined) {
      this.memory.free(span.address, span.lengthBytes);
    } else {
      hold.release();
      this.#shares.delete(span);
    }
    this.#spans.delete(span);
  }

  /** For `PeerSpan.share`. */
  shareSpan(of: PeerSpan, offsetBytes: number, lengthBytes: number): PeerSpan {
    const address = (of.address + offsetBytes) as PhysAddr;
    const hold = this.memory.hold(address, lengthBytes);
    const span = new PeerSpan(this, address, lengthBytes);
    this.#spans.add(span);
    this.#shares.set(span, hold);
    return span;
  }

  holdPages(address: PhysAddr, lengthBytes: number): MemoryHold {
    return this.memory.hold(address, lengthBytes);
  }

  remove(mode: RemovalMode): Task<void> {
    if (this.#phase === 'gone' || (this.#phase === 'dying' && mode === 'wait')) {
      throw refusal('P2P_REMOVAL', {
        message: `${this.bdf} ${this.#phase === 'gone' ? 'has been removed already' : 'is being removed already'}`,
        hint: 'remove once; a removal that waits can be turned into one that revokes',
        detail: { provider: this.bdf, phase: this.#phase },
      });
    }
    this.#phase = 'dying';
    for (const mapping of [...this.userMappings]) {
      mapping.revoke();
    }
    if (mode === 'revoke') {
      this.#revoke();
    }
    this.#endWhenEmpty();
    const ended = new Delivery<void>();
    if (this.phase === 'gone') {
      ended.deliver();
    } else {
      this.#waiting.push(ended);
    }
    return ended.wait();
  }

  #revoke(): void {
    for (const span of [...this.#spans]) {
      span.revoke();
    }
    this.#spans.clear();
    for (const mapping of [...this.deviceMappings]) {
      mapping.revoke();
    }
    this.memory.revokeAll();
  }

  #endWhenEmpty(): void {
    if (this.#phase === 'dying' && this.memory.references === 0) {
      this.#phase = 'gone';
      this.#isPublished = false;
      this.#onGone();
      for (const delivery of this.#waiting) {
        delivery.deliver();
      }
    }
  }

  #needPool(): void {
    if (!this.#hasPool) {
      throw refusal('P2P_NO_POOL', {
        message: `${this.bdf} is a provider without memory`,
        hint: 'its driver registered no BAR; do not publish it',
        kernel: 'NULL dereference',
        edgeCase: 'EC-058',
        detail: { provider: this.bdf },
      });
    }
  }
}
