/**
 * The `resource` file of a function: one line `start end flags` for each of the kernel's resources, in CPU addresses.
 * Sources: Linux drivers/pci/pci-sysfs.c, resource_show(); include/linux/ioport.h for the flags; include/linux/pci.h for
 * the order: six BARs, the ROM, six SR-IOV BARs where the kernel has SR-IOV, then the windows of a bridge.
 */
import { parseHexAddress } from '../../base/index.ts';
import type { Bar, BridgeWindow } from '../machine.ts';

export interface Resources {
  readonly bars: readonly Bar[];
  /** Open windows; undefined when the file has none (functions that are no bridges). */
  readonly windows: readonly BridgeWindow[] | undefined;
}

const FLAG_IO = 0x100;
const FLAG_MEMORY = 0x200;
const FLAG_PREFETCH = 0x2000;
const FLAG_64_BIT = 0x10_0000;
const FLAG_DISABLED = 0x1000_0000;
const FLAG_UNSET = 0x2000_0000;

const BARS_AND_ROM = 7;
const SRIOV_BARS = 6;
const WINDOWS = 4;

const LINE = /^(0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16})$/i;

/** Undefined when the text is not such a file. */
export function parseResources(text: string): Resources | undefined {
  const rows: Row[] = [];
  for (const line of text.split('\n')) {
    const match = LINE.exec(line.trim());
    if (match === null) {
      return undefined;
    }
    rows.push({
      start: parseHexAddress(match[1]!)!,
      end: parseHexAddress(match[2]!)!,
      // The upper half of the flags is never set.
      flags: Number.parseInt(match[3]!.slice(2).padStart(8, '0').slice(-8), 16),
    });
  }
  if (rows.length < 6) {
    return undefined;
  }
  const hasSriovRows =
    rows.length === BARS_AND_ROM + SRIOV_BARS || rows.length === BARS_AND_ROM + SRIOV_BARS + WINDOWS;
  const barRows = hasSriovRows ? BARS_AND_ROM + SRIOV_BARS : Math.min(rows.length, BARS_AND_ROM);
  const windowRows = rows.slice(barRows, barRows + WINDOWS);
  return {
    bars: rows.slice(0, barRows).flatMap((row, index) => barOf(row, index)),
    windows: windowRows.length === WINDOWS ? windowRows.flatMap(windowOf) : undefined,
  };
}

interface Row {
  readonly start: number;
  readonly end: number;
  readonly flags: number;
}

function barOf(row: Row, index: number): Bar[] {
  const isMemory = (row.flags & FLAG_MEMORY) !== 0;
  if (!isMemory && (row.flags & FLAG_IO) === 0) {
    return [];
  }
  const sizeBytes = row.end - row.start + 1;
  // A resource that found no place keeps its size from 0 on, with or without the UNSET flag.
  const isAssigned = (row.flags & FLAG_UNSET) === 0 && row.start !== 0;
  return [
    {
      index,
      kind: isMemory ? 'memory' : 'io',
      is64Bit: isMemory && (row.flags & FLAG_64_BIT) !== 0,
      isPrefetchable: isMemory && (row.flags & FLAG_PREFETCH) !== 0,
      start: isAssigned ? row.start : null,
      sizeBytes: Number.isSafeInteger(sizeBytes) && sizeBytes > 0 ? sizeBytes : undefined,
    },
  ];
}

function windowOf(row: Row): BridgeWindow[] {
  const isMemory = (row.flags & FLAG_MEMORY) !== 0;
  const isOpen =
    (row.flags & (FLAG_MEMORY | FLAG_IO)) !== 0 && (row.flags & (FLAG_UNSET | FLAG_DISABLED)) === 0;
  if (!isOpen || row.end <= row.start) {
    return [];
  }
  const kind = !isMemory ? 'io' : (row.flags & FLAG_PREFETCH) !== 0 ? 'prefetchable' : 'memory';
  return [{ kind, first: row.start, last: row.end }];
}
