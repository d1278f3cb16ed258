/**
 * A trace that opens in the Perfetto UI (ui.perfetto.dev), written as it happens: a sequence of TracePackets with TrackDescriptors
 * and TrackEvents. Field numbers are those of protos/perfetto/trace in the source of Perfetto; they are its stable interface.
 *
 * The clock of such a trace counts nanoseconds, ours picoseconds. Moments are rounded down, so that what does not overlap in
 * the machine does not in the picture; a slice may be drawn up to 1 ns shorter or longer than it was. Its exact start and
 * duration stand among its arguments, `start_ps` and `duration_ps`.
 */
import { ProtoMessage } from './protobuf.ts';

/** Trace */
const PACKET = 1;
/** TracePacket */
const TIMESTAMP = 8;
const SEQUENCE_ID = 10;
const TRACK_EVENT = 11;
const INTERNED_DATA = 12;
const SEQUENCE_FLAGS = 13;
const TRACK_DESCRIPTOR = 60;
/** TracePacket.SequenceFlags */
const INCREMENTAL_STATE_CLEARED = 1;
const NEEDS_INCREMENTAL_STATE = 2;
/** TrackDescriptor */
const DESCRIPTOR = { UUID: 1, NAME: 2, PARENT_UUID: 5, COUNTER: 8 } as const;
/** CounterDescriptor */
const COUNTER_UNIT_NAME = 6;
/** TrackEvent */
const EVENT = {
  DEBUG_ANNOTATIONS: 4,
  TYPE: 9,
  NAME_IID: 10,
  TRACK_UUID: 11,
  COUNTER_VALUE: 30,
  DOUBLE_COUNTER_VALUE: 44,
  FLOW_IDS: 47,
  TERMINATING_FLOW_IDS: 48,
} as const;
const TYPE = { SLICE_BEGIN: 1, SLICE_END: 2, COUNTER: 4 } as const;
/** InternedData */
const EVENT_NAMES = 2;
const ANNOTATION_NAMES = 3;
/** EventName, DebugAnnotationName */
const IID = 1;
const NAME = 2;
/** DebugAnnotation */
const ANNOTATION = { NAME_IID: 1, BOOL: 2, UINT: 3, DOUBLE: 5, STRING: 6 } as const;

const PS_PER_NS = 1000;
/** All packets are of one writer. 0 is no id. */
const SEQUENCE = 1;
/** Handed over in pieces of about so many bytes. */
const CHUNK_BYTES = 65_536;
/** Names beyond are written anew each time they come: the table of names must not grow with the trace. */
const NAMES_MAX = 65_536;

export type TrackId = number;
export type SliceArgument = number | string | boolean;

export interface SliceOptions {
  /** Numbers from 1 on. Slices of one number are joined by arrows, in the order of their starts. */
  readonly flows?: readonly number[];
  /** Flows that end here; their numbers may be used again. */
  readonly endsFlows?: readonly number[];
  readonly args?: Readonly<Record<string, SliceArgument>>;
}

interface Track {
  readonly name: string;
  /** uuid of the track above, 0: none. */
  readonly parentUuid: number;
  /** Unit of a counter; null: slices. */
  readonly unit: string | null;
  /** Slices that overlap are beside each other: tracks of the same name, which the UI shows as one. */
  readonly lanes: { readonly uuid: number; endNs: number }[];
}

export class PerfettoTrace {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #tracks: Track[] = [];
  readonly #eventNames = new Map<string, number>();
  readonly #annotationNames = new Map<string, number>();
  readonly #out = new ProtoMessage();
  readonly #packet = new ProtoMessage();
  readonly #event = new ProtoMessage();
  readonly #inner = new ProtoMessage();
  readonly #interned = new ProtoMessage();
  #nextUuid = 1;
  #nextIid = 1;
  #isFirst = true;

  /** @param write  takes pieces of the file in their order, and owns them */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** A row of slices. @param parent the track it stands below; null: at the top */
  track(parent: TrackId | null, name: string): TrackId {
    return this.#addTrack(parent, name, null);
  }

  /** A row with a curve. @param unit  for people: `GB/s`, `%`; empty: none */
  counterTrack(parent: TrackId | null, name: string, unit = ''): TrackId {
    return this.#addTrack(parent, name, unit);
  }

