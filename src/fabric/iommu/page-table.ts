/**
 * The page table of one IOMMU domain: from I/O virtual to physical addresses, in pages of 4 KiB, 2 MiB and 1 GiB.
 *
 * Four levels of 512 entries, as VT-d's second level and AMD's host page tables have them (48 bits of input address). The
 * entries are kept as numbers and not as bytes in simulated DRAM: software that edits page tables by hand is not
 * modelled, software that asks for a mapping is.
 */
import { assert } from '../../base/index.ts';

export const IOVA_PAGE_BYTES = 4096;
/** Input addresses have this many bits; the first that is too large. */
export const IOVA_END = 2 ** 48;

/** Rights of a mapping, as bits. */
export const IOMMU_ACCESS = { READ: 1, WRITE: 2 } as const;

const ENTRIES = 512;
/** Bytes that one entry of a level covers; level 0 is the lowest. */
const SPAN_BYTES = [4096, 2 ** 21, 2 ** 30, 2 ** 39] as const;
const TOP_LEVEL = 3;

class TableNode {
  /** Physical address of what a leaf maps; -1 when the entry is no leaf. */
  readonly targets = new Float64Array(ENTRIES).fill(-1);
  readonly rights = new Uint8Array(ENTRIES);
  readonly children: (TableNode | undefined)[] = new Array<TableNode | undefined>(ENTRIES).fill(undefined);
  used = 0;
}

/** What a look-up found; one object, filled anew each time. */
export interface PageLookup {
  /** Physical address of the byte asked for; -1 when nothing is mapped there. */
  phys: number;
  rights: number;
  /** First input address that this leaf (or this hole) does not cover. */
  endIova: number;
}

export class PageTable {
  #root = new TableNode();
  #mappedBytes = 0;

  get mappedBytes(): number {
    return this.#mappedBytes;
  }

  /** Maps a range that is not mapped yet, in the largest pages that fit. All three are multiples of 4 KiB. */
  map(iova: number, phys: number, lengthBytes: number, rights: number): void {
    assert(
      iova % IOVA_PAGE_BYTES === 0 && phys % IOVA_PAGE_BYTES === 0 && lengthBytes % IOVA_PAGE_BYTES === 0,
      'an IOMMU mapping is not page-aligned',
      { iova, phys, lengthBytes },
    );
    assert(iova >= 0 && iova + lengthBytes <= IOVA_END, 'an IOMMU mapping lies outside the input addresses', {
      iova,
      lengthBytes,
    });
    let done = 0;
    while (done < lengthBytes) {
      const at = iova + done;
      const to = phys + done;
      let level = 2;
      while (
        level > 0 &&
        (at % SPAN_BYTES[level]! !== 0 ||
          to % SPAN_BYTES[level]! !== 0 ||
          lengthBytes - done < SPAN_BYTES[level]!)
      ) {
        level--;
      }
      this.#setLeaf(at, level, to, rights);
      done += SPAN_BYTES[level]!;
    }
    this.#mappedBytes += lengthBytes;
  }

  /** Takes mappings away. Only whole leaves: unmap what was mapped. */
  unmap(iova: number, lengthBytes: number): void {
    let at = iova;
    while (at < iova + lengthBytes) {
      const spanBytes = this.#clearLeaf(this.#root, TOP_LEVEL, at, iova + lengthBytes);
      at += spanBytes;
      this.#mappedBytes -= spanBytes;
    }
  }

  lookup(iova: number, into: PageLookup): void {
    let node = this.#root;
    if (!(iova >= 0 && iova < IOVA_END)) {
      into.phys = -1;
      into.rights = 0;
      into.endIova = Number.POSITIVE_INFINITY;
      return;
    }
    for (let level = TOP_LEVEL; ; level--) {
      const spanBytes = SPAN_BYTES[level]!;
      const index = Math.floor(iova / spanBytes) % ENTRIES;
      const start = iova - (iova % spanBytes);
      const target = node.targets[index]!;
      if (target >= 0) {
        into.phys = target + (iova - start);
        into.rights = node.rights[index]!;
        into.endIova = start + spanBytes;
        return;
      }
      const child = node.children[index];
      if (child === undefined) {
        into.phys = -1;
        into.rights = 0;
        into.endIova = start + spanBytes;
        return;
      }
      node = child;
    }
  }

  #setLeaf(iova: number, leafLevel: number, phys: number, rights: number): void {
    let node = this.#root;
    for (let level = TOP_LEVEL; level > leafLevel; level--) {
      const index = Math.floor(iova / SPAN_BYTES[level]!) % ENTRIES;
      assert(node.targets[index]! < 0, 'an IOMMU range is mapped twice', { iova });
      let child = node.children[index];
      if (child === undefined) {
        child = new TableNode();
        node.children[index] = child;
        node.used++;
      }
      node = child;
    }
    const index = Math.floor(iova / SPAN_BYTES[leafLevel]!) % ENTRIES;
    assert(node.targets[index]! < 0 && node.children[index] === undefined, 'an IOMMU range is mapped twice', {
      iova,
    });
    node.targets[index] = phys;
    node.rights[index] = rights;
    node.used++;
  }

  #clearLeaf(node: TableNode, level: number, iova: number, endIova: number): number {
    const spanBytes = SPAN_BYTES[level]!;
    const index = Math.floor(iova / spanBytes) % ENTRIES;
    if (node.targets[index]! >= 0) {
      assert(iova % spanBytes === 0 && iova + spanBytes <= endIova, 'an IOMMU range is unmapped in part', {
        iova,
      });
      node.targets[index] = -1;
      node.used--;
      return spanBytes;
    }
    const child = node.children[index];
    assert(child !== undefined, 'an IOMMU range is unmapped that was not mapped', { iova });
    const cleared = this.#clearLeaf(child, level - 1, iova, endIova);
    if (child.used === 0) {
      node.children[index] = undefined;
      node.used--;
    }
    return cleared;
  }
}
