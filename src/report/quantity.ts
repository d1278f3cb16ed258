/** Numbers with units for people: SI prefixes, and what the name of a metric says of its unit. */

export interface SiPrefix {
  readonly factor: number;
  readonly symbol: string;
}

const LARGE: readonly SiPrefix[] = [
  { factor: 1e15, symbol: 'P' },
  { factor: 1e12, symbol: 'T' },
  { factor: 1e9, symbol: 'G' },
  { factor: 1e6, symbol: 'M' },
  { factor: 1e3, symbol: 'k' },
];
const NONE: SiPrefix = { factor: 1, symbol: '' };
/** `u` and not the Greek letter: it survives every font and every terminal. */
const SMALL: readonly SiPrefix[] = [
  { factor: 1e-3, symbol: 'm' },
  { factor: 1e-6, symbol: 'u' },
  { factor: 1e-9, symbol: 'n' },
  { factor: 1e-12, symbol: 'p' },
];

/** A unit of which only some sizes are in use: nobody says kiloseconds, a millibyte or 5 k%. */
function prefixesOf(unit: string): readonly SiPrefix[] {
  switch (unit) {
    case 's':
      return [NONE, ...SMALL];
    case '':
    case '%':
      return [NONE];
    default:
      return [...LARGE, NONE];
  }
}

/**
 * The prefix that makes a value readable, 1 to 999 where there is one.
 * @param magnitude  the largest of the values that share it
 */
export function prefixFor(magnitude: number, unit: string): SiPrefix {
  const size = Math.abs(magnitude);
  const prefixes = prefixesOf(unit);
  if (!(size > 0) || !Number.isFinite(size)) {
    return NONE;
  }
  // A hair below the limit is the limit: 0.001 s may have become 0.0009999999999999998.
  return prefixes.find(({ factor }) => size >= factor * (1 - 1e-9)) ?? prefixes.at(-1)!;
}

/** `7.18 GB/s`, `1.5 us`, `820 k IOPS`: three significant digits. */
export function formatQuantity(value: number, unit: string): string {
  const prefix = prefixFor(value, unit);
  return `${threeDigits(value / prefix.factor)}${unitText(prefix, unit)}`;
}

/** The unit with its prefix, a space before it; a word is kept apart from its prefix. */
export function unitText(prefix: SiPrefix, unit: string): string {
  if (unit === '' && prefix.symbol === '') {
    return '';
  }
  const isWord = unit === 'IOPS';
  return isWord && prefix.symbol !== '' ? ` ${prefix.symbol} ${unit}` : ` ${prefix.symbol}${unit}`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || size === 0) {
    return value.toFixed(0);
  }
  return size >= 10 ? trimmed(value.toFixed(1)) : trimmed(value.toPrecision(3));
}

function trimmed(text: string): string {
  return text.includes('e') || !text.includes('.') ? text : text.replace(/\.?0+$/, '');
}

export interface Quantity {
  /** `B/s`, `s`, `IOPS`, `B`, `%`, or empty. */
  readonly unit: string;
  /** What a value of the metric is multiplied by to be in that unit. */
  readonly factor: number;
}

/** By how the last word of its name ends: STYLE of the code base and of its JSON, a quantity ends in its unit. */
const ENDINGS: readonly (readonly [RegExp, Quantity])[] = [
  [/GBs$/, { unit: 'B/s', factor: 1e9 }],
  [/iops$/i, { unit: 'IOPS', factor: 1 }],
  [/Ps$/, { unit: 's', factor: 1e-12 }],
  [/Ns$/, { unit: 's', factor: 1e-9 }],
  [/Bytes$|^bytes$/, { unit: 'B', factor: 1 }],
  [/(?:utilisation|share)$/i, { unit: '%', factor: 100 }],
];

/** @param name  a metric with its path, `streams.r0.latencyNs.p99` */
export function quantityOfMetric(name: string): Quantity {
  const words = name.split('.');
  for (let index = words.length - 1; index >= 0; index--) {
    const found = ENDINGS.find(([pattern]) => pattern.test(words[index]!));
    if (found !== undefined) {
      return found[1];
    }
  }
  return { unit: '', factor: 1 };
}
