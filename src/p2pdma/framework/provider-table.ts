/**
 * Who offers memory on this machine, and how one becomes a provider: registration (spec p2pdma.md section 4) with the state
 * that its tests need.
 */
import type { PciFunction } from '../../access/index.ts';
import type { Bdf, BusAddr, PhysAddr } from '../../base/index.ts';
import { KernelOwned, type KernelP2pmem } from './kernel-owned.ts';
import type { Region } from './peer-memory.ts';
import type { PeerProvider } from './peer-provider.ts';
import type { PlatformFacts } from './platform-facts.ts';
import { Provider } from './provider.ts';
import { refusal } from './refusal.ts';
import { addedMessage, checkBarRange, checkPageMap } from './registration.ts';
import type { KernelLog, Verdicts } from './verdicts.ts';

export class ProviderTable {
  /** Those that are not gone. */
  readonly own = new Map<Bdf, Provider>();
  readonly #kernelOwned = new Map<Bdf, KernelOwned>();
  readonly #verdicts: Verdicts;
  readonly #platform: PlatformFacts;
  readonly #log: KernelLog;

  constructor(verdicts: Verdicts, platform: PlatformFacts, log: KernelLog) {
    this.#verdicts = verdicts;
    this.#platform = platform;
    this.#log = log;
  }

  get(bdf: Bdf): PeerProvider | undefined {
    return this.own.get(bdf) ?? this.#kernelOwned.get(bdf);
  }

  isKernelOwned(bdf: Bdf): boolean {
    return this.#kernelOwned.has(bdf);
  }

  addKernelOwned(bdf: Bdf, p2pmem: KernelP2pmem): PeerProvider {
    const provider = new KernelOwned(bdf, p2pmem);
    this.#kernelOwned.set(bdf, provider);
    return provider;
  }

  /** See `P2pdma.addResource`. */
  addResource(fn: PciFunction, bar: number, sizeBytes: number, offsetBytes: number): Region {
    this.#needBuilt(fn.bdf);
    const range = checkBarRange(fn, bar, sizeBytes, offsetBytes, this.#verdicts.behaviour);
    const provider = this.#providerFor(fn);
    provider.makePool();
    const region: Region = {
      provider: fn.bdf,
      bar,
      offsetBytes,
      sizeBytes: range.sizeBytes,
      start: (range.window.physAddr + offsetBytes) as PhysAddr,
      busStart: (range.window.busAddr + offsetBytes) as BusAddr,
    };
    const existing = [...this.own.values()].flatMap((one) => one.regions);
    checkPageMap(region, existing, this.#platform, this.#verdicts.behaviour);
    provider.addRegion(region);
    this.#log(fn.bdf, addedMessage(region, range.window, this.#verdicts.behaviour));
    return region;
  }

  /** See `P2pdma.initProvider`. */
  initProvider(fn: PciFunction): Provider {
    this.#needBuilt(fn.bdf);
    if (!this.#verdicts.behaviour.hasProviderRecords) {
      throw refusal('P2P_NOT_BUILT', {
        message: `Linux ${this.#verdicts.behaviour.release} has no providers without memory`,
        hint: 'Linux 6.19 or later, or register a BAR',
        errno: 'EOPNOTSUPP',
      });
    }
    return this.#providerFor(fn);
  }

  #needBuilt(bdf: Bdf): void {
    this.needOwn(bdf, 'addResource');
    if (!this.#verdicts.isBuilt) {
      throw refusal('P2P_NOT_BUILT', {
        message: `Linux ${this.#verdicts.behaviour.release} here has no peer-to-peer DMA`,
        hint: 'Linux 4.20 or later with CONFIG_PCI_P2PDMA, which needs ZONE_DEVICE and from 6.0 on 64 bits',
        errno: 'EOPNOTSUPP',
        edgeCase: this.#platform.hasZoneDevice && this.#platform.is64Bit ? 'EC-066' : 'EC-087',
        detail: { provider: bdf },
      });
    }
  }

  /** @throws {MappingError} P2P_KERNEL_OWNED */
  needOwn(bdf: Bdf, call: string): void {
    if (this.#kernelOwned.has(bdf)) {
      throw refusal('P2P_KERNEL_OWNED', {
        message: `${call}: the peer memory of ${bdf} belongs to the running kernel`,
        hint: 'allocSpan gives memory of it; all else is its driver’s',
        detail: { provider: bdf, call },
      });
    }
  }

  #providerFor(fn: PciFunction): Provider {
    const known = this.own.get(fn.bdf);
    if (known !== undefined && (known.phase !== 'ready' || known.fn !== fn)) {
      const isReplaced = known.fn !== fn;
      throw refusal('P2P_PROVIDER_GONE', {
        message: isReplaced
          ? `another function at ${fn.bdf} registered memory before`
          : `${fn.bdf} is being removed`,
        hint: isReplaced ? 'remove its provider first' : 'register again when the removal has ended',
        errno: 'ENODEV',
        detail: { provider: fn.bdf },
      });
    }
    if (known !== undefined) {
      return known;
    }
    if (this.#verdicts.behaviour.refusesUnmappableBars && this.#platform.hasUnmappableBars(fn.bdf)) {
      throw refusal('P2P_BAR_NOT_MAPPABLE', {
        message: `the BARs of ${fn.bdf} cannot be mapped`,
        hint: 'this platform flags them so; there is nothing to be done',
        errno: 'EOPNOTSUPP',
        edgeCase: 'EC-085',
        detail: { provider: fn.bdf },
      });
    }
    const provider = new Provider(fn, {
      pageBytes: this.#platform.pageBytes,
      slotsMax: this.#platform.mapTypeSlotsMax,
      onGone: () => this.own.delete(fn.bdf),
    });
    this.own.set(fn.bdf, provider);
    return provider;
  }
}
