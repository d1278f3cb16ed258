/**
 * Control requests (queue entries, doorbells, interrupts): each takes as long as on an idle path, and longer where a stage has
 * more of them than it can carry.
 *
 * What waits at a stage is kept as an amount of work that drains as time passes. A request that was reckoned later and comes
 * earlier (the answer of a slow read was reckoned before) finds the work without the gaps in between.
 */

import { type Shape, type Train, trainOccupancyPs } from './flow-shape.ts';
import type { Leg } from './path.ts';

export class ControlLoad {
  /** By stage. */
  readonly #backlogPs: number[] = [];
  readonly #atPs: number[] = [];

  /** Waits of all stages of a leg together, for a train that the sender has at `atPs`; [in front of the first, all]. */
  waits(train: Train, headStartsPs: Float64Array, atPs: number, into: Float64Array): void {
    const leg: Leg = train.leg;
    let all = 0;
    into[0] = 0;
    for (let j = 0; j < leg.stages.length; j++) {
      const wait = this.#enter(leg.stages[j]!.id, atPs + headStartsPs[j]! + all, trainOccupancyPs(train, j));
      if (j === 0) {
        into[0] = wait;
      }
      all += wait;
    }
    into[1] = all;
  }

  /** @returns picoseconds that an idle transfer of this shape has to add: [until taken, until arrived, until completed] */
  reckon(shape: Shape, nowPs: number, into: Float64Array): void {
    this.waits(shape.request, shape.requestTimes.headStartsPs, nowPs, into);
    into[2] = into[1]!;
    if (shape.completion !== null) {
      const there = into[1]!;
      const startPs = nowPs + there + shape.idlePs - shape.completionTimes!.arrivedPs;
      this.waits(shape.completion, shape.completionTimes!.headStartsPs, startPs, into);
      into[2] = there + into[1]!;
      into[1] = there;
    }
  }

  #enter(stage: number, atPs: number, workPs: number): number {
    const lastPs = this.#atPs[stage] ?? 0;
    const backlog = Math.max(0, (this.#backlogPs[stage] ?? 0) - Math.max(0, atPs - lastPs));
    this.#backlogPs[stage] = backlog + workPs;
    this.#atPs[stage] = Math.max(lastPs, atPs);
    return backlog;
  }
}
