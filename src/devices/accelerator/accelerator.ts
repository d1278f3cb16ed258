/**
 * The accelerator of the Eideticom text: an NVMe controller with a compute namespace, which takes its input from and leaves
 * its output in its own controller memory. Drives fill and empty that memory as peers, so data that is compressed on its way
 * from drive to drive never touches host memory.
 */
import { Memory } from '../../fabric/index.ts';
import { DeviceError, NvmeController, type NvmeOptions } from '../nvme/index.ts';
import { type Codec, ComputeUnit } from './compute-unit.ts';

export interface AcceleratorOptions {
  /** Must have a CMB. */
  readonly nvme: NvmeOptions;
  /** Null: compress and decompress are not offered. */
  readonly codec: Codec | null;
  readonly hasChecksum: boolean;
}

/** @throws {DeviceError} DEVICE_OPTIONS without a CMB */
export function createAccelerator(options: AcceleratorOptions): NvmeController {
  const { cmb } = options.nvme;
  if (cmb === undefined) {
    throw new DeviceError('DEVICE_OPTIONS', {
      message: 'an accelerator without a controller memory buffer has no place for its data',
      hint: 'give it a cmb',
    });
  }
  const memory = cmb.memory ?? Memory.extents(cmb.sizeBytes);
  return new NvmeController(
    { ...options.nvme, cmb: { ...cmb, memory } },
    {
      extendIo: (inner, services) =>
        new ComputeUnit(inner, {
          memory,
          codec: options.codec,
          hasChecksum: options.hasChecksum,
          isActive: (nsid) => services.namespace(nsid) !== undefined,
          executor: services.port.executor,
          complete: (command) => services.complete(command),
        }),
    },
  );
}
