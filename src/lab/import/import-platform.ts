/** What a machine says of kernel, CPU, IOMMU and memory, for the lab. */
import { rootComplexKnowledge } from '../../p2pdma/index.ts';
import { ADVANCED_ERROR_CAPABILITIES_AND_CONTROL, EXTENDED_ID } from '../../spec/pcie/index.ts';
import { atsState, findExtendedCapability, type Machine, walkCapabilities } from '../../topology/index.ts';
import {
  ARCHITECTURES,
  CPU_VENDORS,
  IOMMU_VENDORS,
  type LabCpu,
  type LabCpuVendor,
  type LabFile,
  type LabIommu,
  type LabKernel,
  type LabPeerPolicy,
} from '../file/index.ts';
import type { ImportNotes } from './notes.ts';

const ASSUMED_RELEASE = '7.2.12';
const RELEASE = /^\d{1,3}\.\d{1,3}[\w.+~-]{0,60}$/;
const NODE_BYTES = 16 * 2 ** 30;
const NODES_MAX = 64;
const VALUE_MAX = 200;
const COMMAND_LINE_MAX = 4096;

export function importPlatform(
  machine: Machine,
  notes: ImportNotes,
): Pick<LabFile, 'kernel' | 'cpu' | 'iommu' | 'firmwareEcrc' | 'memory'> {
  const cpu = importCpu(machine, notes);
  return {
    kernel: importKernel(machine, notes),
    cpu,
    iommu: importIommu(machine, cpu.vendor, notes),
    firmwareEcrc: hasEcrc(machine),
    memory: importMemory(machine, notes),
  };
}

/** What the root complex does between root ports, and between host bridges. */
export function importPeers(
  machine: Machine,
  notes: ImportNotes,
): { readonly peers: LabPeerPolicy; readonly peersAcross: LabPeerPolicy } {
  const { writes, reads, acrossSockets, source } = rootComplexKnowledge(machine.cpu, machine.isVirtual);
  const peers: LabPeerPolicy = writes === 'refuses' ? 'none' : reads === 'refuses' ? 'writes-only' : 'routes';
  if (writes === 'unknown' || reads === 'unknown') {
    notes.add(
      `what the root complex does with requests between root ports is not known (${source}); assumed: it routes them`,
    );
  }
  if (acrossSockets === 'unknown' && machine.hostBridges.length > 1) {
    notes.add('what becomes of requests between host bridges is not known; assumed: the same as within one');
  }
  return { peers, peersAcross: acrossSockets === 'refuses' ? 'none' : peers };
}

function importKernel({ kernel }: Machine, notes: ImportNotes): LabKernel {
  const isKnown = kernel.release !== undefined && RELEASE.test(kernel.release);
  if (!isKnown) {
    notes.add(`the kernel is not known; assumed: ${ASSUMED_RELEASE}`);
  }
  if (kernel.commandLine === undefined) {
    notes.add('the kernel command line is not known; assumed: empty');
  }
  if (kernel.config === undefined) {
    notes.add('options of the kernel’s build are not known; assumed: with CONFIG_PCI_P2PDMA');
  }
  return {
    release: isKnown ? kernel.release! : ASSUMED_RELEASE,
    commandLine: oneLine(kernel.commandLine ?? '')
      .slice(0, COMMAND_LINE_MAX)
      .trim(),
    config: shortTexts(kernel.config ?? { CONFIG_PCI_P2PDMA: 'y' }, /^CONFIG_[A-Z0-9_]{1,60}$/),
    moduleParameters: shortTexts(kernel.moduleParameters, /^[A-Za-z0-9_]{1,40}\.[A-Za-z0-9_]{1,40}$/),
  };
}

