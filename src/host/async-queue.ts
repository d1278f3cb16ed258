/**
 * Asynchronous reads and writes by the kernel's native interface (io_setup, io_submit, io_getevents), with completions
 * announced on an eventfd that Node's own event loop polls.
 *
 * Why this one: a request costs one short call and no thread, so depth is not bound to libuv's pool of four (whose size is
 * fixed before a module's first line runs, because the module loader uses it), and submission order, hence device queue
 * depth, is what the caller asked for. io_uring would save that call, but is switched off in many containers and hardened
 * kernels, and its rings are memory shared with the kernel that JavaScript would have to order its accesses to.
 *
 * Layouts: include/uapi/linux/aio_abi.h (struct iocb, struct io_event). The file must be open with O_DIRECT: buffered
 * requests would block in io_submit.
 */

import { closeSync } from 'node:fs';
import { assert, HostError } from '../base/index.ts';
import { callFailed, errnoName } from './errno.ts';
import { type Libc, libc, type PollHandle } from './ffi.ts';
import { type SystemCallNumbers, systemCallNumbers } from './system-calls.ts';

export const ASYNC_READ = 0;
export const ASYNC_WRITE = 1;
/** As fdatasync: data, and what is needed to find it. */
export const ASYNC_SYNC = 3;

/** The kernel has 65536 for everybody by default (fs.aio-max-nr). */
export const QUEUE_DEPTH_MAX = 4096;

const IOCB_BYTES = 64;
const EVENT_BYTES = 32;
const IOCB = {
  data: 0,
  opcode: 16,
  fd: 20,
  buffer: 24,
  length: 32,
  offset: 40,
  flags: 56,
  eventFd: 60,
} as const;
const EVENT = { data: 0, result: 16 } as const;
const IOCB_FLAG_RESFD = 1;

// include/uapi/linux/eventfd.h, with the flags of O_CLOEXEC and O_NONBLOCK on the supported architectures.
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

const TWO_32 = 0x1_0000_0000;
const EAGAIN = 11;

export class AsyncQueue {
  readonly depth: number;
  /** Called once a submitted request, from the event loop: bytes moved, or a negative errno. */
  onDone: (slot: number, result: number) => void = () => {};

  readonly #c: Libc;
  readonly #calls: SystemCallNumbers;
  readonly #context: number;
  readonly #eventFd: number;
  readonly #poll: PollHandle;
  // One control block a slot, and a table of their addresses. Separate ArrayBuffers: typed arrays of up to 64 bytes may
  // live on V8's heap, where they move. The fields keep them alive while the kernel has their addresses.
  readonly #blocks: DataView;
  readonly #table: Uint8Array;
  readonly #tableAddress: number;
  readonly #events: DataView;
  readonly #eventsAddress: number;
  readonly #noTime: Uint8Array;
  readonly #noTimeAddress: number;
  readonly #counter: Uint8Array;
  readonly #freeSlots: Int32Array;
  #freeCount: number;
  #isClosed = false;

  /**
   * @param depth  requests at once, 1 to 4096
   * @throws {HostError} HOST_NO_FFI, HOST_ARCHITECTURE, HOST_NO_ASYNC_IO
   */
  constructor(depth: number) {
    assert(
      Number.isInteger(depth) && depth >= 1 && depth <= QUEUE_DEPTH_MAX,
      'a queue has a depth of 1 to 4096',
      {
        depth,
      },
    );
    this.depth = depth;
    this.#c = libc();
    this.#calls = systemCallNumbers();
    const blocks = stableBytes(depth * IOCB_BYTES);
    this.#blocks = new DataView(blocks.buffer);
    this.#table = stableBytes(depth * 8);
    this.#tableAddress = this.#c.addressOf(this.#table);
    const events = stableBytes(depth * EVENT_BYTES);
    this.#events = new DataView(events.buffer);
    this.#eventsAddress = this.#c.addressOf(events);
    this.#noTime = stableBytes(16);
    this.#noTimeAddress = this.#c.addressOf(this.#noTime);
    this.#counter = stableBytes(8);
    this.#freeSlots = Int32Array.from({ length: depth }, (_, i) => depth - 1 - i);
    this.#freeCount = depth;

    const blocksAddress = this.#c.addressOf(blocks);
    const table = new DataView(this.#table.buffer);
    for (let slot = 0; slot < depth; slot++) {
      putAddress(table, slot * 8, blocksAddress + slot * IOCB_BYTES);
    }
    this.#context = this.#setUp(depth);
    this.#eventFd = this.#c.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (this.#eventFd < 0) {
      const errno = this.#c.errno();
      this.#c.syscall(this.#calls.io_destroy, this.#context, 0, 0, 0, 0);
      throw callFailed('eventfd', errno, 'asynchronous requests');
    }
    this.#poll = this.#c.poll(this.#eventFd, () => this.#reap());
    this.#poll.unref();
  }

