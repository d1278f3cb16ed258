/**
 * What a request of a certain length and alignment is on a path: its packets, its times on the idle path, and what one of its
 * units costs at every resource. The unit is a packet of the requester: a write, or a read request with all its completions.
 */

import { replayShare } from '../../rates/index.ts';
import {
  countPackets,
  cutRange,
  type LegTimes,
  lagPs,
  legTimes,
  piecesAt,
  type Run,
  wireBytesAt,
} from './flow-train.ts';
import type { Leg, TimedPath } from './path.ts';
import { CLASS, CREDIT_UNIT_BYTES } from './stage.ts';

/** Packets of a request on one leg. */
export interface Train {
  readonly leg: Leg;
  readonly runs: readonly Run[];
  readonly packets: number;
  /** A write, or the read requests that are answered. */
  readonly transfers: number;
  readonly payloadBytes: number;
  /** By stage. */
  readonly wireBytes: Float64Array;
  readonly pieces: Float64Array;
}

export interface Shape {
  readonly lengthBytes: number;
  /** Of its start, from a boundary of requests. */
  readonly offset: number;
  readonly units: number;
  readonly request: Train;
  readonly completion: Train | null;
  /** Costs and turns below are of this version of the stages' rates. */
  version: number;
  /** By entry of the route. */
  readonly costs: Float64Array;
  readonly turns: Float64Array;
  /** Starts of the first packet, by stage, from the moment of sending. */
  requestTimes: LegTimes;
  /** From the start of the completions. Null for writes. */
  completionTimes: LegTimes | null;
  /** Sent until its last byte is where it ends: written and visible, or back with the requester. Nothing else on the way. */
  idlePs: number;
  /** Data taken from the completer until it is with the requester. Reads only. */
  backPs: number;
  /** Of a whole unit, however short the last one is. */
  unitBackPs: number;
  /** One unit at the slowest stage of the path. */
  unitPs: number;
  /** One unit alone, from its first stage and back: how long it keeps a tag. */
  roundTripPs: number;
}

function makeTrain(leg: Leg, runs: readonly Run[], transfers: number): Train {
  const wireBytes = new Float64Array(leg.stages.length);
  const pieces = new Float64Array(leg.stages.length);
  for (const run of runs) {
    for (let j = 0; j < leg.stages.length; j++) {
      wireBytes[j]! += run.count * wireBytesAt(leg, j, run.payloadBytes);
      pieces[j]! += run.count * piecesAt(leg, j, run.payloadBytes);
    }
  }
  const payloadBytes = runs.reduce((sum, run) => sum + run.count * run.payloadBytes, 0);
  return { leg, runs, packets: countPackets(runs), transfers, payloadBytes, wireBytes, pieces };
}

/** Completions end where requests end, and at multiples of their own size, which is another one for small requests. */
function cutCompletions(path: TimedPath, addr: number, lengthBytes: number): Run[] {
  const { requestBytes, completionBytes } = path;
  const smallBytes = path.smallRequestBytes ?? 0;
  if (smallBytes === 0) {
    return cutRange(addr, lengthBytes, Math.min(requestBytes, completionBytes));
  }
  let at = addr;
  return cutRange(addr, lengthBytes, requestBytes).flatMap(({ payloadBytes, count }) => {
    const chunkBytes = payloadBytes <= smallBytes ? path.smallCompletionBytes! : completionBytes;
    const runs = cutRange(at, payloadBytes * count, Math.min(requestBytes, chunkBytes));
    at += payloadBytes * count;
    return runs;
  });
}

export function makeShape(path: TimedPath, addr: number, lengthBytes: number, entries: number): Shape {
  const cut = cutRange(addr, lengthBytes, path.requestBytes);
  const units = countPackets(cut);
  const none = { headStartsPs: new Float64Array(0), takenPs: 0, arrivedPs: 0 };
  return {
    lengthBytes,
    offset: path.requestBytes === Number.POSITIVE_INFINITY ? 0 : addr % path.requestBytes,
    units,
    request: makeTrain(path.request, path.isWrite ? cut : [{ payloadBytes: 0, count: units }], 1),
    completion:
      path.completion === null
        ? null
        : makeTrain(path.completion, cutCompletions(path, addr, lengthBytes), units),
    version: -1,
    costs: new Float64Array(entries),
    turns: new Float64Array(entries),
    requestTimes: none,
    completionTimes: null,
    idlePs: 0,
    backPs: 0,
    unitBackPs: 0,
    unitPs: 0,
    roundTripPs: 0,
  };
}

