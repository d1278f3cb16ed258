/** Errors that need no provider: sysfs of other machines. What needs one is tried in a virtual machine (test/oracle). */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type PeerlaneError, type PhysAddr, SeededRandom, toBdf } from '../../src/base/index.ts';
import { allocatePeerMemory, directoryTree, kernelP2pmem, peerMemoryState } from '../../src/linux/index.ts';
import { P2pdma, rulesFor } from '../../src/p2pdma/index.ts';
import { hasFfi } from '../support/ffi.ts';
import { sysfsTree } from './sysfs-tree.ts';

const A = toBdf('0000:03:00.0')!;
const DEVICE = `sys/bus/pci/devices/${A}`;

function refusal(entries: Readonly<Record<string, string>>, lengthBytes = 4096): PeerlaneError {
  try {
    allocatePeerMemory(sysfsTree({ sys: '/', ...entries }), A, lengthBytes);
  } catch (error) {
    expect((error as PeerlaneError).message).not.toContain('\n');
    expect((error as PeerlaneError).hint).toBeTruthy();
    return error as PeerlaneError;
  }
  throw new Error('memory was allocated');
}

describe('peer memory that cannot be had', () => {
  it('of a function that is not there', () => {
    expect(refusal({})).toMatchObject({ code: 'P2P_NO_SUCH_FUNCTION', exitStatus: 2 });
  });

  it('of an NVMe controller without a buffer that Linux takes', () => {
    const error = refusal({ [`${DEVICE}/driver`]: '-> ../../../../bus/pci/drivers/nvme' });
    expect(error).toMatchObject({ code: 'P2P_NO_PROVIDER', hint: expect.stringContaining('2 MiB') });
  });

  it('of a function without a driver', () => {
    expect(refusal({ [`${DEVICE}/vendor`]: '0x8086' }).hint).toContain('no driver is bound');
  });

  it('of a driver that offers none', () => {
    expect(refusal({ [`${DEVICE}/driver`]: '-> ../../../../bus/pci/drivers/e1000e' }).hint).toContain(
      'e1000e',
    );
  });

  it('on a kernel before 6.2', () => {
    const error = refusal({
      [`${DEVICE}/p2pmem/size`]: '1024',
      'proc/sys/kernel/osrelease': '6.1.0-44-amd64',
    });
    expect(error).toMatchObject({ code: 'P2P_NO_ALLOCATE', hint: expect.stringContaining('6.2') });
    expect(error.message).toContain('6.1.0-44-amd64');
  });

  it('of no size', () => {
    for (const length of [0, -1, Number.NaN, 1.5]) {
      expect(refusal({}, length)).toMatchObject({ code: 'USAGE_SIZE' });
    }
  });
});

describe.skipIf(!hasFfi())('a provider whose file does not map', () => {
  const root = mkdtempSync(join(tmpdir(), 'peerlane-'));
  afterAll(() => rmSync(root, { recursive: true }));

  it('is told with the errno', () => {
    // A directory opens for reading only, so the open fails as it does when the provider goes away.
    mkdirSync(join(root, DEVICE, 'p2pmem', 'allocate'), { recursive: true });
    writeFileSync(join(root, DEVICE, 'p2pmem', 'size'), '1024\n');
    expect(() => allocatePeerMemory(directoryTree(root), A, 4096, root)).toThrow(
      expect.objectContaining({ code: 'P2P_PROVIDER_GONE', exitStatus: 3 }),
    );
  });
});

describe('the state of a pool', () => {
  it('is what the files say', () => {
    const tree = sysfsTree({
      [`${DEVICE}/p2pmem/size`]: '67108864',
      [`${DEVICE}/p2pmem/available`]: '67043328',
      [`${DEVICE}/p2pmem/published`]: '1',
    });
    expect(peerMemoryState(tree, A)).toEqual({
      sizeBytes: 67108864,
      availableBytes: 67043328,
      published: true,
    });
  });

  it('is a provider of the framework that can be found and allocated from, and nothing else', () => {
    const tree = sysfsTree({
      [`${DEVICE}/p2pmem/size`]: '67108864',
      [`${DEVICE}/p2pmem/available`]: '67043328',
      [`${DEVICE}/p2pmem/published`]: '1',
    });
    const p2pdma = new P2pdma({
      machine: () => {
        throw new Error('not needed here');
      },
      rules: rulesFor('7.2'),
      random: new SeededRandom(1),
    });
    const provider = p2pdma.addKernelOwned(A, kernelP2pmem(tree, A));
    expect([provider.sizeBytes, provider.availableBytes, provider.isPublished]).toEqual([
      67108864,
      67043328,
      true,
    ]);
    expect(() => p2pdma.virtToBus(A, 4096 as PhysAddr)).toThrow(
      expect.objectContaining({ code: 'P2P_KERNEL_OWNED' }),
    );
    expect(() => p2pdma.allocSpan(A, 4096)).toThrow(expect.objectContaining({ code: 'P2P_NO_ALLOCATE' }));
  });

  it('is unknown where a file is missing or holds something else, and absent without a pool', () => {
    const tree = sysfsTree({ [`${DEVICE}/p2pmem/size`]: 'many' });
    expect(peerMemoryState(tree, A)).toEqual({
      sizeBytes: undefined,
      availableBytes: undefined,
      published: undefined,
    });
    expect(peerMemoryState(sysfsTree({ sys: '/' }), A)).toBeUndefined();
  });
});
