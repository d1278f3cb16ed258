/**
 * Finding functions and numbering buses, depth first. PCI 3.0, 6.1; PCIe Base 6.0, 7.3 and, for ARI, 6.13.
 *
 * The buses of virtual functions follow the bus of their physical function, as in Linux (drivers/pci/probe.c).
 */
import type { BdfParts } from '../../base/index.ts';
import {
  CAPABILITY_ID,
  COMMAND,
  HEADER_LAYOUT,
  HEADER_TYPE,
  PRIMARY_BUS_NUMBER,
  SECONDARY_BUS_NUMBER,
  SUBORDINATE_BUS_NUMBER,
  VENDOR_ID_NONE,
} from '../../spec/pci/index.ts';
import {
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL_2,
  DEVICE_PORT_TYPE,
  EXTENDED_ID,
  FIRST_VF_OFFSET,
  PCI_EXPRESS_CAPABILITIES,
  SLOT_CAPABILITIES,
  SRIOV_CONTROL,
  TOTAL_VFS,
  VF_DEVICE_ID,
  VF_STRIDE,
} from '../../spec/pcie/index.ts';
import { type ConfigCycles, FunctionCycles } from './config-cycles.ts';
import { type BridgeWindows, probeWindows } from './demand.ts';
import type { FirmwareFunction, FirmwareProblem } from './report.ts';
import type { SizedBar } from './size-bars.ts';

export interface ScannedSriov {
  readonly base: number;
  readonly totalVfs: number;
  readonly firstOffset: number;
  readonly stride: number;
  readonly deviceId: number;
  /** False when their numbers cannot be reached. */
  isReachable: boolean;
}

export interface ScannedFunction extends FirmwareFunction {
  readonly cycles: FunctionCycles;
  /** Offset of the PCI Express capability, 0 for none. */
  readonly express: number;
  readonly bridge: ScannedFunction | null;
  readonly isHotPlugSlot: boolean;
  readonly sriov: ScannedSriov | null;
  /** Of a bridge; null for any other function. */
  readonly windows: BridgeWindows | null;
  /** Functions on the secondary bus. */
  readonly children: ScannedFunction[];
  /** Own base address registers, then those of virtual functions. Filled in by sizing. */
  bars: SizedBar[];
}

export interface ScanContext {
  readonly machine: ConfigCycles;
  readonly domain: number;
  /** The next bus number to give away, and the last there is. */
  nextBus: number;
  readonly lastBus: number;
  readonly spareBuses: number;
  readonly functions: ScannedFunction[];
  readonly problems: FirmwareProblem[];
  readonly log: string[];
}

/** Scans a bus and everything behind its bridges. */
export function scanBus(
  context: ScanContext,
  bus: number,
  bridge: ScannedFunction | null,
): ScannedFunction[] {
  const found = probeBus(context, bus, bridge);
  context.functions.push(...found);
  enableAri(found, bridge);
  reserveVirtualBuses(context, found, bus, bridge);
  for (const fn of found) {
    if (fn.isBridge) {
      numberBridge(context, fn, bus);
    }
  }
  return found;
}

function probeBus(context: ScanContext, bus: number, bridge: ScannedFunction | null): ScannedFunction[] {
  // Exactly one device is at the other end of a link.
  const isLink = bridge !== null && isDownstream(bridge.portType);
  const found: ScannedFunction[] = [];
  for (let device = 0; device < (isLink ? 1 : 32); device++) {
    const first = probe(context, { domain: context.domain, bus, device, function: 0 }, bridge);
    if (first === null) {
      continue;
    }
    found.push(first);
    if (HEADER_TYPE.Multi_Function_Device.of(first.cycles.get(HEADER_TYPE)) === 1) {
      for (let fn = 1; fn < 8; fn++) {
        const other = probe(context, { domain: context.domain, bus, device, function: fn }, bridge);
        if (other !== null) {
          found.push(other);
        }
      }
    }
  }
  return found;
}

