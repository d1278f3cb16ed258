import { describe, expect, it } from 'vitest';
import { DONE } from '../../../src/access/index.ts';
import { fillCounting, Requests, started } from './harness.ts';

describe('bring-up of a controller', () => {
  it('brings a controller up and finds its namespaces (NVMe Base 3.5.1)', () => {
    const { controller } = started({
      fake: {
        namespaces: [
          { nsid: 1, blocks: 100 },
          { nsid: 7, blocks: 64, blockShift: 9 },
        ],
      },
    });
    expect(controller.state).toBe('live');
    expect(controller.identity.serialNumber).toBe('FAKE0001');
    expect(controller.namespaces.map(({ nsid, blockBytes }) => [nsid, blockBytes])).toEqual([
      [1, 4096],
      [7, 512],
    ]);
    expect(controller.anomalies.told).toEqual([]);
  });

  it('reads back what it wrote', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const out = bench.platform.hostSpan(1 << 20);
    const into = bench.platform.hostSpan(1 << 20);
    fillCounting(out.bytes, 5);
    expect(requests.write(8192, out, 4096, 300 * 4096 - (1 << 18))).toBe(DONE);
    expect(requests.read(8192, into, 0, 300 * 4096 - (1 << 18))).toBe(DONE);
    expect(into.bytes.subarray(0, 1000)).toEqual(out.bytes.subarray(4096, 5096));
    expect(Buffer.compare(into.bytes.subarray(0, 966656), out.bytes.subarray(4096, 4096 + 966656))).toBe(0);
  });
});
