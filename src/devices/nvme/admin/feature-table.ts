/**
 * Which features there are and what may be done with each. Follows NVM Express Base 2.1, section 5.1.25, and what the
 * controller's options allow.
 */
import { FEATURE } from '../../../spec/nvme/index.ts';
import { WARNING_TEMPERATURE_K } from '../health.ts';
import type { ResolvedOptions } from '../options.ts';

export interface FeatureRule {
  /** CDW11 as it is before anybody has set it. */
  readonly initial: number;
  readonly isChangeable: boolean;
  readonly isSaveable: boolean;
  /** Has a value for each namespace. */
  readonly isPerNamespace: boolean;
  /** Bits of CDW11 that are kept. */
  readonly mask: number;
  /** Bytes of its data structure, 0 for none. */
  readonly dataBytes: number;
}

const PLAIN: FeatureRule = {
  initial: 0,
  isChangeable: true,
  isSaveable: false,
  isPerNamespace: false,
  mask: 0xffff_ffff,
  dataBytes: 0,
};

/** Commands of a burst as a power of two: RAB of Identify Controller and the default of Arbitration. */
export const ARBITRATION_BURST = 6;

/** Power states: NPSS is one less. The last is not operational. */
export const POWER_STATES = 5;

/** Features of a controller, by identifier. */
export function featureTable(options: ResolvedOptions): ReadonlyMap<number, FeatureRule> {
  const rules: [number, FeatureRule][] = [
    [FEATURE.ARBITRATION, { ...PLAIN, isSaveable: true, initial: ARBITRATION_BURST, mask: 0xffff_ff07 }],
    [FEATURE.POWER_MANAGEMENT, { ...PLAIN, isSaveable: true, mask: 0xff }],
    [FEATURE.TEMPERATURE_THRESHOLD, { ...PLAIN, isSaveable: true, initial: WARNING_TEMPERATURE_K }],
    [FEATURE.ERROR_RECOVERY, { ...PLAIN, isPerNamespace: true, mask: 0x1_ffff }],
    [FEATURE.NUMBER_OF_QUEUES, PLAIN],
    [FEATURE.INTERRUPT_COALESCING, { ...PLAIN, isSaveable: true, mask: 0xffff }],
    [FEATURE.INTERRUPT_VECTOR_CONFIGURATION, { ...PLAIN, mask: 0x1_ffff }],
    [FEATURE.WRITE_ATOMICITY_NORMAL, { ...PLAIN, mask: 1 }],
    [FEATURE.ASYNC_EVENT_CONFIGURATION, { ...PLAIN, mask: 0x7fff }],
    [FEATURE.AUTONOMOUS_POWER_STATE_TRANSITION, { ...PLAIN, mask: 1, dataBytes: 256, isSaveable: true }],
    [FEATURE.TIMESTAMP, { ...PLAIN, mask: 0, dataBytes: 8 }],
    [FEATURE.KEEP_ALIVE_TIMER, PLAIN],
    [FEATURE.NON_OPERATIONAL_POWER_STATE, { ...PLAIN, isSaveable: true, mask: 1 }],
    [FEATURE.SANITIZE_CONFIG, { ...PLAIN, isSaveable: true, mask: 1 }],
    [FEATURE.SOFTWARE_PROGRESS_MARKER, { ...PLAIN, isSaveable: true, mask: 0xff }],
    [FEATURE.HOST_IDENTIFIER, { ...PLAIN, mask: 1, dataBytes: 16 }],
    [FEATURE.NAMESPACE_WRITE_PROTECTION, { ...PLAIN, isPerNamespace: true, mask: 7 }],
  ];
  if (options.volatileWriteCache) {
    rules.push([FEATURE.VOLATILE_WRITE_CACHE, { ...PLAIN, isSaveable: true, initial: 1, mask: 1 }]);
  }
  if (options.hostMemoryBytes > 0) {
    rules.push([FEATURE.HOST_MEMORY_BUFFER, { ...PLAIN, mask: 7 }]);
  }
  if (options.version !== '1.3') {
    rules.push([FEATURE.HOST_BEHAVIOR_SUPPORT, { ...PLAIN, mask: 0, dataBytes: 512 }]);
  }
  if (options.version === '2.0' || options.version === '2.1') {
    rules.push([FEATURE.COMMAND_SET_PROFILE, { ...PLAIN, mask: 0x1ff }]);
  }
  return new Map(rules);
}
