/** Presets of devices: what their DMA engines do. Where each constant comes from: docs/timing.md. */
import { InputError } from '../base/index.ts';
import type { DeviceTiming } from './device-timing.ts';
import { ATC_ENTRIES } from './iommu.ts';
import { DEFAULT_LATENCY } from './latency.ts';
import { TAG_POOLS } from './outstanding.ts';
import { GPU_STAGING } from './staging.ts';
import { networkGoodputGBs } from './wire.ts';

/** Payload of an RDMA packet on Ethernet with its usual frames of 1500 bytes. */
export const NIC_MTU_BYTES = 1024;
/** Headers, CRC and gap of it: the middle of the specification's 58 to 90. */
export const NIC_OVERHEAD_BYTES = 74;

/** From a work request being known until the card's first packet: half of what two cards have in C26 lat@2B beside the buses. */
const NIC_START_NS = 577;

/** No limit but the link and tags. */
const GENERIC: DeviceTiming = {
  name: 'generic',
  payloadBytes: null,
  readRequestBytes: null,
  tags: TAG_POOLS.extended,
  transactionsPerSecond: null,
  writeBursts: null,
  readBursts: null,
  writeGBs: null,
  readGBs: null,
  writeEfficiency: null,
  readEfficiency: null,
  startNs: 0,
  drainsReads: false,
  memoryLatencyNs: DEFAULT_LATENCY.barMemoryNs,
  memoryReadGBs: null,
  isStrict: false,
  atcEntries: ATC_ENTRIES,
  hostBothWaysShare: 1,
  staging: null,
  note: 'no limit but the link and 256 tags',
  setBy: [],
};

function device(name: string, note: string, changes: Partial<DeviceTiming>): DeviceTiming {
  return { ...GENERIC, note, ...changes, name };
}

/** The card of pcie-bench. Its engine is set by one host (Sandy Bridge); other hosts with it are predictions. */
const NFP_6000 = device('nfp-6000', 'network processor of pcie-bench', {
  readRequestBytes: 512,
  tags: 22,
  writeBursts: { burstBytes: 128, burstNs: 13.4, nsPerByte: 0.034, transferNs: 5.5 },
  readBursts: { burstBytes: Number.POSITIVE_INFINITY, burstNs: 0, nsPerByte: 0.13, transferNs: 6.9 },
  writeEfficiency: 0.9475,
  startNs: 135,
  drainsReads: true,
  setBy: ['C01', 'C02', 'C04'],
});

/** The command interface of the same card: one word at a time, without the DMA engine in the way. */
const NFP_6000_COMMAND = device('nfp-6000-command', 'the same card without its DMA engine', {
  readRequestBytes: 64,
  tags: 1,
});

const GPU_GEN4 = device('gpu', 'GPU of a link up to 16 GT/s: packets of 128 bytes', {
  payloadBytes: 128,
  readRequestBytes: 128,
  readEfficiency: 0.986,
  startNs: 1000,
  hostBothWaysShare: 0.7,
  staging: GPU_STAGING,
  setBy: ['C13'],
});

const GPU_GEN5: DeviceTiming = {
  ...GPU_GEN4,
  name: 'gpu-gen5',
  payloadBytes: 256,
  readRequestBytes: 256,
  tags: TAG_POOLS.tenBit,
  note: 'GPU of a link of 32 GT/s and more: packets of 256 bytes',
};

const V100: DeviceTiming = {
  ...GPU_GEN4,
  name: 'v100',
  memoryReadGBs: 7.5,
  note: 'GPU of NVIDIA of the Volta generation: others read its memory slower than they write it',
  setBy: ['C13', 'C23'],
};

function nic(name: string, rateGbps: number, note: string, tags: number = TAG_POOLS.extended): DeviceTiming {
  const wireGBs = networkGoodputGBs(rateGbps, NIC_MTU_BYTES, NIC_OVERHEAD_BYTES);
  return device(name, note, {
    writeGBs: wireGBs,
    readGBs: wireGBs,
    readRequestBytes: 512,
    tags,
    startNs: NIC_START_NS,
    setBy: ['C26'],
  });
}

/** Every preset, in the order in which they are shown. */
export const DEVICE_PRESETS: readonly DeviceTiming[] = [
  GENERIC,
  NFP_6000,
  NFP_6000_COMMAND,
  GPU_GEN4,
  GPU_GEN5,
  V100,
  device('nic', 'network card without a limit of its own wire', { readRequestBytes: 512 }),
  nic('nic-25g', 25, 'network card of 25 Gb/s'),
  nic('nic-100g', 100, 'network card of 100 Gb/s'),
  nic('nic-200g', 200, 'network card of 200 Gb/s'),
  nic('nic-400g', 400, 'network card of 400 Gb/s', TAG_POOLS.tenBit),
  nic('connectx-5', 100, 'as nic-100g'),
  nic('connectx-6', 200, 'as nic-200g'),
  nic('connectx-7', 400, 'as nic-400g', TAG_POOLS.tenBit),
  device(
    'ssd',
    'drive: packets of the Max_Payload_Size, requests of 512 bytes; its media is a preset of its own',
    {
      readRequestBytes: 512,
    },
  ),
  device('fpga', 'FPGA with a hard PCIe block: packets of 256 bytes, 64 tags', {
    payloadBytes: 256,
    readRequestBytes: 512,
    tags: 64,
    memoryLatencyNs: 300,
  }),
  device('xdma', 'FPGA with the XDMA core: 32 tags', {
    payloadBytes: 256,
    readRequestBytes: 512,
    tags: TAG_POOLS.basic,
    memoryLatencyNs: 300,
  }),
  device('smartssd', 'FPGA of a SmartSSD (u2_gen3x4): XDMA that reads the host at 1.87 GB/s', {
    payloadBytes: 256,
    readRequestBytes: 512,
    tags: TAG_POOLS.basic,
    readGBs: 1.87,
    memoryLatencyNs: 300,
    setBy: ['C25'],
  }),
  device('switch-dma', 'DMA engine of a switch', { readRequestBytes: 512 }),
  device('capture', 'capture card: a constant rate of posted writes, packets of 128 bytes', {
    payloadBytes: 128,
  }),
];

export const DEVICE_PRESET_NAMES: readonly string[] = DEVICE_PRESETS.map((one) => one.name);

/** The preset of that name. @throws {InputError} INPUT_PRESET */
export function deviceNamed(name: string): DeviceTiming {
  const found = DEVICE_PRESETS.find((one) => one.name === name);
  if (found === undefined) {
    throw new InputError('INPUT_PRESET', {
      message: `there is no device preset ${name}`,
      hint: `device presets: ${DEVICE_PRESET_NAMES.join(', ')}`,
      detail: { name },
    });
  }
  return found;
}

/** The GPU that stands behind a link of that generation, 1 to 6. */
export function gpuOfGeneration(generation: number): DeviceTiming {
  return generation >= 5 ? GPU_GEN5 : GPU_GEN4;
}
