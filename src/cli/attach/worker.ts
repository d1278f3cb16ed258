/**
 * The thread that serves. It waits in the server's `poll` and nowhere else, so messages of the main thread are taken one by one when
 * that has woken it.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/index.ts';
import { type ErrorFactsJson, errorFacts } from './control-protocol.ts';
import type { ServerCounters } from './counters.ts';
import type { FromServer, ServeSetup, ToServer } from './messages.ts';
import { Serving } from './serving.ts';

const port = parentPort!;
const NS_PER_MS = 1e6;

function say(message: FromServer): void {
  port.postMessage(message);
}

/** @returns whether the end was asked for */
function takeMessages(serving: Serving): boolean {
  for (;;) {
    const received = receiveMessageOnPort(port) as { readonly message: ToServer } | undefined;
    if (received === undefined) {
      return false;
    }
    const { message } = received;
    switch (message.kind) {
      case 'end':
        return true;
      case 'taken':
        serving.taken(message.events);
        break;
      case 'ask':
        try {
          assert(message.request.do !== 'quit', 'the end is told and not asked for');
          say({ kind: 'answer', id: message.id, result: serving.handle(message.request) });
        } catch (error) {
          say({ kind: 'refusal', id: message.id, error: errorFacts(error) });
        }
        break;
    }
  }
}

/** Serves until it is told to end, or cannot go on. @returns why it could not */
function serve(serving: Serving): ErrorFactsJson | null {
  try {
    for (let isWoken = true; !isWoken || !takeMessages(serving); ) {
      isWoken = serving.step(-1);
    }
    return null;
  } catch (error) {
    return errorFacts(error);
  }
}

function run(): void {
  let serving: Serving;
  try {
    serving = new Serving(workerData as ServeSetup, {
      nowNs: () => performance.now() * NS_PER_MS,
      post: (events) => say({ kind: 'events', events }),
    });
  } catch (error) {
    say({ kind: 'ended', counters: null, error: errorFacts(error) });
    return;
  }
  say({ kind: 'ready', wakeFd: serving.wakeFd });
  const failure = serve(serving);
  const close = (): void => {
    let counters: ServerCounters | null = null;
    let error = failure;
    try {
      counters = serving.close();
    } catch (cause) {
      error ??= errorFacts(cause);
    }
    say({ kind: 'ended', counters, error });
    port.close();
  };
  if (failure === null) {
    close();
  } else {
    // The main thread may be about to write to the eventfd, which must not be another file by then.
    port.once('message', close);
    say({ kind: 'failed' });
  }
}

run();
