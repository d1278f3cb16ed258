/**
 * Addresses for a client: scatter lists and whole spans, host memory and peer memory mixed (spec p2pdma.md section 6).
 *
 * Host memory goes to the client's own `dma.mapHost`. Peer memory goes by the map type of the pair: below a common bridge
 * the address of the BAR itself, past any IOMMU; through the host bridge what `dma.mapPhys` gives; otherwise it is refused,
 * and nothing of the list stays mapped. What old kernels map wrongly or unasked is refused too, with the number of the case.
 */
import type { DmaMapping, DmaSegment, PciFunction, Span } from '../../access/index.ts';
import { assert, type Bdf, type DmaAddr, lastAddress, type PhysAddr } from '../../base/index.ts';
import type { Client } from './client.ts';
import {
  beyondMask,
  beyondMaskDirect,
  bounced,
  checkMixture,
  checkProvider,
  clientFunction,
  coldCache,
  customDmaOps,
  foreignSpan,
  noRoute,
  type Place,
  wrongBusOffset,
} from './map-refusals.ts';
import type { MemoryHold } from './peer-memory.ts';
import { PeerSpan } from './peer-span.ts';
import type { PlatformFacts } from './platform-facts.ts';
import type { Provider } from './provider.ts';
import { hex, refusal } from './refusal.ts';
import {
  entryOf,
  type PeerEntry,
  type ScatterEntry,
  type ScatterList,
  type SpanEntry,
} from './scatter-list.ts';
import { ScatterMapping, SharedMapping, SpanMapping } from './scatter-mapping.ts';
import type { Verdicts } from './verdicts.ts';

/** One entry, mapped. */
export interface MappedEntry {
  readonly mapType: 'none' | 'bus-addr' | 'thru-host-bridge';
  readonly segments: readonly DmaSegment[];
  /** Null for host memory. */
  readonly provider: Provider | null;
  unmap(): void;
}

export interface MapperParts {
  readonly verdicts: Verdicts;
  readonly platform: PlatformFacts;
  /** Every provider that is not gone. */
  readonly providers: () => Iterable<Provider>;
  /** The kernel owns this function's peer memory. */
  readonly isKernelOwned: (bdf: Bdf) => boolean;
}

export class Mapper {
  readonly #verdicts: Verdicts;
  readonly #platform: PlatformFacts;
  readonly #providers: () => Iterable<Provider>;
  readonly #isKernelOwned: (bdf: Bdf) => boolean;
  readonly #spans = new WeakMap<Span, Map<PciFunction, SharedMapping>>();

  constructor(parts: MapperParts) {
    this.#verdicts = parts.verdicts;
    this.#platform = parts.platform;
    this.#providers = parts.providers;
    this.#isKernelOwned = parts.isKernelOwned;
  }

