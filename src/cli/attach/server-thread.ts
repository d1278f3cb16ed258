/**
 * The thread that serves, seen from the main one. It blocks in a system call most of the time, so everything that is told to it
 * comes with a write to the eventfd that it waits for.
 */
import { Worker } from 'node:worker_threads';
import { HostError } from '../../base/index.ts';
import { signalEventFd } from '../../host/index.ts';
import { type ControlRequest, errorOf } from './control-protocol.ts';
import type { ServerCounters } from './counters.ts';
import type { FromServer, ServerEvent, ServeSetup, ToServer } from './messages.ts';

export interface ServerThread {
  /** What became of it: final counters, or why it ended without being told to. Never rejects. */
  readonly ended: Promise<ServerEnd>;
  /** Rejects with what the server refuses, and when it has ended. */
  readonly ask: (request: ControlRequest) => Promise<unknown>;
  /** Sockets are closed, files gone, images written back. `ended` tells when. May be called again. */
  readonly end: () => void;
}

export interface ServerEnd {
  readonly counters: ServerCounters | null;
  readonly error: Error | null;
}

const ENDED = 'the server has ended';

/**
 * Resolves when every socket listens.
 * @param onEvents  may take its time: what it has not taken yet is bounded, and then lines of logs are lost, and counted
 * @throws what makes it impossible to serve
 */
export async function startServerThread(
  setup: ServeSetup,
  onEvents: (events: readonly ServerEvent[]) => Promise<void>,
): Promise<ServerThread> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setup });
  const asked = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let wakeFd: number | null = null;
  let isEnding = false;
  let lastId = 0;
  let hasEnded = false;
  let events: Promise<void> = Promise.resolve();

  const tell = (message: ToServer): void => {
    worker.postMessage(message);
    // Once it was told to end, the eventfd may be gone, and its number another file's.
    if (wakeFd !== null && !isEnding) {
      signalEventFd(wakeFd);
    }
  };

  return new Promise((started, failed) => {
    let resolveEnd: (end: ServerEnd) => void = () => {};
    const ended = new Promise<ServerEnd>((resolve) => {
      resolveEnd = resolve;
    });
    const finish = (end: ServerEnd): void => {
      if (!hasEnded) {
        hasEnded = true;
        wakeFd = null;
        for (const { reject } of asked.values()) {
          reject(end.error ?? gone());
        }
        asked.clear();
        // What it said before is told first.
        void events.then(() => {
          failed(end.error ?? gone());
          resolveEnd(end);
        });
      }
    };
    const thread: ServerThread = {
      ended,
      ask: (request) =>
        new Promise((resolve, reject) => {
          if (hasEnded || isEnding) {
            reject(gone());
            return;
          }
          const id = ++lastId;
          asked.set(id, { resolve, reject });
          tell({ kind: 'ask', id, request });
        }),
      end: () => {
        if (!hasEnded && !isEnding) {
          tell({ kind: 'end' });
          isEnding = true;
        }
      },
    };
    worker.on('message', (message: FromServer) => {
      switch (message.kind) {
        case 'ready':
          wakeFd = message.wakeFd;
          started(thread);
          break;
        case 'answer':
          asked.get(message.id)?.resolve(message.result);
          asked.delete(message.id);
          break;
        case 'refusal':
          asked.get(message.id)?.reject(errorOf(message.error));
          asked.delete(message.id);
          break;
        case 'events':
          events = events.then(async () => {
            await onEvents(message.events);
            if (!hasEnded) {
              tell({ kind: 'taken', events: message.events.length });
            }
          });
          break;
        case 'failed':
          wakeFd = null;
          isEnding = true;
          worker.postMessage({ kind: 'end' } satisfies ToServer);
          break;
        case 'ended':
          finish({
            counters: message.counters,
            error: message.error === null ? null : errorOf(message.error),
          });
          break;
      }
    });
    worker.once('error', (cause) => finish({ counters: null, error: lost(cause) }));
    worker.once('exit', () => finish({ counters: null, error: lost(undefined) }));
  });
}

function gone(): HostError {
  return new HostError('HOST_NO_SERVER', { message: ENDED, hint: 'start it again', exitStatus: 3 });
}

function lost(cause: unknown): HostError {
  const why =
    cause === undefined
      ? 'it ended'
      : cause instanceof Error
        ? (cause.stack ?? cause.message)
        : String(cause);
  return new HostError('HOST_SERVER_LOST', {
    message: `the thread that served the devices is gone: ${why}`,
    hint: 'please report it with the lab file; the guest sees all devices as removed',
    exitStatus: 3,
    ...(cause === undefined ? {} : { cause }),
  });
}
