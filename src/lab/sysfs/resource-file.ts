/**
 * The `resource` file of a function: start, end and flags of each of the kernel's resources, in CPU addresses.
 * Linux drivers/pci/pci-sysfs.c (resource_show), probe.c (where the flags come from), include/linux/ioport.h (the flags).
 */
import { HEADER_LAYOUT, IO_BASE, PREFETCHABLE_MEMORY_BASE, TOTAL_VFS } from '../../spec/index.ts';
import type { BridgeWindow } from '../../topology/index.ts';
import type { ShownFunction } from './shown-function.ts';
import { FIRST_VF_INDEX, ROM_INDEX, type SizedResource } from './sized-resource.ts';

const FLAG = {
  IO: 0x100,
  MEMORY: 0x200,
  PREFETCH: 0x2000,
  READ_ONLY: 0x4000,
  SIZE_ALIGN: 0x4_0000,
  BITS_64: 0x10_0000,
  UNSET: 0x2000_0000,
} as const;

/** Six BARs, the ROM, six BARs of virtual functions; of a bridge four windows more. */
const ROWS = 13;
const WINDOWS = 4;
const WINDOW_KINDS: readonly BridgeWindow['kind'][] = ['io', 'memory', 'prefetchable'];
const NOTHING: Row = { start: 0, end: 0, flags: 0 };

interface Row {
  readonly start: number;
  readonly end: number;
  readonly flags: number;
}

export function resourceText(fn: ShownFunction): string {
  const rows: Row[] = Array.from({ length: ROWS }, () => NOTHING);
  for (const resource of fn.resources) {
    rows[resource.index] = rowOf(fn, resource);
  }
  if (fn.physical !== null) {
    for (const resource of fn.physical.resources) {
      if (resource.index >= FIRST_VF_INDEX) {
        rows[resource.index - FIRST_VF_INDEX] = rowOfVf(fn, resource);
      }
    }
  }
  if (fn.found.headerType === HEADER_LAYOUT.BRIDGE) {
    rows.push(...windowRows(fn));
  }
  return rows.map(({ start, end, flags }) => `${hex16(start)} ${hex16(end)} ${hex16(flags)}\n`).join('');
}

/** Where it starts for the CPU; 0 while nothing is assigned. */
export function resourceStart(fn: ShownFunction, resource: SizedResource): number {
  const { config } = fn.found;
  const low = config.read32(resource.offset);
  const mask = resource.kind === 'io' ? ~3 : resource.kind === 'rom' ? ~0x7ff : ~15;
  const high = resource.is64Bit ? config.read32(resource.offset + 4) : 0;
  const bus = ((low & mask) >>> 0) + high * 2 ** 32;
  return bus === 0 || resource.kind === 'io' ? bus : bus + fn.found.hostBridge.addressOffset;
}

function rowOf(fn: ShownFunction, resource: SizedResource): Row {
  const isOfVfs = resource.index >= FIRST_VF_INDEX;
  const count = isOfVfs ? fn.found.config.read16((fn.facts.sriov?.offset ?? 0) + TOTAL_VFS.offset) : 1;
  return row(fn, resource, resourceStart(fn, resource), resource.sizeBytes * count);
}

function rowOfVf(fn: ShownFunction, resource: SizedResource): Row {
  const first = resourceStart(fn.physical!, resource);
  const start = first === 0 ? 0 : first + fn.vfIndex * resource.sizeBytes;
  return row(fn.physical!, resource, start, resource.sizeBytes);
}

/** What found no place keeps its length, from 0 on. */
function row(fn: ShownFunction, resource: SizedResource, start: number, sizeBytes: number): Row {
  const flags = flagsOf(resource, fn.found.config.read32(resource.offset));
  return { start, end: start + sizeBytes - 1, flags: start === 0 ? flags | FLAG.UNSET : flags };
}

/** The low bits are those of the register. */
function flagsOf(resource: SizedResource, register: number): number {
  if (resource.index === ROM_INDEX) {
    return FLAG.SIZE_ALIGN | FLAG.READ_ONLY | FLAG.PREFETCH | FLAG.MEMORY | (register & 1);
  }
  return resource.kind === 'io'
    ? FLAG.SIZE_ALIGN | FLAG.IO | (register & 3)
    : FLAG.SIZE_ALIGN |
        FLAG.MEMORY |
        (register & 15) |
        (resource.isPrefetchable ? FLAG.PREFETCH : 0) |
        (resource.is64Bit ? FLAG.BITS_64 : 0);
}

/** In the order I/O, memory, prefetchable; the fourth is for CardBus. A closed window is a row of zeros. */
function windowRows(fn: ShownFunction): Row[] {
  const rows = WINDOW_KINDS.map((kind): Row => {
    const window = fn.facts.windows?.find((each) => each.kind === kind);
    if (window === undefined) {
      return NOTHING;
    }
    const offset = kind === 'io' ? 0 : fn.found.hostBridge.addressOffset;
    return { start: window.first + offset, end: window.last + offset, flags: windowFlags(fn, kind) };
  });
  return [...rows, ...Array.from({ length: WINDOWS - rows.length }, () => NOTHING)];
}

function windowFlags(fn: ShownFunction, kind: BridgeWindow['kind']): number {
  const { config } = fn.found;
  if (kind === 'io') {
    return FLAG.IO | (config.read8(IO_BASE.offset) & 15);
  }
  if (kind === 'memory') {
    return FLAG.MEMORY;
  }
  const type = config.read16(PREFETCHABLE_MEMORY_BASE.offset) & 15;
  return FLAG.MEMORY | FLAG.PREFETCH | type | (type === 1 ? FLAG.BITS_64 : 0);
}

function hex16(value: number): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
