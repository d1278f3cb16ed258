/**
 * Why a mapping is refused (spec p2pdma.md section 6): tests that need nothing of the mapper's state, and the errors of those
 * that do.
 */
import type { PciFunction, Span } from '../../access/index.ts';
import { type Bdf, PeerlaneError } from '../../base/index.ts';
import type { MapType } from '../verdict.ts';
import { type Client, nameOf } from './client.ts';
import type { KernelBehaviour } from './kernel-behaviour.ts';
import type { Region } from './peer-memory.ts';
import type { Provider } from './provider.ts';
import { hex, refusal } from './refusal.ts';

/** Where a peer address lies. */
export interface Place {
  readonly provider: Provider;
  readonly region: Region;
}

/** Before 6.0 a list is all peer memory or none, and of one provider. */
export function checkMixture(
  places: readonly (Place | null)[],
  fn: PciFunction,
  behaviour: KernelBehaviour,
): void {
  const providers = new Set(places.map((place) => place?.provider ?? null));
  const { mapsPerSegment, asksFirstElement, release } = behaviour;
  if (mapsPerSegment || providers.size < 2) {
    return;
  }
  throw refusal('P2P_MIXED_LIST', {
    message: `a list for ${fn.bdf} holds memory of ${providers.has(null) ? 'the host and of a peer' : 'several peers'}, which Linux ${release} cannot map`,
    hint: 'one list for each, or Linux 6.0 or later',
    kernel: asksFirstElement
      ? 'the first element decides for all: wrong addresses'
      : 'every element is taken for peer memory: wrong addresses',
    edgeCase: !providers.has(null) ? 'EC-126' : asksFirstElement ? 'EC-124' : 'EC-125',
    detail: { client: fn.bdf },
  });
}

/** The provider must still be there, and its memory where it was registered. */
export function checkProvider({ provider, region }: Place): void {
  if (!provider.fn.isPresent) {
    throw refusal('P2P_PROVIDER_GONE', {
      message: `${provider.bdf} has been taken out of the machine`,
      hint: 'remove the provider; its memory cannot be reached any more',
      kernel: 'maps it all the same; requests end in Unsupported Request or a time-out',
      edgeCase: 'EC-182',
      detail: { provider: provider.bdf },
    });
  }
  const window = provider.fn.bar(region.bar);
  if (window === undefined || window.physAddr + region.offsetBytes !== region.start) {
    throw refusal('P2P_BAR_MOVED', {
      message: `BAR ${region.bar} of ${provider.bdf} is no longer where its memory was registered`,
      hint: 'remove the provider and register its memory again',
      kernel: 'is not noticed: pages and bus offset are stale',
      edgeCase: 'EC-088',
      detail: { provider: provider.bdf, bar: region.bar, registered: region.start },
    });
  }
}

/** The function itself, as its driver holds it. */
export function clientFunction(client: Client): PciFunction {
  if (typeof client !== 'string' && 'bdf' in client) {
    return client;
  }
  throw refusal('P2P_CLIENT_NOT_PCI', {
    message: `${nameOf(client)} does no DMA of its own: the PCI function itself has to be named, as its driver holds it`,
    hint: 'distance accepts a device below a function, mapping does not',
    errno: 'EREMOTEIO',
    edgeCase: 'EC-053',
    detail: { client: nameOf(client) },
  });
}

export function customDmaOps(client: Bdf, provider: Bdf): Error {
  return refusal('P2P_CLIENT_DMA_OPS', {
    message: `${client} has DMA operations of its own, which cannot map peer memory`,
    hint: 'direct DMA or an IOMMU driver of the kernel is needed (no Xen, no software device)',
    errno: 'EREMOTEIO',
    edgeCase: 'EC-138',
    detail: { client, provider },
  });
}

export function bounced(client: Bdf, provider: Bdf, behaviour: KernelBehaviour): Error {
  return refusal('P2P_BOUNCED', {
    message: `every DMA of ${client} goes through bounce buffers, so it cannot reach ${provider} directly`,
    hint: 'boot without swiotlb=force; encrypted guests cannot',
    ...(behaviour.bouncesPeerPages
      ? { kernel: 'the CPU copies between the BAR and host memory' }
      : { errno: 'EIO' as const }),
    edgeCase: 'EC-133',
    detail: { client, provider },
  });
}

