/** What every operation gets. */
import type { DataEngine } from '../data/index.ts';
import type { ControllerServices } from '../services.ts';
import type { MediaClock } from './media-clock.ts';
import type { StagingPool } from './staging.ts';

export type IoServices = Pick<
  ControllerServices,
  | 'options'
  | 'settings'
  | 'counters'
  | 'faults'
  | 'namespace'
  | 'activeNamespaces'
  | 'complete'
  | 'media'
  | 'port'
>;

export interface IoContext {
  readonly services: IoServices;
  readonly data: DataEngine;
  readonly staging: StagingPool;
  /** MDTS in bytes; infinite for none. */
  readonly transferBytesMax: number;
  /** What waits for the media; null where they take no time. */
  readonly clock: MediaClock | null;
}

/** Whether a write may not end in a cache that loses it: only a drive with such a cache has to wait longer then. */
export function isPastCache(context: IoContext, hasFua: boolean): boolean {
  const { options, settings } = context.services;
  return options.volatileWriteCache && (hasFua || !settings.isWriteCacheOn);
}

/** Whether a write has to be durable when it completes. */
export function isDurableWrite(context: IoContext, hasFua: boolean): boolean {
  const { options, settings } = context.services;
  return hasFua || !options.volatileWriteCache || !settings.isWriteCacheOn;
}
