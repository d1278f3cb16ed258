/**
 * The framework of one machine: all of Linux's include/linux/pci-p2pdma.h, over `PciFunction`s and a `Machine` that is read
 * again when somebody asks for a distance.
 *
 * A driver registers memory of its function (`addResource`), offers it (`publish`), and others find it (`findMany`),
 * allocate (`alloc`, `allocSpan`) and map it for their own function (`mapSpan`, `mapSg`). Where the kernel crashes, corrupts
 * or wraps, this throws a `MappingError` that names the case (EC-nnn). Calls for a function without a provider do what the
 * kernel's do: nothing, or NULL.
 */
import type { PciFunction, Span, Task } from '../../access/index.ts';
import { type Bdf, type BusAddr, type PhysAddr, type SeededRandom, toBdf } from '../../base/index.ts';
import type { Machine } from '../../topology/index.ts';
import { TIES_MAX } from '../find-many.ts';
import type { RuleSet } from '../rules.ts';
import type { Client } from './client.ts';
import { enableStore, ProviderAttribute, type ProviderChoice, type StoreFacts } from './enable-store.ts';
import type { KernelBehaviour } from './kernel-behaviour.ts';
import type { KernelP2pmem } from './kernel-owned.ts';
import { Mapper } from './mapper.ts';
import type { Region } from './peer-memory.ts';
import type { PeerProvider, RemovalMode } from './peer-provider.ts';
import { type PlatformFacts, X86_64 } from './platform-facts.ts';
import type { Provider } from './provider.ts';
import { ProviderTable } from './provider-table.ts';
import { refusal } from './refusal.ts';
import type { ScatterList } from './scatter-list.ts';
import type { ScatterMapping, SpanMapping } from './scatter-mapping.ts';
import { checkMmap, type MmapRequest, mmapPages, refuseReadWrite, type UserMapping } from './user-mapping.ts';
import { type DistanceOptions, type KernelLog, Verdicts } from './verdicts.ts';

export interface P2pdmaOptions {
  /** The machine as it stands. Return the same object while nothing changed: everything worked out from it is kept. */
  readonly machine: () => Machine;
  /** Rules, or the kernel release they belong to. Default: the machine's own kernel. */
  readonly rules?: RuleSet | string;
  /** Throws the dice among providers of equal distance. */
  readonly random: SeededRandom;
  readonly log?: KernelLog;
  readonly platform?: Partial<PlatformFacts>;
}

export class P2pdma {
  readonly rules: RuleSet;
  readonly behaviour: KernelBehaviour;
  readonly platform: PlatformFacts;
  readonly #random: SeededRandom;
  readonly #log: KernelLog;
  readonly #verdicts: Verdicts;
  readonly #mapper: Mapper;
  readonly #table: ProviderTable;

