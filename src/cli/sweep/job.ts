/** One point of a sweep: a lab file in, the figures of its workload out. Loaded by the threads only. */
import { LabError } from '../../base/index.ts';
import { parseLab, runWorkload } from '../../lab/index.ts';
import { Images } from '../lab/images.ts';
import { flatMetrics } from './metrics.ts';
import { withoutPosition } from './mistakes.ts';
import type { Metrics } from './point-result.ts';

/**
 * @param onStep  hears now and then how far it is, 0 to 1
 * @throws {LabError}, {HostError}, and whatever else machine and streams refuse
 */
export async function runLabJob(
  text: string,
  label: string,
  onStep: (progress: number) => void,
): Promise<Metrics> {
  const images = new Images(label, 'none');
  try {
    const report = await runWorkload(parseLab(text, label), label, {
      openImage: images.open,
      onStep: async (progress) => {
        onStep(progress);
        // Where there is one thread for all, signals and the clock are heard here.
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
    return flatMetrics(report);
  } catch (error) {
    throw error instanceof LabError ? withoutPosition(error, label) : error;
  } finally {
    images.close();
  }
}
