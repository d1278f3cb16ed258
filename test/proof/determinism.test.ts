/** The same lab and the same seed give the same packets in the same order, each with its moment; another seed gives others. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DmaAddr, SeededRandom } from '../../src/base/index.ts';
import { TraceDigest } from '../../src/fabric/index.ts';
import type { LabFile } from '../../src/lab/index.ts';
import { bootEngines } from './engines.ts';
import { labOf, randomLab } from './random-lab.ts';

const PIECE = 8192;

/** Labs that do not translate, with an engine and memory to copy between. */
function labs(count: number): LabFile[] {
  const found: LabFile[] = [];
  for (const { block } of fc.sample(randomLab, { numRuns: 200, seed: 1 })) {
    const lab = labOf({ ...block, iommu: 'off' });
    const text = JSON.stringify(block);
    if (text.includes('dma-engine') && text.includes('"memory":null')) {
      found.push(lab);
    }
    if (found.length === count) {
      return found;
    }
  }
  throw new Error('too few labs');
}

/** Copies that a seed chooses, all at once, and everything that was heard on the links from boot on. */
function digestOf(lab: LabFile, workSeed: number, jitterSeed: number): string {
  const { machine, engines, targets } = bootEngines(lab, jitterSeed);
  const digest = new TraceDigest();
  machine.fabric.listener = digest;
  const random = new SeededRandom(workSeed);
  for (const { driver } of engines) {
    for (let i = 0; i < 6; i++) {
      const [source, sink] = [random.pick(targets), random.pick(targets)];
      const offset = 64 * random.below(64);
      const copy = driver.copy(
        (source.busAddress + 2 ** 16 + offset) as DmaAddr,
        (sink.busAddress + 2 ** 20 + offset) as DmaAddr,
        64 * (1 + random.below(PIECE / 64)),
      );
      copy.next();
    }
  }
  machine.queue.runUntilIdle();
  expect(digest.count).toBeGreaterThan(0);
  return `${digest.count} ${digest.value}`;
}

const LABS = labs(6);

test.each([0, 5])('same lab, same seeds: the same digest (jitter seed %i)', (jitterSeed) => {
  for (const lab of LABS) {
    expect(digestOf(lab, 11, jitterSeed)).toBe(digestOf(lab, 11, jitterSeed));
  }
});

test('another seed of the work, or of the delays: another digest', () => {
  const digests = new Set<string>();
  for (const lab of LABS) {
    for (const [workSeed, jitterSeed] of [
      [11, 0],
      [12, 0],
      [11, 5],
      [11, 6],
      [12, 5],
    ] as const) {
      digests.add(digestOf(lab, workSeed, jitterSeed));
    }
  }
  expect(digests.size).toBe(LABS.length * 5);
});
