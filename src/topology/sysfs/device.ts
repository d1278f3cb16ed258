/**
 * One function from its folder in sysfs. Where config space and a text file say the same thing, config space counts for
 * what hardware holds, and the text for what the kernel made of it (ids and class, which VFs and quirks change).
 */
import { type Bdf, toBdf } from '../../base/index.ts';
import type { FunctionDraft } from '../assemble/index.ts';
import { type ConfigFacts, factsFromConfig, findingsAt } from '../config/index.ts';
import type { Absence, FileTree } from '../file-tree.ts';
import type { Finding, LinkRate, LinkState, P2pmemState } from '../machine.ts';
import { CONFIG_BYTES_MAX, CONFIG_FILE, P2PMEM_ALLOCATE, P2PMEM_FOLDER } from './names.ts';
import { parseResources } from './resource.ts';
import { decimalNumber, hexNumber, lastComponent, textOf } from './text.ts';

/** What the whole tree tells about single files. */
export interface TreeFacts {
  /** True when a file that is not there is not there in the machine either, and not merely left out of the copy. */
  isComplete(name: string): boolean;
  /** The kernel is new enough to have the file wherever it applies. */
  readonly kernel: {
    /** Link files stand exactly at PCI Express functions since Linux 4.13. */
    readonly hasLinkFiles: boolean;
    /** `removable` stands at devices behind external ports since Linux 5.14. */
    readonly hasRemovable: boolean;
  };
}

/** A draft, and what the reader itself wants to know of it. */
export interface DeviceReading {
  readonly draft: FunctionDraft;
  readonly findings: readonly Finding[];
  /** How much config space came: bytes, or why none. */
  readonly configLength: number | Absence;
  /** The bytes end where the kernel stops for users without CAP_SYS_ADMIN. */
  readonly isConfigCut: boolean;
}

/** Linux has room for 1024 nodes (CONFIG_NODES_SHIFT up to 10). */
const NODE_MAX = 1023;

/** Bytes that anyone may read of a config space (Linux drivers/pci/pci-sysfs.c, pci_read_config); CardBus gets 128. */
const UNPRIVILEGED_BYTES = 64;

/**
 * @param path   of the function's folder, links resolved
 * @param names  what lies in that folder
 */
export function readDevice(
  tree: FileTree,
  bdf: Bdf,
  path: string,
  names: ReadonlySet<string>,
  facts: TreeFacts,
): DeviceReading {
  const text = (name: string): string | undefined =>
    names.has(name) ? textOf(tree, `${path}/${name}`) : undefined;
  /** Null where the name is known to be missing, undefined where it may have been left out. */
  const missing = (name: string): null | undefined => (facts.isComplete(name) ? null : undefined);
  const link = (name: string): string | null | undefined => {
    if (!names.has(name)) {
      return missing(name);
    }
    const target = tree.readLink(`${path}/${name}`);
    return target === 'denied' || target === 'failed' || target === 'absent'
      ? undefined
      : lastComponent(target);
  };

  const stored = names.has(CONFIG_FILE) ? tree.read(`${path}/${CONFIG_FILE}`, CONFIG_BYTES_MAX) : 'absent';
  // A copy, so that an archive need not stay in memory for it.
  const config =
    typeof stored === 'string' || stored.length === 0 ? undefined : withoutPadding(stored).slice();
  const known: Partial<ConfigFacts> = config === undefined ? {} : factsFromConfig(config, { isWhole: true });
  const resourceText = text('resource');
  const resources = resourceText === undefined ? undefined : parseResources(resourceText);
  const isConventional =
    known.pcieType === undefined && facts.kernel.hasLinkFiles && isPlainPci(names, facts);
  const subsystem = subsystemIds(text('subsystem_vendor'), text('subsystem_device'));
  const physfn = link('physfn');
  // -1 is the kernel's word for no node.
  const numa = decimalNumber(text('numa_node'), NODE_MAX, -1);

  const draft: FunctionDraft = {
    bdf,
    physicalFunction: typeof physfn === 'string' ? toBdf(physfn) : physfn,
    vendorId: hexNumber(text('vendor'), 0xffff) ?? known.vendorId,
    deviceId: hexNumber(text('device'), 0xffff) ?? known.deviceId,
    subsystemVendorId: subsystem === undefined ? known.subsystemVendorId : subsystem.vendor,
    subsystemDeviceId: subsystem === undefined ? known.subsystemDeviceId : subsystem.device,
    revision: hexNumber(text('revision'), 0xff) ?? known.revision,
    classCode: hexNumber(text('class'), 0xff_ffff) ?? known.classCode,
    headerType: known.headerType,
    isMultifunction: known.isMultifunction,
    pcieType: isConventional ? null : known.pcieType,
    config,
    isGone: known.isGone,
    command: known.command,
    acs: isConventional ? null : known.acs,
    deviceControl: isConventional ? null : known.deviceControl,
    link: isConventional ? null : mergedLink(known.link, text),
    bars: resources?.bars ?? known.bars,
    windows: resources?.windows ?? known.windows,
    secondaryBus:
      known.secondaryBus === undefined
        ? decimalNumber(text('secondary_bus_number'), 0xff)
        : known.secondaryBus,
    subordinateBus:
      known.subordinateBus === undefined
        ? decimalNumber(text('subordinate_bus_number'), 0xff)
        : known.subordinateBus,
    numaNode: numa === -1 ? null : numa,
    iommuGroup: link('iommu_group'),
    driver: link('driver'),
    p2pmem: names.has(P2PMEM_FOLDER)
      ? readP2pmem(tree, `${path}/${P2PMEM_FOLDER}`, facts)
      : missing(P2PMEM_FOLDER),
    dmaMaskBits: decimalNumber(text('dma_mask_bits'), 64),
    powerState: powerState(text('power_state')),
    isUntrusted: isUntrusted(text('removable'), facts),
    sriov: known.sriov,
  };
  return {
    draft,
    findings: findingsAt(bdf, known.findings ?? []),
    configLength: config?.length ?? (typeof stored === 'string' ? stored : 'failed'),
    isConfigCut: config !== undefined && known.isGone !== true && config.length <= 2 * UNPRIVILEGED_BYTES,
  };
}

