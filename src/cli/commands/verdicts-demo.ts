/** `peerlane demo --verdicts`: what the reading commands say of a recorded machine that comes with peerlane. */
import { fileURLToPath } from 'node:url';
import type { Io } from '../io.ts';
import { styleFor } from '../render/style.ts';
import { check } from './check.ts';
import { fix } from './fix.ts';
import { matrix } from './matrix.ts';
import { topo } from './topo.ts';

/** A machine of our own laboratory: an Intel box with two switches, drives with controller memory, and ACS in the way. */
const EXAMPLE_NAME = 'examples/two-switches.tar.gz';
const EXAMPLE = fileURLToPath(new URL(`../../../${EXAMPLE_NAME}`, import.meta.url));

/** Two drives behind one switch that redirects what goes from one to the other. */
const EXAMPLE_PAIR = { provider: 'nvme0', client: 'nvme1' };

export async function verdictsDemo(io: Io): Promise<number> {
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
