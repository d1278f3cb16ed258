/**
 * The engine as a load generator: reads, writes, mixes and copies at sequential or random offsets, for a time or a count,
 * and two kinds of memory in alternating rounds, so that a drift of the machine meets both.
 */
import type { BlockTarget, Span } from '../access/index.ts';
import { CopyError, SeededRandom } from '../base/index.ts';
import { LatencyHistogram, type LatencySummary } from './latency.ts';
import { ITEM, Transfer, type TransferFailure, type Work, type WorkItem } from './transfer.ts';

export type LoadMode = 'read' | 'write' | 'mixed' | 'copy';

export interface LoadPattern {
  readonly mode: LoadMode;
  readonly blockBytes: number;
  /** The area of each target that is used, from `offsetBytes` on: whole blocks, at least one. */
  readonly offsetBytes: number;
  readonly areaBytes: number;
  readonly isRandom: boolean;
  readonly seed: number;
  /** Share of reads in `mixed`, 0 to 100. */
  readonly readPercent: number;
  /** Ends after so many items, or after so long; at least one of the two. */
  readonly count: number | undefined;
  readonly durationNs: number | undefined;
}

/** Items of a pattern. Sequential ones wrap around; random ones and the mix repeat with the seed. */
export class LoadWork implements Work {
  readonly #pattern: LoadPattern;
  readonly #random: SeededRandom;
  readonly #blocks: number;
  readonly #nowNs: () => number;
  readonly #startNs: number;
  #taken = 0;

  constructor(pattern: LoadPattern, nowNs: () => number) {
    this.#pattern = pattern;
    this.#random = new SeededRandom(pattern.seed);
    this.#blocks = Math.floor(pattern.areaBytes / pattern.blockBytes);
    this.#nowNs = nowNs;
    this.#startNs = nowNs();
  }

  next(item: WorkItem): boolean {
    const pattern = this.#pattern;
    if (pattern.count !== undefined && this.#taken >= pattern.count) {
      return false;
    }
    if (pattern.durationNs !== undefined && this.#nowNs() - this.#startNs >= pattern.durationNs) {
      return false;
    }
    const block = pattern.isRandom ? this.#random.below(this.#blocks) : this.#taken % this.#blocks;
    const offset = pattern.offsetBytes + block * pattern.blockBytes;
    item.kind = this.#kind();
    item.sourceOffsetBytes = offset;
    item.targetOffsetBytes = offset;
    item.lengthBytes = pattern.blockBytes;
    this.#taken++;
    return true;
  }

  #kind(): number {
    switch (this.#pattern.mode) {
      case 'read':
        return ITEM.READ;
      case 'write':
        return ITEM.WRITE;
      case 'copy':
        return ITEM.COPY;
      case 'mixed':
        return this.#random.below(100) < this.#pattern.readPercent ? ITEM.READ : ITEM.WRITE;
    }
  }
}

export interface LoadSide {
  /** `p2p via 0000:03:00.0`, `host`. */
  readonly label: string;
  /** `blockBytes * depth` bytes. Stays the caller's. */
  readonly span: Span;
}

export interface LoadOptions {
  /** Read from in `read`, `mixed` and `copy`. */
  readonly source: BlockTarget;
  /** Written to in `write`, `mixed` and `copy`; the same object as `source` but for `copy`. */
  readonly target: BlockTarget;
  readonly pattern: LoadPattern;
  readonly depth: number;
  /** Compared with each other; one or more. */
  readonly sides: readonly LoadSide[];
  /** Rounds of every side. */
  readonly rounds: number;
  readonly nowNs: () => number;
  readonly onRound?: (side: LoadSide, round: number, result: RoundResult) => void;
}

export interface RoundResult {
  readonly items: number;
  readonly bytes: number;
  readonly elapsedNs: number;
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
}

export interface SideResult {
  readonly label: string;
  readonly rounds: readonly RoundResult[];
  /** Medians over the rounds. */
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
  /** Over all rounds. */
  readonly latency: {
    readonly read: LatencySummary;
    readonly write: LatencySummary;
    readonly item: LatencySummary;
  };
}

export interface LoadResult {
  readonly outcome: 'done' | 'stopped' | 'failed';
  readonly sides: readonly SideResult[];
  /** Median throughput of the first side by that of the second; undefined with one side or nothing to compare. */
  readonly ratio: number | undefined;
  readonly failure: TransferFailure | undefined;
  /** Of the side that failed. */
  readonly failedSide: string | undefined;
}

/** One comparison. Nothing is in flight when `run` has resolved. */
export class Load {
  readonly #options: LoadOptions;
  #current: Transfer | undefined;
  #isStopped = false;

  /** @throws {CopyError} COPY_SETUP, COPY_RANGE */
  constructor(options: LoadOptions) {
    checkPattern(options);
    this.#options = options;
  }

  stop(): void {
    this.#isStopped = true;
    this.#current?.stop();
  }

