/** The machine that a transfer runs on: this one, or a lab. Other inputs tell of machines that are not here. */
import { UsageError } from '../../base/index.ts';
import type { Io } from '../io.ts';
import { type MachineOptions, openMachine } from '../machine-input.ts';
import type { TransferMachine } from './machine.ts';

export interface TransferMachineOptions extends MachineOptions {
  /** Real bytes instead of extents. */
  readonly bytes?: boolean;
  readonly writeImages?: boolean;
}

export const nowNs = (): number => performance.now() * 1e6;

/**
 * @param command  for messages
 * @throws {UsageError} USAGE_MACHINE_NOT_TAKEN, USAGE_LAB_ONLY; what `openMachine` and a lab's boot throw
 */
export async function openTransferMachine(
  options: TransferMachineOptions,
  command: string,
  io: Pick<Io, 'err'>,
): Promise<TransferMachine> {
  const source = await openMachine(options);
  switch (source.kind) {
    case 'live': {
      refuseLabOptions(options, command);
      const { LiveMachine } = await import('./live-machine.ts');
      return new LiveMachine();
    }
    case 'lab': {
      const { bootLab, warnOfBoot } = await import('../lab/boot.ts');
      const { LabTransferMachine } = await import('./lab-machine.ts');
      const lab = bootLab(source.path, source.text, {
        storage: options.bytes === true ? 'flat' : 'extents',
        images: options.writeImages === true ? 'write' : 'copy-on-write',
      });
      warnOfBoot(lab, io);
      return new LabTransferMachine(lab, { writesImages: options.writeImages === true, nowNs });
    }
    default:
      throw new UsageError('USAGE_MACHINE_NOT_TAKEN', {
        message: `${command} moves data on this machine or on a lab, and ${source.path} is neither`,
        hint: '`peerlane import` makes a lab of a snapshot; without -m it is this machine',
        detail: { command, where: source.path },
      });
  }
}

function refuseLabOptions(options: TransferMachineOptions, command: string): void {
  const given = options.bytes === true ? '--bytes' : options.writeImages === true ? '--write-images' : null;
  if (given !== null) {
    throw new UsageError('USAGE_LAB_ONLY', {
      message: `${given} is for labs, and this ${command} is on the real machine`,
      hint: `name the lab: peerlane lab FILE.yaml ${command}`,
      detail: { option: given, command },
    });
  }
}
