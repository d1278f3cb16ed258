/** Numbers of the kernel's interface that differ by architecture. */
import { HostError } from '../base/index.ts';

export interface SystemCallNumbers {
  readonly io_setup: number;
  readonly io_destroy: number;
  readonly io_submit: number;
  readonly io_getevents: number;
}

/** asm-generic/unistd.h, which every newer architecture uses as it is. */
const GENERIC: SystemCallNumbers = { io_setup: 0, io_destroy: 1, io_submit: 2, io_getevents: 4 };

/** Little-endian 64-bit only: the control blocks are laid out for these. */
const BY_ARCHITECTURE: Readonly<Record<string, SystemCallNumbers>> = {
  // arch/x86/entry/syscalls/syscall_64.tbl
  x64: { io_setup: 206, io_destroy: 207, io_getevents: 208, io_submit: 209 },
  arm64: GENERIC,
  riscv64: GENERIC,
  loong64: GENERIC,
};

/** @throws {HostError} HOST_ARCHITECTURE where asynchronous requests have not been brought to */
export function systemCallNumbers(architecture: string = process.arch): SystemCallNumbers {
  const numbers = BY_ARCHITECTURE[architecture];
  if (numbers === undefined) {
    throw new HostError('HOST_ARCHITECTURE', {
      message: `copying is not supported on ${architecture}`,
      hint: `supported: ${Object.keys(BY_ARCHITECTURE).join(', ')}; reading and judging work everywhere`,
    });
  }
  return numbers;
}

/** include/uapi/linux/fs.h; the direction bits are those of asm-generic, which all supported architectures use. */
export const BLKSSZGET = 0x1268;
export const BLKROGET = 0x125e;
export const BLKGETSIZE64 = 0x80081272;
