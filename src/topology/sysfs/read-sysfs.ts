/**
 * A machine from its /sys and /proc: live, from a directory, or from an archive. Everything that is read is named in
 * `names.ts`.
 *
 * What a copy leaves out must not be taken for what the machine does not have. A running kernel's sysfs and our own
 * snapshots are complete; of any other copy, a kind of file counts as complete once one function has it.
 */
import { type Bdf, InputError } from '../../base/index.ts';
import type { Gunzip } from '../archive/archive-tree.ts';
import { assembleMachine, type FunctionDraft, type HostBridgeDraft } from '../assemble/index.ts';
import type { FileTree } from '../file-tree.ts';
import type { Cpu, Finding, Gap, Machine } from '../machine.ts';
import { inBusListOrder } from './bus-order.ts';
import { ClassNames } from './class-names.ts';
import { type CpuInfo, parseCpuinfo } from './cpu.ts';
import { type DeviceReading, readDevice, type TreeFacts } from './device.ts';
import { readIommu } from './iommu.ts';
import { readKernelState } from './kernel-state.ts';
import { withManifest } from './manifest.ts';
import { BUS_LIST_FILE, CPUINFO_FILE, DEVICES_FOLDER, DMI_FILES, TEXT_BYTES_MAX } from './names.ts';
import { readPciNames } from './pci-ids.ts';
import { functionName, isHostBridgeName, type Place, placeOf } from './place.ts';
import { linkDestination, textOf } from './text.ts';

export interface SysfsOptions {
  readonly kind: 'live' | 'sysroot' | 'archive';
  /** Default: the tree's own label. */
  readonly label?: string;
  /** For /proc/config.gz; without it the kernel's options may stay unknown. */
  readonly gunzip?: Gunzip;
}

/** One function and where its folder is. */
export interface DeviceFolder {
  readonly bdf: Bdf;
  /** Links resolved; where the link dangles, what it says. */
  readonly path: string;
  readonly names: ReadonlySet<string>;
  readonly place: Place;
}

/**
 * @throws {InputError} INPUT_NO_SYSFS when the tree has no `sys/`, INPUT_NO_PCI when there are no PCI functions in it
 */
export function readSysfs(files: FileTree, options: SysfsOptions): Machine {
  const { tree, isComplete } = withManifest(files);
  const label = options.label ?? files.label;
  const folders = deviceFolders(tree);
  if (folders.length === 0) {
    throw nothingThere(tree, options.kind, label);
  }
  const hasAll = options.kind === 'live' || isComplete;
  const kernel = readKernelState(tree, options.gunzip);
  const facts = treeFacts(folders, hasAll, kernel.release);
  const classNames = new ClassNames(tree);
  const readings = folders.map((folder) => readDevice(tree, folder.bdf, folder.path, folder.names, facts));
  const pciNames = readPciNames(tree, idsOf(readings));
  const drafts = readings.map((reading, i): FunctionDraft => {
    const { draft } = reading;
    const { path, names, place } = folders[i]!;
    return {
      ...draft,
      ...parentOf(place),
      classNames: classNames.of(tree, draft.bdf, path, names),
      vendorName: pciNames.vendor(draft.vendorId),
      deviceName: pciNames.device(draft.vendorId, draft.deviceId),
    };
  });
  const ordered = inBusListOrder(drafts, textOf(tree, BUS_LIST_FILE, TEXT_BYTES_MAX.busList) ?? '');
  const groups = new Set(
    drafts.flatMap((draft) => (typeof draft.iommuGroup === 'string' ? [draft.iommuGroup] : [])),
  );
  const iommu = readIommu(tree, groups, hasAll);
  const cpu = parseCpuinfo(textOf(tree, CPUINFO_FILE, TEXT_BYTES_MAX.cpuinfo) ?? '');
  const privileged = wasPrivileged(readings);
  return assembleMachine({
    source: { kind: options.kind, label, privileged },
    functions: ordered ?? drafts,
    isBusListOrder: ordered !== undefined,
    isWhole: hasAll,
    mayMissBridges: folders.some(({ place }) => place.hostBridge === undefined),
    hostBridges: hostBridges(folders, drafts),
    cpu: cpuOnly(cpu),
    kernel,
    iommu: { mode: iommu.mode, driver: iommu.driver },
    isVirtual: cpu.hasHypervisor ?? guestByFirmware(tree),
    gaps: configGaps(readings, privileged, options.kind),
    findings: [...readings.flatMap((reading): readonly Finding[] => reading.findings), ...iommu.findings],
  });
}

