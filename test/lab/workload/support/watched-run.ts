/**
 * A workload on a machine whose engine is watched: what was sent, how each request ended, and what every stage must have
 * carried for it, worked out from the rules of the wire alone.
 */
import { noTurn } from '../../../../src/fabric/index.ts';
import { PROGRESS, type ProgressSink, type TransportEngine } from '../../../../src/fabric/timing/engine.ts';
import type { Leg, TimedPath } from '../../../../src/fabric/timing/path.ts';
import type { Stage } from '../../../../src/fabric/timing/stage.ts';
import { TlpEngine } from '../../../../src/fabric/timing/tlp-engine.ts';
import type { LabFile } from '../../../../src/lab/file/index.ts';
import { LabMachine } from '../../../../src/lab/machine/index.ts';
import { type WorkloadReport, WorkloadRun } from '../../../../src/lab/workload/index.ts';

export type Engine = 'tlp' | 'flow';
export const ENGINES: readonly Engine[] = ['tlp', 'flow'];

/** Events after which a run that does not end never will. */
const EVENTS_MAX = 30e6;

/** What one stage must have carried. */
interface Carried {
  wireBytes: number;
  packets: number;
  /** Of command data, and of everything else. */
  dataBytes: number;
  controlBytes: number;
}

type PayloadKind = 'dataBytes' | 'controlBytes' | null;

const REFUSED_BYTES = 4;

const NOTHING: Readonly<Carried> = { wireBytes: 0, packets: 0, dataBytes: 0, controlBytes: 0 };

/** What the reads of one path have brought. */
interface ReadTotal {
  readonly path: TimedPath;
  bytes: number;
}

export class EngineWatch {
  readonly engine: TransportEngine;
  readonly carried = new Map<Stage, Carried>();
  readonly reads = new Map<TimedPath, ReadTotal>();
  readonly sources = new Set<number>();
  sent = 0;
  ended = 0;
  /** Requests that said something out of turn. */
  readonly wrong: string[] = [];

  constructor(engine: TransportEngine) {
    this.engine = engine;
    const send = engine.send.bind(engine);
    engine.send = (path, addr, lengthBytes, isControl, sink, token) => {
      this.sent++;
      this.sources.add(path.source);
      // What is refused weighs a word on its way, and delivers none.
      const kind =
        addr === 0 && lengthBytes === REFUSED_BYTES ? null : isControl ? 'controlBytes' : 'dataBytes';
      this.#expect(path, addr, lengthBytes, kind);
      return send(path, addr, lengthBytes, isControl, this.#listen(path, lengthBytes, sink), token);
    };
  }

  #listen(path: TimedPath, lengthBytes: number, sink: ProgressSink): ProgressSink {
    let heard = 0;
    const expected = path.isWrite
      ? [PROGRESS.TAKEN, PROGRESS.ARRIVED]
      : [PROGRESS.ARRIVED, PROGRESS.COMPLETED];
    return {
      onProgress: (progress, token) => {
        if (progress !== expected[heard++]) {
          this.wrong.push(`progress ${progress} as number ${heard} of a ${path.isWrite ? 'write' : 'read'}`);
        }
        this.ended += heard === 2 ? 1 : 0;
        if (progress === PROGRESS.COMPLETED) {
          this.reads.get(path)!.bytes += lengthBytes;
        }
        sink.onProgress(progress, token);
      },
    };
  }

  #expect(path: TimedPath, addr: number, lengthBytes: number, kind: PayloadKind): void {
    const requests = cut(addr, lengthBytes, path.requestBytes);
    if (path.isWrite) {
      for (const [, length] of requests) {
        this.#carry(path.request, length, kind);
      }
      return;
    }
    if (!this.reads.has(path)) {
      this.reads.set(path, { path, bytes: 0 });
    }
    for (const [at, length] of requests) {
      if (path.request.stages.length > 0) {
        this.#carry(path.request, 0, kind);
      }
      const chunk =
        length <= (path.smallRequestBytes ?? 0) ? path.smallCompletionBytes! : path.completionBytes;
      for (const [, part] of cut(at, length, chunk)) {
        this.#carry(path.completion!, part, kind);
      }
    }
  }

  #carry(leg: Leg, payloadBytes: number, kind: PayloadKind): void {
    leg.stages.forEach((stage, i) => {
      const pieces = Math.max(1, Math.ceil(payloadBytes / leg.splitBytes[i]!));
      const carried = this.carried.get(stage) ?? { ...NOTHING };
      carried.wireBytes += Math.ceil(payloadBytes / 4) * 4 + pieces * leg.overheadBytes[i]!;
      carried.packets += pieces;
      if (kind !== null) {
        carried[kind] += payloadBytes;
      }
      this.carried.set(stage, carried);
    });
  }
}

