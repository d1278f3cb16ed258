import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FaultPlan, NvmeController } from '../../../src/devices/nvme/index.ts';
import { ADMIN_OPCODE, CSTS, NVM_OPCODE, NVME_STATUS, SQE_BYTES } from '../../../src/spec/nvme/index.ts';
import { BenchHost, type BenchMode, type Completion, HOST_BASE, HOST_BYTES } from './bench.ts';

const TIMING = {
  readIops: 1e6,
  writeIops: 5e5,
  readGBs: 3,
  writeGBs: 2,
  drainGBs: 0.5,
  readLatencyPs: 20e6,
  writeLatencyPs: 5e6,
  cacheBytes: 65_536,
  adminPs: 3e6,
};

const KNOWN = new Set<number>(Object.values(NVME_STATUS));
const mode = fc.constantFrom<BenchMode>('done', 'pending', 'jitter', 'timed');
const seed = fc.integer({ min: 1, max: 1_000_000 });

/** Dwords that are often something: small, all ones, addresses that are there, or not, or the controller's own. */
const dword = fc.oneof(
  fc.integer({ min: 0, max: 64 }).map((value) => value >>> 0),
  fc.constantFrom(0, 1, 0xffff_ffff, 0xffff_fffe, 0x8000_0000, 0x0001_0001),
  fc.integer({ min: 0, max: 255 }).map((page) => HOST_BASE + HOST_BYTES / 2 + page * 4096),
  fc.integer().map((value) => value >>> 0),
);
const opcode = fc.oneof(
  fc.constantFrom(...Object.values(ADMIN_OPCODE), ...Object.values(NVM_OPCODE)),
  fc.integer({ min: 0, max: 255 }),
);
const entry = fc.tuple(
  opcode,
  fc.integer({ min: 0, max: 255 }),
  fc.array(dword, { minLength: 15, maxLength: 15 }),
);

function bytesOf([op, flags, dwords]: readonly [number, number, readonly number[]]): Uint8Array {
  const bytes = new Uint8Array(SQE_BYTES);
  const view = new DataView(bytes.buffer);
  dwords.forEach((value, i) => {
    view.setUint32(4 + 4 * i, value, true);
  });
  bytes[0] = op;
  // Mostly PRPs and no fusing, or nothing else would ever be reached.
  bytes[1] = flags < 128 ? 0 : flags;
  return bytes;
}

function rig(busMode: BenchMode, busSeed: number, faults?: FaultPlan): BenchHost {
  const model = new NvmeController(
    {
      namespaces: [
        { sizeBlocks: 256 },
        { sizeBlocks: 64, blockBytes: 4096, metadataBytes: 16, piType: 1 },
        { sizeBlocks: 128, metadataBytes: 8, isExtended: true },
      ],
      cmb: { sizeBytes: 1 << 16, isLegacy: true },
      capacityBytes: 1 << 22,
      commandSlots: 64,
      // Half of the runs, and whether or not anything takes time there.
      timing: busSeed % 2 === 0 ? null : TIMING,
    },
    faults === undefined ? {} : { faults },
  );
  const host = new BenchHost(model, busMode, busSeed);
  host.port.linkPsPerByte = 300;
  host.port.linkLatencyPs = 500_000;
  host.enable(64);
  host.createQueue(1, 64);
  return host;
}

/** Commands that answer when something happens, and otherwise never. */
const WAITING: readonly number[] = [ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST];

