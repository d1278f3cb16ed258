/**
 * The framework: peer memory of functions that we drive ourselves, from registration to removal. Read `p2pdma.ts` first, then
 * `provider.ts` and `mapper.ts`; `docs/framework.md` has an example.
 */
export type { Client, DeviceNode } from './client.ts';
export {
  enableShow,
  enableStore,
  ProviderAttribute,
  type ProviderChoice,
  type StoreFacts,
} from './enable-store.ts';
export { type ChangeName, type KernelBehaviour, kernelBehaviour } from './kernel-behaviour.ts';
export { KernelOwned, type KernelP2pmem } from './kernel-owned.ts';
export type { MappedEntry } from './mapper.ts';
export { type CmbFacts, type CmbPlan, type CmbRegisters, nvmeCmbPlan, writesCre } from './nvme-cmb-plan.ts';
export { P2pdma, type P2pdmaOptions } from './p2pdma.ts';
export { NO_PAGES, PagePool } from './page-pool.ts';
export type { MemoryHold, Region } from './peer-memory.ts';
export type { PeerProvider, ProviderPhase, RemovalMode } from './peer-provider.ts';
export { PeerSpan, type SpanOwner } from './peer-span.ts';
export { type AddressSpan, type PlatformFacts, X86_64 } from './platform-facts.ts';
export { Provider } from './provider.ts';
export type { EdgeCase, Errno } from './refusal.ts';
export { pageStructBytes } from './registration.ts';
export {
  entryOf,
  type PeerEntry,
  type ScatterEntry,
  type ScatterList,
  type SpanEntry,
} from './scatter-list.ts';
export { ScatterMapping, SpanMapping } from './scatter-mapping.ts';
export { type MmapRequest, type PinnedPages, type PinOptions, UserMapping } from './user-mapping.ts';
export type { DistanceOptions, KernelLog } from './verdicts.ts';