/** A range in pieces that end at multiples of `size`: address and length of each. */
function cut(addr: number, lengthBytes: number, size: number): [number, number][] {
  const pieces: [number, number][] = [];
  for (let at = addr; at < addr + lengthBytes; ) {
    const end = Math.min(
      addr + lengthBytes,
      size === Number.POSITIVE_INFINITY ? Infinity : (Math.floor(at / size) + 1) * size,
    );
    pieces.push([at, end - at]);
    at = end;
  }
  return pieces.length === 0 ? [[addr, 0]] : pieces;
}

export interface WatchedRun {
  readonly machine: LabMachine;
  readonly run: WorkloadRun;
  readonly watch: EngineWatch;
  readonly report: WorkloadReport;
  /** When counting began. */
  readonly fromPs: number;
}

export interface WatchedOptions {
  readonly engine: Engine;
  /** Events at a time. Default 100,000. */
  readonly sliceEvents?: number;
  /** Called once, before the first event. */
  readonly prepare?: (machine: LabMachine) => void;
}

/** Runs a lab's workload to its end, and until nothing is left to happen. */
export async function watchedRun(lab: LabFile, options: WatchedOptions): Promise<WatchedRun> {
  const machine = LabMachine.boot(lab, {
    label: 'random.yaml',
    timing: { engine: options.engine },
    turn: noTurn,
  });
  const { engine } = machine.fabric.timing!;
  // What boot sent has come to rest; from here on everything is counted.
  machine.queue.runUntilIdle(EVENTS_MAX);
  machine.fabric.timing!.resetCounts();
  machine.fabric.counters.reset();
  const fromPs = machine.queue.nowPs;
  const watch = new EngineWatch(engine);
  const run = new WorkloadRun(machine, lab.workload!);
  options.prepare?.(machine);
  const slice = options.sliceEvents ?? 100_000;
  for (let events = 0; !run.advance(slice); events += slice) {
    if (events > EVENTS_MAX) {
      throw new Error(`the run has not ended after ${events} events`);
    }
  }
  const report = run.report();
  // Closing unmaps, which costs time where devices translate; how far the last piece ran beyond the end must not move that.
  machine.queue.runUntilIdle(EVENTS_MAX);
  await run.close();
  if (machine.queue.runUntilIdle(EVENTS_MAX) >= EVENTS_MAX) {
    throw new Error('the machine does not come to rest');
  }
  return { machine, run, watch, report, fromPs };
}

/** Credits that have not come back, tags and packets that are still in use; empty when all is at rest. */
export function leftovers({ machine, watch }: WatchedRun): string[] {
  const { engine, network } = machine.fabric.timing!;
  const left: string[] = [];
  if (engine.pending !== 0) {
    left.push(`${engine.pending} requests are pending`);
  }
  if (machine.fabric.inFlight.count !== 0) {
    left.push(`${machine.fabric.inFlight.count} requests of the fabric are in flight`);
  }
  if (!(engine instanceof TlpEngine)) {
    return left;
  }
  if (engine.packetsUnderWay !== 0) {
    left.push(`${engine.packetsUnderWay} packets are under way`);
  }
  for (const source of watch.sources) {
    if (engine.tagsUsed(source) !== 0) {
      left.push(`source ${source} holds ${engine.tagsUsed(source)} tags`);
    }
  }
  // Updates of credits are not events: they are there when somebody looks late enough.
  machine.queue.nowPs += 1e9;
  for (const stage of network.stages) {
    const { credits } = stage;
    const free = engine.creditsOf(stage);
    if (
      credits !== null &&
      JSON.stringify(free) !== JSON.stringify({ headers: credits.headers, data: credits.data })
    ) {
      left.push(`${stage.name}: ${JSON.stringify(free)} of ${JSON.stringify(credits)}`);
    }
  }
  return left;
}

