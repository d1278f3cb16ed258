/**
 * Mapped memory with one owner: a pointer and a length that only system calls ever see.
 *
 * The memory behind `allocate` of a p2pmem provider can be taken away at any time; touching it then raises SIGBUS,
 * which kills Node. A system call that is handed the address gets EFAULT instead. So the address goes into requests and
 * nowhere else, and host memory, which cannot vanish, is copied out on demand.
 */
import { assert, HostError } from '../base/index.ts';
import { callFailed } from './errno.ts';
import { libc } from './ffi.ts';

// include/uapi/asm-generic/mman-common.h
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_FAILED = -1;

/** What mmap is asked to round to; every supported architecture takes a multiple of it as a length. */
export const PAGE_BYTES = 4096;

export class Mapping {
  readonly lengthBytes: number;
  readonly isReadable: boolean;
  readonly #address: number;
  #pins = 0;
  #isClosed = false;

  private constructor(address: number, lengthBytes: number, isReadable: boolean) {
    this.#address = address;
    this.lengthBytes = lengthBytes;
    this.isReadable = isReadable;
  }

  /**
   * Page-aligned host memory, zeroed.
   * @throws {HostError} HOST_NO_MEMORY
   */
  static ofHostMemory(lengthBytes: number): Mapping {
    const address = map(lengthBytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (address < 0) {
      throw new HostError('HOST_NO_MEMORY', {
        message: `no host memory for a buffer of ${lengthBytes} bytes`,
        hint: 'a smaller --chunk or --depth needs less',
        cause: callFailed('mmap', -address, 'host memory'),
      });
    }
    return new Mapping(address, lengthBytes, true);
  }

  /**
   * A shared mapping of a device's file from offset 0; never readable through this object.
   * @returns the mapping, or the errno of the failed call as a negative number
   */
  static ofDevice(fd: number, lengthBytes: number): Mapping | number {
    const address = map(lengthBytes, MAP_SHARED, fd);
    return address < 0 ? address : new Mapping(address, lengthBytes, false);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The address for one request, which holds the memory until `unpin`. */
  pin(): number {
    assert(!this.#isClosed, 'memory is used after it was closed');
    this.#pins++;
    return this.#address;
  }

  unpin(): void {
    assert(this.#pins > 0, 'memory is released more often than it was held');
    this.#pins--;
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    this.#assertTouchable(offsetBytes, into.length);
    libc().copyOut(into, this.#address + offsetBytes, into.length);
  }

  copyIn(offsetBytes: number, from: Uint8Array): void {
    this.#assertTouchable(offsetBytes, from.length);
    libc().copyIn(this.#address + offsetBytes, from, from.length);
  }

  fill(value: number): void {
    this.#assertTouchable(0, this.lengthBytes);
    libc().memset(this.#address, value, this.lengthBytes);
  }

  /**
   * Unmaps. Idempotent.
   * @throws {HostError} HOST_MEMORY_BUSY while a request holds it: the address could be somebody else's a moment later
   */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    if (this.#pins > 0) {
      throw new HostError('HOST_MEMORY_BUSY', {
        message: `memory cannot be given back while ${this.#pins} requests use it`,
        hint: 'wait for the requests, or close their target first',
        exitStatus: 3,
      });
    }
    this.#isClosed = true;
    const result = libc().munmap(this.#address, this.lengthBytes);
    assert(result === 0, 'munmap of an own mapping failed', { errno: libc().errno() });
  }

  #assertTouchable(offsetBytes: number, lengthBytes: number): void {
    assert(this.isReadable, 'peer memory is never touched by the CPU');
    assert(!this.#isClosed, 'memory is used after it was closed');
    assert(
      offsetBytes >= 0 && offsetBytes + lengthBytes <= this.lengthBytes,
      'a range lies outside its memory',
      {
        offsetBytes,
        lengthBytes,
        memoryBytes: this.lengthBytes,
      },
    );
  }
}

/** The address, or -errno. */
function map(lengthBytes: number, flags: number, fd: number): number {
  assert(Number.isSafeInteger(lengthBytes) && lengthBytes > 0, 'a mapping needs a length', { lengthBytes });
  const address = libc().mmap(0, lengthBytes, PROT_READ | PROT_WRITE, flags, fd, 0);
  return address === MAP_FAILED ? -libc().errno() : address;
}
