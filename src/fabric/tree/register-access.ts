/** Requests that end at registers: cut into the accesses that registers take, in ascending order. */
import type { Memory } from '../memory/memory.ts';
import type { RegisterHandler } from '../routing/route.ts';

/** Registers take aligned accesses of up to four bytes. */
export function accessBytes(offset: number, lengthBytes: number): number {
  return offset % 4 === 0 && lengthBytes >= 4 ? 4 : offset % 2 === 0 && lengthBytes >= 2 ? 2 : 1;
}

export function writeRegisters(
  handler: RegisterHandler,
  bar: number,
  offset: number,
  local: Memory,
  localOffset: number,
  lengthBytes: number,
): void {
  for (let done = 0; done < lengthBytes; ) {
    const length = accessBytes(offset + done, lengthBytes - done);
    handler.writeRegister(bar, offset + done, length, local.getValue(localOffset + done, length));
    done += length;
  }
}

export function readRegisters(
  handler: RegisterHandler,
  bar: number,
  offset: number,
  local: Memory,
  localOffset: number,
  lengthBytes: number,
): void {
  for (let done = 0; done < lengthBytes; ) {
    const length = accessBytes(offset + done, lengthBytes - done);
    local.setValue(localOffset + done, length, handler.readRegister(bar, offset + done, length));
    done += length;
  }
}
