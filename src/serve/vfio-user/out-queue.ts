/** Bytes on their way to one client, and the descriptors that go with some of them. */
import { EAGAIN, NativeBuffer, type SocketIo } from '../../host/index.ts';

const START_BYTES = 64 * 1024;

/** A descriptor goes with the byte at `at`. */
interface Mark {
  readonly at: number;
  readonly end: number;
  readonly fd: number;
}

export class OutQueue {
  #buffer = new NativeBuffer(START_BYTES);
  #head = 0;
  #tail = 0;
  readonly #marks: Mark[] = [];

  /** Valid until the next `reserve`. */
  get bytes(): Uint8Array {
    return this.#buffer.bytes;
  }

  get view(): DataView {
    return this.#buffer.view;
  }

  get queuedBytes(): number {
    return this.#tail - this.#head;
  }

  /** Room for a message, to be filled and then committed. @returns where it begins */
  reserve(lengthBytes: number): number {
    if (this.#tail + lengthBytes > this.#buffer.sizeBytes) {
      this.#makeRoom(lengthBytes);
    }
    return this.#tail;
  }

  /** What was reserved is to be sent. @param fd goes with it, and stays the caller's; -1 for none */
  commit(lengthBytes: number, fd: number): void {
    if (fd >= 0) {
      this.#marks.push({ at: this.#tail, end: this.#tail + lengthBytes, fd });
    }
    this.#tail += lengthBytes;
  }

  /** Sends what can be sent now. @returns 0, or a negative errno when the connection is no more */
  flush(io: SocketIo, socket: number): number {
    while (this.#head < this.#tail) {
      const mark = this.#marks[0];
      let count: number;
      if (mark !== undefined && mark.at === this.#head) {
        // A message with a descriptor is sent by itself: its receiver gets the descriptor with the first byte.
        count = io.sendWith(socket, this.#buffer, this.#head, mark.end - mark.at, [mark.fd]);
        if (count > 0) {
          this.#marks.shift();
        }
      } else {
        count = io.send(socket, this.#buffer, this.#head, (mark?.at ?? this.#tail) - this.#head);
      }
      if (count < 0) {
        return count === -EAGAIN ? 0 : count;
      }
      this.#head += count;
    }
    this.#head = 0;
    this.#tail = 0;
    return 0;
  }

  clear(): void {
    this.#head = 0;
    this.#tail = 0;
    this.#marks.length = 0;
  }

  #makeRoom(lengthBytes: number): void {
    const queued = this.queuedBytes;
    let sizeBytes = this.#buffer.sizeBytes;
    while (queued + lengthBytes > sizeBytes) {
      sizeBytes *= 2;
    }
    const old = this.#buffer.bytes;
    if (sizeBytes !== old.length) {
      this.#buffer = new NativeBuffer(sizeBytes);
    }
    this.#buffer.bytes.set(old.subarray(this.#head, this.#tail));
    for (const [index, mark] of this.#marks.entries()) {
      this.#marks[index] = { at: mark.at - this.#head, end: mark.end - this.#head, fd: mark.fd };
    }
    this.#head = 0;
    this.#tail = queued;
  }
}
