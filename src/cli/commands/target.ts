/** `peerlane target serve FILE` and `target check FILE`: an NVMe-oF target over TCP on this computer. */
import { constants } from 'node:os';
import type { Io } from '../io.ts';
import { LiveLines } from '../render/attach.ts';
import { styleFor } from '../render/style.ts';
import { counterLines, eventLine, planJson, planLines, portLine } from '../render/target.ts';
import { readTargetFile } from '../target/config-file.ts';
import type { TargetCounters } from '../target/counters.ts';
import { EventLines, type TargetEvent } from '../target/events.ts';
import { planTarget, type TargetPlan } from '../target/plan.ts';
import { type ListeningPort, TargetSession } from '../target/session.ts';
import { readTlsKeys } from '../target/tls-keys.ts';
import { watchSignals } from '../transfer/signals.ts';

export interface TargetCheckOptions {
  /** File with TLS keys. */
  readonly tlsKeys?: string;
  readonly json?: boolean;
}

export interface TargetServeOptions extends TargetCheckOptions {
  readonly log?: boolean;
}

const LOOK_MS = 1000;
/** For commands that are under way when the end is asked for. */
const DRAIN_MS = 30_000;
const TERMINATED = 128 + constants.signals.SIGTERM;

const nowMs = (): number => performance.now();

/**
 * Reads a configuration and says what it would serve. Opens nothing.
 * @returns 0
 * @throws {InputError}, {TargetError} what is wrong with the files
 */
export async function targetCheck(file: string, options: TargetCheckOptions, io: Io): Promise<number> {
  const { plan } = planOf(file, options);
  if (options.json === true) {
    await io.out(`${JSON.stringify({ schema: 'peerlane/target/1', ...planJson(plan) })}\n`);
    return 0;
  }
  await io.out([...planLines(plan, styleFor(io))].map((line) => `${line}\n`).join(''));
  return 0;
}

/**
 * Serves until a signal comes; then what has begun is answered. A second signal ends it at once.
 * @returns 0 after SIGTERM, else 128 + n for signal n
 * @throws {InputError}, {TargetError}, {HostError}, {NvmeTcpError} what keeps it from serving
 */
export async function targetServe(file: string, options: TargetServeOptions, io: Io): Promise<number> {
  const { plan, keys } = planOf(file, options);
  const output = options.json === true ? new JsonOutput(io) : new TextOutput(io);
  const events = new EventLines((some) => output.events(some));
  let onSignal = (): void => {};
  const signalled = new Promise<void>((resolve) => {
    onSignal = resolve;
  });
  // Signals are heard from the first moment on, so that no device stays claimed without an end.
  const signals = watchSignals(onSignal);
  try {
    const session = await TargetSession.open(plan, {
      keys,
      nowMs,
      isVerbose: options.log === true,
      onEvent: (event) => events.add(event),
    });
    await output.head(plan, session.ports);
    const look = setInterval(() => output.look(session.counters()), LOOK_MS);
    await signalled;
    clearInterval(look);
    const { atS } = session;
    events.add({ event: 'draining', atS, connections: session.counters().connections });
    await session.drain(DRAIN_MS);
    await events.settled();
    await output.end(session.counters());
    const status = signals.exitStatus() ?? 0;
    return status === TERMINATED ? 0 : status;
  } finally {
    signals.end();
  }
}

function planOf(file: string, { tlsKeys }: TargetCheckOptions) {
  const keys = tlsKeys === undefined ? null : readTlsKeys(tlsKeys);
  return { plan: planTarget(readTargetFile(file), keys !== null), keys };
}

/** Lines for people; counters while it serves on a terminal only. */
class TextOutput {
  readonly #io: Io;
  readonly #live: LiveLines;
  #before: TargetCounters | null = null;

  constructor(io: Io) {
    this.#io = io;
    this.#live = new LiveLines(io);
  }

  async head(plan: TargetPlan, ports: readonly ListeningPort[]): Promise<void> {
    const lines = [...planLines(plan, styleFor(this.#io)), '', ...ports.map(portLine), 'ready'];
    await this.#io.out(lines.map((line) => `${line}\n`).join(''));
  }

  async events(events: readonly TargetEvent[]): Promise<void> {
    this.#live.clear();
    await this.#io.out(events.map((event) => `${eventLine(event)}\n`).join(''));
  }

  look(counters: TargetCounters): void {
    this.#live.draw(counterLines(counters, this.#before));
    this.#before = counters;
  }

  async end(counters: TargetCounters): Promise<void> {
    this.#live.clear();
    await this.#io.out(
      counterLines(counters, null)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }
}

/** One JSON object a line: first what is served and where, then what happens, at the end the counters. */
class JsonOutput {
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  async head(plan: TargetPlan, listening: readonly ListeningPort[]): Promise<void> {
    await this.#line({ schema: 'peerlane/target/1', ...planJson(plan), listening });
    await this.#line({ event: 'ready' });
  }

  async events(events: readonly TargetEvent[]): Promise<void> {
    await this.#io.out(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  look(): void {}

  async end(counters: TargetCounters): Promise<void> {
    await this.#line({ event: 'end', counters });
  }

  async #line(value: unknown): Promise<void> {
    await this.#io.out(`${JSON.stringify(value)}\n`);
  }
}
