/** The machine that a transfer runs on: this one, or a lab. Other inputs tell of machines that are not here. */
import { UsageError } from '../../base/index.ts';
import type { Io } from '../io.ts';
import { type MachineOptions, type MachineSource, openMachine } from '../machine-input.ts';
import type { TransferMachine } from './machine.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface TransferMachineOptions extends MachineOptions {
  /** Real bytes instead of extents. */
  readonly bytes?: boolean;
  readonly writeImages?: boolean;
}

/** A machine with time. */
export interface TimingRequest {
  readonly engine: 'auto' | 'tlp' | 'flow';
  /** Of every request: what `auto` chooses by. */
  readonly blockBytes: number;
}

export const nowNs = (): number => performance.now() * 1e6;

/**
 * @param command  for messages
 * @param timing   of a lab: with time; null: without
 * @throws {UsageError} USAGE_MACHINE_NOT_TAKEN, USAGE_LAB_ONLY; what `openMachine` and a lab's boot throw
 */
export async function openTransferMachine(
  options: TransferMachineOptions,
  command: string,
  io: Pick<Io, 'err'>,
  timing: TimingRequest | null = null,
): Promise<TransferMachine> {
  return transferMachineOf(await openMachine(options), options, command, io, timing);
}

/** The same for what was looked at already; a pipe can be read once. */
export async function transferMachineOf(
  source: MachineSource,
  options: TransferMachineOptions,
  command: string,
  io: Pick<Io, 'err'>,
  timing: TimingRequest | null = null,
): Promise<TransferMachine> {
  switch (source.kind) {
    case 'live': {
      refuseLabOptions(options, command);
      const { LiveMachine } = await import('./live-machine.ts');
      return new LiveMachine();
    }
    case 'lab': {
      const { bootParsed, warnOfBoot } = await import('../lab/boot.ts');
      const { LabTransferMachine } = await import('./lab-machine.ts');
      const { engineFor, parseLab } = await import('../../lab/index.ts');
      const clock = timing === null ? null : new VirtualClock();
      const parsed = parseLab(source.text, source.path);
      const lab = bootParsed(source.path, parsed, {
        storage: options.bytes === true ? 'flat' : 'extents',
        images: options.writeImages === true ? 'write' : 'copy-on-write',
        ...(timing === null || clock === null
          ? {}
          : {
              timing: {
                engine: engineFor(parsed, timing.engine, [timing.blockBytes]),
              },
              turn: clock.turn,
            }),
      });
      clock?.attach(lab.machine.queue);
      warnOfBoot(lab, io);
      return new LabTransferMachine(lab, { writesImages: options.writeImages === true, nowNs, clock });
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
