/**
 * A vfio-user server: functions of a fabric become PCI devices of virtual machines.
 *
 * One thread serves all devices, so that what one of them does to another is a call. It waits in `poll`, and nowhere else: no
 * promise, no callback of Node. Each connection is one device in one virtual machine, with an address space of its own.
 * Follows QEMU's docs/interop/vfio-user.rst; what is implemented is listed in docs/vfio-user.md. Leaves out migration,
 * ioeventfds and twin sockets. Read `server.ts` first, then `connection.ts`.
 */
export { ServeCounters } from './counters.ts';
export { GuestMemory, type GuestMemoryOptions } from './guest-memory.ts';
export type { EndReason, MapRefusal, ServeListener } from './listener.ts';
export { RemoteDma } from './remote-dma.ts';
export { type ServedDevice, ServeError, type SharedBar } from './served-device.ts';
export { type ServerOptions, VfioUserServer } from './server.ts';
