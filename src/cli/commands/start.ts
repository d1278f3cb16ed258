/** `npm start` and `peerlane demo`: the main job on what is at hand. */
import { fileURLToPath } from 'node:url';
import { PeerlaneError } from '../../base/index.ts';
import type { Io } from '../io.ts';
import { readMachine } from '../machine-input.ts';
import { styleFor } from '../render/style.ts';
import { check } from './check.ts';
import { matrix, matrixFunctions } from './matrix.ts';
import { topo } from './topo.ts';

/** A machine of our own laboratory: an Intel box with switches, drives with controller memory, and ACS in the way. */
const EXAMPLE = fileURLToPath(new URL('../../../examples/lab-haswell.tar.gz', import.meta.url));

/** The two functions that the example explains. */
const EXAMPLE_PAIR = { provider: 'nvme0', client: 'nvme1' };

/** The verdicts of this machine if it has PCI devices, else the demo. */
export async function start(io: Io): Promise<number> {
  const { bold } = styleFor(io);
  const isUseful = hasDevices();
  if (!isUseful) {
    await io.out('This machine has no PCI devices to speak of; here is one from the laboratory instead.\n\n');
    return demo(io);
  }
  await io.out(`${bold('This machine')}: which devices can reach each other\n\n`);
  await matrix({}, io);
  await io.out(
    `\n${bold('Next')}: peerlane topo | check A B | fix A B | demo (a larger machine)   [npx peerlane --help]\n`,
  );
  return 0;
}

export async function demo(io: Io): Promise<number> {
  const { bold } = styleFor(io);
  await io.out(`${bold('1. The tree')}: peerlane -m examples/lab-haswell.tar.gz topo\n\n`);
  await topo({ machine: EXAMPLE }, io);
  await io.out(`\n${bold('2. Every pair')}: peerlane -m examples/lab-haswell.tar.gz matrix\n\n`);
  await matrix({ machine: EXAMPLE }, io);
  await io.out(
    `\n${bold('3. One pair')}: peerlane -m examples/lab-haswell.tar.gz check ${EXAMPLE_PAIR.provider} ${EXAMPLE_PAIR.client}\n\n`,
  );
  await check(EXAMPLE_PAIR.provider, [EXAMPLE_PAIR.client], { machine: EXAMPLE }, io);
  return 0;
}

function hasDevices(): boolean {
  try {
    return matrixFunctions(readMachine('live').functions, false).length >= 2;
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return false;
    }
    throw error;
  }
}
