/** What the Resizable BAR capability offers above what is set (PCIe Base 6.0, 7.8.6). */
import { EXTENDED_ID } from '../spec/pcie/index.ts';
import { findExtendedCapability, type MachineFunction, walkCapabilities } from '../topology/index.ts';

export interface ResizableBar {
  readonly barIndex: number;
  readonly sizeBytes: number;
  /** The largest size that the device supports. */
  readonly largestBytes: number;
}

const MIB = 0x10_0000;
const ENTRY_BYTES = 8;
const ENTRIES_MAX = 6;

/**
 * The resizable BARs of a function. Empty: it has none, or its extended config space is not at hand.
 *
 * Sizes above 128 TiB, which later revisions encode in the control register, are not looked at.
 */
export function resizableBars(fn: MachineFunction): readonly ResizableBar[] {
  let found = decoded.get(fn);
  if (found === undefined) {
    found = decode(fn);
    decoded.set(fn, found);
  }
  return found;
}

/** A function is asked for once a pair, and its config space does not change. */
const decoded = new WeakMap<MachineFunction, readonly ResizableBar[]>();

function decode(fn: MachineFunction): ResizableBar[] {
  const { config } = fn;
  if (config === undefined || fn.isGone) {
    return [];
  }
  const capability = findExtendedCapability(walkCapabilities(config), EXTENDED_ID.RESIZABLE_BAR);
  if (capability == null) {
    return [];
  }
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  const found: ResizableBar[] = [];
  let count = 1;
  for (let entry = 0; entry < count; entry++) {
    const base = capability.offset + 4 + entry * ENTRY_BYTES;
    if (base + ENTRY_BYTES > Math.min(config.byteLength, capability.offset + capability.spanBytes)) {
      break;
    }
    const supported = view.getUint32(base, true) >>> 4;
    const control = view.getUint32(base + 4, true);
    if (entry === 0) {
      count = Math.min((control >>> 5) & 7, ENTRIES_MAX);
    }
    if (supported !== 0 && count > 0) {
      found.push({
        barIndex: control & 7,
        sizeBytes: MIB * 2 ** ((control >>> 8) & 0x3f),
        largestBytes: MIB * 2 ** (31 - Math.clz32(supported)),
      });
    }
  }
  return found;
}
