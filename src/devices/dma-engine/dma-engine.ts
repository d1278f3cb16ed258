/**
 * The DMA engine: takes descriptors from a ring, reads the source, writes the target, marks the descriptor, interrupts.
 *
 * Each channel works on one descriptor at a time, through one buffer: the simplest client of peer memory that can be right.
 * Descriptors are taken and marked in the order of the ring; with several channels the bytes of one may move before those of
 * an earlier one. Registers and descriptors are `spec/dma-engine`.
 */
import { addressFromDwords } from '../../base/index.ts';
import {
  DONE,
  type EndpointModel,
  type ExpressDescription,
  type FunctionDescription,
  type FunctionPort,
  Memory,
  PENDING,
  type ResetKind,
  type Status,
  TRAFFIC,
} from '../../fabric/index.ts';
import {
  DESC_FLAGS,
  DESC_LENGTH,
  DESC_RESULT,
  DESC_SOURCE_HIGH,
  DESC_SOURCE_LOW,
  DESC_TARGET_HIGH,
  DESC_TARGET_LOW,
  DESCRIPTOR_BYTES,
  DMA_ENGINE_ID,
  DMA_ENGINE_REGISTERS,
  ENGINE_CAP,
  ENGINE_CTRL,
  ENGINE_HEAD,
  ENGINE_RESULT,
  ENGINE_RING_HIGH,
  ENGINE_RING_LOW,
  ENGINE_RING_SIZE,
  ENGINE_STATUS,
  ENGINE_TAIL,
  maxLengthBytes,
  ringEntries,
} from '../../spec/index.ts';
import { DeviceError } from '../nvme/index.ts';
import { Channel, STEP } from './channel.ts';

/** Codes of events. */
const EVENT = { DOORBELL: 0, STARTED: 1 } as const;

const BAR_BYTES = 4096 * 4;
const TABLE_OFFSET = 0x1000;
const PENDING_OFFSET = 0x2000;
const MAXLEN = 5;
const RINGMAX = 11;
const STEPS = 8;
const CHANNELS_MAX = 16;

export interface DmaEngineOptions {
  /** Descriptors that are worked on at the same time, 1 to 16; default 1. */
  readonly channels?: number;
  /** What a descriptor costs before it moves anything, in a timed machine; picoseconds, default 0. */
  readonly startPs?: number;
}

export class DmaEngine implements EndpointModel {
  readonly name: string;
  readonly description: FunctionDescription;
  readonly #registers = new DataView(new ArrayBuffer(DMA_ENGINE_REGISTERS.sizeBytes));
  readonly #channels: readonly Channel[];
  readonly #startPs: number;
  #port: FunctionPort | undefined;
  /** Counts runs of the ring; a completion of an earlier run is ignored. */
  #run = 0;
  /** Place in the ring of the next descriptor that a channel takes. */
  #next = 0;
  #isAsked = false;

