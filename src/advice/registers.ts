/** Registers of a function as the advice reads and prints them. Bits: PCIe Base 6.0, 7.5.1.1.3, 7.5.3.4, 7.7.11.3. */
import { ACS_CR, ACS_RR, ACS_SV, ACS_UF } from '../p2pdma/index.ts';
import type { MachineFunction } from '../topology/index.ts';

export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;

export const DEVICE_CONTROL_RELAXED_ORDERING = 0x0010;

/** What IOMMU grouping asks of every hop (Linux drivers/iommu/iommu.c). */
export const ACS_ISOLATION_BITS = ACS_SV | ACS_RR | ACS_CR | ACS_UF;

/** `0x001d`. */
export function hex16(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}

/** `0xf4000000`. */
export function hexAddress(value: number): string {
  return `0x${value.toString(16)}`;
}

/** `8086:2020`, or undefined when a half is unknown. */
export function idText(fn: MachineFunction): string | undefined {
  if (fn.vendorId === undefined || fn.deviceId === undefined) {
    return undefined;
  }
  return `${fn.vendorId.toString(16).padStart(4, '0')}:${fn.deviceId.toString(16).padStart(4, '0')}`;
}

/** Largest payload that the function emits, from Device Control bits 7:5; undefined when not known or reserved. */
export function maxPayloadBytes(deviceControl: number | null | undefined): number | undefined {
  return deviceControl == null ? undefined : sizeCode((deviceControl >> 5) & 7);
}

/** Largest read request, from Device Control bits 14:12. */
export function maxReadRequestBytes(deviceControl: number | null | undefined): number | undefined {
  return deviceControl == null ? undefined : sizeCode((deviceControl >> 12) & 7);
}

function sizeCode(code: number): number | undefined {
  return code > 5 ? undefined : 128 * 2 ** code;
}

/** `2 MiB`, `256 KiB`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]!}`;
}

/** True for GPUs and accelerators: display controllers, processing accelerators, coprocessors. */
export function isAccelerator(fn: MachineFunction): boolean {
  if (fn.classCode === undefined) {
    return false;
  }
  const base = fn.classCode >> 16;
  return base === 0x03 || base === 0x12 || base === 0x0b;
}
