/**
 * From what a reader found to a whole machine: parents, host bridges, VFs, order and gaps are worked out in one place, so
 * that every reader gives the same tree for the same machine. Read `machine-draft.ts` first, then `assemble.ts`.
 */
export { assembleMachine } from './assemble.ts';
export { hostBridgeKey, hostBridgeKeyOf, someHostBridgeKey } from './host-bridges.ts';
export type { FunctionDraft, HostBridgeDraft, MachineDraft, SriovLayout } from './machine-draft.ts';
