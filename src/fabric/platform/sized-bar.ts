/**
 * How long the ranges of base address registers are, found out the way every operating system does: write all ones, read back.
 * PCI 3.0, 6.2.5.1; PCIe Base 6.0, 7.5.1.2.1 and 9.3.3.14.
 */
import type { ConfigSpace } from '../../access/index.ts';
import { BAR_TYPE, COMMAND, HEADER_LAYOUT, HEADER_TYPE, TYPE0_BARS, TYPE1_BARS } from '../../spec/index.ts';

/** A BAR as its registers have it. */
export interface SizedBar {
  readonly index: number;
  /** Where its register, or the lower of two, stands in config space. */
  readonly offset: number;
  readonly kind: 'memory' | 'io';
  readonly sizeBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** The bus address in the register. */
  readonly start: number;
}

const DECODE_IO = 1 << COMMAND.IO_Space_Enable.low;
const DECODE_MEMORY = 1 << COMMAND.Memory_Space_Enable.low;
const BAR_IO = 1;
const BAR_PREFETCHABLE = 8;
const IO_ADDRESS = 0xffff_fffc;
const MEMORY_ADDRESS = 0xffff_fff0;
const ALL_ONES = 0xffff_ffff;

/** Turns decoding off while `work` is done, and back to what it was. Only before a driver runs. */
export function withoutDecoding<Result>(config: ConfigSpace, work: () => Result): Result {
  const command = config.read16(COMMAND.offset);
  config.write16(COMMAND.offset, command & ~(DECODE_IO | DECODE_MEMORY));
  const result = work();
  config.write16(COMMAND.offset, command);
  return result;
}

/** The memory BARs of a function. Only before a driver runs. */
export function sizeMemoryBars(config: ConfigSpace): SizedBar[] {
  const isBridge = HEADER_TYPE.Header_Layout.of(config.read8(HEADER_TYPE.offset)) === HEADER_LAYOUT.BRIDGE;
  const offsets = (isBridge ? TYPE1_BARS : TYPE0_BARS).map(({ offset }) => offset);
  return withoutDecoding(config, () => sizeBarRegisters(config, offsets)).filter(
    ({ kind }) => kind === 'memory',
  );
}

/** Sizes a run of BAR registers, whose decoding is off; those that are not implemented are left out. */
export function sizeBarRegisters(config: ConfigSpace, offsets: readonly number[]): SizedBar[] {
  const bars: SizedBar[] = [];
  for (let index = 0; index < offsets.length; index++) {
    const offset = offsets[index]!;
    const low = config.read32(offset);
    const isIo = (low & BAR_IO) !== 0;
    const is64Bit = !isIo && ((low >>> 1) & 3) === BAR_TYPE.BITS_64 && index + 1 < offsets.length;
    const lowMask = probeRegister(config, offset, low);
    const high = is64Bit ? config.read32(offset + 4) : 0;
    const highMask = is64Bit ? probeRegister(config, offset + 4, high) : 0;
    const addressBits = isIo ? IO_ADDRESS : MEMORY_ADDRESS;
    const sizeBytes = lowestBit((lowMask & addressBits) >>> 0, highMask);
    // A memory BAR reads its type; all ones there are nobody's answer.
    if (sizeBytes !== 0 && (isIo || lowMask !== ALL_ONES)) {
      bars.push({
        index,
        offset,
        kind: isIo ? 'io' : 'memory',
        sizeBytes,
        is64Bit,
        isPrefetchable: !isIo && (low & BAR_PREFETCHABLE) !== 0,
        start: ((low & addressBits) >>> 0) + high * 2 ** 32,
      });
    }
    index += is64Bit ? 1 : 0;
  }
  return bars;
}

/** Writes `ones`, reads back and restores `value`: what stays zero is below the length. */
export function probeRegister(config: ConfigSpace, offset: number, value: number, ones = ALL_ONES): number {
  config.write32(offset, ones);
  const mask = config.read32(offset);
  config.write32(offset, value);
  return mask;
}

/** The lowest address bit of a mask is the length; 0 where no bit is set. */
export function lowestBit(low: number, high: number): number {
  return low !== 0 ? (low & -low) >>> 0 : high !== 0 ? ((high & -high) >>> 0) * 2 ** 32 : 0;
}
