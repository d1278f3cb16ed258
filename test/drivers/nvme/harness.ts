/** A fake controller with its driver on a platform, driven by hand to the end of each request. */
import { DONE, PENDING, type Span, type Status, startTask, type Task } from '../../../src/access/index.ts';
import { NvmeController, type NvmeNamespace, type NvmeOptions } from '../../../src/drivers/nvme/index.ts';
import { EventQueue, noTurn } from '../../../src/fabric/index.ts';
import { DirectPlatform, type PlatformOptions } from './direct-platform.ts';
import { FakeController, type FakeOptions } from './fake-controller.ts';

/** Events after which a test that does not end is one that never will. */
const EVENTS_MAX = 5_000_000;

export interface BenchOptions {
  readonly fake?: FakeOptions;
  readonly driver?: NvmeOptions;
  readonly platform?: Partial<PlatformOptions>;
  /** Delays everything at random. */
  readonly seed?: number;
}

export class Bench {
  readonly executor: EventQueue;
  readonly fake: FakeController;
  readonly platform: DirectPlatform;
  readonly controller: NvmeController;

  constructor(options: BenchOptions = {}) {
    this.executor = new EventQueue({
      turn: noTurn,
      ...(options.seed === undefined ? {} : { jitter: { seed: options.seed, jitterPs: 1_000_000 } }),
    });
    this.fake = new FakeController(options.fake);
    this.platform = new DirectPlatform({ executor: this.executor, model: this.fake, ...options.platform });
    this.controller = new NvmeController(this.platform, options.driver);
  }

  run<Result>(task: Task<Result>): Result {
    return runOn(this.executor, task);
  }

  start(): void {
    this.run(this.controller.starting());
  }

  idle(): void {
    this.executor.runUntilIdle(EVENTS_MAX);
  }
}

/** Runs a task to its end. Throws what it throws, and when it does not end although nothing is left to do. */
export function runOn<Result>(executor: EventQueue, task: Task<Result>): Result {
  let outcome: { readonly value: Result } | { readonly error: unknown } | undefined;
  startTask(
    task,
    (value) => {
      outcome = { value };
    },
    (error) => {
      outcome = { error };
    },
  );
  executor.runUntilIdle(EVENTS_MAX);
  if (outcome === undefined) {
    throw new Error('a task does not end');
  }
  if ('error' in outcome) {
    throw outcome.error;
  }
  return outcome.value;
}

export function started(options: BenchOptions = {}): Bench {
  const bench = new Bench(options);
  bench.start();
  return bench;
}

/** Every end of a request that came through `onDone`. */
export class Requests {
  readonly ends = new Map<number, Status[]>();
  readonly #namespace: NvmeNamespace;
  readonly #bench: { idle(): void };
  #next = 1;
  onEnd: (token: number, status: Status) => void = () => {};

  constructor(bench: { idle(): void }, namespace: NvmeNamespace) {
    this.#bench = bench;
    this.#namespace = namespace;
    namespace.onDone = (token, status) => {
      const before = this.ends.get(token);
      if (before === undefined) {
        throw new Error(`token ${token} ended and was never begun`);
      }
      before.push(status);
      this.onEnd(token, status);
    };
  }

  /** Begins one; its end is in `ends`, also when it ended at once. */
  begin(start: (token: number) => Status): number {
    const token = this.#next++;
    const ends: Status[] = [];
    this.ends.set(token, ends);
    const status = start(token);
    if (ends.length > 0) {
      throw new Error(`token ${token} ended inside its own call`);
    }
    if (status !== PENDING) {
      ends.push(status);
    }
    return token;
  }

  /** Begins one and runs to its end. */
  complete(start: (token: number) => Status): { readonly token: number; readonly status: Status } {
    const token = this.begin(start);
    this.#bench.idle();
    const ends = this.ends.get(token)!;
    if (ends.length !== 1) {
      throw new Error(`token ${token} ended ${ends.length} times`);
    }
    return { token, status: ends[0]! };
  }

  read(offset: number, span: Span, spanOffset: number, length: number): Status {
    return this.complete((token) => this.#namespace.read(offset, span, spanOffset, length, token)).status;
  }

  write(offset: number, span: Span, spanOffset: number, length: number): Status {
    return this.complete((token) => this.#namespace.write(offset, span, spanOffset, length, token)).status;
  }

  /** Tokens that did not end exactly once. */
  get wrong(): number[] {
    return [...this.ends].filter(([, ends]) => ends.length !== 1).map(([token]) => token);
  }

  get done(): number {
    return [...this.ends.values()].filter((ends) => ends[0] === DONE).length;
  }
}

/** Bytes that tell where they belong. */
export function fillCounting(bytes: Uint8Array, seed: number): void {
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (i * 7 + (i >>> 8) * 13 + (i >>> 16) * 29 + seed) & 0xff;
  }
}
