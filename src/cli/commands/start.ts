/** `npm start`: the demo, and a line about the machine that it runs on. */
import { PeerlaneError } from '../../base/index.ts';
import { judgeAll, rulesForMachine } from '../../p2pdma/index.ts';
import { type Machine, MachineIndex } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { readMachine } from '../machine-input.ts';
import { styleFor } from '../render/style.ts';
import { DEMO_DEFAULTS, demo } from './demo.ts';
import { matrixFunctions } from './matrix.ts';

export async function start(io: Io): Promise<number> {
  const { bold } = styleFor(io);
  const status = await demo(DEMO_DEFAULTS, io);
  const usablePairs = await usablePairsHere();
  await io.out(
    usablePairs === null || usablePairs === 0
      ? `\n${bold('All commands')}: npx peerlane --help\n`
      : `\n${bold('This machine')} has ${usablePairs} pair${usablePairs === 1 ? '' : 's'} of devices that can reach each other: npx peerlane matrix   [all commands: --help]\n`,
  );
  return status;
}

/** Pairs of different devices of this machine that are known to be usable; null where there are no two devices. */
async function usablePairsHere(): Promise<number | null> {
  let machine: Machine;
  try {
    machine = await readMachine('live', { err: () => {} });
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return null;
    }
    throw error;
  }
  const index = new MachineIndex(machine);
  const devices = matrixFunctions(machine.functions, false).map((fn) => index.position(fn.bdf));
  if (devices.length < 2) {
    return null;
  }
  const table = judgeAll(index, rulesForMachine(machine));
  let count = 0;
  for (const provider of devices) {
    for (const client of devices) {
      count += provider !== client && table.at(provider, client).usable === true ? 1 : 0;
    }
  }
  return count;
}
