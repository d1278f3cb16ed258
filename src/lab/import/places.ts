/** Where functions stand on a bus of the lab, and the few things that the place of a port tells: its slot, its payload. */
import { bdfParts } from '../../base/index.ts';
import {
  CAPABILITY_ID,
  DEVICE_CAPABILITIES,
  PCI_EXPRESS_CAPABILITIES,
  SLOT_CAPABILITIES,
} from '../../spec/index.ts';
import type { MachineFunction } from '../../topology/index.ts';
import { ConfigRegisters } from './config-registers.ts';
import { payloadOf } from './import-endpoint.ts';

/** A place on a bus of the lab. */
export interface Place {
  readonly device: number;
  readonly function: number;
}

const HOST_BRIDGE_CLASS = 0x0600;

/** It stands for the host bridge, as in the lab its `identity` does. */
export function isRootBusHead(fn: MachineFunction): boolean {
  const { device, function: number } = bdfParts(fn.bdf);
  return (
    device === 0 &&
    number === 0 &&
    fn.headerType !== 1 &&
    fn.classCode !== undefined &&
    fn.classCode >>> 8 === HOST_BRIDGE_CLASS
  );
}

export function keyOf(place: { readonly device: number; readonly function: number }): number {
  return place.device * 8 + place.function;
}

/** The same place, or the nearest that fits: a device has a function 0, a link has device 0 only. */
export function freePlace(
  wanted: Place,
  used: ReadonlySet<number>,
  withZero: ReadonlySet<number>,
  isLink: boolean,
): Place | undefined {
  const device = isLink ? 0 : wanted.device;
  const number = withZero.has(device) ? wanted.function : 0;
  if (!used.has(device * 8 + number)) {
    return { device, function: number };
  }
  for (let key = device * 8; key < (isLink ? 8 : 256); key++) {
    const isReachable = key % 8 === 0 || withZero.has(key >>> 3);
    if (isReachable && !used.has(key)) {
      return { device: key >>> 3, function: key & 7 };
    }
  }
  return undefined;
}

export function payloadOfFunction(fn: MachineFunction): number {
  return payloadOf(new ConfigRegisters(fn).capability(CAPABILITY_ID.PCI_EXPRESS, DEVICE_CAPABILITIES));
}

export function slotOf(fn: MachineFunction): { readonly number: number; readonly isHotPlug: boolean } | null {
  const registers = new ConfigRegisters(fn);
  const express = registers.capability(CAPABILITY_ID.PCI_EXPRESS, PCI_EXPRESS_CAPABILITIES);
  const slot = registers.capability(CAPABILITY_ID.PCI_EXPRESS, SLOT_CAPABILITIES);
  if (
    express === undefined ||
    slot === undefined ||
    PCI_EXPRESS_CAPABILITIES.Slot_Implemented.of(express) === 0
  ) {
    return null;
  }
  return {
    number: SLOT_CAPABILITIES.Physical_Slot_Number.of(slot),
    isHotPlug: SLOT_CAPABILITIES.Hot_Plug_Capable.of(slot) === 1,
  };
}
