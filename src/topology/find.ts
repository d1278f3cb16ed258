/** Look-ups in a machine: by address, by name, upwards. */
import { type Bdf, formatBdf, parseBdf, TopologyError } from '../base/index.ts';
import type { Machine, MachineFunction } from './machine.ts';

/** Functions by address. Building it costs one pass; keep it beside the machine. */
export class MachineIndex {
  readonly machine: Machine;
  readonly #byBdf = new Map<Bdf, MachineFunction>();
  readonly #position = new Map<Bdf, number>();

  constructor(machine: Machine) {
    this.machine = machine;
    machine.functions.forEach((fn, position) => {
      this.#byBdf.set(fn.bdf, fn);
      this.#position.set(fn.bdf, position);
    });
  }

  find(bdf: Bdf): MachineFunction | undefined {
    return this.#byBdf.get(bdf);
  }

  /** Place in `machine.functions`, or -1. */
  position(bdf: Bdf): number {
    return this.#position.get(bdf) ?? -1;
  }

  /**
   * The function a person means: `0000:03:00.0`, `03:00.0`, `nvme0`, `/dev/nvme0n1`, `mlx5_0`, `card0`.
   *
   * @throws {TopologyError} TOPO_UNKNOWN_BDF, TOPO_UNKNOWN_NAME (nearest matches as a hint), TOPO_AMBIGUOUS_NAME
   */
  resolve(text: string): MachineFunction {
    const parts = parseBdf(text);
    if (parts !== undefined) {
      const found = this.#byBdf.get(formatBdf(parts));
      if (found !== undefined) {
        return found;
      }
      throw new TopologyError('TOPO_UNKNOWN_BDF', {
        message: `${formatBdf(parts)} is not a PCI function of this machine`,
        hint: suggestion(
          formatBdf(parts),
          this.machine.functions.map((fn) => fn.bdf),
        ),
        detail: { asked: text },
      });
    }
    const name = text.replace(/^\/dev\//, '');
    const owners = this.machine.functions.filter((fn) => fn.classNames.some((known) => known.name === name));
    if (owners.length === 1) {
      return owners[0]!;
    }
    if (owners.length > 1) {
      throw new TopologyError('TOPO_AMBIGUOUS_NAME', {
        message: `${text} names ${owners.length} functions: ${owners.map((fn) => fn.bdf).join(', ')}`,
        hint: 'use one of these addresses instead of the name',
        detail: { asked: text, candidates: owners.map((fn) => fn.bdf) },
      });
    }
    const names = this.machine.functions.flatMap((fn) => fn.classNames.map((known) => known.name));
    throw new TopologyError('TOPO_UNKNOWN_NAME', {
      message: `${text} is neither a PCI address nor the name of a PCI device of this machine`,
      hint: suggestion(name, [...names, ...this.machine.functions.map((fn) => fn.bdf)]),
      detail: { asked: text },
    });
  }
}

/** Up to three candidates that differ least from what was asked. */
function suggestion(asked: string, candidates: readonly string[]): string {
  const ranked = [...new Set(candidates)]
    .map((candidate) => ({ candidate, cost: editDistance(asked, candidate) }))
    .sort((a, b) => a.cost - b.cost || (a.candidate < b.candidate ? -1 : 1));
  const nearest = ranked.slice(0, 3).map((entry) => entry.candidate);
  return nearest.length === 0
    ? 'this machine has no PCI functions'
    : `nearest: ${nearest.join(', ')}; \`peerlane topo\` lists all`;
}

/** Levenshtein distance; both texts are short names. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
