/**
 * What `peerlane snapshot` takes: exactly the names that the reader knows (`sysfs/names.ts`), at the places where they
 * stand in a running system, so that a snapshot is a sysroot like any other and older tools can look into it.
 */

import type { Gunzip } from '../archive/archive-tree.ts';
import type { NewTarEntry } from '../archive/tar-writer.ts';
import { type Absence, ATTRIBUTE_LIMIT_BYTES, type FileTree } from '../file-tree.ts';
import type { ModprobeLine } from '../machine.ts';
import { reducedBusList } from '../sysfs/bus-order.ts';
import { ClassNames, classLinks } from '../sysfs/class-names.ts';
import { reducedCpuinfo } from '../sysfs/cpu.ts';
import { readKernelState } from '../sysfs/kernel-state.ts';
import { MANIFEST_FILE, MANIFEST_SCHEMA, type Manifest, withManifest } from '../sysfs/manifest.ts';
import {
  BUS_LIST_FILE,
  CLASS_FOLDERS,
  COMMAND_LINE_FILE,
  CONFIG_BYTES_MAX,
  CONFIG_FILE,
  CPUINFO_FILE,
  DEVICE_ATTRIBUTES,
  DEVICE_LINKS,
  DEVICES_FOLDER,
  DMI_FILES,
  IOMMU_CLASS_FOLDER,
  IOMMU_GROUPS_FOLDER,
  kernelConfigFiles,
  MODPROBE_FOLDERS,
  MODULE_PARAMETERS,
  OSRELEASE_FILE,
  P2PMEM_ALLOCATE,
  P2PMEM_ATTRIBUTES,
  P2PMEM_FOLDER,
  PCI_IDS_FILES,
  TEXT_BYTES_MAX,
  VERSION_FILE,
} from '../sysfs/names.ts';
import { type PciId, reducedPciIds } from '../sysfs/pci-ids.ts';
import { type DeviceFolder, deviceFolders } from '../sysfs/read-sysfs.ts';
import { hexNumber, lastComponent, textOf } from '../sysfs/text.ts';
import { BLANKED, blankedCommandLine, blankedVersion, NameBlanker, withoutSerialNumber } from './blank.ts';

export interface SnapshotOptions {
  /** Keeps serial numbers, MAC addresses in names, the kernel's builder and the whole command line. Default false. */
  readonly keepIdentities?: boolean;
  /** For /proc/config.gz. */
  readonly gunzip?: Gunzip;
}

export interface Snapshot {
  /** For `writeTar`. */
  readonly entries: readonly NewTarEntry[];
  /** What a person should know of this snapshot, one line each: what could not be read, what was blanked. */
  readonly notes: readonly string[];
}

