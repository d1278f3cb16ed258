// What limits a workload behind an IOMMU: its page walkers, or the translations of a device with a cache of its own.
import { describe, expect, it } from 'vitest';
import { runLab } from './support/run-lab.ts';

interface Facts {
  readonly way?: string;
  readonly area?: string;
  readonly ats?: string;
  readonly time?: string;
  readonly depth?: number;
}

const lab = ({ way = 'dma-read', area = '64M', ats = 'no', time = '', depth = 64 }: Facts) => `
peerlane: lab/1
cpu: {vendor: intel, family: 6, model: 79}
iommu: translated
memory: 16G
time: {memory: {ddio: 0}${time}}
below: {nic: nfp, link: gen3 x8, max-payload: 256, timing: nfp-6000, ats: ${ats}}
workload:
  duration: 60us
  warm-up: 20us
  streams: {${way}: nfp, block: 64, area: ${area}, pattern: random, depth: ${depth}}
`;

describe('the limiter behind an IOMMU', () => {
  it.each(['dma-read', 'dma-write'])('names the page walkers, how busy, and the misses (%s)', async (way) => {
    const { limiter, busy } = await runLab(lab({ way }));
    expect(limiter.what).toBe('IOMMU page walkers of pci0000:00');
    expect(limiter.utilisation).toBeGreaterThan(0.95);
    // 64 entries of 16384 pages: 99.61 % in the long run.
    expect(limiter.text).toMatch(
      /^IOMMU page walkers of pci0000:00, (?:9\d|100) % busy, (?:99|100)\.\d % of look-ups miss; next: /,
    );
    expect(busy[0]!.kind).toBe('iommu');
  });

  it('does not name them where the window fits into the IOTLB', async () => {
    const { limiter, busy } = await runLab(lab({ area: '256K' }));
    expect(limiter.what).not.toContain('IOMMU');
    expect(busy.some(({ what }) => what.includes('IOMMU'))).toBe(false);
  });

  it('names the translations of a device whose own cache misses while walkers are idle', async () => {
    const time = ', iommu: {walkers: 256, entries: 100000}';
    const { limiter, stalls } = await runLab(lab({ ats: 'yes', time, depth: 4 }));
    expect(limiter.text).toMatch(
      /^translations of nfp \(its own cache: 9\d\.\d % of look-ups miss\), waited for \d+ % of the time/,
    );
    const fits = await runLab(lab({ ats: 'yes', area: '64K', time, depth: 4 }));
    expect(stalls[0]!.share).toBeGreaterThan(0.5);
    expect(fits.stalls.find(({ what }) => what.startsWith('translations'))?.share ?? 0).toBeLessThan(0.2);
    expect(fits.goodputGBs).toBeGreaterThan(
      1.4 * (await runLab(lab({ ats: 'yes', time, depth: 4 }))).goodputGBs,
    );
  });
});
