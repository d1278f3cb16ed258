// Machines that were recorded: those of the repository, and more where the test data is.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { boundedGunzip } from '../../../src/linux/index.ts';
import { archiveTree, type Machine, readSysfs, readTextBytes } from '../../../src/topology/index.ts';
import { hasTestdata, testdataPath } from '../../support/testdata.ts';

export interface RecordedMachine {
  readonly name: string;
  readonly open: () => Machine;
}

const golden = fileURLToPath(new URL('../../golden/kernel-verdicts/', import.meta.url));
const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));

function archivesOf(folder: string): RecordedMachine[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tar.gz'))
    .map((name) => ({ name, open: () => openArchive(`${folder}/${name}`, name) }));
}

function openArchive(path: string, name: string): Machine {
  const tree = archiveTree(readFileSync(path), name, { gunzip: boundedGunzip });
  return readSysfs(tree, { kind: 'archive' });
}

export const recordedMachines: readonly RecordedMachine[] = [...archivesOf(golden), ...archivesOf(examples)];

/** Empty, with a visible line, where there is no test data. */
export function otherMachines(): RecordedMachine[] {
  const topologies = ['data', 'topologies'] as const;
  if (!hasTestdata(...topologies)) {
    return [];
  }
  const texts = ['lspci-hex', 'lspci-text', 'hwloc-xml', 'nccl-xml', 'udev'].flatMap((kind) => {
    const folder = testdataPath(...topologies, kind);
    // A graph has no devices.
    return readdirSync(folder)
      .filter((name) => !name.includes('graph'))
      .map((name) => ({
        name: `${kind}/${name}`,
        open: () => openText(`${folder}/${name}`, name),
      }));
  });
  return [...archivesOf(testdataPath(...topologies, 'sysfs')), ...texts];
}

function openText(path: string, name: string): Machine {
  return readTextBytes(readFileSync(path), name);
}
