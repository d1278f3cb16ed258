/** A job without a machine: what a lab says of its only stream decides the figures. */
import { LabError } from '../../../src/base/index.ts';
import type { Metrics } from '../../../src/cli/sweep/point-result.ts';
import { parseLab } from '../../../src/lab/index.ts';

/** Points that were computed in this process, in their order: depth and block of each. */
export const computed: string[] = [];
/** For tests that stop, or look, in the middle: called with each point before it is computed, and half-way. */
export const hooks: { beforePoint: (name: string) => void; halfWay: () => Promise<void> } = {
  beforePoint: () => {},
  halfWay: async () => {},
};

export async function runLabJob(
  text: string,
  label: string,
  onStep: (progress: number) => void,
): Promise<Metrics> {
  const lab = parseLab(text, label);
  const title = lab.title ?? '';
  const seed = lab.seed;
  const name = `${title}/${seed}`;
  hooks.beforePoint(name);
  onStep(0.5);
  await hooks.halfWay();
  computed.push(name);
  if (title === 'broken') {
    throw new LabError('LAB_REFERENCE', { message: `${label}: nothing, "really"`, hint: 'another title' });
  }
  if (title === 'bug') {
    throw new TypeError('undefined is not a function');
  }
  return {
    goodputGBs: seed * title.length,
    'latency.p99Ns': 1000 * seed,
    'limiter.what': seed > 2 ? 'link of 0000:03:00.0' : 'media of nvme0',
  };
}
