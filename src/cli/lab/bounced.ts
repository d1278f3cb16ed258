/**
 * The same work through system memory: what a workload would be on a machine where nobody reaches a peer's memory.
 *
 * A copy takes a buffer there. What a drive moves to or from a peer's memory it moves to or from system memory, and the peer
 * fetches or brings it by DMA of its own, block by block. DMA of one function to another becomes a staged
 * transfer in the chunks of a GPU runtime.
 */
import type {
  LabDmaStream,
  LabPlace,
  LabStageStream,
  LabStream,
  LabWorkload,
  WorkloadReport,
} from '../../lab/index.ts';
import { GPU_STAGING } from '../../rates/index.ts';

export interface Bounced {
  readonly workload: LabWorkload;
  /** Names of the streams that are another way now. */
  readonly names: readonly string[];
}

const HOST: LabPlace = { kind: 'host', node: null };
/**
 * @param report  of the workload as it is: which routes were taken
 * @returns null where nothing went peer to peer
 */
export function bouncedWorkload(workload: LabWorkload, report: WorkloadReport): Bounced | null {
  const names: string[] = [];
  const streams = workload.streams.map((stream, i) => {
    const made = report.streams[i]?.route.kind === 'p2p' ? bounced(stream) : null;
    if (made !== null) {
      names.push(stream.name);
    }
    return made ?? stream;
  });
  return names.length === 0 ? null : { workload: { ...workload, streams }, names };
}

function bounced(stream: LabStream): LabStream | null {
  switch (stream.kind) {
    case 'copy':
      return { ...stream, via: { kind: 'host', node: null } };
    case 'read':
    case 'write':
    case 'mix':
      return { ...stream, memory: HOST, fetchedBy: nameOf(stream.memory) };
    case 'dma-write':
    case 'dma-read':
      return staged(stream);
    default:
      return null;
  }
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
    syncPs: null,
    overlaps: true,
    cpuCopies: 0,
  };
}

function nameOf(place: LabPlace): string {
  return place.kind === 'host' ? 'system memory' : place.name;
}
