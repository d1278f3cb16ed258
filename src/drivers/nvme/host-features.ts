/**
 * What the host wants a controller to know or do, told once after each start. None of it is essential: what the controller
 * does not take is an anomaly.
 *
 * Follows NVM Express Base 2.1, section 5.1.25.
 */
import type { Task } from '../../access/index.ts';
import {
  FEATURE,
  HBS_ACRE,
  HBS_CDFE,
  HBS_LBAFEE,
  HOST_BEHAVIOR_SUPPORT,
  INTERRUPT_COALESCING_FEATURE,
  SQE_BYTES,
  setUnsigned,
  TIMESTAMP,
  TIMESTAMP_VALUE,
} from '../../spec/nvme/index.ts';
import { type CommandResult, checkResult, statusText } from './command-result.ts';
import type { Engine } from './engine.ts';

/** Copy descriptor formats between namespaces, which need the host's leave. */
const CROSS_NAMESPACE_FORMATS = 0b1100;

/** @throws {NvmeError} only for the loss of a command */
export function* setHostFeatures(engine: Engine): Task<void> {
  const { identity, options, admin } = engine;
  const crossNamespace = identity.copyFormats & CROSS_NAMESPACE_FORMATS;
  const hasDelays = identity.retryDelaysMs.some((delay) => delay > 0);
  if (crossNamespace !== 0 || identity.hasExtendedFormats || hasDelays) {
    const data = new Uint8Array(HOST_BEHAVIOR_SUPPORT.sizeBytes);
    const view = new DataView(data.buffer);
    HBS_ACRE.ACRE.write(view, 1);
    HBS_LBAFEE.LBAFEE.write(view, identity.hasExtendedFormats ? 1 : 0);
    HBS_CDFE.setValue(view, crossNamespace);
    takeOptional(
      engine,
      yield* admin.trySetFeature(FEATURE.HOST_BEHAVIOR_SUPPORT, 0, { data }),
      'host behaviour',
    );
  }
  if (identity.hasTimestamp && options.timestampMs !== undefined) {
    const data = new Uint8Array(TIMESTAMP.sizeBytes);
    setUnsigned(TIMESTAMP_VALUE, new DataView(data.buffer), Math.max(0, Math.floor(options.timestampMs)));
    takeOptional(engine, yield* admin.trySetFeature(FEATURE.TIMESTAMP, 0, { data }), 'the timestamp');
  }
  if (identity.hasVolatileWriteCache && options.volatileWriteCache !== undefined) {
    const enable = options.volatileWriteCache ? 1 : 0;
    takeOptional(engine, yield* admin.trySetFeature(FEATURE.VOLATILE_WRITE_CACHE, enable), 'the write cache');
  }
  if (options.coalescing !== undefined && !engine.isPolling) {
    const view = new DataView(new ArrayBuffer(SQE_BYTES));
    INTERRUPT_COALESCING_FEATURE.THR.write(view, Math.max(0, options.coalescing.threshold - 1));
    INTERRUPT_COALESCING_FEATURE.TIME.write(view, options.coalescing.time100us);
    const value = INTERRUPT_COALESCING_FEATURE.value(view);
    takeOptional(
      engine,
      yield* admin.trySetFeature(FEATURE.INTERRUPT_COALESCING, value),
      'interrupt coalescing',
    );
  }
}

/** Records a refusal. @throws {NvmeError} for a loss */
export function takeOptional(engine: Engine, result: CommandResult, what: string): void {
  if (result.loss !== null) {
    checkResult(result, engine.label, `setting ${what}`);
  }
  if (result.status !== 0) {
    engine.anomalies.record(
      'command-refused',
      `${engine.label} does not take ${what}: ${statusText(result.status)}`,
    );
  }
}
