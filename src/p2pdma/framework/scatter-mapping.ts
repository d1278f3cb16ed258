/** What mapping gives back: addresses that hold until they are unmapped or a provider takes its memory back. */
import type { DmaMapping, DmaSegment } from '../../access/index.ts';
import type { MappedEntry } from './mapper.ts';
import type { Provider, Revocable } from './provider.ts';

/** One scatter list for one client. Entries keep their own boundaries: neighbours are not merged. */
export class ScatterMapping implements DmaMapping, Revocable {
  readonly segments: readonly DmaSegment[];
  /** By entry of the list. */
  readonly entries: readonly MappedEntry[];
  /** Called once when a provider took its memory back; the addresses are void already. */
  onRevoked: () => void = () => {};
  #isValid = true;

  constructor(entries: readonly MappedEntry[]) {
    this.entries = entries;
    this.segments = entries.flatMap((entry) => entry.segments);
    for (const provider of this.#providers()) {
      provider.deviceMappings.add(this);
    }
  }

  /** False once unmapped or revoked. */
  get isValid(): boolean {
    return this.#isValid;
  }

  unmap(): void {
    if (!this.#isValid) {
      return;
    }
    this.#isValid = false;
    for (const provider of this.#providers()) {
      provider.deviceMappings.delete(this);
    }
    for (const entry of this.entries) {
      entry.unmap();
    }
  }

  /** For the provider. */
  revoke(): void {
    if (this.#isValid) {
      this.unmap();
      this.onRevoked();
    }
  }

  #providers(): Set<Provider> {
    return new Set(this.entries.flatMap((entry) => (entry.provider === null ? [] : [entry.provider])));
  }
}

/** The mapping of a span for a client, shared by everyone who asked for it. */
export class SharedMapping {
  readonly mapping: ScatterMapping;
  users = 0;
  readonly #drop: () => void;

  /** @param drop  called when nobody uses it any more, or when it was revoked */
  constructor(mapping: ScatterMapping, drop: () => void) {
    this.mapping = mapping;
    this.#drop = drop;
    mapping.onRevoked = drop;
  }

  leave(): void {
    this.users -= 1;
    if (this.users === 0 && this.mapping.isValid) {
      this.mapping.unmap();
      this.#drop();
    }
  }
}

/**
 * One user's hold on the mapping of a whole span. Keep it as long as requests on the span may come, and take addresses from
 * `segments`: nothing is looked up per request. The span cannot be closed before it is unmapped.
 */
export class SpanMapping implements DmaMapping {
  readonly segments: readonly DmaSegment[];
  readonly mapType: MappedEntry['mapType'];
  readonly #shared: SharedMapping;
  #isHeld = true;

  constructor(shared: SharedMapping) {
    this.#shared = shared;
    this.segments = shared.mapping.segments;
    this.mapType = shared.mapping.entries[0]!.mapType;
    shared.users += 1;
  }

  /** False once unmapped, or when the provider took the memory back (`PeerSpan.whenRevoked` tells). */
  get isValid(): boolean {
    return this.#isHeld && this.#shared.mapping.isValid;
  }

  unmap(): void {
    if (this.#isHeld) {
      this.#isHeld = false;
      this.#shared.leave();
    }
  }
}
