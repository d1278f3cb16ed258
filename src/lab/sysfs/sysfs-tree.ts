/**
 * The sysfs and procfs of a booted machine, complete, so that a reader finds nothing unknown. Linux drivers/pci/pci-sysfs.c,
 * drivers/iommu, fs/proc.
 */
import type { Bdf } from '../../base/index.ts';
import { type HostBridgeFacts, scanFunctions } from '../../fabric/index.ts';
import {
  CLASS_FOLDERS,
  type FileTree,
  MANIFEST_FILE,
  MANIFEST_SCHEMA,
  type Manifest,
  type NewTarEntry,
} from '../../topology/index.ts';
import { cpuinfoText } from './cpuinfo.ts';
import { deviceFiles } from './device-files.ts';
import { entryTree } from './entry-tree.ts';
import { iommuGroups } from './isolation.ts';
import { kernelFiles } from './kernel-files.ts';
import { isKernelAtLeast } from './kernel-release.ts';
import { routingId, type ShownFunction, shownFunctions } from './shown-function.ts';
import { measureFunction } from './sized-resource.ts';
import type { SysfsState } from './sysfs-state.ts';

/** What `readSysfs` and `collectSnapshot` take. Made anew at each call: it shows the machine at this moment. */
export function sysfsTree(state: SysfsState): FileTree {
  return entryTree(sysfsEntries(state), state.label);
}

/** The same as files, for `writeTar` or a folder. */
export function sysfsEntries(state: SysfsState): NewTarEntry[] {
  return new TreeWriter(state).write();
}

/** Every function of the machine, in the order of the kernel's list. */
export function functionsOf(state: SysfsState): ShownFunction[] {
  const functions = shownFunctions(
    scanFunctions(state.side),
    (found) => state.resources.get(found.bdf) ?? measureFunction(found),
  );
  const { order } = state;
  if (order === undefined) {
    return functions;
  }
  const places = new Map(order.map((bdf, place) => [bdf, place]));
  const placeOf = (fn: ShownFunction): number => places.get(fn.bdf) ?? order.length;
  return functions.sort((a, b) => placeOf(a) - placeOf(b));
}

const encoder = new TextEncoder();
const UNITS: Readonly<Record<string, string>> = {
  intel: 'dmar0',
  amd: 'ivhd0',
  'arm-smmu': 'smmu3.0x0000000009050000',
};
const DEVICES = 'sys/bus/pci/devices';

class TreeWriter {
  readonly #state: SysfsState;
  readonly #functions: readonly ShownFunction[];
  readonly #byBdf: ReadonlyMap<Bdf, ShownFunction>;
  readonly #paths = new Map<Bdf, string>();
  readonly #entries = new Map<string, NewTarEntry['content']>();

  constructor(state: SysfsState) {
    this.#state = state;
    this.#functions = functionsOf(state);
    this.#byBdf = new Map(this.#functions.map((fn) => [fn.bdf, fn]));
  }

