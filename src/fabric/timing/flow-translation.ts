/** Translation of whole requests: how much later each is than if its addresses needed none, and whom that holds up. */
import type { Shape } from './flow-shape.ts';
import type { TimedPath } from './path.ts';

const PAGE_BYTES = 4096;
/** Pages of a request that are asked for. */
const PAGES_MAX = 64;

/**
 * One question for each 4 KiB page, up to the first 64, at the moment at which its packets would come by on an idle path. The
 * answer that is latest against that moment is what the request loses.
 */
export function translationWaitPs(path: TimedPath, shape: Shape, addr: number, startPs: number): number {
  const { translation, translationAt, source, isWrite } = path;
  if (translation === null) {
    return 0;
  }
  const { headStartsPs, arrivedPs } = shape.requestTimes;
  const thereBy = translationAt < headStartsPs.length ? headStartsPs[translationAt]! : arrivedPs;
  const first = Math.floor(addr / PAGE_BYTES);
  const count = Math.floor((addr + Math.max(1, shape.lengthBytes) - 1) / PAGE_BYTES) - first + 1;
  const stepPs = (shape.units * shape.unitPs) / count;
  let waitPs = 0;
  for (let i = 0; i < Math.min(count, PAGES_MAX); i++) {
    const atPs = startPs + thereBy + i * stepPs;
    const pageAddr = i === 0 ? addr : (first + i) * PAGE_BYTES;
    waitPs = Math.max(waitPs, translation.ready(source, pageAddr, isWrite, atPs) - atPs);
  }
  return waitPs;
}

/** Requests that are remembered; what one of them held up further back has long gone on. */
const REMEMBERED = 1024;

/**
 * Who waits for its translation keeps its buffer, or its tag: a unit can only go when the one that had its place before is through.
 * So walks that do not keep up limit throughput, and those that do cost no more than their time.
 */
export class TranslationWindow {
  /** Of the last requests, a ring: when their service began and ended, their units, and what translation made them wait. */
  readonly #startsPs = new Float64Array(REMEMBERED);
  readonly #endsPs = new Float64Array(REMEMBERED);
  readonly #units = new Float64Array(REMEMBERED);
  readonly #waitsPs = new Float64Array(REMEMBERED);
  #count = 0;

  push(startPs: number, endPs: number, units: number, waitPs: number): void {
    const at = this.#count++ % REMEMBERED;
    this.#startsPs[at] = startPs;
    this.#endsPs[at] = endPs;
    this.#units[at] = units;
    this.#waitsPs[at] = waitPs;
  }

  /**
   * When the next unit may go.
   * @param places    units under way at once
   * @param loopPs    how long one keeps its place without translation
   */
  opensPs(places: number, loopPs: number): number {
    let left = places;
    const last = Math.max(0, this.#count - REMEMBERED);
    for (let i = this.#count - 1; i >= last; i--) {
      const at = i % REMEMBERED;
      const units = this.#units[at]!;
      if (units >= left) {
        const startPs = this.#startsPs[at]!;
        const unitAtPs = startPs + ((this.#endsPs[at]! - startPs) * (units - left)) / units;
        return this.#waitsPs[at] === 0 ? 0 : unitAtPs + loopPs + this.#waitsPs[at]!;
      }
      left -= units;
    }
    return 0;
  }
}
