/**
 * Peerlane's compute command: one vendor specific I/O opcode of NVMe by which a controller works on data in its own memory
 * buffer (CMB). Shared by the model (`devices/accelerator`) and its driver (`drivers/accelerator`).
 *
 * Drives put input into the buffer and fetch output from it by peer-to-peer DMA; the command itself moves no data, so bits
 * 1:0 of the opcode are 00b (NVM Express Base 2.1, 3.1.4, opcodes 80h to FFh). There is no other specification.
 */
import { bits, register } from '../../base/index.ts';

export const COMPUTE_OPCODE = 0x80;

/** Values of COMPUTE_CDW10.FUNC. */
export const COMPUTE_FUNCTION = {
  /** Raw deflate (RFC 1951). Completion dword 0: bytes of output. */
  COMPRESS: 1,
  /** The reverse. Completion dword 0: bytes of output. */
  DECOMPRESS: 2,
  /** CRC-32C (Castagnoli, RFC 3720 B.4). Completion dword 0: the checksum; output is not touched. */
  CHECKSUM: 3,
} as const;

/** Dwords at their places in a submission queue entry. */
export const COMPUTE_CDW10 = register('Compute CDW10', 40, 32, { FUNC: bits(7, 0, 'RW') });
/** Bytes from the start of the CMB. */
export const COMPUTE_CDW11 = register('Compute CDW11', 44, 32, { SOURCE: bits(31, 0, 'RW') });
export const COMPUTE_CDW12 = register('Compute CDW12', 48, 32, { LENGTH: bits(31, 0, 'RW') });
export const COMPUTE_CDW13 = register('Compute CDW13', 52, 32, { TARGET: bits(31, 0, 'RW') });
/** Output is at most this long. */
export const COMPUTE_CDW14 = register('Compute CDW14', 56, 32, { CAPACITY: bits(31, 0, 'RW') });

/** Status code type 7h, vendor specific, packed as `NVME_STATUS` is. */
export const COMPUTE_STATUS = {
  /** The output is longer than CAPACITY; nothing was written. */
  NO_ROOM: 0x701,
  /** The input is no deflate stream. */
  BAD_INPUT: 0x702,
} as const;
