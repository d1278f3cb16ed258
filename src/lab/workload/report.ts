/** What a run of a workload measured, as plain values: `peerlane/workload/1` without its head. */
import type { LatencySummary } from '../../orchestrators/index.ts';
import { type LabMachine, type LabTraffic, labTraffic } from '../machine/index.ts';
import { type FaultsReport, faultsReport } from './fault-report.ts';
import { type Candidate, candidates, type Limiter, limiterOf } from './limiter.ts';
import type { Stream, StreamRoute } from './stream.ts';

export interface StreamReport {
  readonly name: string;
  readonly kind: string;
  readonly route: StreamRoute;
  /** Moved within the measured time: of requests that reach over its edges the part that fell into it. */
  readonly bytes: number;
  /** Requests that ended within the measured time. */
  readonly requests: number;
  /** True: so few that one more or less, and how it was served, is a visible part of the figures. */
  readonly isCoarse: boolean;
  readonly goodputGBs: number;
  readonly iops: number;
  /** From a request's submission until its completion was processed. Null when none ended. */
  readonly latency: LatencySummary | null;
  readonly failures: number;
  /** What the first failed request said. */
  readonly failure: string | null;
  readonly cpuBusyPs: number;
}

export interface DirectionReport {
  /** Share of the time in which it was busy, 0 to 1. */
  readonly utilisation: number;
  /** Payload of what passed within the measured time, without that of queue entries and the like. */
  readonly goodputGBs: number;
  /** Everything on the wire, headers and acknowledgements included. */
  readonly wireGBs: number;
  readonly packets: number;
  /** Of whole requests, command data and the rest, as the fabric counts them: at the moment at which their bytes move. */
  readonly dataBytes: number;
  readonly controlBytes: number;
}

export interface LinkReport {
  /** Address of the port above. */
  readonly port: string;
  /** Name of what is below; null where it has none. */
  readonly to: string | null;
  /** `Gen3 x4`. */
  readonly speed: string;
  readonly up: DirectionReport;
  readonly down: DirectionReport;
}

export interface MemoryReport {
  readonly node: number;
  /** Of what devices can have of it. */
  readonly utilisation: number;
  readonly deviceGBs: number;
}

export interface WorkloadReport {
  readonly engine: string;
  readonly platform: string;
  /** False: the run was stopped before its end. */
  readonly isComplete: boolean;
  readonly measuredPs: number;
  readonly elapsedPs: number;
  readonly goodputGBs: number;
  readonly iops: number;
  readonly streams: readonly StreamReport[];
  readonly links: readonly LinkReport[];
  readonly memory: readonly MemoryReport[];
  /** What is staged in system memory fits into the cache ways of devices (DDIO): DRAM itself sees none of `dramBytes`. */
  readonly isCached: boolean;
  /** Command data to and from system memory; queue entries and the like beside it. */
  readonly dramBytes: number;
  readonly rootPortBytes: number;
  readonly controlDramBytes: number;
  /** What devices move through memory, of what it can deliver. */
  readonly dramShare: number;
  readonly cpu: { readonly busyPs: number; readonly cores: number };
  /** Everything that can be busy, the busiest first. */
  readonly busy: readonly Candidate[];
  /** What was waited for although nothing was busy: tags, credits. */
  readonly stalls: readonly { readonly what: string; readonly share: number }[];
  readonly limiter: Limiter;
  /** Missing where the machine has no faults. */
  readonly faults?: FaultsReport;
}