/** Reads a machine's files into a snapshot. Never throws: what is not there is not taken. */
export function collectSnapshot(files: FileTree, options: SnapshotOptions = {}): Snapshot {
  return new Collector(files, options).collect();
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

class Collector {
  readonly #tree: FileTree;
  readonly #isComplete: boolean;
  readonly #keepIdentities: boolean;
  readonly #gunzip: Gunzip | undefined;
  readonly #names = new NameBlanker();
  /** By path, so that nothing is taken twice. */
  readonly #entries = new Map<string, NewTarEntry['content']>();
  readonly #unreadable: Record<string, 'denied' | 'failed'> = {};
  #serialNumbers = 0;

  constructor(files: FileTree, options: SnapshotOptions) {
    const { tree, isComplete } = withManifest(files);
    this.#tree = tree;
    this.#isComplete = isComplete;
    this.#keepIdentities = options.keepIdentities === true;
    this.#gunzip = options.gunzip;
  }

  collect(): Snapshot {
    const folders = deviceFolders(this.#tree);
    for (const folder of folders) {
      this.#device(folder);
    }
    this.#classes(folders);
    this.#iommu(folders);
    this.#cpu();
    this.#kernel();
    this.#pciIds(folders);
    for (const file of DMI_FILES) {
      this.#text(file, (text) => text);
    }
    const manifest: Manifest = {
      schema: MANIFEST_SCHEMA,
      blanked: !this.#keepIdentities,
      complete: this.#isComplete,
      unreadable: this.#unreadable,
    };
    this.#put(MANIFEST_FILE, encoder.encode(`${JSON.stringify(manifest, null, 1)}\n`));
    return {
      entries: [...this.#entries].map(([path, content]) => ({ path, content })),
      notes: this.#notes(folders),
    };
  }

  #device({ bdf, path, names }: DeviceFolder): void {
    const listed = `${DEVICES_FOLDER}/${bdf}`;
    if (path !== listed && this.#tree.kind(listed) === 'link') {
      this.#link(listed, linkText(DEVICES_FOLDER, path));
    }
    // Also where nothing in it is taken: the folder itself says that the function is there.
    this.#put(path, 'directory');
    if (names.has(CONFIG_FILE)) {
      this.#config(`${path}/${CONFIG_FILE}`);
    }
    for (const name of DEVICE_ATTRIBUTES) {
      if (names.has(name)) {
        this.#file(`${path}/${name}`, ATTRIBUTE_LIMIT_BYTES);
      }
    }
    for (const name of DEVICE_LINKS) {
      const target = names.has(name) ? this.#tree.readLink(`${path}/${name}`) : 'absent';
      if (target !== 'absent' && target !== 'denied' && target !== 'failed') {
        this.#link(`${path}/${name}`, target);
      }
    }
    if (names.has(P2PMEM_FOLDER)) {
      const folder = `${path}/${P2PMEM_FOLDER}`;
      for (const name of P2PMEM_ATTRIBUTES) {
        this.#file(`${folder}/${name}`, ATTRIBUTE_LIMIT_BYTES);
      }
      if (this.#tree.kind(`${folder}/${P2PMEM_ALLOCATE}`) === 'file') {
        this.#put(`${folder}/${P2PMEM_ALLOCATE}`, NOTHING);
      }
    }
  }

  #config(path: string): void {
    const bytes = this.#tree.read(path, CONFIG_BYTES_MAX);
    if (typeof bytes === 'string') {
      this.#note(path, bytes);
      return;
    }
    const kept = this.#keepIdentities ? bytes : withoutSerialNumber(bytes);
    if (kept !== bytes) {
      this.#serialNumbers++;
    }
    this.#put(path, kept.slice());
  }

  #classes(folders: readonly DeviceFolder[]): void {
    for (const [folder] of CLASS_FOLDERS) {
      if (typeof this.#tree.list(folder) !== 'string') {
        this.#put(folder, 'directory');
      }
    }
    for (const { folder, name, target } of classLinks(this.#tree)) {
      const blanked = this.#keepIdentities ? name : this.#names.blank(name);
      const slash = target.lastIndexOf('/');
      const tail = lastComponent(target) === name ? blanked : lastComponent(target);
      this.#link(`${folder}/${blanked}`, `${target.slice(0, slash + 1)}${tail}`);
    }
    this.#classesOfSubfolders(folders);
  }

  /** A copy without the folders of the classes has the names below its functions; they become links like the others. */
  #classesOfSubfolders(folders: readonly DeviceFolder[]): void {
    const missing = new Map(
      CLASS_FOLDERS.filter(([folder]) => typeof this.#tree.list(folder) === 'string').map(
        ([folder, subsystem]) => [subsystem, folder],
      ),
    );
    const classNames = new ClassNames(this.#tree);
    for (const { bdf, path, names } of folders) {
      for (const { subsystem, name } of classNames.of(this.#tree, bdf, path, names)) {
        const folder = missing.get(subsystem);
        if (folder !== undefined) {
          const blanked = this.#keepIdentities ? name : this.#names.blank(name);
          this.#link(`${folder}/${blanked}`, linkText(folder, `${path}/${subsystem}/${blanked}`));
        }
      }
    }
  }

  #iommu(folders: readonly DeviceFolder[]): void {
    const units = this.#tree.list(IOMMU_CLASS_FOLDER);
    if (typeof units !== 'string') {
      this.#put(IOMMU_CLASS_FOLDER, 'directory');
      for (const unit of units) {
        // Only the names count; where they lead is not taken along.
        this.#link(`${IOMMU_CLASS_FOLDER}/${unit}`, `../../devices/virtual/iommu/${unit}`);
      }
    }
    for (const { path, names } of folders) {
      const target = names.has('iommu_group') ? this.#tree.readLink(`${path}/iommu_group`) : 'absent';
      const group = lastComponent(target);
      if (/^[0-9]+$/.test(group)) {
        this.#text(`${IOMMU_GROUPS_FOLDER}/${group}/type`, (text) => text);
      }
    }
  }

  #cpu(): void {
    this.#text(CPUINFO_FILE, reducedCpuinfo, TEXT_BYTES_MAX.cpuinfo);
  }

  #kernel(): void {
    const blank = (by: (text: string) => string) => (text: string) =>
      this.#keepIdentities ? text : by(text);
    this.#text(VERSION_FILE, blank(blankedVersion), TEXT_BYTES_MAX.version);
    this.#text(OSRELEASE_FILE, (text) => text);
    this.#text(COMMAND_LINE_FILE, blank(blankedCommandLine), TEXT_BYTES_MAX.commandLine);
    this.#text(BUS_LIST_FILE, reducedBusList, TEXT_BYTES_MAX.busList);
    for (const [module, parameter] of MODULE_PARAMETERS) {
      this.#text(`sys/module/${module}/parameters/${parameter}`, (text) => text);
    }
    const state = readKernelState(this.#tree, this.#gunzip);
    if (state.release !== undefined && state.config !== undefined) {
      const lines = Object.entries(state.config).map(([name, value]) => `${name}=${value}`);
      this.#put(kernelConfigFiles(state.release)[0]!, encoder.encode(`${lines.join('\n')}\n`));
    }
    for (const folder of MODPROBE_FOLDERS) {
      if (typeof this.#tree.list(folder) !== 'string') {
        this.#put(folder, 'directory');
      }
    }
    const byFile = new Map<string, ModprobeLine[]>();
    for (const line of state.modprobeOptions ?? []) {
      byFile.set(line.file, [...(byFile.get(line.file) ?? []), line]);
    }
    for (const [file, lines] of byFile) {
      const text = lines.map((line) => [line.command, line.module, line.rest].join(' ').trim()).join('\n');
      this.#put(file, encoder.encode(`${text}\n`));
    }
  }

  #pciIds(folders: readonly DeviceFolder[]): void {
    const ids: PciId[] = [];
    for (const { path } of folders) {
      const vendor = hexNumber(textOf(this.#tree, `${path}/vendor`), 0xffff);
      const device = hexNumber(textOf(this.#tree, `${path}/device`), 0xffff);
      if (vendor !== undefined && device !== undefined) {
        ids.push({ vendor, device });
      }
    }
    const text = reducedPciIds(this.#tree, ids);
    if (text !== undefined) {
      this.#put(PCI_IDS_FILES[0], encoder.encode(text));
    }
  }

  /** A file as it is. */
  #file(path: string, limitBytes: number): void {
    const bytes = this.#tree.read(path, limitBytes);
    if (typeof bytes === 'string') {
      this.#note(path, bytes);
    } else {
      this.#put(path, bytes.slice());
    }
  }

  /** A text file, reduced. */
  #text(path: string, reduce: (text: string) => string, limitBytes: number = ATTRIBUTE_LIMIT_BYTES): void {
    const text = textOf(this.#tree, path, limitBytes);
    if (text !== undefined) {
      this.#put(path, encoder.encode(`${reduce(text).trimEnd()}\n`));
      return;
    }
    const why = this.#tree.read(path, 1);
    if (typeof why === 'string') {
      this.#note(path, why);
    }
  }

  #link(path: string, target: string): void {
    this.#put(path, { linkTo: target });
  }

  #put(path: string, content: NewTarEntry['content']): void {
    this.#entries.set(path, content);
  }

  #note(path: string, why: Absence): void {
    if (why !== 'absent') {
      this.#unreadable[path] = why;
      this.#put(path, NOTHING);
    }
  }

  #notes(folders: readonly DeviceFolder[]): string[] {
    const notes: string[] = [];
    let headers = 0;
    for (const { path } of folders) {
      const config = this.#entries.get(`${path}/${CONFIG_FILE}`);
      headers += config instanceof Uint8Array && config.length > 0 && config.length <= 128 ? 1 : 0;
    }
    if (headers > 0) {
      notes.push(
        `${headers} of ${folders.length} functions gave only the header of their config space, so ACS is not in the snapshot: run as root`,
      );
    }
    const denied = Object.keys(this.#unreadable).length;
    if (denied > 0) {
      notes.push(`${denied} files could not be read, ${Object.keys(this.#unreadable)[0]} among them`);
    }
    if (this.#serialNumbers > 0) {
      notes.push(`serial numbers of ${this.#serialNumbers} functions blanked`);
    }
    const commandLine = this.#entries.get(COMMAND_LINE_FILE);
    if (commandLine instanceof Uint8Array && new TextDecoder().decode(commandLine).includes(BLANKED)) {
      notes.push('values of unknown kernel parameters blanked');
    }
    return notes;
  }
}

/** The relative text of a link in `folder` that leads to `path`. */
function linkText(folder: string, path: string): string {
  const from = folder.split('/');
  const to = path.split('/');
  let shared = 0;
  while (shared < from.length && from[shared] === to[shared]) {
    shared++;
  }
  return [...from.slice(shared).map(() => '..'), ...to.slice(shared)].join('/');
}
