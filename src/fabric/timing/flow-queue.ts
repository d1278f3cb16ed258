/**
 * How long packets wait in the queues between stages, where reads take part.
 *
 * A read keeps a tag while its packets wait, and a packet keeps a buffer: the longer a queue, the less its flows can send. So
 * each queue in front of a stage has a wait, and it is as long as it has to be for its flows to send what the stage takes from
 * them, and no longer. Waits are found by steps in between the rounds of `flow-share.ts`: longer where flows could send more
 * than they may, shorter where the stage is left idle.
 *
 * A queue is first come first served among all classes, so a read request waits behind completions. What only the credits of
 * reads' requests or of completions keep back, lets the other classes pass; what posted writes wait for, everybody behind them
 * waits for as well (PCIe Base 6.0, 2.4.1).
 */
import { CLASS } from './stage.ts';

/** A wait grows by at most itself and this, picoseconds. */
const STEP_PS = 100_000;
/** Nothing waits longer: what does not end here has no buffers to fill. */
const WAIT_MAX_PS = 1e9;

/** A queue from one stage to the next. */
export class WaitQueue {
  /** By class of what holds it back; the first holds for everybody. */
  readonly waitsPs = new Float64Array(3);

  // Scratch of a step, by class of what holds it back.
  round = 0;
  readonly could = new Float64Array(3);
  readonly may = new Float64Array(3);
  readonly left = new Float64Array(3);
  readonly slope = new Float64Array(3);

  waitOf(packetClass: number): number {
    return packetClass === CLASS.POSTED
      ? this.waitsPs[CLASS.POSTED]!
      : this.waitsPs[CLASS.POSTED]! + this.waitsPs[packetClass]!;
  }

  begin(round: number): void {
    this.round = round;
    this.could.fill(0);
    this.may.fill(0);
    this.left.fill(Number.POSITIVE_INFINITY);
    this.slope.fill(0);
  }

  /** @returns the largest change, as a part of the wait and a step */
  step(gain: number): number {
    let most = 0;
    for (let held = 0; held < 3; held++) {
      const could = this.could[held]!;
      const wait = this.waitsPs[held]!;
      if (could === 0) {
        continue;
      }
      const left = Math.max(0, Math.min(this.left[held]!, 1e6));
      const part = could / (this.may[held]! + left) - 1;
      const slope = this.slope[held]! / could;
      const bound = wait + STEP_PS;
      let change = slope > 0 ? (gain * part) / slope : part > 1e-9 ? bound : -wait;
      change = Math.max(-gain * wait - 1, Math.min(gain * bound, change));
      const next = Math.max(0, Math.min(WAIT_MAX_PS, wait + change));
      most = Math.max(most, Math.abs(next - wait) / bound);
      this.waitsPs[held] = next;
    }
    return most;
  }
}

/** Where a flow waits: a queue and the entries of the flow around it; -1: there is none. */
export interface Crossing {
  readonly queue: WaitQueue;
  readonly packetClass: number;
  /** The stage that the queue is in front of, and the credits there. */
  readonly stage: number;
  readonly credits: number;
  /** Credits that those who wait keep. */
  readonly buffers: number;
}
