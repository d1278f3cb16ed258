/** Finding out what base address registers want, by the protocol of PCI 3.0, 6.2.5.1, and growing Resizable BARs before. */
import { BAR_TYPE, TYPE0_BARS, TYPE1_BARS } from '../../spec/pci/index.ts';
import {
  EXTENDED_ID,
  RESIZABLE_BAR_CAPABILITY,
  RESIZABLE_BAR_CONTROL,
  RESIZABLE_BAR_ENTRY,
  RESIZABLE_BAR_HEADER,
  RESIZABLE_BARS_MAX,
  SYSTEM_PAGE_SIZE,
  VF_BARS,
} from '../../spec/pcie/index.ts';
import type { FirmwareOptions, FirmwareProblem } from './report.ts';
import type { ScannedFunction } from './scan.ts';

export interface SizedBar {
  readonly index: number;
  /** Of the lower dword in config space. */
  readonly offset: number;
  readonly kind: 'io' | 'memory';
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** Alignment: the size of the register, of one virtual function where they are several. */
  unitBytes: number;
  /** Everything to be assigned. */
  sizeBytes: number;
  readonly isVirtual: boolean;
  /** How it gives up what it was grown by; null when it was not. */
  shrink: (() => void) | null;
  /** Bus address once it is known. */
  address: number | null;
}

const MIB = 2 ** 20;
const PAGE_4K = 1;

/** Fills in `fn.bars`. Decoding is off. */
export function sizeFunction(
  fn: ScannedFunction,
  options: FirmwareOptions,
  problems: FirmwareProblem[],
): void {
  const shrinks = fn.isBridge ? new Map<number, () => void>() : resize(fn, options, problems);
  const registers = fn.isBridge ? TYPE1_BARS : TYPE0_BARS;
  const bars = sizeRegisters(fn, registers[0]!.offset, registers.length);
  for (const bar of bars) {
    bar.shrink = shrinks.get(bar.index) ?? null;
  }
  fn.bars = [...bars, ...sizeVirtual(fn)];
}

function sizeVirtual(fn: ScannedFunction): SizedBar[] {
  const { sriov } = fn;
  if (sriov === null || !sriov.isReachable || sriov.totalVfs === 0) {
    return [];
  }
  fn.cycles.put(SYSTEM_PAGE_SIZE, PAGE_4K, sriov.base);
  return sizeRegisters(fn, sriov.base + VF_BARS[0]!.offset, VF_BARS.length)
    .filter((bar) => bar.kind === 'memory')
    .map((bar) => ({ ...bar, isVirtual: true, sizeBytes: bar.unitBytes * sriov.totalVfs }));
}

function sizeRegisters(fn: ScannedFunction, firstOffset: number, count: number): SizedBar[] {
  const bars: SizedBar[] = [];
  for (let index = 0; index < count; index++) {
    const offset = firstOffset + 4 * index;
    const bar = sizeRegister(fn, index, offset, index === count - 1);
    if (bar !== null) {
      bars.push(bar);
      index += bar.is64Bit ? 1 : 0;
    }
  }
  return bars;
}

function sizeRegister(fn: ScannedFunction, index: number, offset: number, isLast: boolean): SizedBar | null {
  const { cycles } = fn;
  const before = cycles.read(offset, 4);
  cycles.write(offset, 4, 0xffff_ffff);
  const low = cycles.read(offset, 4);
  cycles.write(offset, 4, before);
  const common = { index, offset, isVirtual: false, shrink: null, address: null };
  if ((low & 1) === 1) {
    // The upper half of an I/O mask may be hardwired to zero.
    const unitBytes = lowestBit((low & ~3) >>> 0);
    return low === 0xffff_ffff || unitBytes === 0
      ? null
      : { ...common, kind: 'io', is64Bit: false, isPrefetchable: false, unitBytes, sizeBytes: unitBytes };
  }
  if (low === 0) {
    return null;
  }
  const type = TYPE0_BARS[0]!.Type.of(low);
  const is64Bit = type === BAR_TYPE.BITS_64 && !isLast;
  let unitBytes = lowestBit((low & ~15) >>> 0);
  if (is64Bit) {
    const upper = cycles.read(offset + 4, 4);
    cycles.write(offset + 4, 4, 0xffff_ffff);
    const high = cycles.read(offset + 4, 4);
    cycles.write(offset + 4, 4, upper);
    unitBytes = unitBytes === 0 ? lowestBit(high) * 2 ** 32 : unitBytes;
  }
  if (unitBytes === 0) {
    return null;
  }
  const isPrefetchable = TYPE0_BARS[0]!.Prefetchable.of(low) === 1;
  return { ...common, kind: 'memory', is64Bit, isPrefetchable, unitBytes, sizeBytes: unitBytes };
}