export function makeReport(
  machine: LabMachine,
  streams: readonly Stream[],
  time: {
    readonly isComplete: boolean;
    readonly isCached: boolean;
    readonly measuredPs: number;
    readonly elapsedPs: number;
  },
  untilPs: number,
): WorkloadReport {
  const { fabric } = machine;
  const timing = fabric.timing!;
  const { measuredPs } = time;
  const reports = streams.map((stream) => streamReport(stream, measuredPs, untilPs));
  const traffic = labTraffic(machine);
  const memory = memoryReports(machine, measuredPs);
  const all = candidates(machine, streams, measuredPs);
  const busyPs = streams.reduce((sum, { cpuBusyPs }) => sum + cpuBusyPs, 0);
  const faults = faultsReport(machine);
  return {
    engine: timing.options.engine,
    platform: timing.network.platform.name,
    ...time,
    goodputGBs: reports.reduce((sum, { goodputGBs }) => sum + goodputGBs, 0),
    iops: reports.reduce((sum, { iops }) => sum + iops, 0),
    streams: reports,
    links: linkReports(machine, traffic, measuredPs),
    memory,
    dramBytes: traffic.dramBytes,
    rootPortBytes: traffic.rootPortBytes,
    controlDramBytes: traffic.controlBytes.dramBytes,
    dramShare: Math.max(0, ...memory.map(({ utilisation }) => utilisation)),
    cpu: { busyPs, cores: measuredPs === 0 ? 0 : busyPs / measuredPs },
    busy: all.busy,
    stalls: all.stalls,
    limiter: limiterOf(all, streams),
    ...(faults === null ? {} : { faults }),
  };
}

/** With fewer requests than these one is more than a tenth. */
const REQUESTS_FEW = 10;

function streamReport(stream: Stream, measuredPs: number, untilPs: number): StreamReport {
  const { description, requests } = stream;
  const moved = stream.movedUntil(untilPs);
  const perPs = measuredPs === 0 ? 0 : 1 / measuredPs;
  return {
    name: stream.name,
    kind: description.kind,
    route: stream.route,
    bytes: moved.bytes,
    requests,
    isCoarse: !stream.isOver && requests < REQUESTS_FEW,
    goodputGBs: moved.bytes * perPs * 1000,
    iops: moved.requests * perPs * 1e12,
    latency: requests === 0 ? null : stream.latency.summary(),
    failures: stream.failures,
    failure: stream.firstFailure,
    cpuBusyPs: stream.cpuBusyPs,
  };
}

function linkReports(machine: LabMachine, traffic: LabTraffic, measuredPs: number): readonly LinkReport[] {
  const { fabric } = machine;
  const { network } = fabric.timing!;
  const { linkBytes, controlBytes } = traffic;
  return network
    .linkStages()
    .map(({ port, up, down, speed }) => {
      const data = linkBytes[port.bdf];
      const control = controlBytes.linkBytes[port.bdf];
      const direction = (stage: typeof up, dataBytes: number, controls: number): DirectionReport => ({
        utilisation: measuredPs === 0 ? 0 : Math.min(1, stage.busyPs / measuredPs),
        goodputGBs: measuredPs === 0 ? 0 : (Math.max(0, stage.payloadBytes - controls) / measuredPs) * 1000,
        wireGBs: measuredPs === 0 ? 0 : (stage.wireBytes / measuredPs) * 1000,
        packets: stage.packets,
        dataBytes,
        controlBytes: controls,
      });
      return {
        port: port.bdf,
        to: data?.to ?? null,
        speed,
        up: direction(up, data?.upBytes ?? 0, control?.upBytes ?? 0),
        down: direction(down, data?.downBytes ?? 0, control?.downBytes ?? 0),
      };
    })
    .sort((a, b) => (a.port < b.port ? -1 : 1));
}

function memoryReports(machine: LabMachine, measuredPs: number): readonly MemoryReport[] {
  const { network } = machine.fabric.timing!;
  return machine.lab.memory.map((_, node) => {
    const stage = network.memory(node);
    return {
      node,
      utilisation: measuredPs === 0 ? 0 : Math.min(1, stage.busyPs / measuredPs),
      deviceGBs: measuredPs === 0 ? 0 : (stage.wireBytes / measuredPs) * 1000,
    };
  });
}
