/**
 * Loads and stores at an offset of a BAR, for a host that has decoded the address itself: the BAR's own address, Memory Space
 * Enable and all that lies above the function do not matter. The function answers as it answers the CPU.
 *
 * No link counts them: they come from outside the fabric.
 */
import type { BarTarget } from '../routing/completer.ts';
import type { RegisterHandler } from '../routing/route.ts';
import type { FabricFunction } from './fabric-function.ts';
import { accessBytes } from './register-access.ts';

/**
 * Loads bytes of a BAR. All ones: what lies in a closed range, in an injected fault, or behind the end of the BAR, and all of
 * a function that is gone or not in D0. Zeros: where a BAR has nothing.
 * @param bar          its index; the lower one of a 64-bit BAR
 * @param offsetBytes  from the start of the BAR
 * @param lengthBytes  any; registers are read in aligned pieces of 4, 2 and 1 bytes, in ascending order
 */
export function readBar(
  fn: FabricFunction,
  bar: number,
  offsetBytes: number,
  into: Uint8Array,
  intoOffset: number,
  lengthBytes: number,
): void {
  const sizeBytes = answeringBytes(fn, bar);
  for (let done = 0; done < lengthBytes; ) {
    const at = offsetBytes + done;
    const from = intoOffset + done;
    if (at >= sizeBytes) {
      into.fill(0xff, from, intoOffset + lengthBytes);
      return;
    }
    const target = targetAt(fn, bar, at);
    const length = Math.min(lengthBytes - done, sizeBytes - at, partEnd(fn, bar, at) - at);
    if (target === undefined) {
      into.fill(0, from, from + length);
    } else if (isRefused(fn, target, at, length, false)) {
      into.fill(0xff, from, from + length);
    } else if (target.memory !== null) {
      target.memory.read(target.memoryOffset + (at - target.start), into, from, length);
    } else {
      readRegisters(target.handler!, bar, at, into, from, length);
    }
    done += length;
  }
}

/** Stores bytes to a BAR; dropped where a load gives all ones, and where a BAR has nothing. Parameters as `readBar`. */
export function writeBar(
  fn: FabricFunction,
  bar: number,
  offsetBytes: number,
  from: Uint8Array,
  fromOffset: number,
  lengthBytes: number,
): void {
  const sizeBytes = answeringBytes(fn, bar);
  for (let done = 0; done < lengthBytes && offsetBytes + done < sizeBytes; ) {
    const at = offsetBytes + done;
    const target = targetAt(fn, bar, at);
    const length = Math.min(lengthBytes - done, sizeBytes - at, partEnd(fn, bar, at) - at);
    if (target !== undefined && !isRefused(fn, target, at, length, true)) {
      if (target.memory !== null) {
        target.memory.write(target.memoryOffset + (at - target.start), from, fromOffset + done, length);
      } else {
        writeRegisters(target.handler!, bar, at, from, fromOffset + done, length);
      }
    }
    done += length;
  }
}

function readRegisters(
  handler: RegisterHandler,
  bar: number,
  offset: number,
  into: Uint8Array,
  intoOffset: number,
  lengthBytes: number,
): void {
  for (let done = 0; done < lengthBytes; ) {
    const length = accessBytes(offset + done, lengthBytes - done);
    let value = handler.readRegister(bar, offset + done, length);
    for (let i = 0; i < length; i++) {
      into[intoOffset + done + i] = value;
      value >>>= 8;
    }
    done += length;
  }
}

function writeRegisters(
  handler: RegisterHandler,
  bar: number,
  offset: number,
  from: Uint8Array,
  fromOffset: number,
  lengthBytes: number,
): void {
  for (let done = 0; done < lengthBytes; ) {
    const length = accessBytes(offset + done, lengthBytes - done);
    let value = 0;
    for (let i = length - 1; i >= 0; i--) {
      value = ((value << 8) | from[fromOffset + done + i]!) >>> 0;
    }
    handler.writeRegister(bar, offset + done, length, value);
    done += length;
  }
}

/** The size of a BAR that answers; 0 when nothing does. */
function answeringBytes(fn: FabricFunction, bar: number): number {
  if (fn.isGone || !fn.state.isD0) {
    return 0;
  }
  const bars = fn.virtual === null ? fn.config.bars : fn.virtual.physical.config.vfBars;
  for (const register of bars) {
    if (register.index === bar) {
      return register.sizeBytes;
    }
  }
  return 0;
}

/** What is at an offset: what comes first lies over the others. */
function targetAt(fn: FabricFunction, bar: number, at: number): BarTarget | undefined {
  for (const target of fn.targets) {
    if (target.bar === bar && at >= target.start && at < target.end) {
      return target;
    }
  }
  return undefined;
}

/** The nearest beginning or end of any part behind an offset; Infinity for none. */
function partEnd(fn: FabricFunction, bar: number, at: number): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const target of fn.targets) {
    if (target.bar === bar && at < target.end) {
      nearest = Math.min(nearest, at < target.start ? target.start : target.end);
    }
  }
  return nearest;
}

function isRefused(
  fn: FabricFunction,
  target: BarTarget,
  at: number,
  lengthBytes: number,
  isWrite: boolean,
): boolean {
  if (target.range?.isOpen === false) {
    return true;
  }
  for (const { bar, start, end, code } of fn.faults) {
    if (bar === target.bar && at < end && at + lengthBytes > start && !(isWrite && code === 'poisoned')) {
      return true;
    }
  }
  return false;
}
