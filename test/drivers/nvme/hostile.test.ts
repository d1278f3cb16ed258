import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DONE, STATUS } from '../../../src/access/index.ts';
import { PeerlaneError } from '../../../src/base/index.ts';
import {
  ASYNC_EVENT,
  asyncEventDword,
  CAP,
  CMBLOC,
  CMBSZ,
  CNS,
  CSTS,
  ID_CQES,
  ID_MDTS,
  ID_NN,
  ID_SQES,
  LBAF,
  NS_FLBAS,
  NS_LBAF,
  NS_NCAP,
  NS_NLBAF,
  NS_NSZE,
  NVM_OPCODE,
} from '../../../src/spec/nvme/index.ts';
import type { FakeOptions, Misbehaviour } from './fake-controller.ts';
import { Bench, type BenchOptions, Requests, started } from './harness.ts';

const BLOCK = 4096;

function outcome(options: BenchOptions): string {
  const bench = new Bench(options);
  try {
    bench.start();
    return 'live';
  } catch (error) {
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    expect(bench.platform.hostPlaces).toBe(0);
    return error.code;
  }
}

/** A property that always reads so. */
function reads(offset: number, value: number): FakeOptions {
  return { property: (at, real) => (at === offset ? value : real) };
}

function identifies(cns: number, change: (view: DataView) => void): FakeOptions {
  return { identify: (asked, _nsid, view) => (asked === cns ? change(view) : undefined) };
}

describe('capabilities that cannot be', () => {
  it('refuses CAP.MQES 0, a CAP without the NVM command set, huge pages, and doorbells outside BAR 0', () => {
    expect(outcome({ fake: { mqes: 0 } })).toBe('NVME_UNSUPPORTED');
    expect(outcome({ fake: reads(CAP.offset + 4, 0) })).toBe('NVME_UNSUPPORTED');
    expect(outcome({ fake: reads(CAP.offset + 4, 0x000f_0020) })).toBe('NVME_UNSUPPORTED');
    expect(outcome({ fake: { dstrd: 15 } })).toBe('NVME_UNSUPPORTED');
    expect(outcome({ fake: { bar0Bytes: 0x1000 } })).toBe('NVME_UNSUPPORTED');
  });

  it('makes do with fewer queues where large strides leave doorbells for a few only', () => {
    const bench = started({ fake: { dstrd: 9 }, driver: { queueCount: 8 } });
    // 0x3000 bytes of doorbells, 0x1000 for each pair, one of them the admin pair.
    expect(bench.controller.queues).toHaveLength(2);
    expect(outcome({ fake: { dstrd: 10 } })).toBe('NVME_NO_QUEUES');
    expect(outcome({ fake: { dstrd: 10 }, driver: { queueCount: 0 } })).toBe('live');
  });

  it('takes nobody who answers for gone', () => {
    expect(outcome({ fake: { property: () => 0xffff_ffff } })).toBe('NVME_GONE');
    expect(outcome({ fake: reads(CSTS.offset, 0xffff_ffff) })).toBe('NVME_GONE');
  });

  it('uses what it is granted when it is granted less, and says so when it is granted nothing', () => {
    expect(started({ fake: { queuesMax: 3 }, driver: { queueCount: 8 } }).controller.queues).toHaveLength(3);
    const refused: FakeOptions = {
      onCommand: (queueId, sqe) =>
        queueId === 0 && sqe.getUint8(0) === 0x05 ? { status: 0x101 } : undefined,
    };
    expect(outcome({ fake: refused })).toBe('NVME_NO_QUEUES');
    const third: FakeOptions = {
      onCommand: (queueId, sqe) =>
        queueId === 0 && sqe.getUint8(0) === 0x01 && sqe.getUint16(40, true) === 3
          ? { status: 0x101 }
          : undefined,
    };
    expect(started({ fake: third, driver: { queueCount: 8 } }).controller.queues).toHaveLength(2);
  });
});

