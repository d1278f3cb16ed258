import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { activateUd } from '../../../src/drivers/index.ts';
import { LINKTYPE_ETHERNET, PcapngWriter } from '../../../src/report/index.ts';
import {
  AETH,
  ATOMIC_ACK_ETH,
  ATOMIC_ETH,
  BTH,
  crc32Continue,
  DETH,
  ETHERNET,
  IETH,
  IMM_DT,
  IPV4,
  IPV6,
  psnAdd,
  psnDelta,
  RETH,
  UDP,
} from '../../../src/spec/rdma/index.ts';
import { ALL_ACCESS, pattern, Rig } from '../../drivers/rdma/rig.ts';

describe('headers', () => {
  test.each([ETHERNET, IPV4, IPV6, UDP, BTH, RETH, DETH, AETH, ATOMIC_ETH, ATOMIC_ACK_ETH, IMM_DT, IETH])(
    '$name: every field keeps its value and leaves the others alone',
    ({ fields, sizeBytes }) => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }),
          fc.nat(),
          fc.nat(),
          (bytes, which, raw) => {
            const view = new DataView(bytes.buffer, bytes.byteOffset, sizeBytes);
            const field = fields[which % fields.length]!;
            const value = raw % 2 ** field.widthBits;
            const before = fields.map((one) => one.read(view));
            field.write(view, value);
            fields.forEach((one, i) => {
              expect(one.read(view)).toBe(one === field ? value : before[i]);
            });
          },
        ),
        { numRuns: 50 },
      );
    },
  );

  test('packet numbers wrap at 24 bits', () => {
    expect(psnAdd(0xff_ffff, 1)).toBe(0);
    expect(psnAdd(0, -1)).toBe(0xff_ffff);
    expect(psnDelta(2, 0xff_fffe)).toBe(4);
    expect(psnDelta(0xff_fffe, 2)).toBe(-4);
  });

  test('the CRC is that of Ethernet, whatever the length and where it starts', () => {
    const check = new TextEncoder().encode('123456789');
    expect(~crc32Continue(0xffff_ffff, check, 0, 9) >>> 0).toBe(0xcbf4_3926);
    const bytes = pattern(100);
    expect(crc32Continue(crc32Continue(0xffff_ffff, bytes, 0, 37), bytes, 37, 100)).toBe(
      crc32Continue(0xffff_ffff, bytes, 0, 100),
    );
  });
});

/** Bit by bit, from the text: no tables, and no code of ours. */
function icrcBySpec(frame: Uint8Array): number {
  const isV6 = frame[12] === 0x86;
  const ip = isV6 ? 40 : 20;
  const bytes = [...new Array<number>(8).fill(0xff), ...frame.subarray(14, frame.length - 4)];
  const ones = isV6 ? [1, 2, 3, 7] : [1, 8, 10, 11];
  for (const at of [...ones, ip + 6, ip + 7, ip + 8 + 4]) {
    bytes[8 + at] = 0xff;
  }
  if (isV6) {
    bytes[8]! |= 0x0f;
  }
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = ((crc ^ (byte >>> bit)) & 1) === 1;
      crc = (crc >>> 1) ^ (isOdd ? 0xedb8_8320 : 0);
    }
  }
  return ~crc >>> 0;
}

