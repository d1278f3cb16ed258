/**
 * Verdicts made useful: every reason with its evidence and a hint, the way with its links and what they deliver, what to
 * change and what that costs, what is wrong with the boot options, and what changed between two readings.
 *
 * Leaves out on purpose: the verdicts themselves (`p2pdma`), rendering (`cli`), and doing anything: plans are printed, not
 * applied. Nothing here claims what the input does not say: an unknown register gives no reason but ACS_UNKNOWN.
 *
 * Codes and hints are explained in docs/verdict-codes.md, the forms of a fix in docs/fixes.md. Read `explain-pair.ts` first.
 */
export * from './acs-at-boot.ts';
export * from './boot-loader.ts';
export * from './diff.ts';
export * from './diff-machine.ts';
export { explainPair, explainVerdict, type PairExplanation, reasonsOf } from './explain-pair.ts';
export * from './fix-pair.ts';
export * from './fix-plan.ts';
export { type GroupMerge, type IsolationGroups, isolationGroups, mergesBetween } from './isolation-groups.ts';
export * from './letters.ts';
export * from './lint.ts';
export * from './lint-findings.ts';
export type { LinkOnPath, PayloadSizes } from './path-links.ts';
export * from './predict.ts';
export type { BouncedPrediction } from './predict-bounced.ts';
export * from './predict-facts.ts';
export type { PredictedTerm } from './predict-terms.ts';
export * from './reason-codes.ts';
