/** Presets of platforms by name. Their families and how they inherit: `platform-families.ts`; reasons: docs/timing.md. */
import { InputError } from '../base/index.ts';
import {
  CAUTIOUS_PEERS,
  CONSUMER_2016_PEERS,
  CPU,
  INTEL_CLIENT_PEERS,
  LINE_COMPLETIONS,
  like,
  memory,
  NO_PEERS,
  ONE_SOCKET,
  platform,
  SERIAL_WALK_IOMMU,
  SERVER_CPU,
  socket,
  XEON_E5_PEERS,
  XEON_SCALABLE_PEERS,
  ZEN_EARLY_PEERS,
  ZEN_LATE_PEERS,
} from './platform-families.ts';
import type { PlatformTiming } from './platform-timing.ts';

const generic = platform(
  {
    name: 'generic',
    basis: 'assumed',
    setBy: [],
    note: 'a server of which nothing is known: the least root complex that was measured, eight channels of DDR4-3200',
  },
  { peers: CAUTIOUS_PEERS, socket: socket(2, 16, 16) },
);

const noneSupported = like(
  generic,
  {
    name: 'none-supported',
    basis: 'assumed',
    setBy: [],
    note: 'as generic, and nothing passes between root ports',
  },
  { peers: NO_PEERS },
);

const intelClient = platform(
  {
    name: 'intel-client',
    basis: 'calibrated',
    setBy: ['C12'],
    note: 'Intel Core: peer writes between root ports pass, peer reads are unsupported requests',
  },
  { peers: INTEL_CLIENT_PEERS, memory: memory('ddr5-5600', 2, 0) },
);

const consumer2016 = platform(
  {
    name: 'consumer-2016',
    basis: 'calibrated',
    setBy: ['C10'],
    note: 'the consumer hardware of the iopmem patches: never derived from a CPU, only named',
  },
  { peers: CONSUMER_2016_PEERS, memory: memory('ddr4-2133', 2, 0) },
);

const sandyBridge = platform(
  {
    name: 'intel-xeon-snb',
    basis: 'calibrated',
    setBy: ['C02', 'C03', 'C04', 'C09'],
    note: 'Xeon E5 (2012): latencies by C04, IOMMU by C09; peer caps as Broadwell',
  },
  {
    cpu: SERVER_CPU,
    completion: LINE_COMPLETIONS,
    hostBothWaysShare: 0.76,
    peers: XEON_E5_PEERS,
    iommu: SERIAL_WALK_IOMMU,
    memory: memory('ddr3-1600', 4, 1.5),
    socket: socket(2, 16, 8, 6),
  },
);

const ivyBridge = like(
  sandyBridge,
  {
    name: 'intel-xeon-ivb',
    basis: 'derived',
    setBy: [],
    note: 'Xeon E5 v2 (2013): as Sandy Bridge, of the same socket, with the IOMMU of its successors',
  },
  {
    iommu: intelClient.iommu,
    memory: memory('ddr3-1866', 4, 2.5),
  },
);

const broadwell = like(
  sandyBridge,
  {
    name: 'intel-xeon-bdw',
    basis: 'calibrated',
    setBy: ['C05', 'C06', 'C07', 'C11', 'C34'],
    note: 'Xeon E5 v4 (2016): acknowledgements by C05, remote memory by C06, IOMMU by C07, peer writes by C11',
  },
  {
    dllpModel: 'pciebench',
    hostBothWaysShare: 1,
    iommu: intelClient.iommu,
    memory: memory('ddr4-2400', 4, 2.5),
    socket: socket(2, 16, 9.6, 6),
  },
);

const haswell = like(
  broadwell,
  {
    name: 'intel-xeon-hsw',
    basis: 'derived',
    setBy: [],
    note: 'Xeon E5 v3 (2014): as Broadwell, of the same socket and chipset',
  },
  { memory: memory('ddr4-2133', 4, 2) },
);

const skylake = platform(
  {
    name: 'intel-xeon-skl',
    basis: 'calibrated',
    setBy: ['C34'],
    note: 'Xeon Scalable, first and second generation (2017, 2019): link rate in packets of 64 bytes',
  },
  {
    cpu: SERVER_CPU,
    peers: XEON_SCALABLE_PEERS,
    memory: memory('ddr4-2666', 6, 4),
    socket: socket(2, 16, 10.4, 10),
  },
);

const iceLake = like(
  skylake,
  {
    name: 'intel-xeon-icx',
    basis: 'derived',
    setBy: [],
    note: 'Xeon Scalable, third generation (2021): as Skylake with its own memory and socket link',
  },
  { memory: memory('ddr4-3200', 8, 8), socket: socket(3, 16, 11.2, 10) },
);

const sapphireRapids = like(
  skylake,
  {
    name: 'intel-xeon-spr',
    basis: 'calibrated',
    setBy: ['C34'],
    note: 'Xeon Scalable, fourth generation (2023): as Skylake with its own memory and socket link',
  },
  { memory: memory('ddr5-4800', 8, 8), socket: socket(3, 24, 16, 22) },
);

const emeraldRapids = like(
  sapphireRapids,
  {
    name: 'intel-xeon-emr',
    basis: 'derived',
    setBy: [],
    note: 'Xeon Scalable, fifth generation (2023): as Sapphire Rapids with faster memory and socket link',
  },
  { memory: memory('ddr5-5600', 8, 20), socket: socket(3, 24, 20, 40) },
);

