/**
 * A vfio-user client for tests, over the same sockets: what QEMU would send, and what it never would. It works in the thread
 * of the server, which gets a turn whenever the client waits.
 */
import { connectUnix, DESCRIPTORS_MAX, EAGAIN, NativeBuffer, SocketIo } from '../../../src/host/index.ts';
import {
  DEVICE_INFO,
  DMA_MAP,
  DMA_MAP_ADDRESS,
  DMA_MAP_ARGSZ,
  DMA_MAP_FLAGS,
  DMA_UNMAP,
  FLAGS_ERROR_REPLY,
  FLAGS_REPLY,
  HEADER_BYTES,
  INFO_ARGSZ,
  IRQ_ACTION,
  IRQ_INFO,
  IRQ_INFO_INDEX,
  REGION_ACCESS,
  REGION_ACCESS_LENGTH,
  REGION_ACCESS_OFFSET,
  REGION_ACCESS_REGION,
  REGION_INFO,
  REGION_INFO_INDEX,
  SET_IRQS,
  SET_IRQS_FLAGS,
  SET_IRQS_INDEX,
  SET_IRQS_START,
  SET_IRQS_VECTORS,
  VFIO_USER_COMMAND,
} from '../../../src/spec/vfio-user/index.ts';

export interface Reply {
  readonly id: number;
  readonly command: number;
  readonly errno: number;
  readonly payload: Uint8Array;
  readonly view: DataView;
  readonly fds: readonly number[];
}

/** A request of the server. @returns bytes that were read, nothing for a write, or an errno */
export type DmaHandler = (
  isRead: boolean,
  addr: number,
  bytes: Uint8Array,
  lengthBytes: number,
) => Uint8Array | number;

/** QEMU 11's own words. */
export const QEMU_CAPABILITIES =
  '{"capabilities": {"pgsizes": 4096, "max_msg_fds": 16, "max_dma_maps": 65535, "max_data_xfer_size": 1048576, "migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "write_multiple": true}}';

const TURNS_MAX = 200_000;

export class TestClient {
  readonly fd: number;
  /** Answers messages of the server; null leaves them unanswered. */
  onDma: DmaHandler | null = () => 19;
  /** Commands of messages that the server has sent of its own, in order. */
  readonly dmaCommands: number[] = [];
  isEnded = false;
  readonly #io = new SocketIo();
  readonly #turn: () => void;
  readonly #in = new NativeBuffer(4 << 20);
  readonly #out = new NativeBuffer(2 << 20);
  readonly #replies: Reply[] = [];
  #have = 0;
  #fds: number[] = [];
  #id = 0;

  /** @param turn gives the server a turn */
  constructor(path: string, turn: () => void) {
    this.#turn = turn;
    this.fd = connectUnix(path);
  }

  close(): void {
    this.#io.close(this.fd);
  }

  /** Bytes as they are. @returns bytes that the socket took, or a negative errno */
  sendRaw(bytes: Uint8Array, fds: readonly number[] = []): number {
    this.#out.bytes.set(bytes);
    return fds.length === 0
      ? this.#io.send(this.fd, this.#out, 0, bytes.length)
      : this.#io.sendWith(this.fd, this.#out, 0, bytes.length, fds);
  }

  /** Sends a request and does not wait. @returns its id */
  send(command: number, payload: Uint8Array, fds: readonly number[] = [], flags = 0): number {
    this.#id = (this.#id + 1) & 0xffff;
    const id = this.#id;
    this.#sendAll(message(id, command, payload, flags), fds);
    return id;
  }

  /** Sends a request and waits for the answer. */
  request(command: number, payload: Uint8Array, fds: readonly number[] = []): Reply {
    return this.awaitReply(this.send(command, payload, fds));
  }

  awaitReply(id: number): Reply {
    for (let turns = 0; turns < TURNS_MAX; turns++) {
      const index = this.#replies.findIndex((reply) => reply.id === id);
      if (index >= 0) {
        return this.#replies.splice(index, 1)[0]!;
      }
      if (this.isEnded) {
        throw new Error(`the server has ended the connection before its answer to ${id}`);
      }
      this.#turn();
      this.pump();
    }
    throw new Error(`no answer to ${id}`);
  }

