import { describe, expect, it } from 'vitest';
import {
  FaultPlan,
  NvmeController,
  type NvmeOptions,
  type NvmeParts,
  NvmSubsystem,
} from '../../../src/devices/nvme/index.ts';
import {
  ADMIN_OPCODE,
  AQA,
  ASQ,
  ASYNC_EVENT,
  asciiOf,
  asyncEventDword,
  CAP,
  CC,
  CNS,
  CSTS,
  doorbellOffset,
  ERROR_LOG_COUNT,
  ID_NN,
  ID_SN,
  LOG_PAGE,
  NSSR,
  NSSR_RESET,
  SHUTDOWN_STATUS,
  VS,
} from '../../../src/spec/nvme/index.ts';
import { BenchHost, type BenchMode, EchoIo } from './bench.ts';

function bench(options: NvmeOptions = {}, mode: BenchMode = 'done', parts: NvmeParts = {}): BenchHost {
  const model = new NvmeController(
    { namespaces: [{ sizeBlocks: 1024 }], ...options },
    { makeIo: (services) => new EchoIo(services), ...parts },
  );
  return new BenchHost(model, mode);
}

const csts = (host: BenchHost): number => host.read(CSTS.offset);
const MODES: readonly BenchMode[] = ['done', 'pending', 'jitter'];

