/** What acknowledgements and credit returns take from the other direction (PCIe Base 6.0, 2.6.1.2 and 3.6.3.1). */
import { generationOf, isFlitLink, type LinkSpeed } from './link-rate.ts';
import { DLLP_BYTES } from './tlp-size.ts';

/** Bytes that the limit's formula adds to the payload: the largest header, framing and LCRC of its time. */
const LIMIT_OVERHEAD_BYTES = 28;

/** Delay inside a port, in symbol times. */
function internalDelaySymbols(generation: number): number {
  return generation === 1 ? 19 : generation === 2 ? 70 : 115;
}

/** How many packets may go by before the Ack; depends on width and payload. */
function ackFactor(width: number, mpsBytes: number): number {
  if (mpsBytes >= 512) {
    return width >= 12 ? 2 : 1;
  }
  return width >= 12 ? 3 : width >= 8 ? 2.5 : 1.4;
}

/**
 * Longest time between two Acks, and between two UpdateFC of a type, in symbol times (one byte per lane).
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function ackLimitSymbols(link: LinkSpeed, mpsBytes: number): number {
  const factor = ackFactor(link.width, mpsBytes);
  return Math.floor(
    ((mpsBytes + LIMIT_OVERHEAD_BYTES) * factor) / link.width +
      internalDelaySymbols(generationOf(link.speedGTs)),
  );
}

/**
 * - `symbol`: one Ack and one UpdateFC per limit, spread over the lanes; fits measurements (1 % at x8).
 * - `pciebench`: the pessimistic published model, without the division by the width.
 * - `none`
 */
export type DllpModel = 'symbol' | 'pciebench' | 'none';

/**
 * Share of the raw rate that DLLPs take from a direction while the opposite one is saturated. Flits have room of their
 * own for DLLPs, so 0 there.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function dllpShare(link: LinkSpeed, mpsBytes: number, model: DllpModel = 'symbol'): number {
  if (model === 'none' || isFlitLink(link)) {
    return 0;
  }
  const share = (2 * DLLP_BYTES) / ackLimitSymbols(link, mpsBytes);
  return model === 'pciebench' ? share : share / link.width;
}
