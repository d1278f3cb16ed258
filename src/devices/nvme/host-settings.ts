/**
 * What the features that a host sets do to the rest of the controller. Follows NVM Express Base 2.1, section 5.1.25, and NVM
 * Command Set 1.1, section 4.1.3.
 */
import {
  ARBITRATION_FEATURE,
  FEATURE,
  HBS_CDFE,
  HBS_LBAFEE,
  INTERRUPT_COALESCING_FEATURE,
  INTERRUPT_VECTOR_FEATURE,
  TEMPERATURE_THRESHOLD_FEATURE,
  WRITE_PROTECTION_STATE,
} from '../../spec/nvme/index.ts';
import type { AdminHost } from './admin/admin-host.ts';
import { type FeatureEffects, thresholdPart } from './admin/features.ts';
import type { KeepAlive } from './keep-alive.ts';
import { FETCH_ENTRIES_MAX } from './queues/submission-queue.ts';
import type { IoSettings } from './services.ts';

/** AB of Arbitration: no limit. */
const BURST_UNLIMITED = 7;

export class HostSettings implements FeatureEffects {
  readonly #host: AdminHost;
  readonly #settings: IoSettings;
  readonly #keepAlive: KeepAlive;

  constructor(host: AdminHost, settings: IoSettings, keepAlive: KeepAlive) {
    this.#host = host;
    this.#settings = settings;
    this.#keepAlive = keepAlive;
  }

  onFeature(feature: number, value: number, part: number): void {
    const { events, interrupts } = this.#host;
    switch (feature) {
      case FEATURE.ARBITRATION:
        this.#arbitrate(value);
        break;
      case FEATURE.VOLATILE_WRITE_CACHE:
        this.#setWriteCache(value === 1);
        break;
      case FEATURE.INTERRUPT_COALESCING:
        interrupts.setCoalescing(
          INTERRUPT_COALESCING_FEATURE.THR.of(value) + 1,
          INTERRUPT_COALESCING_FEATURE.TIME.of(value),
        );
        break;
      case FEATURE.INTERRUPT_VECTOR_CONFIGURATION:
        interrupts.setCoalescingOff(part, INTERRUPT_VECTOR_FEATURE.CD.of(value) === 1);
        break;
      case FEATURE.WRITE_ATOMICITY_NORMAL:
        this.#settings.isAtomicityOff = value === 1;
        break;
      case FEATURE.ASYNC_EVENT_CONFIGURATION:
        events.configuration = value;
        this.#host.checkHealth();
        break;
      case FEATURE.TEMPERATURE_THRESHOLD:
        this.#setThreshold(TEMPERATURE_THRESHOLD_FEATURE.TMPTH.of(value), part);
        break;
      case FEATURE.KEEP_ALIVE_TIMER:
        this.#keepAlive.set(value);
        break;
      case FEATURE.HOST_BEHAVIOR_SUPPORT:
        this.#takeBehavior();
        break;
      case FEATURE.NAMESPACE_WRITE_PROTECTION: {
        const namespace = this.#host.namespace(part);
        if (namespace !== undefined) {
          namespace.isWriteProtected = value === WRITE_PROTECTION_STATE.PROTECT;
        }
        break;
      }
      default:
        break;
    }
  }

  #arbitrate(value: number): void {
    const { engine } = this.#host;
    const burst = ARBITRATION_FEATURE.AB.of(value);
    engine.burst = burst === BURST_UNLIMITED ? FETCH_ENTRIES_MAX : 2 ** burst;
    engine.ready.setWeights(
      ARBITRATION_FEATURE.HPW.of(value) + 1,
      ARBITRATION_FEATURE.MPW.of(value) + 1,
      ARBITRATION_FEATURE.LPW.of(value) + 1,
    );
  }

  /** Whoever turns the cache off has everything written. */
  #setWriteCache(isOn: boolean): void {
    if (this.#settings.isWriteCacheOn && !isOn) {
      for (const namespace of this.#host.services.activeNamespaces()) {
        namespace.flush();
      }
    }
    this.#settings.isWriteCacheOn = isOn;
  }

  #setThreshold(kelvin: number, part: number): void {
    const { health } = this.#host;
    if (part === thresholdPart(0, 0)) {
      health.overThresholdK = kelvin;
    } else if (part === thresholdPart(0, 1)) {
      health.underThresholdK = kelvin;
    }
    this.#host.checkHealth();
  }

  #takeBehavior(): void {
    const bytes = this.#host.features.dataOf(FEATURE.HOST_BEHAVIOR_SUPPORT);
    const view = bytes === undefined ? undefined : new DataView(bytes.buffer);
    this.#settings.copyFormatsAllowed = view === undefined ? 0 : HBS_CDFE.value(view);
    this.#settings.hasExtendedFormats = view !== undefined && HBS_LBAFEE.LBAFEE.read(view) === 1;
  }
}
