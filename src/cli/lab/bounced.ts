/**
 * The same work through system memory: what a workload would be on a machine where nobody reaches a peer's memory.
 *
 * A copy takes a buffer there. What a drive moves to or from a peer's memory it moves to or from system memory, and the peer
 * fetches or brings it by DMA of its own, at most as fast as peer to peer was. DMA of one function to another becomes a staged
 * transfer in the chunks of a GPU runtime.
 */
import type {
  LabBlockStream,
  LabDmaStream,
  LabMixStream,
  LabPlace,
  LabStageStream,
  LabStream,
  LabWorkload,
  WorkloadReport,
} from '../../lab/index.ts';
import { GPU_STAGING } from '../../rates/index.ts';

/** One stream in both worlds. */
export interface BouncedStream {
  /** As the workload has it. */
  readonly name: string;
  /** Of the bounced workload: what has to keep up, so the slower one counts. */
  readonly parts: readonly string[];
}

export interface Bounced {
  readonly workload: LabWorkload;
  readonly streams: readonly BouncedStream[];
}

const HOST: LabPlace = { kind: 'host', node: null };
const PS_PER_NS = 1000;
/** DMA that fetches what a drive left: enough in flight that only the links count. */
const FETCH_DEPTH = 32;

/**
 * @param report  of the workload as it is: which routes were taken, and how fast each was
 * @returns null where nothing went peer to peer
 */
export function bouncedWorkload(workload: LabWorkload, report: WorkloadReport): Bounced | null {
  const streams: LabStream[] = [];
  const pairs: BouncedStream[] = [];
  for (const [i, stream] of workload.streams.entries()) {
    const made = report.streams[i]?.route.kind === 'p2p' ? bounced(stream, report.streams[i]!.goodputGBs) : null;
    if (made === null) {
      streams.push(stream);
    } else {
      streams.push(...made);
      pairs.push({ name: stream.name, parts: made.map(({ name }) => name) });
    }
  }
  return pairs.length === 0 ? null : { workload: { ...workload, streams }, streams: pairs };
}

function bounced(stream: LabStream, peerGBs: number): readonly LabStream[] | null {
  switch (stream.kind) {
    case 'copy':
      return [{ ...stream, via: { kind: 'host', node: null } }];
    case 'read':
    case 'write':
      return [{ ...stream, memory: HOST }, fetched(stream, peerGBs)];
    case 'mix':
      // Which share of it was reads is not known here, and the peer would do both.
      return null;
    case 'dma-write':
    case 'dma-read':
      return [staged(stream)];
    default:
      return null;
  }
}

/** What the peer does: reads what a drive's read left in system memory, or writes there what the drive will take. */
function fetched(stream: Exclude<LabBlockStream, LabMixStream>, peerGBs: number): LabDmaStream {
  return {
    kind: stream.kind === 'read' ? 'dma-read' : 'dma-write',
    name: `${stream.name}, ${nameOf(stream.memory)}`,
    device: nameOf(stream.memory),
    memory: HOST,
    startPs: stream.startPs,
    stopPs: stream.stopPs,
    rateGBs: peerGBs > 0 ? peerGBs : null,
    duty: stream.duty,
    count: stream.count,
    sizeBytes: stream.sizeBytes,
    jobs: 1,
    blocks: stream.blocks,
    pattern: 'sequential',
    depth: FETCH_DEPTH,
    areaBytes: Math.max(...stream.blocks.map(({ sizeBytes }) => sizeBytes)) * FETCH_DEPTH,
  };
}

function staged(stream: LabDmaStream): LabStageStream {
  const isWrite = stream.kind === 'dma-write';
  const peer = nameOf(stream.memory);
  return {
    kind: 'stage',
    name: stream.name,
    device: isWrite ? stream.device : peer,
    target: isWrite ? peer : stream.device,
    via: { kind: 'host', node: null },
    startPs: stream.startPs,
    stopPs: stream.stopPs,
    rateGBs: stream.rateGBs,
    duty: stream.duty,
    count: stream.count,
    sizeBytes: stream.sizeBytes,
    jobs: stream.jobs,
    chunkBytes: GPU_STAGING.chunkBytes,
    syncPs: GPU_STAGING.syncNs * PS_PER_NS,
    overlaps: true,
    cpuCopies: 0,
  };
}

function nameOf(place: LabPlace): string {
  return place.kind === 'host' ? 'system memory' : place.name;
}

/** GB/s of one stream of the workload when it is bounced. */
export function bouncedGBs(report: WorkloadReport, { parts }: BouncedStream): number {
  return Math.min(
    ...parts.map((part) => report.streams.find(({ name }) => name === part)?.goodputGBs ?? 0),
  );
}
