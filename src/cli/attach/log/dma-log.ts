/** What one device reads and writes, a line each request. */
import {
  DMA_STATUS,
  type DmaWatcher,
  type FabricFunction,
  type Memory,
  type Status,
  TRAFFIC,
  type Traffic,
} from '../../../fabric/index.ts';
import type { Places } from './places.ts';

const STATUS_WORDS: ReadonlyMap<number, string> = new Map(
  Object.entries(DMA_STATUS).map(([name, value]) => [value, name.toLowerCase().replaceAll('_', ' ')]),
);

export class DmaLog implements DmaWatcher {
  readonly #name: string;
  readonly #fn: FabricFunction;
  readonly #places: Places;
  readonly #write: (line: string) => void;

  constructor(name: string, fn: FabricFunction, places: Places, write: (line: string) => void) {
    this.#name = name;
    this.#fn = fn;
    this.#places = places;
    this.#write = write;
  }

  onWrite(
    addr: number,
    _local: Memory,
    _localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Memory | null {
    this.#write(
      `${this.#name} dma write ${lengthBytes}${kind(traffic)} -> ${this.#places.of(this.#fn, addr)}`,
    );
    return null;
  }

  onRead(
    addr: number,
    _local: Memory,
    _localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    status: Status,
  ): void {
    const failed = STATUS_WORDS.get(status);
    const end = failed === undefined ? '' : `: ${failed}`;
    this.#write(
      `${this.#name} dma read ${lengthBytes}${kind(traffic)} <- ${this.#places.of(this.#fn, addr)}${end}`,
    );
  }
}

function kind(traffic: Traffic): string {
  return traffic === TRAFFIC.DATA ? ' bytes' : ' bytes (control)';
}
