/**
 * Laws of time on random labs with random workloads (section 16 of the timing model), by both engines. The number of labs and
 * the first seed come from the environment, so that a nightly run takes an hour of them.
 */
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/index.ts';
import type { LabFile } from '../../../src/lab/file/index.ts';
import type { LabMachine } from '../../../src/lab/machine/index.ts';
import { randomWorkload } from './support/random-workload.ts';
import {
  ENGINES,
  type Engine,
  leftovers,
  tooFast,
  type WatchedOptions,
  type WatchedRun,
  watchedRun,
  wrongCounts,
  wrongPayload,
} from './support/watched-run.ts';

const RUNS = Number(process.env.PEERLANE_TIMED_LABS ?? 40);
const SEED = Number(process.env.PEERLANE_TIMED_SEED ?? 1);
/** Only ends a test that hangs. */
const HANGS_MS = 120_000 + RUNS * 5000;

/** What a lab may refuse before it runs: memory that is too small, a pair that has no route. */
const REFUSALS = ['P2P_POOL_EXHAUSTED', 'COPY_NO_ROUTE', 'LAB_VALUE', 'P2P_TOO_SMALL'];

async function runOrRefusal(
  lab: LabFile,
  engine: Engine,
  options: Partial<WatchedOptions> = {},
): Promise<WatchedRun | null> {
  try {
    return await watchedRun(lab, { engine, ...options });
  } catch (error) {
    // What a stream was refused stands behind what the run says of it.
    const code = error instanceof PeerlaneError ? (error.detail.code ?? error.code) : null;
    if (typeof code === 'string' && REFUSALS.includes(code)) {
      return null;
    }
    throw error;
  }
}

/** A third of the way through the run, whatever the first stream works with is gone. */
function pullOut(machine: LabMachine): void {
  const [stream] = machine.lab.workload!.streams;
  const name = 'device' in stream! ? stream.device : stream!.memory.name;
  const member = machine.member(name)!;
  machine.queue.schedule(
    machine.queue.nowPs + 50e6,
    { onEvent: () => machine.fabric.surpriseRemove(member.fn.device.bus.bridge!) },
    0,
    0,
  );
}

/** Runs a check on each lab by each engine; what fails says which lab it was. */
async function onRandomLabs(
  runs: number,
  options: Parameters<typeof randomWorkload>[1],
  check: (lab: LabFile, engine: Engine) => Promise<boolean>,
): Promise<void> {
  let done = 0;
  for (let seed = SEED; seed < SEED + runs; seed++) {
    const random = randomWorkload(seed, options);
    for (const engine of random === undefined ? [] : ENGINES) {
      try {
        done += (await check(random!.lab, engine)) ? 1 : 0;
      } catch (error) {
        throw new Error(
          `PEERLANE_TIMED_SEED=${seed}, ${engine}: ${(error as Error).message}\n${JSON.stringify(random!.block)}`,
          { cause: error },
        );
      }
    }
  }
  expect(done).toBeGreaterThan(runs);
}

describe(`random labs from seed ${SEED}`, () => {
  it(
    'a run ends, every request once, all credits and tags are back, and every byte on a wire is accounted for',
    async () => {
      await onRandomLabs(RUNS, { warmUp: '0' }, async (lab, engine) => {
        const done = await runOrRefusal(lab, engine);
        if (done === null) {
          return false;
        }
        const { watch, run } = done;
        expect(run.streams.map(({ inFlight }) => inFlight)).toEqual(run.streams.map(() => 0));
        expect(watch.wrong).toEqual([]);
        expect(watch.ended).toBe(watch.sent);
        expect(wrongCounts(done)).toEqual([]);
        expect(wrongPayload(done)).toEqual([]);
        expect(tooFast(done)).toEqual([]);
        expect(leftovers(done)).toEqual([]);
        return true;
      });
    },
    HANGS_MS,
  );

  it(
    'the same lab and seed give the same report to the last bit, in pieces of any size',
    async () => {
      await onRandomLabs(Math.ceil(RUNS / 4), { hasMixedPayloads: true }, async (lab, engine) => {
        const first = await runOrRefusal(lab, engine);
        if (first === null) {
          return false;
        }
        const second = await watchedRun(lab, { engine, sliceEvents: 777 });
        const third = await watchedRun(lab, { engine, sliceEvents: 3_000_000 });
        expect(second.report).toEqual(first.report);
        expect(third.report).toEqual(first.report);
        expect(second.machine.queue.nowPs).toBe(first.machine.queue.nowPs);
        return true;
      });
    },
    HANGS_MS,
  );

  it(
    'a device that is pulled out in mid-run ends its requests, and everything comes to rest',
    async () => {
      let failures = 0;
      await onRandomLabs(
        Math.ceil(RUNS / 2),
        { hasRemoval: true, hasMixedPayloads: true },
        async (lab, engine) => {
          const done = await runOrRefusal(lab, engine, { prepare: pullOut });
          if (done === null) {
            return false;
          }
          expect(done.run.streams.map(({ inFlight }) => inFlight)).toEqual(done.run.streams.map(() => 0));
          expect(done.watch.wrong).toEqual([]);
          expect(leftovers(done)).toEqual([]);
          expect(tooFast(done)).toEqual([]);
          failures += done.report.streams.filter((stream) => stream.failures > 0).length;
          return true;
        },
      );
      expect(failures).toBeGreaterThan(0);
    },
    HANGS_MS,
  );
});