function lowestBit(value: number): number {
  return (value & -value) >>> 0;
}

/** Grows BARs as asked. @returns by BAR index, how to undo it */
function resize(
  fn: ScannedFunction,
  options: FirmwareOptions,
  problems: FirmwareProblem[],
): Map<number, () => void> {
  const shrinks = new Map<number, () => void>();
  const base =
    fn.express === 0 || options.resizeBar === undefined
      ? 0
      : fn.cycles.findExtended(EXTENDED_ID.RESIZABLE_BAR);
  if (base === 0) {
    return shrinks;
  }
  const { cycles } = fn;
  const first = base + RESIZABLE_BAR_HEADER.sizeBytes;
  const count = RESIZABLE_BAR_CONTROL.Number_of_Resizable_BARs.of(cycles.get(RESIZABLE_BAR_CONTROL, first));
  for (let i = 0; i < Math.min(count, RESIZABLE_BARS_MAX); i++) {
    const entry = first + i * RESIZABLE_BAR_ENTRY.sizeBytes;
    const control = cycles.get(RESIZABLE_BAR_CONTROL, entry);
    const index = RESIZABLE_BAR_CONTROL.BAR_Index.of(control);
    const codes = sizeCodes(cycles.get(RESIZABLE_BAR_CAPABILITY, entry), control);
    const asked = options.resizeBar?.(
      fn,
      index,
      codes.map((code) => MIB * 2 ** code),
    );
    if (asked === undefined || codes.length === 0) {
      continue;
    }
    const code = asked === 'largest' ? codes.at(-1)! : Math.log2(asked / MIB);
    if (!codes.includes(code)) {
      problems.push({
        bdf: fn.bdf,
        code: 'no-such-bar-size',
        text: `BAR ${index} has no size of ${asked} bytes`,
      });
      continue;
    }
    const before = RESIZABLE_BAR_CONTROL.BAR_Size.of(control);
    cycles.change(RESIZABLE_BAR_CONTROL, entry, [RESIZABLE_BAR_CONTROL.BAR_Size, code]);
    if (code > before) {
      shrinks.set(index, () => {
        cycles.change(RESIZABLE_BAR_CONTROL, entry, [RESIZABLE_BAR_CONTROL.BAR_Size, before]);
        const bar = fn.bars.find((candidate) => !candidate.isVirtual && candidate.index === index);
        if (bar !== undefined) {
          bar.unitBytes = MIB * 2 ** before;
          bar.sizeBytes = bar.unitBytes;
          bar.shrink = null;
        }
      });
    }
  }
  return shrinks;
}

/** Ascending exponents of 1 MiB that a BAR can have. */
function sizeCodes(capability: number, control: number): number[] {
  const codes: number[] = [];
  const low = RESIZABLE_BAR_CAPABILITY.Supported_Sizes.of(capability);
  const high = RESIZABLE_BAR_CONTROL.Supported_Sizes_Upper.of(control);
  for (let code = 0; code < 28; code++) {
    if ((low & (1 << code)) !== 0) {
      codes.push(code);
    }
  }
  for (let code = 0; code < 16; code++) {
    if ((high & (1 << code)) !== 0) {
      codes.push(28 + code);
    }
  }
  return codes;
}
