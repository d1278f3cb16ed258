/** One point of a sweep: a lab file in, the figures of its workload out. Loaded by the threads only. */
import { parseLab, runWorkload } from '../../lab/index.ts';
import { Images } from '../lab/images.ts';
import { flatMetrics } from './metrics.ts';
import type { Metrics } from './point-result.ts';

/** @throws {LabError}, {HostError}, and whatever else machine and streams refuse */
export async function runLabJob(text: string, label: string): Promise<Metrics> {
  const lab = parseLab(text, label);
  const images = new Images(label, 'none');
  try {
    // Packet by packet is never wrong; flows are chosen by who writes them into the lab.
    const engine = lab.time.engine === 'auto' ? 'tlp' : lab.time.engine;
    return flatMetrics(await runWorkload(lab, label, { engine, openImage: images.open }));
  } finally {
    images.close();
  }
}
