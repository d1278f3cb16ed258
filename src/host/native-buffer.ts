/** Bytes that system calls are given the address of: messages, control blocks. */
import { libc } from './ffi.ts';

export class NativeBuffer {
  /** All of it. The field keeps the bytes where they are for as long as their address is in use. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: number;

  /** @throws {HostError} HOST_NO_FFI, HOST_NOT_LINUX */
  constructor(sizeBytes: number) {
    // An ArrayBuffer of its own: short typed arrays may live on V8's heap, where they move.
    this.bytes = new Uint8Array(new ArrayBuffer(sizeBytes));
    this.view = new DataView(this.bytes.buffer);
    this.address = libc().addressOf(this.bytes);
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }
}

const TWO_32 = 0x1_0000_0000;

/** Stores an address or a size of the C library, eight bytes. */
export function putPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}