describe('Identify with values that cannot be', () => {
  it('takes an MDTS of 255 as no limit, and goes on', () => {
    const bench = started({ fake: identifies(CNS.CONTROLLER, (view) => ID_MDTS.setValue(view, 255)) });
    expect(bench.controller.identity.transferBytesMax).toBeNull();
    expect(bench.controller.anomalies.count('identify')).toBe(1);
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    expect(requests.read(0, bench.platform.hostSpan(4096 * BLOCK), 0, 4096 * BLOCK)).toBe(DONE);
  });

  it('refuses queue entries of other sizes', () => {
    expect(outcome({ fake: identifies(CNS.CONTROLLER, (view) => ID_SQES.setValue(view, 0)) })).toBe(
      'NVME_UNSUPPORTED',
    );
    expect(outcome({ fake: identifies(CNS.CONTROLLER, (view) => ID_CQES.setValue(view, 0x33)) })).toBe(
      'NVME_UNSUPPORTED',
    );
  });

  const namespaceError = (change: (view: DataView) => void): string => {
    const bench = started({ fake: identifies(CNS.NAMESPACE, change) });
    expect(() => bench.controller.openNamespace(1)).toThrow(PeerlaneError);
    return bench.controller.unusable.get(1)?.code ?? 'none';
  };

  it('refuses a namespace whose blocks have 2^0, 2^8 or 2^63 bytes, without size, or with a format beyond its list', () => {
    for (const lbads of [0, 8, 63, 255]) {
      expect(namespaceError((view) => LBAF.LBADS.write(view, lbads, NS_LBAF.at(0)))).toBe('NVME_NAMESPACE');
    }
    expect(namespaceError((view) => NS_NSZE.setValue(view, 0))).toBe('NVME_NAMESPACE');
    expect(namespaceError((view) => NS_FLBAS.FIDXL.write(view, 9))).toBe('NVME_NAMESPACE');
    expect(namespaceError((view) => LBAF.MS.write(view, 64, NS_LBAF.at(0)))).toBe('none');
  });

  it('cuts NCAP above NSZE and sizes of 2^53 bytes and more', () => {
    const large = started({
      fake: identifies(CNS.NAMESPACE, (view) => {
        view.setUint32(NS_NSZE.offset + 4, 0xffff_ffff, true);
        view.setUint32(NS_NCAP.offset + 4, 0xffff_ffff, true);
        NS_NLBAF.setValue(view, 255);
      }),
    });
    const [identity] = large.controller.namespaces;
    expect(identity!.sizeBlocks * identity!.blockBytes).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
    const namespace = large.controller.openNamespace(1);
    const requests = new Requests(large, namespace);
    const span = large.platform.hostSpan(BLOCK);
    expect(requests.read(namespace.sizeBytes - BLOCK, span, 0, BLOCK)).toBe(STATUS.INVALID);
    expect(requests.read(namespace.sizeBytes, span, 0, BLOCK)).toBe(STATUS.INVALID);
    const odd = started({ fake: identifies(CNS.NAMESPACE, (view) => NS_NCAP.setValue(view, 1e9)) });
    expect(odd.controller.namespaces[0]!.capacityBlocks).toBe(4096);
    expect(odd.controller.anomalies.count('identify')).toBe(1);
  });

  it('reads any bytes as a typed error or a value (Identify controller, namespace, lists)', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 2),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.nat(4032),
        (cns, bytes, at) => {
          const result = outcome({
            fake: identifies(cns, (view) => {
              for (const [i, byte] of bytes.entries()) {
                view.setUint8((at + i) % 4096, byte);
              }
            }),
          });
          expect(['live', 'NVME_UNSUPPORTED', 'NVME_NAMESPACE', 'NVME_COMMAND']).toContain(result);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('believes no more namespaces than a list can hold', () => {
    const bench = started({
      fake: {
        identify: (cns, nsid, view) => {
          if (cns === CNS.ACTIVE_NAMESPACE_LIST) {
            for (let i = 0; i < 1024; i++) {
              view.setUint32(4 * i, nsid < 3000 ? nsid + 1 + i : 5, true);
            }
          } else if (cns === CNS.CONTROLLER) {
            ID_NN.setValue(view, 0xffff_ffff);
          }
        },
      },
    });
    expect(bench.controller.namespaces.map(({ nsid }) => nsid)).toEqual([1]);
  });
});

describe('completions that cannot be', () => {
  const misbehave = (how: Misbehaviour, everyNth = 3): FakeOptions => {
    let count = 0;
    return {
      onCommand: (queueId, sqe) =>
        queueId > 0 && sqe.getUint8(0) === NVM_OPCODE.READ && count++ % everyNth === 0 ? how : undefined,
    };
  };

  for (const [name, how, kind] of [
    ['an unknown CID', { wrongCid: 0xfffe }, 'unknown-command'],
    ['the wrong submission queue', { wrongSqid: 9 }, 'wrong-queue'],
    ['a second completion', { extraCompletions: 1 }, 'doubled-completion'],
    ['an SQHD outside the queue', { wrongSqhd: 60_000 }, 'head-out-of-range'],
    ['an SQHD of entries that were never sent', { wrongSqhd: 15 }, 'head-out-of-range'],
  ] as const) {
    for (const seed of [undefined, 11, 12]) {
      it(`survives ${name} (seed ${seed})`, () => {
        const bench = started({
          fake: misbehave(how),
          driver: { queueDepth: 20 },
          ...(seed === undefined ? {} : { seed }),
        });
        const namespace = bench.controller.openNamespace(1);
        const requests = new Requests(bench, namespace);
        const span = bench.platform.hostSpan(BLOCK);
        for (let i = 0; i < 200; i++) {
          requests.begin((token) => namespace.read(0, span, 0, BLOCK, token));
          if (i % 8 === 7) {
            bench.idle();
          }
        }
        expect(requests.wrong).toEqual([]);
        expect(requests.done).toBe(200);
        expect(bench.controller.anomalies.count(kind)).toBeGreaterThan(0);
      });
    }
  }

  it('survives a completion queue that is scribbled over', () => {
    const bench = started({ driver: { queueDepth: 15 } });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    requests.read(0, span, 0, BLOCK);
    bench.fake.scribbleAll(1);
    bench.idle();
    expect(bench.controller.anomalies.count('unknown-command')).toBe(16);
    expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    expect(requests.wrong).toEqual([]);
  });

  it('goes on when SQHD never moves', () => {
    const bench = started({ fake: misbehave({ wrongSqhd: 0 }, 1), driver: { queueDepth: 3 } });
    const namespace = bench.controller.openNamespace(1);
    const requests = new Requests(bench, namespace);
    const span = bench.platform.hostSpan(BLOCK);
    for (let i = 0; i < 30; i++) {
      expect(requests.read(0, span, 0, BLOCK)).toBe(DONE);
    }
  });
});

describe('asynchronous events', () => {
  it('reads the log page of an event and asks for the next', () => {
    const bench = started();
    const seen: number[] = [];
    bench.controller.onEventReport = ({ logPage }) => seen.push(logPage);
    for (let i = 0; i < 3; i++) {
      bench.fake.report(asyncEventDword(ASYNC_EVENT.TEMPERATURE_THRESHOLD));
      bench.idle();
    }
    expect(seen).toEqual([2, 2, 2]);
  });

  it('looks at the namespaces anew when they have changed', () => {
    const bench = started();
    bench.fake.namespaces.set(2, { ...bench.fake.namespaces.get(1)!, nsid: 2 });
    bench.fake.report(asyncEventDword(ASYNC_EVENT.NAMESPACE_ATTRIBUTE_CHANGED));
    bench.idle();
    expect(bench.controller.namespaces.map(({ nsid }) => nsid)).toEqual([1, 2]);
  });

  it('stops listening to a controller that reports without end', () => {
    const bench = started();
    bench.fake.reportMany(100_000, () => asyncEventDword(ASYNC_EVENT.TEMPERATURE_THRESHOLD));
    bench.idle();
    expect(bench.controller.anomalies.count('event-storm')).toBe(1);
    expect(bench.controller.state).toBe('live');
  });
});

describe('a controller memory buffer that cannot be (nvme-cmb section 6)', () => {
  const memory = (change: (at: number, real: number) => number, more: FakeOptions = {}) =>
    started({ fake: { cmbBytes: 1 << 20, property: change, ...more } }).controller;

  it('is switched on: registers, size, address high dword first, status', () => {
    const bench = started({ fake: { cmbBytes: 1 << 20 } });
    const window = bench.platform.bar(2)!;
    expect(bench.fake.cmbAddress).toBe(window.busAddr);
    expect(bench.fake.propertyWrites.filter(({ offset }) => offset === 0x50 || offset === 0x54)).toEqual([
      { offset: 0x54, value: 0 },
      { offset: 0x50, value: 1 },
      { offset: 0x54, value: Math.floor(window.busAddr / 2 ** 32) },
      { offset: 0x50, value: ((window.busAddr >>> 0) | 3) >>> 0 },
    ]);
    expect(bench.controller.cmb).toEqual({
      kind: 'cmb',
      bar: 2,
      offsetBytes: 0,
      sizeBytes: 1 << 20,
      regionOffsetBytes: 0,
      regionSizeBytes: 1 << 20,
      takesReads: true,
      takesWrites: true,
      canPublish: true,
      takesQueues: true,
    });
  });

  it('is switched on again after a reset of the function that forgot it', () => {
    const bench = started({ fake: { cmbBytes: 1 << 20 } });
    bench.fake.reset();
    expect(bench.fake.cmbAddress).toBe(-1);
    bench.run(bench.controller.resetting('a test'));
    expect(bench.fake.cmbAddress).toBe(bench.platform.bar(2)!.busAddr);
  });

  it('needs no control before revision 1.4', () => {
    const bench = started({ fake: { cmbBytes: 1 << 20, cmbControl: false } });
    expect(bench.controller.cmb?.sizeBytes).toBe(1 << 20);
    expect(bench.fake.propertyWrites.filter(({ offset }) => offset === 0x50)).toEqual([]);
  });

  it('is not used: outside its BAR, in a BAR that is not there, of a unit that means nothing, at an address it refuses (EC-154)', () => {
    const none = [
      memory((at, real) => (at === CMBLOC.offset && real !== 0 ? 2 | (0x100 << 12) : real)),
      memory((at, real) => (at === CMBLOC.offset && real !== 0 ? 2 | (0xfffff << 12) : real)),
      memory((at, real) => (at === CMBLOC.offset && real !== 0 ? 5 : real)),
      memory((at, real) => (at === CMBLOC.offset && real !== 0 ? 1 : real)),
      memory((at, real) => (at === CMBSZ.offset && real !== 0 ? 0xffff_ffff : real)),
      memory((_at, real) => real, { refusesCmbAddress: true }),
    ];
    for (const controller of none) {
      expect(controller.cmb).toBeNull();
      expect(controller.anomalies.count('controller-memory')).toBe(1);
      expect(controller.state).toBe('live');
    }
  });

  it('is cut where its BAR ends', () => {
    const controller = memory((at, real) =>
      at === CMBLOC.offset && real !== 0
        ? 2 | (0x40 << 12)
        : at === CMBSZ.offset && real !== 0
          ? real | 0xfff0_0000
          : real,
    );
    expect(controller.cmb).toMatchObject({ offsetBytes: 0x4_0000, sizeBytes: 0xc_0000 });
    expect(controller.anomalies.count('controller-memory')).toBe(1);
  });
});
