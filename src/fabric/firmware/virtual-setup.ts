/** Switching virtual functions on, and naming them. PCIe Base 6.0, 9.2.1; Linux: drivers/pci/iov.c. */
import { type BdfParts, formatBdf } from '../../base/index.ts';
import { NUM_VFS, SRIOV_CONTROL } from '../../spec/pcie/index.ts';
import { FunctionCycles } from './config-cycles.ts';
import type { FirmwareFunction, FirmwareOptions } from './report.ts';
import type { ScanContext, ScannedFunction } from './scan.ts';

/** @returns the virtual functions that are there now, with the cycles that reach them */
export function enableVirtualFunctions(
  context: ScanContext,
  fn: ScannedFunction,
  options: FirmwareOptions,
): { readonly fn: FirmwareFunction; readonly cycles: FunctionCycles }[] {
  const { sriov } = fn;
  if (sriov === null || !sriov.isReachable || options.virtualFunctions === undefined) {
    return [];
  }
  const count = Math.min(sriov.totalVfs, Math.max(0, options.virtualFunctions(fn, sriov.totalVfs)));
  if (count === 0) {
    return [];
  }
  fn.cycles.put(NUM_VFS, count, sriov.base);
  fn.cycles.change(SRIOV_CONTROL, sriov.base, [SRIOV_CONTROL.VF_Enable, 1], [SRIOV_CONTROL.VF_MSE, 1]);
  context.log.push(`${fn.bdf}: ${count} virtual functions`);
  return Array.from({ length: count }, (_, n) => {
    const address = virtualAddress(fn.address, sriov.firstOffset + n * sriov.stride);
    return {
      fn: {
        bdf: formatBdf(address),
        address,
        vendorId: fn.vendorId,
        deviceId: sriov.deviceId,
        classCode: fn.classCode,
        isBridge: false,
        portType: fn.portType,
        physicalFunction: fn.bdf,
        parent: fn.parent,
      },
      cycles: new FunctionCycles(context.machine, address),
    };
  });
}

/** Routing IDs are one number, 16 bits wide: bus, device, function. */
function virtualAddress(pf: BdfParts, distance: number): BdfParts {
  const id = (pf.bus * 256 + pf.device * 8 + pf.function + distance) & 0xffff;
  return { domain: pf.domain, bus: id >> 8, device: (id >> 3) & 31, function: id & 7 };
}
