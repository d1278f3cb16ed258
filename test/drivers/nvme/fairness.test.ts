// Several handles of one drive share its queues by turns, whoever has more to do.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DONE } from '../../../src/access/index.ts';
import type { NvmeNamespace } from '../../../src/drivers/nvme/index.ts';
import { type Bench, Requests, started } from './harness.ts';

const BLOCK = 512;
const SLOTS = 4;

/** A user of a handle that always has so many requests under way, each of so many blocks. */
class Load {
  ended = 0;
  readonly #namespace: NvmeNamespace;
  readonly #requests: Requests;
  readonly #read: (token: number) => number;
  #left: number;

  constructor(bench: Bench, depth: number, count: number, blocks = 1, queues?: readonly number[]) {
    this.#namespace = bench.controller.openNamespace(1, queues === undefined ? { depth } : { queues });
    this.#requests = new Requests(bench, this.#namespace);
    this.#left = count;
    const span = bench.platform.hostSpan(blocks * BLOCK);
    this.#read = (token) => this.#namespace.read(0, span, 0, blocks * BLOCK, token);
    this.#requests.onEnd = (_token, status) => {
      expect(status).toBe(DONE);
      this.ended++;
      this.#begin();
      this.onEnd();
    };
  }

  onEnd: () => void = () => {};

  start(depth: number): void {
    for (let i = 0; i < depth; i++) {
      this.#begin();
    }
  }

  #begin(): void {
    if (this.#left > 0) {
      this.#left--;
      this.#requests.begin(this.#read);
    }
  }
}

function bench(queueCount = 1): Bench {
  return started({
    fake: { queuesMax: queueCount, mdts: 1, namespaces: [{ nsid: 1, blocks: 1024, blockShift: 9 }] },
    driver: { queueCount, queueDepth: SLOTS },
  });
}

describe('handles of one drive', () => {
  it('are not held up by one that floods the queue', () => {
    const drive = bench();
    const flood = new Load(drive, SLOTS, 1000);
    const polite = new Load(drive, 1, 20);
    let floodAtEnd = 0;
    polite.onEnd = () => {
      floodAtEnd = flood.ended;
    };
    flood.start(SLOTS);
    polite.start(1);
    drive.idle();
    expect([flood.ended, polite.ended]).toEqual([1000, 20]);
    // It waits for what is in the queue, and then it is its turn.
    expect(floodAtEnd).toBeLessThanOrEqual(20 * (SLOTS + 1));
  });

  it('share slots by turns, however large their requests are', () => {
    const COUNT = 200;
    // Blocks of a request of each; one command does them.
    const sizes = fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(sizes, (blocks) => {
        const drive = bench();
        const loads = blocks.map((each) => new Load(drive, SLOTS, COUNT, each));
        let spread = 0;
        for (const load of loads) {
          load.onEnd = () => {
            const ended = loads.map((each) => each.ended);
            // While all have more to do, none is further ahead than what was in the queue, and its own turn.
            if (Math.max(...ended) < COUNT) {
              spread = Math.max(spread, Math.max(...ended) - Math.min(...ended));
            }
          };
        }
        for (const load of loads) {
          load.start(SLOTS);
        }
        drive.idle();
        expect(loads.map(({ ended }) => ended)).toEqual(blocks.map(() => COUNT));
        expect(spread).toBeLessThanOrEqual(2 * SLOTS);
      }),
      { numRuns: 30 },
    );
  });

  it('a long request, cut into commands, does not go as a whole before another', () => {
    const drive = bench();
    // mdts 1: commands of 8 KiB, so forty.
    const long = new Load(drive, 1, 1, 640);
    const short = new Load(drive, 1, 4);
    let longAtEnd = -1;
    short.onEnd = () => {
      longAtEnd = long.ended;
    };
    long.start(1);
    short.start(1);
    drive.idle();
    expect([long.ended, short.ended]).toEqual([1, 4]);
    expect(longAtEnd).toBe(0);
  });

  it('of different queues do not wait for each other', () => {
    const drive = bench(2);
    const flood = new Load(drive, SLOTS, 500, 1, [0]);
    const other = new Load(drive, SLOTS, 500, 1, [1]);
    flood.start(SLOTS);
    other.start(SLOTS);
    drive.idle();
    expect([flood.ended, other.ended]).toEqual([500, 500]);
  });

  it('let a command without data through', () => {
    const drive = bench();
    const flood = new Load(drive, SLOTS, 1000);
    const namespace = drive.controller.openNamespace(1);
    flood.start(SLOTS);
    let floodAtEnd = -1;
    drive.run(
      (function* () {
        yield* namespace.commands.writeZeroes(0, BLOCK);
        floodAtEnd = flood.ended;
      })(),
    );
    drive.idle();
    expect(flood.ended).toBe(1000);
    expect(floodAtEnd).toBeLessThan(4 * SLOTS);
  });
});
