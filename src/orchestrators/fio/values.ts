/**
 * Values of fio's options. Follows fio 3.33, HOWTO section 2.6 (parameter types) and parse.c where the two differ: decimal
 * points and arithmetic in parentheses are refused rather than read as something else.
 */

/** A value, or what is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** 1024: `k` is 1024 and `ki` 1000, as old job files expect. 1000: the other way round, as SI and IEC say. */
export type KbBase = 1000 | 1024;

const PREFIXES = ['', 'k', 'm', 'g', 't', 'p', 'e'];
const INTEGER = /^(0x[0-9a-f]+|\d+)\s*([kmgtpe]?)(i?)(b?)$/i;

/** Bytes, or a plain count with the same suffixes. Values from 2^53 on are refused. */
export function parseBytes(text: string, kbBase: KbBase): Parsed<number> {
  const match = INTEGER.exec(text);
  if (match === null) {
    return {
      problem: /[.(]/.test(text)
        ? `\`${text}\`: only whole numbers are taken, without arithmetic`
        : `\`${text}\` is no size such as 4096, 4k, 1m or 2g`,
    };
  }
  const power = PREFIXES.indexOf(match[2]!.toLowerCase());
  const isOther = match[3] !== '' && power > 0;
  const base = isOther ? (kbBase === 1024 ? 1000 : 1024) : kbBase;
  const value = Number(match[1]) * base ** power;
  return Number.isSafeInteger(value) ? { value } : { problem: `\`${text}\` is 2^53 or more` };
}

/** Bytes, or a share of something that is known later. */
export type Extent = { readonly bytes: number } | { readonly percent: number };

export function parseExtent(text: string, kbBase: KbBase): Parsed<Extent> {
  const percent = /^(\d{1,3})%$/.exec(text);
  if (percent !== null) {
    const value = Number(percent[1]);
    return value >= 0 && value <= 100
      ? { value: { percent: value } }
      : { problem: `\`${text}\` is above 100 %` };
  }
  const bytes = parseBytes(text, kbBase);
  return 'value' in bytes ? { value: { bytes: bytes.value } } : bytes;
}

/** Up to three sizes: reads, writes, trims. A missing one is as the one before. */
export function parseBlockSizes(
  text: string,
  kbBase: KbBase,
): Parsed<{ readonly readBytes: number; readonly writeBytes: number }> {
  if (text.includes('-')) {
    return {
      problem: `\`${text}\` is a range of block sizes, which is not supported: one size for each direction`,
    };
  }
  const fields = text.split(',');
  if (fields.length > 3) {
    return { problem: `\`${text}\` has more than three sizes (read, write, trim)` };
  }
  const sizes: number[] = [];
  for (const field of fields) {
    const before = sizes.at(-1);
    const parsed: Parsed<number> =
      field.trim() === '' && before !== undefined ? { value: before } : parseBytes(field.trim(), kbBase);
    if ('problem' in parsed) {
      return parsed;
    }
    if (parsed.value < 1) {
      return { problem: `\`${text}\`: a block has at least one byte` };
    }
    sizes.push(parsed.value);
  }
  return { value: { readBytes: sizes[0]!, writeBytes: sizes[1] ?? sizes[0]! } };
}

/** Nanoseconds of each unit; a number without one is in seconds. `m` is minutes, as fio has it. */
const TIME_UNITS: Readonly<Record<string, number>> = {
  us: 1e3,
  usec: 1e3,
  ms: 1e6,
  msec: 1e6,
  '': 1e9,
  s: 1e9,
  sec: 1e9,
  m: 6e10,
  min: 6e10,
  h: 3.6e12,
  hours: 3.6e12,
  d: 8.64e13,
  days: 8.64e13,
};

/** @returns nanoseconds */
export function parseTime(text: string): Parsed<number> {
  const match = /^(\d+)\s*([a-z]*)$/i.exec(text);
  const unit = match === null ? undefined : match[2]!.toLowerCase();
  // Not every name of an object is a unit.
  const scale = unit !== undefined && Object.hasOwn(TIME_UNITS, unit) ? TIME_UNITS[unit] : undefined;
  if (match === null || scale === undefined) {
    return { problem: `\`${text}\` is no time such as 10, 10s, 500ms or 2m` };
  }
  const value = Number(match[1]) * scale;
  return Number.isSafeInteger(value)
    ? { value }
    : { problem: `\`${text}\` is longer than this program lives` };
}

/** A whole number within bounds. */
export function parseInteger(text: string, min: number, max: number): Parsed<number> {
  const parsed = parseBytes(text, 1024);
  if ('problem' in parsed) {
    return { problem: `\`${text}\` is no whole number` };
  }
  return parsed.value >= min && parsed.value <= max
    ? parsed
    : { problem: `\`${text}\` is not between ${min} and ${max}` };
}

/** Options that are on when named, and may be given 0 or 1. */
export function parseSwitch(text: string | undefined): Parsed<boolean> {
  if (text === undefined) {
    return { value: true };
  }
  const number = parseInteger(text, 0, Number.MAX_SAFE_INTEGER);
  return 'value' in number ? { value: number.value !== 0 } : { problem: `\`${text}\` is neither 0 nor 1` };
}

/** Options that want 0 or 1. */
export function parseBoolean(text: string): Parsed<boolean> {
  const number = parseInteger(text, 0, 1);
  return 'value' in number ? { value: number.value === 1 } : { problem: `\`${text}\` is neither 0 nor 1` };
}
