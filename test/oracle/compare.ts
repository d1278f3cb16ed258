/** Peerlane's answers beside a running kernel's, for one machine. */
import { gunzipSync } from 'node:zlib';
import { toBdf } from '../../src/base/index.ts';
import { judge, judgeAll, rulesForMachine } from '../../src/p2pdma/index.ts';
import { archiveTree, type Machine, MachineIndex, readSysfs } from '../../src/topology/index.ts';

export interface Comparison {
  /** Ordered pairs that were compared, distance always, map type where the kernel gave one. */
  readonly pairCount: number;
  /** How many pairs had which map type, by the kernel's name; `-` for those without. */
  readonly kinds: Readonly<Record<string, number>>;
  /** One line a disagreement: the pair, the kernel's answer, ours. Empty when all agree. */
  readonly differences: readonly string[];
}

/** Beyond these a list says nothing more. */
const differencesMax = 20;

/** As `compareMachine`, for what a snapshot says. */
export function compareCase(snapshotTarGz: Uint8Array, verdictsTsv: string, label = 'snapshot'): Comparison {
  return compareMachine(new MachineIndex(machineOf(snapshotTarGz, label)), verdictsTsv);
}

export function machineOf(snapshotTarGz: Uint8Array, label = 'snapshot'): Machine {
  const gunzip = (bytes: Uint8Array, bytesMax: number) => gunzipSync(bytes, { maxOutputLength: bytesMax });
  return readSysfs(archiveTree(snapshotTarGz, label, { gunzip }), { kind: 'archive', label });
}

/**
 * Judges every ordered pair of a machine and compares with what the kernel said.
 *
 * @param verdictsTsv  per line provider, client, result of pci_p2pdma_distance_many(), map type or `-`
 */
export function compareMachine(index: MachineIndex, verdictsTsv: string): Comparison {
  const rules = rulesForMachine(index.machine);
  const table = judgeAll(index, rules);
  const kinds: Record<string, number> = {};
  const differences: string[] = [];
  const lines = verdictsTsv.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const [provider, client, distance, mapType] = line.split('\t') as [string, string, string, string];
    kinds[mapType] = (kinds[mapType] ?? 0) + 1;
    const positions = [provider, client].map((name) => index.position(toBdf(name)!));
    if (positions.includes(-1)) {
      differences.push(
        `${provider} -> ${client}: kernel ${distance} ${mapType}, and we know nothing of one of them`,
      );
      continue;
    }
    const ours = table.at(positions[0]!, positions[1]!);
    if (ours.distance !== Number(distance) || (mapType !== '-' && ours.mapType !== mapType)) {
      const { decidedBy, rule, path } = judge(index, rules, toBdf(provider)!, toBdf(client)!);
      differences.push(
        `${provider} -> ${client}: kernel ${distance} ${mapType}, ours ${ours.distance} ${ours.mapType} ` +
          `(${rule} at ${decidedBy}, by ${path.join(' ')})`,
      );
    }
  }
  const answerCount = index.machine.functions.length ** 2;
  if (lines.length !== answerCount) {
    differences.push(`the kernel answered for ${lines.length} pairs, and we for ${answerCount}`);
  }
  return {
    pairCount: lines.length,
    kinds,
    differences:
      differences.length <= differencesMax
        ? differences
        : [...differences.slice(0, differencesMax), `and ${differences.length - differencesMax} more`],
  };
}
