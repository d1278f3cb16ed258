/**
 * The compute namespace: executes the compute command on the controller's own memory and hands everything else on to the NVM
 * command set.
 *
 * The codec comes from outside (Node's zlib at the edge); the checksum is computed here.
 */
import { type EventHandler, type Executor, type Memory, PENDING, type Status } from '../../fabric/index.ts';
import {
  COMPUTE_CDW10,
  COMPUTE_CDW11,
  COMPUTE_CDW12,
  COMPUTE_CDW13,
  COMPUTE_CDW14,
  COMPUTE_FUNCTION,
  COMPUTE_OPCODE,
  COMPUTE_STATUS,
  NVME_STATUS,
} from '../../spec/index.ts';
import type { Command, IoExecutor } from '../nvme/index.ts';
import { crc32c } from './crc32c.ts';

/** Raw deflate. Both may throw: that is a bad input. */
export interface Codec {
  compress(bytes: Uint8Array): Uint8Array;
  /** Must not make more than `lengthMax` bytes; throws instead. */
  decompress(bytes: Uint8Array, lengthMax: number): Uint8Array;
}

export interface ComputeUnitOptions {
  /** The CMB. */
  readonly memory: Memory;
  /** Null: compress and decompress are not offered. */
  readonly codec: Codec | null;
  readonly hasChecksum: boolean;
  readonly isActive: (nsid: number) => boolean;
  readonly executor: Executor;
  readonly complete: (command: Command) => void;
}

/** What a byte costs the unit, in a timed machine: 4 GB/s. One command after the other. */
const PS_PER_BYTE = 250;

export class ComputeUnit implements IoExecutor, EventHandler {
  readonly #inner: IoExecutor;
  readonly #options: ComputeUnitOptions;
  /** Commands being worked on, by slot. */
  readonly #running = new Map<number, Command>();
  /** When the unit has done what it was given. */
  #freePs = 0;
  /** Events of before a reset mean nothing. */
  #epoch = 0;

  constructor(inner: IoExecutor, options: ComputeUnitOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  execute(command: Command): Status {
    if (command.opcode !== COMPUTE_OPCODE) {
      return this.#inner.execute(command);
    }
    this.#running.set(command.index, command);
    const { executor, memory } = this.#options;
    const length = COMPUTE_CDW12.LENGTH.read(command.view, command.base);
    // More than there is will be refused, and costs nothing.
    const costPs = length <= memory.sizeBytes ? length * PS_PER_BYTE : 0;
    this.#freePs = Math.max(executor.nowPs, this.#freePs) + costPs;
    executor.after(this.#freePs - executor.nowPs, this, this.#epoch, command.index);
    return PENDING;
  }

  executeFused(first: Command, second: Command): Status {
    return this.#inner.executeFused!(first, second);
  }

  cancel(command: Command): void {
    // The unit is not interrupted: the command ends in its time.
    if (!this.#running.has(command.index)) {
      this.#inner.cancel?.(command);
    }
  }

  isIdle(nsid: number): boolean {
    return this.#inner.isIdle?.(nsid) ?? true;
  }

  reset(): void {
    this.#epoch++;
    this.#freePs = 0;
    this.#running.clear();
    this.#inner.reset?.();
  }

  onEvent(epoch: number, index: number): void {
    const command = this.#running.get(index);
    if (epoch !== this.#epoch || command === undefined) {
      return;
    }
    this.#running.delete(index);
    this.#compute(command);
    this.#options.complete(command);
  }

  #compute(command: Command): void {
    const { view, base } = command;
    const { memory, codec, hasChecksum, isActive } = this.#options;
    const length = COMPUTE_CDW12.LENGTH.read(view, base);
    const source = COMPUTE_CDW11.SOURCE.read(view, base);
    if (!isActive(command.nsid)) {
      command.fail(NVME_STATUS.INVALID_NAMESPACE);
      return;
    }
    if (length === 0 || source + length > memory.sizeBytes) {
      command.failField(NVME_STATUS.INVALID_FIELD, length === 0 ? 12 : 11, 0);
      return;
    }
    const input = new Uint8Array(length);
    memory.read(source, input, 0, length);
    const fn = COMPUTE_CDW10.FUNC.read(view, base);
    if (fn === COMPUTE_FUNCTION.CHECKSUM && hasChecksum) {
      command.dw0 = crc32c(input);
    } else if (fn === COMPUTE_FUNCTION.COMPRESS && codec !== null) {
      this.#output(command, () => codec.compress(input));
    } else if (fn === COMPUTE_FUNCTION.DECOMPRESS && codec !== null) {
      const capacity = COMPUTE_CDW14.CAPACITY.read(view, base);
      this.#output(command, () => codec.decompress(input, capacity));
    } else {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
    }
  }

  #output(command: Command, make: () => Uint8Array): void {
    const { view, base } = command;
    const { memory } = this.#options;
    const target = COMPUTE_CDW13.TARGET.read(view, base);
    const capacity = COMPUTE_CDW14.CAPACITY.read(view, base);
    if (target + capacity > memory.sizeBytes) {
      command.failField(NVME_STATUS.INVALID_FIELD, 13, 0);
      return;
    }
    let output: Uint8Array;
    try {
      output = make();
    } catch {
      command.fail(COMPUTE_STATUS.BAD_INPUT);
      return;
    }
    if (output.length > capacity) {
      command.fail(COMPUTE_STATUS.NO_ROOM);
      return;
    }
    memory.write(target, output, 0, output.length);
    command.dw0 = output.length;
  }
}