  /** Slices of one track may come in any order; they are written fastest in the order of their ends. */
  slice(track: TrackId, name: string, startPs: number, endPs: number, options: SliceOptions = {}): void {
    const startNs = Math.floor(startPs / PS_PER_NS);
    const endNs = Math.max(startNs, Math.floor(endPs / PS_PER_NS));
    const uuid = this.#lane(this.#tracks[track]!, startNs, endNs);
    this.#interned.clear();
    const event = this.#event.clear().uint(EVENT.TYPE, TYPE.SLICE_BEGIN).uint(EVENT.TRACK_UUID, uuid);
    event.uint(EVENT.NAME_IID, this.#intern(this.#eventNames, EVENT_NAMES, name));
    for (const flow of options.flows ?? []) {
      event.fixed64(EVENT.FLOW_IDS, flow);
    }
    for (const flow of options.endsFlows ?? []) {
      event.fixed64(EVENT.TERMINATING_FLOW_IDS, flow);
    }
    this.#annotate('start_ps', startPs);
    this.#annotate('duration_ps', endPs - startPs);
    for (const key in options.args) {
      this.#annotate(key, options.args[key]!);
    }
    this.#emitEvent(startNs);
    this.#interned.clear();
    this.#event.clear().uint(EVENT.TYPE, TYPE.SLICE_END).uint(EVENT.TRACK_UUID, uuid);
    this.#emitEvent(endNs);
  }

  /** The value from this moment on. */
  counter(track: TrackId, atPs: number, value: number): void {
    const event = this.#event.clear().uint(EVENT.TYPE, TYPE.COUNTER);
    event.uint(EVENT.TRACK_UUID, this.#tracks[track]!.lanes[0]!.uuid);
    if (Number.isSafeInteger(value) && value >= 0) {
      event.uint(EVENT.COUNTER_VALUE, value);
    } else {
      event.double(EVENT.DOUBLE_COUNTER_VALUE, value);
    }
    this.#interned.clear();
    this.#emitEvent(Math.floor(atPs / PS_PER_NS));
  }

  /** Hands over what is left. The trace is whole after it. */
  close(): void {
    this.#flush();
  }

  #addTrack(parent: TrackId | null, name: string, unit: string | null): TrackId {
    const parentUuid = parent === null ? 0 : this.#tracks[parent]!.lanes[0]!.uuid;
    const track: Track = { name, parentUuid, unit, lanes: [] };
    this.#tracks.push(track);
    this.#addLane(track);
    return this.#tracks.length - 1;
  }

  /** The first lane that is free from then on. Slices of one lane follow each other in the file as they do in time. */
  #lane(track: Track, startNs: number, endNs: number): number {
    for (const lane of track.lanes) {
      if (lane.endNs <= startNs) {
        lane.endNs = endNs;
        return lane.uuid;
      }
    }
    const lane = this.#addLane(track);
    lane.endNs = endNs;
    return lane.uuid;
  }

  #addLane(track: Track): { readonly uuid: number; endNs: number } {
    const lane = { uuid: this.#nextUuid++, endNs: 0 };
    track.lanes.push(lane);
    const descriptor = this.#inner
      .clear()
      .uint(DESCRIPTOR.UUID, lane.uuid)
      .string(DESCRIPTOR.NAME, track.name);
    if (track.parentUuid !== 0) {
      descriptor.uint(DESCRIPTOR.PARENT_UUID, track.parentUuid);
    }
    if (track.unit !== null) {
      const counter = this.#event.clear();
      if (track.unit !== '') {
        counter.string(COUNTER_UNIT_NAME, track.unit);
      }
      descriptor.message(DESCRIPTOR.COUNTER, counter);
    }
    this.#packet.clear();
    this.#emitPacket(TRACK_DESCRIPTOR, descriptor);
    return lane;
  }

  #annotate(name: string, value: SliceArgument): void {
    const iid = this.#intern(this.#annotationNames, ANNOTATION_NAMES, name);
    const annotation = this.#inner.clear().uint(ANNOTATION.NAME_IID, iid);
    if (typeof value === 'string') {
      annotation.string(ANNOTATION.STRING, value);
    } else if (typeof value === 'boolean') {
      annotation.uint(ANNOTATION.BOOL, value ? 1 : 0);
    } else if (Number.isSafeInteger(value) && value >= 0) {
      annotation.uint(ANNOTATION.UINT, value);
    } else {
      annotation.double(ANNOTATION.DOUBLE, value);
    }
    this.#event.message(EVENT.DEBUG_ANNOTATIONS, annotation);
  }

  /** A number for a name; its first use puts the name into the same packet. */
  #intern(names: Map<string, number>, field: number, name: string): number {
    const known = names.get(name);
    if (known !== undefined) {
      return known;
    }
    const iid = this.#nextIid++;
    if (names.size < NAMES_MAX) {
      names.set(name, iid);
    }
    this.#interned.message(field, this.#inner.clear().uint(IID, iid).string(NAME, name));
    return iid;
  }

  #emitEvent(atNs: number): void {
    this.#packet.clear().uint(TIMESTAMP, atNs);
    if (this.#interned.length > 0) {
      this.#packet.message(INTERNED_DATA, this.#interned);
    }
    this.#emitPacket(TRACK_EVENT, this.#event);
  }

  #emitPacket(field: number, content: ProtoMessage): void {
    this.#packet.uint(SEQUENCE_ID, SEQUENCE);
    this.#packet.uint(SEQUENCE_FLAGS, this.#isFirst ? INCREMENTAL_STATE_CLEARED : NEEDS_INCREMENTAL_STATE);
    this.#isFirst = false;
    this.#packet.message(field, content);
    this.#out.message(PACKET, this.#packet);
    if (this.#out.length >= CHUNK_BYTES) {
      this.#flush();
    }
  }

  #flush(): void {
    if (this.#out.length > 0) {
      this.#write(this.#out.bytes.slice());
      this.#out.clear();
    }
  }
}
