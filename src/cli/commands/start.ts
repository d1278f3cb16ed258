/** `npm start` and `peerlane demo`: the main job on what is at hand. */
import { fileURLToPath } from 'node:url';
import { PeerlaneError } from '../../base/index.ts';
import { judgeAll, rulesForMachine } from '../../p2pdma/index.ts';
import { type Machine, MachineIndex } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { readMachine } from '../machine-input.ts';
import { styleFor } from '../render/style.ts';
import { check } from './check.ts';
import { fix } from './fix.ts';
import { matrix, matrixFunctions } from './matrix.ts';
import { topo } from './topo.ts';

/** A machine of our own laboratory: an Intel box with two switches, drives with controller memory, and ACS in the way. */
const EXAMPLE_NAME = 'examples/two-switches.tar.gz';
const EXAMPLE = fileURLToPath(new URL(`../../../${EXAMPLE_NAME}`, import.meta.url));

/** Two drives behind one switch that redirects what goes from one to the other. */
const EXAMPLE_PAIR = { provider: 'nvme0', client: 'nvme1' };

/** The verdicts of this machine if it has PCI devices; the demo where there is nothing, or nothing that could be shown working. */
export async function start(io: Io): Promise<number> {
  const { bold } = styleFor(io);
  const usablePairs = usablePairsHere();
  if (usablePairs === null) {
    await io.out('This machine has no PCI devices to speak of; here is one from the laboratory instead.\n\n');
    return demo(io);
  }
  await io.out(`${bold('This machine')}: which devices can reach each other\n\n`);
  await matrix({}, io);
  if (usablePairs === 0) {
    await io.out(
      `\n${bold('No two devices here can')}; on a laboratory machine some can, and some could:\n\n`,
    );
    await demo(io);
  }
  await io.out(
    `\n${bold('Next')}: peerlane topo | check A B | fix A B | demo (a larger machine)   [npx peerlane --help]\n`,
  );
  return 0;
}

export async function demo(io: Io): Promise<number> {
  const { bold } = styleFor(io);
  const { provider, client } = EXAMPLE_PAIR;
  const machine = { machine: EXAMPLE };
  const title = (text: string, command: string): string =>
    `${bold(text)}: peerlane -m ${EXAMPLE_NAME} ${command}\n\n`;
  await io.out(title('1. The tree', 'topo'));
  await topo(machine, io);
  await io.out(`\n${title('2. Every pair', 'matrix')}`);
  await matrix(machine, io);
  await io.out(`\n${title('3. One pair, and why not', `check ${provider} ${client}`)}`);
  await check(provider, [client], machine, io);
  await io.out(`\n${title('4. What to change', `fix ${provider} ${client}`)}`);
  await fix(provider, client, machine, io);
  return 0;
}

/** Pairs of different devices of this machine that are known to be usable; null where there are no two devices. */
function usablePairsHere(): number | null {
  let machine: Machine;
  try {
    machine = readMachine('live');
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
