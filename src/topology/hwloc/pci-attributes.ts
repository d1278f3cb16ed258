/** The attributes of hwloc's PCI objects. hwloc 0.9 to 3.0 write them alike, with fields added at the end. */
import { type Bdf, toBdf } from '../../base/index.ts';
import type { ClassName, LinkRate } from '../machine.ts';
import { diskOfPath } from '../text/index.ts';

export interface PciType {
  readonly classAndSubclass: number;
  readonly vendorId: number;
  readonly deviceId: number;
  /** Null where both are zero: there is none. */
  readonly subsystemVendorId: number | null;
  readonly subsystemDeviceId: number | null;
  readonly revision: number | undefined;
  /** From hwloc 3.0 on. */
  readonly programmingInterface: number | undefined;
}

const PCI_TYPE =
  /^([0-9a-f]{4}) \[([0-9a-f]{4}):([0-9a-f]{4})\] \[([0-9a-f]{4}):([0-9a-f]{4})\](?: ([0-9a-f]{2}))?(?: ([0-9a-f]{2}))?$/i;

/** `0604 [8086:2030] [8086:0000] 04`, in hwloc 3 with the programming interface behind. */
export function parsePciType(text: string): PciType | undefined {
  const match = PCI_TYPE.exec(text.trim());
  if (match === null) {
    return undefined;
  }
  const [classAndSubclass, vendorId, deviceId, subVendor, subDevice] = match
    .slice(1, 6)
    .map((digits) => Number.parseInt(digits, 16));
  const hasSubsystem = subVendor !== 0 || subDevice !== 0;
  return {
    classAndSubclass: classAndSubclass!,
    vendorId: vendorId!,
    deviceId: deviceId!,
    subsystemVendorId: hasSubsystem ? subVendor! : null,
    subsystemDeviceId: hasSubsystem ? subDevice! : null,
    revision: match[6] === undefined ? undefined : Number.parseInt(match[6], 16),
    programmingInterface: match[7] === undefined ? undefined : Number.parseInt(match[7], 16),
  };
}

export interface BusRange {
  readonly domain: number;
  readonly first: number;
  readonly last: number;
}

/** `0000:[01-05]`, the buses behind a bridge. */
export function parseBusRange(text: string): BusRange | undefined {
  const match = /^([0-9a-f]{4,8}):\[([0-9a-f]{2})-([0-9a-f]{2})\]$/i.exec(text.trim());
  return match === null
    ? undefined
    : {
        domain: Number.parseInt(match[1]!, 16),
        first: Number.parseInt(match[2]!, 16),
        last: Number.parseInt(match[3]!, 16),
      };
}

/** `0000:3b:00.0`. */
export function parseBusId(text: string): Bdf | undefined {
  return toBdf(text.trim());
}

/** GB/s of one lane in one direction, as hwloc computes it: 8b/10b at the first two speeds, 128b/130b above. */
const LANE_GB_PER_S: readonly (readonly [speedGTs: number, gigabytesPerS: number])[] = [
  [2.5, 0.25],
  [5, 0.5],
  [8, 8 / 8.125],
  [16, 16 / 8.125],
  [32, 32 / 8.125],
  [64, 64 / 8.125],
];
const WIDTHS = [1, 2, 4, 8, 12, 16, 32];

/**
 * The link that runs at `text` GB/s, where one speed and width alone give that figure. Most do not: 15.75 GB/s is 8 GT/s
 * x16, 16 GT/s x8 or 32 GT/s x4. hwloc takes it from Link Status, so it is the current rate. 0 is hwloc's unknown.
 */
export function linkRateOf(text: string | undefined): LinkRate | undefined {
  const figure = Number(text);
  if (text === undefined || !Number.isFinite(figure) || figure <= 0) {
    return undefined;
  }
  const matches = LANE_GB_PER_S.flatMap(([speedGTs, lane]) =>
    WIDTHS.filter((width) => Math.abs(lane * width - figure) < 0.0005 * figure).map((width) => ({
      speedGTs,
      width,
    })),
  );
  return matches.length === 1 ? matches[0] : undefined;
}

/** What `osdev_type` says, where the name alone does not: numbers up to hwloc 2, bits from hwloc 3. */
const TYPE_NUMBERS: readonly (string | undefined)[] = [
  'block',
  'drm',
  'net',
  'infiniband',
  'dma',
  undefined,
  undefined,
];
const TYPE_BITS: readonly (readonly [bit: number, subsystem: string])[] = [
  [32, 'infiniband'],
  [16, 'net'],
  [64, 'dma'],
  [4, 'drm'],
  [1, 'block'],
];

/** Names that GPU and storage libraries give, which are no Linux class. */
const LIBRARY_NAME = /^(cuda|nvml|rsmi|opencl|ze|levelzero|ve|mic|bxi)\d/;
const LINUX_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^nvme\d+$/, 'nvme'],
  [/^(?:nvme\d+n\d+|sd[a-z]+|vd[a-z]+|pmem\d+|dax\d+\.\d+)$/, 'block'],
  [/^(?:card|renderD|controlD)\d+$/, 'drm'],
  [/^dma\d+chan\d+$/, 'dma'],
];

/** An OS device as a name of its function. */
export function classNameOf(
  name: string,
  typeText: string | undefined,
  isFormat3: boolean,
): ClassName | undefined {
  const disk = diskOfPath(name);
  if (disk !== undefined) {
    return { subsystem: 'block', name: disk };
  }
  const library = LIBRARY_NAME.exec(name)?.[1];
  const byName = library ?? LINUX_NAMES.find(([pattern]) => pattern.test(name))?.[1];
  if (byName !== undefined) {
    return { subsystem: byName, name };
  }
  const type = Number(typeText);
  const subsystem = isFormat3
    ? TYPE_BITS.find(([bit]) => (type & bit) !== 0)?.[1]
    : Number.isInteger(type)
      ? TYPE_NUMBERS[type]
      : undefined;
  return subsystem === undefined ? undefined : { subsystem, name };
}

/** The only node of a node set (`0x00000001`, words of 32 bits separated by commas, empty for zero); undefined for several. */
export function singleNode(nodeset: string | undefined): number | undefined {
  if (nodeset === undefined || !/^[0-9a-fx,]{1,2048}$/i.test(nodeset)) {
    return undefined;
  }
  const words = nodeset.split(',').reverse();
  let found: number | undefined;
  for (const [position, word] of words.entries()) {
    const value = word === '' ? 0 : Number.parseInt(word, 16);
    if (value === 0) {
      continue;
    }
    if (found !== undefined || !Number.isInteger(value) || (value & (value - 1)) !== 0) {
      return undefined;
    }
    found = position * 32 + 31 - Math.clz32(value);
  }
  return found;
}