/**
 * Every function of the tree: those in the list of devices, those that only stand above them, and those that only have a
 * folder. Copies leave links out, long ones above all.
 */
export function deviceFolders(tree: FileTree): readonly DeviceFolder[] {
  const folders = new Map<Bdf, DeviceFolder>();
  const add = (bdf: Bdf, path: string): void => {
    if (!folders.has(bdf)) {
      folders.set(bdf, folderAt(tree, bdf, path));
    }
  };
  const addBelow = (path: string, names: Iterable<string>): void => {
    for (const name of names) {
      const bdf = functionName(name);
      if (bdf !== undefined && tree.kind(`${path}/${name}`) === 'directory') {
        add(bdf, `${path}/${name}`);
      } else if (isHostBridgeName(name)) {
        addBelow(`${path}/${name}`, listOf(tree, `${path}/${name}`));
      }
    }
  };
  for (const name of listOf(tree, DEVICES_FOLDER)) {
    const bdf = functionName(name);
    if (bdf !== undefined) {
      add(bdf, devicePath(tree, name));
    }
  }
  addBelow('sys/devices', listOf(tree, 'sys/devices').filter(isHostBridgeName));
  // A Map hands out what is added while it is walked, so this reaches every level.
  for (const { path, names, place } of folders.values()) {
    for (const above of [...place.ancestors, ...(place.behind === null ? [] : [place.behind])]) {
      add(above.bdf, above.path);
    }
    addBelow(path, names);
  }
  return [...folders.values()];
}

function listOf(tree: FileTree, path: string): readonly string[] {
  const names = tree.list(path);
  return typeof names === 'string' ? [] : names;
}

function devicePath(tree: FileTree, name: string): string {
  const listed = `${DEVICES_FOLDER}/${name}`;
  const path = tree.resolve(listed);
  if (path !== 'absent' && path !== 'denied' && path !== 'failed') {
    return path;
  }
  // A copy may hold the links and not the folders; the link alone still tells the way.
  const target = tree.readLink(listed);
  return target === 'absent' || target === 'denied' || target === 'failed'
    ? listed
    : linkDestination(DEVICES_FOLDER, target);
}

function folderAt(tree: FileTree, bdf: Bdf, path: string): DeviceFolder {
  return { bdf, path, names: new Set(listOf(tree, path)), place: placeOf(path) };
}

function treeFacts(
  folders: readonly DeviceFolder[],
  hasAll: boolean,
  release: string | undefined,
): TreeFacts {
  const seen = new Set<string>();
  if (!hasAll) {
    for (const folder of folders) {
      for (const name of folder.names) {
        seen.add(name);
      }
    }
  }
  return {
    isComplete: (name) => hasAll || seen.has(name),
    kernel: { hasLinkFiles: isAtLeast(release, 4, 13), hasRemovable: isAtLeast(release, 5, 14) },
  };
}

/** False too when the version is not known. */
function isAtLeast(release: string | undefined, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  return (
    match !== null && (Number(match[1]) > major || (Number(match[1]) === major && Number(match[2]) >= minor))
  );
}

function parentOf(place: Place): Pick<FunctionDraft, 'parent' | 'hostBridge'> {
  return place.hostBridge === undefined
    ? {}
    : { hostBridge: place.hostBridge, parent: place.ancestors.at(-1)?.bdf ?? null };
}

/**
 * The kernel gives every function of a root bus the node of its host bridge, so where they agree that is the node
 * (drivers/pci/probe.c, pci_device_add).
 */