/** Works out the idle times anew; the stages' rates may have changed. */
export function timeShape(shape: Shape, path: TimedPath): void {
  const there = legTimes(path.request, shape.request.runs);
  shape.requestTimes = there;
  if (shape.completion === null) {
    shape.completionTimes = null;
    shape.idlePs = there.arrivedPs + path.access.latencyPs;
    shape.backPs = 0;
    shape.roundTripPs = 0;
    return;
  }
  const back = legTimes(shape.completion.leg, shape.completion.runs);
  // Of the last unit alone: what is left of the range behind the last boundary, or a whole one.
  const past = (shape.offset + shape.lengthBytes) % path.requestBytes;
  const lastBytes =
    path.requestBytes === Number.POSITIVE_INFINITY
      ? shape.lengthBytes
      : Math.min(shape.lengthBytes, past === 0 ? path.requestBytes : past);
  const lastAt = shape.offset + shape.lengthBytes - lastBytes;
  const lastBack = legTimes(shape.completion.leg, cutCompletions(path, lastAt, lastBytes));
  const first = legTimes(path.request, [{ payloadBytes: 0, count: 1 }]);
  const access = path.access.latencyPs;
  shape.completionTimes = back;
  shape.backPs = lastBack.arrivedPs;
  const unitBytes = shape.units > 1 ? path.requestBytes : shape.lengthBytes;
  const unitBack = legTimes(shape.completion.leg, cutCompletions(path, 0, unitBytes));
  shape.unitBackPs = unitBack.arrivedPs;
  shape.roundTripPs = first.arrivedPs - path.request.delayPs + access + unitBack.arrivedPs;
  // Either the completions are the bottleneck, or the requests are.
  shape.idlePs = access + Math.max(first.arrivedPs + back.arrivedPs, there.arrivedPs + lastBack.arrivedPs);
  // What the requester does with everything it has got comes after it has given its tags back.
  const drainPs = (path.drainPsPerByte ?? 0) * shape.lengthBytes;
  shape.idlePs += drainPs;
  shape.backPs += drainPs;
}

/** Times that a packet of a train is sent again, on average; the bound is that of the packet engine. */
export function replaysOf(train: Train, index: number): number {
  const { bitErrorRate } = train.leg.stages[index]!;
  if (bitErrorRate === 0) {
    return 0;
  }
  const probability = replayShare(train.wireBytes[index]! / train.packets, bitErrorRate);
  return probability / (1 - probability);
}

/** Occupancy of stage `index` by a whole train, what is sent again included. */
export function trainOccupancyPs(train: Train, index: number): number {
  const stage = train.leg.stages[index]!;
  const oncePs =
    train.wireBytes[index]! * stage.occupancyPsPerByte +
    train.pieces[index]! * stage.packetPs +
    train.transfers * stage.requestPs;
  const replays = replaysOf(train, index);
  return oncePs + replays * (oncePs + train.packets * stage.replayPs);
}

/**
 * Credits of stage `index` that a train uses, as a share of all of them times how long each use lasts: picoseconds of the
 * capacity. A credit is used from the packet's start here until `creditReturnPs` after its start at the next stage.
 */
export function trainCreditPs(train: Train, index: number, packetClass: number): number {
  const { leg } = train;
  const stage = leg.stages[index]!;
  const credits = stage.credits;
  if (credits === null) {
    return 0;
  }
  const headers = credits.headers[packetClass]!;
  const data = credits.data[packetClass]!;
  let total = 0;
  for (const { payloadBytes, count } of train.runs) {
    const loop = lagPs(leg, index, payloadBytes) + stage.creditReturnPs;
    const pieces = piecesAt(leg, index, payloadBytes);
    const units = Math.ceil(payloadBytes / CREDIT_UNIT_BYTES);
    total += count * loop * Math.max(pieces / headers, units === 0 ? 0 : units / data);
  }
  return total;
}

/** The part of all credits of stage `index` that the packets of a train keep, together. */
export function trainCreditPart(train: Train, index: number, packetClass: number): number {
  const { leg } = train;
  const { credits } = leg.stages[index]!;
  let part = 0;
  for (const { payloadBytes, count } of train.runs) {
    const units = Math.ceil(payloadBytes / CREDIT_UNIT_BYTES);
    const headers = piecesAt(leg, index, payloadBytes) / credits!.headers[packetClass]!;
    part += count * Math.max(headers, units === 0 ? 0 : units / credits!.data[packetClass]!);
  }
  return part;
}

export function classOf(path: TimedPath, isCompletion: boolean): number {
  return isCompletion ? CLASS.COMPLETION : path.isWrite ? CLASS.POSTED : CLASS.NON_POSTED;
}
