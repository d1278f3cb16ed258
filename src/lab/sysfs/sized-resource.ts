/**
 * How long the address ranges of a function are, found out the way every operating system does: write all ones, read back.
 * PCI 3.0, 6.2.5.1; PCIe Base 6.0, 7.5.1.2.1 and 9.3.3.14.
 *
 * Lengths never change but by a Resizable BAR, and finding them disturbs the function, so they are measured once at boot;
 * addresses are read anew each time.
 */
import type { ConfigSpace } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';
import { type FoundFunction, type MachineSide, scanFunctions } from '../../fabric/index.ts';
import {
  BAR_TYPE,
  COMMAND,
  EXTENDED_ID,
  HEADER_LAYOUT,
  SRIOV_CONTROL,
  TYPE0_BARS,
  TYPE0_ROM,
  TYPE1_BARS,
  TYPE1_ROM,
  VF_BARS,
} from '../../spec/index.ts';

/** One register, or pair of them, that holds an address. */
export interface SizedResource {
  /** 0 to 5 are BARs, 6 the expansion ROM, 7 to 12 BARs of virtual functions, as in `topology`'s `Bar`. */
  readonly index: number;
  readonly kind: 'memory' | 'io' | 'rom';
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** Of one virtual function, for those. */
  readonly sizeBytes: number;
  /** Where its register stands in config space. */
  readonly offset: number;
}

export const ROM_INDEX = 6;
export const FIRST_VF_INDEX = 7;

/** PCI 3.0, 6.2.5.2: the lower bits of a ROM register hold no address. */
const ROM_ADDRESS = 0xffff_f800;
const IO_ADDRESS = 0xffff_fffc;
const MEMORY_ADDRESS = 0xffff_fff0;
const DECODING = (1 << COMMAND.IO_Space_Enable.low) | (1 << COMMAND.Memory_Space_Enable.low);

/** Measures all functions of a machine. For use between firmware and drivers. */
export function measureResources(side: MachineSide): ReadonlyMap<Bdf, readonly SizedResource[]> {
  return new Map(scanFunctions(side).map((found) => [found.bdf, measureFunction(found)]));
}

/** A virtual function has none of its own: its BARs stand in its physical function. */
export function measureFunction(found: FoundFunction): SizedResource[] {
  if (found.physicalFunction !== null) {
    return [];
  }
  const { config } = found;
  const isBridge = found.headerType === HEADER_LAYOUT.BRIDGE;
  const bars = isBridge ? TYPE1_BARS : found.headerType === HEADER_LAYOUT.ENDPOINT ? TYPE0_BARS : [];
  const command = config.read16(COMMAND.offset);
  config.write16(COMMAND.offset, command & ~DECODING);
  const resources = measureBars(
    config,
    bars.map(({ offset }) => offset),
    0,
  );
  if (bars.length > 0) {
    resources.push(...measureRom(config, (isBridge ? TYPE1_ROM : TYPE0_ROM).offset));
  }
  config.write16(COMMAND.offset, command);
  resources.push(...measureVfBars(config));
  return resources;
}

function measureVfBars(config: ConfigSpace): SizedResource[] {
  const sriov = config.findExtendedCapability(EXTENDED_ID.SR_IOV);
  if (sriov === 0) {
    return [];
  }
  const at = sriov + SRIOV_CONTROL.offset;
  const control = config.read16(at);
  config.write16(at, control & ~(1 << SRIOV_CONTROL.VF_MSE.low));
  const resources = measureBars(
    config,
    VF_BARS.map(({ offset }) => sriov + offset),
    FIRST_VF_INDEX,
  );
  config.write16(at, control);
  return resources;
}

function measureBars(config: ConfigSpace, offsets: readonly number[], firstIndex: number): SizedResource[] {
  const resources: SizedResource[] = [];
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i]!;
    const low = config.read32(offset);
    const isIo = (low & 1) === 1;
    const is64Bit = !isIo && ((low >>> 1) & 3) === BAR_TYPE.BITS_64 && i + 1 < offsets.length;
    const lowMask = probe(config, offset, low) & (isIo ? IO_ADDRESS : MEMORY_ADDRESS);
    const highMask = is64Bit ? probe(config, offset + 4, config.read32(offset + 4)) : 0;
    const sizeBytes = lowestBit(lowMask, highMask);
    if (sizeBytes !== 0) {
      resources.push({
        index: firstIndex + i,
        kind: isIo ? 'io' : 'memory',
        is64Bit,
        isPrefetchable: !isIo && (low & 8) !== 0,
        sizeBytes,
        offset,
      });
    }
    i += is64Bit ? 1 : 0;
  }
  return resources;
}

function measureRom(config: ConfigSpace, offset: number): SizedResource[] {
  // The enable bit is not written: a ROM that is enabled shares its decoder with the BARs.
  const sizeBytes = lowestBit(probe(config, offset, config.read32(offset), ROM_ADDRESS) & ROM_ADDRESS, 0);
  return sizeBytes === 0
    ? []
    : [{ index: ROM_INDEX, kind: 'rom', is64Bit: false, isPrefetchable: true, sizeBytes, offset }];
}

/** What stays zero when all ones are written is below the length. */
function probe(config: ConfigSpace, offset: number, value: number, ones = 0xffff_ffff): number {
  config.write32(offset, ones);
  const mask = config.read32(offset);
  config.write32(offset, value);
  return mask;
}

/** 0 where no bit is set. */
function lowestBit(low: number, high: number): number {
  return low !== 0 ? (low & -low) >>> 0 : high !== 0 ? ((high & -high) >>> 0) * 2 ** 32 : 0;
}
