/**
 * Which functions ACS keeps apart (PCIe Base 6.0, 6.12; Linux drivers/iommu/iommu.c, pci_device_group; drivers/pci/pci.c,
 * pci_acs_enabled): a function belongs together with every bridge above it from which the way to the root is not
 * isolated hop by hop, functions of one device that do not isolate themselves stay together, and a downstream port
 * that does not isolate lets what is below it reach every other port of its switch.
 *
 * The last is what the hardware does; kernels that do not look sideways keep such ports in groups of their own, which
 * promise more than there is. Left out: device quirks (some Intel root ports isolate without ACS), DMA aliases of
 * conventional bridges. So the result is compared with itself, before and after a change, not with what the kernel made
 * at boot.
 */
import { type Bdf, compareBdf } from '../base/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { ACS_ISOLATION_BITS } from './registers.ts';

export interface IsolationGroups {
  /** Group number by function; equal numbers share a group. */
  readonly groupOf: ReadonlyMap<Bdf, number>;
  /** Functions whose ACS or parent is unknown and mattered: groups may be smaller or larger. */
  readonly unknown: readonly Bdf[];
}

/** @param acsControl  ACS Control words that replace those of the machine */
export function isolationGroups(
  index: MachineIndex,
  acsControl: ReadonlyMap<Bdf, number> = new Map(),
): IsolationGroups {
  const { functions } = index.machine;
  const leader = functions.map((_, position) => position);
  const find = (position: number): number => {
    let at = position;
    while (leader[at] !== at) {
      leader[at] = leader[leader[at]!]!;
      at = leader[at]!;
    }
    return at;
  };
  const join = (a: Bdf, b: Bdf): void => {
    leader[find(index.position(a))] = find(index.position(b));
  };
  const unknown = new Set<Bdf>();
  const isIsolated = new Map<Bdf, boolean>();
  const isPathIsolated = (fn: MachineFunction): boolean => {
    const known = isIsolated.get(fn.bdf);
    if (known !== undefined) {
      return known;
    }
    // Set before the climb, so that a ring in a hand-made machine ends.
    isIsolated.set(fn.bdf, false);
    const isHere = isolates(fn, acsControl, unknown);
    const above = parentOf(index, fn);
    const result = isHere && (above === undefined || isPathIsolated(above));
    isIsolated.set(fn.bdf, result);
    return result;
  };
  const bySlot = new Map<string, Bdf[]>();
  const byUpstream = new Map<Bdf, Bdf[]>();
  const openSwitches = new Set<Bdf>();
  for (const fn of functions) {
    const above = parentOf(index, fn);
    if (above !== undefined && !isPathIsolated(above)) {
      join(fn.bdf, above.bdf);
    }
    if (fn.pcieType === 'switch-downstream' && fn.parent != null) {
      byUpstream.set(fn.parent, [...(byUpstream.get(fn.parent) ?? []), fn.bdf]);
      if (!isolates(fn, acsControl, unknown)) {
        openSwitches.add(fn.parent);
      }
    }
    if (fn.physicalFunction == null && fn.isMultifunction !== false && !isolates(fn, acsControl, unknown)) {
      const slot = fn.bdf.slice(0, -2);
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), fn.bdf]);
    }
  }
  const together = [...bySlot.values(), ...[...openSwitches].map((upstream) => byUpstream.get(upstream)!)];
  for (const members of together) {
    for (const member of members.slice(1)) {
      join(member, members[0]!);
    }
  }
  return {
    groupOf: new Map(functions.map((fn, position) => [fn.bdf, find(position)])),
    unknown: [...unknown].sort(),
  };
}

function parentOf(index: MachineIndex, fn: MachineFunction): MachineFunction | undefined {
  const owner = fn.physicalFunction == null ? fn : (index.find(fn.physicalFunction) ?? fn);
  return owner.parent == null ? undefined : index.find(owner.parent);
}

/** Whether a function keeps requests of what is below it, or of its sisters, apart. */
function isolates(fn: MachineFunction, acsControl: ReadonlyMap<Bdf, number>, unknown: Set<Bdf>): boolean {
  switch (fn.pcieType) {
    case null:
    case 'pcie-to-pci-bridge':
    case 'pci-to-pcie-bridge':
      return false;
    case 'root-port':
    case 'switch-downstream':
    case 'rc-event-collector':
      return hasFlags(fn, acsControl, unknown);
    case 'switch-upstream':
    case 'endpoint':
    case 'legacy-endpoint':
    case 'rc-endpoint':
      return fn.isMultifunction !== true || hasFlags(fn, acsControl, unknown);
    case undefined:
      unknown.add(fn.bdf);
      return false;
  }
}

/** What the capability does not offer is not asked for. */
function hasFlags(fn: MachineFunction, acsControl: ReadonlyMap<Bdf, number>, unknown: Set<Bdf>): boolean {
  if (fn.acs === undefined) {
    unknown.add(fn.bdf);
    return false;
  }
  if (fn.acs === null) {
    return false;
  }
  const wanted = ACS_ISOLATION_BITS & fn.acs.capability;
  return ((acsControl.get(fn.bdf) ?? fn.acs.control) & wanted) === wanted;
}

/** Sets of today's groups that a change would join. */
export interface GroupMerge {
  /** Names of the kernel's groups that end up as one, where they are known. */
  readonly groups: readonly string[];
  readonly functions: readonly Bdf[];
}

/** What merges when the groups go from `before` to `after`; largest first. */
export function mergesBetween(
  index: MachineIndex,
  before: IsolationGroups,
  after: IsolationGroups,
): GroupMerge[] {
  const members = new Map<number, Bdf[]>();
  for (const [bdf, group] of after.groupOf) {
    members.set(group, [...(members.get(group) ?? []), bdf]);
  }
  return [...members.values()]
    .filter((functions) => new Set(functions.map((bdf) => before.groupOf.get(bdf))).size > 1)
    .map((functions) => {
      const names = functions
        .map((bdf) => index.find(bdf)?.iommuGroup)
        .filter((name) => typeof name === 'string');
      return { groups: [...new Set(names)].sort(numerically), functions };
    })
    .sort((a, b) => b.functions.length - a.functions.length || compareBdf(a.functions[0]!, b.functions[0]!));
}

function numerically(a: string, b: string): number {
  return Number(a) - Number(b) || (a < b ? -1 : 1);
}