  /** Takes what has come, and answers messages of the server. @returns whether anything came */
  pump(): boolean {
    const count = this.#io.receive(this.fd, this.#in, this.#have, this.#in.sizeBytes - this.#have);
    if (count === -EAGAIN) {
      return false;
    }
    for (let i = 0; i < this.#io.descriptorCount; i++) {
      this.#fds.push(this.#io.descriptors[i]!);
    }
    if (count <= 0) {
      this.isEnded = true;
      return true;
    }
    this.#have += count;
    let at = 0;
    while (this.#have - at >= HEADER_BYTES) {
      const size = this.#in.view.getUint32(at + 4, true);
      if (this.#have - at < size) {
        break;
      }
      this.#take(this.#in.bytes.slice(at, at + size), at + size === this.#have);
      at += size;
    }
    this.#in.bytes.copyWithin(0, at, this.#have);
    this.#have -= at;
    return true;
  }

  version(text = QEMU_CAPABILITIES): Reply {
    return this.request(VFIO_USER_COMMAND.VERSION, versionPayload(text));
  }

  deviceInfo(argsz = DEVICE_INFO.sizeBytes): Reply {
    const { payload, view } = room(DEVICE_INFO.sizeBytes);
    INFO_ARGSZ.setValue(view, argsz);
    return this.request(VFIO_USER_COMMAND.DEVICE_GET_INFO, payload);
  }

  regionInfo(index: number, argsz = REGION_INFO.sizeBytes): Reply {
    const { payload, view } = room(REGION_INFO.sizeBytes);
    INFO_ARGSZ.setValue(view, argsz);
    REGION_INFO_INDEX.setValue(view, index);
    return this.request(VFIO_USER_COMMAND.DEVICE_GET_REGION_INFO, payload);
  }

  irqInfo(index: number): Reply {
    const { payload, view } = room(IRQ_INFO.sizeBytes);
    INFO_ARGSZ.setValue(view, IRQ_INFO.sizeBytes);
    IRQ_INFO_INDEX.setValue(view, index);
    return this.request(VFIO_USER_COMMAND.DEVICE_GET_IRQ_INFO, payload);
  }

  /** Counters for vectors; none: they are taken away. */
  setVectors(
    index: number,
    start: number,
    count: number,
    fds: readonly number[],
    action: number = IRQ_ACTION.TRIGGER,
  ): Reply {
    return this.setIrqs(index, 4, action, start, count, fds);
  }

  setIrqs(
    index: number,
    data: number,
    action: number,
    start: number,
    count: number,
    fds: readonly number[] = [],
    extra: Uint8Array = new Uint8Array(0),
  ): Reply {
    const { payload, view } = room(SET_IRQS.sizeBytes + extra.length);
    INFO_ARGSZ.setValue(view, SET_IRQS.sizeBytes + extra.length);
    SET_IRQS_FLAGS.Data.write(view, data);
    SET_IRQS_FLAGS.Action.write(view, action);
    SET_IRQS_INDEX.setValue(view, index);
    SET_IRQS_START.setValue(view, start);
    SET_IRQS_VECTORS.setValue(view, count);
    payload.set(extra, SET_IRQS.sizeBytes);
    return this.request(VFIO_USER_COMMAND.DEVICE_SET_IRQS, payload, fds);
  }

  read(region: number, offset: number, lengthBytes: number): Uint8Array {
    const reply = this.request(VFIO_USER_COMMAND.REGION_READ, accessPayload(region, offset, lengthBytes));
    if (reply.errno !== 0) {
      throw new Error(`read of region ${region}: errno ${reply.errno}`);
    }
    return reply.payload.slice(REGION_ACCESS.sizeBytes);
  }

  read32(region: number, offset: number): number {
    return new DataView(this.read(region, offset, 4).buffer).getUint32(0, true);
  }

  write(region: number, offset: number, bytes: Uint8Array): Reply {
    return this.request(VFIO_USER_COMMAND.REGION_WRITE, writePayload(region, offset, bytes));
  }

  write32(region: number, offset: number, value: number): Reply {
    return this.write(region, offset, bytes32(value));
  }

  /** A write that is not answered. */
  post32(region: number, offset: number, value: number): void {
    this.send(VFIO_USER_COMMAND.REGION_WRITE, writePayload(region, offset, bytes32(value)), [], 0x10);
  }

  map(
    addr: number | bigint,
    size: number | bigint,
    offset: number | bigint,
    fd: number | null,
    flags = 3,
  ): Reply {
    return this.request(
      VFIO_USER_COMMAND.DMA_MAP,
      mapPayload(addr, size, offset, flags),
      fd === null ? [] : [fd],
    );
  }

  unmap(addr: number | bigint, size: number | bigint): Reply {
    const { payload, view } = room(DMA_UNMAP.sizeBytes);
    DMA_MAP_ARGSZ.setValue(view, DMA_UNMAP.sizeBytes);
    view.setBigUint64(8, BigInt(addr), true);
    view.setBigUint64(16, BigInt(size), true);
    return this.request(VFIO_USER_COMMAND.DMA_UNMAP, payload);
  }

