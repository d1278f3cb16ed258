/** What faults did in a run, and what drivers made of it. */
import type { FaultEntry } from '../faults/index.ts';
import type { LabMachine } from '../machine/index.ts';

export interface FaultsReport {
  readonly rules: readonly FaultEntry[];
  /** Of drivers that noticed something. */
  readonly drivers: readonly DriverReaction[];
}

export interface DriverReaction {
  readonly device: string;
  /** Controller resets since the machine was booted. */
  readonly resets: number;
  /** What the driver saw and survived: how often, and the first of it. */
  readonly anomalies: readonly { readonly kind: string; readonly count: number; readonly first: string }[];
}

/** Null where the machine has no faults. */
export function faultsReport(machine: LabMachine): FaultsReport | null {
  const rules = machine.faults.list();
  if (rules.length === 0) {
    return null;
  }
  const drivers = machine.members.flatMap(({ node, bdf }): DriverReaction[] => {
    const nvme = machine.boundAt(bdf)?.nvme;
    if (nvme == null) {
      return [];
    }
    const { anomalies, resetCount } = nvme;
    const kinds = new Map([...anomalies.told].reverse().map(({ kind, message }) => [kind, message] as const));
    return resetCount === 0 && kinds.size === 0
      ? []
      : [
          {
            device: node.name!,
            resets: resetCount,
            anomalies: [...kinds]
              .map(([kind, first]) => ({ kind, count: anomalies.count(kind), first }))
              .reverse(),
          },
        ];
  });
  return { rules, drivers };
}
