/** Scales of a chart: where a value lies, and which values are worth a tick. */

/** Beyond is no measurement, and differences would overflow. */
export const SCALE_LIMIT = 1e100;

export interface Scale {
  /** 0 at the start of the axis, 1 at its end. */
  readonly position: (value: number) => number;
  readonly ticks: readonly number[];
  /** A tick as it is written beside the axis. */
  readonly text: (tick: number) => string;
}

/** Ticks at 1, 2 or 5 times a power of ten, about so many; the axis ends on ticks. */
export function linearScale(low: number, high: number, wanted: number): Scale {
  // Values that differ by a rounding error only are one value: their ticks could not be told apart.
  const isOne = high - low <= Math.max(Math.abs(low), Math.abs(high)) * 1e-9;
  const isNothing = high - low < 1 / SCALE_LIMIT && Math.abs(high) < 1 / SCALE_LIMIT;
  const [from, to] = isNothing ? [0, 1] : isOne ? widened(high) : [low, high];
  const step = niceStep((to - from) / Math.max(1, wanted));
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(to / step - 1e-9);
  const ticks: number[] = [];
  for (let index = first; index <= last; index++) {
    // Not added up: 0.1 + 0.1 + 0.1 is no tick.
    ticks.push(index * step);
  }
  const start = first * step;
  const end = last * step;
  const digits = digitsOf(step);
  return {
    position: (value) => (value - start) / (end - start),
    ticks,
    text: (tick) => tick.toFixed(digits),
  };
}

/** Ticks at powers of ten, at 1, 2 and 5 where there are few. Both ends must be above zero. */
export function logScale(low: number, high: number): Scale {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const every = Math.ceil((last - first) / 10);
  const multiples = last - first <= 3 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = first; power <= last; power++) {
    for (const multiple of multiples) {
      if ((power - first) % every === 0 && (power < last || multiple === 1)) {
        ticks.push(multiple * 10 ** power);
      }
    }
  }
  return {
    position: (value) => (Math.log10(value) - first) / (last - first),
    ticks,
    // 5 * 10 ** -3 is not quite 0.005.
    text: (tick) => String(Number(tick.toPrecision(12))),
  };
}

function widened(value: number): [number, number] {
  return value > 0 ? [0, value] : [value, 0];
}

/** The smallest of 1, 2, 5 times a power of ten that is not below. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const multiple = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return multiple * power;
}

function digitsOf(step: number): number {
  return Math.min(15, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}
