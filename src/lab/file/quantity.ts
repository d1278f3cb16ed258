/** Durations, rates, counts and shares with their units, to numbers and back: what is printed reads as exactly the same number. */
import { NOT_TAKEN, scalar } from './field.ts';

/** Picoseconds of a unit. */
const TIME_UNITS: Readonly<Record<string, number>> = { ps: 1, ns: 1e3, us: 1e6, µs: 1e6, ms: 1e9, s: 1e12 };
const TIME_PATTERN = '^(0|[0-9]+(\\.[0-9]+)?[ ]?(ps|ns|us|µs|ms|s))$';

/** Nothing in a lab lasts longer; a run ends at 2^53 ps, which are two and a half hours. */
export const DURATION_MAX_PS = 3600e12;

/** Whole picoseconds of `10ms`, `1.5us`, `290ns`, `0`. */
export function readDuration(text: string): number | typeof NOT_TAKEN {
  if (text === '0') {
    return 0;
  }
  const match = /^(\d{1,16}(?:\.\d{1,16})?) ?(ps|ns|us|µs|μs|ms|s)$/.exec(text);
  if (match === null) {
    return NOT_TAKEN;
  }
  const unit = TIME_UNITS[match[2]!.replace('μ', 'µ')]!;
  return wholeNumber(Number(match[1]) * unit);
}

/** `14.3` times a million is not whole in binary; half a picosecond is not whole at all. */
function wholeNumber(value: number): number | typeof NOT_TAKEN {
  const whole = Math.round(value);
  return Math.abs(value - whole) <= 1e-6 + value * 1e-12 && Number.isSafeInteger(whole) ? whole : NOT_TAKEN;
}

/** The largest unit that leaves at most three places. */
export function printDuration(ps: number): string {
  for (const [unit, name] of [
    [1e12, 's'],
    [1e9, 'ms'],
    [1e6, 'us'],
    [1e3, 'ns'],
  ] as const) {
    if (ps >= unit && ps % (unit / 1000) === 0) {
      return `${ps / unit}${name}`;
    }
  }
  return ps === 0 ? '0' : `${ps}ps`;
}

/** A duration from `minPs` to `maxPs`. */
export function duration(minPs: number, maxPs: number = DURATION_MAX_PS) {
  return scalar(
    `duration of ${printDuration(minPs)} to ${printDuration(maxPs)}; write 10ms, 1.5us, 290ns or 2s, whole picoseconds`,
    (text) => within(readDuration(text), minPs, maxPs),
    {
      anyOf: [{ type: 'string', pattern: TIME_PATTERN }, { const: 0 }],
      examples: ['10ms', '1.5us', '290ns'],
    },
  );
}

/** Bytes a nanosecond of each unit. The case tells bits from bytes. */
const RATE_DIVISORS: Readonly<Record<string, number>> = { '': 1e9, k: 1e6, M: 1e3, G: 1 };
const RATE_PATTERN = '^(0|[0-9]+(\\.[0-9]+)?[ ]?([kKMGT]?(B|b|bit)|[KMGT]iB)/s)$';

/** GB/s of `3.2GB/s`, `100Gb/s`, `500MB/s`, `20GiB/s`, `0`. */
export function readRate(text: string): number | typeof NOT_TAKEN {
  if (text === '0') {
    return 0;
  }
  const match = /^(\d{1,16}(?:\.\d{1,25})?) ?(?:([kKMGT]?)(B|b|bit)|([KMGT])iB)\/s$/.exec(text);
  if (match === null) {
    return NOT_TAKEN;
  }
  const value = Number(match[1]);
  if (match[4] !== undefined) {
    return (value * 1024 ** ('KMGT'.indexOf(match[4]) + 1)) / 1e9;
  }
  const letter = match[2]!.replace('K', 'k');
  const bytes = letter === 'T' ? value * 1000 : value / RATE_DIVISORS[letter]!;
  return match[3] === 'B' ? bytes : bytes / 8;
}

export function printRate(gbs: number): string {
  return gbs === 0 ? '0' : `${gbs}GB/s`;
}

