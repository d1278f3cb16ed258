/**
 * Memory regions and windows by key: the NIC's translation and protection table. Every byte that the NIC moves for a program goes
 * through `check` and `locate`. IBA volume 1, 10.6.
 */
import { ACCESS } from '../../spec/rdma/index.ts';

export class Region {
  /** The index and, in the low 8 bits, a variant; a window gets a new variant with each bind. */
  key: number;
  readonly pd: number;
  access: number;
  /** Virtual address and length in bytes. */
  start: number;
  lengthBytes: number;
  /** A window has no addresses of its own: those of the region it is bound to. */
  readonly isWindow: boolean;
  parent: Region | null = null;
  /** Of a bound window: the one queue pair that may use it (type 2A). */
  qpn = -1;
  /** Windows that are bound to it. */
  windowCount = 0;
  /** Runs of bus addresses: offset in the region, address, length. */
  readonly starts: Float64Array;
  readonly addresses: Float64Array;
  readonly lengths: Float64Array;

  constructor(
    key: number,
    pd: number,
    access: number,
    start: number,
    lengthBytes: number,
    table: { readonly addresses: Float64Array; readonly lengths: Float64Array } | null,
  ) {
    this.key = key;
    this.pd = pd;
    this.access = access;
    this.start = start;
    this.lengthBytes = lengthBytes;
    this.isWindow = table === null;
    this.addresses = table?.addresses ?? new Float64Array(0);
    this.lengths = table?.lengths ?? new Float64Array(0);
    this.starts = new Float64Array(this.addresses.length);
    let sum = 0;
    for (let i = 0; i < this.lengths.length; i++) {
      this.starts[i] = sum;
      sum += this.lengths[i]!;
    }
  }
}

export class MemoryTable {
  readonly #regions = new Map<number, Region>();
  /** What `locate` found. */
  runAddress = 0;
  runBytes = 0;

  get(key: number): Region | undefined {
    const region = this.#regions.get(key >>> 8);
    return region?.key === key ? region : undefined;
  }

  /** The region or window with the index of a key, whatever its variant. */
  atIndex(key: number): Region | undefined {
    return this.#regions.get(key >>> 8);
  }

  hasIndex(key: number): boolean {
    return this.#regions.has(key >>> 8);
  }

  add(region: Region): void {
    this.#regions.set(region.key >>> 8, region);
  }

  remove(region: Region): void {
    this.unbind(region);
    this.#regions.delete(region.key >>> 8);
  }

  clear(): void {
    this.#regions.clear();
  }

  /**
   * The region that lets somebody of `pd` do `access` to all of a range; null when there is none.
   * @param access  all of these are needed; 0: reading it locally
   * @param qpn     the queue pair that asks; a window is for one only
   */
  check(
    key: number,
    pd: number,
    address: number,
    lengthBytes: number,
    access: number,
    qpn: number,
  ): Region | null {
    const region = this.get(key);
    if (
      region === undefined ||
      region.pd !== pd ||
      (region.access & access) !== access ||
      !(address >= region.start && address + lengthBytes <= region.start + region.lengthBytes)
    ) {
      return null;
    }
    // Windows are for the other side only, and for one queue pair.
    const isLocal = access === 0 || access === ACCESS.LOCAL_WRITE;
    return region.isWindow && (region.parent === null || region.qpn !== qpn || isLocal) ? null : region;
  }

  /** Finds the run of bus addresses at an address that was checked: `runAddress`, and `runBytes` of at most `lengthBytes`. */
  locate(region: Region, address: number, lengthBytes: number): void {
    const owner = region.parent ?? region;
    const offset = address - owner.start;
    const { starts } = owner;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    const inRun = offset - starts[low]!;
    this.runAddress = owner.addresses[low]! + inRun;
    this.runBytes = Math.min(lengthBytes, owner.lengths[low]! - inRun);
  }

  /**
   * Binds a window to a range of a region under a new key, of which the index stays. A length of 0 unbinds it.
   * @returns false when the region does not allow it
   */
  bind(
    key: number,
    pd: number,
    qpn: number,
    parentKey: number,
    access: number,
    start: number,
    lengthBytes: number,
  ): boolean {
    const window = this.#regions.get(key >>> 8);
    const parent = this.check(parentKey, pd, start, lengthBytes, ACCESS.MW_BIND, -1);
    const needsWrite = (access & (ACCESS.REMOTE_WRITE | ACCESS.REMOTE_ATOMIC)) !== 0;
    const isAllowed =
      window?.isWindow === true &&
      window.parent === null &&
      window.pd === pd &&
      parent !== null &&
      !parent.isWindow &&
      (!needsWrite || (parent.access & ACCESS.LOCAL_WRITE) !== 0);
    if (!isAllowed) {
      return false;
    }
    window!.key = key;
    if (lengthBytes > 0) {
      window!.access = access;
      window!.start = start;
      window!.lengthBytes = lengthBytes;
      window!.parent = parent;
      window!.qpn = qpn;
      parent!.windowCount++;
    }
    return true;
  }

  /**
   * Takes a window's range away.
   * @param qpn  who asks: the queue pair that it is bound to
   */
  invalidate(key: number, pd: number, qpn: number): boolean {
    const window = this.get(key);
    if (window === undefined || !window.isWindow || window.pd !== pd || window.qpn !== qpn) {
      return false;
    }
    this.unbind(window);
    return true;
  }

  /** No effect on what is no bound window. */
  unbind(window: Region): void {
    if (window.parent !== null) {
      window.parent.windowCount--;
      window.parent = null;
      window.qpn = -1;
      window.access = 0;
      window.lengthBytes = 0;
    }
  }

  /** Windows of a queue pair that is gone are bound to nothing. */
  unbindAll(qpn: number): void {
    for (const region of this.#regions.values()) {
      if (region.isWindow && region.qpn === qpn) {
        this.unbind(region);
      }
    }
  }
}
