/** The memory of jobs: who has which piece when. */
import type { Span } from '../../access/index.ts';
import type { FioJob } from './job-options.ts';

/** @throws PeerlaneError */
export type Allocate = (job: FioJob, lengthBytes: number) => Span;

/** One that runs, as far as its memory is concerned. */
interface Planned {
  readonly job: FioJob;
}

/**
 * Memory of all jobs, taken before the first starts: as many pieces as run side by side, each as long as the longest of those
 * that use it one after the other, so that a small pool goes as far as it can.
 */
export class JobMemory {
  readonly #pieces = new Map<string | null, Span[]>();

  constructor(waves: readonly (readonly Planned[])[], allocate: Allocate) {
    const plans = new Map<string | null, { readonly job: FioJob; lengthBytes: number }[]>();
    for (const wave of waves) {
      for (const [kind, jobs] of byMemory(wave)) {
        const plan = plans.get(kind) ?? [];
        for (const [i, { job }] of jobs.entries()) {
          plan[i] ??= { job, lengthBytes: 0 };
          plan[i].lengthBytes = Math.max(plan[i].lengthBytes, spanBytes(job));
        }
        plans.set(kind, plan);
      }
    }
    for (const [kind, plan] of plans) {
      this.#pieces.set(
        kind,
        plan.map(({ job, lengthBytes }) => allocate(job, lengthBytes)),
      );
    }
  }

  /** In the order of the wave. */
  of(wave: readonly Planned[]): readonly Span[] {
    const spans = new Map<Planned, Span>();
    for (const [kind, jobs] of byMemory(wave)) {
      for (const [i, prepared] of jobs.entries()) {
        spans.set(prepared, this.#pieces.get(kind)![i]!);
      }
    }
    return wave.map((prepared) => spans.get(prepared)!);
  }
}

/** By what follows `mmapshared:`, and each kind by falling length. */
function byMemory(wave: readonly Planned[]): ReadonlyMap<string | null, readonly Planned[]> {
  const kinds = new Map<string | null, Planned[]>();
  for (const prepared of wave) {
    const kind = prepared.job.peerMemory;
    kinds.set(kind, [...(kinds.get(kind) ?? []), prepared]);
  }
  for (const jobs of kinds.values()) {
    jobs.sort((a, b) => spanBytes(b.job) - spanBytes(a.job));
  }
  return kinds;
}

/** The longest request of a job. */
export function requestBytes(job: FioJob): number {
  return Math.max(job.reads ? job.readBytes : 0, job.writes ? job.writeBytes : 0);
}

function spanBytes(job: FioJob): number {
  return requestBytes(job) * job.iodepth;
}