  async run(): Promise<LoadResult> {
    const { sides, rounds, onRound } = this.#options;
    const tallies = sides.map((side) => new Tally(side.label));
    for (let round = 0; round < rounds; round++) {
      for (const [i, side] of sides.entries()) {
        if (this.#isStopped) {
          return result('stopped', tallies);
        }
        const transfer = await this.#runRound(side, round);
        if (transfer.failure !== undefined) {
          return { ...result('failed', tallies), failure: transfer.failure, failedSide: side.label };
        }
        const done = tallies[i]!.add(transfer);
        onRound?.(side, round, done);
      }
    }
    return result(this.#isStopped ? 'stopped' : 'done', tallies);
  }

  async #runRound(side: LoadSide, round: number): Promise<Transfer> {
    const { source, target, pattern, depth, nowNs } = this.#options;
    // Each round has offsets of its own, and every side of a round the same ones.
    const work = new LoadWork({ ...pattern, seed: pattern.seed + round }, nowNs);
    this.#current = new Transfer({
      source,
      target,
      span: side.span,
      chunkBytes: pattern.blockBytes,
      depth,
      work,
      nowNs,
    });
    await this.#current.run();
    return this.#current;
  }
}

class Tally {
  readonly label: string;
  readonly #rounds: RoundResult[] = [];
  readonly #read = new LatencyHistogram();
  readonly #write = new LatencyHistogram();
  readonly #item = new LatencyHistogram();

  constructor(label: string) {
    this.label = label;
  }

  add(transfer: Transfer): RoundResult {
    const elapsedNs = transfer.endedNs - transfer.startedNs;
    const perSecond = (amount: number): number => (elapsedNs > 0 ? (amount / elapsedNs) * 1e9 : 0);
    const round: RoundResult = {
      items: transfer.itemsDone,
      bytes: transfer.bytesDone,
      elapsedNs,
      bytesPerSecond: perSecond(transfer.bytesDone),
      itemsPerSecond: perSecond(transfer.itemsDone),
    };
    this.#rounds.push(round);
    this.#read.merge(transfer.readLatency);
    this.#write.merge(transfer.writeLatency);
    this.#item.merge(transfer.itemLatency);
    return round;
  }

  result(): SideResult {
    return {
      label: this.label,
      rounds: this.#rounds,
      bytesPerSecond: median(this.#rounds.map((round) => round.bytesPerSecond)),
      itemsPerSecond: median(this.#rounds.map((round) => round.itemsPerSecond)),
      latency: { read: this.#read.summary(), write: this.#write.summary(), item: this.#item.summary() },
    };
  }
}

function result(outcome: LoadResult['outcome'], tallies: readonly Tally[]): LoadResult {
  const sides = tallies.map((tally) => tally.result());
  const [first, second] = sides;
  const isComparable =
    first !== undefined && second !== undefined && first.bytesPerSecond > 0 && second.bytesPerSecond > 0;
  return {
    outcome,
    sides,
    ratio: isComparable ? first.bytesPerSecond / second.bytesPerSecond : undefined,
    failure: undefined,
    failedSide: undefined,
  };
}

/** Of an even number the mean of the middle two; 0 of none. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) {
    return 0;
  }
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2;
}

function checkPattern(options: LoadOptions): void {
  const { pattern, source, target, sides, rounds } = options;
  const setup = (message: string, hint: string): CopyError => new CopyError('COPY_SETUP', { message, hint });
  if (pattern.count === undefined && pattern.durationNs === undefined) {
    throw setup('a load without an end', 'give --count or --seconds');
  }
  if (sides.length === 0 || !(rounds >= 1)) {
    throw setup('a load without rounds', 'give at least --rounds 1');
  }
  if (pattern.count !== undefined && !(pattern.count >= 1)) {
    throw setup('a load of no requests', 'give at least --count 1');
  }
  if (pattern.readPercent < 0 || pattern.readPercent > 100) {
    throw setup(`a share of ${pattern.readPercent} % reads`, 'give --read-percent 0 to 100');
  }
  if (pattern.mode !== 'read' && target.isReadOnly) {
    throw new CopyError('COPY_READ_ONLY', {
      message: `${target.label} is not open for writing`,
      hint: 'open it with write access',
    });
  }
  for (const end of [source, target]) {
    if (pattern.offsetBytes % end.blockBytes !== 0) {
      throw new CopyError('COPY_RANGE', {
        message: `an offset of ${pattern.offsetBytes} is not a multiple of the ${end.blockBytes}-byte blocks of ${end.label}`,
        hint: `use a multiple of ${end.blockBytes}`,
      });
    }
    if (pattern.areaBytes < pattern.blockBytes || pattern.offsetBytes + pattern.areaBytes > end.sizeBytes) {
      throw new CopyError('COPY_RANGE', {
        message: `an area of ${pattern.areaBytes} bytes at ${pattern.offsetBytes} does not hold a block of ${pattern.blockBytes} within ${end.label} (${end.sizeBytes} bytes)`,
        hint: 'use a smaller --block or another --size',
      });
    }
  }
}
