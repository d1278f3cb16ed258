/** What translation costs: misses of the IOTLB, walks of page tables, and the cache of a device (ATS). */
import type { IommuTiming } from './platform-timing.ts';

/** Sizes of a page that one IOTLB entry can hold. */
export const IOMMU_PAGE_BYTES = { small: 4096, large: 2 * 1024 * 1024, huge: 1024 * 1024 * 1024 } as const;

/** Entries of a device's own translation cache (ATS) unless it says otherwise. [our choice of the specification] */
export const ATC_ENTRIES = 512;

/** Share of uniform random accesses to a window that find no entry, 0 to 1. */
export function iotlbMissShare(entries: number, pageBytes: number, windowBytes: number): number {
  return windowBytes <= 0 ? 0 : 1 - Math.min(1, (entries * pageBytes) / windowBytes);
}

/**
 * Walks that really run at once. Where walks below one table wait for each other (`serialTableBytes`), that is the number
 * of different tables which `walkers` random addresses of the window are expected to fall into.
 */
export function walksAtOnce(iommu: IommuTiming, walkers: number, windowBytes: number): number {
  if (iommu.serialTableBytes === 0) {
    return walkers;
  }
  const tables = Math.max(1, windowBytes / iommu.serialTableBytes);
  // m (1 - (1 - 1/m)^k) by multiplication, and a straight line for the part of a walker.
  const whole = Math.floor(walkers);
  let missed = 1;
  for (let walk = 0; walk < whole; walk += 1) {
    missed *= 1 - 1 / tables;
  }
  const found = tables * (1 - missed);
  return found + (walkers - whole) * missed;
}

/** Walkers as a machine that walks one page at a time per walker has them: 5.6 and 6.35 are both 6. */
export function wholeWalkers(walkers: number): number {
  return Math.max(1, Math.floor(walkers + 0.5));
}

export interface TranslatedAccess {
  readonly operation: 'read' | 'write';
  /** Of one request. */
  readonly sizeBytes: number;
  readonly pageBytes: number;
  /** Memory that the requests are spread over. */
  readonly windowBytes: number;
}

/** Misses a second, in thousand millions (1/ns), that page walks keep up with. */
export function walkRatePerNs(iommu: IommuTiming, access: TranslatedAccess): number {
  const walkers = access.operation === 'read' ? iommu.readWalkers : iommu.writeWalkers;
  return walksAtOnce(iommu, walkers, access.windowBytes) / iommu.walkNs;
}

/**
 * Goodput of random requests behind an IOMMU, in GB/s. A request needs at most one walk a page.
 * @param limitGBs  what device and link deliver without it
 */
export function translatedGoodputGBs(limitGBs: number, iommu: IommuTiming, access: TranslatedAccess): number {
  const miss = iotlbMissShare(iommu.entries, access.pageBytes, access.windowBytes);
  if (miss === 0) {
    return limitGBs;
  }
  const bytesPerMiss = Math.min(access.sizeBytes, access.pageBytes) / miss;
  return Math.min(limitGBs, bytesPerMiss * walkRatePerNs(iommu, access));
}
