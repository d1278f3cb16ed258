/**
 * DMA by messages: to memory that a client does not share with us, and to devices of its virtual machine that are not ours.
 *
 * The client carries a message out in its main loop, which may be waiting for an answer of ours: so nothing here waits, and
 * messages are only written when the server sends (`pump`), never within an access of the client.
 */
import { assert } from '../../base/index.ts';
import {
  DMA_STATUS,
  DONE,
  type FabricFunction,
  Memory,
  PENDING,
  type RemoteMemory,
  type RemoteSink,
  type Status,
} from '../../fabric/index.ts';
import {
  DMA_ACCESS,
  DMA_ACCESS_ADDRESS,
  DMA_ACCESS_LENGTH,
  HEADER_BYTES,
  MESSAGE_COMMAND,
  MESSAGE_ERROR,
  MESSAGE_FLAGS,
  MESSAGE_ID,
  MESSAGE_SIZE,
  VFIO_USER_COMMAND,
} from '../../spec/vfio-user/index.ts';
import type { ServeCounters } from './counters.ts';
import type { EndReason, ServeListener } from './listener.ts';
import type { OutQueue } from './out-queue.ts';
import type { ServedDevice } from './served-device.ts';

/** Messages that one client is working on. */
const IN_FLIGHT_MAX = 16;
/** Bytes that wait to be sent; no message is added beyond. */
const QUEUED_BYTES_MAX = 2 ** 20;
/**
 * Bytes of one read. QEMU writes an answer once and takes it for sent whatever its socket took of it (hw/vfio-user/proxy.c,
 * vfio_user_send_queued() and vfio_user_send_one(); seen: 11.1): the rest never comes, and the stream is out of step. Linux takes a
 * message whole or not at all that fits into one buffer of a stream socket, 32 KiB and some (net/unix/af_unix.c,
 * UNIX_SKB_FRAGS_SZ).
 */
const READ_BYTES_MAX = 2 ** 15;
const FIXED_BYTES = HEADER_BYTES + DMA_ACCESS.sizeBytes;
/** An errno for the log where the client gave none. */
const EIO = 5;

class RemoteRequest {
  readonly isRead: boolean;
  readonly addr: number;
  readonly local: Memory;
  readonly localOffset: number;
  readonly lengthBytes: number;
  readonly sink: RemoteSink;
  readonly token: number;
  sentBytes = 0;
  endedBytes = 0;
  status: Status = DONE;

  constructor(
    isRead: boolean,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ) {
    this.isRead = isRead;
    this.addr = addr;
    this.local = local;
    this.localOffset = localOffset;
    this.lengthBytes = lengthBytes;
    this.sink = sink;
    this.token = token;
  }
}

/** A message that was sent and not answered. */
interface Sent {
  readonly request: RemoteRequest;
  /** Part of the request. */
  readonly offset: number;
  readonly lengthBytes: number;
}

/** The requests of one device to its client, while that is connected. */
export class RemoteLink {
  readonly #device: ServedDevice;
  readonly #counters: ServeCounters;
  readonly #listener: ServeListener | null;
  readonly #transferBytesMax: number;
  /** Not wholly sent, in order. */
  readonly #waiting: RemoteRequest[] = [];
  readonly #sent = new Map<number, Sent>();
  /** Writes that have not ended, by their number, ascending. */
  readonly #writes = new Map<RemoteRequest, number>();
  #writeCount = 0;
  #id = 0;

  constructor(
    device: ServedDevice,
    counters: ServeCounters,
    listener: ServeListener | null,
    transferBytesMax: number,
  ) {
    this.#device = device;
    this.#counters = counters;
    this.#listener = listener;
    this.#transferBytesMax = transferBytesMax;
  }

  /** The number of the last write that was asked for. */
  get writesAsked(): number {
    return this.#writeCount;
  }

  /** All writes up to this number have ended. */
  get writesEnded(): number {
    for (const number of this.#writes.values()) {
      return number - 1;
    }
    return this.#writeCount;
  }

  submit(request: RemoteRequest): void {
    this.#waiting.push(request);
    if (!request.isRead) {
      this.#writes.set(request, ++this.#writeCount);
    }
  }

  /** Writes as many messages as may be under way. */
  pump(out: OutQueue): void {
    while (
      this.#waiting.length > 0 &&
      this.#sent.size < IN_FLIGHT_MAX &&
      out.queuedBytes < QUEUED_BYTES_MAX
    ) {
      const request = this.#waiting[0]!;
      if (request.sentBytes < request.lengthBytes) {
        this.#send(request, out);
      }
      if (request.sentBytes === request.lengthBytes) {
        this.#waiting.shift();
      }
    }
  }

