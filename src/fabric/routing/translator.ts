/**
 * What the root complex asks of an IOMMU, its translation agent. `iommu/` implements it; the routing code knows no more.
 *
 * Answers may be kept until `generation` grows; a refusal is never kept, so that every refused request is recorded.
 */

/** Where a request leads; one object, filled anew by each `translate`. */
export interface Translation {
  /** Physical address of the first byte; negative when the request is refused. */
  phys: number;
  /** Bytes from the address asked for that lie side by side. */
  lengthBytes: number;
}

export type UnmapListener = (segment: number, requesterId: number, addr: number, lengthBytes: number) => void;

export interface Translator {
  /** Grows when an earlier answer may have become wrong. */
  readonly generation: number;
  /** Whether addresses of this requester mean themselves, all of them. Spares asking for each range. */
  isIdentity?(segment: number, requesterId: number): boolean;
  /**
   * @param segment      PCI domain
   * @param requesterId  bus, device and function, 16 bits
   * @param isAts        the device asks beforehand (ATS) instead of being translated on the way
   */
  translate(
    segment: number,
    requesterId: number,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    isAts: boolean,
    into: Translation,
  ): void;
  /** Set by the fabric: translations of a range of a requester are not valid any more. Called within the change. */
  onUnmap?: UnmapListener | null;
  /** A page request of a function with PRI enabled. @returns whether the page is there now */
  requestPage(segment: number, requesterId: number, addr: number, isWrite: boolean): boolean;
}