  /**
   * @param storage of its buffers: `extents` keeps patterns, `flat` moves real bytes
   * @throws {DeviceError} DEVICE_OPTIONS
   */
  constructor(
    name: string,
    express: ExpressDescription | null,
    storage: 'flat' | 'extents',
    options: DmaEngineOptions = {},
  ) {
    this.name = name;
    const { channels = 1, startPs = 0 } = options;
    if (!(Number.isInteger(channels) && channels >= 1 && channels <= CHANNELS_MAX && startPs >= 0)) {
      throw new DeviceError('DEVICE_OPTIONS', {
        message: `a DMA engine with ${channels} channels and ${startPs} ps before a transfer`,
        detail: { channels, startPs },
        hint: `1 to ${CHANNELS_MAX} channels, and a time of 0 or more`,
      });
    }
    this.#startPs = startPs;
    const bufferBytes = maxLengthBytes(MAXLEN);
    this.#channels = Array.from(
      { length: channels },
      (_, index) =>
        new Channel(index, storage === 'flat' ? Memory.flat(bufferBytes) : Memory.extents(bufferBytes)),
    );
    this.description = {
      ...DMA_ENGINE_ID,
      subsystemVendorId: DMA_ENGINE_ID.vendorId,
      subsystemDeviceId: DMA_ENGINE_ID.deviceId,
      revision: 1,
      bars: [
        {
          index: 0,
          kind: 'memory',
          sizeBytes: BAR_BYTES,
          is64Bit: true,
          isPrefetchable: false,
          regions: [{ kind: 'registers', offsetBytes: 0, lengthBytes: DMA_ENGINE_REGISTERS.sizeBytes }],
        },
      ],
      interruptPin: 1,
      msix: {
        vectorCount: 1,
        tableBar: 0,
        tableOffsetBytes: TABLE_OFFSET,
        pendingBar: 0,
        pendingOffsetBytes: PENDING_OFFSET,
      },
      msiVectorCount: 1,
      express,
      sriov: null,
      serialNumber: null,
    };
    this.#clear();
  }

  attach(port: FunctionPort): void {
    this.#port = port;
  }

  detach(): void {
    this.#port = undefined;
    this.#stop();
  }

  reset(_kind: ResetKind): void {
    for (const channel of this.#channels) {
      channel.isInFlight = false;
    }
    this.#clear();
  }

  readRegister(_bar: number, offsetBytes: number, lengthBytes: number): number {
    if (lengthBytes !== 4) {
      return 0;
    }
    return this.#registers.getUint32(offsetBytes, true);
  }

  writeRegister(_bar: number, offsetBytes: number, lengthBytes: number, value: number): void {
    if (lengthBytes !== 4) {
      return;
    }
    const registers = this.#registers;
    switch (offsetBytes) {
      case ENGINE_CTRL.offset:
        ENGINE_CTRL.setValue(registers, value & 3);
        if (ENGINE_CTRL.EN.read(registers) === 1 && ENGINE_STATUS.RDY.read(registers) === 0) {
          ENGINE_STATUS.RDY.write(registers, 1);
        } else if (ENGINE_CTRL.EN.read(registers) === 0) {
          this.#stop();
        }
        break;
      case ENGINE_RING_SIZE.offset:
      case ENGINE_RING_LOW.offset:
      case ENGINE_RING_HIGH.offset:
        // The ring cannot be moved while it runs.
        if (ENGINE_CTRL.EN.read(registers) === 0) {
          registers.setUint32(
            offsetBytes,
            offsetBytes === ENGINE_RING_SIZE.offset ? Math.min(value & 15, RINGMAX) : value,
            true,
          );
        }
        break;
      case ENGINE_TAIL.offset:
        ENGINE_TAIL.setValue(registers, value % this.#entries);
        if (ENGINE_STATUS.value(registers) === 1 && !this.#isAsked && this.#hasIdle()) {
          this.#isAsked = true;
          this.#port?.executor.after(0, this, EVENT.DOORBELL, this.#token(0, STEP.IDLE));
        }
        break;
      default:
        break;
    }
  }

  /** The doorbell was rung, or the time of a channel before its transfer is over. */
  onEvent(code: number, token: number): void {
    if (this.#runOf(token) !== this.#run) {
      return;
    }
    if (code === EVENT.DOORBELL) {
      this.#isAsked = false;
    } else {
      this.#work(this.#channelOf(token), STEP.START, DONE);
    }
    this.#serve();
  }

  onDma(token: number, status: Status): void {
    const channel = this.#channelOf(token);
    channel.isInFlight = false;
    if (this.#runOf(token) === this.#run) {
      this.#work(channel, token % STEPS, status);
    }
    this.#serve();
  }

  get #entries(): number {
    return ringEntries(ENGINE_RING_SIZE.SIZE.read(this.#registers));
  }

  get #isRunning(): boolean {
    return ENGINE_STATUS.value(this.#registers) === 1 && ENGINE_CTRL.EN.read(this.#registers) === 1;
  }

  #token(channel: number, step: number): number {
    return (this.#run * CHANNELS_MAX + channel) * STEPS + step;
  }

  #runOf(token: number): number {
    return Math.floor(token / (CHANNELS_MAX * STEPS));
  }

  #channelOf(token: number): Channel {
    return this.#channels[Math.floor(token / STEPS) % CHANNELS_MAX]!;
  }

  #hasIdle(): boolean {
    return this.#channels.some((channel) => channel.step === STEP.IDLE);
  }

  /** Gives work to channels that have none, and their turn to those that wait for it. */
  #serve(): void {
    let hasMoved = true;
    while (hasMoved && this.#isRunning) {
      hasMoved = false;
      for (const channel of this.#channels) {
        if (channel.step === STEP.TURN && channel.entry === ENGINE_HEAD.value(this.#registers)) {
          hasMoved = true;
          this.#begin(channel, STEP.MARK);
        } else if (this.#hasWork(channel)) {
          hasMoved = true;
          channel.entry = this.#next;
          this.#next = (this.#next + 1) % this.#entries;
          this.#begin(channel, STEP.FETCH);
        }
      }
    }
  }

  #begin(channel: Channel, step: number): void {
    channel.step = step;
    const status = this.#start(channel, step);
    if (status === PENDING) {
      channel.isInFlight = step !== STEP.START;
    } else {
      this.#work(channel, step, status);
    }
  }

  /** Goes on from a step that has just ended with `status`, as far as it gets without waiting. */
  #work(channel: Channel, endedStep: number, endedStatus: Status): void {
    let step = endedStep;
    let status = endedStatus;
    for (;;) {
      // Another channel may have found the ring broken meanwhile.
      const next = this.#isRunning ? this.#afterStep(channel, step, status) : STEP.IDLE;
      channel.step = next;
      if (next === STEP.IDLE || next === STEP.TURN) {
        return;
      }
      status = this.#start(channel, next);
      if (status === PENDING) {
        channel.isInFlight = next !== STEP.START;
        return;
      }
      step = next;
    }
  }

  /** Takes the result of a step; returns the step to start now. */
  #afterStep(channel: Channel, step: number, status: Status): number {
    const { view } = channel;
    switch (step) {
      case STEP.FETCH: {
        if (status !== DONE) {
          return this.#ringFailed();
        }
        const length = DESC_LENGTH.value(view);
        if (length === 0 || length > channel.buffer.sizeBytes) {
          return this.#mark(channel, ENGINE_RESULT.BAD_LENGTH);
        }
        return this.#startPs > 0 ? STEP.START : STEP.READ;
      }
      case STEP.START:
        return STEP.READ;
      case STEP.READ:
        return status === DONE ? STEP.WRITE : this.#mark(channel, ENGINE_RESULT.READ_FAILED);
      case STEP.WRITE:
        return this.#mark(channel, status === DONE ? ENGINE_RESULT.DONE : ENGINE_RESULT.WRITE_FAILED);
      default:
        if (status !== DONE) {
          return this.#ringFailed();
        }
        ENGINE_HEAD.setValue(this.#registers, (channel.entry + 1) % this.#entries);
        if (DESC_FLAGS.IRQ.read(view) === 1 && ENGINE_CTRL.IE.read(this.#registers) === 1) {
          this.#port?.interrupt(0);
        }
        return STEP.IDLE;
    }
  }

  #start(channel: Channel, step: number): Status {
    const port = this.#port;
    if (port === undefined) {
      return PENDING;
    }
    const { view, descriptor, buffer } = channel;
    const token = this.#token(channel.index, step);
    const entry = this.#entryAddress(channel);
    switch (step) {
      case STEP.START:
        port.executor.after(this.#startPs, this, EVENT.STARTED, token);
        return PENDING;
      case STEP.FETCH:
        return port.dmaRead(entry, descriptor, 0, DESCRIPTOR_BYTES, TRAFFIC.CONTROL, token);
      case STEP.READ:
        return port.dmaRead(
          addressFromDwords(DESC_SOURCE_LOW.value(view), DESC_SOURCE_HIGH.value(view)),
          buffer,
          0,
          DESC_LENGTH.value(view),
          TRAFFIC.DATA,
          token,
        );
      case STEP.WRITE:
        return port.dmaWrite(
          addressFromDwords(DESC_TARGET_LOW.value(view), DESC_TARGET_HIGH.value(view)),
          buffer,
          0,
          DESC_LENGTH.value(view),
          TRAFFIC.DATA,
          token,
        );
      default:
        return port.dmaWrite(
          entry + DESC_RESULT.offset,
          descriptor,
          DESC_RESULT.offset,
          4,
          TRAFFIC.CONTROL,
          token,
        );
    }
  }

  #entryAddress(channel: Channel): number {
    const registers = this.#registers;
    return (
      addressFromDwords(ENGINE_RING_LOW.value(registers), ENGINE_RING_HIGH.value(registers)) +
      channel.entry * DESCRIPTOR_BYTES
    );
  }

  #hasWork(channel: Channel): boolean {
    return (
      channel.step === STEP.IDLE &&
      !channel.isInFlight &&
      this.#isRunning &&
      this.#next !== ENGINE_TAIL.value(this.#registers)
    );
  }

  /** Notes what became of a descriptor: it is marked when its turn has come. */
  #mark(channel: Channel, result: number): number {
    DESC_RESULT.setValue(channel.view, result);
    return channel.entry === ENGINE_HEAD.value(this.#registers) ? STEP.MARK : STEP.TURN;
  }

  #ringFailed(): number {
    ENGINE_STATUS.ERR.write(this.#registers, 1);
    return STEP.IDLE;
  }

  #stop(): void {
    this.#run++;
    this.#next = 0;
    this.#isAsked = false;
    for (const channel of this.#channels) {
      channel.step = STEP.IDLE;
    }
    ENGINE_STATUS.setValue(this.#registers, 0);
    ENGINE_HEAD.setValue(this.#registers, 0);
    ENGINE_TAIL.setValue(this.#registers, 0);
  }

  #clear(): void {
    this.#stop();
    new Uint8Array(this.#registers.buffer).fill(0);
    ENGINE_CAP.VERSION.write(this.#registers, 1);
    ENGINE_CAP.MAXLEN.write(this.#registers, MAXLEN);
    ENGINE_CAP.RINGMAX.write(this.#registers, RINGMAX);
  }
}
