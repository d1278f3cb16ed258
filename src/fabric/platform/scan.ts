/**
 * Which functions an operating system finds: a walk over the buses by config reads, as Linux does after firmware has numbered
 * them.
 */
import { type Bdf, formatBdf } from '../../base/index.ts';
import {
  CAPABILITY_ID,
  DEVICE_PORT_TYPE,
  EXTENDED_ID,
  FIRST_VF_OFFSET,
  HEADER_LAYOUT,
  HEADER_TYPE,
  NUM_VFS,
  PCI_EXPRESS_CAPABILITIES,
  SECONDARY_BUS_NUMBER,
  SRIOV_CONTROL,
  VENDOR_ID,
  VENDOR_ID_NONE,
  VF_STRIDE,
} from '../../spec/index.ts';
import { FunctionConfig } from './function-config.ts';
import type { HostBridgeFacts, MachineSide } from './machine-side.ts';

export interface FoundFunction {
  readonly bdf: Bdf;
  readonly hostBridge: HostBridgeFacts;
  readonly config: FunctionConfig;
  /** The bridge that owns its bus; null on a root bus. */
  readonly parent: FoundFunction | null;
  /** Header type without the multi-function bit. */
  readonly headerType: number;
  /**
   * The requester that the IOMMU sees for it: itself, or what a bridge to conventional PCI sends in its place (secondary
   * bus, device 0, function 0).
   */
  readonly aliasId: number;
  /** PF of a virtual function. */
  readonly physicalFunction: FoundFunction | null;
}

/** In the order of enumeration: depth first, buses by number. */
export function scanFunctions(side: MachineSide): FoundFunction[] {
  const found: FoundFunction[] = [];
  for (const hostBridge of side.hostBridges) {
    scanBus(side, hostBridge, hostBridge.rootBusNumber, null, null, found);
  }
  return found;
}

function scanBus(
  side: MachineSide,
  hostBridge: HostBridgeFacts,
  bus: number,
  parent: FoundFunction | null,
  busAlias: number | null,
  found: FoundFunction[],
): void {
  const bridges: FoundFunction[] = [];
  for (let device = 0; device < 32; device++) {
    let functions = 1;
    for (let fn = 0; fn < functions; fn++) {
      const config = new FunctionConfig(side, hostBridge.domain, bus, device, fn);
      if (config.read16(VENDOR_ID.offset) === VENDOR_ID_NONE) {
        continue;
      }
      const header = config.read8(HEADER_TYPE.offset);
      functions = fn === 0 && HEADER_TYPE.Multi_Function_Device.of(header) === 1 ? 8 : functions;
      const entry: FoundFunction = {
        bdf: formatBdf({ domain: hostBridge.domain, bus, device, function: fn }),
        hostBridge,
        config,
        parent,
        headerType: HEADER_TYPE.Header_Layout.of(header),
        aliasId: busAlias ?? bus * 256 + device * 8 + fn,
        physicalFunction: null,
      };
      found.push(entry);
      if (entry.headerType === HEADER_LAYOUT.BRIDGE) {
        bridges.push(entry);
      } else {
        addVirtualFunctions(side, entry, bus * 256 + device * 8 + fn, found);
      }
    }
  }
  for (const bridge of bridges) {
    const secondary = bridge.config.read8(SECONDARY_BUS_NUMBER.offset);
    if (secondary > bus) {
      scanBus(side, hostBridge, secondary, bridge, aliasBelow(bridge, secondary, busAlias), found);
    }
  }
}

function aliasBelow(bridge: FoundFunction, secondary: number, busAlias: number | null): number | null {
  const express = bridge.config.findCapability(CAPABILITY_ID.PCI_EXPRESS);
  const type =
    express === 0
      ? undefined
      : PCI_EXPRESS_CAPABILITIES.Device_Port_Type.of(
          bridge.config.read16(express + PCI_EXPRESS_CAPABILITIES.offset),
        );
  return type === DEVICE_PORT_TYPE.PCIE_TO_PCI_BRIDGE ? secondary * 256 : busAlias;
}

function addVirtualFunctions(
  side: MachineSide,
  physical: FoundFunction,
  routingId: number,
  found: FoundFunction[],
): void {
  const sriov = physical.config.findExtendedCapability(EXTENDED_ID.SR_IOV);
  if (sriov === 0 || SRIOV_CONTROL.VF_Enable.of(physical.config.read16(sriov + SRIOV_CONTROL.offset)) === 0) {
    return;
  }
  const count = physical.config.read16(sriov + NUM_VFS.offset);
  const first = physical.config.read16(sriov + FIRST_VF_OFFSET.offset);
  const stride = physical.config.read16(sriov + VF_STRIDE.offset);
  for (let index = 0; index < count; index++) {
    const id = routingId + first + index * stride;
    const bus = id >>> 8;
    const device = (id >>> 3) & 31;
    const fn = id & 7;
    const { hostBridge } = physical;
    if (bus > hostBridge.lastBus) {
      return;
    }
    found.push({
      bdf: formatBdf({ domain: hostBridge.domain, bus, device, function: fn }),
      hostBridge,
      config: new FunctionConfig(side, hostBridge.domain, bus, device, fn),
      parent: physical.parent,
      headerType: 0,
      aliasId: id,
      physicalFunction: physical,
    });
  }
}
