/**
 * A lab machine on the bench: everything on, error messages off, and requests sent straight from a function's port, past
 * every driver, with what moved on each link while they were under way.
 *
 * Nothing here knows a routing rule. Links are named by the port above them and a direction.
 */
import type { Bdf } from '../../src/base/index.ts';
import {
  type FabricFunction,
  Memory,
  type Requester,
  type Status,
  TRAFFIC,
  type Traffic,
} from '../../src/fabric/index.ts';
import { type LabFile, LabMachine } from '../../src/lab/index.ts';
import { ATS_CONTROL, COMMAND, DEVICE_CONTROL, UNCORRECTABLE_ERROR_STATUS } from '../../src/spec/index.ts';
import type { Change } from './random-lab.ts';

/** `0000:00:01.0 up`: the link (or conventional bus) below a port, one direction. */
export type LinkName = `${string} ${'up' | 'down'}`;

/** What moved, without what ATS asked beforehand. */
export interface Moved {
  /** Links with packets of any kind. */
  readonly packets: ReadonlySet<LinkName>;
  /** Bytes of payload by link; links without are not listed. */
  readonly payload: ReadonlyMap<LinkName, number>;
  readonly dramBytes: number;
}

export interface Executed {
  readonly status: Status;
  /** The bytes that were sent are where they were to go. */
  readonly hasArrived: boolean;
  readonly moved: Moved;
  readonly iommuFaults: number;
  /** The function that was watched has logged an ACS violation (AER); false when none was. */
  readonly hasViolation: boolean;
  /** A failed read fills its target with ones. */
  readonly isAllOnes: boolean;
}

/** A BAR with memory behind it. */
export interface Target {
  readonly fn: FabricFunction;
  readonly bar: number;
  readonly memory: Memory;
  /** As the function decodes it when all is well. */
  readonly busAddress: number;
  readonly physAddress: number;
  readonly lengthBytes: number;
}

const ERROR_ENABLES = 0xf;

export function bootBench(lab: LabFile): LabMachine {
  const machine = LabMachine.boot(lab, { label: 'random.yaml', storage: 'extents' });
  nameFunctions(machine);
  for (const fn of machine.platform.functions) {
    fn.enable({ memory: true, busMaster: true });
    const fabricFn = functionOf(machine, fn.bdf);
    const { express } = fabricFn.config.offsets;
    // Error messages are packets too; without them every packet counted belongs to the request.
    fn.config.write16(COMMAND.offset, fn.config.read16(COMMAND.offset) & ~(1 << COMMAND.SERR_Enable.low));
    if (express !== 0) {
      const at = express + DEVICE_CONTROL.offset;
      fn.config.write16(at, fn.config.read16(at) & ~ERROR_ENABLES);
    }
  }
  return machine;
}

/** Functions by address as they were at boot: a link that goes down takes the bus numbers behind it away. */
const benches = new WeakMap<LabMachine, ReadonlyMap<string, FabricFunction>>();
const names = new WeakMap<FabricFunction, Bdf>();

/** Remembers who has which address now. */
export function nameFunctions(machine: LabMachine): void {
  const functions = new Map(
    machine.platform.functions.map(({ bdf }) => [bdf as string, machine.fabric.functionAt(bdf)!]),
  );
  benches.set(machine, functions);
  for (const [bdf, fn] of functions) {
    names.set(fn, bdf as Bdf);
  }
}

/** Its address at boot. */
export function nameOf(fn: FabricFunction): Bdf {
  return names.get(fn)!;
}

export function functionOf(machine: LabMachine, bdf: string): FabricFunction {
  return benches.get(machine)!.get(bdf)!;
}

/** Functions with a type 0 header, VFs included, in the order of enumeration. */
export function endpointsOf(machine: LabMachine): FabricFunction[] {
  return machine.platform.functions
    .map(({ bdf }) => functionOf(machine, bdf))
    .filter((fn) => fn.kind === 'endpoint' || fn.kind === 'virtual');
}

/** The memory that a function offers; undefined when it has none. Looked up while everything is on. */
export function targetOf(fn: FabricFunction): Target | undefined {
  for (const { index, start } of fn.state.bars) {
    const range = fn.model?.description.bars
      .find((bar) => bar.index === index)
      ?.regions.find((region) => region.kind === 'memory' && region.offsetBytes === 0);
    if (range?.kind === 'memory') {
      return {
        fn,
        bar: index,
        memory: range.memory,
        busAddress: start,
        physAddress: start + fn.device.bus.hostBridge.addressOffset,
        lengthBytes: range.lengthBytes,
      };
    }
  }
  return undefined;
}

