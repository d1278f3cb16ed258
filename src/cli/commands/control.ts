/** `peerlane control DIR`: watches and breaks devices that are being served. */
import { UsageError } from '../../base/index.ts';
import { askServer } from '../attach/control-client.ts';
import type { ControlRequest } from '../attach/control-protocol.ts';
import type { ServerCounters } from '../attach/counters.ts';
import { parseLogLevels } from '../attach/log/levels.ts';
import type { ServerStatus } from '../attach/status.ts';
import type { Io } from '../io.ts';
import { counterLines, faultLines, statusLines } from '../render/attach.ts';

export interface ControlOptions {
  readonly json?: boolean;
}

/**
 * @param words  `status`, `counters`, `fault add JSON`, `fault list`, `fault remove ID`, `log LEVELS`, `eject DEVICE`,
 *   `restore DEVICE`, `quit`
 * @returns 0
 * @throws {UsageError} USAGE_CONTROL, USAGE_LOG; {HostError} HOST_NO_SERVER; what the server refuses
 */
export async function control(
  folder: string,
  words: readonly string[],
  options: ControlOptions,
  io: Io,
): Promise<number> {
  const request = requestOf(words);
  const result = await askServer(folder, request);
  if (options.json === true) {
    await io.out(
      `${JSON.stringify({ schema: 'peerlane/control/1', do: request.do, ...(result as object | null) })}\n`,
    );
    return 0;
  }
  for (const line of textOf(request, result)) {
    await io.out(`${line}\n`);
  }
  return 0;
}

function requestOf(words: readonly string[]): ControlRequest {
  const [word = 'status', ...rest] = words;
  switch (word) {
    case 'status':
    case 'counters':
    case 'quit':
      return exactly(rest, 0, word) && { do: word };
    case 'log':
      return exactly(rest, 1, 'log LEVELS') && { do: 'log', levels: parseLogLevels(rest[0]!) };
    case 'eject':
    case 'restore':
      return exactly(rest, 1, `${word} DEVICE`) && { do: word, device: rest[0]! };
    case 'fault':
      return faultRequest(rest);
    default:
      throw unknown(words);
  }
}

function faultRequest(words: readonly string[]): ControlRequest {
  const [word = 'list', ...rest] = words;
  switch (word) {
    case 'list':
      return exactly(rest, 0, 'fault list') && { do: 'fault-list' };
    case 'add':
      return exactly(rest, 1, "fault add 'JSON'") && { do: 'fault-add', rule: ruleOf(rest[0]!) };
    case 'remove': {
      const fault = exactly(rest, 1, 'fault remove ID') ? Number(rest[0]) : Number.NaN;
      if (!Number.isSafeInteger(fault)) {
        throw new UsageError('USAGE_CONTROL', {
          message: `'${rest[0]}' is no fault: faults have numbers`,
          hint: '`fault list` shows them',
        });
      }
      return { do: 'fault-remove', fault };
    }
    default:
      throw unknown(['fault', ...words]);
  }
}

function ruleOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError('USAGE_CONTROL', {
      message: `the rule is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: `such as '{"device": "nvme0", "do": "delay", "opcode": "read", "delay": "2s"}'`,
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('USAGE_CONTROL', {
      message: 'a rule is a JSON object',
      hint: `such as '{"device": "nvme0", "do": "delay", "opcode": "read", "delay": "2s"}'`,
    });
  }
  return value as Readonly<Record<string, unknown>>;
}

/** @returns true */
function exactly(words: readonly string[], count: number, usage: string): true {
  if (words.length !== count) {
    throw new UsageError('USAGE_CONTROL', {
      message: `${words.length} words where ${count} belong: ${usage}`,
      hint: 'JSON goes into quotes; `peerlane control --help` lists the words',
    });
  }
  return true;
}

function unknown(words: readonly string[]): UsageError {
  return new UsageError('USAGE_CONTROL', {
    message: `a server does not know '${words.join(' ')}'`,
    hint: 'one of status, counters, fault add, fault list, fault remove, log, eject, restore, quit',
  });
}

function textOf(request: ControlRequest, result: unknown): Iterable<string> {
  switch (request.do) {
    case 'status':
      return statusLines(result as ServerStatus);
    case 'counters':
      return counterLines(result as ServerCounters, null);
    case 'fault-list':
      return faultLines((result as ServerStatus).faults);
    case 'fault-add':
      return [`fault ${(result as { readonly id: number }).id}`];
    default:
      return [];
  }
}