function importCpu({ cpu }: Machine, notes: ImportNotes): LabCpu {
  const vendor = CPU_VENDORS.find((known) => known === cpu.vendor);
  const architecture = ARCHITECTURES.find((known) => known === cpu.architecture);
  if (vendor === undefined) {
    notes.add(
      `the CPU vendor is not known or not among those of labs (${cpu.vendor ?? 'unknown'}); assumed: intel`,
    );
  }
  const family = cpu.family ?? cpu.possibleFamilies?.[0];
  const isX86 = (architecture ?? ARCHITECTURE_OF[vendor ?? 'intel']) === 'x86';
  if (family === undefined && isX86) {
    notes.add('the CPU family is not known; assumed: none, so rules that ask for it do not hold');
  } else if (cpu.family === undefined && family !== undefined) {
    notes.add(`the CPU family is one of ${cpu.possibleFamilies!.join(', ')}; assumed: ${family}`);
  }
  return {
    vendor: vendor ?? 'intel',
    family: family === undefined || family > 99_999 ? null : family,
    model: cpu.model === undefined || cpu.model > 99_999 ? null : cpu.model,
    name: oneLine(cpu.name ?? `unknown ${vendor ?? 'intel'}`)
      .slice(0, 64)
      .trim(),
    sockets: Math.min(NODES_MAX, Math.max(1, cpu.sockets ?? 1)),
    architecture: architecture ?? ARCHITECTURE_OF[vendor ?? 'intel'],
  };
}

const ARCHITECTURE_OF: Readonly<Record<LabCpuVendor, LabCpu['architecture']>> = {
  intel: 'x86',
  amd: 'x86',
  hygon: 'x86',
  zhaoxin: 'x86',
  arm: 'arm64',
  ibm: 'ppc64',
};
const IOMMU_OF: Readonly<Record<LabCpuVendor, LabIommu['vendor']>> = {
  intel: 'intel',
  amd: 'amd',
  hygon: 'amd',
  zhaoxin: 'intel',
  arm: 'arm-smmu',
  ibm: 'arm-smmu',
};

function importIommu(machine: Machine, cpuVendor: LabCpuVendor, notes: ImportNotes): LabIommu {
  const { mode, driver } = machine.iommu;
  let assumed: LabIommu['mode'];
  if (mode === undefined) {
    notes.add('whether an IOMMU translates is not known; assumed: off');
    assumed = 'off';
  } else if (mode === 'on') {
    assumed = /\biommu=pt\b|\biommu\.passthrough=1\b/.test(machine.kernel.commandLine ?? '')
      ? 'passthrough'
      : 'translated';
    notes.add(`an IOMMU is on; whether it translates is not known; assumed: ${assumed}`);
  } else {
    assumed = mode;
  }
  const vendor = IOMMU_VENDORS.find((known) => known === driver) ?? IOMMU_OF[cpuVendor];
  return { mode: assumed, vendor, pageBytes: 4096, hasAts: answersAts(machine) };
}

/** Not where functions have ATS and none of them uses it although addresses are translated. */
function answersAts({ functions, iommu }: Machine): boolean {
  const states = functions.flatMap(({ config }) => (config === undefined ? [] : (atsState(config) ?? [])));
  return iommu.mode !== 'translated' || states.length === 0 || states.some(({ isEnabled }) => isEnabled);
}

/** Some function makes end-to-end checksums. */
function hasEcrc({ functions }: Machine): boolean {
  return functions.some(({ config }) => {
    const found =
      config === undefined
        ? null
        : findExtendedCapability(walkCapabilities(config), EXTENDED_ID.ADVANCED_ERROR_REPORTING);
    const { offset, ECRC_Generation_Enable } = ADVANCED_ERROR_CAPABILITIES_AND_CONTROL;
    return (
      found != null &&
      found.offset + offset + 4 <= config!.length &&
      ECRC_Generation_Enable.read(
        new DataView(config!.buffer, config!.byteOffset, config!.byteLength),
        found.offset,
      ) === 1
    );
  });
}

function importMemory(machine: Machine, notes: ImportNotes): LabFile['memory'] {
  let nodes = 1;
  for (const { numaNode } of [...machine.functions, ...machine.hostBridges]) {
    nodes = Math.max(nodes, Math.min(NODES_MAX, (numaNode ?? 0) + 1));
  }
  notes.add(
    `system memory is not in a reading; assumed: 16 GiB on ${nodes === 1 ? 'one node' : `each of ${nodes} nodes`}`,
  );
  return Array.from({ length: nodes }, () => ({ sizeBytes: NODE_BYTES }));
}

function shortTexts(values: Readonly<Record<string, string>>, key: RegExp): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => key.test(name))
      .map(([name, value]) => [name, oneLine(value).slice(0, VALUE_MAX).trim()]),
  );
}

/** As a lab file takes texts: no control characters, no lone surrogates. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, ' ');
}