/** 1 kB/s, below which nothing is a rate, and 10 TB/s. */
export const RATE_MIN_GBS = 1e-6;
export const RATE_MAX_GBS = 10_000;

/** A rate; with `min` 0 none is allowed too. */
export function rate(min: number = RATE_MIN_GBS, max: number = RATE_MAX_GBS) {
  const from = min === 0 ? '0' : min === RATE_MIN_GBS ? '1kB/s' : printRate(min);
  const to = max === RATE_MAX_GBS ? '10TB/s' : printRate(max);
  return scalar(
    `rate of ${from} to ${to}; write 3.2GB/s, 500MB/s, 20GiB/s, or 100Gb/s for bits`,
    (text) => within(readRate(text), min, max),
    { anyOf: [{ type: 'string', pattern: RATE_PATTERN }, { const: 0 }], examples: ['3.2GB/s', '100Gb/s'] },
  );
}

const COUNT_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** `47M`, `800k`, `1.5M`, `1000`: powers of ten, as no bytes are counted. */
export function readAmount(text: string): number | typeof NOT_TAKEN {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)([kmg]?)$/i.exec(text);
  return match === null ? NOT_TAKEN : wholeNumber(Number(match[1]) * COUNT_UNITS[match[2]!.toLowerCase()]!);
}

export function printAmount(value: number): string {
  for (const [unit, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= unit && value % (unit / 10) === 0) {
      return `${value / unit}${letter}`;
    }
  }
  return String(value);
}

/** A count that may be long: `47M`. */
export function amount(min: number, max: number) {
  return scalar(
    `number from ${printAmount(min)} to ${printAmount(max)}; write 47M, 800k or 1000`,
    (text) => within(readAmount(text), min, max),
    { type: ['string', 'integer'], pattern: '^[0-9]+(\\.[0-9]+)?[kKmMgG]?$', examples: ['47M', '800k'] },
  );
}

/** A share as `0.95` or `95%`, from `min` to `max`. */
export function share(min: number, max: number) {
  return scalar(
    `share from ${min} to ${max}; write 0.95 or 95%`,
    (text) => {
      const match = /^(\d{1,3}(?:\.\d{1,20})?)(%?)$/.exec(text);
      const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '' ? 1 : 100);
      // Below a thousandth it would print with an exponent.
      return value >= min && value <= max && (value === 0 || value >= 1e-3) ? value : NOT_TAKEN;
    },
    { type: ['string', 'number'], pattern: '^[0-9]+(\\.[0-9]+)?%?$', examples: ['0.95', '95%'] },
  );
}

/** Above this, a packet of 4 KiB is never whole. */
const ERROR_RATE_MAX = 1e-5;

/** Bit errors a bit: `1e-12`. */
export function errorRate() {
  return scalar(
    `bit error rate from 0 to ${ERROR_RATE_MAX}; write 1e-12 or 0`,
    (text) => {
      const value = /^\d{1,3}(?:\.\d{1,20})?(?:e-\d{1,3})?$/i.test(text) ? Number(text) : Number.NaN;
      return value >= 0 && value <= ERROR_RATE_MAX ? value : NOT_TAKEN;
    },
    { type: ['string', 'number'], examples: ['1e-12'] },
  );
}

/** Credits: a whole number, or `inf`. */
export function credits(max: number) {
  return scalar(
    `whole number from 1 to ${max}, or inf`,
    (text) => {
      if (text === 'inf') {
        return Number.POSITIVE_INFINITY;
      }
      const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
      return value >= 1 && value <= max ? value : NOT_TAKEN;
    },
    { type: ['string', 'integer'], pattern: '^([0-9]+|inf)$' },
  );
}

export function printCredits(value: number): string {
  return value === Number.POSITIVE_INFINITY ? 'inf' : String(value);
}

function within(value: number | typeof NOT_TAKEN, min: number, max: number): number | typeof NOT_TAKEN {
  return value !== NOT_TAKEN && value >= min && value <= max ? value : NOT_TAKEN;
}
