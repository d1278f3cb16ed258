import { describe, expect, it } from 'vitest';
import { DONE, PS_PER_MS, PS_PER_S, STATUS, startTask, type Task } from '../../../src/access/index.ts';
import { NvmeError, PeerlaneError } from '../../../src/base/index.ts';
import { ADMIN_OPCODE, CSTS, NVM_OPCODE, NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import type { Misbehaviour } from './fake-controller.ts';
import { Bench, fillCounting, Requests, started } from './harness.ts';

const BLOCK = 4096;

/** Misbehaves for the first `count` commands of an opcode on I/O queues. */
function first(count: number, opcode: number, how: Misbehaviour) {
  let left = count;
  return (queueId: number, sqe: DataView): Misbehaviour | undefined =>
    queueId > 0 && sqe.getUint8(0) === opcode && left-- > 0 ? how : undefined;
}

function failureOf(run: () => unknown): PeerlaneError {
  try {
    run();
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return error;
    }
    throw error;
  }
  throw new Error('it did not fail');
}

describe('timeouts and recovery', () => {
  it('aborts a command that does not end, and sends it again', () => {
    const bench = started({ fake: { onCommand: first(1, NVM_OPCODE.READ, { drop: true }) } });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    const before = bench.executor.nowPs;
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    expect(bench.executor.nowPs - before).toBeGreaterThanOrEqual(30 * PS_PER_S);
    expect(
      bench.fake.commands.some(({ opcode, queueId }) => queueId === 0 && opcode === ADMIN_OPCODE.ABORT),
    ).toBe(true);
    expect(bench.controller.resetCount).toBe(0);
    expect(namespace.retries.failure).toBe(1);
  });

  it('resets the controller when the abort does not help, and sends again what was under way', () => {
    const bench = started({
      fake: { onCommand: first(1, NVM_OPCODE.WRITE, { drop: true, deaf: true }) },
      driver: { queueCount: 3 },
    });
    const namespace = bench.controller.openNamespace(1, { spreads: true });
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(16 * BLOCK);
    fillCounting(span.bytes, 1);
    for (let i = 0; i < 16; i++) {
      requests.begin((token) => namespace.write(i * BLOCK, span, i * BLOCK, BLOCK, token));
    }
    bench.idle();
    expect(requests.wrong).toEqual([]);
    expect(requests.done).toBe(16);
    expect(bench.controller.resetCount).toBe(1);
    expect(bench.controller.state).toBe('live');
    expect(bench.fake.enables).toBe(2);
    const held = new Uint8Array(16 * BLOCK);
    bench.fake.namespaces.get(1)!.media.read(0, held, 0, held.length);
    expect(Buffer.compare(held, span.bytes)).toBe(0);
  });

  it.each([undefined, 1, 2])(
    'recovers once from several commands whose time is over at the same moment (seed %s)',
    (seed) => {
      // Stopping takes a while: CSTS.RDY is read twice before it is clear.
      let stale = 0;
      const property = (offset: number, value: number): number => {
        if (offset !== CSTS.offset || CSTS.RDY.of(value) === 1) {
          stale = offset === CSTS.offset ? 2 : stale;
          return value;
        }
        return stale-- > 0 ? value | 1 : value;
      };
      const bench = started({
        ...(seed === undefined ? {} : { seed }),
        fake: { onCommand: first(5, NVM_OPCODE.WRITE, { drop: true, deaf: true }), property },
        driver: { onTimeout: 'reset', timeoutPs: 5 * PS_PER_MS },
      });
      const namespace = bench.controller.openNamespace(1);
      const requests = new Requests(bench, namespace);
      const span = bench.platform.hostSpan(16 * BLOCK);
      for (let i = 0; i < 16; i++) {
        requests.begin((token) => namespace.write(i * BLOCK, span, i * BLOCK, BLOCK, token));
      }
      bench.idle();
      expect(requests.wrong).toEqual([]);
      expect(requests.done).toBe(16);
      expect(bench.controller.resetCount).toBe(1);
      // Nothing of the recovery is left that would stop the controller later.
      expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
      bench.run(bench.controller.closing());
    },
  );

  it('fails what was under way where the caller does not want it sent again', () => {
    const bench = started({
      fake: { onCommand: first(1, NVM_OPCODE.READ, { drop: true, deaf: true }) },
      driver: { requeue: false, onTimeout: 'reset' },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    const { token, status } = requests.complete((id) => namespace.read(0, span, 0, BLOCK, id));
    expect(status).toBe(STATUS.ABORTED);
    expect(namespace.failure(token)?.code).toBe('NVME_RESET');
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    expect(namespace.failure(token)).toBeDefined();
  });

  it('finds completions whose interrupt was lost, without an abort', () => {
    const bench = started({ fake: { onCommand: first(1, NVM_OPCODE.READ, { silent: true }) } });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    expect(bench.controller.anomalies.count('lost-interrupt')).toBe(1);
    expect(bench.controller.anomalies.count('timeout')).toBe(0);
  });

  it('resets a controller that reports a fatal status', () => {
    const bench = started({ fake: { onCommand: first(1, NVM_OPCODE.READ, { fatal: true }) } });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(4 * BLOCK);
    for (let i = 0; i < 4; i++) {
      requests.begin((token) => namespace.read(0, span, i * BLOCK, BLOCK, token));
    }
    bench.idle();
    expect(requests.done).toBe(4);
    expect(bench.controller.resetCount).toBe(1);
  });

  it('gives a controller up that does not come back, and ends every request', () => {
    let isBroken = false;
    const bench = started({
      fake: {
        onCommand: (queueId) => (isBroken || queueId > 0 ? { drop: true, deaf: true } : undefined),
      },
      driver: { resetsMax: 2 },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(8 * BLOCK);
    for (let i = 0; i < 8; i++) {
      requests.begin((token) => namespace.read(0, span, i * BLOCK, BLOCK, token));
    }
    isBroken = true;
    bench.idle();
    expect(requests.wrong).toEqual([]);
    expect([...requests.ends.values()].flat()).toEqual(new Array(8).fill(STATUS.GONE));
    expect(bench.controller.state).toBe('failed');
    expect(bench.controller.failure?.code).toBe('NVME_FAILED');
    const { token, status } = requests.complete((id) => namespace.read(0, span, 0, BLOCK, id));
    expect(status).toBe(STATUS.GONE);
    expect(namespace.failure(token)?.code).toBe('NVME_FAILED');
    expect(() => bench.controller.openNamespace(1)).toThrow(NvmeError);
    bench.run(bench.controller.closing());
    expect(bench.run(bench.controller.submitAdmin(new Uint8Array(64))).loss).toBe('failed');
    span.close();
  });

  it('takes a controller off the bus that does not stop, before it ends its requests', () => {
    const bench = started({
      fake: { neverStops: true, onCommand: first(1, NVM_OPCODE.WRITE, { drop: true, deaf: true }) },
      platform: { failsReset: true },
      driver: { resetsMax: 1, onTimeout: 'reset' },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    let wasBusMaster: boolean | undefined;
    requests.onEnd = () => {
      wasBusMaster = bench.platform.isBusMaster;
    };
    expect(requests.write(0, span, 0, BLOCK)).toBe(STATUS.GONE);
    expect(wasBusMaster).toBe(false);
    expect(bench.platform.resets).toBeGreaterThan(0);
  });

  it('resets the function where clearing CC.EN does not stop the controller', () => {
    const bench = started({
      fake: { neverStops: true, onCommand: first(1, NVM_OPCODE.WRITE, { drop: true, deaf: true }) },
      driver: { onTimeout: 'reset' },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    expect(requests.write(0, span, 0, BLOCK)).toBe(DONE);
    expect(bench.platform.resets).toBe(1);
    expect(bench.controller.state).toBe('live');
  });

  it('notices that a namespace is smaller after the reset', () => {
    const bench = started({
      fake: { blocksAfterReset: 10, onCommand: first(1, NVM_OPCODE.READ, { drop: true, deaf: true }) },
      driver: { onTimeout: 'reset' },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    expect(requests.read(0, span, 0, BLOCK)).toBe(STATUS.GONE);
    expect(bench.controller.anomalies.count('namespace-changed')).toBe(1);
    expect(bench.controller.state).toBe('live');
  });

  it('takes requests while it recovers, and tasks wait', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    const steps: string[] = [];
    bench.controller.onStateChange = (state) => {
      steps.push(state);
      if (state === 'recovering') {
        requests.begin((token) => namespace.read(0, span, 0, BLOCK, token));
      }
    };
    bench.run(bench.controller.resetting('a test'));
    bench.idle();
    expect(steps).toEqual(['recovering', 'live']);
    expect(requests.done).toBe(1);
    expect(bench.run(bench.controller.admin.getFeature(7))).toBeGreaterThanOrEqual(0);
  });

  it('waits as long as the controller asks before it tries again (CRD)', () => {
    for (const retryDelay of [0, 1]) {
      const bench = started({
        fake: {
          // CRDT1 is 700 ms.
          identify: (cns, _nsid, view) => (cns === 1 ? view.setUint16(128, 7, true) : undefined),
          onCommand: first(1, NVM_OPCODE.READ, { status: NVME_STATUS.NAMESPACE_NOT_READY, retryDelay }),
        },
      });
      checkDelay(bench, retryDelay);
    }
  });

  const checkDelay = (bench: Bench, retryDelay: number): void => {
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    const before = bench.executor.nowPs;
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    expect(bench.executor.nowPs - before).toBe(retryDelay * 700 * PS_PER_MS);
    expect(namespace.retries.failure).toBe(1);
  };

  it('says what is certain when a part of a long request fails', () => {
    const failing = 5;
    const bench = started({
      fake: {
        mdts: 1,
        onCommand: (queueId, sqe) =>
          queueId > 0 && sqe.getUint32(40, true) === 2 * failing
            ? { status: NVME_STATUS.UNRECOVERED_READ_ERROR, doNotRetry: true }
            : queueId > 0
              ? { delayPs: PS_PER_MS }
              : undefined,
      },
      driver: { queueDepth: 3 },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(64 * BLOCK);
    const { token, status } = requests.complete((id) => namespace.read(0, span, 0, 64 * BLOCK, id));
    expect(status).toBe(STATUS.IO);
    expect(namespace.failure(token)).toMatchObject({
      code: '2/81',
      movedBytes: 2 * failing * BLOCK,
      nvmeStatus: NVME_STATUS.UNRECOVERED_READ_ERROR,
    });
    // Nothing was started after the failure was known, and nothing is left behind.
    expect(bench.fake.commands.filter(({ queueId }) => queueId > 0).length).toBeLessThan(32);
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
  });

  it('does not call certain what was to be sent again when a later part failed for good', () => {
    const partBlocks = 2;
    const bench = started({
      fake: {
        mdts: 1,
        onCommand: (queueId, sqe) => {
          const lba = sqe.getUint32(40, true);
          if (queueId === 0 || lba > partBlocks) {
            return undefined;
          }
          return lba === 0
            ? { status: NVME_STATUS.INTERNAL_ERROR }
            : { status: NVME_STATUS.UNRECOVERED_READ_ERROR, doNotRetry: true };
        },
      },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(8 * BLOCK);
    const { token, status } = requests.complete((id) => namespace.read(0, span, 0, 8 * BLOCK, id));
    expect(status).toBe(STATUS.IO);
    expect(namespace.failure(token)).toMatchObject({ code: '2/81', movedBytes: 0 });
  });

  it('goes on with fewer queues where the controller grants fewer after the reset', () => {
    let isStingy = false;
    const bench = started({
      fake: {
        onCommand: (queueId, sqe) =>
          isStingy &&
          queueId === 0 &&
          sqe.getUint8(0) === ADMIN_OPCODE.CREATE_IO_CQ &&
          sqe.getUint16(40, true) > 1
            ? { status: NVME_STATUS.INVALID_QUEUE_ID }
            : undefined,
      },
      driver: { queueCount: 3 },
    });
    const namespace = bench.controller.openNamespace(1, { queues: [2] });
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    isStingy = true;
    bench.run(bench.controller.resetting('a test'));
    expect(bench.controller.queues).toHaveLength(1);
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
  });

  it('fails a bring-up whose step back from a refused queue does not end', () => {
    const bench = new Bench({
      fake: {
        onCommand: (queueId, sqe) => {
          if (
            queueId === 0 &&
            sqe.getUint8(0) === ADMIN_OPCODE.CREATE_IO_SQ &&
            sqe.getUint16(40, true) === 2
          ) {
            return { status: NVME_STATUS.INTERNAL_ERROR, doNotRetry: true };
          }
          return queueId === 0 && sqe.getUint8(0) === ADMIN_OPCODE.DELETE_IO_CQ ? { drop: true } : undefined;
        },
        shadowDoorbells: true,
      },
      driver: { queueCount: 3, shadowDoorbells: true },
    });
    expect(failureOf(() => bench.start()).code).toBe('NVME_TIMEOUT');
    expect(bench.controller.state).toBe('failed');
  });

  it('gives up a command that fails every time', () => {
    const bench = started({
      fake: { onCommand: first(99, NVM_OPCODE.READ, { status: NVME_STATUS.INTERNAL_ERROR }) },
      driver: { retriesMax: 2 },
    });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const { token, status } = requests.complete((id) =>
      namespace.read(0, bench.platform.hostSpan(BLOCK), 0, BLOCK, id),
    );
    expect(status).toBe(STATUS.IO);
    expect(namespace.failure(token)?.code).toBe('0/06');
    expect(bench.fake.commands.filter(({ queueId }) => queueId > 0)).toHaveLength(3);
  });
});

describe('surprise removal', () => {
  for (const seed of [undefined, 1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`ends every request exactly once (seed ${seed})`, () => {
      const bench = started({
        ...(seed === undefined ? {} : { seed }),
        fake: { mdts: 1 },
        driver: { queueCount: 4, queueDepth: 7 },
      });
      const namespace = bench.controller.openNamespace(1);
      const requests = new Requests(bench, namespace);
      const span = bench.platform.hostSpan(64 * BLOCK);
      let ends = 0;
      requests.onEnd = (_token, status) => {
        ends++;
        if (ends === 11) {
          bench.platform.remove();
        }
        if (status === DONE) {
          requests.begin((token) => namespace.read(0, span, 0, 9 * BLOCK, token));
        }
      };
      for (let i = 0; i < 20; i++) {
        requests.begin((token) => namespace.write(i * BLOCK, span, 0, (1 + (i % 9)) * BLOCK, token));
      }
      bench.idle();
      expect(requests.wrong).toEqual([]);
      expect(bench.controller.state).toBe('gone');
      const late = requests.complete((token) => namespace.read(0, span, 0, BLOCK, token));
      expect(late.status).toBe(STATUS.GONE);
      expect(namespace.failure(late.token)?.code).toBe('NVME_GONE');
      bench.run(bench.controller.closing());
      expect(span.mapCount).toBe(0);
    });
  }

  it('is noticed by the deadline where nobody says so', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    bench.platform.onGone = () => {};
    bench.platform.remove();
    expect(requests.read(0, span, 0, BLOCK)).toBe(STATUS.GONE);
    expect(bench.controller.state).toBe('gone');
  });

  it('fails a bring-up, at any step of it', () => {
    const steps = new Set<string>();
    for (let events = 0; events < 400; events += 3) {
      const bench = new Bench({ seed: events });
      let outcome = 'open';
      startTask(
        bench.controller.starting(),
        () => {
          outcome = 'up';
        },
        (error) => {
          outcome = (error as PeerlaneError).code;
        },
      );
      bench.executor.runUntilIdle(events);
      const wasUp = outcome === 'up';
      bench.platform.remove();
      bench.idle();
      expect(outcome).toBe(wasUp ? 'up' : 'NVME_GONE');
      expect(bench.controller.state).toBe('gone');
      expect(bench.platform.hostPlaces).toBe(0);
      steps.add(outcome);
    }
    expect([...steps].sort()).toEqual(['NVME_GONE', 'up']);
  });

  it('ends a task that waits for a command', () => {
    const bench = started({ fake: { onCommand: (queueId) => (queueId > 0 ? { drop: true } : undefined) } });
    const namespace = bench.controller.openNamespace(1);
    let code = '';
    const task = (function* (): Task<void> {
      try {
        yield* namespace.commands.verify(0, BLOCK);
      } catch (error) {
        code = (error as NvmeError).code;
      }
    })();
    void bench.run(
      (function* (): Task<void> {
        bench.executor.after(0, { onEvent: () => bench.platform.remove() }, 0, 0);
        yield* task;
      })(),
    );
    expect(code).toBe('NVME_GONE');
  });
});

describe('closing', () => {
  it('waits for requests under way, shuts down and gives everything back', () => {
    const bench = started({ fake: { volatileWriteCache: true } });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    requests.begin((token) => namespace.write(0, span, 0, BLOCK, token));
    requests.begin((token) => namespace.flush(token));
    bench.run(bench.controller.closing());
    expect(requests.done).toBe(2);
    expect(bench.controller.state).toBe('closed');
    expect(bench.platform.isBusMaster).toBe(false);
    span.close();
    expect(bench.platform.hostPlaces).toBe(0);
    const late = requests.complete((token) => namespace.read(0, span, 0, BLOCK, token));
    expect(late.status).toBe(STATUS.ABORTED);
    bench.run(bench.controller.closing());
  });

  it('leaves no deadline behind: a closed run does not wait for it', () => {
    const bench = started();
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const before = bench.executor.nowPs;
    expect(requests.read(0, bench.platform.hostSpan(BLOCK), 0, BLOCK)).toBe(DONE);
    expect(bench.executor.nowPs - before).toBe(0);
    expect(bench.executor.isIdle).toBe(true);
  });
});

describe('a bring-up that fails', () => {
  const codeOf = (options: ConstructorParameters<typeof Bench>[0]): string => {
    const bench = new Bench(options);
    const { code } = failureOf(() => bench.start());
    expect(bench.controller.state === 'failed' || bench.controller.state === 'gone').toBe(true);
    expect(bench.platform.hostPlaces).toBe(0);
    expect(bench.executor.isIdle).toBe(true);
    return code;
  };

  it('says so in time: not ready, fatal, not stopping, silent commands', () => {
    expect(codeOf({ fake: { neverReady: true } })).toBe('NVME_TIMEOUT');
    expect(codeOf({ fake: { fatalAtStart: true } })).toBe('NVME_FATAL');
    expect(codeOf({ fake: { onCommand: () => ({ drop: true, deaf: true }) } })).toBe('NVME_TIMEOUT');
    expect(codeOf({ fake: { onCommand: () => ({ status: NVME_STATUS.INTERNAL_ERROR }) } })).toBe(
      'NVME_COMMAND',
    );
    expect(codeOf({ platform: { hostBytes: 1000 } })).toBe('DMA_NO_MEMORY');
  });
});
