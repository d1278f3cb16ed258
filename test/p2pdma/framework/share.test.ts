/** `PeerSpan.share`: a part of peer memory lent to somebody else. */
import { describe, expect, it } from 'vitest';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import type { PeerSpan } from '../../../src/p2pdma/index.ts';

const LAB = `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
below:
  - switch: sw
    below:
      - {memory: card, bars: {0: 16M}, publish: 0}
      - {dma-engine: dma}
`;

function setUp() {
  const machine = LabMachine.boot(parseLab(LAB, 'test'), { label: 'test' });
  const { bdf } = machine.member('card')!;
  const whole = machine.p2pdma.allocSpan(bdf, 2 ** 22) as PeerSpan;
  return { machine, bdf, whole };
}

describe('a shared part of peer memory', () => {
  it('is mapped like any other, at its own place', () => {
    const { machine, whole } = setUp();
    const part = whole.share(8192, 4096);
    const mapping = machine.p2pdma.mapSpan(part, machine.member('dma')!.platform);
    expect(mapping.segments.map(({ addr, lengthBytes }) => [addr - whole.address, lengthBytes])).toEqual([
      [8192, 4096],
    ]);
    mapping.unmap();
  });

  it('keeps the whole from being given back, and gives nothing back itself', () => {
    const { machine, bdf, whole } = setUp();
    const free = machine.p2pdma.provider(bdf)!.availableBytes;
    const part = whole.share(0, 4096);
    expect(() => whole.close()).toThrow(expect.objectContaining({ code: 'P2P_MEMORY_IN_USE' }));
    part.close();
    part.close();
    expect(machine.p2pdma.provider(bdf)!.availableBytes).toBe(free);
    whole.close();
    expect(machine.p2pdma.provider(bdf)!.availableBytes).toBe(free + 2 ** 22);
  });

  it('is revoked with the whole', () => {
    const { machine, bdf, whole } = setUp();
    const part = whole.share(0, 4096);
    machine.run(machine.p2pdma.remove(bdf, 'revoke'));
    expect([part.isRevoked, whole.isRevoked]).toEqual([true, true]);
  });

  it.each([
    [-1, 4096],
    [2 ** 22, 4096],
    [0, 0],
    [0, 2 ** 22 + 1],
  ])('is not made of what is not there (%i, %i)', (offset, length) => {
    expect(() => setUp().whole.share(offset, length)).toThrow('not there');
  });
});
