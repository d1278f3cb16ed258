/**
 * A run for the Perfetto UI: tracks of all that can be busy, of the queues and commands of drives and of the requests of streams,
 * curves of how busy, and arrows from a request to its command, its data and its completion.
 */
import { type CommandListener, NvmeController } from '../../devices/index.ts';
import {
  type CLASS,
  type FabricFunction,
  NO_REQUEST,
  type Route,
  type Stage,
  type StageKind,
  type TimedPath,
  TlpEngine,
  TRAFFIC,
  type Traffic,
} from '../../fabric/index.ts';
import { PerfettoTrace, type TrackId } from '../../report/index.ts';
import type { LabMachine, LabMember } from '../machine/index.ts';
import type { Stream } from '../workload/index.ts';
import { type DriveHost, DriveTracks } from './drive-tracks.ts';
import type { TraceSink } from './events.ts';
import { LimitedOutput } from './limited-output.ts';
import { WindowCounter } from './window-counter.ts';

/** Curves have a point for each. */
export const COUNTER_WINDOW_PS = 10e6;
/** Requests of the flow engine are named by more than their slot. */
const FLOW_SLOTS = 0x100_0000;
const PS_PER_NS = 1000;

const GROUPS: Readonly<Record<StageKind, string>> = {
  link: 'links',
  'root-complex': 'root complexes',
  socket: 'links between sockets',
  memory: 'memory',
  engine: 'device engines',
};
const TLP_NAMES = ['MWr', 'MRd', 'CplD'] as const;
const FLOW_NAMES = ['writes', 'reads', 'completions'] as const;

/** A request under way. */
interface Sent {
  readonly request: number;
  /** `nvme0`; `cpu`. */
  readonly requester: string;
  readonly isControl: boolean;
  /** Of the command that it belongs to; 0: none, or told already. */
  flow: number;
}

interface StageTrack {
  readonly stage: Stage;
  readonly track: TrackId;
  readonly counter: WindowCounter;
  readonly isMemory: boolean;
}

interface StreamTrack {
  readonly track: TrackId;
  readonly counter: TrackId;
  readonly what: string;
  inFlight: number;
  /** By slot: when it began, and the commands that it became. */
  readonly begun: number[];
  readonly sizes: number[];
  readonly flows: number[][];
}

export class PerfettoRecorder implements TraceSink, DriveHost {
  readonly trace: PerfettoTrace;
  readonly #machine: LabMachine;
  readonly #output: LimitedOutput;
  readonly #isByPacket: boolean;
  readonly #stages: StageTrack[] = [];
  readonly #groups = new Map<StageKind, TrackId>();
  readonly #drives = new Map<FabricFunction, DriveTracks>();
  readonly #drivesByName = new Map<string, DriveTracks>();
  readonly #streams = new Map<Stream, StreamTrack>();
  readonly #members = new Map<FabricFunction, string>();
  readonly #sent: Sent[] = [];
  readonly #names = new Map<number, string>();
  #streamGroup: TrackId | null = null;
  #flows = 0;

  /** @param write takes pieces of the file in their order, and owns them */
  constructor(machine: LabMachine, write: (bytes: Uint8Array) => void, limitBytes: number) {
    this.#machine = machine;
    this.#output = new LimitedOutput(write, limitBytes, () => machine.queue.nowPs);
    this.trace = new PerfettoTrace(this.#output.write);
    this.#isByPacket = machine.fabric.timing!.engine instanceof TlpEngine;
    for (const { fn, node, model } of machine.members) {
      const name = node.name ?? fn.bdf;
      this.#members.set(fn, name);
      if (model instanceof NvmeController) {
        const drive = new DriveTracks(this, name, model);
        this.#drives.set(fn, drive);
        this.#drivesByName.set(name, drive);
      }
    }
  }

  get isFull(): boolean {
    return this.#output.isFull;
  }

  get fullPs(): number | null {
    return this.#output.fullPs;
  }

  get bytes(): number {
    return this.#output.bytes;
  }

  get nowPs(): number {
    return this.#machine.queue.nowPs;
  }

  nextFlow(): number {
    return ++this.#flows;
  }

  close(): void {
    for (const { counter } of this.#stages.filter((one) => one !== undefined)) {
      counter.close();
    }
    this.trace.close();
  }

  commandsOf({ fn }: LabMember): CommandListener | null {
    return this.#drives.get(fn) ?? null;
  }

  onSent(
    request: number,
    _path: TimedPath,
    route: Route,
    _addr: number,
    _lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): void {
    const { requester } = route.parts;
    const drive = requester === null ? undefined : this.#drives.get(requester);
    const deviceToken = this.#machine.fabric.inFlight.deviceToken(token);
    this.#sent[this.#slotOf(request)] = {
      request,
      requester: requester === null ? 'cpu' : (this.#members.get(requester) ?? requester.bdf),
      isControl: traffic === TRAFFIC.CONTROL,
      flow: drive === undefined || deviceToken < 0 ? 0 : drive.flowOf(deviceToken),
    };
  }

  /** Invalidations of what a device has translated: control, and no command's. */
  onMessage(request: number, _path: TimedPath, device: FabricFunction): void {
    const requester = this.#members.get(device) ?? device.bdf;
    this.#sent[this.#slotOf(request)] = { request, requester, isControl: true, flow: 0 };
  }

  onOccupied(
    stageId: number,
    startPs: number,
    endPs: number,
    wireBytes: number,
    request: number,
    packetClass: number,
    addr: number,
    lengthBytes: number,
  ): void {
    if (this.#output.isFull) {
      return;
    }
    const one = this.#stages[stageId] ?? this.#addStage(stageId);
    const { stage } = one;
    one.counter.add(
      startPs,
      endPs,
      one.isMemory ? wireBytes : this.#isByPacket ? endPs - startPs : wireBytes * stage.occupancyPsPerByte,
    );
    if (request === NO_REQUEST) {
      this.trace.slice(one.track, 'DLLP', startPs, endPs, { args: { wire_bytes: wireBytes } });
      return;
    }
    const sent = this.#sent[this.#slotOf(request)];
    const name = this.#nameOf(packetClass, lengthBytes);
    if (sent?.request !== request) {
      // It was sent before anybody listened.
      this.trace.slice(one.track, name, startPs, endPs, { args: { wire_bytes: wireBytes, addr } });
      return;
    }
    const args = { requester: sent.requester, control: sent.isControl, wire_bytes: wireBytes, addr };
    // An arrow ends at the first packet of the data; one at every packet would hide all else.
    if (sent.flow !== 0 && stage.kind === 'link') {
      this.trace.slice(one.track, name, startPs, endPs, { flows: [sent.flow], args });
      sent.flow = 0;
    } else {
      this.trace.slice(one.track, name, startPs, endPs, { args });
    }
  }

  onBegan(stream: Stream, slot: number, lengthBytes: number): void {
    const one = this.#streams.get(stream) ?? this.#addStream(stream);
    one.begun[slot] = this.nowPs;
    one.sizes[slot] = lengthBytes;
    one.flows[slot] = [];
    this.#count(one, 1);
  }

  onIssued(stream: Stream, slot: number, device: string, isRead: boolean, startBlock: number): void {
    const flows = this.#streams.get(stream)?.flows[slot];
    if (flows !== undefined && !this.#output.isFull) {
      this.#drivesByName.get(device)?.expect(isRead, startBlock, (flow) => flows.push(flow));
    }
  }

  onEnded(stream: Stream, slot: number, lengthBytes: number): void {
    const one = this.#streams.get(stream);
    const begunPs = one?.begun[slot];
    // It began before anybody listened.
    if (one === undefined || begunPs === undefined) {
      return;
    }
    this.#count(one, -1);
    if (!this.#output.isFull) {
      this.trace.slice(one.track, `${one.what} ${one.sizes[slot]}`, begunPs, this.nowPs, {
        flows: one.flows[slot]!,
        args: { slot, failed: lengthBytes === 0 },
      });
    }
  }

  #count(one: StreamTrack, change: number): void {
    one.inFlight += change;
    if (!this.#output.isFull) {
      this.trace.counter(one.counter, this.nowPs, one.inFlight);
    }
  }

