/** What a processor that works on memory leaves to devices: by weight, and never less than the largest known loss leaves. */
import { describe, expect, it } from 'vitest';
import { runLab } from './support/run-lab.ts';

function lab(memory: string, load: string): string {
  return `peerlane: lab/1
cpu: {vendor: intel, family: 6, model: 79}
iommu: off
memory: 4G
time: {memory: ${memory}}
below:
  - {generic: card, link: gen3 x8, max-payload: 256}
workload:
  duration: 200us
  warm-up: 50us
${load === '' ? '' : `  memory-load: ${load}\n`}  streams:
    - {dma-write: card, block: 4K, depth: 64, area: 32M}
`;
}

const ONE_CHANNEL = '{channels: 1, type: ddr4-2400, ddio: 0}';

async function lossOf(memory: string, load: string): Promise<number> {
  const [alone, loaded] = [await runLab(lab(memory, '')), await runLab(lab(memory, load))];
  return 1 - loaded.goodputGBs / alone.goodputGBs;
}

describe('background stores', () => {
  it.each(['{write: 100GB/s}', '{write: 100GB/s, cores: 10}', '{write: 100GB/s, cores: 64}'])(
    'of %s take up to 70 % of what a device moves on one channel, and no more (C29)',
    async (load) => {
      const loss = await lossOf(ONE_CHANNEL, load);
      // The link alone is counted, with its headers: a little less than 70 % of what passes.
      expect(loss).toBeGreaterThan(0.6);
      expect(loss).toBeLessThanOrEqual(0.7);
    },
  );

  it('take nothing where memory has room for both', async () => {
    expect(await lossOf('{channels: 8, type: ddr4-3200, ddio: 0}', '{write: 10GB/s}')).toBeCloseTo(0, 2);
  });

  it('take less the fewer cores they are', async () => {
    const memory = '{channels: 4, type: ddr4-2400, ddio: 0}';
    const few = await lossOf(memory, '{write: 60GB/s, cores: 1}');
    const many = await lossOf(memory, '{write: 60GB/s, cores: 10}');
    expect(few).toBeLessThan(many);
    expect(many).toBeLessThan(0.71);
  });
});