/** One of everything, over a wire that loses a frame now and then. */
function capture(addresses: readonly [string, string]): { frames: Uint8Array[]; pcap: Uint8Array } {
  const rig = new Rig('flow', { addresses });
  const frames: Uint8Array[] = [];
  const pieces: Uint8Array[] = [];
  const writer = new PcapngWriter((bytes) => pieces.push(bytes), { application: 'test' });
  const wire = writer.addInterface('wire', LINKTYPE_ETHERNET);
  rig.wire.tap = (atPs, _from, bytes) => {
    frames.push(bytes.slice());
    writer.packet(wire, atPs, bytes);
  };
  let sent = 0;
  rig.wire.loses = () => ++sent % 23 === 0;
  const [a, b] = rig.connect({ pathMtu: 1024, timeout: 6, minRnrTimer: 3 });
  rig.left.put(0, pattern(10_000));
  const remote = { remoteAddr: rig.right.mr.addr, rkey: rig.right.mr.rkey };
  const sgList = [rig.left.piece(0, 5001)];
  const eight = [rig.left.piece(20_000, 8)];
  a.postSend({ wrId: 1, opcode: 'RDMA_WRITE', sgList, ...remote });
  a.postSend({ wrId: 2, opcode: 'RDMA_READ', sgList: [rig.left.piece(50_000, 5003)], ...remote });
  a.postSend({
    wrId: 3,
    opcode: 'ATOMIC_FETCH_AND_ADD',
    sgList: eight,
    ...remote,
    swapOrAdd: { low: 3, high: 0 },
  });
  a.postSend({ wrId: 4, opcode: 'ATOMIC_CMP_AND_SWP', sgList: eight, ...remote });
  for (const opcode of ['SEND', 'SEND_WITH_IMM', 'RDMA_WRITE_WITH_IMM'] as const) {
    for (const length of [0, 3, 3000]) {
      const one = { sgList: [rig.left.piece(0, length)], ...remote, immData: 1234, solicited: true };
      a.postSend({ wrId: 5, opcode, signaled: true, ...one });
    }
  }
  rig.machine.queue.runUntilIdle(400);
  for (let i = 0; i < 9; i++) {
    b.postRecv({ wrId: 6, sgList: [rig.right.piece(100_000, 5000)] });
  }
  expect(rig.left.poll().map(({ status }) => status)).toEqual(new Array(9).fill('SUCCESS'));
  expect(rig.right.poll()).toHaveLength(9);
  const [c] = rig.connect({ access: { ...ALL_ACCESS, remoteRead: false } });
  c.postSend({ wrId: 9, opcode: 'RDMA_READ', sgList, ...remote });
  const [d, e] = [rig.left.qp({ qpType: 'UD' }), rig.right.qp({ qpType: 'UD' })];
  rig.machine.run(activateUd(rig.left.context, d, 0x1234));
  rig.machine.run(activateUd(rig.right.context, e, 0x1234));
  e.postRecv({ wrId: 10, sgList: [rig.right.piece(0, 500)] });
  d.postSend({
    wrId: 11,
    opcode: 'SEND_WITH_IMM',
    immData: 77,
    sgList: [rig.left.piece(0, 99)],
    ah: rig.right.context.attributes,
    remoteQpn: e.qpNum,
    remoteQkey: 0x1234,
  });
  rig.wire.loses = null;
  expect(rig.right.poll()).toMatchObject([
    { wrId: 10, byteLen: 139, immData: 77, srcQp: d.qpNum, hasGrh: true, status: 'SUCCESS' },
  ]);
  expect(rig.right.bytes(40, 99)).toEqual(pattern(10_000).subarray(0, 99));
  writer.close();
  return { frames, pcap: Buffer.concat(pieces) };
}

describe.each([
  ['IPv4', ['10.0.0.1', '10.0.0.2']],
  ['IPv6', ['fd00::1', 'fd00::2']],
] as const)('RoCE v2 over %s', (_name, addresses) => {
  test('every frame has the ICRC that the text asks for', () => {
    const { frames } = capture(addresses);
    expect(frames.length).toBeGreaterThan(60);
    for (const frame of frames) {
      const view = new DataView(frame.buffer, frame.byteOffset);
      expect(view.getUint32(frame.length - 4, true)).toBe(icrcBySpec(frame));
    }
  });

  const hasTshark = spawnSync('tshark', ['--version']).status === 0;
  test.skipIf(!hasTshark)(
    'Wireshark finds nothing malformed, and the same headers (skipped without tshark)',
    () => {
      const { frames, pcap } = capture(addresses);
      const folder = mkdtempSync(join(tmpdir(), 'rdma-'));
      try {
        const file = join(folder, 'wire.pcapng');
        writeFileSync(file, pcap);
        const fields = [
          '_ws.malformed',
          '_ws.expert.severity',
          'infiniband.bth.opcode',
          'infiniband.bth.psn',
          'infiniband.bth.destqp',
          'infiniband.invariant.crc',
        ];
        const options = ['-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', '-T', 'fields'];
        // Guesses at what the payload is are wrong for a pattern: RPC over RDMA calls short ones malformed.
        const guess = ['--disable-heuristic', 'rpcrdma_infiniband'];
        const args = ['-r', file, ...guess, ...options, ...fields.flatMap((field) => ['-e', field])];
        const lines = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
        const rows = lines
          .trimEnd()
          .split('\n')
          .map((line) => line.split('\t'));
        expect(rows).toHaveLength(frames.length);
        const bth = addresses[0].includes(':') ? 62 : 42;
        const found = rows.map(([malformed, _severity, opcode, psn, destQp, crc]) => [
          malformed,
          Number(opcode),
          Number(psn),
          Number(destQp),
          Number(crc),
        ]);
        const expected = frames.map((frame) => {
          const view = new DataView(frame.buffer, frame.byteOffset);
          const header = [BTH.OPCODE.read(view, bth), BTH.PSN.read(view, bth), BTH.DEST_QP.read(view, bth)];
          return ['', ...header, view.getUint32(frame.length - 4)];
        });
        expect(found).toEqual(expected);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
