/** All that the packet engine keeps of a machine: paths, and the stages, sources and gates that they share. */
import type { Gate, TimedPath } from './path.ts';
import { CLASS, type PacketClass, type Stage } from './stage.ts';
import { Slots } from './tlp-slots.ts';
import { LegState, PathState, SourceState, StageState } from './tlp-state.ts';

export class PathTable {
  /** By id; undefined: no path has crossed it. */
  readonly stages: (StageState | undefined)[] = [];
  readonly sources = new Map<number, SourceState>();
  readonly gates = new Map<Gate, Slots>();
  readonly #paths = new Map<TimedPath, PathState>();

  of(path: TimedPath): PathState {
    return this.#paths.get(path) ?? this.#add(path);
  }

  #add(path: TimedPath): PathState {
    const source = this.#sourceOf(path);
    const packetClass: PacketClass = path.isWrite ? CLASS.POSTED : CLASS.NON_POSTED;
    const request = this.#leg(path.request, packetClass, path.isWrite ? path.requestBytes : 0);
    const completion =
      path.completion === null ? null : this.#leg(path.completion, CLASS.COMPLETION, path.completionBytes);
    const number = this.#paths.size;
    const first = request.stages[0];
    const state = new PathState(
      path,
      source,
      path.gate === null ? null : this.#gateOf(path.gate),
      request,
      completion,
      [
        first?.lane(`${packetClass} ${path.source} data ${number}`, packetClass) ?? null,
        first?.lane(`${packetClass} ${path.source} control`, packetClass) ?? null,
        // Completions of different requests may pass each other: a blocked requester does not block the others.
        completion?.stages[0]?.lane(`completions ${number}`, CLASS.COMPLETION) ?? null,
      ],
    );
    this.#paths.set(path, state);
    return state;
  }

  #leg(leg: TimedPath['request'], packetClass: PacketClass, largestBytes: number): LegState {
    return new LegState(
      leg,
      leg.stages.map((stage) => this.#stage(stage)),
      packetClass,
      largestBytes,
    );
  }

  #stage(stage: Stage): StageState {
    let state = this.stages[stage.id];
    if (state === undefined) {
      state = new StageState(stage);
      this.stages[stage.id] = state;
      if (stage.reverse !== null && stage.ackEveryBytes !== Number.POSITIVE_INFINITY) {
        state.reverse = this.#stage(stage.reverse);
      }
    }
    return state;
  }

  #sourceOf({ source: id, isWrite, limits }: TimedPath): SourceState {
    let source = this.sources.get(id);
    if (source === undefined) {
      source = new SourceState(id);
      this.sources.set(id, source);
    }
    if (!isWrite) {
      source.tags.max = Math.max(source.tags.max, limits.tags);
    }
    return source;
  }

  #gateOf(gate: Gate): Slots {
    let state = this.gates.get(gate);
    if (state === undefined) {
      state = new Slots(gate.requestsMax);
      this.gates.set(gate, state);
    }
    return state;
  }
}
