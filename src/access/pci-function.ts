/**
 * The first waist: one PCI function as its driver sees it. Implemented by `fabric` (a simulated function on a simulated
 * machine) and by VFIO on a real one; a driver that keeps to this runs on both.
 *
 * Enumeration, address assignment and ACS are not here: by the time a driver gets a function, the platform has done them.
 */
import type { Bdf, DmaAddr, PhysAddr } from '../base/index.ts';
import type { BarWindow } from './bar-window.ts';
import type { Span } from './block-target.ts';
import type { Executor } from './executor.ts';
import type { Task } from './task.ts';

export interface PciFunction {
  readonly bdf: Bdf;
  /** The clock that its driver waits on. */
  readonly executor: Executor;
  readonly config: ConfigSpace;
  readonly interrupts: Interrupts;
  readonly dma: DmaView;
  /** False once the function is gone; config and loads then give all ones and stores vanish. */
  readonly isPresent: boolean;
  /** Called once when the function has been taken away without notice. */
  onGone: () => void;
  /** The window of a memory BAR; undefined when it is not implemented, not assigned or the upper half of another. */
  bar(index: number): BarWindow | undefined;
  /** COMMAND.Memory Space Enable and Bus Master Enable. */
  enable(what: { readonly memory?: boolean; readonly busMaster?: boolean }): void;
  /**
   * Function Level Reset, with the waits that the specification asks for; config space is restored as Linux does.
   * @returns false when the function cannot or did not come back
   */
  reset(): Task<boolean>;
}

/** Config space; accesses that nothing answers give all ones. Offsets are aligned to the size of the access. */
export interface ConfigSpace {
  read8(offset: number): number;
  read16(offset: number): number;
  read32(offset: number): number;
  write8(offset: number, value: number): void;
  write16(offset: number, value: number): void;
  write32(offset: number, value: number): void;
  /** Offset of a capability, 0 when the function has none. */
  findCapability(id: number): number;
  findExtendedCapability(id: number): number;
}

export interface Interrupts {
  /** What the function offers, best first taken by `enable`. */
  readonly kind: 'msi-x' | 'msi' | 'intx' | 'none';
  /** Vectors granted by the last `enable`; 0 before. */
  readonly vectorCount: number;
  /**
   * Asks for `count` vectors. `handler` is called from the executor, never inside a call of the driver.
   * @returns vectors granted, 1 to `count`; 0 when the function has no interrupts: poll
   */
  enable(count: number, handler: (vector: number) => void): number;
  mask(vector: number): void;
  unmask(vector: number): void;
  disable(): void;
}

/** A run of addresses that a requester can be programmed with. */
export interface DmaSegment {
  readonly addr: DmaAddr;
  readonly lengthBytes: number;
}

/** Memory made reachable for one requester. */
export interface DmaMapping {
  readonly segments: readonly DmaSegment[];
  /** False once the owner of the memory took it back: the addresses lead elsewhere. Missing: they hold until `unmap`. */
  readonly isValid?: boolean;
  /** Idempotent. The requester must not use the addresses afterwards. */
  unmap(): void;
}

/** Host memory that CPU and device both look at: queues and lists. */
export interface CoherentMemory {
  readonly lengthBytes: number;
  /** The CPU's view; valid until `free`. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly addr: DmaAddr;
  /** Idempotent. */
  free(): void;
}

/** What one requester may be told to reach. */
export interface DmaView {
  /** Bits that the device can address; a mapping beyond them is refused. */
  readonly addressBits: number;
  setAddressBits(bits: number): void;
  /** Zeroed, aligned to `alignBytes` (a power of two, default 4096). @throws {MappingError} DMA_NO_MEMORY */
  allocCoherent(lengthBytes: number, alignBytes?: number): CoherentMemory;
  /**
   * Maps a range of host memory. @throws {MappingError} DMA_NOT_HOST (a span of another machine or of a peer),
   * DMA_MASK, DMA_NO_IOVA
   */
  mapHost(span: Span, offsetBytes: number, lengthBytes: number): DmaMapping;
  /**
   * Maps peer memory by the address that the CPU would use, for requests that go through the host bridge: an IOVA under a
   * translating IOMMU, else the address itself. Consults no verdict; `p2pdma` does.
   * @throws {MappingError} DMA_MASK, DMA_NO_IOVA
   */
  mapPhys(addr: PhysAddr, lengthBytes: number): DmaMapping;
}