describe('a controller', () => {
  it('answers any 64 bytes in an I/O queue once, with a status of the specification', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 40 }),
        mode,
        seed,
        (entries, busMode, busSeed) => {
          const host = rig(busMode, busSeed);
          const cids = entries.map((one) => host.push(1, bytesOf(one)));
          host.ring(1);
          host.run();
          const found = host.reap(1);
          expect(found.map((one) => one.cid).sort((a, b) => a - b)).toEqual(cids);
          for (const one of found) {
            expect(KNOWN.has(one.status), one.status.toString(16)).toBe(true);
          }
          expect(CSTS.CFS.of(host.read(CSTS.offset))).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('answers any 64 bytes in the admin queue once, with a status of the specification', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 40 }),
        mode,
        seed,
        (entries, busMode, busSeed) => {
          const host = rig(busMode, busSeed);
          const found = new Map<number, Completion>();
          const wanted: number[] = [];
          for (const one of entries) {
            const bytes = bytesOf(one);
            // What stops or starves the queue itself is tested elsewhere.
            if (isOneOf(bytes[0]!, [ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG])) {
              continue;
            }
            const isKeepAlive = bytes[0] === ADMIN_OPCODE.SET_FEATURES && bytes[40] === 0x0f;
            const cid = host.push(0, isKeepAlive ? new Uint8Array(SQE_BYTES) : bytes);
            if (!isOneOf(bytes[0]!, WAITING)) {
              wanted.push(cid);
            }
            host.ring(0);
            host.run();
            for (const completion of host.reap(0)) {
              expect(found.has(completion.cid)).toBe(false);
              expect(KNOWN.has(completion.status), completion.status.toString(16)).toBe(true);
              found.set(completion.cid, completion);
            }
          }
          expect(wanted.every((cid) => found.has(cid))).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('survives any sequence of register accesses', () => {
    const offset = fc.oneof(
      fc.constantFrom(0, 4, 8, 0xc, 0x10, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x50, 0x54, 0x64),
      fc.constantFrom(0xe04, 0xe14, 0xe18, 0x1000, 0x1004, 0x1008, 0x100c, 0x1010),
      fc.integer({ min: 0, max: 0x7ff }).map((value) => value * 4),
    );
    const value = fc.oneof(
      fc.constantFrom(0x0046_0001, 0, 0x0046_4001, 0x000f_000f, 1, 3, 0x4e56_4d65, HOST_BASE),
      dword,
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(offset, value, fc.integer({ min: 0, max: 3 })), { maxLength: 60 }),
        mode,
        seed,
        (accesses, busMode, busSeed) => {
          const host = rig(busMode, busSeed);
          for (const [at, what, events] of accesses) {
            host.write(at, what);
            host.port.executor.runUntilIdle(events);
            expect(host.read(at) >>> 0).toBe(host.read(at));
          }
          host.run();
          host.model.reset('function');
          host.port.dropRequests();
          host.enable();
          expect(host.isReady).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('completes every command once with delays, wraps, injected errors and many queues', () => {
    fc.assert(
      fc.property(
        seed,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 2, max: 40 }),
        (busSeed, queues, entries) => {
          const faults = new FaultPlan(busSeed).add({
            queue: 'io',
            probability: 0.1,
            count: 50,
            action: { kind: 'status', status: NVME_STATUS.INTERNAL_ERROR },
          });
          const host = rig('jitter', busSeed, faults);
          for (let id = 2; id <= queues + 1; id++) {
            host.createQueue(id, entries);
          }
          const buffer = host.alloc(1 << 16);
          const sent = new Map<number, number>();
          for (let round = 0; round < 8; round++) {
            for (let id = 2; id <= queues + 1; id++) {
              const queue = host.queues[id]!;
              const inFlight = (sent.get(id) ?? 0) - queue.completions.length;
              const count = Math.min(entries - 1 - inFlight, 1 + ((busSeed + round * id) % 12));
              for (let i = 0; i < count; i++) {
                const isWrite = (round + i) % 3 === 0;
                host.push(id, {
                  opcode: isWrite ? NVM_OPCODE.WRITE : NVM_OPCODE.READ,
                  nsid: 1,
                  prp1: buffer + (i % 16) * 4096,
                  cdw10: i * 8,
                  cdw12: 7,
                });
                sent.set(id, (sent.get(id) ?? 0) + 1);
              }
              host.ring(id);
              host.port.executor.runUntilIdle(1 + ((busSeed * (round + 1)) % 9));
              host.reap(id);
            }
          }
          for (let pass = 0; pass < 3; pass++) {
            host.run();
            for (let id = 2; id <= queues + 1; id++) {
              host.reap(id);
            }
          }
          for (let id = 2; id <= queues + 1; id++) {
            const cids = host.queues[id]!.completions.map((one) => one.cid).sort((a, b) => a - b);
            expect(cids).toEqual(Array.from({ length: sent.get(id)! }, (_, i) => i));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('never touches host memory outside of what it was given', () => {
    // The fences: every byte that no queue and no buffer owns.
    const host = rig('jitter', 7);
    const fence = host.alloc(1 << 20);
    host.bytes(fence, 1 << 20).fill(0xa5);
    const buffer = fence + 0x8000;
    for (let i = 0; i < 16; i++) {
      host.push(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: buffer, cdw10: i, cdw12: 7 });
    }
    host.ring(1);
    host.run();
    expect(host.reap(1)).toHaveLength(16);
    host.bytes(buffer, 4096).fill(0xa5);
    expect(host.bytes(fence, 1 << 20).every((byte) => byte === 0xa5)).toBe(true);
  });
});

function isOneOf(value: number, list: readonly number[]): boolean {
  return list.includes(value);
}
