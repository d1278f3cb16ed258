/**
 * What is said over the control socket: one JSON object a line, each way; answers come in the order of the requests.
 *
 *     {"id": 1, "do": "status"}
 *     {"id": 1, "ok": true, "result": {...}}
 *     {"id": 2, "ok": false, "error": {"code": "USAGE_CONTROL", "message": "...", "hint": "..."}}
 */
import { PeerlaneError, UsageError } from '../../base/index.ts';
import { type LogLevel, logLevelsOf } from './log/levels.ts';

/** Bytes of one request, its end of line included; a fault rule has some hundred. */
export const REQUEST_BYTES_MAX = 65_536;

/** Objects and lists in each other; more than any rule has, and less than what other threads can be sent. */
const RULE_DEPTH_MAX = 8;

export type ControlRequest =
  /** Devices with what they are connected to, faults, logs. */
  | { readonly do: 'status' }
  | { readonly do: 'counters' }
  /** A rule as lab files have it under `faults:`. */
  | { readonly do: 'fault-add'; readonly rule: Readonly<Record<string, unknown>> }
  | { readonly do: 'fault-remove'; readonly fault: number }
  | { readonly do: 'fault-list' }
  | { readonly do: 'log'; readonly levels: readonly LogLevel[] }
  /** Pulls a device out: config space and registers read all ones, its DMA is refused. */
  | { readonly do: 'eject'; readonly device: string }
  | { readonly do: 'restore'; readonly device: string }
  | { readonly do: 'quit' };

export const CONTROL_WORDS = [
  'status',
  'counters',
  'fault-add',
  'fault-remove',
  'fault-list',
  'log',
  'eject',
  'restore',
  'quit',
] as const satisfies readonly ControlRequest['do'][];

/** What a client may put in to know its answer again. */
export type RequestId = string | number | null;

export interface ParsedRequest {
  readonly id: RequestId;
  /** An error is the answer. */
  readonly request: ControlRequest | PeerlaneError;
}

/** The facts of an error, as JSON has them. */
export interface ErrorFactsJson {
  readonly code: string | null;
  readonly message: string;
  readonly hint: string | null;
  /** As the exit status of a command. */
  readonly exitStatus: number;
}

export type ControlAnswer =
  | { readonly id: RequestId; readonly ok: true; readonly result: unknown }
  | { readonly id: RequestId; readonly ok: false; readonly error: ErrorFactsJson };

/** Never throws: whatever a client sends has an answer. */
export function parseRequest(line: string): ParsedRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { id: null, request: mistake('a request that is no JSON', 'one JSON object a line') };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { id: null, request: mistake('a request that is no object', 'one JSON object a line') };
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const id = typeof fields.id === 'string' || typeof fields.id === 'number' ? fields.id : null;
  try {
    return { id, request: requestOf(fields) };
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return { id, request: error };
    }
    throw error;
  }
}

function requestOf(fields: Readonly<Record<string, unknown>>): ControlRequest {
  const what = CONTROL_WORDS.find((word) => word === fields.do);
  switch (what) {
    case undefined:
      throw mistake(
        `a request to do ${JSON.stringify(fields.do)?.slice(0, 60) ?? 'nothing'}`,
        `do is one of ${CONTROL_WORDS.join(', ')}`,
      );
    case 'fault-add': {
      const { rule } = fields;
      if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) {
        throw mistake('fault-add without a rule', 'rule is an object, as under `faults:` of a lab file');
      }
      if (isDeeper(rule, RULE_DEPTH_MAX)) {
        throw mistake(
          'a rule with objects in objects',
          'values of a rule are numbers, words, or lists of them',
        );
      }
      return { do: what, rule: rule as Readonly<Record<string, unknown>> };
    }
    case 'fault-remove': {
      const { fault } = fields;
      if (typeof fault !== 'number' || !Number.isSafeInteger(fault)) {
        throw mistake('fault-remove without a fault', 'fault is the number that fault-list shows');
      }
      return { do: what, fault };
    }
    case 'log': {
      const { levels } = fields;
      if (!Array.isArray(levels) || !levels.every((level) => typeof level === 'string')) {
        throw mistake(
          'log without levels',
          'levels is an array such as ["registers", "dma"]; [] logs nothing',
        );
      }
      return { do: what, levels: logLevelsOf(levels) };
    }
    case 'eject':
    case 'restore': {
      const { device } = fields;
      if (typeof device !== 'string') {
        throw mistake(`${what} without a device`, 'device is its name in the lab file');
      }
      return { do: what, device };
    }
    default:
      return { do: what };
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)))
  );
}

function mistake(what: string, hint: string): UsageError {
  return new UsageError('USAGE_CONTROL', { message: `the control socket was sent ${what}`, hint });
}

/** An error of a class does not cross threads or sockets as what it is; its facts do. */
export function errorFacts(error: unknown): ErrorFactsJson {
  if (error instanceof PeerlaneError) {
    const { code, message, hint, exitStatus } = error;
    return { code, message, hint: hint ?? null, exitStatus };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: null, message, hint: null, exitStatus: 3 };
}

/** The other way. */
export function errorOf({ code, message, hint, exitStatus }: ErrorFactsJson): Error {
  return code === null
    ? new Error(message)
    : new PeerlaneError(code, {
        message,
        ...(hint === null ? {} : { hint }),
        exitStatus: exitStatus === 1 || exitStatus === 3 ? exitStatus : 2,
      });
}
