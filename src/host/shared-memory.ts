/**
 * Memory that processes share by a descriptor, as bytes that JavaScript reads and writes.
 *
 * A page that is unmapped while somebody still has a typed array over it kills the process, and so does one behind the end of
 * a file that was cut. Hence two rules. A *window* is a range of addresses that is never given back: files come and go in it,
 * and what belongs to no file is empty memory. And only files whose size is sealed are shown in one, unless the caller
 * trusts whoever passed them.
 */
import { assert, HostError } from '../base/index.ts';
import { callFailed } from './errno.ts';
import { libc } from './ffi.ts';
import { PAGE_BYTES } from './mapping.ts';

// include/uapi/asm-generic/mman-common.h and mman.h
const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;

// include/uapi/linux/memfd.h and fcntl.h
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SHRINK = 0x02;
const F_SEAL_GROW = 0x04;

// include/uapi/linux/stat.h
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const STX = { mode: 28, inode: 32, size: 40, deviceMajor: 136, deviceMinor: 140 } as const;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

// include/uapi/linux/magic.h
const HUGETLBFS_MAGIC = 0x9584_58f6;

/** One ArrayBuffer holds at most 4 GiB; windows are smaller, so that those who need little take little. */
export const WINDOW_BYTES = 2 ** 30;

/** A range of addresses in which a part of a file can be shown. */
export class MemoryWindow {
  /** All of it; what lies behind `shownBytes` is memory of nobody. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the file that are shown, in whole pages. */
  shownBytes = 0;
  readonly #address: number;

  private constructor(address: number) {
    this.#address = address;
    this.bytes = new Uint8Array(libc().view(address, WINDOW_BYTES));
  }

  static readonly #free: MemoryWindow[] = [];

  /** An empty window, or undefined when there are no addresses left. */
  static take(): MemoryWindow | undefined {
    const free = MemoryWindow.#free.pop();
    if (free !== undefined) {
      return free;
    }
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const address = libc().mmap(0, WINDOW_BYTES, PROT_READ_WRITE, flags, -1, 0);
    return address < 0 ? undefined : new MemoryWindow(address);
  }

  /**
   * Shows a file from an offset on; where more of the same place is shown than before, bytes stay where they are.
   * @param fd         open for reading and writing; may be closed afterwards
   * @param offset     whole pages
   * @param lengthBytes  1 to WINDOW_BYTES, within the file
   * @returns 0, or the errno of the refusal; then the window is as it was
   */
  show(fd: number, offset: number, lengthBytes: number): number {
    assert(lengthBytes > 0 && lengthBytes <= WINDOW_BYTES && offset % PAGE_BYTES === 0, 'no part of a file', {
      offset,
      lengthBytes,
    });
    const shownBytes = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
    const flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
    if (libc().mmap(this.#address, shownBytes, PROT_READ_WRITE, flags, fd, offset) < 0) {
      return libc().errno();
    }
    this.shownBytes = shownBytes;
    return 0;
  }

  /** The file is let go, and the window may be taken by others. Whoever still looks sees zeros, or another file. */
  release(): void {
    if (this.shownBytes > 0) {
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
      const address = libc().mmap(this.#address, this.shownBytes, PROT_READ_WRITE, flags, -1, 0);
      assert(address === this.#address, 'a window could not be emptied', { errno: libc().errno() });
      this.shownBytes = 0;
    }
    MemoryWindow.#free.push(this);
  }
}

/** What the kernel says of a descriptor that is to be shared memory. */
export interface SharedFileFacts {
  /** The same for all descriptors of one file, whoever passed them. */
  readonly key: string;
  readonly sizeBytes: number;
}

/** Why a descriptor is no memory that can be shown: not sealed, huge pages, or no file. */
export type FileRefusal = 'unsealed' | 'huge-pages' | 'not-a-file';

/**
 * Looks at a descriptor that somebody else has passed. Seals it against being cut where that can be done.
 * @param trustsSize  take files too that their owner could cut, and so end this process
 */
export function sharedFileFacts(fd: number, trustsSize: boolean): SharedFileFacts | FileRefusal {
  const c = libc();
  if (!trustsSize) {
    // Asked first: of files that cannot be sealed nothing else is asked, as their file systems may take their time.
    let seals = c.fcntl(fd, F_GET_SEALS, 0);
    if (seals >= 0 && (seals & F_SEAL_SHRINK) === 0 && c.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) === 0) {
      seals |= F_SEAL_SHRINK;
    }
    if (seals < 0 || (seals & F_SEAL_SHRINK) === 0) {
      return 'unsealed';
    }
    if (isHugePages(fd)) {
      return 'huge-pages';
    }
  }
  const bytes = new Uint8Array(STATX_BYTES);
  if (c.statx(fd, '', AT_EMPTY_PATH, STATX_BASIC_STATS, bytes) < 0) {
    return 'not-a-file';
  }
  const view = new DataView(bytes.buffer);
  if ((view.getUint16(STX.mode, true) & S_IFMT) !== S_IFREG) {
    return 'not-a-file';
  }
  const sizeBytes = Number(view.getBigUint64(STX.size, true));
  const device = `${view.getUint32(STX.deviceMajor, true)}:${view.getUint32(STX.deviceMinor, true)}`;
  return { key: `${device}:${view.getBigUint64(STX.inode, true)}`, sizeBytes };
}

/** Touching a huge page that the system cannot give ends the process, however the file is sealed. */
function isHugePages(fd: number): boolean {
  const bytes = new Uint8Array(128);
  return libc().fstatfs(fd, bytes) === 0 && new DataView(bytes.buffer).getUint32(0, true) === HUGETLBFS_MAGIC;
}

/** Own memory that can be shared by its descriptor; its size is fixed. */
export class SharedMemory {
  readonly fd: number;
  readonly sizeBytes: number;
  /** The bytes, zeros at first. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #window: MemoryWindow;
  #isClosed = false;

  /**
   * @param name  for people who look at /proc
   * @param sizeBytes  whole pages, at most WINDOW_BYTES
   * @throws {HostError} HOST_NO_MEMORY, HOST_CALL_FAILED, HOST_NO_FFI
   */
  constructor(name: string, sizeBytes: number) {
    assert(
      sizeBytes > 0 && sizeBytes % PAGE_BYTES === 0 && sizeBytes <= WINDOW_BYTES,
      'shared memory is whole pages, and at most a window',
      { sizeBytes },
    );
    const c = libc();
    const window = MemoryWindow.take();
    if (window === undefined) {
      throw new HostError('HOST_NO_MEMORY', {
        message: `no addresses are left for ${name}`,
        hint: 'serve fewer devices, or with smaller memories',
      });
    }
    const fd = c.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
      const errno = c.errno();
      window.release();
      throw callFailed('memfd_create', errno, name);
    }
    const errno =
      c.ftruncate(fd, sizeBytes) < 0 || c.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0
        ? c.errno()
        : window.show(fd, 0, sizeBytes);
    if (errno !== 0) {
      c.close(fd);
      window.release();
      throw callFailed('ftruncate or mmap', errno, name);
    }
    this.fd = fd;
    this.sizeBytes = sizeBytes;
    this.bytes = window.bytes.subarray(0, sizeBytes);
    this.#window = window;
  }

  /** Idempotent. Nobody may look at `bytes` afterwards. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      libc().close(this.fd);
      this.#window.release();
    }
  }
}
