/**
 * NVM Express as tables: properties, queue entries and commands, status codes, identify data, features, log pages.
 *
 * Leaves out on purpose: any behaviour (the controller model and the host driver both read these tables and share nothing
 * else), NVMe over Fabrics, the zoned and key-value command sets. Follows NVM Express Base 2.1, NVM Command Set 1.1 and
 * NVMe over PCIe Transport 1.1; section numbers stand beside each table. Read `registers.ts` first, then `command.ts`.
 */
export * from './admin-commands.ts';
export * from './byte-run.ts';
export * from './command.ts';
export * from './controller-memory.ts';
export * from './events.ts';
export * from './features.ts';
export * from './identify.ts';
export * from './identify-controller.ts';
export * from './identify-namespace.ts';
export * from './io-commands.ts';
export * from './log-pages.ts';
export * from './logs.ts';
export * from './logs-health.ts';
export * from './opcodes.ts';
export * from './protection.ts';
export * from './registers.ts';
export * from './reservations.ts';
export * from './status.ts';
export * from './status-meanings.ts';