function hostBridges(folders: readonly DeviceFolder[], drafts: readonly FunctionDraft[]): HostBridgeDraft[] {
  const found = new Map<string, { behind: Bdf | null; nodes: Set<number | null | undefined> }>();
  folders.forEach(({ place }, i) => {
    if (place.hostBridge === undefined) {
      return;
    }
    const bridge = found.get(place.hostBridge) ?? { behind: place.behind?.bdf ?? null, nodes: new Set() };
    found.set(place.hostBridge, bridge);
    if (place.ancestors.length === 0) {
      bridge.nodes.add(drafts[i]!.numaNode);
    }
  });
  return [...found].map(([key, { behind, nodes }]) => ({
    key,
    behind,
    numaNode: nodes.size === 1 ? [...nodes][0] : undefined,
  }));
}

function* idsOf(readings: readonly DeviceReading[]): Generator<{ vendor: number; device: number }> {
  for (const { draft } of readings) {
    if (draft.vendorId !== undefined && draft.deviceId !== undefined) {
      yield { vendor: draft.vendorId, device: draft.deviceId };
    }
  }
}

/** Root reads past the header; everyone else gets no further. Undefined when no config space came at all. */
function wasPrivileged(readings: readonly DeviceReading[]): boolean | undefined {
  if (readings.some(({ configLength, isConfigCut }) => typeof configLength === 'number' && !isConfigCut)) {
    return true;
  }
  return readings.some(({ configLength, isConfigCut }) => isConfigCut || configLength === 'denied')
    ? false
    : undefined;
}

function configGaps(
  readings: readonly DeviceReading[],
  privileged: boolean | undefined,
  kind: SysfsOptions['kind'],
): Gap[] {
  const cut = readings.filter(({ isConfigCut, configLength }) => isConfigCut || configLength === 'denied');
  if (privileged === false) {
    const help = kind === 'live' ? 'run as root to read it' : 'take the snapshot as root';
    const what = cut.every(({ configLength }) => configLength === 'denied')
      ? 'config space was not readable'
      : 'only the first 64 bytes of config space were readable';
    return [
      {
        at: null,
        what: 'extended-config',
        detail: `${what}, so ACS and capabilities are not known; ${help}`,
      },
    ];
  }
  return cut.map(({ draft }) => ({
    at: draft.bdf,
    what: 'config',
    detail: 'only the header of its config space was readable',
  }));
}

function cpuOnly(info: CpuInfo): Cpu {
  const { hasHypervisor: _, ...cpu } = info;
  return cpu;
}

const GUEST_FIRMWARE =
  /\b(QEMU|KVM|VMware|VirtualBox|Xen|Parallels|bhyve|Amazon EC2|Google Compute Engine|Virtual Machine|OpenStack|Nutanix|RHEV|oVirt)\b/i;

/** Only for CPUs that have no flag for it. A firmware name that is not on the list proves nothing. */
function guestByFirmware(tree: FileTree): boolean | undefined {
  return DMI_FILES.some((file) => GUEST_FIRMWARE.test(textOf(tree, file) ?? '')) ? true : undefined;
}

function nothingThere(tree: FileTree, kind: SysfsOptions['kind'], label: string): InputError {
  if (tree.kind('sys') !== 'directory') {
    return new InputError('INPUT_NO_SYSFS', {
      message: `${label}: there is no sys/ in it`,
      hint:
        kind === 'live'
          ? 'mount sysfs on /sys, name another root with --sysroot, or try `peerlane demo`'
          : tree.kind('bus/pci/devices') === 'directory'
            ? 'that is sys/ itself: name the folder that holds it'
            : 'a sysroot holds sys/ and, when present, proc/; `peerlane snapshot` makes one',
    });
  }
  return new InputError('INPUT_NO_PCI', {
    message: `${label}: no PCI functions in ${DEVICES_FOLDER}`,
    hint:
      kind === 'live'
        ? 'this machine shows no PCI; try `peerlane demo`, or name a snapshot with --machine'
        : 'take the snapshot on the machine itself with `peerlane snapshot`',
  });
}
