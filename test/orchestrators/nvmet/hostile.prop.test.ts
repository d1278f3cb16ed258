import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newNamespace } from '../../../src/orchestrators/nvmet/index.ts';
import { ADMIN_OPCODE, NVM_OPCODE } from '../../../src/spec/nvme/index.ts';
import { DelayedTarget } from './support/delayed-target.ts';
import { BLOCK, BLOCKS, bench, LoopHost, pattern, read, SUBSYSTEM, write } from './support/host.ts';
import { LoopQueue } from './support/loop.ts';

const bytes64 = fc.uint8Array({ minLength: 64, maxLength: 64 });

/** Bytes that get further than any 64 would: with the right flags and a kind of command that there is. */
const nearly = fc
  .record({
    bytes: bytes64,
    opcode: fc.constantFrom(
      ...Object.values(ADMIN_OPCODE),
      ...Object.values(NVM_OPCODE),
      ADMIN_OPCODE.FABRICS,
      ADMIN_OPCODE.FABRICS,
    ),
    nsid: fc.constantFrom(0, 1, 2, 4, 5, 6, 8, 0xffff_ffff),
    length: fc.constantFrom(0, 8, 16, 512, 1024, 4096, 8192, 0xffff_ffff),
    descriptor: fc.constantFrom(0x5a, 0x01, 0x40, 0x00),
    cdw: fc.array(fc.constantFrom(0, 1, 2, 7, 0x3f_0070, 0x7f_0002, 0xffff_ffff), {
      minLength: 6,
      maxLength: 6,
    }),
  })
  .map(({ bytes, opcode, nsid, length, descriptor, cdw }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 64);
    view.setUint8(0, opcode);
    view.setUint8(1, 0x40);
    view.setUint32(4, nsid, true);
    view.setUint32(24, 0, true);
    view.setUint32(28, 0, true);
    view.setUint32(32, length, true);
    view.setUint8(39, descriptor);
    for (const [index, dword] of cdw.entries()) {
      view.setUint32(40 + 4 * index, dword, true);
    }
    return bytes;
  });
const capsule = fc.oneof(bytes64, nearly, nearly, nearly);
const data = fc.option(fc.uint8Array({ maxLength: 9000 }), { nil: null });

describe('capsules of any bytes', () => {
  it.each(['before Connect', 'admin', 'I/O'] as const)(
    'are answered once or end the connection: %s',
    (kind) => {
      fc.assert(
        fc.property(fc.array(fc.tuple(capsule, data), { minLength: 1, maxLength: 30 }), (capsules) => {
          const made = bench({ namespace: { hasReservations: true }, controllersMax: 4 });
          const loop = { executor: made.executor };
          const host = kind === 'before Connect' ? null : new LoopHost(made, {}, loop);
          const queue =
            host === null
              ? new LoopQueue(made.target, made.port, loop)
              : kind === 'admin'
                ? host.admin
                : host.connectIo();
          const before = queue.answers;
          let sent = 0;
          for (const [bytes, inCapsule] of capsules) {
            if (queue.isGone) {
              break;
            }
            // Data that are asked for come from here, whatever the length.
            queue.expectAny(bytes);
            queue.raw(bytes, inCapsule);
            sent++;
            made.executor.settle();
          }
          if (!queue.isGone) {
            // What is not answered waits for an event, and of those there are four.
            const waiting = sent - (queue.answers - before);
            expect(waiting).toBeGreaterThanOrEqual(0);
            expect(waiting).toBeLessThanOrEqual(kind === 'I/O' ? 0 : 4);
          }
          host?.leave();
          queue.drop();
          made.executor.settle();
          expect(made.memory.usedBytes).toBeLessThanOrEqual(131_072);
          expect([...made.target.queues]).toEqual([]);
          expect(made.target.controllerCount).toBe(0);
        }),
        { numRuns: 150 },
      );
    },
  );
});

describe('no command is lost', () => {
  const operation = fc.record({
    kind: fc.constantFrom('read', 'write', 'write', 'zeroes', 'flush', 'verify', 'drop', 'settle'),
    host: fc.integer({ min: 0, max: 2 }),
    at: fc.integer({ min: 0, max: 200 }),
    blocks: fc.integer({ min: 1, max: 60 }),
    inCapsule: fc.boolean(),
  });

  it('with several hosts, few requests and little memory at the backend, any order of events, and hosts that go', () => {
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 1, maxLength: 80 }),
        fc.infiniteStream(fc.nat()),
        (operations, order) => {
          const made = bench({ memoryBytesMax: 200_000 });
          const slow = new DelayedTarget(made.executor, BLOCKS, BLOCK, 2);
          const backend = {
            target: slow,
            memory: made.memory,
            kind: 'simulated',
            deallocatedReadsZero: true,
          } as const;
          made.target.enableNamespace(SUBSYSTEM, newNamespace(2, 'slow'), backend);
          const pick = (count: number): number => (order.next().value as number) % count;
          const hosts = [1, 2, 3].map((host) => new LoopHost(made, { host }, { executor: made.executor }));
          const queues = hosts.map((host) => host.connectIo());
          for (const { kind, host, at, blocks, inCapsule } of operations) {
            const queue = queues[host]!;
            if (kind === 'settle') {
              made.executor.settle(pick);
            } else if (queue.isGone) {
              queues[host] = new LoopHost(made, { host: host + 1 }, { executor: made.executor }).connectIo();
            } else if (kind === 'drop') {
              queue.drop();
            } else if (kind === 'read') {
              queue.issue(read(at, blocks, 2));
            } else if (kind === 'write') {
              const data = pattern(blocks, at);
              queue.issue({ ...write(at, data, 2), inCapsule: inCapsule && data.length <= 16_384 });
            } else {
              const opcode =
                kind === 'zeroes'
                  ? NVM_OPCODE.WRITE_ZEROES
                  : kind === 'flush'
                    ? NVM_OPCODE.FLUSH
                    : NVM_OPCODE.VERIFY;
              queue.issue({ opcode, nsid: 2, ...(kind === 'flush' ? {} : { cdw10: at, cdw12: blocks - 1 }) });
            }
          }
          made.executor.settle(pick);
          for (const queue of queues) {
            if (!queue.isGone) {
              for (const sent of queue.sent.values()) {
                expect(sent.completions).toHaveLength(1);
                expect(sent.completion?.status).toBe(0);
              }
            }
          }
          expect([slow.inFlight, made.target.outstandingIo]).toEqual([0, 0]);
          // The shared zeroes stay.
          expect(made.memory.usedBytes).toBeLessThanOrEqual(8192);
        },
      ),
      { numRuns: 60 },
    );
  });
});