function isDownstream(portType: number | null): boolean {
  return portType === DEVICE_PORT_TYPE.ROOT_PORT || portType === DEVICE_PORT_TYPE.SWITCH_DOWNSTREAM;
}

function probe(
  context: ScanContext,
  address: BdfParts,
  bridge: ScannedFunction | null,
): ScannedFunction | null {
  const cycles = new FunctionCycles(context.machine, address);
  const fn = describe(cycles, bridge);
  if (fn === null) {
    return null;
  }
  // Nothing decodes while addresses move.
  cycles.change(COMMAND, 0, [COMMAND.IO_Space_Enable, 0], [COMMAND.Memory_Space_Enable, 0]);
  if (fn.isBridge) {
    // Numbers of an earlier life must not answer for buses that are given to others now.
    setBuses(fn, 0, 0, 0);
  }
  context.log.push(
    `${fn.bdf}: found ${hex(fn.vendorId, 4)}:${hex(fn.deviceId, 4)} class ${hex(fn.classCode, 6)}` +
      `${fn.isBridge ? ', bridge' : ''}${fn.isHotPlugSlot ? ', hot-plug slot' : ''}`,
  );
  return fn;
}

/** A port that is up already, as the bridge above a later scan; null when nothing is there or it is no bridge. */
export function probePort(machine: ConfigCycles, address: BdfParts): ScannedFunction | null {
  const fn = describe(new FunctionCycles(machine, address), null);
  return fn?.isBridge === true ? fn : null;
}

function describe(cycles: FunctionCycles, bridge: ScannedFunction | null): ScannedFunction | null {
  const ids = cycles.read(0, 4);
  const vendorId = ids & 0xffff;
  if (vendorId === VENDOR_ID_NONE || ids === 0) {
    return null;
  }
  const layout = HEADER_TYPE.Header_Layout.of(cycles.get(HEADER_TYPE));
  const isBridge = layout === HEADER_LAYOUT.BRIDGE;
  const express = cycles.findCapability(CAPABILITY_ID.PCI_EXPRESS);
  const capabilities = express === 0 ? 0 : cycles.get(PCI_EXPRESS_CAPABILITIES, express);
  const portType = express === 0 ? null : PCI_EXPRESS_CAPABILITIES.Device_Port_Type.of(capabilities);
  const isHotPlugSlot =
    isDownstream(portType) &&
    PCI_EXPRESS_CAPABILITIES.Slot_Implemented.of(capabilities) === 1 &&
    SLOT_CAPABILITIES.Hot_Plug_Capable.of(cycles.get(SLOT_CAPABILITIES, express)) === 1;
  return {
    bdf: cycles.bdf,
    address: cycles.address,
    vendorId,
    deviceId: ids >>> 16,
    classCode: cycles.read(8, 4) >>> 8,
    isBridge,
    portType,
    physicalFunction: null,
    parent: bridge?.bdf ?? null,
    cycles,
    express,
    bridge,
    isHotPlugSlot,
    sriov: isBridge || express === 0 ? null : findSriov(cycles),
    windows: isBridge ? probeWindows(cycles) : null,
    children: [],
    bars: [],
  };
}

function findSriov(cycles: FunctionCycles): ScannedSriov | null {
  const base = cycles.findExtended(EXTENDED_ID.SR_IOV);
  if (base === 0) {
    return null;
  }
  return {
    base,
    totalVfs: cycles.get(TOTAL_VFS, base),
    firstOffset: cycles.get(FIRST_VF_OFFSET, base),
    stride: cycles.get(VF_STRIDE, base),
    deviceId: cycles.get(VF_DEVICE_ID, base),
    isReachable: true,
  };
}