/**
 * A plain `tar` or `cp` by a user without privileges reads 64 bytes of a file that claims more, and tar fills up with
 * zeros. Zeros where the capability list begins cannot be real: the list then has a capability with id 0 and no end.
 */
function withoutPadding(config: Uint8Array): Uint8Array {
  if (config.length <= UNPRIVILEGED_BYTES) {
    return config;
  }
  const hasCapabilities = (config[0x06]! & 0x10) !== 0 && config[0x34]! >= UNPRIVILEGED_BYTES;
  const isCut = hasCapabilities && config.subarray(UNPRIVILEGED_BYTES).every((byte) => byte === 0);
  return isCut ? config.subarray(0, UNPRIVILEGED_BYTES) : config;
}

/** No link files where the kernel would show them: conventional PCI. */
function isPlainPci(names: ReadonlySet<string>, facts: TreeFacts): boolean {
  return (
    !names.has('max_link_speed') && !names.has('current_link_speed') && facts.isComplete('max_link_speed')
  );
}

/** Both zero: the function has none. */
function subsystemIds(
  vendorText: string | undefined,
  deviceText: string | undefined,
): { readonly vendor: number | null; readonly device: number | null } | undefined {
  const vendor = hexNumber(vendorText, 0xffff);
  const device = hexNumber(deviceText, 0xffff);
  if (vendor === undefined || device === undefined) {
    return undefined;
  }
  return vendor === 0 && device === 0 ? { vendor: null, device: null } : { vendor, device };
}

/** What config space leaves open comes from the link files, which anyone may read. */
function mergedLink(
  known: LinkState | null | undefined,
  text: (name: string) => string | undefined,
): LinkState | null | undefined {
  if (known === null || (known?.max !== undefined && known.current !== undefined)) {
    return known;
  }
  const max = known?.max ?? linkRate(text('max_link_speed'), text('max_link_width'));
  const current = known?.current ?? linkRate(text('current_link_speed'), text('current_link_width'));
  return known === undefined && max === undefined && current === undefined ? undefined : { max, current };
}

/** `8.0 GT/s PCIe` or `8 GT/s`, and a number of lanes; `Unknown`, 0 and 255 are none. */
function linkRate(speed: string | undefined, width: string | undefined): LinkRate | undefined {
  const match = /^(2\.5|5|8|16|32|64)(?:\.0)? GT\/s/.exec(speed ?? '');
  const lanes = decimalNumber(width, 32, 1);
  return match === null || lanes === undefined ? undefined : { speedGTs: Number(match[1]), width: lanes };
}

function readP2pmem(tree: FileTree, path: string, facts: TreeFacts): P2pmemState {
  const published = textOf(tree, `${path}/published`);
  const allocate = tree.kind(`${path}/${P2PMEM_ALLOCATE}`);
  const isAbsent = allocate === 'absent' && facts.isComplete(P2PMEM_ALLOCATE);
  return {
    sizeBytes: decimalNumber(textOf(tree, `${path}/size`), Number.MAX_SAFE_INTEGER),
    availableBytes: decimalNumber(textOf(tree, `${path}/available`), Number.MAX_SAFE_INTEGER),
    published: published === '1' ? true : published === '0' ? false : undefined,
    // A copy may lack it because it cannot be read.
    hasAllocate: allocate === 'file' ? true : isAbsent ? false : undefined,
  };
}

/** `D0`, `D1`, `D2`, `D3hot`, `D3cold`; `unknown` and `error` are what they say. */
function powerState(text: string | undefined): string | undefined {
  return text !== undefined && /^D[0-3](hot|cold)?$/.test(text) ? text : undefined;
}

/**
 * Linux marks as removable what it does not trust: everything below a port that firmware calls external facing
 * (drivers/pci/probe.c, pci_set_removable and set_pcie_untrusted).
 */
function isUntrusted(removable: string | undefined, facts: TreeFacts): boolean | undefined {
  if (removable !== undefined) {
    return removable === 'removable' ? true : removable === 'fixed' ? false : undefined;
  }
  return facts.kernel.hasRemovable && facts.isComplete('removable') ? false : undefined;
}