/** Stages whose counters are not what the packets sent must have made them. Everything sent must have ended. */
export function wrongCounts({ machine, watch }: WatchedRun): string[] {
  const wrong: string[] = [];
  for (const stage of machine.fabric.timing!.network.stages) {
    const carried = watch.carried.get(stage) ?? NOTHING;
    const { reverse } = stage;
    // An Ack and an update for so many bytes of the other direction; what boot left over counts.
    const backWire = reverse === null ? 0 : (watch.carried.get(reverse)?.wireBytes ?? 0);
    const every = reverse?.ackEveryBytes ?? Number.POSITIVE_INFINITY;
    const acks = every === Number.POSITIVE_INFINITY ? 0 : Math.floor(backWire / every);
    const extra = stage.wireBytes - carried.wireBytes;
    const ackBytes = reverse?.ackBytes ?? 0;
    if (extra !== acks * ackBytes && !(every < Number.POSITIVE_INFINITY && extra === (acks + 1) * ackBytes)) {
      wrong.push(`${stage.name}: ${stage.wireBytes} bytes, not ${carried.wireBytes} and ${acks} acks`);
    }
    if (stage.packets !== carried.packets) {
      wrong.push(`${stage.name}: ${stage.packets} packets, not ${carried.packets}`);
    }
  }
  return wrong;
}

/** Links whose counters of the fabric, which count requests as they are routed, disagree with what packets carried. */
export function wrongPayload({ machine, watch }: WatchedRun): string[] {
  const counts = new Map(machine.fabric.counters.read().links.map((link) => [link.bdf, link]));
  const wrong: string[] = [];
  for (const { port, up, down } of machine.fabric.timing!.network.linkStages()) {
    const count = counts.get(port.bdf)!;
    for (const [stage, { dataBytes, controlBytes }] of [
      [up, count.up],
      [down, count.down],
    ] as const) {
      const carried = watch.carried.get(stage) ?? NOTHING;
      // Configuration space is read and written at once, and counts as control.
      if (carried.dataBytes !== dataBytes || carried.controlBytes > controlBytes) {
        wrong.push(
          `${stage.name}: ${carried.dataBytes} + ${carried.controlBytes} bytes of payload, and ${dataBytes} + ${controlBytes} counted`,
        );
      }
    }
  }
  return wrong;
}

/** Stages that were busy for longer than time went by, and sources that read more than their tags allow. */
export function tooFast({ machine, watch, fromPs }: WatchedRun): string[] {
  const { network, engine } = machine.fabric.timing!;
  const elapsedPs = machine.queue.nowPs - fromPs;
  const wrong: string[] = [];
  // Control requests of the flow engine do not wait for flows; they come on top of them.
  const most = engine instanceof TlpEngine ? 1 + 1e-9 : 1.05;
  for (const stage of network.stages) {
    if (stage.busyPs > elapsedPs * most + 1) {
      wrong.push(`${stage.name}: busy for ${stage.busyPs} of ${elapsedPs} ps`);
    }
  }
  const bySource = new Map<number, { usedPs: number; tags: number }>();
  for (const { path, bytes } of watch.reads.values()) {
    if (path.request.stages.length === 0 || path.limits.tags === Number.POSITIVE_INFINITY) {
      continue;
    }
    const total = bySource.get(path.source) ?? { usedPs: 0, tags: path.limits.tags };
    // Each request keeps a tag for a round trip, and brings `requestBytes` at most.
    total.usedPs += (bytes / path.requestBytes) * leastRoundTripPs(path);
    bySource.set(path.source, total);
  }
  for (const [source, { usedPs, tags }] of bySource) {
    if (usedPs > tags * elapsedPs) {
      wrong.push(`source ${source} kept ${tags} tags for ${usedPs} of ${elapsedPs} ps`);
    }
  }
  return wrong;
}

/** From the request leaving until the last byte is there, with nothing else on the way; the serialisation of a whole request once. */
function leastRoundTripPs(path: TimedPath): number {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const back = path.completion!;
  const serialPs = Math.max(0, ...back.stages.map((stage) => path.requestBytes * stage.latencyPsPerByte));
  return sum(path.request.delaysPs) + path.access.latencyPs + back.delayPs + sum(back.delaysPs) + serialPs;
}
