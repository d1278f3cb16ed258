/**
 * The constants that families of platforms share, and how one family follows from another. `platforms.ts` lists the presets.
 * Rows C01 to C35 are those of the calibration set; where each value comes from stands in docs/timing.md.
 */
import { dramChannelGBs } from './dram.ts';
import { DEFAULT_LATENCY } from './latency.ts';
import type {
  CompletionTiming,
  CpuTiming,
  IommuTiming,
  MemoryTiming,
  PeerTiming,
  PlatformTiming,
  SocketTiming,
} from './platform-timing.ts';
import { GPU_STAGING } from './staging.ts';

const MIB = 1024 * 1024;
const NO_LIMIT = Number.POSITIVE_INFINITY;

/** Answers are as large as the packets may be. */
export const WHOLE_COMPLETIONS: CompletionTiming = { smallRequestBytes: 0, smallChunkBytes: 64 };

/** Xeon E5: lines of small requests come one by one. Set by C02 bw@256B, which is D2 of the timing model. */
export const LINE_COMPLETIONS: CompletionTiming = { smallRequestBytes: 256, smallChunkBytes: 64 };

/**
 * A root complex that hands on everything, as nothing is known of it: the share of AMD Zen 1 and 2, the least that is measured.
 * Strictly ordered writes wait for each other (C27), here and in all that follow; only devices that are strict notice.
 */
export const CAUTIOUS_PEERS: PeerTiming = {
  splitBytes: NO_LIMIT,
  writeShare: 0.95,
  readShare: 0.95,
  writeGBs: NO_LIMIT,
  readGBs: NO_LIMIT,
  readsInFlight: NO_LIMIT,
  otherSocketShare: 0.81,
  pipelinedPosted: false,
};

/** C14 (same socket, other socket). */
export const ZEN_EARLY_PEERS: PeerTiming = CAUTIOUS_PEERS;

/** C13; the share towards another socket is that of C14, as nobody measured it. */
export const ZEN_LATE_PEERS: PeerTiming = { ...CAUTIOUS_PEERS, writeShare: 0.995, readShare: 0.995 };

/** Xeon E5: cut to 64 bytes (C34), writes capped (C11), reads in the middle of the specification's 1.2 to 2. */
export const XEON_E5_PEERS: PeerTiming = {
  ...CAUTIOUS_PEERS,
  splitBytes: 64,
  writeShare: 1,
  readShare: 1,
  writeGBs: 7.1,
  readGBs: 1.6,
  otherSocketShare: 1,
};

/** Xeon Scalable: cut to 64 bytes (C34), without a cap of its own. */
export const XEON_SCALABLE_PEERS: PeerTiming = { ...XEON_E5_PEERS, writeGBs: NO_LIMIT, readGBs: NO_LIMIT };

/** C12: peer writes pass, peer reads are unsupported requests. */
export const INTEL_CLIENT_PEERS: PeerTiming = {
  ...CAUTIOUS_PEERS,
  writeShare: 1,
  readShare: 0,
  otherSocketShare: 0,
};

/** C10. */
export const CONSUMER_2016_PEERS: PeerTiming = {
  ...CAUTIOUS_PEERS,
  writeShare: 1,
  readShare: 1,
  writeGBs: 4,
  readGBs: 1.2,
  otherSocketShare: 0,
};

export const NO_PEERS: PeerTiming = {
  ...CAUTIOUS_PEERS,
  writeShare: 0,
  readShare: 0,
  otherSocketShare: 0,
};

/** Entries by the knee of C07, walk and walkers by section 10 of the timing model (C07). */
export const IOMMU: IommuTiming = {
  entries: 64,
  walkNs: 290,
  hitNs: 10,
  readWalkers: 5.6,
  writeWalkers: 6.35,
  serialTableBytes: 0,
  pageRequestNs: 30_000,
};

/** Sandy Bridge: walks below one 2 MiB table wait for each other, which is how C09 collapses and recovers. */
export const SERIAL_WALK_IOMMU: IommuTiming = { ...IOMMU, serialTableBytes: 2 * MIB };

export const CPU: CpuTiming = {
  kernelRequestNs: 5000,
  polledRequestNs: 1000,
  gpuDirectRequestNs: 65_000,
  stagingSyncNs: GPU_STAGING.syncNs,
  copyGBs: 10,
  mmioStoreGBs: 9.6,
  mmioLoadBytes: 64,
  mmioLoadsInFlight: 5,
  interruptNs: 2000,
};

/** Servers, whose cores are slower than those of the workstation of C13: C17 other_switch. */
export const SERVER_CPU: CpuTiming = { ...CPU, stagingSyncNs: 23_500 };

/** Efficiencies and weight of section 11. */
export function memory(type: string, channelsPerSocket: number, ddioMiB: number): MemoryTiming {
  return {
    type,
    channelsPerSocket,
    channelGBs: dramChannelGBs(type),
    readEfficiency: 0.88,
    mixedEfficiency: 0.82,
    writeEfficiency: 0.75,
    ddioBytes: ddioMiB * MIB,
    cpuWriteWeight: 4,
  };
}

/** Packets of a socket link leave this share to data. [our choice] */
const SOCKET_LINK_EFFICIENCY = 0.8;

/**
 * Links between two sockets by their physics.
 * @param lanes    data lanes of one link
 * @param peerGBs  what devices of different sockets exchange, where it is known to be less
 */
export function socket(links: number, lanes: number, speedGTs: number, peerGBs?: number): SocketTiming {
  const linkGBs = ((links * lanes * speedGTs) / 8) * SOCKET_LINK_EFFICIENCY;
  return { linkGBs, peerGBs: Math.min(linkGBs, peerGBs ?? linkGBs) };
}

/** Nothing to cross: machines of one socket. Infinite, so that a lab with two sockets is limited by its shares alone. */
export const ONE_SOCKET: SocketTiming = { linkGBs: NO_LIMIT, peerGBs: NO_LIMIT };

type Changes = Partial<Omit<PlatformTiming, 'name' | 'basis' | 'setBy' | 'note'>>;
type Identity = Pick<PlatformTiming, 'name' | 'basis' | 'setBy' | 'note'>;

const BASE: Required<Changes> = {
  latency: DEFAULT_LATENCY,
  turnNs: 150,
  mmioNs: 100,
  dllpModel: 'symbol',
  completion: WHOLE_COMPLETIONS,
  hostBothWaysShare: 1,
  peers: CAUTIOUS_PEERS,
  iommu: IOMMU,
  memory: memory('ddr4-3200', 8, 0),
  socket: ONE_SOCKET,
  cpu: CPU,
};

/** A platform of its own. */
export function platform(identity: Identity, changes: Changes = {}): PlatformTiming {
  return { ...identity, ...BASE, ...changes };
}

/** A platform that is like another but for what is named. */
export function like(parent: PlatformTiming, identity: Identity, changes: Changes): PlatformTiming {
  return { ...parent, ...changes, ...identity };
}
