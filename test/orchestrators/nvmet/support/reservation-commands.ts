// Reservation commands as a host sends them.
import { NVM_OPCODE } from '../../../../src/spec/nvme/index.ts';
import type { CommandOptions, LoopQueue } from './loop.ts';

function keys(first: number, second?: number): Uint8Array {
  const data = new Uint8Array(second === undefined ? 8 : 16);
  const view = new DataView(data.buffer);
  view.setUint32(0, first, true);
  if (second !== undefined) {
    view.setUint32(8, second, true);
  }
  return data;
}

export function register(
  action: number,
  current: number,
  next: number,
  flags: { ignore?: boolean; cptpl?: number } = {},
): CommandOptions {
  const cdw10 = action + (flags.ignore === true ? 8 : 0) + (flags.cptpl ?? 0) * 0x4000_0000;
  return { opcode: NVM_OPCODE.RESERVATION_REGISTER, nsid: 1, cdw10, out: keys(current, next) };
}

export function acquire(action: number, type: number, current: number, preempted = 0): CommandOptions {
  const cdw10 = action + type * 0x100;
  return { opcode: NVM_OPCODE.RESERVATION_ACQUIRE, nsid: 1, cdw10, out: keys(current, preempted) };
}

export function release(action: number, type: number, current: number): CommandOptions {
  const cdw10 = action + type * 0x100;
  return { opcode: NVM_OPCODE.RESERVATION_RELEASE, nsid: 1, cdw10, out: keys(current) };
}

export function report(queue: LoopQueue) {
  const { view, completion } = queue.run({
    opcode: NVM_OPCODE.RESERVATION_REPORT,
    nsid: 1,
    cdw10: 1023,
    cdw11: 1,
    in: 4096,
  });
  const count = view.getUint16(5, true);
  return {
    status: completion.status,
    generation: view.getUint32(0, true),
    type: view.getUint8(4),
    isPersistent: view.getUint8(9) === 1,
    registrants: Array.from({ length: count }, (_, i) => ({
      host: view.getUint8(64 + 64 * i + 31),
      key: view.getUint32(64 + 64 * i + 8, true),
      holds: view.getUint8(64 + 64 * i + 2) === 1,
    })),
  };
}
