/**
 * Wear, temperature and spare of a drive: what SMART tells, settable from outside so that a lab can age a drive.
 *
 * Endurance: written bytes wear the drive by `ratedBytes`; an override sets the percentage directly. Crossing a threshold
 * sets a critical warning and reports an event. Follows NVM Express Base 2.1, section 5.1.12.1.3.
 */
import type { AsyncEvent } from '../../spec/nvme/index.ts';
import { ASYNC_EVENT, SMART_CRITICAL_WARNING } from '../../spec/nvme/index.ts';
import type { IoCounters } from './services.ts';

/** 0 degrees Celsius. */
const KELVIN = 273;
/** WCTEMP and CCTEMP. */
export const WARNING_TEMPERATURE_K = 70 + KELVIN;
export const CRITICAL_TEMPERATURE_K = 80 + KELVIN;

export class Health {
  /** Composite temperature. */
  temperatureK = 40 + KELVIN;
  sparePercent = 100;
  spareThresholdPercent = 10;
  /** Percent of the rated life; undefined: from the bytes written. */
  usedPercentOverride: number | undefined;
  /** Bytes that may be written before the rated life is over. */
  ratedBytes = 1e15;
  isReliabilityDegraded = false;
  isReadOnly = false;
  hasBackupFailed = false;
  powerCycles = 1;
  unsafeShutdowns = 0;
  /** Feature Temperature Threshold, composite: over and under. */
  overThresholdK = WARNING_TEMPERATURE_K;
  underThresholdK = 0;
  #warned = 0;

  /** The Critical Warning byte. */
  get warnings(): number {
    const bits: readonly [number, boolean][] = [
      [SMART_CRITICAL_WARNING.ASCBT.low, this.sparePercent < this.spareThresholdPercent],
      [
        SMART_CRITICAL_WARNING.TTC.low,
        this.temperatureK >= this.overThresholdK || this.temperatureK <= this.underThresholdK,
      ],
      [SMART_CRITICAL_WARNING.NDR.low, this.isReliabilityDegraded],
      [SMART_CRITICAL_WARNING.AMRO.low, this.isReadOnly],
      [SMART_CRITICAL_WARNING.VMBF.low, this.hasBackupFailed],
    ];
    return bits.reduce((sum, [bit, isSet]) => sum | (isSet ? 1 << bit : 0), 0);
  }

  usedPercent(counters: IoCounters): number {
    const percent = this.usedPercentOverride ?? Math.floor((counters.writtenBytes / this.ratedBytes) * 100);
    return Math.min(255, percent);
  }

  /** Reports the warnings that are new since it was last called, if the host has them enabled. */
  check(configuration: number, report: (event: AsyncEvent) => void): void {
    const warnings = this.warnings & configuration & 0xff;
    const fresh = warnings & ~this.#warned;
    this.#warned = warnings;
    if ((fresh & (1 << SMART_CRITICAL_WARNING.ASCBT.low)) !== 0) {
      report(ASYNC_EVENT.SPARE_BELOW_THRESHOLD);
    }
    if ((fresh & (1 << SMART_CRITICAL_WARNING.TTC.low)) !== 0) {
      report(ASYNC_EVENT.TEMPERATURE_THRESHOLD);
    }
    // The remaining warnings share one event, whose own enable bit stands for reliability alone.
    if ((fresh & 0x3c) !== 0) {
      report({ ...ASYNC_EVENT.SUBSYSTEM_RELIABILITY, enable: null });
    }
  }

  forgetWarnings(): void {
    this.#warned = 0;
  }
}
