/**
 * The host through FFI: memory mappings with one owner, asynchronous requests, the few ioctls that block devices need,
 * sockets that pass descriptors, memory and event counters that processes share, and names for error numbers.
 *
 * Leaves out on purpose: sysfs and everything that gives the calls a meaning (that is `linux`), and whatever `node:fs`
 * does well itself (open, close, stat). The package `koffi` is loaded at the first call that needs it. Follows the
 * kernel's own headers (include/uapi/linux: aio_abi.h, fs.h, stat.h). Read `mapping.ts` first.
 */
export * from './async-queue.ts';
export * from './block-ioctl.ts';
export * from './errno.ts';
export * from './event-fd.ts';
export { libc, loadKoffi } from './ffi.ts';
export * from './mapping.ts';
export * from './native-buffer.ts';
export * from './shared-memory.ts';
export { systemCallNumbers } from './system-calls.ts';
export * from './unix-socket.ts';
