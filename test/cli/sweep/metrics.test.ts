import { describe, expect, it } from 'vitest';
import { flatMetrics } from '../../../src/cli/sweep/metrics.ts';

describe('a report as figures', () => {
  const stream = (name: string, goodputGBs: number) => ({
    name,
    kind: 'read',
    goodputGBs,
    iops: 10,
    failures: 1,
    latency: { p99Ns: 5, maxNs: Number.NaN },
    failure: null,
  });

  it('has totals over streams, and lists by the names of their entries', () => {
    expect(
      flatMetrics({
        schema: 'peerlane/workload/1',
        engine: 'flow',
        isComplete: true,
        streams: [stream('r0', 1.5), stream('w', 2)],
        links: [{ port: '0000:00:01.0', up: { utilisation: 0.5 } }],
        memory: [{ node: 1, deviceGBs: 3 }],
        limiter: { what: 'media of nvme0', utilisation: 0.98 },
      }),
    ).toEqual({
      goodputGBs: 3.5,
      iops: 20,
      failures: 2,
      engine: 'flow',
      isComplete: 1,
      'streams.r0.name': 'r0',
      'streams.r0.kind': 'read',
      'streams.r0.goodputGBs': 1.5,
      'streams.r0.iops': 10,
      'streams.r0.failures': 1,
      'streams.r0.latency.p99Ns': 5,
      'streams.w.name': 'w',
      'streams.w.kind': 'read',
      'streams.w.goodputGBs': 2,
      'streams.w.iops': 10,
      'streams.w.failures': 1,
      'streams.w.latency.p99Ns': 5,
      'links.0000:00:01.0.port': '0000:00:01.0',
      'links.0000:00:01.0.up.utilisation': 0.5,
      'memory.1.node': 1,
      'memory.1.deviceGBs': 3,
      'limiter.what': 'media of nvme0',
      'limiter.utilisation': 0.98,
    });
  });

  it('has the latencies of a single stream beside the totals', () => {
    expect(flatMetrics({ streams: [stream('r0', 1)] })).toMatchObject({ 'latency.p99Ns': 5, goodputGBs: 1 });
  });
});
