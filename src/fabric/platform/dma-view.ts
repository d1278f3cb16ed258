/**
 * What one requester is told to reach: the operating system's DMA API on the simulated machine.
 *
 * Without a translating IOMMU an address is the physical one, also where a host bridge translates what the CPU sends to its
 * devices (Linux, kernel/dma/direct.c: peer memory through the host bridge is mapped by its physical address). With one, every mapping gets I/O virtual addresses in the requester's domain, host memory and peer memory alike; which
 * peer memory may be mapped at all is `p2pdma`'s to say.
 */
import type { CoherentMemory, DmaMapping, DmaSegment, DmaView, Span } from '../../access/index.ts';
import { type DmaAddr, MappingError, type PhysAddr } from '../../base/index.ts';
import type { Dram } from '../dram.ts';
import type { IommuDomain } from '../iommu/iommu.ts';
import type { IovaSpace } from '../iommu/iova-space.ts';
import { IOMMU_ACCESS, IOVA_PAGE_BYTES } from '../iommu/page-table.ts';
import { Memory } from '../memory/memory.ts';
import { HostSpan } from './host-span.ts';

/** The address space of a requester behind a translating IOMMU; functions of one IOMMU group share it. */
export interface DmaDomain {
  readonly domain: IommuDomain;
  readonly space: IovaSpace;
}

export interface FabricDmaOptions {
  readonly label: string;
  readonly dram: Dram;
  /** Null where addresses mean themselves. */
  readonly domain: DmaDomain | null;
  readonly numaNode: number | null;
}

export class FabricDma implements DmaView {
  #addressBits = 64;
  readonly #options: FabricDmaOptions;
  /** Mappings that exist, to be taken away with the function. */
  readonly #live = new Set<() => void>();

  constructor(options: FabricDmaOptions) {
    this.#options = options;
  }

  get addressBits(): number {
    return this.#addressBits;
  }

  setAddressBits(bits: number): void {
    this.#addressBits = bits;
  }

  allocCoherent(lengthBytes: number, alignBytes = 4096): CoherentMemory {
    const { dram, domain, numaNode } = this.#options;
    const memory = Memory.flat(lengthBytes);
    const endMax = domain === null ? 2 ** Math.min(this.#addressBits, 52) : Number.POSITIVE_INFINITY;
    const region = this.#allocate(memory, alignBytes, numaNode, endMax);
    const bytes = memory.flat!;
    let mapping: DmaMapping;
    try {
      mapping = this.#map(region.start, lengthBytes, IOMMU_ACCESS.READ | IOMMU_ACCESS.WRITE);
    } catch (error) {
      dram.free(region);
      throw error;
    }
    return {
      lengthBytes,
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      addr: mapping.segments[0]!.addr,
      free: () => {
        mapping.unmap();
        dram.free(region);
      },
    };
  }

  mapHost(span: Span, offsetBytes: number, lengthBytes: number): DmaMapping {
    if (!(span instanceof HostSpan) || span.isClosed) {
      throw new MappingError('DMA_NOT_HOST', {
        message: `${this.#options.label} was given memory to map that is not this machine's host memory`,
        hint: 'peer memory is mapped by the peer-to-peer framework; memory of another machine cannot be',
      });
    }
    const mapping = this.#map(
      span.region.start + offsetBytes,
      lengthBytes,
      IOMMU_ACCESS.READ | IOMMU_ACCESS.WRITE,
    );
    span.use();
    let isMapped = true;
    return {
      segments: mapping.segments,
      unmap: () => {
        if (isMapped) {
          isMapped = false;
          mapping.unmap();
          span.unuse();
        }
      },
    };
  }

  mapPhys(addr: PhysAddr, lengthBytes: number): DmaMapping {
    return this.#map(addr, lengthBytes, IOMMU_ACCESS.READ | IOMMU_ACCESS.WRITE);
  }

  /** Takes every mapping away: the function is gone or its driver is. */
  releaseAll(): void {
    for (const unmap of [...this.#live]) {
      unmap();
    }
  }

  /** On its own node where there is room, else anywhere. */
  #allocate(memory: Memory, alignBytes: number, numaNode: number | null, endMax: number) {
    const { dram } = this.#options;
    if (numaNode !== null) {
      try {
        return dram.allocate(memory, alignBytes, numaNode, endMax);
      } catch (error) {
        if (!(error instanceof MappingError)) {
          throw error;
        }
      }
    }
    return dram.allocate(memory, alignBytes, null, endMax);
  }

  #map(phys: number, lengthBytes: number, rights: number): DmaMapping {
    const { domain, label } = this.#options;
    const end = 2 ** Math.min(this.#addressBits, 64);
    if (domain === null) {
      if (phys + lengthBytes > end) {
        throw new MappingError('DMA_MASK', {
          message: `${label} can address ${this.#addressBits} bits, and the memory lies at 0x${phys.toString(16)}`,
          hint: 'a translating IOMMU, or memory at lower addresses, would help',
          detail: { addr: phys, lengthBytes, addressBits: this.#addressBits },
          exitStatus: 3,
        });
      }
      return this.#mapping([{ addr: phys as DmaAddr, lengthBytes }], () => {});
    }
    const skew = phys % IOVA_PAGE_BYTES;
    const pageBytes = Math.ceil((skew + lengthBytes) / IOVA_PAGE_BYTES) * IOVA_PAGE_BYTES;
    const iova = domain.space.alloc(pageBytes, end);
    if (iova === undefined) {
      throw new MappingError('DMA_NO_IOVA', {
        message: `${label} has no ${pageBytes} bytes of I/O virtual addresses left below 2^${this.#addressBits}`,
        hint: 'unmap what is not in use, or use smaller buffers',
        exitStatus: 3,
      });
    }
    domain.domain.map(iova, (phys - skew) as PhysAddr, pageBytes, rights);
    return this.#mapping([{ addr: (iova + skew) as DmaAddr, lengthBytes }], () => {
      domain.domain.unmap(iova, pageBytes);
      domain.space.release(iova, pageBytes);
    });
  }

  #mapping(segments: readonly DmaSegment[], release: () => void): DmaMapping {
    let isMapped = true;
    const unmap = (): void => {
      if (isMapped) {
        isMapped = false;
        this.#live.delete(unmap);
        release();
      }
    };
    this.#live.add(unmap);
    return { segments, unmap };
  }
}
