/**
 * Features: current, default and saved values, Get Features and Set Features.
 *
 * What a feature does happens where it belongs: `FeatureEffects` is told after a value was accepted. Leaves out LBA range
 * types, predictable latency, thermal management by the host and data placement: they are not offered. Follows NVM Express
 * Base 2.1, sections 5.1.11 and 5.1.25, and NVM Command Set 1.1, section 4.1.3.
 */
import { DONE, Memory, type Status } from '../../../fabric/index.ts';
import {
  FEATURE,
  FEATURE_CAPABILITIES,
  FEATURE_SELECT,
  GET_FEATURES_CDW10,
  HBS_CDFE,
  HBS_LBAFEE,
  HMB_ATTRIBUTES,
  HMB_FEATURE,
  HOST_IDENTIFIER_FEATURE,
  INTERRUPT_VECTOR_FEATURE,
  NSID_BROADCAST,
  NUMBER_OF_QUEUES_FEATURE,
  NVME_STATUS,
  POWER_MANAGEMENT_FEATURE,
  SET_FEATURES_CDW10,
  setUnsigned,
  TEMPERATURE_THRESHOLD_FEATURE,
  TIMESTAMP_ATTRIBUTES,
  TIMESTAMP_VALUE,
  unsignedOf,
  WRITE_PROTECTION_STATE,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { AdminHost } from './admin-host.ts';
import { type FeatureRule, featureTable, POWER_STATES } from './feature-table.ts';

/** Where the values of a feature with several (sensors, vectors, namespaces) are kept: feature and part. */
function keyOf(feature: number, part: number): number {
  return feature * 0x1_0000_0000 + part;
}

/** Told when a value was set. */
export interface FeatureEffects {
  /** `value` is CDW11 as kept; `part` the namespace, vector or threshold that it is about. */
  onFeature(feature: number, value: number, part: number): void;
}

export class Features {
  readonly table: ReadonlyMap<number, FeatureRule>;
  readonly #host: AdminHost;
  readonly #effects: FeatureEffects;
  readonly #current = new Map<number, number>();
  readonly #saved = new Map<number, number>();
  readonly #data = new Map<number, Uint8Array>();
  /** When the timestamp was set, and to what. */
  #timestampSetPs = 0;
  #timestampMs = 0n;
  #isTimestampSet = false;
  /** HSIZE, the list's address and its length, as the host gave them. */
  #hostMemory: readonly number[] = [];
  /** I/O queue pairs granted, a true count; 0 while the host has not asked: all are usable then. */
  #grantedSubmissions = 0;
  #grantedCompletions = 0;

  constructor(host: AdminHost, effects: FeatureEffects) {
    this.#host = host;
    this.#effects = effects;
    this.table = featureTable(host.options);
  }

  /** Largest I/O queue ids that may be created. */
  get submissionsMax(): number {
    return this.#grantedSubmissions === 0 ? this.#host.options.queueCount : this.#grantedSubmissions;
  }

  get completionsMax(): number {
    return this.#grantedCompletions === 0 ? this.#host.options.queueCount : this.#grantedCompletions;
  }

  /** Any reset: back to what was saved, or the default, and the effects with it. */
  reset(isPower: boolean): void {
    this.#current.clear();
    this.#grantedSubmissions = 0;
    this.#grantedCompletions = 0;
    this.#data.clear();
    this.#hostMemory = [];
    if (isPower) {
      this.#isTimestampSet = false;
      this.#timestampMs = 0n;
      this.#timestampSetPs = this.#host.executor.nowPs;
    }
    for (const [feature, rule] of this.table) {
      if (feature !== FEATURE.NUMBER_OF_QUEUES && !rule.isPerNamespace) {
        this.#effects.onFeature(feature, this.value(feature, 0), 0);
      }
    }
    for (const [key, value] of this.#saved) {
      this.#effects.onFeature(Math.floor(key / 0x1_0000_0000), value, key % 0x1_0000_0000);
    }
  }

  /** The value that holds now. `part`: namespace, vector, or selector of a threshold; 0 otherwise. */
  value(feature: number, part: number): number {
    if (feature === FEATURE.NAMESPACE_WRITE_PROTECTION) {
      // The namespace itself remembers, over resets and power cycles.
      return this.#host.namespace(part)?.isWriteProtected === true
        ? WRITE_PROTECTION_STATE.PROTECT
        : WRITE_PROTECTION_STATE.NONE;
    }
    const key = keyOf(feature, part);
    return this.#current.get(key) ?? this.#saved.get(key) ?? this.#initial(feature, part);
  }

  /** Data of a feature; undefined while nobody has set it. */
  dataOf(feature: number): Uint8Array | undefined {
    return this.#data.get(feature);
  }

  get(command: Command): Status {
    const cdw10 = command.dword(10);
    const feature = GET_FEATURES_CDW10.FID.of(cdw10);
    const select = GET_FEATURES_CDW10.SEL.of(cdw10);
    const rule = this.#ruleFor(command, feature);
    if (rule === undefined) {
      return DONE;
    }
    if (select > FEATURE_SELECT.SUPPORTED_CAPABILITIES) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 8);
      return DONE;
    }
    if (select === FEATURE_SELECT.SUPPORTED_CAPABILITIES) {
      command.dw0 = capabilitiesOf(rule);
      return DONE;
    }
    if (rule.isPerNamespace && !this.#hasNamespace(command, false)) {
      return DONE;
    }
    const part = this.#partOf(command, feature, false);
    if (part < 0) {
      return DONE;
    }
    if (feature === FEATURE.NUMBER_OF_QUEUES) {
      command.dw0 = ((this.completionsMax - 1) << 16) | (this.submissionsMax - 1);
    } else if (select === FEATURE_SELECT.DEFAULT) {
      command.dw0 = this.#initial(feature, part);
    } else if (select === FEATURE_SELECT.SAVED) {
      command.dw0 = this.#saved.get(keyOf(feature, part)) ?? this.#initial(feature, part);
    } else {
      command.dw0 = this.value(feature, part);
    }
    command.dw0 = command.dw0 >>> 0;
    if (feature === FEATURE.HOST_MEMORY_BUFFER) {
      const attributes = Memory.flat(HMB_ATTRIBUTES.sizeBytes);
      this.#hostMemory.forEach((value, index) => {
        attributes.setValue(4 * index, 4, value);
      });
      return this.#host.data.toHost(command, attributes, 0, attributes.sizeBytes);
    }
    return rule.dataBytes === 0 ? DONE : this.#sendData(command, feature, rule, select);
  }

  set(command: Command): Status {
    const cdw10 = command.dword(10);
    const feature = SET_FEATURES_CDW10.FID.of(cdw10);
    const isSave = SET_FEATURES_CDW10.SV.of(cdw10) === 1;
    const rule = this.#ruleFor(command, feature);
    if (rule === undefined) {
      return DONE;
    }
    if (isSave && !rule.isSaveable) {
      command.failField(NVME_STATUS.FEATURE_NOT_SAVEABLE, 10, 31);
      return DONE;
    }
    if (rule.isPerNamespace) {
      if (!this.#hasNamespace(command, true)) {
        return DONE;
      }
    } else if (command.nsid !== 0 && command.nsid !== NSID_BROADCAST) {
      command.failField(NVME_STATUS.FEATURE_NOT_NAMESPACE_SPECIFIC, 1, 0);
      return DONE;
    }
    const part = this.#partOf(command, feature, true);
    if (part < 0 || !this.#isAllowed(command, feature)) {
      return DONE;
    }
    if (rule.dataBytes > 0) {
      return this.#takeData(command, feature, rule);
    }
    if (feature === FEATURE.NUMBER_OF_QUEUES) {
      this.#grantQueues(command);
      return DONE;
    }
    if (feature === FEATURE.HOST_MEMORY_BUFFER) {
      // It is accepted and never used: size, list address and number of entries are all that is kept.
      this.#hostMemory =
        HMB_FEATURE.EHM.of(command.dword(11)) === 1 ? [12, 13, 14, 15].map((n) => command.dword(n)) : [];
    }
    const value = (command.dword(11) & rule.mask) >>> 0;
    const namespaces = this.#host.services.activeNamespaces();
    const parts =
      rule.isPerNamespace && command.nsid === NSID_BROADCAST
        ? Array.from(namespaces, (namespace) => namespace.nsid)
        : this.#thresholdParts(command, feature, part);
    for (const one of parts) {
      this.#current.set(keyOf(feature, one), value);
      if (isSave) {
        this.#saved.set(keyOf(feature, one), value);
      }
      this.#effects.onFeature(feature, value, one);
    }
    return DONE;
  }

  /** The data of a Set Features have arrived in `buffer`. */
  onData(command: Command, buffer: Memory): void {
    const feature = SET_FEATURES_CDW10.FID.of(command.dword(10));
    const bytes = buffer.flat!.slice();
    const view = new DataView(bytes.buffer);
    if (feature === FEATURE.TIMESTAMP) {
      this.#timestampMs = unsignedOf(TIMESTAMP_VALUE, view);
      this.#timestampSetPs = this.#host.executor.nowPs;
      this.#isTimestampSet = true;
      return;
    }
    if (feature === FEATURE.HOST_BEHAVIOR_SUPPORT) {
      // Formats that the controller does not know cannot be enabled.
      const known = this.#host.options.copyFormats & 0b1_1100;
      if ((HBS_CDFE.value(view) & ~known) !== 0 || HBS_LBAFEE.value(view) > 1) {
        command.fail(NVME_STATUS.INVALID_FIELD);
        return;
      }
    }
    this.#data.set(feature, bytes);
    const rule = this.table.get(feature)!;
    const value = (command.dword(11) & rule.mask) >>> 0;
    this.#current.set(keyOf(feature, 0), value);
    this.#effects.onFeature(feature, value, 0);
  }

  #initial(feature: number, part: number): number {
    if (feature === FEATURE.TEMPERATURE_THRESHOLD) {
      return part === thresholdPart(0, 0) ? this.table.get(feature)!.initial : part >= 16 ? 0 : 0xffff;
    }
    if (feature === FEATURE.INTERRUPT_VECTOR_CONFIGURATION) {
      return part;
    }
    return this.table.get(feature)?.initial ?? 0;
  }

  #ruleFor(command: Command, feature: number): FeatureRule | undefined {
    const rule = this.table.get(feature);
    if (rule === undefined) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
    }
    return rule;
  }

  #hasNamespace(command: Command, canBeAll: boolean): boolean {
    if (command.nsid === NSID_BROADCAST && canBeAll) {
      return true;
    }
    if (this.#host.namespace(command.nsid) !== undefined) {
      return true;
    }
    const isValid = command.nsid >= 1 && command.nsid <= this.#host.options.namespaceCountMax;
    command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return false;
  }

  /** Which of several values the command is about; -1 when it failed. */
  #partOf(command: Command, feature: number, isSet: boolean): number {
    const rule = this.table.get(feature)!;
    if (rule.isPerNamespace) {
      return command.nsid;
    }
    const cdw11 = command.dword(11);
    if (feature === FEATURE.INTERRUPT_VECTOR_CONFIGURATION) {
      const vector = INTERRUPT_VECTOR_FEATURE.IV.of(cdw11);
      if (vector >= this.#host.interrupts.vectorCount) {
        command.failField(NVME_STATUS.INVALID_FIELD, 11, 0);
        return -1;
      }
      return vector;
    }
    if (feature === FEATURE.TEMPERATURE_THRESHOLD) {
      const sensor = TEMPERATURE_THRESHOLD_FEATURE.TMPSEL.of(cdw11);
      const kind = TEMPERATURE_THRESHOLD_FEATURE.THSEL.of(cdw11);
      // One sensor besides the composite temperature; 15 stands for all, in Set Features.
      if (!(sensor <= 1 || (isSet && sensor === 15)) || kind > 1) {
        command.failField(NVME_STATUS.INVALID_FIELD, 11, kind > 1 ? 20 : 16);
        return -1;
      }
      return thresholdPart(sensor, kind);
    }
    return 0;
  }

  #thresholdParts(command: Command, feature: number, part: number): readonly number[] {
    if (feature === FEATURE.TEMPERATURE_THRESHOLD && part % 16 === 15) {
      const kind = TEMPERATURE_THRESHOLD_FEATURE.THSEL.of(command.dword(11));
      return [thresholdPart(0, kind), thresholdPart(1, kind)];
    }
    return [part];
  }

  /** Whether a value may be set; fails the command otherwise. */
  #isAllowed(command: Command, feature: number): boolean {
    const cdw11 = command.dword(11);
    if (feature === FEATURE.POWER_MANAGEMENT && POWER_MANAGEMENT_FEATURE.PS.of(cdw11) >= POWER_STATES) {
      command.failField(NVME_STATUS.INVALID_FIELD, 11, 0);
    }
    if (feature === FEATURE.COMMAND_SET_PROFILE && (cdw11 & 0x1ff) !== 0) {
      command.failField(NVME_STATUS.COMMAND_SET_COMBINATION_REJECTED, 11, 0);
    }
    if (feature === FEATURE.NAMESPACE_WRITE_PROTECTION) {
      const state = cdw11 & 7;
      // NWPC offers plain write protection alone.
      if (state !== WRITE_PROTECTION_STATE.NONE && state !== WRITE_PROTECTION_STATE.PROTECT) {
        command.failField(NVME_STATUS.INVALID_FIELD, 11, 0);
      }
    }
    if (feature === FEATURE.HOST_IDENTIFIER && HOST_IDENTIFIER_FEATURE.EXHID.of(cdw11) === 0) {
      // A controller that offers 128 bits (CTRATT.HIDS) may still be given 64.
      return true;
    }
    return command.status === 0;
  }

  #grantQueues(command: Command): void {
    const cdw11 = command.dword(11);
    const submissions = NUMBER_OF_QUEUES_FEATURE.NSQR.of(cdw11);
    const completions = NUMBER_OF_QUEUES_FEATURE.NCQR.of(cdw11);
    if (submissions === 0xffff || completions === 0xffff) {
      command.failField(NVME_STATUS.INVALID_FIELD, 11, submissions === 0xffff ? 0 : 16);
      return;
    }
    const hasQueues = this.#host.engine.completions.some((queue, id) => id > 0 && queue !== null);
    if (hasQueues) {
      command.fail(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
      return;
    }
    const most = this.#host.options.queueCount;
    this.#grantedSubmissions = Math.min(submissions + 1, most);
    this.#grantedCompletions = Math.min(completions + 1, most);
    command.dw0 = (((this.#grantedCompletions - 1) << 16) | (this.#grantedSubmissions - 1)) >>> 0;
  }

  #dataBytes(command: Command, feature: number, rule: FeatureRule): number {
    const isShort =
      feature === FEATURE.HOST_IDENTIFIER && HOST_IDENTIFIER_FEATURE.EXHID.of(command.dword(11)) === 0;
    return isShort ? 8 : rule.dataBytes;
  }

  #takeData(command: Command, feature: number, rule: FeatureRule): Status {
    const length = this.#dataBytes(command, feature, rule);
    return this.#host.takeData(command, length);
  }

  #sendData(command: Command, feature: number, rule: FeatureRule, select: number): Status {
    const length = this.#dataBytes(command, feature, rule);
    const buffer = Memory.flat(length);
    const bytes = buffer.flat!;
    if (feature === FEATURE.TIMESTAMP) {
      this.#writeTimestamp(new DataView(bytes.buffer));
    } else if (select === FEATURE_SELECT.CURRENT) {
      bytes.set((this.#data.get(feature) ?? bytes).subarray(0, length));
    }
    return this.#host.data.toHost(command, buffer, 0, length);
  }

  #writeTimestamp(view: DataView): void {
    const elapsedMs = BigInt(Math.floor((this.#host.executor.nowPs - this.#timestampSetPs) / 1e9));
    setUnsigned(TIMESTAMP_VALUE, view, (this.#timestampMs + elapsedMs) & 0xffff_ffff_ffffn);
    TIMESTAMP_ATTRIBUTES.TSO.write(view, this.#isTimestampSet ? 1 : 0);
  }
}

/** Key of a temperature threshold: sensor, and 16 for the lower bound. */
export function thresholdPart(sensor: number, kind: number): number {
  return kind * 16 + sensor;
}

function capabilitiesOf(rule: FeatureRule): number {
  return (
    ((rule.isSaveable ? 1 : 0) << FEATURE_CAPABILITIES.SAVE.low) |
    ((rule.isPerNamespace ? 1 : 0) << FEATURE_CAPABILITIES.NSSPEC.low) |
    ((rule.isChangeable ? 1 : 0) << FEATURE_CAPABILITIES.CHANG.low)
  );
}
