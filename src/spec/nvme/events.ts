/**
 * Asynchronous events: type, information, and the log page whose reading re-arms them.
 *
 * The dword that carries them is ASYNC_EVENT_RESULT; the feature that admits them is ASYNC_EVENT_CONFIG. Leaves out the
 * events of fabrics, zoned namespaces and vendors. Follows NVM Express Base 2.1, section 5.1.2, and NVM Command Set 1.1.
 */
import { LOG_PAGE } from './log-pages.ts';

/** AET. NVM Express Base 2.1, 5.1.2.1. */
export const ASYNC_EVENT_TYPE = {
  ERROR: 0,
  SMART: 1,
  NOTICE: 2,
  IMMEDIATE: 3,
  ONE_SHOT: 4,
  COMMAND_SET: 6,
  VENDOR: 7,
} as const;

/** One event. `enable` is its bit in ASYNC_EVENT_CONFIG, null when it cannot be switched off there. */
export interface AsyncEvent {
  readonly type: number;
  readonly information: number;
  readonly logPage: number;
  readonly enable: number | null;
}

const { ERROR, SMART, NOTICE, IMMEDIATE, COMMAND_SET: OF_COMMAND_SET } = ASYNC_EVENT_TYPE;

/** NVM Express Base 2.1, 5.1.2.1; those of the command set also NVM Command Set 1.1, 4.1.1. */
export const ASYNC_EVENT = {
  INVALID_DOORBELL_REGISTER: event(ERROR, 0x00, LOG_PAGE.ERROR_INFORMATION, null),
  INVALID_DOORBELL_VALUE: event(ERROR, 0x01, LOG_PAGE.ERROR_INFORMATION, null),
  DIAGNOSTIC_FAILURE: event(ERROR, 0x02, LOG_PAGE.ERROR_INFORMATION, null),
  PERSISTENT_INTERNAL_ERROR: event(ERROR, 0x03, LOG_PAGE.ERROR_INFORMATION, null),
  TRANSIENT_INTERNAL_ERROR: event(ERROR, 0x04, LOG_PAGE.ERROR_INFORMATION, null),
  FIRMWARE_IMAGE_LOAD_ERROR: event(ERROR, 0x05, LOG_PAGE.ERROR_INFORMATION, null),
  /** Enabled by bits 2 to 5 together, each for its own warning. */
  SUBSYSTEM_RELIABILITY: event(SMART, 0x00, LOG_PAGE.SMART_HEALTH, 2),
  TEMPERATURE_THRESHOLD: event(SMART, 0x01, LOG_PAGE.SMART_HEALTH, 1),
  SPARE_BELOW_THRESHOLD: event(SMART, 0x02, LOG_PAGE.SMART_HEALTH, 0),
  NAMESPACE_ATTRIBUTE_CHANGED: event(NOTICE, 0x00, LOG_PAGE.CHANGED_ATTACHED_NAMESPACES, 8),
  FIRMWARE_ACTIVATION_STARTING: event(NOTICE, 0x01, LOG_PAGE.FIRMWARE_SLOT, 9),
  TELEMETRY_CHANGED: event(NOTICE, 0x02, LOG_PAGE.TELEMETRY_CONTROLLER, 10),
  ANA_CHANGE: event(NOTICE, 0x03, LOG_PAGE.ANA, 11),
  PREDICTABLE_LATENCY_CHANGE: event(NOTICE, 0x04, LOG_PAGE.PREDICTABLE_LATENCY_AGGREGATE, 12),
  LBA_STATUS_ALERT: event(NOTICE, 0x05, LOG_PAGE.LBA_STATUS, 13),
  ENDURANCE_GROUP_CHANGE: event(NOTICE, 0x06, LOG_PAGE.ENDURANCE_GROUP_AGGREGATE, 14),
  /** No log page belongs to the immediate events; 0 stands there. */
  NORMAL_SUBSYSTEM_SHUTDOWN: event(IMMEDIATE, 0x00, 0, 15),
  TEMPERATURE_HYSTERESIS_RECOVERY: event(IMMEDIATE, 0x01, 0, 16),
  RESERVATION_LOG_AVAILABLE: event(OF_COMMAND_SET, 0x00, LOG_PAGE.RESERVATION_NOTIFICATION, null),
  SANITIZE_COMPLETED: event(OF_COMMAND_SET, 0x01, LOG_PAGE.SANITIZE_STATUS, null),
  SANITIZE_COMPLETED_UNEXPECTED_DEALLOCATION: event(OF_COMMAND_SET, 0x02, LOG_PAGE.SANITIZE_STATUS, null),
} as const;

/** Dword 0 of the completion that reports `event`; see ASYNC_EVENT_RESULT. */
export function asyncEventDword(reported: AsyncEvent): number {
  return reported.type | (reported.information << 8) | (reported.logPage << 16);
}

function event(type: number, information: number, logPage: number, enable: number | null): AsyncEvent {
  return { type, information, logPage, enable };
}
