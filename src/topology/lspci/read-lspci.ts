/** From scanned text to a machine: what follows only when all functions are known. */
import { type Bdf, bdfParts, InputError } from '../../base/index.ts';
import { assembleMachine, type FunctionDraft, someHostBridgeKey } from '../assemble/index.ts';
import { type ConfigFacts, factsFromConfig, findingsAt } from '../config/index.ts';
import type { Finding, Gap, LinkState, Machine } from '../machine.ts';
import { checkTextSize, FUNCTIONS_MAX, headerTypeOfClass } from '../text/index.ts';
import type { FunctionFacts } from './facts.ts';
import { lookUpIds } from './ids.ts';
import { type Overview, overviewOf, sriovOf } from './overview.ts';
import { type ScannedText, scanText } from './scan.ts';

const EXTENDED_CONFIG_BYTES = 4096;

export interface LspciOptions {
  /**
   * Gives the text of a pci.ids file, by which printed names are turned back into ids; asked only when the text leaves ids
   * out. Without it, or when there is no such file, those ids stay unknown.
   */
  readonly pciIds?: (() => string | undefined) | undefined;
}

/**
 * The machine that one or more outputs of lspci describe, in any mix of options; other text between them is passed over.
 *
 * Registers come from hex dumps where there are any, and from the printed flags otherwise; names, sizes and what the
 * kernel knows (driver, NUMA node, IOMMU group) from the text. Where vendor and device are printed as one text, all of
 * it is in `deviceName`.
 *
 * @param label  names the input in messages
 * @throws {InputError} INPUT_NOT_LSPCI when no line names a PCI function, INPUT_TOO_LARGE
 */
export function readLspci(text: string, label: string, options: LspciOptions = {}): Machine {
  checkTextSize(text, label);
  const scanned = scanText(text);
  if (scanned.isTooLarge) {
    throw new InputError('INPUT_TOO_LARGE', {
      message: `${label} names more than ${FUNCTIONS_MAX} PCI functions`,
      hint: 'give the output of one machine only',
    });
  }
  if (scanned.facts.size === 0) {
    throw new InputError('INPUT_NOT_LSPCI', {
      message: `${label} has no line that names a PCI function`,
      hint: 'take it with `sudo lspci -Dnnvvv -xxxx`',
    });
  }
  const findings: Finding[] = [...scanned.findings];
  const decoded = new Map<Bdf, ConfigFacts>();
  for (const { bdf, config, isGone } of scanned.facts.values()) {
    if (config !== undefined) {
      // Fewer bytes may be all there is, or just what the option asked for: `-xxx` never prints more than 256.
      const facts = factsFromConfig(config, { isWhole: config.length >= EXTENDED_CONFIG_BYTES });
      decoded.set(bdf, facts);
      findings.push(...findingsAt(bdf, facts.findings));
    } else if (isGone === true) {
      findings.push({
        at: bdf,
        code: 'CONFIG_ALL_ONES',
        detail: 'lspci read all ones: the device is powered down, hung or gone',
      });
    }
  }
  const overview = overviewOf(scanned, decoded);
  const lookUp = lookUpIds([...scanned.facts.values()], decoded, options.pciIds);
  findings.push(...lookUp.findings);
  const machine = assembleMachine({
    source: { kind: 'lspci', label, privileged: overview.privileged },
    functions: [...scanned.facts.values()].map((facts) => functionDraft(facts, decoded, overview)),
    gaps: [...lookUp.gaps, ...textGaps([...scanned.facts.values()], overview)],
    findings,
  });
  return { ...machine, gaps: [...machine.gaps, ...rootBusGaps(machine, scanned, overview)] };
}

function functionDraft(
  facts: FunctionFacts,
  decoded: ReadonlyMap<Bdf, ConfigFacts>,
  overview: Overview,
): FunctionDraft {
  const config = decoded.get(facts.bdf);
  const isGone = config?.isGone ?? facts.isGone ?? false;
  const headerType = config?.headerType ?? headerTypeOf(facts);
  const pcieType = config?.pcieType === undefined ? facts.pcieType : config.pcieType;
  const { bdf } = facts;
  return {
    bdf,
    ...placeOf(facts, overview),
    physicalFunction:
      overview.knowsEveryVf && !isGone && !overview.virtualFunctions.has(bdf) ? null : undefined,
    sriov: sriovOf(facts, decoded),
    // The kernel's view of the ids stands above the registers: a VF's own read all ones.
    vendorId: facts.vendorId ?? config?.vendorId,
    deviceId: facts.deviceId ?? config?.deviceId,
    subsystemVendorId: first(facts.subsystemVendorId, config?.subsystemVendorId),
    subsystemDeviceId: first(facts.subsystemDeviceId, config?.subsystemDeviceId),
    revision: config?.revision ?? (isGone ? undefined : facts.revision),
    classCode: config?.classCode ?? classCodeOf(facts),
    headerType,
    isMultifunction: config?.isMultifunction,
    vendorName: facts.vendorName,
    deviceName: facts.deviceName,
    pcieType,
    config: facts.config,
    isGone,
    command: config?.command ?? facts.command,
    acs: first(config?.acs, acsOf(facts, pcieType, overview)),
    deviceControl: first(config?.deviceControl, pcieType === null ? null : facts.deviceControl),
    link: linkOf(facts, config, pcieType),
    bars: facts.bars ?? config?.bars,
    windows: config?.windows ?? facts.windows ?? (headerType === 0 ? [] : undefined),
    secondaryBus: first(config?.secondaryBus, headerType === 0 ? null : facts.secondaryBus),
    subordinateBus: first(config?.subordinateBus, headerType === 0 ? null : facts.subordinateBus),
    numaNode: facts.numaNode,
    iommuGroup: facts.iommuGroup,
    driver: facts.driver ?? (hasNoDriver(facts, overview) ? null : undefined),
    powerState: facts.powerState,
  };
}

