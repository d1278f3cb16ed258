/**
 * How long the address ranges of a function are: BARs, the expansion ROM, BARs of virtual functions. `sizeBarRegisters` of the
 * fabric's platform is the protocol.
 *
 * Lengths never change but by a Resizable BAR, and finding them disturbs the function, so they are measured once at boot;
 * addresses are read anew each time.
 */
import type { ConfigSpace } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';
import {
  type FoundFunction,
  lowestBit,
  type MachineSide,
  probeRegister,
  scanFunctions,
  sizeBarRegisters,
  withoutDecoding,
} from '../../fabric/index.ts';
import {
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
  const resources = withoutDecoding(config, () => {
    const found = measureBars(
      config,
      bars.map(({ offset }) => offset),
      0,
    );
    return bars.length > 0
      ? [...found, ...measureRom(config, (isBridge ? TYPE1_ROM : TYPE0_ROM).offset)]
      : found;
  });
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
  return sizeBarRegisters(config, offsets).map(({ start: _, index, ...bar }) => ({
    ...bar,
    index: firstIndex + index,
  }));
}

function measureRom(config: ConfigSpace, offset: number): SizedResource[] {
  // The enable bit is not written: a ROM that is enabled shares its decoder with the BARs.
  const sizeBytes = lowestBit(
    (probeRegister(config, offset, config.read32(offset), ROM_ADDRESS) & ROM_ADDRESS) >>> 0,
    0,
  );
  return sizeBytes === 0
    ? []
    : [{ index: ROM_INDEX, kind: 'rom', is64Bit: false, isPrefetchable: true, sizeBytes, offset }];
}
