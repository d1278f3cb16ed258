/** Fields of the machine as a whole and of host bridges. */
import * as z from 'zod';
import { flagText, hexText, printId } from './endpoint-fields.ts';
import { FAULTS_MAX, faultSchema } from './fault-fields.ts';
import {
  block,
  choice,
  count,
  flag,
  hex,
  id,
  listOf,
  NOT_TAKEN,
  nameText,
  powerOfTwo,
  printSize,
  scalar,
  shortBlock,
  shortForms,
  size,
  text,
  textBlock,
} from './field.ts';
import {
  ARCHITECTURES,
  CPU_VENDORS,
  IOMMU_MODES,
  IOMMU_VENDORS,
  type LabCpu,
  type LabCpuVendor,
  type LabFile,
  type LabHostBridge,
  type LabId,
  type LabIommu,
  type LabKernel,
  PEER_POLICIES,
} from './lab-file.ts';
import { LAB_MARKER, LAB_VERSION } from './recognise-lab.ts';
import { fillTime, printMachineTime, timeSchema } from './time-fields.ts';
import type { LabBlock } from './values.ts';
import { workloadSchema } from './workload-fields.ts';

/** A processor of each vendor that people have. */
const CPUS: Readonly<Record<LabCpuVendor, Omit<LabCpu, 'vendor' | 'sockets'>>> = {
  intel: { family: 6, model: 85, name: 'Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz', architecture: 'x86' },
  amd: { family: 25, model: 1, name: 'AMD EPYC 7543 32-Core Processor', architecture: 'x86' },
  hygon: { family: 24, model: 1, name: 'Hygon C86 7185 32-core Processor', architecture: 'x86' },
  zhaoxin: { family: 7, model: 91, name: 'ZHAOXIN KaiSheng KH-40000', architecture: 'x86' },
  arm: { family: null, model: null, name: 'Neoverse-N1', architecture: 'arm64' },
  ibm: { family: null, model: null, name: 'POWER9', architecture: 'ppc64' },
};

const IOMMU_OF: Readonly<Record<LabCpuVendor, LabIommu['vendor']>> = {
  intel: 'intel',
  amd: 'amd',
  hygon: 'amd',
  zhaoxin: 'intel',
  arm: 'arm-smmu',
  // None of the three is what POWER has; translation works alike here.
  ibm: 'arm-smmu',
};

const release = () =>
  scalar(
    'kernel release like 7.2.12 or 6.8.0-51-generic',
    (value) => (/^\d{1,3}\.\d{1,3}[\w.+~-]{0,60}$/.test(value) ? value : NOT_TAKEN),
    { type: ['string', 'number'], examples: ['7.2.12'] },
  );

const CONFIG_DEFAULT: Readonly<Record<string, string>> = { CONFIG_PCI_P2PDMA: 'y' };

const kernelFields = {
  release: release().prefault('7.2.12').meta({ description: 'As `uname -r` prints it.' }),
  config: textBlock(/^CONFIG_[A-Z0-9_]{1,60}$/, 'options of the build like CONFIG_PCI_P2PDMA')
    .optional()
    .meta({ description: 'Options of the build. Default: CONFIG_PCI_P2PDMA is y.' }),
};

const wholeNumberOrNone = (description: string) =>
  scalar(
    'whole number or none',
    (value) =>
      value === 'none' ? null : /^(?:\d{1,5}|0x[0-9a-f]{1,4})$/i.test(value) ? Number(value) : NOT_TAKEN,
    { type: ['integer', 'string'] },
  )
    .optional()
    .meta({ description });

const cpuFields = {
  vendor: choice(CPU_VENDORS).prefault('intel').meta({ description: 'Vendor.' }),
  family: wholeNumberOrNone('Family as CPUID and /proc/cpuinfo have it, or none. Default: by vendor.'),
  model: wholeNumberOrNone('Model, likewise. Default: by vendor.'),
  name: text(64).optional().meta({ description: 'Name as in /proc/cpuinfo. Default: by vendor.' }),
  sockets: count(1, 64).optional().meta({ description: 'Sockets. Default: one a NUMA node.' }),
  architecture: choice(ARCHITECTURES).optional().meta({ description: 'Architecture. Default: by vendor.' }),
};

