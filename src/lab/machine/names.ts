/** What functions of a lab machine are called. */
import { type Bdf, compareBdf } from '../../base/index.ts';
import type { Machine, MachineFunction } from '../../topology/index.ts';
import type { BoundDisk } from './iopmem-disks.ts';
import type { LabMember } from './lab-machine.ts';

/** The names of the lab file, and `nic0vf0`, `nic0vf1`, … for virtual functions in the order of their addresses. */
export function labNames(
  members: readonly Pick<LabMember, 'node' | 'bdf'>[],
  functions: readonly MachineFunction[],
): ReadonlyMap<Bdf, string> {
  const names = new Map<Bdf, string>();
  for (const { node, bdf } of members) {
    if (node.name !== null) {
      names.set(bdf, node.name);
    }
  }
  const counts = new Map<Bdf, number>();
  const virtual = functions.filter(({ physicalFunction }) => physicalFunction != null);
  for (const { bdf, physicalFunction } of virtual.sort((a, b) => compareBdf(a.bdf, b.bdf))) {
    const owner = names.get(physicalFunction!);
    if (owner !== undefined) {
      const index = counts.get(physicalFunction!) ?? 0;
      counts.set(physicalFunction!, index + 1);
      names.set(bdf, `${owner}vf${index}`);
    }
  }
  return names;
}

/** The machine with the names of the lab file, also of bridges, virtual functions and devices that Linux would not name. */
export function withLabNames(
  machine: Machine,
  members: readonly Pick<LabMember, 'node' | 'bdf'>[],
  disks: readonly BoundDisk[],
): Machine {
  const names = labNames(members, machine.functions);
  return {
    ...machine,
    functions: machine.functions.map((fn) => {
      const own = names.get(fn.bdf);
      const lent = disks.filter(({ disk }) => disk?.provider === fn.bdf).map(({ name }) => name);
      const added = [...(own === undefined ? [] : [own]), ...lent]
        .filter((name) => !fn.classNames.some((known) => known.name === name))
        .map((name) => ({ subsystem: 'lab', name }));
      return added.length === 0 ? fn : { ...fn, classNames: [...added, ...fn.classNames] };
    }),
  };
}
