/** Sizes that a BAR can take and the one it has. PCIe Base 6.0, 7.8.6 and 7.8.7. */
import {
  EXTENDED_ID,
  RESIZABLE_BAR_CAPABILITY,
  RESIZABLE_BAR_CONTROL,
  RESIZABLE_BAR_ENTRY,
  RESIZABLE_BAR_HEADER,
  RESIZABLE_BARS_MAX,
} from '../../spec/pcie/index.ts';
import { FIRST_SRIOV_INDEX } from './bars.ts';
import { type Located, locateExtendedCapability } from './locate.ts';
import type { WalkOptions } from './walk.ts';

export interface ResizableBar {
  /** As in `Bar`: 0 to 5, or 7 to 12 for a VF BAR of a PF. */
  readonly index: number;
  /** The size set now. Of a VF BAR: of one VF. */
  readonly currentBytes: number;
  /** Sizes on offer, smallest first; sizes of 2^53 bytes and more are left out. */
  readonly supportedBytes: readonly number[];
}

const MIB = 0x10_0000;

/**
 * Resizable BARs of a function. Null: it has none. Undefined: the bytes end too early to tell.
 *
 * The capability holds the size of a BAR, which its register does not.
 */
export function resizableBars(
  bytes: Uint8Array,
  options?: WalkOptions,
): readonly ResizableBar[] | null | undefined {
  return entries(locateExtendedCapability(bytes, EXTENDED_ID.RESIZABLE_BAR, options), 0);
}

/** The same for the BARs of a PF's virtual functions. */
export function vfResizableBars(
  bytes: Uint8Array,
  options?: WalkOptions,
): readonly ResizableBar[] | null | undefined {
  return entries(locateExtendedCapability(bytes, EXTENDED_ID.VF_RESIZABLE_BAR, options), FIRST_SRIOV_INDEX);
}

function entries(located: Located | null | undefined, firstIndex: number): ResizableBar[] | null | undefined {
  if (located === null || located === undefined) {
    return located;
  }
  const { view, capability } = located;
  const start = capability.offset + RESIZABLE_BAR_HEADER.sizeBytes;
  const end = capability.offset + capability.spanBytes;
  if (start + RESIZABLE_BAR_ENTRY.sizeBytes > end) {
    return undefined;
  }
  const count = RESIZABLE_BAR_CONTROL.Number_of_Resizable_BARs.read(view.data, start);
  const bars: ResizableBar[] = [];
  for (let i = 0; i < Math.min(count, RESIZABLE_BARS_MAX); i++) {
    const base = start + i * RESIZABLE_BAR_ENTRY.sizeBytes;
    if (base + RESIZABLE_BAR_ENTRY.sizeBytes > end) {
      break;
    }
    bars.push({
      index: firstIndex + RESIZABLE_BAR_CONTROL.BAR_Index.read(view.data, base),
      currentBytes: MIB * 2 ** RESIZABLE_BAR_CONTROL.BAR_Size.read(view.data, base),
      supportedBytes: [
        ...sizes(RESIZABLE_BAR_CAPABILITY.Supported_Sizes.read(view.data, base), MIB),
        ...sizes(RESIZABLE_BAR_CONTROL.Supported_Sizes_Upper.read(view.data, base), MIB * 2 ** 28),
      ].filter((size) => size < 2 ** 53),
    });
  }
  return bars;
}

function sizes(mask: number, unitBytes: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < 32; i++) {
    if (((mask >>> i) & 1) === 1) {
      found.push(unitBytes * 2 ** i);
    }
  }
  return found;
}
