/** I/O commands: which there are, and what each does to a namespace as far as reservations and write protection care. */
import { NVM_OPCODE } from '../../../spec/nvme/index.ts';
import { ACCESS } from '../reservations.ts';

export const IO_COMMANDS: readonly number[] = [
  NVM_OPCODE.FLUSH,
  NVM_OPCODE.WRITE,
  NVM_OPCODE.READ,
  NVM_OPCODE.COMPARE,
  NVM_OPCODE.WRITE_ZEROES,
  NVM_OPCODE.DATASET_MANAGEMENT,
  NVM_OPCODE.VERIFY,
  NVM_OPCODE.RESERVATION_REGISTER,
  NVM_OPCODE.RESERVATION_REPORT,
  NVM_OPCODE.RESERVATION_ACQUIRE,
  NVM_OPCODE.RESERVATION_RELEASE,
  NVM_OPCODE.COPY,
];

/** By opcode: ACCESS of reservations. NVM Express Base 2.1, 8.1.22 (command behavior in the presence of a reservation). */
const ACCESS_OF = new Uint8Array(256);
for (const opcode of [NVM_OPCODE.READ, NVM_OPCODE.COMPARE, NVM_OPCODE.VERIFY]) {
  ACCESS_OF[opcode] = ACCESS.READ;
}
for (const opcode of [
  NVM_OPCODE.FLUSH,
  NVM_OPCODE.WRITE,
  NVM_OPCODE.WRITE_ZEROES,
  NVM_OPCODE.DATASET_MANAGEMENT,
  NVM_OPCODE.COPY,
]) {
  ACCESS_OF[opcode] = ACCESS.WRITE;
}

export function accessOf(opcode: number): number {
  return ACCESS_OF[opcode & 0xff]!;
}

/** It changes blocks: refused where the namespace is write protected. Flush is not. */
export function isWritingCommand(opcode: number): boolean {
  return opcode !== NVM_OPCODE.FLUSH && accessOf(opcode) === ACCESS.WRITE;
}
