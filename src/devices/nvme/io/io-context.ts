/** What every operation gets. */
import type { DataEngine } from '../data/index.ts';
import type { ControllerServices } from '../services.ts';
import type { StagingPool } from './staging.ts';

export type IoServices = Pick<
  ControllerServices,
  'options' | 'settings' | 'counters' | 'faults' | 'namespace' | 'activeNamespaces' | 'complete'
>;

export interface IoContext {
  readonly services: IoServices;
  readonly data: DataEngine;
  readonly staging: StagingPool;
  /** MDTS in bytes; infinite for none. */
  readonly transferBytesMax: number;
}

/** Whether a write has to be durable when it completes. */
export function isDurableWrite(context: IoContext, hasFua: boolean): boolean {
  const { options, settings } = context.services;
  return hasFua || !options.volatileWriteCache || !settings.isWriteCacheOn;
}
