import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/index.ts';
import { type BackingFile, Namespace } from '../../../../src/devices/nvme/media/index.ts';
import type { NamespaceOptions } from '../../../../src/devices/nvme/options.ts';
import { Memory, patternBytes, patternSeed } from '../../../../src/fabric/index.ts';

function make(options: Partial<NamespaceOptions> = {}, extra: object = {}): Namespace {
  return new Namespace({ nsid: 2, seed: 77, options: { sizeBlocks: 1000, ...options }, ...extra });
}

function blockOf(namespace: Namespace, lba: number): number[] {
  const bytes = new Uint8Array(namespace.blockBytes);
  namespace.settle(lba, 1);
  namespace.loadBytes(lba, 1, bytes, 0);
  return [...bytes];
}

function put(namespace: Namespace, lba: number, value: number, isDurable = false): void {
  const from = Memory.flat(namespace.blockBytes);
  from.fill(0, namespace.blockBytes, value);
  namespace.beginWrite(lba, 1);
  namespace.store(lba, 1, from, 0);
  namespace.endWrite(lba, 1, isDurable);
}

describe('content from the factory', () => {
  it('is a pattern that follows from the seed of the drive and the NSID, and costs no memory', () => {
    const namespace = make();
    const expected = new Uint8Array(512);
    patternBytes(patternSeed(77, 2), 5 * 512, expected, 0, 512);
    expect(blockOf(namespace, 5)).toEqual([...expected]);
    expect(namespace.data!.committedBytes).toBe(0);
    expect(namespace.usedBlocks).toBe(1000);
  });

  it('is nothing without a pattern, and what is in given memory otherwise', () => {
    expect(make({ isPatterned: false }).usedBlocks).toBe(0);
    const backing = Memory.flat(512_000);
    backing.fill(512, 512, 9);
    expect(blockOf(make({ backing }), 1)).toEqual(new Array(512).fill(9));
    expect(make({ backing }).usedBlocks).toBe(1000);
  });
});

describe('deallocation (NVM Command Set 1.1, 3.3.3)', () => {
  it('reads as zeroes, in small ranges and in huge ones, and counts', () => {
    const namespace = make({ sizeBlocks: 2 ** 32 });
    expect(namespace.deallocate(10, 5)).toBe(0);
    expect(blockOf(namespace, 12)).toEqual(new Array(512).fill(0));
    expect(namespace.deallocate(1000, 2 ** 31)).toBe(0);
    expect(namespace.usedBlocks).toBe(2 ** 32 - 2 ** 31 - 5);
    expect(blockOf(namespace, 2 ** 20)).toEqual(new Array(512).fill(0));
    expect(blockOf(namespace, 999)).not.toEqual(new Array(512).fill(0));
    put(namespace, 2 ** 21, 7);
    expect(blockOf(namespace, 2 ** 21)).toEqual(new Array(512).fill(7));
    expect(blockOf(namespace, 2 ** 21 + 1)).toEqual(new Array(512).fill(0));
    expect(namespace.firstUnallocated(2 ** 21, 3)).toBe(2 ** 21 + 1);
  });

  it('has no effect on a namespace that is not thin', () => {
    const namespace = make({ isThin: false });
    const before = blockOf(namespace, 3);
    namespace.deallocate(0, 1000);
    expect(blockOf(namespace, 3)).toEqual(before);
    expect(namespace.usedBlocks).toBe(1000);
  });

  it('leaves protection information that passes every check, and zero metadata', () => {
    const namespace = make({ metadataBytes: 16, piType: 1 });
    namespace.metadata.fill(0, 16 * 1000, 1);
    namespace.deallocate(4, 1);
    namespace.settle(4, 1);
    const metadata = new Uint8Array(16);
    namespace.metadata.read(4 * 16, metadata, 0, 16);
    expect([...metadata]).toEqual([...new Array(8).fill(0), ...new Array(8).fill(0xff)]);
  });
});

describe('bad blocks', () => {
  it('stay bad until they are written', () => {
    const namespace = make();
    namespace.markBad(5, 3);
    expect(namespace.firstBad(0, 1000)).toBe(5);
    put(namespace, 5, 1);
    expect(namespace.firstBad(0, 1000)).toBe(6);
    namespace.deallocate(6, 2);
    expect(namespace.firstBad(0, 1000)).toBe(-1);
  });
});

