// Any bytes from the wire: nothing breaks, and nothing is written outside what was opened.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BTH, ETHERNET, IPV4, icrcOf, ipv4Checksum, ROCE_OPCODE, UDP } from '../../../src/spec/rdma/index.ts';
import { Rig } from './rig.ts';

const BTH_AT = ETHERNET.sizeBytes + IPV4.sizeBytes + UDP.sizeBytes;

/** A rig whose receiver has opened 4096 bytes in the middle of its memory, and a frame of each kind that was seen. */
function listen() {
  const rig = new Rig('untimed', {}, 65_536);
  const { right, machine } = rig;
  machine.run(right.context.deregMr(right.mr));
  const frames: Uint8Array[] = [];
  rig.wire.tap = (_at, _from, bytes) => frames.push(bytes.slice());
  const open = machine.run(
    right.context.regMr(
      right.pd,
      right.span,
      { localWrite: true, remoteWrite: true, remoteRead: true, remoteAtomic: true },
      8192,
      4096,
    ),
  );
  const [a, b] = rig.connect({ pathMtu: 256, timeout: 0 });
  const entry = { addr: open.addr, length: 1000, lkey: open.lkey };
  for (let i = 0; i < 8; i++) {
    b.postRecv({ wrId: i, sgList: [entry] });
  }
  const remote = { remoteAddr: open.addr, rkey: open.rkey, sgList: [rig.left.piece(0, 600)] };
  a.postSend({ wrId: 1, opcode: 'SEND', sgList: [rig.left.piece(0, 600)] });
  a.postSend({ wrId: 2, opcode: 'RDMA_WRITE', ...remote });
  a.postSend({ wrId: 3, opcode: 'RDMA_READ', ...remote });
  a.postSend({ wrId: 4, opcode: 'ATOMIC_FETCH_AND_ADD', ...remote, sgList: [rig.left.piece(0, 8)] });
  machine.queue.runUntilIdle();
  right.span.fill(0xa5);
  rig.left.span.fill(0x5a);
  return { rig, frames, open, b };
}

function seal(frame: Uint8Array): void {
  const view = new DataView(frame.buffer);
  IPV4.TOTAL_LENGTH.write(view, frame.length - ETHERNET.sizeBytes, ETHERNET.sizeBytes);
  UDP.LENGTH.write(view, frame.length - ETHERNET.sizeBytes - IPV4.sizeBytes, BTH_AT - UDP.sizeBytes);
  IPV4.CHECKSUM.write(view, ipv4Checksum(frame, ETHERNET.sizeBytes), ETHERNET.sizeBytes);
  view.setUint32(frame.length - 4, icrcOf(frame, false, frame.length - 4), true);
}

function isOutsideUntouched(rig: Rig): boolean {
  const bytes = rig.right.bytes(0, 65_536);
  return (
    bytes.subarray(0, 8192).every((byte) => byte === 0xa5) &&
    bytes.subarray(12_288).every((byte) => byte === 0xa5)
  );
}

test('any bytes at all', () => {
  const { rig } = listen();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
      rig.right.nic.receiveBytes(bytes);
      rig.machine.queue.runUntilIdle();
    }),
    { numRuns: 300 },
  );
  expect(rig.right.bytes(0, 65_536).every((byte) => byte === 0xa5)).toBe(true);
});

test('packets that were seen, changed and sealed with a right ICRC, with headers of any content', () => {
  const mutation = fc.record({
    which: fc.nat(),
    psnAhead: fc.integer({ min: -3, max: 3 }),
    opcode: fc.option(fc.constantFrom(...Object.values(ROCE_OPCODE)), { nil: undefined }),
    changes: fc.array(fc.tuple(fc.integer({ min: BTH_AT, max: BTH_AT + 60 }), fc.nat({ max: 255 })), {
      maxLength: 6,
    }),
    cut: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 12 }), (mutations) => {
      const { rig, frames, b } = listen();
      const requests = frames.filter(
        (frame) => BTH.DEST_QP.read(new DataView(frame.buffer), BTH_AT) === b.qpNum,
      );
      for (const { which, psnAhead, opcode, changes, cut } of mutations) {
        const original = requests[which % requests.length]!;
        const length = cut === undefined ? original.length : Math.max(BTH_AT + 16, original.length - cut * 4);
        const frame = original.slice(0, length);
        const view = new DataView(frame.buffer);
        const expected = rig.machine.run(rig.right.context.queryQp(b)).rqPsn;
        BTH.PSN.write(view, (expected + psnAhead) & 0xff_ffff, BTH_AT);
        if (opcode !== undefined) {
          BTH.OPCODE.write(view, opcode, BTH_AT);
        }
        for (const [at, value] of changes) {
          if (at < frame.length) {
            frame[at] = value;
          }
        }
        seal(frame);
        rig.right.nic.receiveBytes(frame);
        rig.machine.queue.runUntilIdle();
      }
      expect(isOutsideUntouched(rig)).toBe(true);
      expect(rig.left.bytes(0, 65_536).every((byte) => byte === 0x5a)).toBe(true);
    }),
    { numRuns: 40 },
  );
}, 120_000);
