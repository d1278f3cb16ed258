/**
 * What is where in the BARs of a controller: properties and doorbells, the MSI-X table, CMB and PMR.
 *
 * BAR 0 holds properties, doorbells and the MSI-X table; a CMB has BAR 2 and a PMR BAR 4 unless the options say otherwise.
 * Follows NVMe over PCIe Transport 1.1, section 3.1.
 */
import {
  type BarDescription,
  type BarMemory,
  type BarRegisters,
  type ExpressDescription,
  type FunctionDescription,
  Memory,
  type MsixDescription,
} from '../../fabric/index.ts';
import type { ResolvedOptions } from './options.ts';
import { DeviceError, registerBytes } from './options.ts';

/** Flat up to here, where queues live; extents above, so that patterns pass through without their bytes being made. */
const FLAT_BYTES_MAX = 2 ** 20;

export interface ControllerRegion {
  readonly range: BarMemory;
  readonly bar: number;
}

export interface BarLayout {
  readonly description: FunctionDescription;
  readonly cmb: ControllerRegion | null;
  readonly pmr: ControllerRegion | null;
  /** Bytes of BAR 0 that are registers: properties and doorbells. */
  readonly registerBytes: number;
}

/** Non-Volatile Memory Express I/O controller. PCI Code and ID Assignment Specification. */
const CLASS_CODE = 0x01_0802;

/** @throws {DeviceError} DEVICE_OPTIONS when ranges overlap */
export function layOut(options: ResolvedOptions): BarLayout {
  const registers = registerBytes(options.queueCount, options.doorbellStride);
  const tableOffset = roundUp(registers, 4096);
  const pendingOffset = tableOffset + roundUp(options.vectorCount * 16, 4096);
  const bar0End =
    options.vectorCount === 0 ? tableOffset : pendingOffset + roundUp(options.vectorCount / 8, 4096);

  const cmb =
    options.cmb === null
      ? null
      : region(
          options.cmb.bar,
          options.cmb.offsetBytes,
          options.cmb.sizeBytes,
          options.cmb.memory,
          options.cmb.isLegacy,
        );
  const pmr =
    options.pmr === null
      ? null
      : region(options.pmr.bar, 0, options.pmr.sizeBytes, options.pmr.memory, false);
  if (cmb !== null && cmb.bar === 0 && cmb.range.offsetBytes < bar0End) {
    throw new DeviceError('DEVICE_OPTIONS', {
      message: `the CMB at offset ${cmb.range.offsetBytes} of BAR 0 overlaps registers and MSI-X table`,
      hint: `an offset of ${bar0End} or more, or another BAR`,
    });
  }
  const registerRange: BarRegisters = { kind: 'registers', offsetBytes: 0, lengthBytes: registers };
  const bars: BarDescription[] = [
    memoryBar(
      0,
      bar0End,
      cmb?.bar === 0 ? [registerRange, cmb.range] : [registerRange],
      options.cmb?.bar === 0 ? options.cmb.barBytes : 0,
      false,
    ),
  ];
  if (cmb !== null && cmb.bar !== 0) {
    bars.push(memoryBar(cmb.bar, 0, [cmb.range], options.cmb!.barBytes, true));
  }
  if (pmr !== null) {
    bars.push(memoryBar(pmr.bar, 0, [pmr.range], options.pmr!.sizeBytes, true));
  }
  const taken = new Set<number>();
  for (const bar of bars) {
    for (const index of bar.is64Bit ? [bar.index, bar.index + 1] : [bar.index]) {
      if (taken.has(index)) {
        throw new DeviceError('DEVICE_OPTIONS', {
          message: `BAR ${index} would be used twice`,
          hint: '64-bit BARs take the next index too; give CMB and PMR others',
        });
      }
      taken.add(index);
    }
  }
  const msix: MsixDescription | null =
    options.vectorCount === 0
      ? null
      : {
          vectorCount: options.vectorCount,
          tableBar: 0,
          tableOffsetBytes: tableOffset,
          pendingBar: 0,
          pendingOffsetBytes: pendingOffset,
        };
  return { description: describe(options, bars, msix), cmb, pmr, registerBytes: registers };
}

function describe(
  options: ResolvedOptions,
  bars: readonly BarDescription[],
  msix: MsixDescription | null,
): FunctionDescription {
  return {
    vendorId: options.vendorId,
    deviceId: options.deviceId,
    subsystemVendorId: options.subsystemVendorId,
    subsystemDeviceId: options.subsystemDeviceId,
    revision: options.revision,
    classCode: CLASS_CODE,
    bars,
    interruptPin: 1,
    msix,
    msiVectorCount: options.msiVectorCount,
    express: options.express === undefined ? usualExpress(options) : options.express,
    sriov: options.sriov,
    serialNumber: { low: options.seed >>> 0, high: ((options.oui << 8) | 0xff) >>> 0 },
  };
}

function usualExpress(options: ResolvedOptions): ExpressDescription {
  return {
    maxPayloadBytes: options.maxPayloadBytes,
    canExtendTags: true,
    canResetFunction: true,
    hasAer: true,
    hasAts: false,
    hasPri: false,
    acs: null,
    linkSpeedGTs: options.linkSpeedGTs,
    linkWidth: options.linkWidth,
  };
}

function region(
  bar: number,
  offsetBytes: number,
  sizeBytes: number,
  given: Memory | null,
  isOpen: boolean,
): ControllerRegion {
  const memory = given ?? (sizeBytes <= FLAT_BYTES_MAX ? Memory.flat(sizeBytes) : Memory.extents(sizeBytes));
  return {
    bar,
    range: { kind: 'memory', offsetBytes, memory, memoryOffset: 0, lengthBytes: sizeBytes, isOpen },
  };
}

function memoryBar(
  index: number,
  endBytes: number,
  regions: BarDescription['regions'],
  sizeBytes: number,
  isPrefetchable: boolean,
): BarDescription {
  const end = Math.max(endBytes, sizeBytes, ...regions.map((range) => range.offsetBytes + range.lengthBytes));
  return {
    index,
    kind: 'memory',
    sizeBytes: 2 ** Math.ceil(Math.log2(Math.max(end, 0x4000))),
    // The specification wants the upper half of a 64-bit BAR to exist, so BAR 3 and 5 are 32-bit BARs.
    is64Bit: index % 2 === 0,
    isPrefetchable,
    regions,
  };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
