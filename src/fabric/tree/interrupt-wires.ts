/**
 * Interrupt pins as wires to the root: each bridge turns them by the device number below it, a host bridge has four, and
 * several functions on one wire are one level. PCI-to-PCI Bridge 1.2, 9.1; PCIe Base 6.0, 2.2.8.1 (the messages that stand for the wires).
 */
import type { FabricFunction } from './fabric-function.ts';
import type { HostBridge } from './host-bridge.ts';

/** Called when the level of a wire of a host bridge changes. `pin` is 1 to 4 for INTA to INTD. */
export type IntxSink = (hostBridge: HostBridge, pin: number, isAsserted: boolean) => void;

export class InterruptWires {
  readonly #sink: IntxSink;
  /** Functions that hold a wire, by host bridge; index 0 is INTA. */
  readonly #holders = new Map<HostBridge, readonly Set<FabricFunction>[]>();

  constructor(sink: IntxSink) {
    this.#sink = sink;
  }

  /** @param pin 1 to 4, of the function */
  set(fn: FabricFunction, pin: number, isAsserted: boolean): void {
    const { hostBridge } = fn.device.bus;
    let wires = this.#holders.get(hostBridge);
    if (wires === undefined) {
      wires = [new Set(), new Set(), new Set(), new Set()];
      this.#holders.set(hostBridge, wires);
    }
    const rootPin = pinAtRoot(fn, pin);
    const holders = wires[rootPin - 1]!;
    const before = holders.size > 0;
    if (isAsserted) {
      holders.add(fn);
    } else {
      holders.delete(fn);
    }
    const after = holders.size > 0;
    if (before !== after) {
      this.#sink(hostBridge, rootPin, after);
    }
  }
}

/** Which of the four wires of its host bridge a function's pin ends on. */
export function pinAtRoot(fn: FabricFunction, pin: number): number {
  let { device } = fn;
  let wire = pin;
  while (device.bus.bridge !== null) {
    wire = ((wire - 1 + device.number) % 4) + 1;
    device = device.bus.bridge.device;
  }
  return wire;
}
