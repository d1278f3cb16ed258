import { describe, expect, it } from 'vitest';
import { DONE, STATUS } from '../../../src/access/index.ts';
import { toBdf } from '../../../src/base/index.ts';
import { CMBSZ, FEATURE, NVM_OPCODE } from '../../../src/spec/nvme/index.ts';
import { fillCounting, Requests, started } from './harness.ts';

const BLOCK = 4096;

describe('queues', () => {
  it('rings one doorbell for a batch, and one for the completions of an interrupt', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(32 * BLOCK);
    const before = { ...bench.fake.doorbells };
    for (let i = 0; i < 32; i++) {
      requests.begin((token) => namespace.read(0, span, i * BLOCK, BLOCK, token));
    }
    bench.idle();
    expect(requests.done).toBe(32);
    expect(bench.fake.doorbells.sq - before.sq).toBe(1);
    expect(bench.fake.doorbells.cq - before.cq).toBeLessThanOrEqual(2);
  });

  it('lie in the controller memory buffer when asked to, and take their share of it (EC-152)', () => {
    const bench = started({
      fake: { cmbBytes: 1 << 20 },
      driver: { queuesInCmb: true, queueCount: 2, queueDepth: 127 },
    });
    expect(bench.controller.queues.every(({ isInControllerMemory }) => isInControllerMemory)).toBe(true);
    expect(bench.controller.cmb).toMatchObject({ offsetBytes: 2 * 8192, sizeBytes: (1 << 20) - 2 * 8192 });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    fillCounting(span.bytes, 3);
    expect(requests.write(0, span, 0, BLOCK)).toBe(DONE);
    expect(bench.fake.cmb.flat!.subarray(0, 64).some((byte) => byte !== 0)).toBe(true);
  });

  it('are shortened to fit a small buffer, and stay in host memory below 64 entries (nvme-cmb 2.4)', () => {
    const short = started({
      fake: { cmbBytes: 32_768 },
      driver: { queuesInCmb: true, queueCount: 4, queueDepth: 1000 },
    });
    expect(short.controller.queues.map(({ entries }) => entries)).toEqual([128, 128, 128, 128]);
    expect(short.controller.cmb).toMatchObject({ sizeBytes: 0 });
    const tiny = started({
      fake: { cmbBytes: 16_384 },
      driver: { queuesInCmb: true, queueCount: 8, queueDepth: 1000 },
    });
    expect(tiny.controller.queues.some(({ isInControllerMemory }) => isInControllerMemory)).toBe(false);
    expect(tiny.controller.cmb).toMatchObject({ sizeBytes: 16_384 });
  });

  it('stay in host memory where CMBSZ.SQS is clear', () => {
    const bench = started({
      fake: { cmbBytes: 1 << 20, property: (at, real) => (at === CMBSZ.offset ? (real & ~1) >>> 0 : real) },
      driver: { queuesInCmb: true },
    });
    expect(bench.controller.queues[0]!.isInControllerMemory).toBe(false);
    expect(bench.controller.cmb?.takesQueues).toBe(false);
  });

  it('share vectors where there are fewer, use the pin where there is only that, and are polled where there is nothing', () => {
    for (const platform of [{ vectorsMax: 3 }, { vectorsMax: 1 }, { interrupts: 'none' as const }, {}]) {
      for (const intx of [false, true]) {
        const bench = started({ platform, fake: { intx }, driver: { queueCount: 5, queueDepth: 3 } });
        const namespace = bench.controller.openNamespace(1, { spreads: true });
        const requests = new Requests(bench, namespace);
        const span = bench.platform.hostSpan(BLOCK);
        for (let i = 0; i < 15; i++) {
          requests.begin((token) => namespace.read(0, span, 0, BLOCK, token));
        }
        bench.idle();
        expect(requests.done).toBe(15);
        expect(bench.controller.anomalies.told).toEqual([]);
        expect(new Set(bench.fake.commands.map(({ queueId }) => queueId)).size).toBe(6);
      }
    }
  });

  it('need few doorbell registers with shadow doorbells', () => {
    const count = (shadowDoorbells: boolean): number => {
      const bench = started({ seed: 5, fake: { shadowDoorbells: true }, driver: { shadowDoorbells } });
      const namespace = bench.controller.openNamespace(1);
      const requests = new Requests(bench, namespace);
      const span = bench.platform.hostSpan(BLOCK);
      const before = bench.fake.doorbells.sq;
      let left = 200;
      requests.onEnd = () => {
        if (left-- > 0) {
          requests.begin((token) => namespace.read(0, span, 0, BLOCK, token));
        }
      };
      for (let i = 0; i < 16; i++) {
        requests.begin((token) => namespace.read(0, span, 0, BLOCK, token));
      }
      bench.idle();
      expect(requests.wrong).toEqual([]);
      expect(bench.controller.anomalies.told).toEqual([]);
      return bench.fake.doorbells.sq - before;
    };
    expect(count(true)).toBeLessThan(count(false));
  });
});

