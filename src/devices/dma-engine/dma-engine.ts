/**
 * The DMA engine: takes descriptors from a ring, reads the source, writes the target, marks the descriptor, interrupts.
 *
 * One descriptor at a time and strictly in order, through one buffer: the simplest client of peer memory that can be right.
 * Registers and descriptors are `spec/dma-engine`.
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

/** What the engine is waiting for; also the token of the DMA under way, beside the run it belongs to. */
const STEP = { IDLE: 0, FETCH: 1, READ: 2, WRITE: 3, MARK: 4 } as const;

const BAR_BYTES = 4096 * 4;
const TABLE_OFFSET = 0x1000;
const PENDING_OFFSET = 0x2000;
const MAXLEN = 5;
const RINGMAX = 11;

export class DmaEngine implements EndpointModel {
  readonly name: string;
  readonly description: FunctionDescription;
  readonly #registers = new DataView(new ArrayBuffer(DMA_ENGINE_REGISTERS.sizeBytes));
  /** The descriptor in hand. */
  readonly #descriptor = Memory.flat(DESCRIPTOR_BYTES);
  readonly #view: DataView;
  readonly #buffer: Memory;
  #port: FunctionPort | undefined;
  #step: number = STEP.IDLE;
  /** Counts runs of the ring; a completion of an earlier run is ignored. */
  #run = 0;
  /** The fabric still owns descriptor or buffer, perhaps for a run that was stopped. */
  #isInFlight = false;

  /** @param storage of its buffer: `extents` keeps patterns, `flat` moves real bytes */
  constructor(name: string, express: ExpressDescription | null, storage: 'flat' | 'extents') {
    this.name = name;
    this.#buffer =
      storage === 'flat' ? Memory.flat(maxLengthBytes(MAXLEN)) : Memory.extents(maxLengthBytes(MAXLEN));
    const bytes = this.#descriptor.flat!;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    this.#isInFlight = false;
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
        if (ENGINE_STATUS.value(registers) === 1 && this.#step === STEP.IDLE) {
          this.#port?.executor.after(0, this, 0, this.#run);
        }
        break;
      default:
        break;
    }
  }

  /** The doorbell was rung. */
  onEvent(_code: number, run: number): void {
    if (run === this.#run && this.#step === STEP.IDLE) {
      this.#work(STEP.IDLE, DONE);
    }
  }

  onDma(token: number, status: Status): void {
    this.#isInFlight = false;
    if (Math.floor(token / 8) === this.#run) {
      this.#work(token % 8, status);
    } else {
      this.#work(STEP.IDLE, DONE);
    }
  }

  get #entries(): number {
    return ringEntries(ENGINE_RING_SIZE.SIZE.read(this.#registers));
  }

  /** Goes on from a step that has just ended with `status`, as far as it gets without waiting. */
  #work(endedStep: number, endedStatus: Status): void {
    let step = endedStep;
    let status = endedStatus;
    for (;;) {
      this.#step = STEP.IDLE;
      const next = this.#afterStep(step, status);
      if (next === STEP.IDLE) {
        return;
      }
      this.#step = next;
      status = this.#start(next);
      if (status === PENDING) {
        this.#isInFlight = true;
        return;
      }
      step = next;
    }
  }

  /** Takes the result of a step; returns the step to start now. */
  #afterStep(step: number, status: Status): number {
    const view = this.#view;
    switch (step) {
      case STEP.IDLE:
        return this.#hasWork() ? STEP.FETCH : STEP.IDLE;
      case STEP.FETCH: {
        if (status !== DONE) {
          return this.#ringFailed();
        }
        const length = DESC_LENGTH.value(view);
        if (length === 0 || length > this.#buffer.sizeBytes) {
          return this.#mark(ENGINE_RESULT.BAD_LENGTH);
        }
        return STEP.READ;
      }
      case STEP.READ:
        return status === DONE ? STEP.WRITE : this.#mark(ENGINE_RESULT.READ_FAILED);
      case STEP.WRITE:
        return this.#mark(status === DONE ? ENGINE_RESULT.DONE : ENGINE_RESULT.WRITE_FAILED);
      default:
        if (status !== DONE) {
          return this.#ringFailed();
        }
        ENGINE_HEAD.setValue(this.#registers, (ENGINE_HEAD.value(this.#registers) + 1) % this.#entries);
        if (DESC_FLAGS.IRQ.read(view) === 1 && ENGINE_CTRL.IE.read(this.#registers) === 1) {
          this.#port?.interrupt(0);
        }
        return this.#hasWork() ? STEP.FETCH : STEP.IDLE;
    }
  }

  #start(step: number): Status {
    const port = this.#port;
    if (port === undefined) {
      return PENDING;
    }
    const view = this.#view;
    const token = this.#run * 8 + step;
    const entry = this.#entryAddress();
    switch (step) {
      case STEP.FETCH:
        return port.dmaRead(entry, this.#descriptor, 0, DESCRIPTOR_BYTES, TRAFFIC.CONTROL, token);
      case STEP.READ:
        return port.dmaRead(
          addressFromDwords(DESC_SOURCE_LOW.value(view), DESC_SOURCE_HIGH.value(view)),
          this.#buffer,
          0,
          DESC_LENGTH.value(view),
          TRAFFIC.DATA,
          token,
        );
      case STEP.WRITE:
        return port.dmaWrite(
          addressFromDwords(DESC_TARGET_LOW.value(view), DESC_TARGET_HIGH.value(view)),
          this.#buffer,
          0,
          DESC_LENGTH.value(view),
          TRAFFIC.DATA,
          token,
        );
      default:
        return port.dmaWrite(
          entry + DESC_RESULT.offset,
          this.#descriptor,
          DESC_RESULT.offset,
          4,
          TRAFFIC.CONTROL,
          token,
        );
    }
  }

  #entryAddress(): number {
    const registers = this.#registers;
    return (
      addressFromDwords(ENGINE_RING_LOW.value(registers), ENGINE_RING_HIGH.value(registers)) +
      ENGINE_HEAD.value(registers) * DESCRIPTOR_BYTES
    );
  }

  #hasWork(): boolean {
    const registers = this.#registers;
    return (
      !this.#isInFlight &&
      ENGINE_STATUS.value(registers) === 1 &&
      ENGINE_CTRL.EN.read(registers) === 1 &&
      ENGINE_HEAD.value(registers) !== ENGINE_TAIL.value(registers)
    );
  }

  #mark(result: number): number {
    DESC_RESULT.setValue(this.#view, result);
    return STEP.MARK;
  }

  #ringFailed(): number {
    ENGINE_STATUS.ERR.write(this.#registers, 1);
    return STEP.IDLE;
  }

  #stop(): void {
    this.#run++;
    this.#step = STEP.IDLE;
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
