/** Collects one way of a path from its sender on, and names it. */
import { completionOverheadBytes, needs64BitHeader, requestOverheadBytes } from '../../rates/index.ts';
import type { Leg } from './path.ts';
import type { Stage } from './stage.ts';

const PS_PER_NS = 1000;

/** The same for legs that are alike. */
export function legKey(leg: Leg): string {
  return [
    leg.delayPs,
    ...leg.stages.map(
      (stage, index) =>
        `${stage.id}:${leg.delaysPs[index]}:${leg.overheadBytes[index]}:${leg.splitBytes[index]}:${leg.storesWhole[index]}`,
    ),
  ].join(',');
}

export class LegDraft {
  /** Before the first stage. */
  delayNs = 0;
  #addressBits: 32 | 64;
  readonly #isCompletion: boolean;
  readonly #ecrc: boolean;
  readonly #stages: Stage[] = [];
  readonly #delaysNs: number[] = [];
  readonly #overheads: number[] = [];
  readonly #splits: number[] = [];
  readonly #stores: boolean[] = [];
  #splitBytes = Number.POSITIVE_INFINITY;

  /** @param ecrc its sender adds an end-to-end checksum */
  constructor(addressBits: 32 | 64, isCompletion: boolean, ecrc: boolean) {
    this.#addressBits = addressBits;
    this.#isCompletion = isCompletion;
    this.#ecrc = ecrc;
  }

  link(stage: Stage, isFlit: boolean): void {
    this.#push(stage, this.#overhead(isFlit), 0);
  }

  /** A stage that counts payload alone. */
  stage(stage: Stage, delayNs: number): void {
    this.#push(stage, 0, delayNs);
  }

  /** An engine counts as the first link does. */
  engine(stage: Stage): void {
    this.#push(stage, this.#overhead(false), 0);
  }

  /** Payload alone, in pieces that are put together again. */
  bursts(stage: Stage, burstBytes: number): void {
    this.#push(stage, 0, 0);
    this.#splits[this.#splits.length - 1] = burstBytes;
  }

  addDelay(ns: number): void {
    if (this.#delaysNs.length === 0) {
      this.delayNs += ns;
    } else {
      this.#delaysNs[this.#delaysNs.length - 1]! += ns;
    }
  }

  /** The component behind the last stage waits for whole packets. */
  storesWhole(stores: boolean): void {
    this.#stores[this.#stores.length - 1] = stores;
  }

  /** From here on requests carry another address. */
  addressed(address: number): void {
    this.#addressBits = needs64BitHeader(address) ? 64 : 32;
  }

  /** From here on packets are no larger. */
  split(bytes: number): void {
    this.#splitBytes = bytes;
  }

  finish(): Leg {
    return {
      stages: this.#stages,
      delaysPs: this.#delaysNs.map((ns) => ns * PS_PER_NS),
      delayPs: this.delayNs * PS_PER_NS,
      overheadBytes: this.#overheads,
      splitBytes: this.#splits,
      storesWhole: this.#stores,
      ecrc: this.#ecrc,
    };
  }

  #overhead(isFlit: boolean): number {
    return this.#isCompletion
      ? completionOverheadBytes({ isFlit, ecrc: this.#ecrc })
      : requestOverheadBytes({ isFlit, is64Bit: this.#addressBits === 64, ecrc: this.#ecrc });
  }

  #push(stage: Stage, overheadBytes: number, delayNs: number): void {
    this.#stages.push(stage);
    this.#delaysNs.push(delayNs);
    this.#overheads.push(overheadBytes);
    this.#splits.push(this.#splitBytes);
    this.#stores.push(false);
  }
}
