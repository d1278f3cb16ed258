/**
 * How a function interrupts: MSI-X, MSI or its interrupt pin, by what software has enabled. PCIe Base 6.0, 6.1; PCI 3.0,
 * 6.8; the swizzle of pins through bridges: PCI-to-PCI Bridge 1.2, 9.1.
 *
 * Messages are memory writes and take their way as such: bus master enable, ordering, ACS and the IOMMU apply to them.
 */
import { addressFromDwords } from '../../base/index.ts';
import { COMMAND, INTERRUPT_PIN, MSI_MESSAGE_CONTROL, STATUS } from '../../spec/pci/index.ts';
import type { InterruptDelivery } from '../outside.ts';
import { MESSAGE_CODE, sendUp } from '../tlp/message.ts';
import type { FabricFunction } from './fabric-function.ts';

export type InterruptMode = 'msi-x' | 'msi' | 'intx';

export function interruptMode(fn: FabricFunction): InterruptMode {
  if (fn.msix?.isEnabled === true) {
    return 'msi-x';
  }
  const { msi } = fn.config.offsets;
  return msi !== 0 && MSI_MESSAGE_CONTROL.MSI_Enable.read(fn.config.view, msi) === 1 ? 'msi' : 'intx';
}

/** Raises a message vector; nothing happens while neither MSI-X nor MSI is enabled. */
export function raiseVector(fn: FabricFunction, vector: number): void {
  const mode = interruptMode(fn);
  if (fn.interruptDelivery !== null) {
    deliverVector(fn, fn.interruptDelivery, mode, vector);
  } else if (mode === 'msi-x') {
    fn.msix!.raise(vector);
  } else if (mode === 'msi') {
    raiseMsi(fn, vector);
  }
}

/** Sends messages that software no longer masks. Called after a change of the interrupt registers. */
export function flushMessages(fn: FabricFunction): void {
  fn.msix?.flush();
  const place = msiPlace(fn);
  if (place === null || place.mask === 0) {
    return;
  }
  const { view } = fn.config;
  const pendingAt = place.mask + 4;
  const due = (view.getUint32(pendingAt, true) & ~view.getUint32(place.mask, true)) >>> 0;
  for (let vector = 0; vector < 32; vector++) {
    if (((due >>> vector) & 1) === 1) {
      view.setUint32(pendingAt, (view.getUint32(pendingAt, true) & ~(1 << vector)) >>> 0, true);
      sendMsi(fn, place, vector);
    }
  }
}

/** Tables and masks belong to whoever takes the interrupts. */
function deliverVector(
  fn: FabricFunction,
  delivery: InterruptDelivery,
  mode: InterruptMode,
  vector: number,
): void {
  if (mode === 'msi-x' && vector < fn.msix!.vectorCount) {
    delivery.message(mode, vector);
  } else if (mode === 'msi') {
    delivery.message(mode, vector % msiPlace(fn)!.vectorCount);
  }
}

interface MsiPlace {
  readonly base: number;
  readonly data: number;
  /** Mask bits, with the pending bits behind them; 0 when there are none. */
  readonly mask: number;
  readonly is64Bit: boolean;
  readonly vectorCount: number;
}

/** Null while MSI is not enabled. */
function msiPlace(fn: FabricFunction): MsiPlace | null {
  const { view, offsets } = fn.config;
  const base = offsets.msi;
  if (base === 0 || MSI_MESSAGE_CONTROL.MSI_Enable.read(view, base) === 0) {
    return null;
  }
  const is64Bit = MSI_MESSAGE_CONTROL._64_bit_Address_Capable.read(view, base) === 1;
  const data = base + (is64Bit ? 0x0c : 0x08);
  return {
    base,
    data,
    mask: MSI_MESSAGE_CONTROL.Per_Vector_Masking_Capable.read(view, base) === 1 ? data + 4 : 0,
    is64Bit,
    vectorCount: 2 ** Math.min(MSI_MESSAGE_CONTROL.Multiple_Message_Enable.read(view, base), 5),
  };
}

function raiseMsi(fn: FabricFunction, vector: number): void {
  const place = msiPlace(fn);
  if (place === null) {
    return;
  }
  // More vectors than granted share those there are.
  const granted = vector % place.vectorCount;
  const { view } = fn.config;
  if (place.mask !== 0 && ((view.getUint32(place.mask, true) >>> granted) & 1) === 1) {
    view.setUint32(place.mask + 4, (view.getUint32(place.mask + 4, true) | (1 << granted)) >>> 0, true);
    return;
  }
  sendMsi(fn, place, granted);
}

function sendMsi(fn: FabricFunction, place: MsiPlace, vector: number): void {
  const { view } = fn.config;
  const low = (view.getUint32(place.base + 4, true) & ~3) >>> 0;
  const high = place.is64Bit ? view.getUint32(place.base + 8, true) : 0;
  const data = view.getUint16(place.data, true);
  // The function puts the vector into the lowest bits of the data. PCI 3.0, 6.8.1.6.
  fn.requester.sendMessage(addressFromDwords(low, high), (data & ~(place.vectorCount - 1)) | vector);
}

/** The model's wish for its pin, or a change of what gates it: sends the level when it has changed. */
export function updateIntx(fn: FabricFunction): void {
  const { view } = fn.config;
  fn.config.set(STATUS.Interrupt_Status, fn.isIntxAsserted ? 1 : 0);
  const level =
    fn.isIntxAsserted &&
    !fn.isGone &&
    interruptMode(fn) === 'intx' &&
    COMMAND.Interrupt_Disable.read(view) === 0 &&
    INTERRUPT_PIN.value(view) !== 0;
  if (level !== fn.isIntxSent) {
    fn.isIntxSent = level;
    if (fn.interruptDelivery !== null) {
      fn.interruptDelivery.pin(level);
      return;
    }
    const pin = INTERRUPT_PIN.value(view);
    sendUp(fn, (level ? MESSAGE_CODE.ASSERT_INTA : MESSAGE_CODE.DEASSERT_INTA) + pin - 1, () => false);
    fn.fabric.wires.set(fn, pin, level);
  }
}

/** An interrupt of a port's own: errors, hot plug. By MSI, or as a pulse of its pin. */
export function raisePortInterrupt(port: FabricFunction, messageNumber: number): void {
  if (interruptMode(port) !== 'intx') {
    raiseVector(port, messageNumber);
    return;
  }
  port.isIntxAsserted = true;
  updateIntx(port);
  port.isIntxAsserted = false;
  updateIntx(port);
}
