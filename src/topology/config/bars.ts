/** Base address registers and bridge windows, as far as the registers alone tell. */
import { addressFromDwords } from '../../base/index.ts';
import {
  BAR_TYPE,
  type BaseAddressRegister,
  CARDBUS_SOCKET_BASE_ADDRESS,
  COMMAND,
  HEADER_LAYOUT,
  IO_BASE,
  IO_BASE_UPPER_16_BITS,
  IO_LIMIT,
  IO_LIMIT_UPPER_16_BITS,
  MEMORY_BASE,
  MEMORY_LIMIT,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  TYPE0_BARS,
  TYPE0_ROM,
  TYPE1_BARS,
  TYPE1_ROM,
} from '../../spec/pci/index.ts';
import type { Bar, BridgeWindow } from '../machine.ts';
import { type ConfigView, holds } from './config-view.ts';
import { type ConfigFinding, hex } from './finding.ts';

/** Index that Linux gives the expansion ROM, and the first of the SR-IOV BARs (include/linux/pci.h). */
export const ROM_INDEX = 6;
export const FIRST_SRIOV_INDEX = 7;

/**
 * The BARs of a header that hold something. A register that reads zero is left out: without writing to it nobody can tell
 * a missing BAR from a 32-bit one that has no address.
 *
 * `start` is the bus address; on x86 and wherever the host bridge does not translate it is the CPU address too. A register
 * with type bits and address 0 is unassigned where decoding is off; where it is on, `start` is undefined. Sizes are never
 * in the registers.
 */
export function headerBars(view: ConfigView, layout: number, findings: ConfigFinding[]): Bar[] | undefined {
  const registers =
    layout === HEADER_LAYOUT.ENDPOINT
      ? TYPE0_BARS
      : layout === HEADER_LAYOUT.BRIDGE
        ? TYPE1_BARS
        : layout === HEADER_LAYOUT.CARDBUS
          ? [CARDBUS_SOCKET_BASE_ADDRESS]
          : [];
  if (!registers.every((bar) => holds(view, bar)) || !holds(view, COMMAND)) {
    return undefined;
  }
  const bars = barsOf(
    view,
    registers,
    0,
    0,
    {
      memory: COMMAND.Memory_Space_Enable.read(view.data) === 1,
      io: COMMAND.IO_Space_Enable.read(view.data) === 1,
    },
    findings,
  );
  const rom =
    layout === HEADER_LAYOUT.ENDPOINT ? TYPE0_ROM : layout === HEADER_LAYOUT.BRIDGE ? TYPE1_ROM : undefined;
  if (rom !== undefined && holds(view, rom)) {
    const start = rom.Expansion_ROM_Base_Address.read(view.data) * 2048;
    if (start !== 0) {
      bars.push({
        index: ROM_INDEX,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: true,
        start,
        sizeBytes: undefined,
      });
    }
  }
  return bars;
}

/** Which of the two spaces the function decodes. */
interface Decoding {
  readonly memory: boolean;
  readonly io: boolean;
}

/** The BARs of one run of registers; `firstIndex` is what the first is called. */
export function barsOf(
  view: ConfigView,
  registers: readonly BaseAddressRegister[],
  base: number,
  firstIndex: number,
  decoding: Decoding,
  findings: ConfigFinding[],
): Bar[] {
  const bars: Bar[] = [];
  for (let i = 0; i < registers.length; i++) {
    const bar = registers[i]!;
    const value = bar.value(view.data, base);
    if (value === 0) {
      continue;
    }
    const index = firstIndex + i;
    const complain = (what: string) =>
      findings.push({
        code: 'BAR_INVALID',
        offset: base + bar.offset,
        detail: `BAR ${index} (${hex(value, 8)}) ${what}`,
      });
    if (value === 0xffff_ffff) {
      complain('reads all ones');
      continue;
    }
    if (bar.Memory_Space_Indicator.of(value) === 1) {
      const start = (value & 0xffff_fffc) >>> 0;
      bars.push({
        index,
        kind: 'io',
        is64Bit: false,
        isPrefetchable: false,
        start: assigned(start, decoding.io),
        sizeBytes: undefined,
      });
      continue;
    }
    const type = bar.Type.of(value);
    let is64Bit = type === BAR_TYPE.BITS_64;
    let high = 0;
    if (type === 3) {
      complain('has a reserved type');
    }
    if (is64Bit) {
      const upper = registers[i + 1];
      if (upper === undefined) {
        complain('is 64 bits wide and the last one');
        is64Bit = false;
      } else {
        high = upper.value(view.data, base);
        i++;
      }
    }
    bars.push({
      index,
      kind: 'memory',
      is64Bit,
      isPrefetchable: bar.Prefetchable.of(value) === 1,
      start: assigned(addressFromDwords(value & 0xffff_fff0, high), decoding.memory),
      sizeBytes: undefined,
    });
  }
  return bars;
}

function assigned(start: number, isDecoding: boolean): number | null | undefined {
  return start !== 0 ? start : isDecoding ? undefined : null;
}

/**
 * Open windows of a bridge, in the order memory, prefetchable, I/O. A closed one (base above limit) is left out, and so is
 * one whose registers all read zero: that is what a window reads that is not implemented or was never set.
 * PCI-to-PCI Bridge 1.2, 3.2.5.6 to 3.2.5.10.
 */
export function bridgeWindows(view: ConfigView): BridgeWindow[] | undefined {
  if (!holds(view, IO_LIMIT_UPPER_16_BITS)) {
    return undefined;
  }
  const data = view.data;
  const windows: BridgeWindow[] = [];
  const open = (kind: BridgeWindow['kind'], first: number, last: number, granule: number) => {
    const isUnset = first === 0 && last === granule - 1;
    if (first <= last && !isUnset) {
      windows.push({ kind, first, last });
    }
  };

  open(
    'memory',
    MEMORY_BASE.Address_31_20.read(data) * MEMORY_GRANULE,
    MEMORY_LIMIT.Address_31_20.read(data) * MEMORY_GRANULE + MEMORY_GRANULE - 1,
    MEMORY_GRANULE,
  );

  const is64Bit = PREFETCHABLE_MEMORY_BASE._64_bit_Addressing_Capability.read(data) === 1;
  const upper = (register: typeof PREFETCHABLE_BASE_UPPER_32_BITS) => (is64Bit ? register.value(data) : 0);
  open(
    'prefetchable',
    addressFromDwords(
      PREFETCHABLE_MEMORY_BASE.Address_31_20.read(data) * MEMORY_GRANULE,
      upper(PREFETCHABLE_BASE_UPPER_32_BITS),
    ),
    addressFromDwords(
      PREFETCHABLE_MEMORY_LIMIT.Address_31_20.read(data) * MEMORY_GRANULE + MEMORY_GRANULE - 1,
      upper(PREFETCHABLE_LIMIT_UPPER_32_BITS),
    ),
    MEMORY_GRANULE,
  );

  const is32Bit = IO_BASE.IO_Addressing_Capability.read(data) === 1;
  const ioUpper = (register: typeof IO_BASE_UPPER_16_BITS) => (is32Bit ? register.value(data) * 0x1_0000 : 0);
  open(
    'io',
    ioUpper(IO_BASE_UPPER_16_BITS) + IO_BASE.Address_15_12.read(data) * IO_GRANULE,
    ioUpper(IO_LIMIT_UPPER_16_BITS) + IO_LIMIT.Address_15_12.read(data) * IO_GRANULE + IO_GRANULE - 1,
    IO_GRANULE,
  );
  return windows;
}

const MEMORY_GRANULE = 0x10_0000;
const IO_GRANULE = 0x1000;
