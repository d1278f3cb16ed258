/**
 * Event counters of the kernel (eventfd): own ones that wake a thread from `poll`, and those of a virtual machine, by which a
 * device interrupts.
 */
import { readlinkSync } from 'node:fs';
import { callFailed } from './errno.ts';
import { libc } from './ffi.ts';
import { NativeBuffer } from './native-buffer.ts';

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const COUNTER_BYTES = 8;

let one: NativeBuffer | undefined;
let taken: Uint8Array | undefined;

/** Adds one. Never waits: a counter that is full has been signalled already. */
export function signalEventFd(fd: number): void {
  if (one === undefined) {
    one = new NativeBuffer(COUNTER_BYTES);
    one.bytes[0] = 1;
  }
  libc().write(fd, one.address, COUNTER_BYTES);
}

/** Takes what was added. @returns whether there was anything */
export function drainEventFd(fd: number): boolean {
  taken ??= new Uint8Array(new ArrayBuffer(COUNTER_BYTES));
  return libc().read(fd, taken, COUNTER_BYTES) === COUNTER_BYTES;
}

/**
 * Whether a descriptor that somebody else has passed is an event counter; writing to anything else might wait without end.
 * It is made not to wait. Needs /proc.
 */
export function adoptEventFd(fd: number): boolean {
  try {
    if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith('anon_inode:[eventfd')) {
      return false;
    }
  } catch {
    return false;
  }
  const flags = libc().fcntl(fd, F_GETFL, 0);
  return flags >= 0 && libc().fcntl(fd, F_SETFL, flags | O_NONBLOCK) === 0;
}

/** An own event counter. */
export class EventFd {
  readonly fd: number;
  #isClosed = false;

  /** @throws {HostError} HOST_CALL_FAILED, HOST_NO_FFI */
  constructor() {
    this.fd = libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (this.fd < 0) {
      throw callFailed('eventfd', libc().errno(), 'an event counter');
    }
  }

  signal(): void {
    if (!this.#isClosed) {
      signalEventFd(this.fd);
    }
  }

  /** @returns whether it was signalled since */
  drain(): boolean {
    return drainEventFd(this.fd);
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      libc().close(this.fd);
    }
  }
}