  get inFlight(): number {
    return this.depth - this.#freeCount;
  }

  /**
   * Hands one request to the kernel.
   *
   * @param address  from `Mapping.pin()`; 0 for ASYNC_SYNC
   * @returns the slot that `onDone` will name; or a negative errno, -EAGAIN when all slots are taken
   */
  submit(operation: number, fd: number, address: number, lengthBytes: number, offsetBytes: number): number {
    assert(!this.#isClosed, 'a request was made after its queue was closed');
    if (this.#freeCount === 0) {
      return -EAGAIN;
    }
    const slot = this.#freeSlots[this.#freeCount - 1]!;
    const base = slot * IOCB_BYTES;
    const block = this.#blocks;
    block.setUint32(base + IOCB.data, slot, true);
    block.setUint16(base + IOCB.opcode, operation, true);
    block.setUint32(base + IOCB.fd, fd, true);
    putAddress(block, base + IOCB.buffer, address);
    putAddress(block, base + IOCB.length, lengthBytes);
    putAddress(block, base + IOCB.offset, offsetBytes);
    block.setUint32(base + IOCB.flags, IOCB_FLAG_RESFD, true);
    block.setUint32(base + IOCB.eventFd, this.#eventFd, true);
    const taken = this.#c.syscall(
      this.#calls.io_submit,
      this.#context,
      1,
      this.#tableAddress + slot * 8,
      0,
      0,
    );
    if (taken !== 1) {
      return -this.#c.errno();
    }
    if (this.#freeCount === this.depth) {
      this.#poll.ref();
    }
    this.#freeCount--;
    return slot;
  }

  /** Gives the kernel's context back. Idempotent; all requests must be finished. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    assert(this.inFlight === 0, 'a queue was closed with requests in flight', { inFlight: this.inFlight });
    this.#isClosed = true;
    this.#poll.close();
    this.#c.syscall(this.#calls.io_destroy, this.#context, 0, 0, 0, 0);
    closeSync(this.#eventFd);
  }

  #setUp(depth: number): number {
    const place = stableBytes(8);
    const result = this.#c.syscall(this.#calls.io_setup, depth, this.#c.addressOf(place), 0, 0, 0);
    if (result !== 0) {
      const errno = this.#c.errno();
      throw new HostError('HOST_NO_ASYNC_IO', {
        message: `the kernel gives no asynchronous requests: io_setup failed with ${errnoName(errno)}`,
        hint:
          errno === EAGAIN
            ? 'other programs hold them all: raise /proc/sys/fs/aio-max-nr'
            : 'the kernel must be built with CONFIG_AIO, and a container must allow io_setup',
        detail: { errno: errnoName(errno) },
      });
    }
    const view = new DataView(place.buffer);
    return view.getUint32(4, true) * TWO_32 + view.getUint32(0, true);
  }

  #reap(): void {
    // The eventfd is emptied before the events are taken, so that a completion in between wakes the loop again.
    this.#c.read(this.#eventFd, this.#counter, 8);
    const count = this.#c.syscall(
      this.#calls.io_getevents,
      this.#context,
      0,
      this.depth,
      this.#eventsAddress,
      this.#noTimeAddress,
    );
    for (let i = 0; i < count; i++) {
      const base = i * EVENT_BYTES;
      const slot = this.#events.getUint32(base + EVENT.data, true);
      // A slot is free only just before its owner hears of it: an owner that submits the next request from `onDone` must
      // not be given the slot of a completion that is still to be told.
      this.#freeSlots[this.#freeCount++] = slot;
      // A result is a byte count below 2^31 or a negative errno: the low dword holds both.
      this.onDone(slot, this.#events.getInt32(base + EVENT.result, true));
    }
    if (this.#freeCount === this.depth && !this.#isClosed) {
      this.#poll.unref();
    }
  }
}

/** Bytes whose address does not change while they are referenced. */
function stableBytes(lengthBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(lengthBytes));
}

function putAddress(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}
