import { describe, expect, it } from 'vitest';
import { Health, IoCounters } from '../../../src/devices/nvme/index.ts';
import { ASYNC_EVENT, type AsyncEvent } from '../../../src/spec/nvme/index.ts';

describe('the health of a drive', () => {
  it('wears with what is written, up to 255 percent (5.1.12.1.3)', () => {
    const health = new Health();
    const counters = new IoCounters();
    health.ratedBytes = 1e12;
    expect(health.usedPercent(counters)).toBe(0);
    counters.writtenBytes = 5e11;
    expect(health.usedPercent(counters)).toBe(50);
    counters.writtenBytes = 1e14;
    expect(health.usedPercent(counters)).toBe(255);
    health.usedPercentOverride = 7;
    expect(health.usedPercent(counters)).toBe(7);
  });

  it('reports a warning once, when it is enabled, and again after it was gone', () => {
    const health = new Health();
    const reported: AsyncEvent[] = [];
    const check = (enabled: number): number => {
      reported.length = 0;
      health.check(enabled, (event) => reported.push(event));
      return reported.length;
    };
    health.sparePercent = 3;
    expect(check(0)).toBe(0);
    expect(check(0xff)).toBe(1);
    expect(reported).toEqual([ASYNC_EVENT.SPARE_BELOW_THRESHOLD]);
    expect(check(0xff)).toBe(0);
    health.sparePercent = 100;
    check(0xff);
    health.sparePercent = 3;
    health.isReadOnly = true;
    expect(check(0xff)).toBe(2);
  });
});
