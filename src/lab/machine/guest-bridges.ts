/**
 * The bridges of a guest's tree, as far as we have them: numbered and switched on once, and with windows that follow the BARs
 * below them, whatever a type 1 header could say of such windows.
 */
import type { Bus, Fabric, FabricFunction, HostBridge } from '../../fabric/index.ts';
import { ACS_CONTROL, COMMAND, SECONDARY_BUS_NUMBER, SUBORDINATE_BUS_NUMBER } from '../../spec/index.ts';

interface BusRange {
  readonly start: number;
  readonly end: number;
}

/** Numbers every bus, tells devices theirs, and lets all bridges pass requests on: nobody else will. */
export function switchBridgesOn(fabric: Fabric): void {
  for (const { rootBus, rootBusNumber } of fabric.hostBridges) {
    numberBus(rootBus, rootBusNumber);
  }
  fabric.touch();
}

/** @returns the last bus number at or below the bus */
function numberBus(bus: Bus, number: number): number {
  let last = number;
  for (const device of bus.devices) {
    device.capturedBus = number;
    for (const fn of device.functions.values()) {
      if (fn.secondaryBus !== null) {
        const secondary = last + 1;
        fn.config.write(SECONDARY_BUS_NUMBER.offset, 1, secondary);
        fn.config.write(SUBORDINATE_BUS_NUMBER.offset, 1, 0xff);
        last = numberBus(fn.secondaryBus, secondary);
        fn.config.write(SUBORDINATE_BUS_NUMBER.offset, 1, last);
        switchOn(fn);
      }
    }
  }
  return last;
}

function switchOn({ config }: FabricFunction): void {
  const command = config.read(COMMAND.offset, 2);
  config.write(
    COMMAND.offset,
    2,
    command | (1 << COMMAND.Memory_Space_Enable.low) | (1 << COMMAND.Bus_Master_Enable.low),
  );
  const { acs } = config.offsets;
  if (acs !== 0) {
    config.write(acs + ACS_CONTROL.offset, 2, 0);
  }
}

/** Gives every bridge the ranges of the BARs below it that decode. */
export function mirrorWindows(hostBridges: readonly HostBridge[]): void {
  for (const hostBridge of hostBridges) {
    const ranges = rangesOf(hostBridge.rootBus);
    hostBridge.setWindows(ranges.map(({ start, end }) => ({ start, lengthBytes: end - start })));
  }
}

function rangesOf(bus: Bus): readonly BusRange[] {
  const ranges: BusRange[] = [];
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      ranges.push(...fn.state.bars.map(({ start, end }) => ({ start, end })));
      if (fn.secondaryBus !== null) {
        const below = rangesOf(fn.secondaryBus);
        fn.setWindows(below);
        ranges.push(...below);
      }
    }
  }
  return ranges;
}
