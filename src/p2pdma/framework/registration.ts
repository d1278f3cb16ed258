/**
 * May this part of a BAR become peer memory? The kernel's tests in the kernel's order: pci_p2pdma_add_resource first
 * (spec p2pdma.md section 4.1), then the page map (section 4.2: mm/memremap.c, mm/memory_hotplug.c).
 *
 * Pure functions; they throw what the kernel refuses, and what it should have refused.
 */
import type { BarWindow, PciFunction } from '../../access/index.ts';
import { lastAddress } from '../../base/index.ts';
import type { KernelBehaviour } from './kernel-behaviour.ts';
import type { Region } from './peer-memory.ts';
import type { PlatformFacts } from './platform-facts.ts';
import { type Errno, hex, refusal } from './refusal.ts';

const BAR0_OFFSET = 0x10;
const ROM_BAR = 6;
const IO_SPACE = 1;
const MEMORY_TYPE_64 = 0x4;
const TYPE_MASK = 0x7;

export interface BarRange {
  readonly window: BarWindow;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/**
 * Steps 1 to 4: the BAR and the range in it.
 * @param sizeBytes  0 means the rest of the BAR
 * @throws {MappingError} P2P_BAR_INDEX, P2P_BAR_NOT_MEMORY, P2P_BAR_RANGE
 */
export function checkBarRange(
  fn: PciFunction,
  bar: number,
  sizeBytes: number,
  offsetBytes: number,
  behaviour: KernelBehaviour,
): BarRange {
  const window = windowOf(fn, bar, behaviour);
  const { lengthBytes } = window;
  const detail = { provider: fn.bdf, bar, lengthBytes, offsetBytes, sizeBytes };
  const outside = (edgeCase: 'EC-070' | 'EC-071' | 'EC-073'): Error =>
    refusal('P2P_BAR_RANGE', {
      message: `${sizeBytes === 0 ? 'the rest' : `${sizeBytes} bytes`} at ${hex(offsetBytes)} do not lie in BAR ${bar} of ${fn.bdf}, which has ${hex(lengthBytes)} bytes`,
      hint: 'offset and size must lie inside the BAR; size 0 takes the rest of it',
      errno: 'EINVAL',
      edgeCase,
      detail,
    });
  if (![sizeBytes, offsetBytes].every((value) => Number.isSafeInteger(value) && value >= 0)) {
    throw refusal('P2P_BAR_RANGE', {
      message: `offset ${hex(offsetBytes)} and size ${hex(sizeBytes)} are no range of BAR ${bar} of ${fn.bdf}`,
      hint: 'whole numbers of bytes below 2^53',
      kernel: 'offset + size wraps round, passes the test, and the page map fails',
      edgeCase: 'EC-074',
      detail,
    });
  }
  if (offsetBytes >= lengthBytes) {
    throw outside(offsetBytes === lengthBytes ? 'EC-070' : 'EC-071');
  }
  const size = sizeBytes === 0 ? lengthBytes - offsetBytes : sizeBytes;
  if (size + offsetBytes > lengthBytes) {
    throw outside('EC-073');
  }
  return { window, offsetBytes, sizeBytes: size };
}

function windowOf(fn: PciFunction, bar: number, behaviour: KernelBehaviour): BarWindow {
  if (!Number.isInteger(bar) || bar < 0 || bar >= ROM_BAR) {
    const isBug = bar === ROM_BAR && behaviour.hasProviderRecords;
    throw refusal('P2P_BAR_INDEX', {
      message: `${fn.bdf} has no standard BAR ${bar}`,
      hint: 'memory can be registered from BARs 0 to 5',
      ...(isBug ? { kernel: 'out-of-range access: there is no record for the ROM', edgeCase: 'EC-077' } : {}),
      ...(isBug ? {} : { errno: 'EINVAL' }),
      detail: { provider: fn.bdf, bar },
    });
  }
  const window = fn.bar(bar);
  if (window !== undefined) {
    return window;
  }
  const register = fn.config.read32(BAR0_OFFSET + 4 * bar);
  if ((register & IO_SPACE) !== 0 && register !== 0xffff_ffff && !isUpperHalf(fn, bar)) {
    throw notMemory(fn, bar, 'decodes I/O ports', 'EC-067', 'EINVAL');
  }
  if (isUpperHalf(fn, bar)) {
    throw notMemory(fn, bar, `is the upper half of BAR ${bar - 1}`, 'EC-068', 'EINVAL');
  }
  // The kernel does not look at the flag for this and takes start 0, which is system memory.
  if ((register & TYPE_MASK) === MEMORY_TYPE_64) {
    throw notMemory(fn, bar, 'has no address assigned', 'EC-076', 'ENXIO');
  }
  throw notMemory(fn, bar, 'is not implemented, or has no address', 'EC-068', 'EINVAL');
}

function isUpperHalf(fn: PciFunction, bar: number): boolean {
  // Two 64-bit BARs may follow each other, so the BARs have to be counted from the first.
  for (let index = 0; index < bar; index++) {
    const register = fn.config.read32(BAR0_OFFSET + 4 * index);
    const is64 = fn.bar(index)?.is64Bit ?? (register & TYPE_MASK) === MEMORY_TYPE_64;
    if (is64) {
      if (index + 1 === bar) {
        return true;
      }
      index += 1;
    }
  }
  return false;
}

function notMemory(
  fn: PciFunction,
  bar: number,
  why: string,
  edgeCase: 'EC-067' | 'EC-068' | 'EC-076',
  errno: Errno,
): Error {
  return refusal('P2P_BAR_NOT_MEMORY', {
    message: `BAR ${bar} of ${fn.bdf} ${why}`,
    hint: 'name a memory BAR that has an address, by its lower index',
    errno,
    edgeCase,
    detail: { provider: fn.bdf, bar },
  });
}

/**
 * The page map: conflict, system memory, address range, alignment, cost.
 * @param existing  regions of the whole machine
 * @throws {MappingError} P2P_REGION_CONFLICT, P2P_REGION_IN_RAM, P2P_REGION_OUT_OF_REACH, P2P_REGION_ALIGNMENT,
 *         P2P_NO_PAGE_MEMORY
 */
export function checkPageMap(
  region: Region,
  existing: readonly Region[],
  platform: PlatformFacts,
  behaviour: KernelBehaviour,
): void {
  const unit = behaviour.subsections ? 1 : platform.sectionBytes;
  const first = Math.floor(region.start / unit) * unit;
  const last = Math.ceil((lastAddress(region.start, region.sizeBytes) + 1) / unit) * unit - 1;
  checkConflict(region, first, last, unit, existing);
  const detail = { provider: region.provider, first: region.start, sizeBytes: region.sizeBytes };
  const name = nameOf(region);
  if (platform.ram.some((ram) => first <= ram.last && ram.first <= last)) {
    throw refusal('P2P_REGION_IN_RAM', {
      message: `${name} lies in system memory`,
      hint: 'the BAR has a wrong address, or shares a section of memory with RAM',
      errno: 'ENXIO',
      edgeCase: 'EC-076',
      detail,
    });
  }
  if (last >= platform.physLimit) {
    throw refusal('P2P_REGION_OUT_OF_REACH', {
      message: `${name} ends above ${hex(platform.physLimit - 1)}, the highest address that can be added as memory`,
      hint: 'let the firmware place the BAR lower (MMIO high base), or use a kernel with five-level page tables',
      errno: 'EINVAL',
      edgeCase: 'EC-082',
      detail,
    });
  }
  const align = platform.subsectionBytes;
  if (behaviour.subsections && (region.start % align !== 0 || region.sizeBytes % align !== 0)) {
    throw refusal('P2P_REGION_ALIGNMENT', {
      message: `${name} is not a multiple of ${align >= 2 ** 20 ? `${align / 2 ** 20} MiB` : `${align} bytes`} in start and size`,
      hint: 'register an aligned part of the BAR, or make the BAR larger',
      errno: 'EINVAL',
      edgeCase: 'EC-078',
      detail: { ...detail, alignBytes: align },
    });
  }
  const budget = platform.pageStructBudgetBytes;
  const cost = [...existing, region].reduce((sum, one) => sum + pageStructBytes(one.sizeBytes, platform), 0);
  if (budget !== null && cost > budget) {
    throw refusal('P2P_NO_PAGE_MEMORY', {
      message: `${name} needs ${pageStructBytes(region.sizeBytes, platform)} bytes of system memory for its page structures, more than there is`,
      hint: 'register a part of the BAR: every 4 KiB page costs 64 bytes',
      errno: 'ENOMEM',
      edgeCase: 'EC-086',
      detail: { ...detail, costBytes: cost, budgetBytes: budget },
    });
  }
}

/** Memory that the kernel spends to describe a region: 64 bytes a page, 1.5625 %. */
export function pageStructBytes(sizeBytes: number, platform: PlatformFacts): number {
  return Math.ceil(sizeBytes / platform.pageBytes) * platform.pageStructBytes;
}

function checkConflict(
  region: Region,
  first: number,
  last: number,
  unit: number,
  existing: readonly Region[],
): void {
  for (const other of existing) {
    const otherFirst = Math.floor(other.start / unit) * unit;
    const otherLast = Math.ceil((other.start + other.sizeBytes) / unit) * unit - 1;
    if (first > otherLast || otherFirst > last) {
      continue;
    }
    const isEnclosing = first < otherFirst && otherLast < last;
    const isSameSection =
      region.start > lastAddress(other.start, other.sizeBytes) ||
      other.start > lastAddress(region.start, region.sizeBytes);
    throw refusal('P2P_REGION_CONFLICT', {
      message: isSameSection
        ? `${nameOf(region)} shares a section of ${unit / 2 ** 20} MiB with ${nameOf(other)}`
        : `${nameOf(region)} overlaps ${nameOf(other)}`,
      hint: isSameSection
        ? 'from Linux 5.3 on 2 MiB are enough; before, regions need a section each'
        : 'register each part of a BAR once',
      errno: isEnclosing ? 'EEXIST' : 'ENOMEM',
      edgeCase: isSameSection ? 'EC-079' : isEnclosing ? 'EC-081' : 'EC-080',
      detail: {
        provider: region.provider,
        first: region.start,
        sizeBytes: region.sizeBytes,
        other: other.provider,
      },
    });
  }
}

function nameOf(region: Region): string {
  const last = lastAddress(region.start, region.sizeBytes);
  return `memory ${hex(region.start)}-${hex(last)} of ${region.provider}`;
}

/** What the kernel logs when a region is added. */
export function addedMessage(region: Region, window: BarWindow, behaviour: KernelBehaviour): string {
  const last = lastAddress(region.start, region.sizeBytes);
  if (behaviour.logsRange) {
    return `added peer-to-peer DMA memory ${hex(region.start)}-${hex(last)}`;
  }
  const digits = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
  const flags = `${window.is64Bit ? ' 64bit' : ''}${window.isPrefetchable ? ' pref' : ''}`;
  return `added peer-to-peer DMA memory [mem ${digits(region.start)}-${digits(last)}${flags}]`;
}
