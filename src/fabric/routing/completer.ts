/**
 * The last step of a request: from a function and an address that one of its BARs claims to what is behind it.
 */
import type { Memory } from '../memory/memory.ts';
import type { BarMemory } from '../model.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { BarState } from './function-state.ts';
import { type FailureCode, failed, type Outcome, type RegisterHandler, ROUTE_KIND } from './route.ts';
import type { Trip } from './trip.ts';

/** A part of a BAR; offsets are from its start. */
export interface BarTarget {
  readonly bar: number;
  readonly start: number;
  readonly end: number;
  readonly memory: Memory | null;
  /** Where `start` lies in `memory`. */
  readonly memoryOffset: number;
  /** The model's range, which it may close; null for others. */
  readonly range: BarMemory | null;
  readonly handler: RegisterHandler | null;
}

/** A part of a BAR or of DRAM that misbehaves on request of a test. */
export interface Fault {
  /** Index of a BAR; null for DRAM, then the range is one of physical addresses. */
  readonly bar: number | null;
  readonly start: number;
  readonly end: number;
  /** `unsupported`: it answers nothing, as a closed range. */
  readonly code: Extract<FailureCode, 'poisoned' | 'completer-abort' | 'timeout' | 'unsupported'>;
}

/** The BAR of a function that claims the address. */
export function claimingBar(fn: FabricFunction, trip: Trip): BarState | undefined {
  return fn.state.bars.find((bar) => trip.contains(bar));
}

/** A request that arrived at the function which claims it. */
export function completeAt(fn: FabricFunction, bar: BarState, trip: Trip): Outcome {
  const offset = trip.addr - bar.start;
  const fault = findFault(fn.faults, bar.index, offset, trip);
  if (fault !== undefined) {
    return failed(fault.code, fn, 'primary');
  }
  const target = fn.targets.find(
    ({ bar: index, start, end }) => index === bar.index && trip.region.contains(offset, start, end),
  );
  if (target === undefined) {
    return outcomeAt(fn, ROUTE_KIND.EMPTY, bar.index, offset, null, null);
  }
  if (target.range?.isOpen === false) {
    return failed('unsupported', fn, 'primary');
  }
  if (target.memory !== null) {
    const place = target.memoryOffset + (offset - target.start);
    return outcomeAt(fn, ROUTE_KIND.MEMORY, bar.index, place, target.memory, null);
  }
  return outcomeAt(fn, ROUTE_KIND.REGISTERS, bar.index, offset, null, target.handler);
}

/** A fault of a range of DRAM (`bar` null) or of a BAR. Poison is in what is read, not in what is written. */
export function findFault(
  faults: readonly Fault[],
  bar: number | null,
  offset: number,
  trip: Trip,
): Fault | undefined {
  return faults.find(
    (fault) =>
      fault.bar === bar &&
      !(trip.isWrite && fault.code === 'poisoned') &&
      trip.region.contains(offset, fault.start, fault.end),
  );
}

function outcomeAt(
  completer: FabricFunction,
  kind: Outcome['kind'],
  bar: number,
  offset: number,
  memory: Memory | null,
  handler: RegisterHandler | null,
): Outcome {
  return { kind, completer, memory, handler, bar, offset, failure: null };
}