  write(): NewTarEntry[] {
    this.#devices();
    this.#names();
    this.#processFiles();
    for (const [path, content] of Object.entries(kernelFiles(this.#state.kernel))) {
      this.#put(path, content);
    }
    if (this.#state.pciIds !== undefined) {
      this.#put('usr/share/misc/pci.ids', this.#state.pciIds);
    }
    const manifest: Manifest = { schema: MANIFEST_SCHEMA, blanked: false, complete: true, unreadable: {} };
    this.#put(MANIFEST_FILE, `${JSON.stringify(manifest)}\n`);
    return [...this.#entries].map(([path, content]) => ({ path, content }));
  }

  #devices(): void {
    const groups = this.#iommuGroups();
    const vfs = new Map<ShownFunction, ShownFunction[]>();
    for (const fn of this.#functions) {
      if (fn.physical !== null) {
        vfs.set(fn.physical, [...(vfs.get(fn.physical) ?? []), fn]);
      }
    }
    for (const fn of this.#functions) {
      const path = this.#pathOf(fn);
      const iommuGroup = groups.get(fn.bdf) ?? null;
      this.#put(`${DEVICES}/${fn.bdf}`, { linkTo: `../../../${path.slice('sys/'.length)}` });
      const files = deviceFiles(fn, this.#state.functions.get(fn.bdf), {
        path,
        iommuGroup,
        vfs: vfs.get(fn) ?? [],
        release: this.#state.kernel.release,
      });
      for (const [name, content] of Object.entries(files)) {
        this.#put(`${path}/${name}`, content);
      }
      const driver = this.#state.functions.get(fn.bdf)?.driver ?? null;
      if (driver !== null) {
        this.#put(`sys/bus/pci/drivers/${driver}/${fn.bdf}`, {
          linkTo: `../../../../${path.slice('sys/'.length)}`,
        });
      }
      if (iommuGroup !== null) {
        this.#group(iommuGroup, fn.bdf, path);
      }
    }
  }

  #iommuGroups(): ReadonlyMap<Bdf, number> {
    if (this.#state.iommu.mode === 'off') {
      this.#put('sys/class/iommu', 'directory');
      return new Map();
    }
    const unit = UNITS[this.#state.iommu.vendor]!;
    this.#put(`sys/devices/virtual/iommu/${unit}`, 'directory');
    this.#put(`sys/class/iommu/${unit}`, { linkTo: `../../devices/virtual/iommu/${unit}` });
    return iommuGroups(this.#functions, (fn) => {
      const endpoint = this.#endpointAbove(fn.found.hostBridge);
      return endpoint === undefined ? fn : this.#byBdf.get(endpoint)!;
    });
  }

  #group(group: number, bdf: Bdf, path: string): void {
    const folder = `sys/kernel/iommu_groups/${group}`;
    const isLazy = isKernelAtLeast(this.#state.kernel.release, 5, 15);
    const type = this.#state.iommu.mode === 'passthrough' ? 'identity' : isLazy ? 'DMA-FQ' : 'DMA';
    this.#put(`${folder}/type`, `${type}\n`);
    this.#put(`${folder}/devices/${bdf}`, { linkTo: `../../../../${path.slice('sys/'.length)}` });
  }

  /** Below the bridge above; a virtual function beside its physical one; a VMD's domain below its endpoint. */
  #pathOf(fn: ShownFunction): string {
    const known = this.#paths.get(fn.bdf);
    if (known !== undefined) {
      return known;
    }
    const above = fn.parent === null ? this.#rootPath(fn.found.hostBridge) : this.#pathOf(fn.parent);
    const path = `${above}/${fn.bdf}`;
    this.#paths.set(fn.bdf, path);
    return path;
  }

  #rootPath(bridge: HostBridgeFacts): string {
    const endpoint = this.#endpointAbove(bridge);
    const above = endpoint === undefined ? 'sys/devices' : this.#pathOf(this.#byBdf.get(endpoint)!);
    return `${above}/pci${hex(bridge.domain, 4)}:${hex(bridge.rootBusNumber, 2)}`;
  }

  /** Undefined too where the endpoint has gone. */
  #endpointAbove(bridge: HostBridgeFacts): Bdf | undefined {
    const endpoint = this.#state.vmds.find(({ domain }) => domain === bridge.domain)?.endpoint;
    return endpoint !== undefined && this.#byBdf.has(endpoint) ? endpoint : undefined;
  }

  #names(): void {
    const folders = new Map(CLASS_FOLDERS.map(([folder, subsystem]) => [subsystem, folder]));
    for (const [bdf, { names }] of this.#state.functions) {
      const device = this.#paths.get(bdf);
      for (const { subsystem, name } of device === undefined ? [] : names) {
        const controller = /^(nvme\d+)n\d+$/.exec(name)?.[1];
        const isDisk =
          subsystem === 'block' &&
          names.some((other) => other.subsystem === 'nvme' && other.name === controller);
        const path = `${device}/${isDisk ? `nvme/${controller}` : subsystem}/${name}`;
        const folder = folders.get(subsystem) ?? `sys/class/${subsystem}`;
        this.#put(path, 'directory');
        const up = '../'.repeat(folder.split('/').length - 1);
        this.#put(`${folder}/${name}`, { linkTo: `${up}${path.slice('sys/'.length)}` });
      }
    }
    for (const folder of folders.values()) {
      this.#put(folder, 'directory');
    }
  }

  #processFiles(): void {
    const lines = this.#functions.map(({ bdf, facts, physical }) => {
      const { vendorId } = physical?.facts ?? facts;
      const deviceId = physical === null ? facts.deviceId : physical.facts.sriov?.vfDeviceId;
      return `${hex(routingId(bdf), 4)}\t${hex(vendorId ?? 0, 4)}${hex(deviceId ?? 0, 4)}\t0\n`;
    });
    this.#put('proc/bus/pci/devices', lines.join(''));
    this.#put('proc/cpuinfo', cpuinfoText(this.#state.cpu));
  }

  #put(path: string, content: NewTarEntry['content'] | string): void {
    this.#entries.set(
      path,
      typeof content === 'string' && content !== 'directory' ? encoder.encode(content) : content,
    );
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
