/** A function of the simulated machine as its driver sees it: `access.PciFunction` over config cycles, loads and stores. */
import { type BarWindow, type PciFunction, PS_PER_MS, sleep, type Task } from '../../access/index.ts';
import { type Bdf, bdfParts } from '../../base/index.ts';
import {
  CAPABILITY_ID,
  COMMAND,
  DEVICE_CAPABILITIES,
  DEVICE_CONTROL,
  EXTENDED_ID,
  FIRST_VF_OFFSET,
  SRIOV_CONTROL,
  STATUS,
  VF_BARS,
  VF_STRIDE,
} from '../../spec/index.ts';
import { FabricBarWindow } from './bar-window.ts';
import type { FabricDma } from './dma-view.ts';
import type { FunctionConfig } from './function-config.ts';
import { FunctionInterrupts } from './function-interrupts.ts';
import type { InterruptController } from './interrupt-controller.ts';
import type { MachineSide } from './machine-side.ts';
import type { FoundFunction } from './scan.ts';
import { type SizedBar, sizeBarRegisters, sizeMemoryBars } from './sized-bar.ts';

const COMMAND_MEMORY = 1 << COMMAND.Memory_Space_Enable.low;
const COMMAND_MASTER = 1 << COMMAND.Bus_Master_Enable.low;
const ALL_ONES = 0xffff;
const INITIATE_FLR = 1 << DEVICE_CONTROL.Initiate_Function_Level_Reset.low;
/** PCIe Base 6.0, 6.6.2: software waits 100 ms after a Function Level Reset. */
const FLR_WAIT_PS = 100 * PS_PER_MS;
/** What a reset loses and software puts back: the whole header. */
const HEADER_DWORDS = 16;
/** COMMAND and STATUS are the second dword. */
const COMMAND_DWORD = 1;

export class FabricPciFunction implements PciFunction {
  readonly bdf: Bdf;
  readonly executor: MachineSide['queue'];
  readonly config: FunctionConfig;
  readonly interrupts: FunctionInterrupts;
  readonly dma: FabricDma;
  onGone: () => void = () => {};
  /** Where it hangs, for those who need more than a driver does. */
  readonly found: FoundFunction;
  readonly #windows: readonly FabricBarWindow[];
  #isGone = false;

  constructor(side: MachineSide, found: FoundFunction, controller: InterruptController, dma: FabricDma) {
    this.bdf = found.bdf;
    this.found = found;
    this.executor = side.queue;
    this.config = found.config;
    this.dma = dma;
    const { addressOffset } = found.hostBridge;
    this.#windows = barsOf(found).map((bar) => new FabricBarWindow(side, bar, addressOffset));
    this.interrupts = new FunctionInterrupts(
      found.config,
      controller,
      (index) => this.bar(index),
      (pin) => wireKey(found, pin),
    );
  }

  get isPresent(): boolean {
    // STATUS has bits that are always 0; a virtual function's vendor ID is ffff also when it is there (9.3.4.1.1).
    return !this.#isGone && this.config.read16(STATUS.offset) !== ALL_ONES;
  }

  bar(index: number): BarWindow | undefined {
    return this.#windows.find((window) => window.index === index);
  }

  enable(what: { readonly memory?: boolean; readonly busMaster?: boolean }): void {
    const before = this.config.read16(COMMAND.offset);
    let command = before;
    if (what.memory !== undefined) {
      command = what.memory ? command | COMMAND_MEMORY : command & ~COMMAND_MEMORY;
    }
    if (what.busMaster !== undefined) {
      command = what.busMaster ? command | COMMAND_MASTER : command & ~COMMAND_MASTER;
    }
    if (command !== before) {
      this.config.write16(COMMAND.offset, command);
    }
  }

  *reset(): Task<boolean> {
    const express = this.config.findCapability(CAPABILITY_ID.PCI_EXPRESS);
    const offered = express === 0 ? 0 : this.config.read32(express + DEVICE_CAPABILITIES.offset);
    if (DEVICE_CAPABILITIES.Function_Level_Reset_Capability.of(offered) === 0) {
      return false;
    }
    const saved: number[] = [];
    for (let dword = 0; dword < HEADER_DWORDS; dword++) {
      saved.push(this.config.read32(dword * 4));
    }
    const control = this.config.read16(express + DEVICE_CONTROL.offset);
    this.enable({ busMaster: false });
    this.config.write16(express + DEVICE_CONTROL.offset, control | INITIATE_FLR);
    yield* sleep(this.executor, FLR_WAIT_PS);
    if (!this.isPresent) {
      return false;
    }
    // Highest first, COMMAND last of all: nothing is decoded before its address stands.
    for (let dword = HEADER_DWORDS - 1; dword > COMMAND_DWORD; dword--) {
      this.config.write32(dword * 4, saved[dword]!);
    }
    this.config.write16(express + DEVICE_CONTROL.offset, control);
    this.config.write16(COMMAND.offset, saved[COMMAND_DWORD]! & 0xffff);
    return true;
  }

  /** The platform noticed that the function was taken away. */
  gone(): void {
    if (!this.#isGone) {
      this.#isGone = true;
      this.dma.releaseAll();
      this.onGone();
    }
  }
}

/** Assigned memory BARs; those of a virtual function stand in its PF's SR-IOV capability. */
function barsOf(found: FoundFunction): SizedBar[] {
  const bars =
    found.physicalFunction === null
      ? sizeMemoryBars(found.config)
      : virtualBars(found, found.physicalFunction);
  return bars.filter(({ start }) => start !== 0);
}

function virtualBars(found: FoundFunction, physical: FoundFunction): SizedBar[] {
  const sriov = physical.config.findExtendedCapability(EXTENDED_ID.SR_IOV);
  const first = physical.config.read16(sriov + FIRST_VF_OFFSET.offset);
  const stride = physical.config.read16(sriov + VF_STRIDE.offset);
  const index = stride === 0 ? 0 : Math.floor((found.aliasId - physical.aliasId - first) / stride);
  return sizeVirtualBars(physical.config, sriov).map((bar) => ({
    ...bar,
    start: bar.start === 0 ? 0 : bar.start + index * bar.sizeBytes,
  }));
}

/** As `sizeMemoryBars`, on the VF BARs; VF Memory Space Enable is off meanwhile. */
function sizeVirtualBars(config: FunctionConfig, sriov: number): SizedBar[] {
  const controlAt = sriov + SRIOV_CONTROL.offset;
  const control = config.read16(controlAt);
  config.write16(controlAt, control & ~(1 << SRIOV_CONTROL.VF_MSE.low));
  const bars = sizeBarRegisters(
    config,
    VF_BARS.map(({ offset }) => sriov + offset),
  );
  config.write16(controlAt, control);
  return bars;
}

/** Pins are rotated by the device number at every bridge on the way up (PCI-to-PCI Bridge Architecture 1.2, 9.1). */
function wireKey(found: FoundFunction, pin: number): string {
  let wire = pin;
  let at: FoundFunction = found;
  while (at.parent !== null) {
    wire = ((wire - 1 + bdfParts(at.bdf).device) % 4) + 1;
    at = at.parent;
  }
  const { domain, rootBusNumber } = found.hostBridge;
  return wireName(domain, rootBusNumber, wire);
}

/** Names one of the four interrupt wires of a host bridge; `pin` is 1 to 4. */
export function wireName(domain: number, rootBus: number, pin: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return `${hex(domain, 4)}:${hex(rootBus, 2)} INT${'ABCD'[pin - 1] ?? '?'}`;
}
