/**
 * Resets: of one function, of everything below a port, of power. PCIe Base 6.0, 6.6.
 *
 * Requests of a function that is reset never end; its registers go back to what they were at power on, less what the kind
 * of reset spares; a device forgets its bus number with a conventional reset.
 */
import type { ResetKind } from '../model.ts';
import type { Device } from './device.ts';
import type { FabricFunction } from './fabric-function.ts';
import { updateIntx } from './interrupts.ts';
import { removeVirtualFunctions } from './sriov.ts';

/** Function Level Reset. 6.6.2. */
export function functionLevelReset(fn: FabricFunction): void {
  resetFunction(fn, 'function');
  fn.fabric.touch();
}

/** Hot reset or secondary bus reset (6.6.1), or loss of power: everything below a bridge. */
export function resetBelow(port: FabricFunction, kind: ResetKind): void {
  for (const device of port.secondaryBus!.devices) {
    resetDevice(device, kind);
  }
  port.fabric.touch();
}

function resetDevice(device: Device, kind: ResetKind): void {
  device.capturedBus = 0;
  for (const fn of [...device.functions.values()]) {
    if (fn.virtual !== null) {
      continue;
    }
    if (fn.secondaryBus !== null) {
      resetBelow(fn, kind);
    }
    resetFunction(fn, kind);
  }
}

/** Of one function. Routes have to be found anew afterwards. */
export function resetFunction(fn: FabricFunction, kind: ResetKind): void {
  removeVirtualFunctions(fn);
  fn.requester.abandon();
  fn.config.reset(kind);
  fn.forgetState();
  fn.msix?.reset();
  fn.isIntxAsserted = false;
  updateIntx(fn);
  fn.model?.reset(kind);
}
