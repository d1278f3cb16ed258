/** Colour for terminals, plain text for everything else. NO_COLOR is respected (no-color.org). */
import type { Io } from '../io.ts';

export interface Style {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

const plain = (text: string): string => text;

export function styleFor(io: Io): Style {
  const noColor = process.env.NO_COLOR;
  if (!io.outIsTerminal || (noColor !== undefined && noColor !== '') || process.env.TERM === 'dumb') {
    return { good: plain, warn: plain, bad: plain, dim: plain, bold: plain };
  }
  const sgr =
    (code: number) =>
    (text: string): string =>
      `\u001b[${code}m${text}\u001b[0m`;
  return { good: sgr(32), warn: sgr(33), bad: sgr(31), dim: sgr(2), bold: sgr(1) };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with this control character
const ESCAPES = /\u001b\[[0-9;]*m/g;

/** Columns that a text takes on the terminal. */
export function visibleWidth(text: string): number {
  return text.replace(ESCAPES, '').length;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - visibleWidth(text)));
}

/** `64 MiB`, `1.5 GiB`; exact where it can be. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Wraps at spaces; the first line is not indented. */
export function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && visibleWidth(line) + 1 + visibleWidth(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}

/** Commands with what they are for, in two columns; each line without its end. */
export function suggestionLines(
  suggestions: readonly (readonly [command: string, what: string])[],
  style: Style,
): readonly string[] {
  const width = Math.max(...suggestions.map(([command]) => visibleWidth(command)));
  return suggestions.map(([command, what]) => `  ${padEnd(command, width)}  ${style.dim(what)}`);
}

/** Text from a machine may hold anything; a terminal must not be steered by it, nor the order of what it shows. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}

/** C0 and C1 control characters; line and paragraph separators, and marks that turn the direction of text. */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