/** The first that is known; null is known. */
function first<T>(...values: readonly (T | undefined)[]): T | undefined {
  return values.find((value) => value !== undefined);
}

/**
 * The tree says where a function hangs, and otherwise the bus numbers of the bridges do (`assembleMachine`). But a bus
 * that no bridge of the text owns need not be a root bus: its bridge may be one that is not shown.
 */
function placeOf(
  facts: FunctionFacts,
  overview: Overview,
): Pick<FunctionDraft, 'parent' | 'hiddenAbove' | 'hostBridge'> {
  if (facts.parent !== undefined) {
    return { parent: facts.parent };
  }
  if (overview.isForwarded(facts.bdf)) {
    return {};
  }
  if (overview.isOnRootBus(facts.bdf)) {
    return { parent: null };
  }
  const { domain } = bdfParts(facts.bdf);
  return { parent: null, hiddenAbove: true, hostBridge: someHostBridgeKey(domain) };
}

function headerTypeOf(facts: FunctionFacts): number | undefined {
  if (facts.headerType === 1 && facts.classAndSubclass !== undefined) {
    return headerTypeOfClass(facts.classAndSubclass) === 2 ? 2 : 1;
  }
  return (
    facts.headerType ??
    (facts.classAndSubclass === undefined ? undefined : headerTypeOfClass(facts.classAndSubclass))
  );
}

/** Without `-v` or `-mm` the programming interface is not printed; it then stands as 00, and a gap says so. */
function classCodeOf(facts: FunctionFacts): number | undefined {
  return facts.classAndSubclass === undefined
    ? undefined
    : facts.classAndSubclass * 256 + (facts.programmingInterface ?? 0);
}

/** See `DetailReader`: what a list of capabilities without ACS proves. */
function acsOf(
  facts: FunctionFacts,
  pcieType: FunctionDraft['pcieType'],
  overview: Overview,
): FunctionDraft['acs'] {
  if (facts.acs !== undefined) {
    return facts.acs;
  }
  const isProven = facts.hasOnlyConventionalCapabilities === true && overview.hasExtended;
  return isProven || pcieType === null ? null : undefined;
}

function linkOf(
  facts: FunctionFacts,
  config: ConfigFacts | undefined,
  pcieType: FunctionDraft['pcieType'],
): LinkState | null | undefined {
  if (config?.link === null || pcieType === null || facts.hasLink === false) {
    return null;
  }
  const max = config?.link?.max ?? facts.linkMax;
  const current = config?.link?.current ?? facts.linkCurrent;
  return config?.link !== undefined || facts.hasLink === true ? { max, current } : undefined;
}

function hasNoDriver(facts: FunctionFacts, overview: Overview): boolean {
  return facts.hasModulesOnly === true || (facts.isVerbose === true && overview.hasDrivers);
}

function textGaps(all: readonly FunctionFacts[], overview: Overview): Gap[] {
  const gaps: Gap[] = [];
  const halfClass = all.filter(
    (facts) =>
      facts.classAndSubclass !== undefined &&
      facts.programmingInterface === undefined &&
      facts.config === undefined,
  );
  if (halfClass.length > 0) {
    gaps.push({
      at: null,
      what: 'programming-interface',
      detail: `the last two digits of ${halfClass.length} class codes are not printed and stand as 00; \`lspci -nnv\` prints them`,
    });
  }
  if (!overview.isWhole) {
    gaps.push({
      at: null,
      what: 'functions',
      detail: 'the text may leave functions out; `sudo lspci -Dnnvvv -xxxx` without -s and -d has all',
    });
  }
  return gaps;
}

/**
 * The first function of a root bus stands for its host bridge. It is in the text when 00.0 is (nothing comes before),
 * when a tree draws that bus, or when the listing is whole.
 */
function rootBusGaps(machine: Machine, scanned: ScannedText, overview: Overview): Gap[] {
  if (overview.isWhole) {
    return [];
  }
  const rootFunctions = new Map<string, Bdf[]>();
  for (const fn of machine.functions) {
    const list = rootFunctions.get(fn.hostBridge) ?? [];
    rootFunctions.set(fn.hostBridge, list);
    if (fn.parent === null && !fn.hiddenAbove) {
      list.push(fn.bdf);
    }
  }
  const gaps: Gap[] = [];
  for (const bridge of machine.hostBridges) {
    const list = rootFunctions.get(bridge.key) ?? [];
    // A tree of a part (`-t -s`) draws a single branch.
    const isDrawn = list.length > 1 && list.every((bdf) => scanned.inTree.has(bdf));
    const at = list[0];
    if (at !== undefined && !isDrawn && !list.some((bdf) => bdf.endsWith(':00.0'))) {
      gaps.push({
        at,
        what: 'root-bus-devices',
        detail: `the first function of root bus ${bridge.key} may be missing, and it stands for the host bridge; give the whole \`lspci -vvv\` or add \`lspci -t\``,
      });
    }
  }
  return gaps;
}