describe('formatting (Base 2.1, 5.1.10)', () => {
  it('gives everything back and follows the new format', () => {
    const namespace = make({ sizeBlocks: 1024 });
    const index = namespace.formats.findIndex(
      (format) => format.blockBytes === 4096 && format.metadataBytes === 8,
    );
    const request = { index, isExtended: true, piType: 2, isPiFirst: true };
    expect(namespace.canFormat(request)).toBe(true);
    put(namespace, 0, 3);
    namespace.reformat(request);
    expect(namespace.sizeBlocks).toBe(128);
    expect(namespace.hostBlockBytes).toBe(4104);
    expect(namespace.usedBlocks).toBe(0);
    expect(namespace.isPlain).toBe(false);
    expect(blockOf(namespace, 0)).toEqual(new Array(4096).fill(0));
  });

  it('refuses protection without room for it, and formats that are not in the list', () => {
    const namespace = make();
    const rest = { isExtended: false, isPiFirst: false };
    expect(namespace.canFormat({ index: 0, piType: 1, ...rest })).toBe(false);
    expect(namespace.canFormat({ index: 1, piType: 1, ...rest })).toBe(true);
    expect(namespace.canFormat({ index: 63, piType: 0, ...rest })).toBe(false);
    expect(namespace.canFormat({ index: 1, piType: 4, ...rest })).toBe(false);
  });

  it('a format of its own stands behind the common ones', () => {
    const namespace = make({ blockBytes: 2048, metadataBytes: 24 });
    expect(namespace.formats[namespace.formatIndex]).toMatchObject({ blockBytes: 2048, metadataBytes: 24 });
    expect(namespace.commonFormatCount).toBe(namespace.formatIndex + 1);
  });
});

describe('loss of power (Base 2.1, 5.1.25.1.4)', () => {
  const lost = (seed: number): string => {
    const namespace = make({}, { tracksPowerLoss: true });
    for (let lba = 0; lba < 64; lba++) {
      put(namespace, lba, 1);
    }
    namespace.flush();
    for (let lba = 0; lba < 64; lba++) {
      put(namespace, lba, 2, lba >= 48);
    }
    expect(namespace.volatileBlocks).toBe(48);
    namespace.losePower(new SeededRandom(seed));
    let text = '';
    for (let lba = 0; lba < 64; lba++) {
      const bytes = blockOf(namespace, lba);
      expect(new Set(bytes).size).toBe(1);
      text += bytes[0];
    }
    return text;
  };

  it('undoes some of what was not flushed, none of what was durable, and the seed says which', () => {
    expect(lost(1)).toBe(lost(1));
    expect(lost(1)).not.toBe(lost(2));
    expect(lost(1).slice(48)).toBe('2'.repeat(16));
    expect(lost(1).slice(0, 48)).toMatch(/^(?=.*1)(?=.*2)[12]+$/);
  });

  it('undoes what was under way, so that no block is torn', () => {
    const namespace = make({}, { tracksPowerLoss: true });
    const before = blockOf(namespace, 9);
    namespace.markBad(8, 1);
    namespace.beginWrite(8, 2);
    namespace.data!.fill(8 * 512, 700, 5);
    namespace.losePower(new SeededRandom(1));
    expect(blockOf(namespace, 9)).toEqual(before);
    expect(namespace.firstBad(8, 1)).toBe(8);
  });

  it('undoes nothing when it is not tracked', () => {
    const namespace = make();
    put(namespace, 1, 4);
    namespace.losePower(new SeededRandom(1));
    expect(blockOf(namespace, 1)).toEqual(new Array(512).fill(4));
  });
});

describe('a file behind the blocks', () => {
  it('is read, written and flushed; its failures are media errors', () => {
    const bytes = new Uint8Array(512_000).fill(3);
    let flushes = 0;
    let isBroken = false;
    const file: BackingFile = {
      sizeBytes: bytes.length,
      read(offset, into, intoOffset, length) {
        into.set(bytes.subarray(offset, offset + length), intoOffset);
        return !isBroken;
      },
      write(offset, from, fromOffset, length) {
        bytes.set(from.subarray(fromOffset, fromOffset + length), offset);
        return !isBroken;
      },
      flush() {
        flushes++;
        return !isBroken;
      },
    };
    const namespace = make({}, { backing: file });
    expect(namespace.data).toBeNull();
    expect(blockOf(namespace, 7)).toEqual(new Array(512).fill(3));
    put(namespace, 7, 8);
    expect(bytes[7 * 512]).toBe(8);
    expect(namespace.flush()).toBe(0);
    expect(flushes).toBe(1);
    expect(namespace.deallocate(7, 1)).toBe(0);
    expect(bytes[7 * 512]).toBe(0);
    isBroken = true;
    expect(namespace.flush()).toBe(0x280);
    expect(namespace.load(0, 300, Memory.flat(300 * 512), 0)).toBe(0x281);
    expect(namespace.store(0, 300, Memory.flat(300 * 512), 0)).toBe(0x280);
  });
});