  /** dma_map_sgtable(). Either every entry is mapped or none. */
  mapSg(list: ScatterList, client: Client): ScatterMapping {
    const fn = clientFunction(client);
    const entries = list.map((entry) => this.#plainEntry(entry));
    const places = entries.map((entry) => ('address' in entry ? this.#placeOf(entry) : null));
    checkMixture(places, fn, this.#verdicts.behaviour);
    const mapped: MappedEntry[] = [];
    try {
      entries.forEach((entry, i) => {
        const place = places[i]!;
        mapped.push(
          place === null
            ? mapHostEntry(entry as SpanEntry, fn)
            : this.#mapPeer(entry as PeerEntry, place, fn),
        );
      });
    } catch (error) {
      for (const entry of mapped.reverse()) {
        entry.unmap();
      }
      throw error;
    }
    return new ScatterMapping(mapped);
  }

  /** The whole of a span, mapped once for each client however many ask. */
  mapSpan(span: Span, client: PciFunction): SpanMapping {
    let byClient = this.#spans.get(span);
    if (byClient === undefined) {
      byClient = new Map();
      this.#spans.set(span, byClient);
    }
    let shared = byClient.get(client);
    if (shared === undefined) {
      const clients = byClient;
      shared = new SharedMapping(this.mapSg([entryOf(span)], client), () => clients.delete(client));
      byClient.set(client, shared);
    }
    return new SpanMapping(shared);
  }

  /** Spans become addresses, and those that are not ours are refused. */
  #plainEntry(entry: ScatterEntry): ScatterEntry {
    if ('address' in entry) {
      return entry;
    }
    const { span, offsetBytes, lengthBytes } = entry;
    assert(
      offsetBytes >= 0 && lengthBytes > 0 && offsetBytes + lengthBytes <= span.lengthBytes,
      'past a span',
      {
        offsetBytes,
        lengthBytes,
      },
    );
    if (span.kind === 'host') {
      return entry;
    }
    if (!(span instanceof PeerSpan)) {
      throw foreignSpan(span, this.#isKernelOwned);
    }
    if (!span.isOpen) {
      throw refusal(span.isRevoked ? 'P2P_REVOKED' : 'P2P_NOT_ALLOCATED', {
        message: `memory of ${span.provider} was ${span.isRevoked ? 'taken back by its provider' : 'closed by its holder'}`,
        hint: 'allocate again, at another provider if this one is gone',
        detail: { provider: span.provider },
      });
    }
    if (![...this.#providers()].some((provider) => provider === span.owner)) {
      throw foreignSpan(span, this.#isKernelOwned);
    }
    return { address: (span.address + offsetBytes) as PhysAddr, lengthBytes };
  }

  #placeOf(entry: PeerEntry): Place {
    for (const provider of this.#providers()) {
      const region = provider.memory.regionOf(entry.address);
      if (region !== undefined) {
        return { provider, region };
      }
    }
    throw refusal('P2P_NOT_ALLOCATED', {
      message: `${hex(entry.address)} is no memory of any provider`,
      hint: 'map what a provider gave, before that provider is removed',
      errno: 'EREMOTEIO',
      detail: { address: entry.address },
    });
  }

  #mapPeer(entry: PeerEntry, place: Place, fn: PciFunction): MappedEntry {
    const { provider, region } = place;
    checkProvider(place);
    if (!this.supportsPeerPages(fn.bdf)) {
      throw customDmaOps(fn.bdf, provider.bdf);
    }
    if (this.#platform.bouncesAll) {
      throw bounced(fn.bdf, provider.bdf, this.#verdicts.behaviour);
    }
    const mapType = this.#routeOf(provider, fn);
    const hold = provider.holdPages(entry.address, entry.lengthBytes);
    try {
      return mapType === 'bus-addr'
        ? this.#byBusAddress(entry, place, fn, hold)
        : throughHostBridge(entry, provider, fn, hold);
    } catch (error) {
      hold.release();
      throw beyondMask(error, region, fn);
    }
  }

  /** dma_pci_p2pdma_supported(). */
  supportsPeerPages(client: Bdf): boolean {
    return !this.#platform.hasCustomDmaOps(client);
  }

  #routeOf(provider: Provider, fn: PciFunction): 'bus-addr' | 'thru-host-bridge' {
    const { behaviour } = this.#verdicts;
    const kept = this.#verdicts.cachedMapType(provider.bdf, fn.bdf);
    // An open question is asked again where mapping may ask at all.
    const cached = kept === 'unknown' && behaviour.mapsPerSegment ? undefined : kept;
    if (cached === undefined && behaviour.asksFirstElement && !behaviour.mapsPerSegment) {
      throw coldCache(provider.bdf, fn.bdf, behaviour);
    }
    const mapType = cached ?? this.#verdicts.walkMapType(provider.bdf, fn.bdf);
    if (mapType === 'not-supported' || mapType === 'unknown') {
      throw noRoute(provider.bdf, fn.bdf, mapType);
    }
    // Until 5.3 there was one way to map, also for what was accepted through the root complex.
    return behaviour.asksFirstElement ? mapType : 'bus-addr';
  }

  #byBusAddress(
    entry: PeerEntry,
    { provider, region }: Place,
    fn: PciFunction,
    hold: MemoryHold,
  ): MappedEntry {
    const offset = region.busStart - region.start;
    const isWrong = offset !== 0 && !this.#verdicts.behaviour.addsBusOffset;
    if (isWrong && this.#platform.wrongBusOffset === 'refuse') {
      throw wrongBusOffset(provider.bdf, fn.bdf, offset, this.#verdicts.behaviour);
    }
    const addr = (isWrong ? entry.address - offset : entry.address + offset) as DmaAddr;
    const last = lastAddress(addr, entry.lengthBytes);
    if (last >= 2 ** fn.dma.addressBits) {
      throw beyondMaskDirect(provider.bdf, fn, last);
    }
    return {
      mapType: 'bus-addr',
      segments: [{ addr, lengthBytes: entry.lengthBytes }],
      provider,
      unmap: () => hold.release(),
    };
  }
}

function mapHostEntry(entry: SpanEntry, fn: PciFunction): MappedEntry {
  return asEntry('none', fn.dma.mapHost(entry.span, entry.offsetBytes, entry.lengthBytes), null);
}

function throughHostBridge(
  entry: PeerEntry,
  provider: Provider,
  fn: PciFunction,
  hold: MemoryHold,
): MappedEntry {
  return asEntry('thru-host-bridge', fn.dma.mapPhys(entry.address, entry.lengthBytes), provider, hold);
}

function asEntry(
  mapType: 'none' | 'thru-host-bridge',
  mapping: DmaMapping,
  provider: Provider | null,
  hold?: MemoryHold,
): MappedEntry {
  return {
    mapType,
    segments: mapping.segments,
    provider,
    unmap: () => {
      mapping.unmap();
      hold?.release();
    },
  };
}