  reset(): Reply {
    return this.request(VFIO_USER_COMMAND.DEVICE_RESET, new Uint8Array(0));
  }

  #take(bytes: Uint8Array, isLast: boolean): void {
    const view = new DataView(bytes.buffer);
    const id = view.getUint16(0, true);
    const command = view.getUint16(2, true);
    const flags = view.getUint32(8, true);
    const payload = bytes.slice(HEADER_BYTES);
    if ((flags & 0xf) === 1) {
      const errno = (flags & 0x20) !== 0 ? view.getUint32(12, true) : 0;
      const fds = isLast ? this.#fds : [];
      this.#fds = isLast ? [] : this.#fds;
      this.#replies.push({ id, command, errno, payload, view: new DataView(payload.buffer), fds });
      return;
    }
    this.dmaCommands.push(command);
    if (this.onDma !== null) {
      this.#answer(id, command, payload, this.onDma);
    }
  }

  #answer(id: number, command: number, payload: Uint8Array, onDma: DmaHandler): void {
    const view = new DataView(payload.buffer);
    const isRead = command === VFIO_USER_COMMAND.DMA_READ;
    const addr = Number(view.getBigUint64(0, true));
    const length = Number(view.getBigUint64(8, true));
    const result = onDma(isRead, addr, payload.slice(16), length);
    if (typeof result === 'number') {
      const reply = message(id, command, new Uint8Array(0), FLAGS_ERROR_REPLY);
      new DataView(reply.buffer).setUint32(12, result, true);
      this.#sendAll(reply, []);
    } else {
      const answer = new Uint8Array(16 + result.length);
      answer.set(payload.subarray(0, 16));
      answer.set(result, 16);
      this.#sendAll(message(id, command, answer, FLAGS_REPLY), []);
    }
  }

  #sendAll(bytes: Uint8Array, fds: readonly number[]): void {
    let at = 0;
    let left = fds;
    for (let turns = 0; at < bytes.length && turns < TURNS_MAX; turns++) {
      const count = this.sendRaw(bytes.subarray(at), left);
      if (count > 0) {
        at += count;
        left = [];
      } else if (count === -EAGAIN) {
        this.#turn();
        this.pump();
      } else {
        this.isEnded = true;
        return;
      }
    }
  }
}

export function message(id: number, command: number, payload: Uint8Array, flags = 0): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id, true);
  view.setUint16(2, command, true);
  view.setUint32(4, bytes.length, true);
  view.setUint32(8, flags, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export function versionPayload(text: string, major = 0, minor = 0): Uint8Array {
  const json = new TextEncoder().encode(text === '' ? '' : `${text}\0`);
  const payload = new Uint8Array(4 + json.length);
  const view = new DataView(payload.buffer);
  view.setUint16(0, major, true);
  view.setUint16(2, minor, true);
  payload.set(json, 4);
  return payload;
}

export function accessPayload(region: number, offset: number | bigint, lengthBytes: number): Uint8Array {
  const { payload, view } = room(REGION_ACCESS.sizeBytes);
  view.setBigUint64(REGION_ACCESS_OFFSET.offset, BigInt(offset), true);
  REGION_ACCESS_REGION.setValue(view, region);
  REGION_ACCESS_LENGTH.setValue(view, lengthBytes);
  return payload;
}

export function writePayload(region: number, offset: number, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(REGION_ACCESS.sizeBytes + bytes.length);
  payload.set(accessPayload(region, offset, bytes.length));
  payload.set(bytes, REGION_ACCESS.sizeBytes);
  return payload;
}

export function mapPayload(
  addr: number | bigint,
  size: number | bigint,
  offset: number | bigint,
  flags: number,
): Uint8Array {
  const { payload, view } = room(DMA_MAP.sizeBytes);
  DMA_MAP_ARGSZ.setValue(view, DMA_MAP.sizeBytes);
  view.setUint32(DMA_MAP_FLAGS.offset, flags, true);
  view.setBigUint64(8, BigInt(offset), true);
  view.setBigUint64(DMA_MAP_ADDRESS.offset, BigInt(addr), true);
  view.setBigUint64(24, BigInt(size), true);
  return payload;
}

export function bytes32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export { DESCRIPTORS_MAX };

function room(sizeBytes: number): { payload: Uint8Array; view: DataView } {
  const payload = new Uint8Array(sizeBytes);
  return { payload, view: new DataView(payload.buffer) };
}