  /**
   * An answer has come.
   * @param view, at  the message; `lengthBytes` with its header
   * @returns null, or why the client cannot be believed
   */
  answered(view: DataView, bytes: Uint8Array, at: number, lengthBytes: number): EndReason | null {
    const id = MESSAGE_ID.value(view, at);
    const sent = this.#sent.get(id);
    if (sent === undefined) {
      return 'unexpected-reply';
    }
    const { request, offset } = sent;
    const command = request.isRead ? VFIO_USER_COMMAND.DMA_READ : VFIO_USER_COMMAND.DMA_WRITE;
    if (MESSAGE_COMMAND.value(view, at) !== command) {
      return 'unexpected-reply';
    }
    const isError = MESSAGE_FLAGS.Error.read(view, at) === 1;
    if (!isError) {
      const length = lengthBytes - FIXED_BYTES;
      const expected = request.isRead ? sent.lengthBytes : 0;
      if (length !== expected || DMA_ACCESS_LENGTH.value(view, at + HEADER_BYTES) !== sent.lengthBytes) {
        return 'bad-reply';
      }
      if (request.isRead) {
        request.local.write(request.localOffset + offset, bytes, at + FIXED_BYTES, length);
      }
    } else {
      request.status = DMA_STATUS.UNSUPPORTED_REQUEST;
    }
    this.#sent.delete(id);
    const errno = isError ? MESSAGE_ERROR.value(view, at) || EIO : 0;
    this.#listener?.onDmaMessage?.(
      this.#device,
      request.isRead,
      request.addr + offset,
      sent.lengthBytes,
      errno,
    );
    request.endedBytes += sent.lengthBytes;
    if (request.endedBytes === request.lengthBytes) {
      this.#end(request, request.status);
    }
    return null;
  }

  /** The client has gone. */
  abandon(): void {
    const requests = new Set([...this.#sent.values()].map(({ request }) => request));
    for (const request of this.#waiting) {
      requests.add(request);
    }
    this.#sent.clear();
    this.#waiting.length = 0;
    for (const request of requests) {
      this.#end(request, DMA_STATUS.GONE);
    }
  }

  #end(request: RemoteRequest, status: Status): void {
    this.#writes.delete(request);
    request.sink.onRemote(request.token, status);
  }

  #send(request: RemoteRequest, out: OutQueue): void {
    const { isRead, sentBytes: offset } = request;
    const bytesMax = isRead ? Math.min(READ_BYTES_MAX, this.#transferBytesMax) : this.#transferBytesMax;
    const lengthBytes = Math.min(bytesMax, request.lengthBytes - offset);
    const sizeBytes = FIXED_BYTES + (isRead ? 0 : lengthBytes);
    do {
      this.#id = (this.#id + 1) & 0xffff;
    } while (this.#sent.has(this.#id));
    const at = out.reserve(sizeBytes);
    const { view } = out;
    MESSAGE_ID.setValue(view, this.#id, at);
    MESSAGE_COMMAND.setValue(view, isRead ? VFIO_USER_COMMAND.DMA_READ : VFIO_USER_COMMAND.DMA_WRITE, at);
    MESSAGE_SIZE.setValue(view, sizeBytes, at);
    view.setUint32(at + MESSAGE_FLAGS.offset, 0, true);
    MESSAGE_ERROR.setValue(view, 0, at);
    DMA_ACCESS_ADDRESS.setValue(view, request.addr + offset, at + HEADER_BYTES);
    DMA_ACCESS_LENGTH.setValue(view, lengthBytes, at + HEADER_BYTES);
    if (!isRead) {
      request.local.read(request.localOffset + offset, out.bytes, at + FIXED_BYTES, lengthBytes);
    }
    out.commit(sizeBytes, -1);
    request.sentBytes += lengthBytes;
    this.#sent.set(this.#id, { request, offset, lengthBytes });
    const counters = this.#counters;
    counters.dmaMessageBytes += lengthBytes;
    if (isRead) {
      counters.dmaReadMessages++;
    } else {
      counters.dmaWriteMessages++;
    }
  }
}

export class RemoteDma implements RemoteMemory {
  readonly #links = new Map<FabricFunction, RemoteLink>();

  /** A client has agreed on a version. */
  join(fn: FabricFunction, link: RemoteLink): void {
    assert(!this.#links.has(fn), 'a device has two clients');
    this.#links.set(fn, link);
  }

  leave(fn: FabricFunction): void {
    this.#links.delete(fn);
  }

  reaches(fn: FabricFunction): boolean {
    return this.#link(fn) !== undefined;
  }

  read(
    fn: FabricFunction,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ): Status {
    const link = this.#link(fn);
    if (link === undefined || lengthBytes === 0) {
      return link === undefined ? DMA_STATUS.GONE : DONE;
    }
    link.submit(new RemoteRequest(true, addr, local, localOffset, lengthBytes, sink, token));
    return PENDING;
  }

  write(
    fn: FabricFunction,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ): Status {
    const link = this.#link(fn);
    if (link === undefined || lengthBytes === 0) {
      return link === undefined ? DMA_STATUS.GONE : DONE;
    }
    // The sender may use its bytes again once this has returned.
    const kept = keptBytes(local, localOffset, lengthBytes);
    link.submit(new RemoteRequest(false, addr, kept, 0, lengthBytes, sink, token));
    return PENDING;
  }

  #link(fn: FabricFunction): RemoteLink | undefined {
    return this.#links.get(fn.virtual?.physical ?? fn);
  }
}

function keptBytes(local: Memory, localOffset: number, lengthBytes: number): Memory {
  const kept = Memory.flat(lengthBytes);
  local.copyTo(localOffset, kept, 0, lengthBytes);
  return kept;
}
