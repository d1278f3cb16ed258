/**
 * One client of one device: takes messages apart, and answers them in the order in which they came.
 *
 * An access to a register is answered before any work that it has started is done: the client may hold the lock without
 * which it cannot carry out a message of ours. What a client sends is checked here, field by field; what cannot be understood
 * any more ends the connection, and nothing else.
 */
import { EAGAIN, type NativeBuffer, POLL_IN, POLL_OUT, type SocketIo } from '../../host/index.ts';
import {
  FLAGS_ERROR_REPLY,
  FLAGS_REPLY,
  HEADER_BYTES,
  MESSAGE_COMMAND,
  MESSAGE_ERROR,
  MESSAGE_FLAGS,
  MESSAGE_ID,
  MESSAGE_SIZE,
  MESSAGE_TYPE,
  VFIO_USER_COMMAND,
} from '../../spec/vfio-user/index.ts';
import type { EndReason } from './listener.ts';
import { OutQueue } from './out-queue.ts';
import type { RequestHandler } from './request-handler.ts';
import { MESSAGE_DESCRIPTORS_MAX, TRANSFER_BYTES_MAX } from './version.ts';

/** The largest message of either side: data with the structure in front of it. */
const MESSAGE_BYTES_MAX = HEADER_BYTES + 16 + TRANSFER_BYTES_MAX;
export const RECEIVE_BYTES = MESSAGE_BYTES_MAX + 64 * 1024;
/** Bytes taken at a time, so that one client does not keep the others waiting. */
const RECEIVE_STEP_BYTES = 64 * 1024;
/** While so many bytes wait to be sent, no more requests are worked on. */
const QUEUED_BYTES_MAX = 2 ** 20;
/** How often in one step a client that asks for more than it takes is served. */
const ROUNDS_PER_STEP = 4;

export class Connection {
  readonly fd: number;
  readonly out = new OutQueue();
  readonly handler: RequestHandler;
  /** Why it is over; null while it is not. */
  endReason: EndReason | null = null;
  endDetail = '';
  readonly #io: SocketIo;
  readonly #buffer: NativeBuffer;
  /** Bytes that were received and not yet worked on are from here to `#end`. */
  #start = 0;
  #end = 0;
  /** Messages wait here until answers before them are sent; nothing is received meanwhile. */
  #isStalled = false;
  /** Descriptors that belong to the message whose bytes came last. */
  #descriptors: number[] = [];

  /** @param buffer RECEIVE_BYTES; its own until it has ended */
  constructor(fd: number, io: SocketIo, buffer: NativeBuffer, handler: RequestHandler) {
    this.fd = fd;
    this.#io = io;
    this.#buffer = buffer;
    this.handler = handler;
  }

  get buffer(): NativeBuffer {
    return this.#buffer;
  }

  /** What to wait for. */
  get pollEvents(): number {
    return this.#isStalled ? POLL_OUT : POLL_IN | (this.out.queuedBytes > 0 ? POLL_OUT : 0);
  }

  /** The socket is ready for something: takes what has come, works on it, and sends the answers. */
  advance(): void {
    for (let round = 0; this.#isStalled && round < ROUNDS_PER_STEP; round++) {
      this.flush();
      this.#work();
    }
    if (!this.#isStalled && this.endReason === null) {
      this.#receive();
    }
    this.flush();
  }

  /** Sends what can be sent; also answers that were made before the client sent what ends it. */
  flush(): void {
    if (this.endReason !== 'closed' && this.endReason !== 'connection-lost') {
      const before = this.out.queuedBytes;
      const errno = this.out.flush(this.#io, this.fd);
      this.handler.counters.sentBytes += before - this.out.queuedBytes;
      if (errno !== 0) {
        this.end('connection-lost', `errno ${-errno}`);
      }
    }
  }

  /** No more of it is worked on. The first reason counts. */
  end(reason: EndReason, detail = ''): void {
    if (this.endReason === null) {
      this.endReason = reason;
      this.endDetail = detail;
    }
  }

  /** After its end: descriptors that nobody took are closed, and so is the socket. */
  close(): void {
    this.#closeDescriptors();
    this.out.clear();
    this.#io.close(this.fd);
  }

  #receive(): void {
    const count = this.#io.receive(this.fd, this.#buffer, this.#end, this.#receiveBytes());
    if (count === -EAGAIN) {
      return;
    }
    let hasSocket = false;
    for (let i = 0; i < this.#io.descriptorCount; i++) {
      const fd = this.#io.descriptors[i]!;
      this.#descriptors.push(fd);
      hasSocket ||= this.#io.isSocket(fd);
    }
    if (count <= 0) {
      this.end(count === 0 ? 'closed' : 'connection-lost', count === 0 ? '' : `errno ${-count}`);
    } else if (this.#io.isTruncated || this.#descriptors.length > MESSAGE_DESCRIPTORS_MAX) {
      this.end('too-many-descriptors', `more than ${MESSAGE_DESCRIPTORS_MAX}, or than can be opened`);
    } else if (hasSocket) {
      // It may be the client's end of this connection, which would then never end while we hold it.
      this.end('socket-passed', 'no message takes a socket');
    } else {
      this.handler.counters.receivedBytes += count;
      this.#end += count;
      this.#work();
    }
  }

