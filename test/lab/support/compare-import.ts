// A machine and the lab it was imported as, before the same kernel.
import type { Bdf } from '../../../src/base/index.ts';
import { importMachine } from '../../../src/lab/import/index.ts';
import { LabMachine } from '../../../src/lab/machine/index.ts';
import { judgeAll, rulesForMachine } from '../../../src/p2pdma/index.ts';
import { type Machine, MachineIndex } from '../../../src/topology/index.ts';

/** Addresses in the lab of the functions that are in both, virtual ones by their place behind the physical one. */
function addressesInLab(
  machine: Machine,
  booted: LabMachine,
  nodes: ReadonlyMap<Bdf, object>,
): Map<Bdf, Bdf> {
  const ofNode = new Map<object, Bdf>(booted.members.map(({ node, bdf }) => [node, bdf]));
  const there = booted.machine();
  const vfsOf = (of: Machine, physical: Bdf): Bdf[] =>
    of.functions.filter((fn) => fn.physicalFunction === physical).map(({ bdf }) => bdf);
  const addresses = new Map<Bdf, Bdf>();
  for (const [bdf, node] of nodes) {
    const other = ofNode.get(node);
    if (other !== undefined) {
      addresses.set(bdf, other);
      const vfs = vfsOf(there, other);
      vfsOf(machine, bdf).forEach((vf, index) => {
        if (vfs[index] !== undefined) {
          addresses.set(vf, vfs[index]);
        }
      });
    }
  }
  return addresses;
}

/** Pairs of functions that both have, and where the kernel would say something else of them in the lab. */
export function compareImport(machine: Machine): { known: number; functions: number; differences: string[] } {
  const { lab, notes, nodes } = importMachine(machine);
  const booted = LabMachine.boot(lab, { label: 'imported' });
  const addresses = addressesInLab(machine, booted, nodes);
  const [here, there] = [new MachineIndex(machine), new MachineIndex(booted.machine())];
  const rules = rulesForMachine(booted.machine());
  const [ours, theirs] = [judgeAll(here, rules), judgeAll(there, rules)];
  const differences: string[] = [];
  let known = 0;
  // A note says where a lab needs a hop more or less than the machine has.
  const hasOtherHops = notes.some((line) => /one hop (more|less)|distances are smaller/.test(line));
  for (const [provider, providerThere] of addresses) {
    for (const [client, clientThere] of addresses) {
      const a = ours.at(here.position(provider), here.position(client));
      const b = theirs.at(there.position(providerThere), there.position(clientThere));
      // What the machine leaves open, the lab had to decide.
      const isKnown = a.mapType !== 'unknown' && a.distance !== null;
      isKnown && known++;
      if (isKnown && (a.mapType !== b.mapType || (!hasOtherHops && a.distance !== b.distance))) {
        differences.push(
          `${provider} -> ${client}: ${a.mapType} ${a.distance}, in the lab ${b.mapType} ${b.distance}`,
        );
      }
    }
  }
  return { known, functions: addresses.size, differences };
}
