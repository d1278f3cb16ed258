/** Peer memory of the running kernel behind the same interface. */
import { describe, expect, it } from 'vitest';
import type { Span } from '../../../src/access/index.ts';
import type { PhysAddr } from '../../../src/base/index.ts';
import type { KernelP2pmem } from '../../../src/p2pdma/index.ts';
import { bdf } from '../support/build-machine.ts';
import { bench, FakeFunction, MIB, PAGE, refusalOf } from './fake-function.ts';

function kernelMemory(): KernelP2pmem & { isPublished: boolean } {
  return {
    sizeBytes: 64 * MIB,
    availableBytes: 32 * MIB,
    isPublished: true,
    allocate: (lengthBytes) => ({ kind: 'peer', lengthBytes, provider: bdf('03:00.0') }) as Span,
  };
}

describe('memory that the kernel owns', () => {
  const { p2pdma } = bench();
  const fn = new FakeFunction('03:00.0');
  const client = new FakeFunction('04:00.0');
  const memory = kernelMemory();
  const provider = p2pdma.addKernelOwned(fn.bdf, memory);

  it('tells its state and allocates', () => {
    expect(provider).toMatchObject({ sizeBytes: 64 * MIB, availableBytes: 32 * MIB, isPublished: true });
    expect(p2pdma.allocSpan(fn.bdf, PAGE).lengthBytes).toBe(PAGE);
  });

  it('is found while it is published', () => {
    expect(p2pdma.find(client)).toBe(provider);
    memory.isPublished = false;
    expect(p2pdma.find(client)).toBeNull();
    memory.isPublished = true;
  });

  it('refuses everything else', () => {
    const address = 0 as PhysAddr;
    const calls = [
      () => p2pdma.publish(fn.bdf),
      () => p2pdma.alloc(fn.bdf, PAGE),
      () => p2pdma.free(fn.bdf, address, PAGE),
      () => p2pdma.virtToBus(fn.bdf, address),
      () => p2pdma.allocSgl(fn.bdf, PAGE),
      () => provider.freeSgl([]),
      () => provider.holdPages(address, PAGE),
      () => p2pdma.remove(fn.bdf, 'wait'),
      () => p2pdma.addResource(fn, 0),
      () => p2pdma.mmap(fn.bdf, { lengthBytes: PAGE }),
      () => p2pdma.mapSpan(p2pdma.allocSpan(fn.bdf, PAGE), client),
    ];
    expect(calls.map((call) => refusalOf(call).code)).toEqual(calls.map(() => 'P2P_KERNEL_OWNED'));
  });
});