const iommuFields = {
  mode: choice(IOMMU_MODES).prefault('off').meta({
    description: '`off`; `passthrough`: on, and addresses are not translated; `translated`.',
  }),
  vendor: choice(IOMMU_VENDORS).optional().meta({ description: 'Default: by CPU vendor.' }),
  'page-size': powerOfTwo(4096, 2 ** 30)
    .prefault('4K')
    .meta({ description: 'Smallest page of its tables.' }),
  ats: flag().prefault('yes').meta({
    description:
      'It answers translation requests of devices. Where it is `translated`, Linux then switches ATS on in every device that has it (`ats: yes`), unless `pci=noats` is on the command line.',
  }),
};

const iopmemFields = {
  name: nameText().optional().meta({ description: 'Name of the block device. Default: iopmem0, iopmem1, …' }),
  function: nameText().meta({ description: 'Name of the function whose memory it is.' }),
  bar: count(0, 5).optional().meta({ description: 'Its BAR. Default: the largest memory BAR.' }),
  offset: size(0, 2 ** 49)
    .prefault('0')
    .meta({ description: 'Where in the BAR it begins.' }),
  size: size(512, 2 ** 49)
    .optional()
    .meta({ description: 'Length. Default: the rest of the BAR.' }),
  block: choice(['512', '4096']).prefault('4096').meta({ description: 'Bytes of a block.' }),
};
export const iopmemSchema = shortBlock(iopmemFields, { type: 'string' }, (value) => ({ function: value }));
export type IopmemRaw = z.output<typeof iopmemSchema>;

const seed = () => count(0, 2 ** 32 - 1).prefault('1');

export const machineFields = {
  [LAB_MARKER]: choice([LAB_VERSION]).meta({
    description: `Says what the file is: \`${LAB_VERSION}\`. Required.`,
  }),
  title: text(200).optional().meta({ description: 'For people.' }),
  seed: seed().meta({ description: 'First contents of drives and all else that is random come from it.' }),
  kernel: shortBlock(kernelFields, { type: ['string', 'number'] }, (value) => ({ release: value }))
    .prefault({})
    .meta({ description: 'Linux release whose rules hold, or a block. Default: 7.2.12.' }),
  'command-line': text(4096).prefault('').meta({ description: 'Of the kernel: `pci=disable_acs_redir=…`.' }),
  modules: textBlock(/^[A-Za-z0-9_]{1,40}\.[A-Za-z0-9_]{1,40}$/, 'module parameters like nvme.use_cmb_sqs')
    .prefault({})
    .meta({ description: 'Module parameters, `nvme.use_cmb_sqs: 0`.' }),
  cpu: shortBlock(cpuFields, { enum: [...CPU_VENDORS] }, (value) => ({ vendor: value }))
    .prefault({})
    .meta({ description: 'Vendor, or a block. Default: intel.' }),
  iommu: shortBlock(iommuFields, { enum: [...IOMMU_MODES] }, (value) => ({ mode: value }))
    .prefault({})
    .meta({ description: 'Mode, or a block. Default: off.' }),
  memory: listOf(size(2 ** 20, 2 ** 48), 64)
    .prefault(['16G'])
    .meta({ description: 'System memory: one size, or a list with one for each NUMA node.' }),
  ecrc: flag().prefault('no').meta({
    description:
      'Firmware switches end-to-end checksums (ECRC) on in every function with AER: 4 bytes more in each packet. A kernel with CONFIG_PCIE_ECRC has the last word by `pci=ecrc=on` or `off`.',
  }),
  'host-bridges': z.unknown().optional().meta({ description: 'List of host bridges.' }),
  below: z.unknown().optional().meta({
    description:
      'Instead of `host-bridges`: what is below the only one, when all its fields are the default.',
  }),
  iopmem: listOf(iopmemSchema, 64)
    .prefault([])
    .meta({ description: 'Block devices over memory of functions.' }),
  time: timeSchema.prefault({}).meta({
    description: 'What things cost where the lab is run in time: a platform, or a block. Default: auto.',
  }),
  faults: listOf(faultSchema, FAULTS_MAX)
    .prefault([])
    .meta({ description: 'What goes wrong on purpose, and when. The first rule that matches acts.' }),
  workload: workloadSchema.optional().meta({ description: 'What to run. Default: nothing.' }),
};
export const machineSchema = block(machineFields);
export const machineBlocks = {
  kernel: kernelFields,
  cpu: cpuFields,
  iommu: iommuFields,
  iopmem: iopmemFields,
};
type MachineRaw = z.output<typeof machineSchema>;

