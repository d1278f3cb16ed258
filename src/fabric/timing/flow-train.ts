/**
 * A request as a train of packets on an idle leg: how many there are, what they weigh at each stage, when they arrive.
 *
 * A train is at most three runs of equal packets: up to the first boundary, whole ones, and what is left.
 */
import type { Leg } from './path.ts';

export interface Run {
  readonly payloadBytes: number;
  readonly count: number;
}

/**
 * Cuts a range at multiples of `cutBytes`. No bytes at all are one empty packet.
 * @param cutBytes  may be Infinity: one packet
 */
export function cutRange(addr: number, lengthBytes: number, cutBytes: number): Run[] {
  const offset = cutBytes === Number.POSITIVE_INFINITY ? 0 : addr % cutBytes;
  const first = Math.min(lengthBytes, cutBytes - offset);
  if (first === lengthBytes) {
    return [{ payloadBytes: lengthBytes, count: 1 }];
  }
  const runs: Run[] = [];
  let rest = lengthBytes;
  if (offset !== 0) {
    runs.push({ payloadBytes: first, count: 1 });
    rest -= first;
  }
  const whole = Math.floor(rest / cutBytes);
  if (whole > 0) {
    runs.push({ payloadBytes: cutBytes, count: whole });
  }
  const last = rest - whole * cutBytes;
  if (last > 0) {
    runs.push({ payloadBytes: last, count: 1 });
  }
  return runs;
}

export function countPackets(runs: readonly Run[]): number {
  let count = 0;
  for (const run of runs) {
    count += run.count;
  }
  return count;
}

/** Pieces in which a packet passes a stage. */
export function piecesAt(leg: Leg, index: number, payloadBytes: number): number {
  return Math.max(1, Math.ceil(payloadBytes / leg.splitBytes[index]!));
}

/** Bytes that count for a stage, of one packet. */
export function wireBytesAt(leg: Leg, index: number, payloadBytes: number): number {
  return Math.ceil(payloadBytes / 4) * 4 + piecesAt(leg, index, payloadBytes) * leg.overheadBytes[index]!;
}

/** How long a packet is being sent, at the raw rate. */
export function serialisationPs(leg: Leg, index: number, payloadBytes: number): number {
  return wireBytesAt(leg, index, payloadBytes) * leg.stages[index]!.latencyPsPerByte;
}

/** How long a packet keeps a stage busy, at the net rate. */
export function occupancyPs(leg: Leg, index: number, payloadBytes: number): number {
  const stage = leg.stages[index]!;
  return (
    wireBytesAt(leg, index, payloadBytes) * stage.occupancyPsPerByte +
    piecesAt(leg, index, payloadBytes) * stage.packetPs
  );
}

/**
 * From a packet's start on stage `index` until it may start on the next one, or has arrived. A faster stage starts so late
 * that it does not run dry.
 */
export function lagPs(leg: Leg, index: number, payloadBytes: number): number {
  const own = serialisationPs(leg, index, payloadBytes);
  const delay = leg.delaysPs[index]! + leg.stages[index]!.flitPs;
  if (leg.storesWhole[index]! || index + 1 === leg.stages.length) {
    return own + delay;
  }
  return Math.max(delay, own + delay - serialisationPs(leg, index + 1, payloadBytes));
}

/** When a train passes an idle leg; picoseconds from the moment the sender has it. */
export interface LegTimes {
  /** Start of the first packet, by stage. */
  readonly headStartsPs: Float64Array;
  /** The last byte has left the first stage. */
  readonly takenPs: number;
  /** The last byte has arrived. */
  readonly arrivedPs: number;
}

/**
 * The exact times of packets that follow each other as fast as the stages let them.
 *
 * Equal packets need no loop: packet k starts at stage j at the latest of S_i(0) + k occ_i + lag(i..j) over all i up to j,
 * because among equal packets the longest chain waits at one stage only.
 */
export function legTimes(leg: Leg, runs: readonly Run[]): LegTimes {
  const size = leg.stages.length;
  const headStartsPs = new Float64Array(size);
  if (size === 0) {
    return { headStartsPs, takenPs: leg.delayPs, arrivedPs: leg.delayPs };
  }
  const starts = new Float64Array(size);
  const frees = new Float64Array(size);
  for (let r = 0; r < runs.length; r++) {
    const { payloadBytes, count } = runs[r]!;
    let ready = leg.delayPs;
    for (let j = 0; j < size; j++) {
      starts[j] = Math.max(ready, frees[j]!);
      ready = starts[j]! + lagPs(leg, j, payloadBytes);
    }
    if (r === 0) {
      headStartsPs.set(starts);
    }
    let chain = 0;
    for (let j = 0; j < size; j++) {
      const occupancy = occupancyPs(leg, j, payloadBytes);
      chain = Math.max(chain, starts[j]! + (count - 1) * occupancy);
      starts[j] = chain;
      frees[j] = chain + occupancy;
      chain += lagPs(leg, j, payloadBytes);
    }
  }
  const last = runs[runs.length - 1]!.payloadBytes;
  return {
    headStartsPs,
    takenPs: starts[0]! + serialisationPs(leg, 0, last),
    arrivedPs: starts[size - 1]! + lagPs(leg, size - 1, last),
  };
}
