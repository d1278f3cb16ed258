/**
 * The few C library calls that Node has no face for, bound when first needed.
 *
 * `koffi` is an optional dependency: everything that only reads a machine works without it. Addresses are plain numbers
 * here (user space ends below 2^47 or 2^56, and mmap without a hint stays below 2^47), so that peer memory never becomes
 * a Buffer or a typed array that somebody could touch.
 */
import { createRequire } from 'node:module';
import type koffiTypes from 'koffi';
import { HostError } from '../base/index.ts';

type Koffi = typeof koffiTypes;

export interface Libc {
  readonly mmap: (
    hint: number,
    lengthBytes: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => number;
  readonly munmap: (address: number, lengthBytes: number) => number;
  /** Into JavaScript's memory, from an address. */
  readonly copyOut: (into: Uint8Array, from: number, lengthBytes: number) => number;
  readonly copyIn: (to: number, from: Uint8Array, lengthBytes: number) => number;
  readonly memset: (address: number, value: number, lengthBytes: number) => number;
  readonly ioctl: (fd: number, request: number, argument: Uint8Array) => number;
  readonly fallocate: (fd: number, mode: number, offset: number, lengthBytes: number) => number;
  readonly statx: (
    directoryFd: number,
    path: string,
    flags: number,
    mask: number,
    into: Uint8Array,
  ) => number;
  readonly eventfd: (initial: number, flags: number) => number;
  readonly read: (fd: number, into: Uint8Array, lengthBytes: number) => number;
  /** From an address. */
  readonly write: (fd: number, from: number, lengthBytes: number) => number;
  readonly close: (fd: number) => number;
  readonly fcntl: (fd: number, command: number, argument: number) => number;
  readonly fstatfs: (fd: number, into: Uint8Array) => number;
  readonly memfdCreate: (name: string, flags: number) => number;
  readonly ftruncate: (fd: number, lengthBytes: number) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, lengthBytes: number) => number;
  readonly connect: (fd: number, address: Uint8Array, lengthBytes: number) => number;
  readonly listen: (fd: number, backlog: number) => number;
  /** Without the address of the other side. */
  readonly accept4: (fd: number, address: number, length: number, flags: number) => number;
  readonly shutdown: (fd: number, how: number) => number;
  readonly getsockopt: (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: Uint8Array,
  ) => number;
  readonly recvmsg: (fd: number, message: number, flags: number) => number;
  readonly sendmsg: (fd: number, message: number, flags: number) => number;
  readonly send: (fd: number, from: number, lengthBytes: number, flags: number) => number;
  readonly pollFds: (fds: number, count: number, timeoutMs: number) => number;
  readonly syscall: (number: number, a: number, b: number, c: number, d: number, e: number) => number;
  /** errno of the last call of this thread. */
  readonly errno: () => number;
  /** Where bytes lie. Valid as long as the array is referenced from JavaScript: V8 never moves an ArrayBuffer's store. */
  readonly addressOf: (bytes: Uint8Array) => number;
  /** Bytes at an address, as they are: touching them after they were unmapped kills the process. At most 4 GiB. */
  readonly view: (address: number, lengthBytes: number) => ArrayBuffer;
  /** Calls back whenever `fd` is readable, from the event loop. */
  readonly poll: (fd: number, onReadable: () => void) => PollHandle;
}

export interface PollHandle {
  close(): void;
  /** Keeps the process alive, or stops doing so. */
  ref(): void;
  unref(): void;
}

let bound: Libc | undefined;

/**
 * The C library.
 * @throws {HostError} HOST_NO_FFI when the optional package is not installed or does not load, HOST_NOT_LINUX elsewhere
 */
export function libc(): Libc {
  bound ??= bind(loadKoffi());
  return bound;
}

/** Exported for tests: how the package is found. */
export function loadKoffi(load: (name: string) => unknown = createRequire(import.meta.url)): Koffi {
  if (process.platform !== 'linux') {
    throw new HostError('HOST_NOT_LINUX', {
      message: `copying on a real machine needs Linux, this is ${process.platform}`,
      hint: 'reading snapshots of Linux machines works here: peerlane -m host.tar.gz matrix',
    });
  }
  try {
    return load('koffi') as Koffi;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw new HostError('HOST_NO_FFI', {
      message: `the optional package koffi, which maps peer memory, could not be loaded: ${reason}`,
      hint: 'npm install koffi (and see that npm was not told --omit=optional)',
      cause,
    });
  }
}

function bind(koffi: Koffi): Libc {
  // The process itself has a C library loaded, glibc or musl: no file name has to be known.
  const self = koffi.load(null);
  return {
    mmap: self.func(
      'intptr_t mmap(uintptr_t hint, size_t length, int prot, int flags, int fd, int64_t offset)',
    ),
    munmap: self.func('int munmap(uintptr_t address, size_t length)'),
    copyOut: self.func('memcpy', 'uintptr_t', ['void *', 'uintptr_t', 'size_t']) as Libc['copyOut'],
    copyIn: self.func('memcpy', 'uintptr_t', ['uintptr_t', 'void *', 'size_t']) as Libc['copyIn'],
    memset: self.func('uintptr_t memset(uintptr_t address, int value, size_t length)'),
    write: self.func('intptr_t write(int fd, uintptr_t buffer, size_t count)'),
    close: self.func('int close(int fd)'),
    fstatfs: self.func('int fstatfs(int fd, void *buffer)'),
    memfdCreate: self.func('int memfd_create(const char *name, unsigned int flags)'),
    ftruncate: self.func('int ftruncate(int fd, int64_t length)'),
    socket: self.func('int socket(int domain, int type, int protocol)'),
    bind: self.func('int bind(int fd, void *address, unsigned int length)'),
    connect: self.func('int connect(int fd, void *address, unsigned int length)'),
    listen: self.func('int listen(int fd, int backlog)'),
    accept4: self.func('int accept4(int fd, uintptr_t address, uintptr_t length, int flags)'),
    getsockopt: self.func('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    shutdown: self.func('int shutdown(int fd, int how)'),
    recvmsg: self.func('intptr_t recvmsg(int fd, uintptr_t message, int flags)'),
    sendmsg: self.func('intptr_t sendmsg(int fd, uintptr_t message, int flags)'),
    send: self.func('intptr_t send(int fd, uintptr_t buffer, size_t length, int flags)'),
    pollFds: self.func('poll', 'int', ['uintptr_t', 'unsigned long', 'int']) as Libc['pollFds'],
    // These three are variadic in C; on the architectures of system-calls.ts integers are passed in the same way.
    ioctl: self.func('int ioctl(int fd, unsigned long request, void *argument)'),
    fcntl: self.func('int fcntl(int fd, int command, int argument)'),
    syscall: self.func('syscall', 'long', [
      'long',
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
    ]) as Libc['syscall'],
    fallocate: self.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
    statx: self.func('int statx(int dirfd, const char *path, int flags, unsigned int mask, void *buffer)'),
    eventfd: self.func('int eventfd(unsigned int initial, int flags)'),
    read: self.func('intptr_t read(int fd, void *buffer, size_t count)'),
    errno: () => koffi.errno(),
    addressOf: (bytes) => Number(koffi.address(bytes)),
    view: (address, lengthBytes) => koffi.view(BigInt(address), lengthBytes),
    poll: (fd, onReadable) => koffi.node.poll(fd, { readable: true }, onReadable),
  };
}