describe.each(MODES)('a controller on a bus that answers: %s', (mode) => {
  it('comes up, and tells who it is (3.5.1, 5.1.13)', () => {
    const host = bench({ serial: 'ABC123' }, mode);
    expect(host.isReady).toBe(false);
    host.enable();
    expect(host.isReady).toBe(true);
    const buffer = host.alloc(4096);
    const completion = host.admin({ opcode: ADMIN_OPCODE.IDENTIFY, prp1: buffer, cdw10: CNS.CONTROLLER });
    expect(completion.status).toBe(0);
    const view = new DataView(host.bytes(buffer, 4096).slice().buffer);
    expect(asciiOf(ID_SN, view)).toBe('ABC123');
    expect(ID_NN.value(view)).toBeGreaterThan(0);
  });

  it('runs I/O through queues of its own after a Controller Reset and a new start (3.7.2)', () => {
    const host = bench({}, mode);
    for (let round = 0; round < 3; round++) {
      host.enable();
      host.createQueue(1, 8);
      for (let i = 0; i < 20; i++) {
        expect(host.execute(1, { opcode: i % 2 === 0 ? 2 : EchoIo.LATER, cdw10: i }).dw0).toBe(i);
      }
      host.write(CC.offset, 0);
      host.run();
      expect(csts(host)).toBe(0);
    }
  });

  it('is reset in the middle of work and completes none of it (3.7.2)', () => {
    const host = bench({}, mode);
    host.enable();
    host.createQueue(1, 64);
    for (let i = 0; i < 60; i++) {
      host.push(1, { opcode: EchoIo.LATER, cdw10: i });
    }
    host.ring(1);
    host.port.executor.runUntilIdle(3);
    host.write(CC.offset, 0);
    host.run();
    expect(csts(host)).toBe(0);
    const before = host.queues[1]!.completions.length;
    expect(host.reap(1).length + before).toBeLessThan(60);
    // All slots are free again: a full queue goes through.
    host.enable();
    host.createQueue(1, 64);
    for (let i = 0; i < 60; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.run();
    expect(host.reap(1)).toHaveLength(60);
  });

  it('forgets everything in a Function Level Reset, and comes up again', () => {
    const host = bench({}, mode);
    host.enable();
    host.createQueue(1, 64);
    host.admin({ opcode: ADMIN_OPCODE.SET_FEATURES, cdw10: 0x0b, cdw11: 0x100 });
    for (let i = 0; i < 60; i++) {
      host.push(1, { opcode: EchoIo.LATER });
    }
    host.ring(1);
    host.port.executor.runUntilIdle(2);
    host.port.dropRequests();
    host.model.reset('function');
    expect(csts(host)).toBe(0);
    expect(host.read(AQA.offset)).toBe(0);
    host.run();
    host.enable();
    expect(host.isReady).toBe(true);
    expect(host.admin({ opcode: ADMIN_OPCODE.GET_FEATURES, cdw10: 0x0b }).dw0).toBe(0);
    host.createQueue(1, 8);
    expect(host.execute(1, { opcode: 2, cdw10: 7 }).dw0).toBe(7);
  });

  it('shuts down: SHST goes to complete and only a reset helps (3.6.1)', () => {
    const host = bench({}, mode);
    host.enable();
    host.createQueue(1, 8);
    host.write(CC.offset, 0x0046_4001);
    expect(CSTS.SHST.of(csts(host))).toBe(SHUTDOWN_STATUS.OCCURRING);
    host.run();
    expect(CSTS.SHST.of(csts(host))).toBe(SHUTDOWN_STATUS.COMPLETE);
    host.push(1, { opcode: 2 });
    host.ring(1);
    host.run();
    expect(host.reap(1)).toHaveLength(0);
    host.write(CC.offset, 0);
    host.run();
    expect(csts(host)).toBe(0);
    host.enable();
    expect(host.isReady).toBe(true);
  });
});

describe('properties of a controller', () => {
  it('says what it can do in CAP and VS (3.1.4.1)', () => {
    const host = bench({ version: '1.4', queueEntriesMax: 256, doorbellStride: 0 });
    const view = (host.model as NvmeController).properties;
    expect(CAP.MQES.read(view)).toBe(255);
    expect(CAP.CQR.read(view)).toBe(1);
    expect(CAP.CSS.read(view)).toBe(1);
    expect(host.read(VS.offset)).toBe(0x0001_0400);
  });

  it('keeps the admin queue over a Controller Reset and nothing else (3.7.2)', () => {
    const host = bench();
    host.enable(16);
    host.write(CC.offset, 0);
    host.run();
    expect(AQA.ASQS.of(host.read(AQA.offset))).toBe(15);
    expect(host.read(ASQ.offset)).toBe(host.queues[0]!.sqAddress);
  });

  it('ignores stores to read-only properties, narrow stores, and reads of doorbells', () => {
    const host = bench();
    const cap = host.read(0);
    host.write(0, 0);
    host.write(VS.offset, 0);
    host.model.writeRegister(0, CC.offset, 1, 1);
    host.run();
    expect(host.read(0)).toBe(cap);
    expect(host.read(CC.offset)).toBe(0);
    expect(host.read(0x1000)).toBe(0);
  });

  it.each([
    ['a page size beyond MPSMAX', 0x0046_0781],
    ['an arbitration that is not offered', 0x0046_3801],
    ['a command set that is not offered', 0x0046_0071],
  ])('sets CSTS.CFS for %s', (_name, cc) => {
    const host = bench();
    host.makeQueue(0, 16);
    host.write(AQA.offset, 0x000f_000f);
    host.write(CC.offset, cc);
    host.run();
    expect(CSTS.CFS.of(csts(host))).toBe(1);
    expect(host.isReady).toBe(false);
    host.write(CC.offset, 0);
    host.run();
    expect(csts(host)).toBe(0);
  });

  it('sets CSTS.CFS when its admin queue cannot be reached', () => {
    const host = bench();
    host.makeQueue(0, 16);
    host.write(AQA.offset, 0x000f_000f);
    host.write64(ASQ.offset, 0x7777_0000);
    host.write(CC.offset, 0x0046_0001);
    host.run();
    expect(host.isReady).toBe(true);
    host.write(0x1000, 1);
    host.run();
    expect(CSTS.CFS.of(csts(host))).toBe(1);
  });

  it('sets CSTS.CFS when Bus Master Enable is clear and it has something to fetch', () => {
    const host = bench();
    host.enable();
    host.port.isBusMaster = false;
    host.push(0, { opcode: ADMIN_OPCODE.KEEP_ALIVE });
    host.ring(0);
    host.run();
    expect(CSTS.CFS.of(csts(host))).toBe(1);
  });

  it('resets every controller of its subsystem by NSSR and says so in NSSRO (3.1.4.7)', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    const first = bench({}, 'done', { subsystem });
    const second = bench({ namespaces: [] }, 'done', { subsystem });
    first.enable();
    second.enable();
    first.write(NSSR.offset, 1);
    first.run();
    expect(first.isReady).toBe(true);
    first.write(NSSR.offset, NSSR_RESET);
    first.run();
    expect([first.isReady, second.isReady]).toEqual([false, false]);
    expect(CSTS.NSSRO.of(csts(second))).toBe(1);
    second.write(CSTS.offset, 0x10);
    expect(csts(second)).toBe(0);
  });

  it('survives CC.EN going off and on again without waiting', () => {
    const host = bench({}, 'jitter');
    host.enable();
    host.write(CC.offset, 0);
    host.enable();
    expect(host.isReady).toBe(true);
    expect(host.admin({ opcode: ADMIN_OPCODE.KEEP_ALIVE }).status).toBe(0);
  });

  it('completes an event when a doorbell has no queue or no sense, and logs an error (3.1.2.1 of the transport)', () => {
    const host = bench();
    host.enable();
    const request = host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    host.ring(0);
    host.run();
    host.write(doorbellOffset(5, 'sq', 0), 1);
    host.run();
    expect(host.reap(0)).toMatchObject([
      { cid: request, dw0: asyncEventDword(ASYNC_EVENT.INVALID_DOORBELL_REGISTER) },
    ]);
    // Masked until the log is read: the second event waits.
    host.write(doorbellOffset(0, 'sq', 0), 999);
    host.run();
    expect(host.reap(0)).toHaveLength(0);
    const buffer = host.alloc(4096);
    const cid = host.push(0, {
      opcode: ADMIN_OPCODE.GET_LOG_PAGE,
      prp1: buffer,
      cdw10: (15 << 16) | LOG_PAGE.ERROR_INFORMATION,
    });
    host.ring(0);
    host.run();
    const found = host.reap(0);
    expect(found.map((one) => one.cid)).toContain(cid);
    expect(found.map((one) => one.dw0)).toContain(asyncEventDword(ASYNC_EVENT.INVALID_DOORBELL_VALUE));
    expect(ERROR_LOG_COUNT.value(new DataView(host.bytes(buffer, 64).slice().buffer))).toBe(2);
  });

  it('fails at once when a fault wants CSTS.CFS', () => {
    const faults = new FaultPlan().add({ queue: 'io', action: { kind: 'fatal' } });
    const host = bench({}, 'done', { faults });
    host.enable();
    host.createQueue(1, 8);
    host.push(1, { opcode: 2 });
    host.ring(1);
    host.run();
    expect(CSTS.CFS.of(csts(host))).toBe(1);
    expect(host.reap(1)).toHaveLength(0);
    host.write(CC.offset, 0);
    host.run();
    host.enable();
    expect(host.isReady).toBe(true);
  });

  it('dies when the Keep Alive Timer runs out, and not before', () => {
    const host = bench();
    host.enable();
    host.push(0, { opcode: ADMIN_OPCODE.SET_FEATURES, cdw10: 0x0f, cdw11: 5000 });
    host.ring(0);
    host.port.executor.runUntilIdle(20);
    expect(CSTS.CFS.of(csts(host))).toBe(1);
    expect(host.port.executor.nowPs).toBe(5e12);
  });

  it('aborts when its options describe no drive', () => {
    expect(() => new NvmeController({ cmb: { sizeBytes: 5000 } })).toThrow(/CMBSZ/);
    expect(() => new NvmeController({ namespaces: [{ sizeBlocks: 8, blockBytes: 500 }] })).toThrow(
      /blockBytes/,
    );
    expect(
      () => new NvmeController({ cmb: { sizeBytes: 1 << 20, bar: 4 }, pmr: { sizeBytes: 1 << 20 } }),
    ).toThrow(/used twice/);
  });
});
