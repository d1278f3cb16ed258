/** Listens to a machine and a run, and tells the sinks. */
import { assert } from '../../base/index.ts';
import { type Command, type CommandListener, NvmeController } from '../../devices/index.ts';
import type {
  FabricFunction,
  RequestListener,
  Route,
  TimedPath,
  TimingListener,
  Traffic,
} from '../../fabric/index.ts';
import type { LabMachine } from '../machine/index.ts';
import type { Stream, StreamListener, WorkloadRun } from '../workload/index.ts';
import type { TraceSink } from './events.ts';

export class Tracer implements TimingListener, RequestListener, StreamListener {
  readonly #machine: LabMachine;
  readonly #streams: readonly Stream[];
  readonly #sinks: readonly TraceSink[];
  /** Moment at which the last sink was full; null: not yet. */
  fullPs: number | null = null;

  /**
   * Listens from now on.
   * @param machine booted with time
   * @param run     null: what the machine does has no streams
   */
  constructor(machine: LabMachine, run: WorkloadRun | null, sinks: readonly TraceSink[]) {
    assert(machine.fabric.timing !== null, 'a machine without time has nothing to trace');
    this.#machine = machine;
    this.#streams = run?.streams ?? [];
    this.#sinks = sinks;
    this.#listen(this);
    for (const member of machine.members) {
      if (member.model instanceof NvmeController) {
        const listeners = sinks.flatMap((sink) => sink.commandsOf(member) ?? []);
        member.model.commandListener =
          listeners.length === 0 ? null : listeners.length === 1 ? listeners[0]! : new Commands(listeners);
      }
    }
  }

  /** Listens no more; sinks write what they have left. */
  close(): void {
    this.#stop();
    for (const sink of this.#sinks) {
      sink.close();
    }
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
    tag: number,
  ): void {
    for (const sink of this.#sinks) {
      sink.onOccupied(stageId, startPs, endPs, wireBytes, request, packetClass, addr, lengthBytes, tag);
    }
  }

  onSent(
    request: number,
    path: TimedPath,
    route: Route,
    addr: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): void {
    if (this.#sinks.every(({ isFull }) => isFull)) {
      this.fullPs = this.#machine.queue.nowPs;
      this.#stop();
      return;
    }
    for (const sink of this.#sinks) {
      sink.onSent(request, path, route, addr, lengthBytes, traffic, token);
    }
  }

  onMessage(request: number, path: TimedPath, device: FabricFunction): void {
    for (const sink of this.#sinks) {
      sink.onMessage(request, path, device);
    }
  }

  onBegan(stream: Stream, slot: number, lengthBytes: number): void {
    for (const sink of this.#sinks) {
      sink.onBegan(stream, slot, lengthBytes);
    }
  }

  onIssued(stream: Stream, slot: number, device: string, isRead: boolean, startBlock: number): void {
    for (const sink of this.#sinks) {
      sink.onIssued(stream, slot, device, isRead, startBlock);
    }
  }

  onEnded(stream: Stream, slot: number, lengthBytes: number): void {
    for (const sink of this.#sinks) {
      sink.onEnded(stream, slot, lengthBytes);
    }
  }

  #stop(): void {
    this.#listen(null);
    for (const { model } of this.#machine.members) {
      if (model instanceof NvmeController) {
        model.commandListener = null;
      }
    }
  }

  #listen(listener: Tracer | null): void {
    const { fabric } = this.#machine;
    fabric.timing!.engine.listener = listener;
    fabric.inFlight.transport!.listener = listener;
    for (const stream of this.#streams) {
      stream.listener = listener;
    }
  }
}

/** Several that hear of one drive. */
class Commands implements CommandListener {
  readonly #listeners: readonly CommandListener[];

  constructor(listeners: readonly CommandListener[]) {
    this.#listeners = listeners;
  }

  onSubmitted(sqid: number, count: number): void {
    for (const listener of this.#listeners) {
      listener.onSubmitted(sqid, count);
    }
  }

  onFetched(command: Command): void {
    for (const listener of this.#listeners) {
      listener.onFetched(command);
    }
  }

  onCompleted(command: Command, cqid: number): void {
    for (const listener of this.#listeners) {
      listener.onCompleted(command, cqid);
    }
  }

  onConsumed(cqid: number, count: number): void {
    for (const listener of this.#listeners) {
      listener.onConsumed(cqid, count);
    }
  }
}
