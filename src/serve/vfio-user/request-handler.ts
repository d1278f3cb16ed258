/**
 * What each request of a client does. Payloads are read where they were received, and answers are written where they will be
 * sent from.
 */
import type { NativeBuffer } from '../../host/index.ts';
import {
  DEVICE_INFO,
  DMA_MAP,
  DMA_MAP_ADDRESS,
  DMA_MAP_FLAGS,
  DMA_MAP_OFFSET,
  DMA_MAP_SIZE,
  DMA_UNMAP,
  DMA_UNMAP_ADDRESS,
  DMA_UNMAP_SIZE,
  HEADER_BYTES,
  INFO_ARGSZ,
  IRQ_DATA,
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
  VFIO_IRQ_COUNT,
  VFIO_REGION_COUNT,
  VFIO_USER_COMMAND,
  VFIO_USER_ERRNO,
  WRITE_MULTI,
  WRITE_MULTI_DATA_BYTES,
  WRITE_MULTI_ENTRY_BYTES,
  WRITE_MULTI_NUMBER,
} from '../../spec/vfio-user/index.ts';
import type { ServeCounters } from './counters.ts';
import {
  regionInfoBytes,
  sharedBarOf,
  writeDeviceInfo,
  writeIrqInfo,
  writeRegionInfo,
} from './device-info.ts';
import type { GuestMemory, GuestSpace } from './guest-memory.ts';
import type { ClientInterrupts } from './interrupts.ts';
import type { EndReason, ServeListener } from './listener.ts';
import type { OutQueue } from './out-queue.ts';
import { RegionAccess } from './region-access.ts';
import { type RemoteDma, RemoteLink } from './remote-dma.ts';
import type { ServedDevice } from './served-device.ts';
import { agreeOnVersion, TRANSFER_BYTES_MAX } from './version.ts';

/** What a device has beside its client. */
export interface DeviceParts {
  readonly device: ServedDevice;
  readonly counters: ServeCounters;
  readonly listener: ServeListener | null;
  readonly memory: GuestMemory;
  readonly remote: RemoteDma;
  readonly interrupts: ClientInterrupts;
}

/** Answers of these and the longest others fit without being measured. */
const SMALL_REPLY_BYTES = 64;

const REFUSED = -VFIO_USER_ERRNO.EINVAL;

export class RequestHandler {
  readonly counters: ServeCounters;
  readonly #parts: DeviceParts;
  readonly #space: GuestSpace;
  readonly #access: RegionAccess;
  #link: RemoteLink | null = null;
  #replyFd = -1;

  constructor(parts: DeviceParts) {
    this.#parts = parts;
    this.counters = parts.counters;
    this.#space = parts.memory.join(parts.device.fn);
    this.#access = new RegionAccess(parts.device, parts.counters, parts.listener);
  }

  /** Whether client and server have agreed on a version. */
  get isAgreed(): boolean {
    return this.#link !== null;
  }

  /** Messages of ours, for the server to send; null before there may be any. */
  get link(): RemoteLink | null {
    return this.#link;
  }

