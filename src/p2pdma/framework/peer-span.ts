/** `Span` over peer memory of a provider of ours: an address and a length that only devices use. */
import type { Span } from '../../access/index.ts';
import { AssertionFailure, assert, type Bdf, type PhysAddr } from '../../base/index.ts';

/** What a span needs of its provider. */
export interface SpanOwner {
  readonly bdf: Bdf;
  /** @throws {MappingError} P2P_MEMORY_IN_USE */
  release(span: PeerSpan): void;
  shareSpan(span: PeerSpan, offsetBytes: number, lengthBytes: number): PeerSpan;
}

export class PeerSpan implements Span {
  readonly kind = 'peer';
  readonly isReadable = false;
  readonly lengthBytes: number;
  /** As the CPU would see it; for devices it has to be mapped. */
  readonly address: PhysAddr;
  readonly #owner: SpanOwner;
  readonly #listeners = new Set<() => void>();
  #state: 'open' | 'closed' | 'revoked' = 'open';

  constructor(owner: SpanOwner, address: PhysAddr, lengthBytes: number) {
    this.#owner = owner;
    this.address = address;
    this.lengthBytes = lengthBytes;
  }

  get provider(): Bdf {
    return this.#owner.bdf;
  }

  /** False once it is closed or its provider has taken it back. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get isRevoked(): boolean {
    return this.#state === 'revoked';
  }

  /** Who gave it. */
  get owner(): SpanOwner {
    return this.#owner;
  }

  /** Peer memory is never looked at through its window. */
  copyOut(): void {
    throw new AssertionFailure(`peer memory of ${this.provider} was to be read by the CPU`);
  }

  copyIn(): void {
    throw new AssertionFailure(`peer memory of ${this.provider} was to be written by the CPU`);
  }

  fill(): void {
    throw new AssertionFailure(`peer memory of ${this.provider} was to be written by the CPU`);
  }

  /**
   * A span of its own over a part of this one, for somebody else to use meanwhile. This one cannot be closed before it.
   * @throws {AssertionFailure} when the part lies outside or the span is not open
   */
  share(offsetBytes: number, lengthBytes: number): PeerSpan {
    const isInside = offsetBytes >= 0 && lengthBytes > 0 && offsetBytes + lengthBytes <= this.lengthBytes;
    assert(this.isOpen && isInside, 'a part of peer memory was shared that is not there', {
      offsetBytes,
      lengthBytes,
      spanBytes: this.lengthBytes,
      state: this.#state,
    });
    return this.#owner.shareSpan(this, offsetBytes, lengthBytes);
  }

  /**
   * Gives the memory back. Idempotent, and without effect on memory that was taken back already.
   * @throws {MappingError} P2P_MEMORY_IN_USE while it is mapped for a device
   */
  close(): void {
    if (this.#state === 'open') {
      this.#owner.release(this);
      this.#state = 'closed';
      this.#listeners.clear();
    }
  }

  /**
   * Tells when the provider takes the memory back: called once, before mappings are taken down, so that a driver can stop
   * its device and unmap. It must not throw.
   * @returns takes the listener off again
   */
  whenRevoked(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For the provider. */
  revoke(): void {
    if (this.#state !== 'open') {
      return;
    }
    this.#state = 'revoked';
    for (const listener of this.#listeners) {
      listener();
    }
    this.#listeners.clear();
  }
}
