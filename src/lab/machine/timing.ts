/** From what a lab file says of time, and the presets of `rates` for all that it does not say, to what the machine is built with. */
import type { MediaTimingOptions } from '../../devices/index.ts';
import type { EngineName, FabricFunction, FabricTimingOptions, PortTiming } from '../../fabric/index.ts';
import {
  type DerivedPlatform,
  type DeviceTiming,
  deviceNamed,
  dramChannelGBs,
  gpuOfGeneration,
  type MediaTiming,
  mediaNamed,
  mediaOfGeneration,
  type PlatformTiming,
  platformFor,
  platformNamed,
} from '../../rates/index.ts';
import type { LabEndpoint, LabFile, LabLink, LabNvmeBase, LabPortTiming, LabTime } from '../file/index.ts';
import type { BuiltFunction } from './build.ts';

const PS_PER_NS = 1000;

/** The platform of a lab: named, or that of its processor; with what the lab says otherwise. */
export function labPlatform(lab: LabFile): DerivedPlatform {
  const { time, cpu } = lab;
  const derived =
    time.platform === 'auto'
      ? platformFor(cpu)
      : { platform: platformNamed(time.platform), note: `the lab names ${time.platform}` };
  return { ...derived, platform: changed(derived.platform, time) };
}

function changed(platform: PlatformTiming, time: LabTime): PlatformTiming {
  const { latency, iommu, memory } = time;
  const ns = (ps: number | null, preset: number): number => (ps === null ? preset : ps / PS_PER_NS);
  const own = platform.memory;
  const channelsPerSocket = memory.bandwidthGBs === null ? (memory.channels ?? own.channelsPerSocket) : 1;
  return {
    ...platform,
    latency: {
      pinNs: ns(latency.pinPs, platform.latency.pinNs),
      propagationNs: ns(latency.linkPs, platform.latency.propagationNs),
      switchNs: ns(latency.switchPs, platform.latency.switchNs),
      cacheNs: ns(latency.cachePs, platform.latency.cacheNs),
      dramNs: ns(latency.memoryPs, platform.latency.dramNs),
      remoteSocketNs: ns(latency.remotePs, platform.latency.remoteSocketNs),
      barMemoryNs: ns(latency.barPs, platform.latency.barMemoryNs),
    },
    turnNs: ns(latency.turnPs, platform.turnNs),
    mmioNs: ns(latency.mmioPs, platform.mmioNs),
    dllpModel: time.dllp ?? platform.dllpModel,
    iommu: {
      ...platform.iommu,
      entries: iommu.entries ?? platform.iommu.entries,
      walkNs: ns(iommu.walkPs, platform.iommu.walkNs),
      hitNs: ns(iommu.hitPs, platform.iommu.hitNs),
      readWalkers: iommu.walkers ?? platform.iommu.readWalkers,
      writeWalkers: iommu.walkers ?? platform.iommu.writeWalkers,
      pageRequestNs: ns(iommu.pageRequestPs, platform.iommu.pageRequestNs),
    },
    memory: {
      ...own,
      type: memory.type ?? own.type,
      channelsPerSocket,
      channelGBs:
        memory.bandwidthGBs ??
        memory.channelGBs ??
        (memory.type === null ? own.channelGBs : dramChannelGBs(memory.type)),
      ddioBytes: memory.ddioBytes ?? own.ddioBytes,
    },
    socket:
      time.socketGBs === null
        ? platform.socket
        : { ...platform.socket, linkGBs: time.socketGBs, peerGBs: time.socketGBs },
  };
}

/** @param built by function; may be filled after the call, and is looked at when the first request is made */
export function fabricTiming(
  lab: LabFile,
  engine: EngineName,
  built: ReadonlyMap<FabricFunction, BuiltFunction>,
): FabricTimingOptions {
  const { time, memory, cpu } = lab;
  const nodesPerSocket = Math.max(1, Math.ceil(memory.length / Math.max(1, cpu.sockets)));
  return {
    engine,
    platform: labPlatform(lab).platform,
    arbitration: time.arbitration,
    seed: lab.seed,
    pageBytes: lab.iommu.pageBytes,
    storesWhole: time.forwarding === 'store-and-forward',
    credits: time.credits,
    bitErrorRate: time.errorRate,
    nodeCount: memory.length,
    socketOf: (node) => Math.floor(node / nodesPerSocket),
    port: (fn) => portTiming(built.get(fn)),
    endpoint: (fn) => {
      const node = built.get(fn.virtual?.physical ?? fn)?.node;
      return node === undefined || !('isExpress' in node || 'timing' in node) || isBridge(node.kind)
        ? undefined
        : endpointTiming(node as LabEndpoint);
    },
  };
}

