/** Everything the reasons of one pair are made from. Built once for each pair that somebody asks about. */
import { type Bdf, TopologyError } from '../base/index.ts';
import {
  compareKernelVersions,
  type KernelVerdict,
  type KernelVersion,
  type PhysicalRoutes,
  parseKernelVersion,
  type RuleSet,
} from '../p2pdma/index.ts';
import type { Machine, MachineFunction, MachineIndex } from '../topology/index.ts';
import type { LinkOnPath } from './path-links.ts';

export interface PairContext {
  readonly index: MachineIndex;
  readonly machine: Machine;
  readonly rules: RuleSet;
  readonly provider: MachineFunction;
  readonly client: MachineFunction;
  readonly verdict: KernelVerdict;
  readonly physical: PhysicalRoutes;
  readonly links: readonly LinkOnPath[];
  /**
   * Functions of the path, provider first: up to the common function and down to the client, or up to both roots.
   * Without the host bridge key that a path may hold.
   */
  readonly path: readonly MachineFunction[];
  /** The part of the path above the provider's and above the client's function, common function in both. */
  readonly aboveProvider: readonly MachineFunction[];
  readonly aboveClient: readonly MachineFunction[];
}

/** @throws {TopologyError} TOPO_UNKNOWN_BDF */
export function functionOf(index: MachineIndex, bdf: Bdf): MachineFunction {
  const fn = index.find(bdf);
  if (fn === undefined) {
    throw new TopologyError('TOPO_UNKNOWN_BDF', {
      message: `${bdf} is not a PCI function of this machine`,
      hint: '`peerlane topo` lists all',
      detail: { asked: bdf },
    });
  }
  return fn;
}

/** @param links  along the way that requests take */
export function makeContext(
  index: MachineIndex,
  rules: RuleSet,
  verdict: KernelVerdict,
  physical: PhysicalRoutes,
  links: readonly LinkOnPath[],
): PairContext {
  const provider = functionOf(index, verdict.provider);
  const client = functionOf(index, verdict.client);
  const path = verdict.path.flatMap((step) => index.find(step as Bdf) ?? []);
  const turn = turnOf(verdict);
  return {
    index,
    machine: index.machine,
    rules,
    provider,
    client,
    verdict,
    physical,
    links,
    path,
    aboveProvider: functionsOf(index, verdict.path.slice(1, turn.afterProvider)),
    aboveClient: functionsOf(index, verdict.path.slice(turn.beforeClient, -1)),
  };
}

/** Where the path stops going up: slices of `verdict.path` for both sides, the common function in each. */
function turnOf(verdict: KernelVerdict): { afterProvider: number; beforeClient: number } {
  const turn =
    verdict.common == null
      ? verdict.path.findIndex((step) => step.startsWith('pci'))
      : verdict.path.indexOf(verdict.common);
  if (turn < 0) {
    return { afterProvider: verdict.path.length - 1, beforeClient: 1 };
  }
  return { afterProvider: turn + 1, beforeClient: Math.max(1, turn) };
}

function functionsOf(index: MachineIndex, steps: readonly string[]): MachineFunction[] {
  return steps.flatMap((step) => index.find(step as Bdf) ?? []);
}

/** The kernel is known and at least this release: `atLeast(context.rules.version, '6.2')`. Undefined: not known. */
export function isAtLeast(version: KernelVersion | undefined, release: string): boolean | undefined {
  if (version === undefined) {
    return undefined;
  }
  return compareKernelVersions(version, parseKernelVersion(release)!) >= 0;
}

/** A driver that only keeps the device for a guest or a user space driver. */
export function isHeldForOthers(fn: MachineFunction): boolean {
  return fn.driver === 'vfio-pci' || fn.driver === 'pci-stub' || fn.driver === 'xen-pciback';
}

/** `0000:03:00.0 (nvme0)`, for sentences. */
export function nameOf(fn: MachineFunction): string {
  const name = fn.classNames[0]?.name;
  return name === undefined ? fn.bdf : `${fn.bdf} (${name})`;
}
