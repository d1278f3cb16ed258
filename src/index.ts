/**
 * The programmatic face of the package: read a machine, ask for verdicts, explain them, run copies.
 *
 * `peerlane/topology` and `peerlane/p2pdma` are the same parts alone; `peerlane/lab` boots simulated machines. Everything else below `src/` is internal.
 */
export * from './access/index.ts';
export * from './advice/index.ts';
export * from './base/index.ts';
export * from './orchestrators/index.ts';
export * from './p2pdma/index.ts';
export * from './topology/index.ts';