const BRIDGES: readonly string[] = ['root-port', 'switch', 'port', 'pci-bridge', 'vmd'];

function isBridge(kind: string): boolean {
  return BRIDGES.includes(kind);
}

function portTiming(built: BuiltFunction | undefined): PortTiming | undefined {
  if (built === undefined || !('timing' in built.node)) {
    return undefined;
  }
  if (!isBridge(built.node.kind)) {
    const { timing } = built.node as LabEndpoint;
    return timing?.credits == null ? undefined : { credits: timing.credits };
  }
  const timing = built.node.timing as LabPortTiming | null;
  return timing === null
    ? undefined
    : {
        latencyNs: timing.latencyPs === null ? null : timing.latencyPs / PS_PER_NS,
        storesWhole: timing.forwarding === null ? null : timing.forwarding === 'store-and-forward',
        credits: timing.credits,
        weight: timing.weight,
        bitErrorRate: timing.errorRate,
      };
}

/** What its DMA engine does: the preset that is named or usual for the kind, with what the lab says otherwise. */
export function endpointTiming(node: LabEndpoint): DeviceTiming {
  const { timing } = node;
  const preset = timing?.preset == null ? usualDevice(node.kind, node.link) : deviceNamed(timing.preset);
  if (timing == null) {
    return preset;
  }
  return {
    ...preset,
    payloadBytes: timing.payloadBytes ?? preset.payloadBytes,
    readRequestBytes: timing.readRequestBytes ?? preset.readRequestBytes,
    tags: timing.tags ?? preset.tags,
    transactionsPerSecond: timing.transactionsPerSecond ?? preset.transactionsPerSecond,
    writeGBs: timing.writeGBs ?? preset.writeGBs,
    readGBs: timing.readGBs ?? preset.readGBs,
    startNs: timing.startPs === null ? preset.startNs : timing.startPs / PS_PER_NS,
    readEfficiency: timing.readEfficiency ?? preset.readEfficiency,
    writeEfficiency: timing.writeEfficiency ?? preset.writeEfficiency,
    memoryLatencyNs:
      timing.memoryLatencyPs === null ? preset.memoryLatencyNs : timing.memoryLatencyPs / PS_PER_NS,
    isStrict: timing.isStrict ?? preset.isStrict,
  };
}

function usualDevice(kind: LabEndpoint['kind'], link: LabLink | null): DeviceTiming {
  switch (kind) {
    case 'gpu':
      return gpuOfGeneration(link?.generation ?? 4);
    case 'nvme':
    case 'accelerator':
      return deviceNamed('ssd');
    case 'nic':
    case 'rnic':
      return deviceNamed('nic');
    default:
      return deviceNamed('generic');
  }
}

/** What the media of a drive cost. */
export function mediaTiming(node: LabNvmeBase & { readonly link: LabLink | null }): MediaTimingOptions {
  const media = 'media' in node ? node.media : null;
  const preset: MediaTiming =
    media?.preset == null ? mediaOfGeneration(node.link?.generation ?? 3) : mediaNamed(media.preset);
  return {
    readGBs: media?.readGBs ?? preset.readGBs,
    writeGBs: media?.writeGBs ?? preset.writeGBs,
    ...(preset.commandWriteGBs === null ? {} : { commandWriteGBs: preset.commandWriteGBs }),
    readIops: media?.readIops ?? preset.readIops,
    writeIops: media?.writeIops ?? preset.writeIops,
    readLatencyPs: media?.readLatencyPs ?? preset.readLatencyNs * PS_PER_NS,
    writeLatencyPs: media?.writeLatencyPs ?? preset.writeLatencyNs * PS_PER_NS,
    channels: media?.channels ?? preset.channels,
    dies: media?.dies ?? preset.dies,
    cacheBytes: media?.cacheBytes ?? preset.cacheBytes,
    mixedPenalty: media?.mixedPenalty ?? preset.mixedPenalty,
  };
}