  /** Room that the payload of an answer needs at most. */
  replyBytesMax(command: number, buffer: NativeBuffer, at: number, sizeBytes: number): number {
    const payload = at + HEADER_BYTES;
    if (command === VFIO_USER_COMMAND.REGION_READ && sizeBytes >= HEADER_BYTES + REGION_ACCESS.sizeBytes) {
      const count = REGION_ACCESS_LENGTH.value(buffer.view, payload);
      return REGION_ACCESS.sizeBytes + (count <= TRANSFER_BYTES_MAX ? count : 0);
    }
    if (
      command === VFIO_USER_COMMAND.DEVICE_GET_REGION_INFO &&
      sizeBytes >= HEADER_BYTES + REGION_INFO.sizeBytes
    ) {
      return regionInfoBytes(this.#parts.device, REGION_INFO_INDEX.value(buffer.view, payload));
    }
    // The answer to VERSION is never longer than the request.
    return command === VFIO_USER_COMMAND.VERSION ? sizeBytes : SMALL_REPLY_BYTES;
  }

  /**
   * Carries a request out.
   * @param at  the payload, `lengthBytes` long
   * @param descriptors  that came with it; those that are kept are taken out of it
   * @param replyAt  where the payload of the answer goes, with room for `replyBytesMax`
   * @returns bytes of the payload of the answer, or a negative errno
   */
  handle(
    command: number,
    buffer: NativeBuffer,
    at: number,
    lengthBytes: number,
    descriptors: number[],
    out: OutQueue,
    replyAt: number,
  ): number {
    switch (command) {
      case VFIO_USER_COMMAND.REGION_READ:
        return this.#regionRead(buffer, at, lengthBytes, out, replyAt);
      case VFIO_USER_COMMAND.REGION_WRITE:
        return this.#regionWrite(buffer, at, lengthBytes, out, replyAt);
      case VFIO_USER_COMMAND.REGION_WRITE_MULTI:
        return this.#regionWrites(buffer, at, lengthBytes);
      case VFIO_USER_COMMAND.DMA_MAP:
        return this.#map(buffer.view, at, lengthBytes, descriptors);
      case VFIO_USER_COMMAND.DMA_UNMAP:
        return this.#unmap(buffer, at, lengthBytes, out, replyAt);
      case VFIO_USER_COMMAND.DEVICE_SET_IRQS:
        return this.#setIrqs(buffer, at, lengthBytes, descriptors);
      case VFIO_USER_COMMAND.DEVICE_RESET:
        return this.#reset();
      case VFIO_USER_COMMAND.VERSION:
        return this.#version(buffer, at, lengthBytes, out, replyAt);
      case VFIO_USER_COMMAND.DEVICE_GET_INFO:
      case VFIO_USER_COMMAND.DEVICE_GET_REGION_INFO:
      case VFIO_USER_COMMAND.DEVICE_GET_IRQ_INFO:
        return this.#info(command, buffer.view, at, lengthBytes, out, replyAt);
      default:
        return -VFIO_USER_ERRNO.ENOSYS;
    }
  }

  /** An answer to a message of ours. @returns null, or why the client cannot be believed */
  answered(buffer: NativeBuffer, at: number, sizeBytes: number): EndReason | null {
    return this.#link === null
      ? 'unexpected-reply'
      : this.#link.answered(buffer.view, buffer.bytes, at, sizeBytes);
  }

  refused(command: number, errno: number): void {
    this.counters.refusals++;
    this.#parts.listener?.onRefusal?.(this.#parts.device, command, errno);
  }

  /** The descriptor that goes with the answer that was just made; -1 for none. */
  takeReplyFd(): number {
    const fd = this.#replyFd;
    this.#replyFd = -1;
    return fd;
  }

  /** The client has gone: its memory and its interrupts are let go, and the device is as at power on. */
  leave(): void {
    const { device, memory, remote, interrupts, listener } = this.#parts;
    remote.leave(device.fn);
    memory.leave(device.fn);
    interrupts.link = null;
    device.onReset();
    this.counters.resets++;
    listener?.onReset?.(device, 'disconnect');
    // After the reset, which makes that nobody hears the end of requests that he has forgotten.
    this.#link?.abandon();
    interrupts.reset();
  }

  #version(buffer: NativeBuffer, at: number, lengthBytes: number, out: OutQueue, replyAt: number): number {
    const agreed = this.isAgreed ? undefined : agreeOnVersion(buffer.bytes.subarray(at, at + lengthBytes));
    if (agreed === undefined) {
      return REFUSED;
    }
    const { device, counters, listener, remote, interrupts } = this.#parts;
    this.#link = new RemoteLink(device, counters, listener, agreed.transferBytesMax);
    remote.join(device.fn, this.#link);
    interrupts.link = this.#link;
    out.bytes.set(agreed.reply, replyAt);
    return agreed.reply.length;
  }

  #info(
    command: number,
    view: DataView,
    at: number,
    lengthBytes: number,
    out: OutQueue,
    replyAt: number,
  ): number {
    const needed = command === VFIO_USER_COMMAND.DEVICE_GET_REGION_INFO ? REGION_INFO : DEVICE_INFO;
    if (lengthBytes < needed.sizeBytes) {
      return REFUSED;
    }
    const argszMax = INFO_ARGSZ.value(view, at);
    if (argszMax < needed.sizeBytes) {
      return REFUSED;
    }
    const { device, interrupts } = this.#parts;
    if (command === VFIO_USER_COMMAND.DEVICE_GET_INFO) {
      out.bytes.fill(0, replyAt, replyAt + DEVICE_INFO.sizeBytes);
      return writeDeviceInfo(out.view, replyAt);
    }
    if (command === VFIO_USER_COMMAND.DEVICE_GET_IRQ_INFO) {
      const index = IRQ_INFO_INDEX.value(view, at);
      if (index >= VFIO_IRQ_COUNT) {
        return REFUSED;
      }
      out.bytes.fill(0, replyAt, replyAt + IRQ_INFO.sizeBytes);
      return writeIrqInfo(out.view, replyAt, index, interrupts.vectorCount(index));
    }
    const index = REGION_INFO_INDEX.value(view, at);
    if (index >= VFIO_REGION_COUNT) {
      return REFUSED;
    }
    const wholeBytes = regionInfoBytes(device, index);
    out.bytes.fill(0, replyAt, replyAt + wholeBytes);
    const payloadBytes = writeRegionInfo(out.view, replyAt, device, index, argszMax);
    if (payloadBytes === wholeBytes) {
      this.#replyFd = sharedBarOf(device, index)?.fd ?? -1;
    }
    return payloadBytes;
  }

