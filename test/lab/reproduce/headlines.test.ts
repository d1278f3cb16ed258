import { describe, expect, it } from 'vitest';
import { HEADLINES, runHeadline } from '../../../src/lab/index.ts';

describe('headlines of the founding texts', () => {
  it.each(HEADLINES.map((headline) => [headline.id, headline] as const))(
    '%s holds',
    async (_id, headline) => {
      const { holds, simulated, reports } = await runHeadline(headline);
      expect(holds, `${headline.claimed}, and it was ${simulated}`).toBe(true);
      for (const report of reports) {
        expect(report.isComplete).toBe(true);
        expect(report.streams.map(({ failure }) => failure)).toEqual(report.streams.map(() => null));
      }
    },
  );

  it('say whether the number was used to set a constant', () => {
    expect(HEADLINES.filter(({ basis }) => basis === 'predicted').map(({ id }) => id)).toEqual([
      'iopmem-dram',
      'switch-write',
      'scaling',
      'latency',
      'offload',
    ]);
  });
});