export function fillMachine(
  raw: MachineRaw,
): Omit<LabFile, 'hostBridges' | 'iopmem' | 'faults' | 'workload'> {
  const memory = raw.memory.map((sizeBytes) => ({ sizeBytes }));
  const vendor = raw.cpu.vendor;
  const usual = CPUS[vendor];
  const kernel: LabKernel = {
    release: raw.kernel.release,
    commandLine: raw['command-line'],
    config: raw.kernel.config ?? CONFIG_DEFAULT,
    moduleParameters: raw.modules,
  };
  return {
    version: 1,
    title: raw.title ?? null,
    seed: raw.seed,
    kernel,
    cpu: {
      vendor,
      family: raw.cpu.family === undefined ? usual.family : raw.cpu.family,
      model: raw.cpu.model === undefined ? usual.model : raw.cpu.model,
      name: raw.cpu.name ?? usual.name,
      sockets: raw.cpu.sockets ?? memory.length,
      architecture: raw.cpu.architecture ?? usual.architecture,
    },
    iommu: {
      mode: raw.iommu.mode,
      vendor: raw.iommu.vendor ?? IOMMU_OF[vendor],
      pageBytes: raw.iommu['page-size'],
      hasAts: raw.iommu.ats,
    },
    firmwareEcrc: raw.ecrc,
    memory,
    time: fillTime(raw.time),
  };
}

export function printMachine(lab: LabFile): LabBlock {
  return {
    [LAB_MARKER]: LAB_VERSION,
    ...(lab.title === null ? {} : { title: lab.title }),
    seed: String(lab.seed),
    kernel: { release: lab.kernel.release, config: { ...lab.kernel.config } },
    'command-line': lab.kernel.commandLine,
    modules: { ...lab.kernel.moduleParameters },
    cpu: {
      vendor: lab.cpu.vendor,
      family: lab.cpu.family === null ? 'none' : String(lab.cpu.family),
      model: lab.cpu.model === null ? 'none' : String(lab.cpu.model),
      name: lab.cpu.name,
      sockets: String(lab.cpu.sockets),
      architecture: lab.cpu.architecture,
    },
    iommu: {
      mode: lab.iommu.mode,
      vendor: lab.iommu.vendor,
      'page-size': printSize(lab.iommu.pageBytes),
      ats: flagText(lab.iommu.hasAts),
    },
    ecrc: flagText(lab.firmwareEcrc),
    memory: lab.memory.map((node) => printSize(node.sizeBytes)),
    ...printMachineTime(lab.time),
  };
}

const identity = () => {
  const schema = z
    .unknown()
    .transform((value) => (value === 'none' ? null : value))
    .pipe(id().nullable());
  shortForms.set(schema, { short: { enum: ['none'] }, long: id() });
  return schema;
};