  #regionRead(buffer: NativeBuffer, at: number, lengthBytes: number, out: OutQueue, replyAt: number): number {
    if (lengthBytes < REGION_ACCESS.sizeBytes) {
      return REFUSED;
    }
    const { view } = buffer;
    const offset = REGION_ACCESS_OFFSET.value(view, at);
    const region = REGION_ACCESS_REGION.value(view, at);
    const count = REGION_ACCESS_LENGTH.value(view, at);
    if (count > TRANSFER_BYTES_MAX || this.#access.check(region, offset, count) !== 0) {
      return REFUSED;
    }
    const { bytes } = out;
    copyHead(bytes, replyAt, buffer.bytes, at);
    this.#access.read(region, offset, count, bytes, replyAt + REGION_ACCESS.sizeBytes);
    return REGION_ACCESS.sizeBytes + count;
  }

  #regionWrite(
    buffer: NativeBuffer,
    at: number,
    lengthBytes: number,
    out: OutQueue,
    replyAt: number,
  ): number {
    if (lengthBytes < REGION_ACCESS.sizeBytes) {
      return REFUSED;
    }
    const { view } = buffer;
    const offset = REGION_ACCESS_OFFSET.value(view, at);
    const region = REGION_ACCESS_REGION.value(view, at);
    const count = REGION_ACCESS_LENGTH.value(view, at);
    if (
      count > TRANSFER_BYTES_MAX ||
      lengthBytes !== REGION_ACCESS.sizeBytes + count ||
      this.#access.check(region, offset, count) !== 0
    ) {
      return REFUSED;
    }
    copyHead(out.bytes, replyAt, buffer.bytes, at);
    this.#access.write(region, offset, count, buffer.bytes, at + REGION_ACCESS.sizeBytes);
    return REGION_ACCESS.sizeBytes;
  }

  /** Writes in order up to the first that is not one. */
  #regionWrites(buffer: NativeBuffer, at: number, lengthBytes: number): number {
    const { view } = buffer;
    if (lengthBytes < WRITE_MULTI.sizeBytes) {
      return REFUSED;
    }
    const number = WRITE_MULTI_NUMBER.value(view, at);
    if (lengthBytes !== WRITE_MULTI.sizeBytes + number * WRITE_MULTI_ENTRY_BYTES) {
      return REFUSED;
    }
    for (let i = 0; i < number; i++) {
      const place = at + WRITE_MULTI.sizeBytes + i * WRITE_MULTI_ENTRY_BYTES;
      const offset = REGION_ACCESS_OFFSET.value(view, place);
      const region = REGION_ACCESS_REGION.value(view, place);
      const count = REGION_ACCESS_LENGTH.value(view, place);
      if (count > WRITE_MULTI_DATA_BYTES || this.#access.check(region, offset, count) !== 0) {
        return REFUSED;
      }
      this.#access.write(region, offset, count, buffer.bytes, place + REGION_ACCESS.sizeBytes);
    }
    return 0;
  }

  #map(view: DataView, at: number, lengthBytes: number, descriptors: readonly number[]): number {
    if (lengthBytes < DMA_MAP.sizeBytes || descriptors.length > 1) {
      return REFUSED;
    }
    const addr = view.getBigUint64(at + DMA_MAP_ADDRESS.offset, true);
    const sizeBytes = view.getBigUint64(at + DMA_MAP_SIZE.offset, true);
    const offset = view.getBigUint64(at + DMA_MAP_OFFSET.offset, true);
    const isReadable = DMA_MAP_FLAGS.READ.read(view, at) === 1;
    const isWritable = DMA_MAP_FLAGS.WRITE.read(view, at) === 1;
    const fd = descriptors[0] ?? -1;
    const { memory, listener, device } = this.#parts;
    const { errno, refusal } = memory.map(this.#space, addr, sizeBytes, offset, isReadable, isWritable, fd);
    if (errno !== 0) {
      return -errno;
    }
    this.counters.maps++;
    listener?.onMap?.(
      device,
      Number(addr),
      Number(sizeBytes),
      !isWritable,
      fd < 0 ? 'no-descriptor' : refusal,
    );
    return 0;
  }

  #unmap(buffer: NativeBuffer, at: number, lengthBytes: number, out: OutQueue, replyAt: number): number {
    if (lengthBytes < DMA_UNMAP.sizeBytes) {
      return REFUSED;
    }
    const { view } = buffer;
    const addr = view.getBigUint64(at + DMA_UNMAP_ADDRESS.offset, true);
    const sizeBytes = view.getBigUint64(at + DMA_UNMAP_SIZE.offset, true);
    const { memory, listener, device } = this.#parts;
    memory.unmap(this.#space, addr, sizeBytes);
    this.counters.unmaps++;
    listener?.onUnmap?.(device, Number(addr), Number(sizeBytes));
    out.bytes.set(buffer.bytes.subarray(at, at + DMA_UNMAP.sizeBytes), replyAt);
    return DMA_UNMAP.sizeBytes;
  }

  #setIrqs(buffer: NativeBuffer, at: number, lengthBytes: number, descriptors: number[]): number {
    const { view } = buffer;
    if (lengthBytes < SET_IRQS.sizeBytes) {
      return REFUSED;
    }
    const data = SET_IRQS_FLAGS.Data.read(view, at);
    const count = SET_IRQS_VECTORS.value(view, at);
    const flagsAt = at + SET_IRQS.sizeBytes;
    if (data === IRQ_DATA.BOOL && lengthBytes !== SET_IRQS.sizeBytes + count) {
      return REFUSED;
    }
    const errno = this.#parts.interrupts.set(
      SET_IRQS_INDEX.value(view, at),
      data,
      SET_IRQS_FLAGS.Action.read(view, at),
      SET_IRQS_START.value(view, at),
      count,
      data === IRQ_DATA.BOOL ? buffer.bytes.subarray(flagsAt, flagsAt + count) : null,
      descriptors.splice(0),
    );
    return -errno;
  }

  #reset(): number {
    const { device, listener, interrupts } = this.#parts;
    device.onReset();
    interrupts.forget();
    this.counters.resets++;
    listener?.onReset?.(device, 'message');
    return 0;
  }
}

/** The answer to an access begins as its request does. */
function copyHead(into: Uint8Array, intoOffset: number, from: Uint8Array, fromOffset: number): void {
  for (let i = 0; i < REGION_ACCESS.sizeBytes; i++) {
    into[intoOffset + i] = from[fromOffset + i]!;
  }
}
