/** `Span` on a real machine: one mapping, of host memory or of a provider's, that targets of this folder know how to use. */
import type { Span } from '../access/index.ts';
import type { Bdf } from '../base/index.ts';
import { Mapping } from '../host/index.ts';

export class LinuxSpan implements Span {
  readonly kind: 'host' | 'peer';
  readonly provider: Bdf | null;
  readonly lengthBytes: number;
  /** For the targets of this folder; its address goes into requests and nowhere else. */
  readonly mapping: Mapping;

  constructor(mapping: Mapping, lengthBytes: number, provider: Bdf | null) {
    this.mapping = mapping;
    this.lengthBytes = lengthBytes;
    this.provider = provider;
    this.kind = provider === null ? 'host' : 'peer';
  }

  get isReadable(): boolean {
    return this.mapping.isReadable;
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    this.mapping.copyOut(offsetBytes, into);
  }

  copyIn(offsetBytes: number, from: Uint8Array): void {
    this.mapping.copyIn(offsetBytes, from);
  }

  fill(value: number): void {
    this.mapping.fill(value);
  }

  close(): void {
    this.mapping.close();
  }
}

/**
 * Page-aligned, zeroed host memory.
 * @throws {HostError} HOST_NO_MEMORY, HOST_NO_FFI
 */
export function allocateHostMemory(lengthBytes: number): Span {
  return new LinuxSpan(Mapping.ofHostMemory(lengthBytes), lengthBytes, null);
}
