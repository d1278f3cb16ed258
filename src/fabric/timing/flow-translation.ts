/** Translation of a whole request at once: how much later it is than if its addresses needed none. */
import type { Shape } from './flow-shape.ts';
import type { TimedPath } from './path.ts';

const PAGE_BYTES = 4096;
/** Pages of a request that are asked for. */
const PAGES_MAX = 64;

/**
 * One question for each 4 KiB page, up to the first 64, at the moment at which its packets would come by on an idle path. The
 * answer that is latest against that moment is what the request loses. Walkers limit closed loops by this wait; as a
 * limit of throughput on their own, for small requests without end, they are the packet engine's.
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
