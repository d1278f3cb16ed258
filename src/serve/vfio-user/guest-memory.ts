/**
 * System memory of a fabric whose devices are in virtual machines: what their clients share with us, an address space for
 * each device (with a virtual IOMMU they differ).
 */
import { assert } from '../../base/index.ts';
import type { DramRegion, FabricFunction, SystemMemory } from '../../fabric/index.ts';
import { sharedFileFacts, WINDOW_BYTES } from '../../host/index.ts';
import { VFIO_USER_ERRNO } from '../../spec/vfio-user/index.ts';
import { DmaTable } from './dma-table.ts';
import { type GuestFile, GuestFiles } from './guest-files.ts';
import type { MapRefusal } from './listener.ts';

/** What a client is told that it may have; the protocol's default. */
const RANGES_MAX = 65_535;

export interface GuestMemoryOptions {
  /**
   * Take memory too whose file the client could cut while it is in use, which would end this process (files outside of memfd,
   * huge pages). Default false: such memory is reached by messages.
   */
  readonly trustsFiles?: boolean;
}

/** The address space of one device while its client is connected. */
export class GuestSpace {
  readonly table = new DmaTable();
  readonly files = new Set<GuestFile>();
}

/** The end of a request to map: `errno` 0, and why it is no memory here although a descriptor came. */
export interface MapResult {
  readonly errno: number;
  readonly refusal: MapRefusal | null;
}

const DONE_AS_MEMORY: MapResult = { errno: 0, refusal: null };

export class GuestMemory implements SystemMemory {
  #generation = 0;
  readonly #spaces = new Map<FabricFunction, GuestSpace>();
  readonly #files = new GuestFiles();
  readonly #trustsFiles: boolean;

  constructor(options: GuestMemoryOptions = {}) {
    this.#trustsFiles = options.trustsFiles ?? false;
  }

  get generation(): number {
    return this.#generation;
  }

  /** What the device that sees most of it sees. */
  get sizeBytes(): number {
    let most = 0;
    for (const { table } of this.#spaces.values()) {
      most = Math.max(most, table.memoryBytes);
    }
    return most;
  }

  /** Whether nothing of any client is held. */
  get isEmpty(): boolean {
    return this.#spaces.size === 0 && this.#files.isEmpty;
  }

  /** The processor is the guest's: it asks for nothing here. */
  regionAt(phys: number, requester: FabricFunction | null): DramRegion | undefined {
    return requester === null
      ? undefined
      : this.#spaces.get(requester.virtual?.physical ?? requester)?.table.regionAt(phys);
  }

  /** A client has connected. */
  join(fn: FabricFunction): GuestSpace {
    assert(!this.#spaces.has(fn), 'a device has two clients');
    const space = new GuestSpace();
    this.#spaces.set(fn, space);
    return space;
  }

  /** It has gone: nothing of its memory is looked at any more. */
  leave(fn: FabricFunction): void {
    const space = this.#spaces.get(fn);
    if (space !== undefined) {
      this.#spaces.delete(fn);
      this.#generation++;
      space.table.clear();
      this.#files.release(space.files);
    }
  }

  /**
   * Adds a range to a device's address space.
   * @param addr, sizeBytes, offset  as the client sent them, 64 bits each
   * @param fd  the file; -1 for none: reached by messages. Stays the caller's
   */
  map(
    space: GuestSpace,
    addr: bigint,
    sizeBytes: bigint,
    offset: bigint,
    isReadable: boolean,
    isWritable: boolean,
    fd: number,
  ): MapResult {
    if (sizeBytes === 0n || addr + sizeBytes > 1n << 64n || offset + sizeBytes > 1n << 63n) {
      return failed(VFIO_USER_ERRNO.EINVAL);
    }
    if (addr + sizeBytes > BigInt(Number.MAX_SAFE_INTEGER)) {
      // Nothing here can name such an address, so nothing has to be kept of it.
      return fd < 0 ? DONE_AS_MEMORY : refused('too-large');
    }
    const start = Number(addr);
    const end = start + Number(sizeBytes);
    const { table } = space;
    if (table.overlaps(start, end)) {
      return failed(VFIO_USER_ERRNO.EEXIST);
    }
    if (table.count >= RANGES_MAX) {
      return failed(VFIO_USER_ERRNO.ENOSPC);
    }
    const result = fd < 0 ? null : this.#show(space, start, end, offset, isReadable, isWritable, fd);
    if (result !== null && (result.errno !== 0 || result.refusal === null)) {
      return result;
    }
    table.add({ start, end, memory: null, memoryOffset: 0, isReadOnly: !isWritable });
    this.#generation++;
    return result ?? DONE_AS_MEMORY;
  }

  /** Takes away whatever of a range is mapped, which may be nothing. */
  unmap(space: GuestSpace, addr: bigint, sizeBytes: bigint): void {
    const start = saturated(addr);
    const end = saturated(addr + sizeBytes);
    if (start < end && space.table.remove(start, end)) {
      this.#generation++;
    }
  }

  /** A range that comes with a file. With a refusal nothing was added. */
  #show(
    space: GuestSpace,
    start: number,
    end: number,
    offset: bigint,
    isReadable: boolean,
    isWritable: boolean,
    fd: number,
  ): MapResult {
    const facts = sharedFileFacts(fd, this.#trustsFiles);
    if (typeof facts === 'string') {
      return refused(facts);
    }
    if (offset + BigInt(end - start) > BigInt(facts.sizeBytes)) {
      return failed(VFIO_USER_ERRNO.EINVAL);
    }
    if (!isReadable) {
      return refused('write-only');
    }
    const fileOffset = Number(offset);
    const file = this.#files.use(facts, space.files);
    const lastIndex = Math.floor((fileOffset + (end - start) - 1) / WINDOW_BYTES);
    if (!this.#files.hasRoom(file, Math.floor(fileOffset / WINDOW_BYTES), lastIndex)) {
      return refused('too-large');
    }
    for (let at = start; at < end; ) {
      const place = fileOffset + (at - start);
      const index = Math.floor(place / WINDOW_BYTES);
      const inWindow = place - index * WINDOW_BYTES;
      const length = Math.min(end - at, WINDOW_BYTES - inWindow);
      const memory = this.#files.memoryOf(file, fd, index, inWindow + length, facts.sizeBytes);
      if (memory === null || space.table.count >= RANGES_MAX) {
        space.table.remove(start, at);
        this.#generation++;
        return refused(memory === null ? 'unmappable' : 'too-large');
      }
      space.table.add({
        start: at,
        end: at + length,
        memory,
        memoryOffset: inWindow,
        isReadOnly: !isWritable,
      });
      at += length;
    }
    this.#generation++;
    return DONE_AS_MEMORY;
  }
}

function failed(errno: number): MapResult {
  return { errno, refusal: null };
}

function refused(refusal: MapRefusal): MapResult {
  return { errno: 0, refusal };
}

function saturated(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
