/**
 * The commands of the NVM command set, executed on namespaces.
 *
 * Leaves out queues, fetching and completion. Follows NVM Command Set 1.1, section 3.3. Read `io-commands.ts` first, then
 * `read.ts`.
 */
export { IoCommands } from './io-commands.ts';
export type { IoServices } from './io-context.ts';