/** A port forwards to more than device 0 once the device below says that it is one with many functions. 6.13. */
function enableAri(found: readonly ScannedFunction[], bridge: ScannedFunction | null): void {
  const first = found[0];
  if (bridge === null || first === undefined || !isDownstream(bridge.portType)) {
    return;
  }
  const canForward =
    DEVICE_CAPABILITIES_2.ARI_Forwarding_Supported.of(
      bridge.cycles.get(DEVICE_CAPABILITIES_2, bridge.express),
    ) === 1;
  const ari = first.express === 0 ? 0 : first.cycles.findExtended(EXTENDED_ID.ARI);
  const isOn = canForward && ari !== 0 && first.address.function === 0;
  bridge.cycles.change(DEVICE_CONTROL_2, bridge.express, [
    DEVICE_CONTROL_2.ARI_Forwarding_Enable,
    isOn ? 1 : 0,
  ]);
  for (const fn of found) {
    if (fn.sriov !== null) {
      fn.cycles.change(SRIOV_CONTROL, fn.sriov.base, [SRIOV_CONTROL.ARI_Capable_Hierarchy, isOn ? 1 : 0]);
    }
  }
}

function reserveVirtualBuses(
  context: ScanContext,
  found: readonly ScannedFunction[],
  bus: number,
  bridge: ScannedFunction | null,
): void {
  let buses = 0;
  for (const fn of found) {
    const { sriov } = fn;
    if (sriov === null || sriov.totalVfs === 0) {
      continue;
    }
    const first = fn.address.device * 8 + fn.address.function + sriov.firstOffset;
    const last = first + (sriov.totalVfs - 1) * sriov.stride;
    const needed = last >> 8;
    if (context.nextBus + needed - 1 > context.lastBus) {
      sriov.isReachable = false;
      note(context, fn, 'no-bus-for-virtual-functions', `no ${needed} bus numbers for its virtual functions`);
      continue;
    }
    if (bridge !== null && isDownstream(bridge.portType) && !isAriOn(bridge) && first < 256 && last >= 8) {
      sriov.isReachable = false;
      note(
        context,
        fn,
        'virtual-functions-need-ari',
        `${bridge.bdf} does not forward ARI to its virtual functions`,
      );
      continue;
    }
    buses = Math.max(buses, needed);
  }
  if (buses > 0) {
    context.log.push(`bus ${hex(bus, 2)}: ${buses} more for virtual functions`);
    context.nextBus += buses;
  }
}

function isAriOn(bridge: ScannedFunction): boolean {
  return DEVICE_CONTROL_2.ARI_Forwarding_Enable.of(bridge.cycles.get(DEVICE_CONTROL_2, bridge.express)) === 1;
}

function numberBridge(context: ScanContext, fn: ScannedFunction, bus: number): void {
  const secondary = context.nextBus;
  if (secondary > context.lastBus) {
    setBuses(fn, 0, 0, 0);
    note(context, fn, 'no-bus-number', 'no bus number is left for what is behind it');
    return;
  }
  context.nextBus++;
  // While its buses are not known it has to pass on everything that may turn up.
  setBuses(fn, bus, secondary, context.lastBus);
  fn.children.push(...scanBus(context, secondary, fn));
  if (fn.isHotPlugSlot) {
    context.nextBus = Math.min(context.lastBus + 1, context.nextBus + context.spareBuses);
  }
  setBuses(fn, bus, secondary, context.nextBus - 1);
  context.log.push(`${fn.bdf}: buses ${hex(secondary, 2)} to ${hex(context.nextBus - 1, 2)}`);
}

function setBuses(fn: ScannedFunction, primary: number, secondary: number, subordinate: number): void {
  fn.cycles.put(PRIMARY_BUS_NUMBER, primary);
  fn.cycles.put(SECONDARY_BUS_NUMBER, secondary);
  fn.cycles.put(SUBORDINATE_BUS_NUMBER, subordinate);
}

function note(context: ScanContext, fn: ScannedFunction, code: FirmwareProblem['code'], text: string): void {
  context.problems.push({ bdf: fn.bdf, code, text });
  context.log.push(`${fn.bdf}: ${text}`);
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