  #slotOf(request: number): number {
    return this.#isByPacket ? request : (request - 1) % FLOW_SLOTS;
  }

  /** `MWr 256`; of flows `writes 131072`. Made once for each. */
  #nameOf(packetClass: number, lengthBytes: number): string {
    const key = lengthBytes * 3 + packetClass;
    let name = this.#names.get(key);
    if (name === undefined) {
      name = `${(this.#isByPacket ? TLP_NAMES : FLOW_NAMES)[packetClass as (typeof CLASS)[keyof typeof CLASS]]} ${lengthBytes}`;
      this.#names.set(key, name);
    }
    return name;
  }

  #addStage(stageId: number): StageTrack {
    const { trace } = this;
    const { network } = this.#machine.fabric.timing!;
    const stage = network.stages[stageId]!;
    let group = this.#groups.get(stage.kind);
    if (group === undefined) {
      group = trace.track(null, GROUPS[stage.kind]);
      this.#groups.set(stage.kind, group);
    }
    const name = this.#stageName(stage);
    const track = trace.track(group, name);
    const isMemory = stage.kind === 'memory';
    const curve = trace.counterTrack(
      group,
      isMemory ? `${name}: DRAM` : `${name}: busy`,
      isMemory ? 'GB/s' : '%',
    );
    const counter = isMemory
      ? new WindowCounter(COUNTER_WINDOW_PS, (atPs, bytes) =>
          trace.counter(curve, atPs, bytes / (COUNTER_WINDOW_PS / PS_PER_NS)),
        )
      : new WindowCounter(COUNTER_WINDOW_PS, (atPs, busyPs) =>
          trace.counter(curve, atPs, (100 * busyPs) / COUNTER_WINDOW_PS),
        );
    const one = { stage, track, counter, isMemory };
    this.#stages[stageId] = one;
    return one;
  }

  /** A link by the port above it and what is below: `0000:03:00.0 (nvme0) Gen3 x4, up`. */
  #stageName(stage: Stage): string {
    if (stage.kind !== 'link') {
      return stage.name;
    }
    const { network } = this.#machine.fabric.timing!;
    const link = network.linkStages().find(({ up, down }) => up === stage || down === stage);
    if (link === undefined) {
      return stage.name;
    }
    const below = link.port.secondaryBus?.devices[0]?.lowestFunction;
    const who = below === undefined ? undefined : this.#members.get(below);
    return `${link.port.bdf}${who === undefined ? '' : ` (${who})`} ${link.speed}, ${stage === link.up ? 'up' : 'down'}`;
  }

  #addStream(stream: Stream): StreamTrack {
    const { trace } = this;
    this.#streamGroup ??= trace.track(null, 'streams');
    const one: StreamTrack = {
      track: trace.track(this.#streamGroup, stream.name),
      counter: trace.counterTrack(this.#streamGroup, `${stream.name}: requests in flight`),
      what: stream.description.kind,
      inFlight: 0,
      begun: [],
      sizes: [],
      flows: [],
    };
    this.#streams.set(stream, one);
    return one;
  }
}