export function foreignSpan(span: Span, isKernelOwned: (bdf: Bdf) => boolean): Error {
  if (span.provider !== null && isKernelOwned(span.provider)) {
    return refusal('P2P_KERNEL_OWNED', {
      message: `memory of ${span.provider} belongs to the kernel, which maps it itself when a request is made`,
      hint: 'hand the span to a target that uses the kernel (O_DIRECT)',
      detail: { provider: span.provider },
    });
  }
  return refusal('P2P_FOREIGN_SPAN', {
    message: `peer memory of ${span.provider ?? 'nobody'} was not allocated here`,
    hint: 'allocate it at a provider of this machine',
    detail: { provider: span.provider },
  });
}

export function coldCache(provider: Bdf, client: Bdf, behaviour: KernelBehaviour): Error {
  return refusal('P2P_COLD_CACHE', {
    message: `nobody has asked yet whether ${client} may reach ${provider}, and Linux ${behaviour.release} does not do so when mapping`,
    hint: 'ask for the distance before mapping',
    kernel: 'WARN, 0 entries mapped',
    edgeCase: 'EC-127',
    detail: { provider, client },
  });
}

export function wrongBusOffset(
  provider: Bdf,
  client: Bdf,
  offset: number,
  behaviour: KernelBehaviour,
): Error {
  return refusal('P2P_BUS_OFFSET', {
    message: `the host bridge above ${provider} translates addresses, and Linux ${behaviour.release} gets the bus address wrong`,
    hint: 'Linux 5.16.10 or later; or ask for the kernel’s address with wrongBusOffset: reproduce',
    kernel: 'physical - offset: wrong by twice the offset',
    edgeCase: 'EC-089',
    detail: { provider, client, offset },
  });
}

/** The kernel does not test a bus address against the mask. */
export function beyondMaskDirect(provider: Bdf, fn: PciFunction, last: number): Error {
  return refusal('P2P_BEYOND_MASK', {
    message: `${fn.bdf} can address ${fn.dma.addressBits} bits, the memory of ${provider} ends at ${hex(last)}`,
    hint: 'place the BAR lower, or use a device that addresses 64 bits',
    kernel: 'is not checked: the device goes somewhere else',
    edgeCase: 'EC-131',
    detail: { provider, client: fn.bdf, addressBits: fn.dma.addressBits },
  });
}

/** What a DMA view says of an address that its function cannot have; the kernels differ in what they do then. */
export function beyondMask(error: unknown, region: Region, fn: PciFunction): unknown {
  if (!(error instanceof PeerlaneError) || error.code !== 'DMA_MASK') {
    return error;
  }
  return refusal('P2P_BEYOND_MASK', {
    message: `${fn.bdf} cannot address the memory of ${region.provider} through the host bridge`,
    hint: 'place the BAR lower, use an IOMMU that translates, or a device that addresses 64 bits',
    errno: 'EIO',
    kernel:
      'from about 7.1 on the CPU copies between the BAR and host memory where bounce buffers are active',
    edgeCase: 'EC-132',
    detail: { provider: region.provider, client: fn.bdf, addressBits: fn.dma.addressBits },
    cause: error,
  });
}

export function noRoute(provider: Bdf, client: Bdf, mapType: MapType): Error {
  const detail = { provider, client, mapType };
  const hint = `\`peerlane check ${provider} ${client}\` tells why and what would change it`;
  return mapType === 'unknown'
    ? refusal('P2P_ROUTE_UNKNOWN', {
        message: `whether ${client} may reach ${provider} depends on something that is not known`,
        hint,
        detail,
      })
    : refusal('P2P_NO_ROUTE', {
        message: `${client} may not reach the memory of ${provider}`,
        hint,
        errno: 'EREMOTEIO',
        edgeCase: 'EC-129',
        detail,
      });
}