  /** Room for the rest of a message that has begun, or for a step. */
  #receiveBytes(): number {
    const have = this.#end - this.#start;
    const wanted = have >= 8 ? MESSAGE_SIZE.value(this.#buffer.view, this.#start) - have : 0;
    return Math.min(Math.max(wanted, RECEIVE_STEP_BYTES), this.#buffer.sizeBytes - this.#end);
  }

  /** All messages that are there in full, as long as their answers are taken. */
  #work(): void {
    const { view } = this.#buffer;
    this.#isStalled = false;
    while (this.#end - this.#start >= HEADER_BYTES && this.endReason === null) {
      const at = this.#start;
      const sizeBytes = MESSAGE_SIZE.value(view, at);
      if (sizeBytes < HEADER_BYTES || sizeBytes > MESSAGE_BYTES_MAX) {
        this.end('bad-size', `a message of ${sizeBytes} bytes`);
        return;
      }
      if (at + sizeBytes > this.#end) {
        break;
      }
      if (this.out.queuedBytes >= QUEUED_BYTES_MAX) {
        this.#isStalled = true;
        return;
      }
      this.#start = at + sizeBytes;
      this.handler.counters.messages++;
      this.#message(at, sizeBytes);
      if (this.#start === this.#end) {
        // The last of what was received: nobody else will take its descriptors.
        this.#closeDescriptors();
      }
    }
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    } else if (this.#start > 0 && this.#buffer.sizeBytes - this.#start < MESSAGE_BYTES_MAX) {
      this.#buffer.bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
  }

  #message(at: number, sizeBytes: number): void {
    const { view } = this.#buffer;
    const type = MESSAGE_FLAGS.Type.read(view, at);
    if (type === MESSAGE_TYPE.REPLY) {
      const reason = this.handler.answered(this.#buffer, at, sizeBytes);
      if (reason !== null) {
        this.end(reason, `an answer with id ${MESSAGE_ID.value(view, at)}`);
      }
    } else if (type === MESSAGE_TYPE.REQUEST) {
      this.#request(at, sizeBytes);
    } else {
      this.end('bad-type', `a message of type ${type}`);
    }
  }

  #request(at: number, sizeBytes: number): void {
    const { view } = this.#buffer;
    const command = MESSAGE_COMMAND.value(view, at);
    const { handler, out } = this;
    if (!handler.isAgreed && command !== VFIO_USER_COMMAND.VERSION) {
      this.end('no-version', `command ${command} before VERSION`);
      return;
    }
    const isLast = this.#start === this.#end;
    const descriptors = isLast ? this.#descriptors : [];
    if (isLast) {
      this.#descriptors = [];
    }
    const replyAt = out.reserve(HEADER_BYTES + handler.replyBytesMax(command, this.#buffer, at, sizeBytes));
    const payloadBytes = handler.handle(
      command,
      this.#buffer,
      at + HEADER_BYTES,
      sizeBytes - HEADER_BYTES,
      descriptors,
      out,
      replyAt + HEADER_BYTES,
    );
    this.#closeAll(descriptors);
    const isAnswered =
      MESSAGE_FLAGS.No_Reply.read(view, at) === 0 && command !== VFIO_USER_COMMAND.REGION_WRITE_MULTI;
    const errno = payloadBytes < 0 ? -payloadBytes : 0;
    if (errno !== 0) {
      handler.refused(command, errno);
    }
    if (isAnswered) {
      this.#reply(replyAt, MESSAGE_ID.value(view, at), command, errno, Math.max(payloadBytes, 0));
    }
    if (command === VFIO_USER_COMMAND.VERSION && errno !== 0) {
      this.end('bad-version', 'a version that is malformed, of another major number, or asked for twice');
    }
  }

  #reply(at: number, id: number, command: number, errno: number, payloadBytes: number): void {
    const { view } = this.out;
    const sizeBytes = HEADER_BYTES + payloadBytes;
    MESSAGE_ID.setValue(view, id, at);
    MESSAGE_COMMAND.setValue(view, command, at);
    MESSAGE_SIZE.setValue(view, sizeBytes, at);
    view.setUint32(at + MESSAGE_FLAGS.offset, errno === 0 ? FLAGS_REPLY : FLAGS_ERROR_REPLY, true);
    MESSAGE_ERROR.setValue(view, errno, at);
    this.out.commit(sizeBytes, errno === 0 ? this.handler.takeReplyFd() : -1);
  }

  #closeDescriptors(): void {
    this.#closeAll(this.#descriptors);
    this.#descriptors = [];
  }

  #closeAll(descriptors: readonly number[]): void {
    for (const fd of descriptors) {
      this.#io.close(fd);
    }
  }
}
