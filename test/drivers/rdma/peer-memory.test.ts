import { describe, expect, test } from 'vitest';
import { DONE, PENDING, type Status } from '../../../src/access/index.ts';
import type { NvmeController as Model } from '../../../src/devices/index.ts';
import { RdmaContext, type Sge } from '../../../src/drivers/index.ts';
import type { PeerSpan } from '../../../src/p2pdma/index.ts';
import type { Clock } from '../../support/clock.ts';
import { ALL_ACCESS, Rig } from './rig.ts';

const LENGTH = 256 * 1024;
const CLOCKS: readonly Clock[] = ['untimed', 1, 'tlp', 'flow'];

describe.each(CLOCKS)('peer memory behind an RDMA NIC (clock: %s)', (clock) => {
  test('takes what comes from the wire, and a drive writes it, with no byte of it in host memory', () => {
    const rig = new Rig(clock, {
      more: '      - {nvme: drive, cmb: 16M, namespaces: 64M}',
      moreRight: '      - {memory: source, bars: {0: 16M}, publish: 0}',
    });
    const { machine, left, right } = rig;
    const drive = machine.member('drive')!;
    const source = machine.member('source')!;
    const into = machine.p2pdma.allocSpan(drive.bdf, LENGTH) as PeerSpan;
    const from = machine.p2pdma.allocSpan(source.bdf, LENGTH) as PeerSpan;
    const target = machine.run(left.context.regMr(left.pd, into, ALL_ACCESS));
    const origin = machine.run(right.context.regMr(right.pd, from, ALL_ACCESS, 4096, LENGTH - 4096));
    const bar = source.platform.bar(0)!;
    const memory = (
      source.model as unknown as { memory(bar: number): { fillPattern: CallableFunction } }
    ).memory(0);
    memory.fillPattern(from.address - bar.physAddr, LENGTH, 7, 0);
    const [, b] = rig.connect({ pathMtu: 4096 });
    machine.fabric.counters.reset();
    const piece: Sge = { addr: origin.addr, length: LENGTH - 4096, lkey: origin.lkey };
    b.postSend({
      wrId: 1,
      opcode: 'RDMA_WRITE',
      sgList: [piece],
      remoteAddr: target.addr,
      rkey: target.rkey,
      signaled: true,
    });
    expect(right.poll()).toMatchObject([{ wrId: 1, status: 'SUCCESS' }]);

    const namespace = machine.boundAt(drive.bdf)!.nvme!.openNamespace(1);
    let status: Status = PENDING;
    namespace.onDone = (_token, ended) => {
      status = ended;
    };
    const first = namespace.write(0, into, 0, LENGTH - 4096, 1);
    machine.queue.runUntilIdle();
    expect(first === PENDING ? status : first).toBe(DONE);

    const media = (drive.model as Model).namespace(1)!.data!;
    const expected = (source.model as unknown as { memory(bar: number): typeof media }).memory(0);
    expect(media.firstDifference(0, expected, from.address - bar.physAddr + 4096, LENGTH - 4096)).toBe(-1);
    const counts = machine.fabric.counters.read();
    expect(counts.dramRead.dataBytes + counts.dramWrite.dataBytes + counts.rootPorts.dataBytes).toBe(0);
    expect(counts.dramRead.controlBytes).toBeGreaterThan(0);
  });

  test('is refused where nobody maps it, or no route is allowed', () => {
    const rig = new Rig(clock, { more: '      - {nvme: drive, cmb: 16M, namespaces: 64M}' });
    const { machine, left } = rig;
    const span = machine.p2pdma.allocSpan(machine.member('drive')!.bdf, 4096)!;
    left.context.close();
    const alone = machine.run(RdmaContext.open(machine.member('left')!.platform));
    expect(() => machine.run(alone.regMr(alone.allocPd(), span, {}))).toThrow(
      expect.objectContaining({ code: 'RDMA_NO_MAPPER' }),
    );
  });
});
