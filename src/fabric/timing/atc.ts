/**
 * The translation cache of a device with ATS: pages that it holds cost nothing, for others it asks the root complex first.
 * PCIe Base 6.0, 10.2. Least recently used out first.
 */
import type { TranslationStage } from './path.ts';

export interface AtcOptions {
  readonly entries: number;
  readonly pageBytes: number;
  /** A translation request and its completion on an idle path, without what the IOMMU takes. */
  readonly roundTripPs: number;
  /** The IOMMU, which answers from its IOTLB or walks. */
  readonly behind: TranslationStage;
}

export class Atc implements TranslationStage {
  /** By page: when its translation is there. In the order of use, the oldest first. */
  readonly #entries = new Map<number, number>();
  readonly #options: AtcOptions;
  misses = 0;

  constructor(options: AtcOptions) {
    this.#options = options;
  }

  ready(source: number, addr: number, isWrite: boolean, atPs: number): number {
    const { entries, pageBytes, roundTripPs, behind } = this.#options;
    const page = Math.floor(addr / pageBytes);
    let donePs = this.#entries.get(page);
    if (donePs === undefined) {
      this.misses++;
      donePs = behind.ready(source, addr, isWrite, atPs + roundTripPs / 2) + roundTripPs / 2;
      if (this.#entries.size >= entries) {
        this.#entries.delete(this.#entries.keys().next().value!);
      }
    } else {
      this.#entries.delete(page);
    }
    this.#entries.set(page, donePs);
    return Math.max(atPs, donePs);
  }
}
