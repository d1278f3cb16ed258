/**
 * The NVMe-oF target: subsystems, namespaces, ports and hosts, independent of how capsules travel and of what is behind a
 * namespace.
 *
 * Transports implement `TransportQueue` (`transport.ts`: read it first), backends are `BlockTarget`s with the memory that they reach
 * (`backend.ts`). Left out on purpose: sockets and TLS (`serve`), opening files and devices (`linux`, `cli`), metadata and
 * protection information, zoned namespaces, passthrough.
 */
export * from './backend.ts';
export * from './config/defaults.ts';
export * from './config/model.ts';
export { readConfig } from './config/read.ts';
export { writeConfig } from './config/write.ts';
export { Controller } from './controller.ts';
export { identifierBytes, identifierText, isIdentifier, isNqn, stableIdentifier } from './identifiers.ts';
export { ByteSpan, PooledMemory, type SpanMemory } from './memory.ts';
export { MemoryTarget, type MemoryTargetOptions } from './memory-target.ts';
export { type NamespaceCounters, TargetNamespace } from './namespace.ts';
export { TargetPort } from './port.ts';
export { TargetQueue } from './queue.ts';
export { STAGE, TargetRequest } from './request.ts';
export {
  ACCESS,
  type PersistentReservations,
  type ReservationNotice,
  type ReservationResult,
  type ReservationStore,
  Reservations,
} from './reservations.ts';
export { Subsystem } from './subsystem.ts';
export { type LogLevel, Target, type TargetOptions } from './target.ts';
export * from './transport.ts';
