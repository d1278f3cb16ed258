/**
 * Cards that come and go: slot and link registers, the port's interrupt, surprise removal, slot power. PCIe Base 6.0, 6.7
 * and 7.5.3.9 to 7.5.3.11.
 */
import { LINK_CAPABILITIES, LINK_SPEED_GTS, SLOT_CONTROL, SLOT_STATUS } from '../../spec/pcie/index.ts';
import { setLink, setPresence } from '../config/index.ts';
import { logUncorrectable } from '../errors/error-log.ts';
import type { Bus } from './bus.ts';
import type { Device } from './device.ts';
import type { FabricFunction } from './fabric-function.ts';
import { raisePortInterrupt, updateIntx } from './interrupts.ts';
import { resetBelow } from './resets.ts';

/** A device was put on a bus: its slot notices, and the link trains. */
export function cardArrived(bus: Bus): void {
  const port = bus.bridge;
  if (bus.kind === 'link' && port !== null) {
    setPresence(port.config, true);
    trainLink(bus);
    if (!port.fabric.isRunning) {
      // What was there at power on has not changed.
      const { express } = port.config.offsets;
      port.config.set(SLOT_STATUS.Presence_Detect_Changed, 0, express);
      port.config.set(SLOT_STATUS.Data_Link_Layer_State_Changed, 0, express);
    }
    announce(port);
  }
}

/**
 * A device is pulled out without notice, with everything below it: nothing of it answers any more, its requests never end,
 * those that wait for it end with a timeout. No effect on a bus without devices.
 */
export function surpriseRemove(bus: Bus): void {
  if (bus.devices.length === 0) {
    return;
  }
  const port = bus.bridge;
  const wasUp = bus.isLinkUp;
  for (const device of [...bus.devices]) {
    removeDevice(device);
  }
  bus.devices.length = 0;
  if (port !== null && bus.kind === 'link') {
    setPresence(port.config, false);
    trainLink(bus);
    if (wasUp) {
      logUncorrectable(port, 'Surprise_Down_Error', null, false);
    }
    announce(port);
  }
  bus.hostBridge.fabric.touch();
}

function removeDevice(device: Device): void {
  for (const fn of [...device.functions.values()]) {
    removeFunction(fn);
  }
}

/** Takes a function and what is below it out of the machine. */
export function removeFunction(fn: FabricFunction): void {
  for (const device of fn.secondaryBus?.devices ?? []) {
    removeDevice(device);
  }
  if (fn.isGone) {
    return;
  }
  fn.isIntxAsserted = false;
  updateIntx(fn);
  fn.isGone = true;
  fn.requester.abandon();
  fn.fabric.dismiss(fn);
  fn.model?.detach();
}

/** Both ends of a link show the same state. */
export function trainLink(bus: Bus): void {
  const port = bus.bridge!;
  const partners = bus.devices.flatMap((device) => [...device.functions.values()]);
  if (!bus.isLinkUp) {
    setLink(port.config, null);
    return;
  }
  const ends = [port, ...partners.filter((fn) => fn.config.offsets.express !== 0 && fn.virtual === null)];
  const speedCode = Math.min(...ends.map((fn) => capability(fn, LINK_CAPABILITIES.Max_Link_Speed)));
  const width = Math.min(...ends.map((fn) => capability(fn, LINK_CAPABILITIES.Maximum_Link_Width)));
  const state = { speedGTs: LINK_SPEED_GTS[speedCode] ?? 2.5, width };
  for (const fn of ends) {
    setLink(fn.config, state);
  }
}

/** Software wrote to the slot or the link registers of a port. */
export function slotChanged(port: FabricFunction): void {
  const bus = port.secondaryBus!;
  const { express } = port.config.offsets;
  const isPowered = SLOT_CONTROL.Power_Controller_Control.read(port.config.view, express) === 0;
  if (isPowered !== bus.isPowered) {
    bus.isPowered = isPowered;
    if (!isPowered) {
      resetBelow(port, 'power');
    }
    trainLink(bus);
    port.fabric.touch();
  }
  announce(port);
}

/** Link Disable was written: both ends see the link go or come. What is below a disabled link is reset. 7.5.3.7. */
export function linkControlChanged(port: FabricFunction): void {
  const bus = port.secondaryBus!;
  if (port.state.bridge!.isLinkDisabled) {
    resetBelow(port, 'bus');
  }
  trainLink(bus);
  port.fabric.touch();
  announce(port);
}

/** The port's interrupt, once something has happened that software wants to hear of. 6.7.3.4. */
function announce(port: FabricFunction): void {
  const { view, offsets } = port.config;
  const base = offsets.express;
  const bus = port.secondaryBus!;
  const isDue =
    base !== 0 &&
    SLOT_CONTROL.Hot_Plug_Interrupt_Enable.read(view, base) === 1 &&
    ((SLOT_CONTROL.Presence_Detect_Changed_Enable.read(view, base) === 1 &&
      SLOT_STATUS.Presence_Detect_Changed.read(view, base) === 1) ||
      (SLOT_CONTROL.Data_Link_Layer_State_Changed_Enable.read(view, base) === 1 &&
        SLOT_STATUS.Data_Link_Layer_State_Changed.read(view, base) === 1));
  const isNew = isDue && !bus.isChangeAnnounced;
  bus.isChangeAnnounced = isDue;
  if (isNew) {
    raisePortInterrupt(port, 0);
  }
}

function capability(fn: FabricFunction, field: { read(view: DataView, base?: number): number }): number {
  return field.read(fn.config.view, fn.config.offsets.express);
}
