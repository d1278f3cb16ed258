/** Error numbers of the kernel: their names, and what they mean where the name alone helps nobody. */
import { constants } from 'node:os';
import { HostError } from '../base/index.ts';

/** Names that Node's own table lacks or calls differently; numbers of asm-generic/errno.h, the same on every architecture supported here. */
const LINUX_ONLY: Readonly<Record<string, number>> = {
  EOPNOTSUPP: 95,
  ESHUTDOWN: 108,
  EREMOTEIO: 121,
  ENOMEDIUM: 123,
  EKEYREJECTED: 129,
};

const numberByName: Readonly<Record<string, number>> = { ...LINUX_ONLY, ...constants.errno };
const nameByNumber = new Map<number, string>();
for (const [name, number] of Object.entries(numberByName)) {
  // Aliases (EWOULDBLOCK, EOPNOTSUPP) come after the name that the kernel itself uses.
  if (!nameByNumber.has(number)) {
    nameByNumber.set(number, name);
  }
}

const MEANING: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EAGAIN: 'no resources at the moment',
  EBUSY: 'in use',
  EFAULT: 'the memory is not mapped',
  EINVAL: 'the kernel takes the request for invalid',
  EIO: 'input/output error',
  EMFILE: 'too many open files',
  ENODATA: 'medium error: the data cannot be read',
  ENODEV: 'no such device',
  ENOENT: 'no such file or directory',
  ENOMEDIUM: 'no medium in the device',
  ENOMEM: 'out of memory',
  ENOSPC: 'no space left',
  ENOSYS: 'this kernel does not have the call',
  ENXIO: 'no such device or address',
  EOPNOTSUPP: 'not supported there',
  EPERM: 'operation not permitted',
  EREMOTEIO: 'the device cannot reach that memory (remote I/O error)',
  EROFS: 'read-only',
  ESHUTDOWN: 'the device was shut down',
  ETIMEDOUT: 'the device did not answer in time',
};

/** `EREMOTEIO` for 121; `errno 4242` for a number without a name. */
export function errnoName(errno: number): string {
  return nameByNumber.get(errno) ?? `errno ${errno}`;
}

/** The number of a name; undefined when there is none. */
export function errnoNumber(name: string): number | undefined {
  return numberByName[name];
}

/** Half a sentence for a person; the name itself where there is nothing better to say. */
export function errnoMeaning(errno: number): string {
  const name = errnoName(errno);
  return MEANING[name] ?? name;
}

/** What a failed call of `node:fs` carries as `code`: `EACCES`. Undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** A failed system call without a better story: `HOST_CALL_FAILED`. */
export function callFailed(call: string, errno: number, about: string, hint?: string): HostError {
  return new HostError('HOST_CALL_FAILED', {
    message: `${about}: ${call} failed with ${errnoName(errno)} (${errnoMeaning(errno)})`,
    detail: { call, errno: errnoName(errno) },
    exitStatus: 3,
    ...(hint === undefined ? {} : { hint }),
  });
}