/** Carries a change out. @returns false when the function has nothing to change */
export function applyChange(machine: LabMachine, { at, what }: Change): boolean {
  if (what === 'ats-everywhere') {
    return endpointsOf(machine)
      .map((_, i) => applyChange(machine, { at: i, what: 'ats' }))
      .includes(true);
  }
  const isBridge = what.startsWith('bridge');
  const all = machine.platform.functions.filter(({ bdf }) => {
    const { kind } = functionOf(machine, bdf);
    return isBridge
      ? functionOf(machine, bdf).secondaryBus !== null
      : kind === 'endpoint' || kind === 'virtual';
  });
  const fn = all[at % Math.max(1, all.length)];
  if (fn === undefined) {
    return false;
  }
  const { ats, express, pm } = functionOf(machine, fn.bdf).config.offsets;
  const change = (offset: number, mask: number, value: number): boolean => {
    fn.config.write16(offset, (fn.config.read16(offset) & ~mask) | value);
    return true;
  };
  switch (what) {
    case 'ats': {
      const bit = 1 << ATS_CONTROL.Enable.low;
      return ats !== 0 && change(ats + ATS_CONTROL.offset, bit, bit);
    }
    case 'no-relaxed-ordering':
      return (
        express !== 0 &&
        change(express + DEVICE_CONTROL.offset, 1 << DEVICE_CONTROL.Enable_Relaxed_Ordering.low, 0)
      );
    case 'bus-master-off':
    case 'bridge-bus-master-off':
      fn.enable({ busMaster: false });
      return true;
    case 'memory-off':
    case 'bridge-memory-off':
      fn.enable({ memory: false });
      return true;
    case 'd3hot':
      return pm !== 0 && change(pm + 4, 3, 3);
  }
}

/** Two dwords that no other request has. */
let stamp = 0;

export type RequestName = 'write' | 'read' | 'relaxed-read';

/**
 * One request from a function to an address, and what came of it.
 * @param at  offset into the target's memory of `addr`
 * @param watched  whose error registers are looked at
 */
export function execute(
  machine: LabMachine,
  client: FabricFunction,
  target: Target,
  addr: number,
  at: number,
  lengthBytes: number,
  what: RequestName,
  watched: FabricFunction | null = null,
): Executed {
  const { requester } = client;
  const isWrite = what === 'write';
  const traffic = what === 'read' ? TRAFFIC.CONTROL : TRAFFIC.DATA;
  const bytes = stamped(lengthBytes);
  const local = Memory.flat(lengthBytes);
  if (isWrite) {
    bytes.copyTo(0, local, 0, lengthBytes);
    target.memory.fill(at, lengthBytes, 0xee);
  } else {
    bytes.copyTo(0, target.memory, at, lengthBytes);
    local.fill(0, lengthBytes, 0x11);
  }
  const faults = machine.iommu.faultCount;
  if (watched !== null) {
    watched.config.set(UNCORRECTABLE_ERROR_STATUS.ACS_Violation, 0, watched.config.offsets.aer);
  }
  machine.fabric.counters.reset();
  const status = send(requester, isWrite, addr, local, lengthBytes, traffic);
  const moved = readMoved(machine);
  return {
    status,
    hasArrived: isWrite
      ? isSame(bytes, 0, target.memory, at, lengthBytes)
      : isSame(bytes, 0, local, 0, lengthBytes),
    moved,
    iommuFaults: machine.iommu.faultCount - faults,
    hasViolation:
      watched !== null &&
      UNCORRECTABLE_ERROR_STATUS.ACS_Violation.read(watched.config.view, watched.config.offsets.aer) === 1,
    isAllOnes: !isWrite && isFilled(local, lengthBytes, 0xff),
  };
}

function send(
  requester: Requester,
  isWrite: boolean,
  addr: number,
  local: Memory,
  lengthBytes: number,
  traffic: Traffic,
): Status {
  return isWrite
    ? requester.writeNow(addr, local, 0, lengthBytes, traffic)
    : requester.readNow(addr, local, 0, lengthBytes, traffic);
}

/** An answer to an ATS translation request is eight bytes; nothing else that is sent here has so few. */
const ATS_ANSWER_BYTES = 8;

export function readMoved(machine: LabMachine): Moved {
  const packets = new Set<LinkName>();
  const payload = new Map<LinkName, number>();
  const { links, dramRead, dramWrite } = machine.fabric.counters.read();
  for (const { bdf, up, down } of links) {
    const asked = down.controlBytes % 64 === ATS_ANSWER_BYTES ? 1 : 0;
    const counts = [
      [`${bdf} up`, up.packets - asked, up.dataBytes + up.controlBytes],
      [`${bdf} down`, down.packets - asked, down.dataBytes + down.controlBytes - asked * ATS_ANSWER_BYTES],
    ] as const;
    for (const [name, packetCount, bytes] of counts) {
      if (packetCount > 0) {
        packets.add(name as LinkName);
      }
      if (bytes > 0) {
        payload.set(name as LinkName, bytes);
      }
    }
  }
  return {
    packets,
    payload,
    dramBytes: dramRead.dataBytes + dramRead.controlBytes + dramWrite.dataBytes + dramWrite.controlBytes,
  };
}

function stamped(lengthBytes: number): Memory {
  const bytes = Memory.flat(lengthBytes);
  const flat = bytes.flat!;
  stamp = (stamp + 1) % 0xffff_ff00;
  for (let i = 0; i < lengthBytes; i++) {
    flat[i] = ((stamp >>> ((i % 4) * 8)) & 0xff) ^ ((i >> 2) & 0x7f);
  }
  return bytes;
}

export function isSame(a: Memory, aAt: number, b: Memory, bAt: number, lengthBytes: number): boolean {
  for (let i = 0; i < lengthBytes; i += 4) {
    if (a.getValue(aAt + i, 4) !== b.getValue(bAt + i, 4)) {
      return false;
    }
  }
  return true;
}

function isFilled(memory: Memory, lengthBytes: number, byte: number): boolean {
  for (let i = 0; i < lengthBytes; i++) {
    if (memory.getValue(i, 1) !== byte) {
      return false;
    }
  }
  return true;
}