describe('memory of peers', () => {
  const provider = toBdf('0000:02:00.0')!;

  it('is UNREACHABLE without somebody who maps it, or when it is refused', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.peerSpan(BLOCK, provider);
    const { token, status } = requests.complete((id) => namespace.read(0, span, 0, BLOCK, id));
    expect(status).toBe(STATUS.UNREACHABLE);
    expect(namespace.failure(token)?.code).toBe('NVME_NO_MAPPER');
  });

  it('is mapped once, used by any number of requests, and given back at the end', () => {
    let maps = 0;
    const bench = started({
      driver: {
        mapPeer: (span) => {
          maps++;
          return (span as ReturnType<typeof bench.platform.peerSpan>).map();
        },
      },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.peerSpan(16 * BLOCK, provider);
    for (let i = 0; i < 16; i++) {
      requests.begin((token) => namespace.read(0, span, i * BLOCK, BLOCK, token));
    }
    expect(namespace.releaseSpan(span)).toBe(false);
    bench.idle();
    expect(requests.done).toBe(16);
    expect(maps).toBe(1);
    expect(namespace.releaseSpan(span)).toBe(true);
    expect(span.mapCount).toBe(0);
    span.close();
  });

  it('touches no peer memory that its provider took back, not for the rest of a request either', () => {
    let isValid = true;
    const bench = started({
      fake: { mdts: 1 },
      driver: {
        queueDepth: 1,
        mapPeer: (span) => {
          const { segments, unmap } = (span as ReturnType<typeof bench.platform.peerSpan>).map();
          return {
            segments,
            unmap,
            get isValid() {
              return isValid;
            },
          };
        },
      },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.peerSpan(16 * BLOCK, '0000:05:00.0');
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    const long = requests.begin((token) => namespace.read(0, span, 0, 16 * BLOCK, token));
    isValid = false;
    span.bytes.fill(0xee);
    bench.idle();
    expect(requests.ends.get(long)).toEqual([STATUS.UNREACHABLE]);
    expect(namespace.failure(long)?.code).toBe('P2P_REVOKED');
    // The command that was under way is the last one.
    expect(span.bytes.subarray(2 * BLOCK).every((byte) => byte === 0xee)).toBe(true);
    expect(requests.read(0, span, 0, BLOCK)).toBe(STATUS.UNREACHABLE);
    bench.run(bench.controller.closing());
  });

  it('in pieces that PRPs cannot describe is refused by a controller without SGLs, and taken by one with', () => {
    for (const sgl of [false, true]) {
      const bench = started({ fake: { sgl } });
      const namespace = bench.controller.openNamespace(1);
      const requests = new Requests(bench, namespace);
      const span = bench.platform.scatteredSpan([
        { lengthBytes: 1000 },
        { lengthBytes: 8 * BLOCK - 1000, skew: 100 },
      ]);
      const { token, status } = requests.complete((id) => namespace.read(0, span, 0, 2 * BLOCK, id));
      expect(status).toBe(sgl ? DONE : STATUS.UNREACHABLE);
      expect(namespace.failure(token)?.code).toBe(sgl ? undefined : 'NVME_UNSUPPORTED');
    }
  });

  it('at addresses from 2^53 on is refused', () => {
    const bench = started({
      driver: {
        mapPeer: () => ({ segments: [{ addr: (2 ** 53) as never, lengthBytes: 1 << 20 }], unmap: () => {} }),
      },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const { token, status } = requests.complete((id) =>
      namespace.read(0, bench.platform.peerSpan(BLOCK, provider), 0, BLOCK, id),
    );
    expect(status).toBe(STATUS.UNREACHABLE);
    expect(namespace.failure(token)?.code).toBe('NVME_ADDRESS');
  });
});

describe('requests that cannot be', () => {
  it('are refused at once, with a story', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(2 * BLOCK);
    const size = namespace.sizeBytes;
    for (const [offset, at, length] of [
      [1, 0, BLOCK],
      [0, 0, 1],
      [0, 0, 0],
      [0, 0, -BLOCK],
      [-BLOCK, 0, BLOCK],
      [size, 0, BLOCK],
      [size - BLOCK, 0, 2 * BLOCK],
      [0, BLOCK + 4, BLOCK],
      [0, 2, BLOCK],
      [0, 0.5, BLOCK],
      [0, -4, BLOCK],
      [Number.NaN, 0, BLOCK],
      [0, Number.NaN, BLOCK],
      [0, 0, Number.POSITIVE_INFINITY],
      [2 ** 60, 0, BLOCK],
    ] as const) {
      const { token, status } = requests.complete((id) => namespace.read(offset, span, at, length, id));
      expect(status).toBe(STATUS.INVALID);
      expect(namespace.failure(token)?.code).toBe('NVME_RANGE');
    }
    const readOnly = bench.controller.openNamespace(1, { isReadOnly: true });
    expect(readOnly.write(0, span, 0, BLOCK, 1)).toBe(STATUS.INVALID);
    expect(readOnly.flush(2)).toBe(DONE);
    expect(bench.fake.commands.some(({ queueId }) => queueId > 0)).toBe(false);
  });

  it('flushes only where there is a volatile write cache', () => {
    for (const volatileWriteCache of [false, true]) {
      const bench = started({ fake: { volatileWriteCache }, driver: { volatileWriteCache: true } });
      const namespace = bench.controller.openNamespace(1);
      const requests = new Requests(bench, namespace);
      expect(requests.complete((token) => namespace.flush(token)).status).toBe(DONE);
      expect(
        bench.fake.commands.some(({ queueId, opcode }) => queueId === 1 && opcode === NVM_OPCODE.FLUSH),
      ).toBe(volatileWriteCache);
      expect(bench.fake.features.get(FEATURE.VOLATILE_WRITE_CACHE)).toBe(volatileWriteCache ? 1 : undefined);
    }
  });

  it('compares, and says where it differs that it does', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(4 * BLOCK);
    fillCounting(span.bytes, 9);
    expect(requests.write(0, span, 0, 4 * BLOCK)).toBe(DONE);
    expect(requests.complete((token) => namespace.compare(0, span, 0, 4 * BLOCK, token)).status).toBe(DONE);
    span.bytes[5000]! ^= 1;
    const { token, status } = requests.complete((id) => namespace.compare(0, span, 0, 4 * BLOCK, id));
    expect(status).toBe(STATUS.IO);
    expect(namespace.failure(token)?.code).toBe('2/85');
  });
});

describe('shadow doorbells and queues in the CMB', () => {
  it('are not used together: a shadow may be seen before entries that are still on their way', () => {
    for (let seed = 0; seed < 20; seed++) {
      const bench = started({
        seed,
        fake: { cmbBytes: 65_536, shadowDoorbells: true },
        driver: { queuesInCmb: true, shadowDoorbells: true, queueDepth: 64 },
      });
      expect(bench.controller.queues[0]!.isInControllerMemory).toBe(true);
      const namespace = bench.controller.openNamespace(1);
      const requests = new Requests(bench, namespace);
      const span = bench.platform.hostSpan(BLOCK);
      for (let i = 0; i < 20; i++) {
        expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
      }
      expect(bench.controller.anomalies.told).toEqual([]);
    }
  });
});