export const hostBridgeFields = {
  name: nameText().optional().meta({ description: 'Name, for people. Default: none.' }),
  domain: hex(0xffff, 'domain').prefault('0').meta({ description: 'PCI domain (segment), hexadecimal.' }),
  'root-bus': hex(0xff, 'bus number').optional().meta({
    description: 'Number of its root bus, hexadecimal. Default: the 256 buses shared evenly.',
  }),
  'numa-node': count(0, 63).optional().meta({
    description: 'NUMA node. Default: host bridges shared evenly among the nodes of `memory`.',
  }),
  identity: identity().optional().meta({
    description:
      'Vendor and device id of function 00.0, or `none` for a root bus without it. Default: by CPU vendor.',
  }),
  peers: choice(PEER_POLICIES).prefault('routes').meta({
    description:
      'Requests between two of its root ports: `routes`, `writes-only` (reads end as Unsupported Request), `none`.',
  }),
  'peers-across': choice(PEER_POLICIES).optional().meta({
    description: 'From and to other host bridges; both ends must allow it. Default: as `peers`.',
  }),
  'translation-offset': size(0, 2 ** 48)
    .prefault('0')
    .meta({
      description: 'CPU address minus bus address of its memory windows.',
    }),
  'window-32': size(2 ** 20, 2 ** 31)
    .optional()
    .meta({
      description:
        'Room for BARs below 4 GiB. Default: 1 GiB divided by the number of host bridges, as a power of two, at least 32 MiB.',
    }),
  'window-64': size(2 ** 20, 2 ** 46)
    .prefault('1T')
    .meta({ description: 'Room for BARs above 4 GiB.' }),
  below: z.unknown().optional().meta({
    description:
      'Root ports, VMDs, integrated devices. A device, switch or bridge here gets a root port of its own.',
  }),
};
export const hostBridgeSchema = block(hostBridgeFields);
type HostBridgeRaw = z.output<typeof hostBridgeSchema>;

/** Which host bridge of how many, and what the machine says that its defaults depend on. */
export interface HostBridgePlace {
  readonly index: number;
  readonly count: number;
  readonly numaNodes: number;
  readonly cpuVendor: LabCpuVendor;
}

const IDENTITY_OF: Readonly<Record<string, LabId>> = {
  // Sky Lake-E DMI3 registers; Zen 2 and 3 root complex.
  intel: { vendorId: 0x8086, deviceId: 0x2020 },
  amd: { vendorId: 0x1022, deviceId: 0x1480 },
};
/** QEMU's generic PCIe host bridge. */
const IDENTITY_OTHER: LabId = { vendorId: 0x1b36, deviceId: 0x0008 };

export function fillHostBridge(raw: HostBridgeRaw, place: HostBridgePlace): Omit<LabHostBridge, 'below'> {
  const share = 2 ** Math.floor(Math.log2(2 ** 30 / place.count));
  return {
    name: raw.name ?? null,
    domain: raw.domain,
    rootBus: raw['root-bus'] ?? Math.floor(256 / place.count) * place.index,
    numaNode: raw['numa-node'] ?? Math.floor((place.index * place.numaNodes) / place.count),
    identity: raw.identity === undefined ? (IDENTITY_OF[place.cpuVendor] ?? IDENTITY_OTHER) : raw.identity,
    peers: raw.peers,
    peersAcross: raw['peers-across'] ?? raw.peers,
    translationOffsetBytes: raw['translation-offset'],
    window32Bytes: raw['window-32'] ?? Math.max(share, 2 ** 25),
    window64Bytes: raw['window-64'],
  };
}

export function printHostBridge(node: LabHostBridge): LabBlock {
  return {
    ...(node.name === null ? {} : { name: node.name }),
    domain: hexText(node.domain, 4),
    'root-bus': hexText(node.rootBus, 2),
    'numa-node': String(node.numaNode),
    identity: node.identity === null ? 'none' : printId(node.identity),
    peers: node.peers,
    'peers-across': node.peersAcross,
    'translation-offset': printSize(node.translationOffsetBytes),
    'window-32': printSize(node.window32Bytes),
    'window-64': printSize(node.window64Bytes),
  };
}
