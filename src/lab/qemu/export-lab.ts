/** A whole lab as QEMU can build it: host bridges, CPU, IOMMU, kernel parameters, and the options for it. */
import type { LabCpu, LabFile, LabHostBridge, LabNode, LabVmd } from '../file/index.ts';
import { Changes } from './changes.ts';
import { quoted } from './export-endpoint.ts';
import { NOTHING_SERVED, type ServedOptions } from './export-served.ts';
import { type QemuController, type QemuOption, TreeExporter } from './export-tree.ts';

export interface ExportedLab {
  /** As QEMU will show it. */
  readonly lab: LabFile;
  readonly changes: readonly string[];
  /** Of `-cpu`. */
  readonly cpu: string;
  /** Devices and what they need, in an order that QEMU takes. */
  readonly options: readonly QemuOption[];
  readonly controllers: readonly QemuController[];
  readonly ids: ReadonlyMap<string, string>;
  /** Words for the kernel's command line. */
  readonly append: readonly string[];
}

/**
 * The same machine as QEMU will really show it: its ids, no ACS at switch ports, its chipset. The kernel is whatever is booted, so
 * its release stays that of the lab; functions that whoever starts QEMU adds are not in it.
 *
 * @param served  names of devices that Peerlane serves, which stay what they are
 */
export function asExported(lab: LabFile, served: Iterable<string> = []): LabFile {
  const sockets = new Map([...served].map((name) => [name, '']));
  return exportLab(lab, { ...NOTHING_SERVED, served: sockets }).lab;
}

const BUSES = 256;

export function exportLab(lab: LabFile, served: ServedOptions = NOTHING_SERVED): ExportedLab {
  const changes = new Changes();
  changes.add('the kernel is the one that is booted');
  const bridges = placedBridges(lab, changes);
  const names = new Set(namesOf(lab.hostBridges.flatMap(({ below }) => below)));
  const tree = new TreeExporter(changes, names, served);
  const isServing = served.served.size > 0;
  const [first, ...further] = bridges as [LabHostBridge, ...LabHostBridge[]];
  const hostBridges = [
    tree.rootBridge(first, further),
    ...further.map((bridge, index) => tree.furtherBridge(bridge, index)),
  ];
  changes.add('the chipset is q35: host bridge 8086:29c0, and functions of its own at 1f');
  if (lab.hostBridges.some(({ peers, peersAcross }) => peers !== 'routes' || peersAcross !== 'routes')) {
    const but = isServing ? ', but for those between devices that Peerlane serves' : '';
    changes.add(`host bridges route requests between their ports, whatever the lab says${but}`);
  }
  if (lab.hostBridges.some(({ translationOffsetBytes }) => translationOffsetBytes !== 0)) {
    changes.add('host bridges do not translate addresses');
  }
  if (lab.iopmem.length > 0) {
    changes.add('iopmem has no driver in a real kernel', lab.iopmem[0]!.name);
  }
  const cpu = exportCpu(lab.cpu, changes);
  const iommu = exportIommu(lab, isServing, changes);
  if (isServing) {
    changes.add(
      'requests between devices that Peerlane serves never leave it: below one switch they go direct, between root ports as the lab says; what the guest sets in its ports’ ACS has no effect on them',
    );
  }
  const append = [
    ...iommu.append,
    ...(tree.acsElements.length === 0 ? [] : [`pci=config_acs=${tree.acsElements.join(';')}`]),
  ];
  // A lab may say itself what its IOMMU needs.
  const own = lab.kernel.commandLine.split(' ');
  const words = [lab.kernel.commandLine, ...append.filter((word) => !own.includes(word))].filter(
    (word) => word !== '',
  );
  return {
    lab: {
      ...lab,
      kernel: { ...lab.kernel, commandLine: words.join(' ') },
      cpu: cpu.cpu,
      iommu: { ...lab.iommu, vendor: 'intel' },
      hostBridges,
      iopmem: [],
      // QEMU does not keep time.
      faults: [],
      workload: null,
    },
    changes: changes.lines(),
    cpu: cpu.option,
    options: [...iommu.options, ...tree.options],
    controllers: tree.controllers,
    ids: tree.ids,
    append: words,
  };
}

/**
 * All in domain 0, the first at bus 0, the others where they were or behind, since QEMU's firmware counts on from one to the
 * next. Root ports behind a VMD get a host bridge of their own.
 */