const graniteRapids = like(
  emeraldRapids,
  {
    name: 'intel-xeon-gnr',
    basis: 'derived',
    setBy: [],
    note: 'Xeon 6 (2024): as Emerald Rapids with more memory and socket links',
  },
  { memory: memory('ddr5-6400', 12, 32), socket: socket(4, 24, 24, 40) },
);

const zen1 = platform(
  {
    name: 'amd-zen1',
    basis: 'derived',
    setBy: [],
    note: 'EPYC 7001 (2017): root complex as Zen 2, which the specification puts together with it',
  },
  {
    cpu: SERVER_CPU,
    peers: ZEN_EARLY_PEERS,
    memory: memory('ddr4-2666', 8, 0),
    socket: socket(4, 16, 10.667),
  },
);

const zen2 = like(
  zen1,
  {
    name: 'amd-zen2',
    basis: 'calibrated',
    setBy: ['C14', 'C17'],
    note: 'EPYC 7002 (2019): shares of the link by C14, within and between sockets',
  },
  { memory: memory('ddr4-3200', 8, 0), socket: socket(4, 16, 16) },
);

const zen3 = like(
  zen2,
  {
    name: 'amd-zen3',
    basis: 'derived',
    setBy: [],
    note: 'EPYC 7003 (2021): memory and socket links as Zen 2, root complex as Zen 4',
  },
  { peers: ZEN_LATE_PEERS },
);

const zen4 = like(
  zen3,
  {
    name: 'amd-zen4',
    basis: 'calibrated',
    setBy: ['C13'],
    note: 'EPYC 9004 (2022): share of the link by C13',
  },
  { memory: memory('ddr5-4800', 12, 0), socket: socket(4, 16, 32) },
);

const zen5 = like(
  zen4,
  {
    name: 'amd-zen5',
    basis: 'derived',
    setBy: [],
    note: 'EPYC 9005 (2024): as Zen 4 with faster memory',
  },
  { memory: memory('ddr5-6000', 12, 0) },
);

const EPYC = [zen1, zen2, zen3, zen4, zen5] as const;

/** Memory of Threadripper (PRO where there is one) and of Ryzen, by generation of Zen. */
const WORKSTATION_MEMORY = [
  ['ddr4-2933', 4],
  ['ddr4-3200', 8],
  ['ddr4-3200', 8],
  ['ddr5-5200', 8],
  ['ddr5-6400', 8],
] as const;
const CLIENT_MEMORY = ['ddr4-2933', 'ddr4-3200', 'ddr4-3200', 'ddr5-5200', 'ddr5-5600'] as const;

const threadrippers = EPYC.map((parent, index) => {
  const [type, channels] = WORKSTATION_MEMORY[index]!;
  return like(
    parent,
    {
      name: `${parent.name}-threadripper`,
      basis: index === 3 ? 'calibrated' : 'derived',
      setBy: index === 3 ? ['C13'] : [],
      note: `Threadripper: the root complex of ${parent.name}, one socket, ${channels} channels`,
    },
    { cpu: CPU, memory: memory(type, channels, 0), socket: ONE_SOCKET },
  );
});

const ryzens = EPYC.map((parent, index) =>
  like(
    parent,
    {
      name: `${parent.name}-ryzen`,
      basis: 'derived',
      setBy: [],
      note: `Ryzen: the root complex of ${parent.name}, one socket, 2 channels`,
    },
    { cpu: CPU, memory: memory(CLIENT_MEMORY[index]!, 2, 0), socket: ONE_SOCKET },
  ),
);

const neoverse = like(
  generic,
  {
    name: 'arm-neoverse',
    basis: 'assumed',
    setBy: [],
    note: 'Arm server (Altra class): as generic, one link of 16 lanes at 16 GT/s twice between sockets',
  },
  { memory: memory('ddr4-3200', 8, 0), socket: socket(2, 16, 16) },
);

const power9 = like(
  generic,
  {
    name: 'ibm-power9',
    basis: 'assumed',
    setBy: [],
    note: 'POWER9: as generic, eight channels, X bus of 64 GB/s each direction',
  },
  { memory: memory('ddr4-2666', 8, 0), socket: socket(1, 32, 16) },
);

/** Every preset, in the order in which they are shown. */
export const PLATFORMS: readonly PlatformTiming[] = [
  generic,
  noneSupported,
  intelClient,
  consumer2016,
  sandyBridge,
  ivyBridge,
  haswell,
  broadwell,
  skylake,
  iceLake,
  sapphireRapids,
  emeraldRapids,
  graniteRapids,
  ...EPYC,
  ...threadrippers,
  ...ryzens,
  neoverse,
  power9,
];

export const PLATFORM_NAMES: readonly string[] = PLATFORMS.map((one) => one.name);

/** The preset of that name. @throws {InputError} INPUT_PRESET */
export function platformNamed(name: string): PlatformTiming {
  const found = PLATFORMS.find((one) => one.name === name);
  if (found === undefined) {
    throw new InputError('INPUT_PRESET', {
      message: `there is no platform ${name}`,
      hint: `platforms: ${PLATFORM_NAMES.join(', ')}`,
      detail: { name },
    });
  }
  return found;
}
