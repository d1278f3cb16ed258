/** The IOMMU: domains, page tables, faults, page requests. Read `iommu.ts` first. */
export * from './iommu.ts';
export { type IovaRange, IovaSpace } from './iova-space.ts';
export { IOMMU_ACCESS, IOVA_PAGE_BYTES } from './page-table.ts';