function placedBridges(lab: LabFile, changes: Changes): LabHostBridge[] {
  const own = [...lab.hostBridges].sort((a, b) => a.domain - b.domain || a.rootBus - b.rootBus);
  const vmds = lab.hostBridges.flatMap((bridge) =>
    bridge.below
      .filter((node): node is LabVmd => node.kind === 'vmd')
      .map((vmd): LabHostBridge => {
        changes.add('there is no VMD: its root ports are below a host bridge of domain 0', vmd.name);
        const { domain, window32Bytes, window64Bytes, below } = vmd;
        return {
          ...bridge,
          name: null,
          domain,
          rootBus: 0,
          identity: null,
          window32Bytes,
          window64Bytes,
          below,
        };
      }),
  );
  let next = 0;
  return [...own, ...vmds].map((bridge, index) => {
    const isMoved = bridge.domain !== 0 || bridge.rootBus < next || (index === 0 && bridge.rootBus !== 0);
    const rootBus = index === 0 ? 0 : isMoved ? next : bridge.rootBus;
    if (isMoved && !vmds.includes(bridge)) {
      changes.add(`the root bus ${name(bridge)} is ${name({ domain: 0, rootBus })}`);
    }
    next = Math.min(BUSES - 1, rootBus + busCount(bridge.below));
    return { ...bridge, domain: 0, rootBus };
  });
}

function namesOf(nodes: readonly LabNode[]): string[] {
  return nodes.flatMap((node) => [
    ...(node.name === null ? [] : [node.name]),
    ...('below' in node ? namesOf(node.below) : []),
  ]);
}

function busCount(nodes: readonly LabNode[]): number {
  let buses = 1;
  for (const node of nodes) {
    if ('below' in node && node.kind !== 'vmd') {
      buses += busCount(node.below);
    }
  }
  return buses;
}

function name({ domain, rootBus }: Pick<LabHostBridge, 'domain' | 'rootBus'>): string {
  return `${domain.toString(16).padStart(4, '0')}:${rootBus.toString(16).padStart(2, '0')}`;
}

/** QEMU's models by vendor, and their family and model. */
const CPU_MODELS: Readonly<
  Record<string, { readonly model: string; readonly family: number; readonly number: number }>
> = {
  intel: { model: 'Skylake-Server', family: 6, number: 85 },
  zhaoxin: { model: 'Skylake-Server,vendor=CentaurHauls', family: 6, number: 85 },
  amd: { model: 'EPYC', family: 23, number: 1 },
  'old-amd': { model: 'Opteron_G3', family: 16, number: 2 },
  hygon: { model: 'Dhyana', family: 24, number: 0 },
};
/** AMD's Zen began with this family. */
const ZEN = 0x17;
const MODEL_NAME_MAX = 48;

function exportCpu(cpu: LabCpu, changes: Changes): { readonly cpu: LabCpu; readonly option: string } {
  const isOld = cpu.vendor === 'amd' && cpu.family !== null && cpu.family < ZEN;
  const known = cpu.architecture === 'x86' ? CPU_MODELS[isOld ? 'old-amd' : cpu.vendor] : undefined;
  if (known === undefined) {
    changes.add(`the CPU is an Intel Skylake: QEMU emulates x86 here, not ${cpu.vendor} ${cpu.architecture}`);
  }
  const base = known ?? CPU_MODELS.intel!;
  const vendor = known === undefined ? 'intel' : cpu.vendor;
  const family = known === undefined ? base.family : (cpu.family ?? base.family);
  const model = known === undefined ? base.number : (cpu.model ?? base.number);
  changes.add('the CPU has the vendor, family, model and name of the lab, and the features of QEMU’s model');
  const option = [
    base.model,
    ...(family === base.family ? [] : [`family=${family}`]),
    ...(model === base.number ? [] : [`model=${model}`]),
    `model-id=${quoted(cpu.name.slice(0, MODEL_NAME_MAX))}`,
  ];
  return { cpu: { ...cpu, vendor, family, model, architecture: 'x86' }, option: option.join(',') };
}

/** The Intel unit stands for all: Linux drives it whatever the CPU is. */
function exportIommu(
  { iommu }: LabFile,
  isServing: boolean,
  changes: Changes,
): { readonly options: readonly QemuOption[]; readonly append: readonly string[] } {
  if (iommu.mode === 'off') {
    return { options: [], append: [] };
  }
  if (iommu.vendor !== 'intel') {
    changes.add(`the IOMMU is QEMU’s intel-iommu instead of one of ${iommu.vendor}`);
  }
  const append = iommu.mode === 'passthrough' ? ['intel_iommu=on', 'iommu=pt'] : ['intel_iommu=on'];
  // Devices that are somebody else's have to be told of every mapping.
  const value = isServing ? 'intel-iommu,caching-mode=on,intremap=off' : 'intel-iommu';
  return { options: [{ name: '-device', value }], append };
}