  constructor(options: P2pdmaOptions) {
    this.platform = { ...X86_64, ...options.platform };
    this.#random = options.random;
    this.#log = options.log ?? (() => {});
    this.#verdicts = new Verdicts({
      machine: options.machine,
      rules: options.rules,
      platform: this.platform,
      log: this.#log,
      cacheOf: (bdf) => this.#table.own.get(bdf)?.mapTypes,
    });
    this.rules = this.#verdicts.rules;
    this.behaviour = this.#verdicts.behaviour;
    this.#table = new ProviderTable(this.#verdicts, this.platform, this.#log);
    this.#mapper = new Mapper({
      verdicts: this.#verdicts,
      platform: this.platform,
      providers: () => this.#table.own.values(),
      isKernelOwned: (bdf) => this.#table.isKernelOwned(bdf),
    });
  }

  /** False: the kernel has no p2pdma (older than 4.20, or built without it), and every call is a stub. */
  get isBuilt(): boolean {
    return this.#verdicts.isBuilt;
  }

  // Registration (spec p2pdma.md section 4).

  /**
   * pci_p2pdma_add_resource(): makes part of a BAR allocatable. Does not publish it.
   *
   * May be called again for other parts or BARs. A refusal by the page map leaves a provider without memory behind, as in
   * the kernel (EC-083).
   *
   * @param sizeBytes  0 takes the rest of the BAR
   * @throws {MappingError} P2P_NOT_BUILT, P2P_BAR_INDEX, P2P_BAR_NOT_MEMORY, P2P_BAR_RANGE, P2P_BAR_NOT_MAPPABLE,
   *         P2P_REGION_CONFLICT, P2P_REGION_IN_RAM, P2P_REGION_OUT_OF_REACH, P2P_REGION_ALIGNMENT, P2P_NO_PAGE_MEMORY,
   *         P2P_PROVIDER_GONE while a removal runs, P2P_KERNEL_OWNED
   */
  addResource(fn: PciFunction, bar: number, sizeBytes = 0, offsetBytes = 0): Region {
    return this.#table.addResource(fn, bar, sizeBytes, offsetBytes);
  }

  /**
   * pcim_p2pdma_init() alone (6.19 and later): a provider without memory, for drivers that export BARs by other means.
   * @throws {MappingError} P2P_NOT_BUILT, P2P_BAR_NOT_MAPPABLE
   */
  initProvider(fn: PciFunction): Provider {
    return this.#table.initProvider(fn);
  }

  /** Peer memory that the running kernel owns: it can be found and allocated, nothing else. */
  addKernelOwned(bdf: Bdf, p2pmem: KernelP2pmem): PeerProvider {
    return this.#table.addKernelOwned(bdf, p2pmem);
  }

  /** The provider of a function; undefined when it has none, or none any more. */
  provider(bdf: Bdf): PeerProvider | undefined {
    return this.#table.get(bdf);
  }

  /** A provider whose memory is ours, with its regions, references and largest free block; undefined for the kernel's. */
  ownProvider(bdf: Bdf): Provider | undefined {
    return this.#table.own.get(bdf);
  }

  /**
   * Takes a provider away, as unbinding its driver does; `PeerProvider.remove` says how. After a surprise removal the
   * driver calls this from `PciFunction.onGone`.
   * @throws {MappingError} P2P_NO_PROVIDER, P2P_REMOVAL, P2P_KERNEL_OWNED
   */
  remove(bdf: Bdf, mode: RemovalMode): Task<void> {
    const provider = this.provider(bdf);
    if (provider === undefined) {
      throw noProvider(bdf);
    }
    return provider.remove(mode);
  }

  /** pci_p2pmem_publish(): no effect on a function that registered nothing (EC-065). */
  publish(bdf: Bdf, isPublished = true): void {
    this.provider(bdf)?.publish(isPublished);
  }

  /** pci_has_p2pmem(): looks at the flag only, not at free space. */
  isPublished(bdf: Bdf): boolean {
    return this.provider(bdf)?.isPublished ?? false;
  }

  // Verdicts and search (sections 2.9 and 2.10).

  /** pci_p2pdma_distance(). @returns -1 when refused, null when the machine does not tell */
  distance(provider: Bdf, client: Client, options?: DistanceOptions): number | null {
    return this.distanceMany(provider, [client], options);
  }

  /**
   * pci_p2pdma_distance_many(): walks, whatever was cached, and caches what it finds.
   * @throws {TopologyError} TOPO_UNKNOWN_BDF
   */
  distanceMany(provider: Bdf, clients: readonly Client[], options?: DistanceOptions): number | null {
    return this.#verdicts.distanceMany(provider, clients, options);
  }

  /**
   * pci_p2pmem_find_many(): the nearest published provider; dice among equals, of which 512 are kept. Neither space nor
   * bandwidth nor map type counts. One whose distance is not known is passed over: mapping it would be refused.
   */
  findMany(clients: readonly Client[]): PeerProvider | null {
    if (!this.isBuilt) {
      return null;
    }
    const index = this.#verdicts.reread();
    let closest = Number.POSITIVE_INFINITY;
    let nearest: PeerProvider[] = [];
    for (const { bdf } of index.machine.functions) {
      const provider = this.provider(bdf);
      if (provider?.isPublished !== true) {
        continue;
      }
      const distance = this.#verdicts.distanceMany(bdf, clients, { isVerbose: false }, index);
      if (distance === null || distance < 0 || distance > closest) {
        continue;
      }
      if (distance < closest) {
        closest = distance;
        nearest = [];
      }
      if (nearest.length < TIES_MAX) {
        nearest.push(provider);
      }
    }
    return nearest.length === 0 ? null : this.#random.pick(nearest);
  }

  /** pci_p2pmem_find(). */
  find(client: Client): PeerProvider | null {
    return this.findMany([client]);
  }

  // Allocation (section 5), by function as in the kernel; `PeerProvider` says what each does.

  alloc(bdf: Bdf, lengthBytes: number): PhysAddr | null {
    return this.provider(bdf)?.alloc(lengthBytes) ?? null;
  }

  free(bdf: Bdf, address: PhysAddr, lengthBytes: number): void {
    const provider = this.provider(bdf);
    if (provider === undefined) {
      throw refusal('P2P_NO_PROVIDER', {
        message: `${bdf} offers no peer memory that could be freed`,
        hint: 'free before the provider is removed',
        kernel: 'NULL dereference',
        edgeCase: 'EC-099',
        detail: { provider: bdf, address, lengthBytes },
      });
    }
    provider.free(address, lengthBytes);
  }

  virtToBus(bdf: Bdf, address: PhysAddr | null): BusAddr {
    return this.provider(bdf)?.virtToBus(address) ?? (0 as BusAddr);
  }

  allocSgl(bdf: Bdf, lengthBytes: number): ScatterList | null {
    return this.provider(bdf)?.allocSgl(lengthBytes) ?? null;
  }

  /** @throws {MappingError} P2P_NO_PROVIDER, P2P_POOL_EXHAUSTED, P2P_PROVIDER_GONE */
  allocSpan(bdf: Bdf, lengthBytes: number): Span {
    const provider = this.provider(bdf);
    if (provider === undefined) {
      throw noProvider(bdf);
    }
    return provider.allocSpan(lengthBytes);
  }

  // Mapping (section 6).

  /**
   * dma_map_sgtable(): addresses for a client, entry by entry; all or nothing.
   *
   * @throws {MappingError} P2P_NO_ROUTE, P2P_ROUTE_UNKNOWN, P2P_CLIENT_NOT_PCI, P2P_NOT_ALLOCATED, P2P_REVOKED,
   *         P2P_BEYOND_MASK, P2P_PROVIDER_GONE, P2P_BAR_MOVED, P2P_CLIENT_DMA_OPS, P2P_BOUNCED, P2P_KERNEL_OWNED,
   *         P2P_FOREIGN_SPAN; on old kernels P2P_MIXED_LIST, P2P_COLD_CACHE, P2P_BUS_OFFSET
   */
  mapSg(list: ScatterList, client: Client): ScatterMapping {
    return this.#mapper.mapSg(list, client);
  }

  /** The whole of a span for a client, host memory too. Mapped once, however many ask. Errors as `mapSg`. */
  mapSpan(span: Span, client: PciFunction): SpanMapping {
    return this.#mapper.mapSpan(span, client);
  }

  /** dma_pci_p2pdma_supported(): may peer pages be handed to this client at all. */
  supportsPeerPages(client: Bdf): boolean {
    return this.isBuilt && this.#mapper.supportsPeerPages(client);
  }

  // User space (section 7) and configfs (section 10).

  /** mmap of `p2pmem/allocate`. @throws {MappingError} P2P_NO_ALLOCATE, P2P_NO_PROVIDER, P2P_NO_PERMISSION, P2P_ALLOCATE_USE, P2P_POOL_EXHAUSTED, P2P_PROVIDER_GONE, P2P_KERNEL_OWNED */
  mmap(bdf: Bdf, request: MmapRequest): UserMapping {
    this.#table.needOwn(bdf, 'mmap');
    const provider = this.#table.own.get(bdf);
    checkMmap(provider, bdf, this.behaviour, request, this.#log);
    return mmapPages(provider, request);
  }

  /** read(2) or write(2) of `p2pmem/allocate`. @throws {MappingError} P2P_ALLOCATE_USE, always */
  readAllocate(bdf: Bdf): never {
    return refuseReadWrite(bdf);
  }

  /** @throws {MappingError} P2P_STORE_NOT_PUBLISHED, P2P_STORE_NO_DEVICE */
  enableStore(text: string): ProviderChoice {
    return enableStore(text, this.#storeFacts());
  }

  /** A `p2pmem` attribute, as each port of an NVMe target has. */
  attribute(): ProviderAttribute {
    return new ProviderAttribute(() => this.#storeFacts());
  }

  #storeFacts(): StoreFacts {
    const index = this.#verdicts.reread();
    return {
      behaviour: this.behaviour,
      isBuilt: this.isBuilt,
      // The whole name and nothing but the name: `03:00.0` and capitals are no device of Linux.
      functionNamed: (name) => (toBdf(name) === name ? index.find(name as Bdf)?.bdf : undefined),
      isPublished: (bdf) => this.isPublished(bdf),
      log: this.#log,
    };
  }
}

function noProvider(bdf: Bdf): Error {
  return refusal('P2P_NO_PROVIDER', {
    message: `${bdf} offers no peer memory`,
    hint: 'its driver must register some',
    detail: { provider: bdf },
  });
}
