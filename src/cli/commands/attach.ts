/** `peerlane lab FILE attach`: serves the devices of a lab to a QEMU that a person starts. */
import { qemuCommand } from '../../lab/index.ts';
import type { ServerCounters } from '../attach/counters.ts';
import type { ServerEvent } from '../attach/messages.ts';
import { labToServe, type ServeOptions, ServeSession } from '../attach/session.ts';
import type { Io } from '../io.ts';
import { attachLines, counterLines, eventLine, LiveLines } from '../render/attach.ts';
import { printable, styleFor } from '../render/style.ts';
import { watchSignals } from '../transfer/signals.ts';

export interface AttachOptions extends ServeOptions {
  /** MiB. */
  readonly memory?: number;
  /** Seconds that QEMU waits for an answer. */
  readonly patience?: number;
  readonly json?: boolean;
}

const LOOK_MS = 1000;

/**
 * Serves until a signal comes or a client says quit.
 * @returns 0, or 128 + n for signal n
 * @throws {UsageError}, {LabError}, {HostError} what keeps it from serving; HOST_SERVER_LOST
 */
export async function attach(options: AttachOptions, io: Io): Promise<number> {
  const toServe = await labToServe('attach', options);
  const folder = await ServeSession.folderFor(toServe, options);
  const served = new Map(toServe.names.map((name) => [name, folder.socketPath(name)]));
  const command = qemuCommand(toServe.lab, {
    served,
    ...(options.memory === undefined ? {} : { memoryMb: options.memory }),
    ...(options.patience === undefined ? {} : { messageTimeoutMs: Math.ceil(options.patience * 1000) }),
  });
  const output = options.json === true ? new JsonOutput(io) : new TextOutput(io);
  // Signals are heard from the first moment on, so that no socket stays behind.
  let session: ServeSession | undefined;
  const signals = watchSignals(() => session?.end());
  try {
    session = await ServeSession.open(toServe, folder, options, (events) => output.events(events));
    await output.head({ ...command, served, control: folder.controlPath, folder: folder.path });
    if (signals.exitStatus() !== undefined) {
      session.end();
    }
    const look = setInterval(() => {
      session
        ?.ask({ do: 'counters' })
        .then((counters) => output.look(counters as ServerCounters))
        // It ends meanwhile.
        .catch(() => {});
    }, LOOK_MS);
    const { counters, error } = await session.ended;
    clearInterval(look);
    if (error !== null) {
      throw error;
    }
    if (counters !== null) {
      await output.end(counters);
    }
    return signals.exitStatus() ?? 0;
  } finally {
    signals.end();
  }
}

interface Head {
  readonly args: readonly string[];
  readonly append: readonly string[];
  readonly changes: readonly string[];
  readonly devices: ReadonlyMap<string, string>;
  readonly served: ReadonlyMap<string, string>;
  readonly control: string;
  readonly folder: string;
}

/** Lines for people; counters while it serves on a terminal only. */
class TextOutput {
  readonly #io: Io;
  readonly #live: LiveLines;
  #before: ServerCounters | null = null;

  constructor(io: Io) {
    this.#io = io;
    this.#live = new LiveLines(io);
  }

  async head(head: Head): Promise<void> {
    for (const line of attachLines(head, styleFor(this.#io))) {
      await this.#io.out(`${line}\n`);
    }
    await this.#io.out(
      `\nServing ${printable([...head.served.keys()].join(', '))} in ${printable(head.folder)}\n`,
    );
    await this.#io.out('ready\n');
  }

  async events(events: readonly ServerEvent[]): Promise<void> {
    this.#live.clear();
    await this.#io.out(events.map((event) => `${eventLine(event)}\n`).join(''));
  }

  look(counters: ServerCounters): void {
    this.#live.draw(counterLines(counters, this.#before));
    this.#before = counters;
  }

  async end(counters: ServerCounters): Promise<void> {
    this.#live.clear();
    await this.#io.out(
      counterLines(counters, null)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }
}

/** One JSON object a line: first what to give QEMU, then what happens, at the end the counters. */
class JsonOutput {
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  async head({ args, append, changes, devices, served, control }: Head): Promise<void> {
    await this.#line({
      schema: 'peerlane/attach/1',
      program: 'qemu-system-x86_64',
      args,
      append,
      changes,
      devices: Object.fromEntries(
        [...served].map(([name, socket]) => [name, { socket, id: devices.get(name) ?? null }]),
      ),
      control,
    });
    await this.#line({ event: 'ready' });
  }

  async events(events: readonly ServerEvent[]): Promise<void> {
    await this.#io.out(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  look(): void {}

  async end(counters: ServerCounters): Promise<void> {
    await this.#line({ event: 'end', counters });
  }

  async #line(value: unknown): Promise<void> {
    await this.#io.out(`${JSON.stringify(value)}\n`);
  }
}
