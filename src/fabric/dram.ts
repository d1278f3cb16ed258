/**
 * Host memory by physical address: a range of DRAM for each NUMA node, and the allocations in it.
 *
 * All of a node's DRAM is there for whoever reaches it (a device without an IOMMU in front can overwrite anything, as in
 * life). An allocation lays a memory of its own over its range: flat bytes where the CPU looks at them too (queues), extents
 * where only the amount matters.
 */
import { assert, MappingError } from '../base/index.ts';
import { Memory, PAGE_BYTES } from './memory/memory.ts';
import type { SystemMemory } from './outside.ts';

export interface DramNode {
  /** Several ranges may belong to one node (below and above 4 GiB). */
  readonly numaNode: number;
  readonly start: number;
  readonly lengthBytes: number;
}

/** A run of physical addresses with the memory behind it. */
export interface DramRegion {
  readonly start: number;
  /** First address after it. */
  readonly end: number;
  readonly memory: Memory;
  /** Where in `memory` the byte at `start` lies. */
  readonly memoryOffset: number;
  readonly numaNode: number;
  /** Writes are refused (Unsupported Request). Default false. */
  readonly isReadOnly?: boolean;
}

export class Dram implements SystemMemory {
  readonly #nodes: readonly DramRegion[];
  /** Allocations, ascending by address. */
  readonly #allocations: DramRegion[] = [];
  #generation = 0;

  /** Ranges are multiples of 4 KiB and do not overlap. */
  constructor(nodes: readonly DramNode[]) {
    const sorted = [...nodes].sort((a, b) => a.start - b.start);
    for (const [index, node] of sorted.entries()) {
      const before = sorted[index - 1];
      assert(
        before === undefined || before.start + before.lengthBytes <= node.start,
        'two ranges of DRAM overlap',
        { start: node.start },
      );
      assert(
        node.start % PAGE_BYTES === 0 && node.lengthBytes % PAGE_BYTES === 0,
        'a range of DRAM is not whole pages',
        { start: node.start, lengthBytes: node.lengthBytes },
      );
    }
    this.#nodes = sorted.map(({ numaNode, start, lengthBytes }) => ({
      start,
      end: start + lengthBytes,
      memory: Memory.extents(lengthBytes),
      memoryOffset: 0,
      numaNode,
    }));
  }

  /** Grows whenever an address leads to another memory than before; resolved routes into DRAM are stale then. */
  get generation(): number {
    return this.#generation;
  }

  get sizeBytes(): number {
    return this.#nodes.reduce((sum, { start, end }) => sum + (end - start), 0);
  }

  /** What is behind a physical address; undefined where there is no DRAM. A region ends where the next one starts. */
  regionAt(phys: number): DramRegion | undefined {
    const index = this.#indexAfter(phys);
    const before = this.#allocations[index - 1];
    if (before !== undefined && phys < before.end) {
      return before;
    }
    const node = this.#nodes.find(({ start, end }) => phys >= start && phys < end);
    if (node === undefined) {
      return undefined;
    }
    const from = before === undefined ? node.start : Math.max(node.start, before.end);
    const next = this.#allocations[index];
    return {
      start: from,
      end: next === undefined ? node.end : Math.min(node.end, next.start),
      memory: node.memory,
      memoryOffset: from - node.start,
      numaNode: node.numaNode,
    };
  }

  /**
   * Lays a memory over a free range.
   * @param alignBytes a power of two; at least a page is used
   * @param endMax the range ends at or below this address
   * @param startMin where there is room, the range begins at or above this address
   * @throws {MappingError} DMA_NO_MEMORY
   */
  allocate(
    memory: Memory,
    alignBytes: number,
    numaNode: number | null,
    endMax: number,
    startMin = 0,
  ): DramRegion {
    const need = Math.max(1, Math.ceil(memory.sizeBytes / PAGE_BYTES)) * PAGE_BYTES;
    const align = Math.max(alignBytes, PAGE_BYTES);
    for (const node of this.#nodes) {
      if (numaNode !== null && node.numaNode !== numaNode) {
        continue;
      }
      const start = this.#freeRange(node, need, align, endMax, startMin);
      if (start !== undefined) {
        const region: DramRegion = {
          start,
          end: start + need,
          memory,
          memoryOffset: 0,
          numaNode: node.numaNode,
        };
        this.#allocations.splice(this.#indexAfter(start), 0, region);
        this.#generation++;
        return region;
      }
    }
    if (startMin > 0) {
      return this.allocate(memory, alignBytes, numaNode, endMax);
    }
    throw new MappingError('DMA_NO_MEMORY', {
      message: `no ${need} contiguous bytes of host memory are free${numaNode === null ? '' : ` on NUMA node ${numaNode}`}`,
      hint: 'give the machine more memory, or use smaller buffers',
      detail: { needBytes: need, numaNode, endMax },
      exitStatus: 3,
    });
  }

  /** Takes an allocation away; what it held is lost. Idempotent. */
  free(region: DramRegion): void {
    const index = this.#allocations.indexOf(region);
    if (index >= 0) {
      this.#allocations.splice(index, 1);
      this.#generation++;
    }
  }

  #freeRange(
    node: DramRegion,
    need: number,
    align: number,
    endMax: number,
    startMin: number,
  ): number | undefined {
    // The first page is never given out: a null address stays one.
    let from = Math.max(node.start, PAGE_BYTES, startMin);
    const end = Math.min(node.end, endMax);
    for (const { start, end: taken } of this.#allocations) {
      if (taken <= from || start >= node.end) {
        continue;
      }
      const aligned = Math.ceil(from / align) * align;
      if (aligned + need <= Math.min(start, end)) {
        return aligned;
      }
      from = taken;
    }
    const aligned = Math.ceil(from / align) * align;
    return aligned + need <= end ? aligned : undefined;
  }

  /** Index of the first allocation that starts after `phys`. */
  #indexAfter(phys: number): number {
    let low = 0;
    let high = this.#allocations.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#allocations[middle]!.start <= phys) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
