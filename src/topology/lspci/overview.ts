/** What the text as a whole says, and no single function of it does. */
import { type Bdf, bdfParts, formatBdf } from '../../base/index.ts';
import type { SriovLayout } from '../assemble/index.ts';
import { type ConfigFacts, vfRoutingIds } from '../config/index.ts';
import type { FunctionFacts } from './facts.ts';
import type { ScannedText } from './scan.ts';

export interface Overview {
  /**
   * The listing seems to have every function of the machine: it is verbose or a dump, and 00:00.0, which every PC and
   * server has, is in it with others of its bus. A one-line listing may have gone through grep, a verbose one hardly can;
   * `-s` asks for single functions, and `-d` for those of a vendor, who then made the host bridges too.
   */
  readonly isWhole: boolean;
  /** Some function's extended config space was shown: lspci reads all alike, so that of the others was readable too. */
  readonly hasExtended: boolean;
  /** Some function has a driver: then the absence of the line means something. */
  readonly hasDrivers: boolean;
  /** Root, where it can be told: capabilities lie beyond the 64 bytes that others may read. */
  readonly privileged: boolean | undefined;
  /** By VF, its PF. */
  readonly virtualFunctions: ReadonlySet<Bdf>;
  /** All PFs are known, so that what is not in `virtualFunctions` is no VF. */
  readonly knowsEveryVf: boolean;
  /** Whether a bridge of the text forwards the bus of a function. */
  isForwarded(bdf: Bdf): boolean;
  /** Whether the bus of a function must be a root bus. */
  isOnRootBus(bdf: Bdf): boolean;
}

/** Functions of bus 0 that a whole listing has at least; the smallest virtual machines have four. */
const WHOLE_BUS_MIN = 4;

export function overviewOf(scanned: ScannedText, decoded: ReadonlyMap<Bdf, ConfigFacts>): Overview {
  const all = [...scanned.facts.values()];
  const isWhole = seemsWhole(all);
  const hasExtended = all.some(
    (facts) => facts.hasExtendedCapabilities === true || (facts.config?.length ?? 0) > 256,
  );
  const isRoot =
    hasExtended ||
    all.some((facts) => facts.hasOnlyConventionalCapabilities === true || (facts.config?.length ?? 0) > 128);
  const forwarded = forwardedBuses(all, decoded);
  const roots = rootBuses(all, decoded, isWhole);
  return {
    isWhole,
    hasExtended,
    hasDrivers: all.some((facts) => facts.driver !== undefined),
    privileged: scanned.isDenied ? false : isRoot ? true : undefined,
    virtualFunctions: new Set(all.flatMap((facts) => vfAddresses(facts.bdf, sriovOf(facts, decoded)))),
    knowsEveryVf:
      isWhole && hasExtended && !scanned.isDenied && all.every((facts) => facts.isVerbose === true),
    isForwarded(bdf) {
      const { domain, bus } = bdfParts(bdf);
      return forwarded.has(domain * 256 + bus);
    },
    isOnRootBus(bdf) {
      const { domain, bus } = bdfParts(bdf);
      return bus === 0 || roots.has(domain * 256 + bus);
    },
  };
}

function seemsWhole(all: readonly FunctionFacts[]): boolean {
  const inDetail = all.filter((facts) => facts.isVerbose === true || facts.config !== undefined);
  return inDetail.some(({ bdf }) => {
    const bus = bdf.slice(0, bdf.length - '00.0'.length);
    return (
      bdf.endsWith(':00:00.0') &&
      inDetail.filter((other) => other.bdf.startsWith(bus)).length >= WHOLE_BUS_MIN
    );
  });
}

/**
 * Buses that no bridge can own, as domain x 256 + bus. Root ports and integrated functions are only found on root buses
 * (PCIe Base 6.0, 1.3). In a whole listing a bridge or a conventional function speaks for one too; a bus with nothing but
 * endpoints has a port above it, shown or not.
 */
function rootBuses(
  all: readonly FunctionFacts[],
  decoded: ReadonlyMap<Bdf, ConfigFacts>,
  isWhole: boolean,
): ReadonlySet<number> {
  const buses = new Set<number>();
  for (const facts of all) {
    const pcieType = decoded.get(facts.bdf)?.pcieType ?? facts.pcieType;
    const classCode = decoded.get(facts.bdf)?.classCode ?? (facts.classAndSubclass ?? 0) * 256;
    const isRootOnly =
      pcieType === 'root-port' || pcieType === 'rc-endpoint' || pcieType === 'rc-event-collector';
    const isBridge = classCode >>> 16 === 0x06 && pcieType !== 'switch-upstream';
    if (isRootOnly || (isWhole && (isBridge || pcieType === null))) {
      const { domain, bus } = bdfParts(facts.bdf);
      buses.add(domain * 256 + bus);
    }
  }
  return buses;
}

/** From the dump, or from the printed capability. */
export function sriovOf(
  facts: FunctionFacts,
  decoded: ReadonlyMap<Bdf, ConfigFacts>,
): SriovLayout | null | undefined {
  return decoded.get(facts.bdf)?.sriov ?? facts.sriov ?? decoded.get(facts.bdf)?.sriov;
}

/** Buses behind the bridges of the text, as domain x 256 + bus. */
function forwardedBuses(
  all: readonly FunctionFacts[],
  decoded: ReadonlyMap<Bdf, ConfigFacts>,
): ReadonlySet<number> {
  const buses = new Set<number>();
  for (const facts of all) {
    const { domain, bus: primary } = bdfParts(facts.bdf);
    const secondary = facts.secondaryBus ?? decoded.get(facts.bdf)?.secondaryBus ?? 0;
    const subordinate = facts.subordinateBus ?? decoded.get(facts.bdf)?.subordinateBus ?? secondary;
    for (let bus = secondary; secondary > primary && bus <= subordinate; bus++) {
      buses.add(domain * 256 + bus);
    }
  }
  return buses;
}

function vfAddresses(pf: Bdf, sriov: SriovLayout | null | undefined): Bdf[] {
  const { domain, bus, device, function: fn } = bdfParts(pf);
  const ids = sriov == null ? [] : vfRoutingIds(bus * 256 + device * 8 + fn, sriov);
  return ids.map((id) => formatBdf({ domain, bus: id >> 8, device: (id >> 3) & 31, function: id & 7 }));
}
