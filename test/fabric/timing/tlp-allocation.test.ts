// What packets leave behind: nothing. What they allocate for a moment is measured by bench/timing/tlp.bench.mjs, because it
// depends on what the compiler has got to.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { EventQueue, noTurn } from '../../../src/fabric/event-queue.ts';
import { PROGRESS, type ProgressSink } from '../../../src/fabric/timing/engine.ts';
import type { TimedPath } from '../../../src/fabric/timing/path.ts';
import { TlpEngine } from '../../../src/fabric/timing/tlp-engine.ts';
import { BAR_PS, makeLink, Net, postedCredits, readPath, writePath } from './support/paths.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapAfterCollection(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

const REQUEST_BYTES = 16384;
const DEPTH = 8;

/** Sends requests, eight at a time, as often as it is asked to. */
class Sender implements ProgressSink {
  readonly queue = new EventQueue({ timed: true, turn: noTurn });
  readonly engine = new TlpEngine(this.queue);
  mostUnderWay = 0;
  readonly #path: TimedPath;
  readonly #end: number;
  #left = 0;
  #addr = 2 ** 33;

  constructor(path: (net: Net) => TimedPath) {
    this.#path = path(new Net());
    this.#end = this.#path.isWrite ? PROGRESS.ARRIVED : PROGRESS.COMPLETED;
  }

  send(requests: number): void {
    this.#left = requests;
    for (let i = 0; i < DEPTH; i++) {
      this.#next();
    }
    this.queue.runUntilIdle();
  }

  onProgress(progress: number): void {
    this.mostUnderWay = Math.max(this.mostUnderWay, this.engine.packetsUnderWay);
    if (progress === this.#end) {
      this.#next();
    }
  }

  #next(): void {
    if (this.#left > 0) {
      this.#left--;
      this.#addr += REQUEST_BYTES;
      this.engine.send(this.#path, this.#addr, REQUEST_BYTES, false, this, 0);
    }
  }
}

const SPEED = { speedGTs: 8, width: 8 };
const limited = { credits: postedCredits(32, 512), creditReturnPs: 61_000 };

describe('packets', () => {
  it.each([
    [
      'posted, with 32 credits a link',
      (net: Net) =>
        writePath([makeLink(net, SPEED, 'a', limited).up, makeLink(net, SPEED, 'b', limited).down], {
          source: 1,
        }),
    ],
    [
      'read, with 16 tags',
      (net: Net) => {
        const [a, b] = [makeLink(net, SPEED, 'a'), makeLink(net, SPEED, 'b')];
        return readPath([a.up, b.down], [b.up, a.down], {
          source: 1,
          tags: 16,
          access: { latencyPs: BAR_PS },
        });
      },
    ],
  ] as const)('%s: ten times as many leave nothing behind', (_name, path) => {
    const sender = new Sender(path);
    const requests = 300;
    sender.send(requests);
    sender.send(requests);
    const { mostUnderWay } = sender;
    const before = heapAfterCollection();
    const sentBefore = sender.engine.sent;
    sender.send(10 * requests);
    const packets = sender.engine.sent - sentBefore;
    const grown = heapAfterCollection() - before;
    expect(packets).toBeGreaterThan(10 * requests * 64);
    expect(sender.engine.packetsUnderWay).toBe(0);
    expect(sender.engine.pending).toBe(0);
    // A bound of the machine, whatever has gone by.
    expect(sender.mostUnderWay).toBe(mostUnderWay);
    // What the runner itself keeps meanwhile is far less; one number a packet would be more than three times as much.
    expect(grown).toBeLessThan(packets * 2);
  });
});
