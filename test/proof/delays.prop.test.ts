/**
 * Random machines in which everything takes a random time. DMA engines copy between whatever pairs reach each other, all at
 * once; and every function sends data and then a flag. Bytes are right, nothing is lost or doubled, and who sees the flag sees
 * the data (PCIe Base 6.0, 2.4.1: posted requests of one requester stay in order, unless the data is relaxed and the flag is
 * not: a strict request passes none before it).
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startTask } from '../../src/access/index.ts';
import { type DmaAddr, SeededRandom } from '../../src/base/index.ts';
import type { EngineOutcome } from '../../src/drivers/index.ts';
import { type FabricFunction, Memory, PENDING, TRAFFIC } from '../../src/fabric/index.ts';
import { execute, type Target } from './bench-lab.ts';
import { bootEngines, type EngineLab, fillWith, isFilledWith } from './engines.ts';
import { labOf, type RandomLab, randomLab } from './random-lab.ts';

const RUNS = Number(process.env.PEERLANE_PROOF_LABS ?? 150) / 5;
const SEED = Number(process.env.PEERLANE_PROOF_SEED ?? 6121);
/** Of each target: slots that each take one copy, behind where an MSI-X table may be; above them what is read from. */
const SLOT = 2 ** 16;
const SOURCE_AT = 2 ** 20;
const SLOTS = 15;
const COPIES = 4;
const LENGTHS = [64, 4096, 10_000 - (10_000 % 64), SLOT - 4096];

/** Without jitter, which targets a function reads from and writes to: each pair is tried. */
class Reach {
  readonly #lab: EngineLab;
  readonly #known = new Map<string, boolean>();

  constructor(lab: EngineLab) {
    this.#lab = lab;
  }

  /** By position in the untimed twin. */
  has(bdf: string, target: number, what: 'read' | 'write'): boolean {
    const key = `${bdf} ${target} ${what}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      const { machine, targets } = this.#lab;
      const fn = machine.fabric.functionAt(bdf as never)!;
      const at = targets[target]!;
      known = execute(machine, fn, at, at.busAddress, 0, 256, what).hasArrived;
      this.#known.set(key, known);
    }
    return known;
  }
}

/** No translation, no changes: what reaches what does not depend on mappings here. */
function plainLab({ block }: RandomLab) {
  return labOf({ ...block, iommu: 'off' });
}

interface Copied {
  readonly sink: Target;
  readonly at: number;
  readonly lengthBytes: number;
  readonly word: number;
  outcome: EngineOutcome | undefined;
}

let copies = 0;
let flags = 0;

test('engines copy between all that reach each other, at the same time', () => {
  fc.assert(
    fc.property(randomLab, fc.integer({ min: 1, max: 2 ** 30 }), (random, seed) => {
      const lab = plainLab(random);
      const reach = new Reach(bootEngines(lab));
      const timed = bootEngines(lab, seed);
      const { machine, engines, targets } = timed;
      targets.forEach(({ memory }, i) => {
        fillWith(memory, SOURCE_AT, SLOT, i);
      });
      const choice = new SeededRandom(seed);
      const done: Copied[] = [];
      const slots = targets.map(() => 1);
      for (const { fn, driver } of engines) {
        const sources = targets.map((_, i) => i).filter((i) => reach.has(fn.bdf, i, 'read'));
        const sinks = targets.map((_, i) => i).filter((i) => reach.has(fn.bdf, i, 'write'));
        for (let n = 0; n < COPIES && sources.length > 0 && sinks.length > 0; n++) {
          const [from, to] = [choice.pick(sources), choice.pick(sinks)];
          if (slots[to]! > SLOTS) {
            continue;
          }
          const at = SLOT * slots[to]!++;
          const copied: Copied = {
            sink: targets[to]!,
            at,
            lengthBytes: choice.pick(LENGTHS),
            word: from,
            outcome: undefined,
          };
          done.push(copied);
          startTask(
            driver.copy(
              (targets[from]!.busAddress + SOURCE_AT) as DmaAddr,
              (copied.sink.busAddress + at) as DmaAddr,
              copied.lengthBytes,
            ),
            (outcome) => {
              copied.outcome = outcome;
            },
            (error) => {
              throw error;
            },
          );
        }
      }
      machine.queue.runUntilIdle();
      expect(machine.fabric.inFlight.count).toBe(0);
      for (const { sink, at, lengthBytes, word, outcome } of done) {
        expect(outcome).toBe('done');
        expect(isFilledWith(sink.memory, at, lengthBytes, word)).toBe(true);
        // Not a byte beyond.
        expect(sink.memory.getValue(at + lengthBytes, 4)).toBe(0);
        copies++;
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
  expect(copies).toBeGreaterThan(RUNS);
});

/** A pair that talks: data, then a flag behind it. */
interface Talk {
  readonly target: Target;
  readonly at: number;
  readonly word: number;
}

function send({ machine }: EngineLab, client: FabricFunction, { target, at, word }: Talk): void {
  const data = Memory.flat(4096);
  fillWith(data, 0, 4096, word);
  const flag = Memory.flat(4);
  flag.setValue(0, 4, 0xf1a6);
  const { inFlight } = machine.fabric;
  const addr = target.busAddress + at;
  expect(inFlight.write(client.requester, addr, data, 0, 4096, TRAFFIC.DATA, 1)).toBe(PENDING);
  expect(inFlight.write(client.requester, addr + 4096, flag, 0, 4, TRAFFIC.CONTROL, 2)).toBe(PENDING);
}

test('whoever sees a flag sees the data that was sent before it, at every moment', () => {
  fc.assert(
    fc.property(randomLab, fc.integer({ min: 1, max: 2 ** 30 }), (random, seed) => {
      const lab = plainLab(random);
      const reach = new Reach(bootEngines(lab));
      const timed = bootEngines(lab, seed);
      const { machine, targets } = timed;
      const talks: Talk[] = [];
      const slots = targets.map(() => 1);
      for (const { bdf, fn } of machine.members) {
        // Engines look at what ends; memory endpoints do not care.
        if (fn.kind !== 'endpoint' || fn.model?.name.startsWith('dma') === true) {
          continue;
        }
        targets.forEach((target, i) => {
          if (slots[i]! <= SLOTS && reach.has(bdf, i, 'write')) {
            const talk = { target, at: SLOT * slots[i]!++, word: talks.length + 1 };
            talks.push(talk);
            send(timed, fn, talk);
          }
        });
      }
      const open = new Set(talks);
      do {
        for (const talk of open) {
          if (talk.target.memory.getValue(talk.at + 4096, 4) === 0xf1a6) {
            expect(isFilledWith(talk.target.memory, talk.at, 4096, talk.word)).toBe(true);
            open.delete(talk);
            flags++;
          }
        }
      } while (machine.queue.runUntilIdle(1) > 0);
      expect([...open].filter(({ target, at }) => target.memory.getValue(at + 4096, 4) !== 0xf1a6)).toEqual(
        [],
      );
      expect(machine.fabric.inFlight.count).toBe(0);
    }),
    { numRuns: RUNS, seed: SEED + 1 },
  );
  expect(flags).toBeGreaterThan(RUNS);
});
