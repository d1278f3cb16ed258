/** What a person can have logged of the devices that are served. */
import { UsageError } from '../../../base/index.ts';

/**
 * `registers`: loads and stores of BAR registers, stores to config space; `commands`: of NVMe queues, when they end; `dma`: what
 * devices read and write; `maps`: memory that the guest lends, and interrupts it connects.
 */
export const LOG_LEVELS = ['registers', 'commands', 'dma', 'maps'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const ALL = 'all';
const NONE = 'none';

/**
 * `registers,dma`, `all`, `none`.
 * @throws {UsageError} USAGE_LOG
 */
export function parseLogLevels(text: string): readonly LogLevel[] {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  return logLevelsOf(words.length === 0 ? [text] : words);
}

/** @throws {UsageError} USAGE_LOG */
export function logLevelsOf(words: readonly string[]): readonly LogLevel[] {
  const unknown = words.find((word) => ![...LOG_LEVELS, ALL, NONE].includes(word));
  if (unknown !== undefined) {
    throw new UsageError('USAGE_LOG', {
      message: `nothing called '${unknown}' can be logged`,
      hint: `any of ${LOG_LEVELS.join(', ')} with commas between, ${ALL}, or ${NONE}`,
      detail: { level: unknown },
    });
  }
  return LOG_LEVELS.filter((level) => words.includes(level) || words.includes(ALL));
}
