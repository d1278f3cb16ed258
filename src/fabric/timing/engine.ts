/**
 * What both timed engines are to the fabric: requests go in, moments come out. Bytes are not moved here.
 */
import type { Traffic } from '../model.ts';
import type { Route } from '../routing/route.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { TimedPath } from './path.ts';

/** What happens to a request, in this order. */
export const PROGRESS = {
  /** Its last byte has left the sender. Writes only. */
  TAKEN: 0,
  /** Its last byte is where it belongs and visible; of a read, the last of its data has been taken from the completer. */
  ARRIVED: 1,
  /** The last byte of the completion is with the requester. Reads only. */
  COMPLETED: 2,
} as const;

/** Hears of progress from inside an event; may send other requests. */
export interface ProgressSink {
  onProgress(progress: number, token: number): void;
}

/** Instead of a request, a class and a tag: there is none. */
export const NO_REQUEST = -1;

/** A moment, for traces. Times are picoseconds. Called only while somebody listens. */
export interface TimingListener {
  /**
   * A packet (or the train of a flow) occupied a stage; or acknowledgements did, which belong to no request: `request` and
   * `packetClass` are NO_REQUEST then.
   */
  onOccupied(
    stageId: number,
    startPs: number,
    endPs: number,
    wireBytes: number,
    request: number,
    /** One of CLASS. */
    packetClass: number,
    /** Where the payload (or what is asked for) begins, as the requester says it. */
    addr: number,
    /** Bytes of payload; of a read request those asked for. */
    lengthBytes: number,
    /** Of a read request and its completions, unique among those of its source under way; NO_REQUEST where there is none. */
    tag: number,
  ): void;
}

/** Hears what is handed to an engine, before its first packet goes. */
export interface RequestListener {
  /**
   * @param request  as `onOccupied` will name it; the number is used again once the request is over
   * @param token    of the request under way; `InFlight.deviceToken` knows what its device calls it
   */
  onSent(
    request: number,
    path: TimedPath,
    route: Route,
    addr: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): void;
  /** The same for a message that no request of the fabric stands for: invalidations of a device's translations. */
  onMessage(request: number, path: TimedPath, device: FabricFunction): void;
}

export interface TransportEngine {
  /**
   * Sends a request.
   * @param isControl queue entries, doorbells, interrupts: in order among themselves, and ahead of nobody
   * @param token  comes back with every progress
   * @returns a number that names the request until its last progress
   */
  send(
    path: TimedPath,
    addr: number,
    lengthBytes: number,
    isControl: boolean,
    sink: ProgressSink,
    token: number,
  ): number;
  /** Requests that have not ended. */
  readonly pending: number;
  /** Brings the time that stages were busy up to now; their other counts are those of requests that have ended. */
  settle?(): void;
  /** Nothing of a request is heard any more; what is on the wire stays there. */
  forget(request: number): void;
  listener: TimingListener | null;
  /** Picoseconds of waiting since the machine began, what lasts at `nowPs` included. */
  stalls(nowPs: number): EngineStalls;
}

/** What kept packets from going although nothing was busy. */
export interface EngineStalls {
  /** By source: no tag free; an earlier posted request not seen yet. */
  readonly sources: readonly { readonly source: number; readonly tagPs: number; readonly orderPs: number }[];
  readonly gates: readonly { readonly name: string; readonly stallPs: number }[];
}
