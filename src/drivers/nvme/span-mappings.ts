/**
 * Spans that a namespace has mapped: once, at the first request, until they are released or the namespace is closed.
 *
 * Host memory goes to the DMA view of the function, peer memory to the mapper that the caller gave.
 */
import type { Span } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import type { Engine } from './engine.ts';
import { SpanMapping } from './span-mapping.ts';

export class SpanMappings {
  readonly #engine: Engine;
  readonly #label: string;
  readonly #bySpan = new Map<Span, SpanMapping>();
  // Nearly all requests are on the span of the one before.
  #lastSpan: Span | null = null;
  #last: SpanMapping | null = null;

  constructor(engine: Engine, label: string) {
    this.#engine = engine;
    this.#label = label;
  }

  /** @throws {PeerlaneError} of whoever refuses to map it; NVME_NO_MAPPER, NVME_ADDRESS */
  of(span: Span): SpanMapping {
    if (span === this.#lastSpan) {
      return this.#last!;
    }
    let mapping = this.#bySpan.get(span);
    if (mapping === undefined) {
      mapping = this.#map(span);
      this.#bySpan.set(span, mapping);
    }
    this.#lastSpan = span;
    this.#last = mapping;
    return mapping;
  }

  /** @returns false while requests use it */
  release(span: Span): boolean {
    const mapping = this.#bySpan.get(span);
    if (mapping === undefined) {
      return true;
    }
    if (mapping.uses > 0) {
      return false;
    }
    this.#bySpan.delete(span);
    this.#forgetLast();
    mapping.close();
    return true;
  }

  /** Nothing uses them any more. */
  close(): void {
    for (const mapping of this.#bySpan.values()) {
      mapping.close();
    }
    this.#bySpan.clear();
    this.#forgetLast();
  }

  #forgetLast(): void {
    this.#lastSpan = null;
    this.#last = null;
  }

  #map(span: Span): SpanMapping {
    const { fn, options, lists } = this.#engine;
    if (span.kind === 'peer' && options.mapPeer === undefined) {
      throw new NvmeError('NVME_NO_MAPPER', {
        message: `${this.#label} was given peer memory and nobody who maps it`,
        hint: 'bring the controller up with `mapPeer`',
        exitStatus: 3,
      });
    }
    const dmaMapping =
      span.kind === 'host' ? fn.dma.mapHost(span, 0, span.lengthBytes) : options.mapPeer!(span, fn);
    const mapping = new SpanMapping(dmaMapping, fn.dma, lists.pageBytes);
    if (!mapping.isUsable(span.lengthBytes)) {
      mapping.close();
      throw new NvmeError('NVME_ADDRESS', {
        message: `${this.#label} was given memory at addresses that no command can name`,
        hint: 'addresses are below 2^53 and multiples of 4',
        exitStatus: 3,
      });
    }
    return mapping;
  }
}
