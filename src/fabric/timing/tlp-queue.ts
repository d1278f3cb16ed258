/** Where packets and jobs wait in front of a stage. */
import { NONE } from './pool.ts';
import type { PacketClass } from './stage.ts';
import type { StageState } from './tlp-state.ts';

/**
 * A place among those who wait in front of a stage. The places form a tree: under the root one for each ingress, under that
 * one for each ingress of the stage behind it, and so on; the leaves are the packets of one path, or a lane, that is the jobs
 * of a source, which make packets when it is their turn. In each place turns go round (`TlpEngine.#pick`).
 */
export class Queue {
  readonly stage: StageState;
  readonly parent: Queue | null;
  readonly weight: number;
  readonly isLane: boolean;
  /** Of a leaf. */
  readonly packetClass: PacketClass;
  readonly children: Queue[] = [];
  /** Whose turn it is. */
  turn = 0;
  /** Turns it has left where the stage is weighted. */
  turns = 0;
  /** Packets or jobs that wait here, or below. */
  count = 0;
  /** First and last packet, or job. Of a leaf. */
  head = NONE;
  tail = NONE;
  /** What more of its path's packets may come, those on their way counted. Infinity: all. Leaves of packets only. */
  roomHeaders = Number.POSITIVE_INFINITY;
  roomData = Number.POSITIVE_INFINITY;
  /** It waits until a posted request was seen. */
  isWaiting = false;

  constructor(
    stage: StageState,
    parent: Queue | null,
    weight: number,
    isLane: boolean,
    packetClass: PacketClass,
  ) {
    this.stage = stage;
    this.parent = parent;
    this.weight = weight;
    this.isLane = isLane;
    this.packetClass = packetClass;
    parent?.children.push(this);
  }

  entered(): void {
    this.count++;
    for (let place = this.parent; place !== null; place = place.parent) {
      place.count++;
    }
  }

  left(): void {
    this.count--;
    for (let place = this.parent; place !== null; place = place.parent) {
      place.count--;
    }
  }
}
