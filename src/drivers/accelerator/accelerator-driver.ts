/**
 * Driver of the accelerator: compute commands on ranges of its controller memory.
 *
 * Where data lies in that memory is the caller's to decide, as is moving it: allocate peer memory of the accelerator's
 * function, let a drive fill it, compute, let another drive fetch the result (`offsetOf` translates).
 */
import type { Task } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import {
  COMPUTE_CDW10,
  COMPUTE_CDW11,
  COMPUTE_CDW12,
  COMPUTE_CDW13,
  COMPUTE_CDW14,
  COMPUTE_FUNCTION,
  COMPUTE_OPCODE,
  COMPUTE_STATUS,
} from '../../spec/index.ts';
import { Command, type CommandResult, lossError, type NvmeNamespace } from '../nvme/index.ts';

export class Accelerator {
  readonly #namespace: NvmeNamespace;

  /** Over an open namespace of the accelerator; closing it stays the caller's. */
  constructor(namespace: NvmeNamespace) {
    this.#namespace = namespace;
  }

  /**
   * Raw deflate of a range of controller memory into another.
   * @returns bytes of output; null when they are more than `capacityBytes`, and then nothing was written
   * @throws {NvmeError} NVME_COMMAND for ranges outside the memory or a device that cannot compress
   */
  *compress(
    sourceOffset: number,
    lengthBytes: number,
    targetOffset: number,
    capacityBytes: number,
  ): Task<number | null> {
    const { COMPRESS } = COMPUTE_FUNCTION;
    const result = yield* this.#run(COMPRESS, sourceOffset, lengthBytes, targetOffset, capacityBytes);
    return result.status === COMPUTE_STATUS.NO_ROOM ? null : result.dw0;
  }

  /** The reverse. @throws {NvmeError} NVME_COMMAND also for input that is no deflate stream or makes too much */
  *decompress(
    sourceOffset: number,
    lengthBytes: number,
    targetOffset: number,
    capacityBytes: number,
  ): Task<number> {
    const { DECOMPRESS } = COMPUTE_FUNCTION;
    const result = yield* this.#run(DECOMPRESS, sourceOffset, lengthBytes, targetOffset, capacityBytes);
    if (result.status !== 0) {
      throw failure(this.#namespace.label, result.status);
    }
    return result.dw0;
  }

  /** CRC-32C of a range of controller memory. @throws {NvmeError} NVME_COMMAND */
  *checksum(sourceOffset: number, lengthBytes: number): Task<number> {
    const result = yield* this.#run(COMPUTE_FUNCTION.CHECKSUM, sourceOffset, lengthBytes, 0, 0);
    return result.dw0;
  }

  *#run(fn: number, source: number, length: number, target: number, capacity: number): Task<CommandResult> {
    const command = new Command(COMPUTE_OPCODE, this.#namespace.nsid);
    const { view } = command;
    COMPUTE_CDW10.FUNC.write(view, fn);
    COMPUTE_CDW11.SOURCE.write(view, source);
    COMPUTE_CDW12.LENGTH.write(view, length);
    COMPUTE_CDW13.TARGET.write(view, target);
    COMPUTE_CDW14.CAPACITY.write(view, capacity);
    const { label, commands } = this.#namespace;
    const result = yield* commands.submit(command.bytes);
    if (result.loss !== null) {
      throw lossError(label, 'a compute command', result.loss);
    }
    if (result.status !== 0 && result.status !== COMPUTE_STATUS.NO_ROOM) {
      throw failure(label, result.status);
    }
    return result;
  }
}

function failure(label: string, status: number): NvmeError {
  return new NvmeError('NVME_COMMAND', {
    message: `${label}: a compute command failed with status 0x${status.toString(16)}`,
    hint: 'ranges must lie within the controller memory; input of decompress must be raw deflate',
    detail: { status },
    exitStatus: 3,
  });
}
