/** What the framework has to know of the computer and of its kernel's build, beyond the version. Defaults: x86-64, 4 KiB pages. */
import type { Bdf } from '../../base/index.ts';

export interface AddressSpan {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

export interface PlatformFacts {
  /** Power of two. */
  readonly pageBytes: number;
  /** SECTION_SIZE: what a region was widened to before 5.3. 128 MiB; 512 MiB on arm64 with 64 KiB pages. */
  readonly sectionBytes: number;
  /** What start and size of a region must be multiples of from 5.3 on. 2 MiB; up to 16 MiB on powerpc. */
  readonly subsectionBytes: number;
  /** sizeof(struct page). */
  readonly pageStructBytes: number;
  /** Memory of the machine that struct pages may take; null: enough. Provider memory costs 1/64 of its size. */
  readonly pageStructBudgetBytes: number | null;
  /** First address beyond what can be hot-plugged (MAX_PHYSMEM_BITS; 46 bits on x86-64 with four levels). */
  readonly physLimit: number;
  /** System memory. */
  readonly ram: readonly AddressSpan[];
  readonly is64Bit: boolean;
  /** CONFIG_ZONE_DEVICE with memory hot-plug and the sparse vmemmap. */
  readonly hasZoneDevice: boolean;
  /** Every DMA goes through bounce buffers: swiotlb=force, or a guest with encrypted memory. */
  readonly bouncesAll: boolean;
  /** The function's DMA goes through operations of its own (Xen, s390), which know nothing of peer memory. */
  readonly hasCustomDmaOps: (client: Bdf) => boolean;
  /** The function is flagged as having BARs that cannot be mapped (some on s390). */
  readonly hasUnmappableBars: (provider: Bdf) => boolean;
  /** Map types that a provider's cache takes before storing fails for lack of memory. */
  readonly mapTypeSlotsMax: number;
  /**
   * Up to 5.15 the kernel subtracts the bus offset where it should add it. `refuse`: mapping ends in an error where that
   * matters. `reproduce`: the wrong address is handed out, for those who want to see what it does.
   */
  readonly wrongBusOffset: 'refuse' | 'reproduce';
}

const MIB = 2 ** 20;

export const X86_64: PlatformFacts = {
  pageBytes: 4096,
  sectionBytes: 128 * MIB,
  subsectionBytes: 2 * MIB,
  pageStructBytes: 64,
  pageStructBudgetBytes: null,
  physLimit: 2 ** 46,
  ram: [],
  is64Bit: true,
  hasZoneDevice: true,
  bouncesAll: false,
  hasCustomDmaOps: () => false,
  hasUnmappableBars: () => false,
  mapTypeSlotsMax: Number.MAX_SAFE_INTEGER,
  wrongBusOffset: 'refuse',
};
