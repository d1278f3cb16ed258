import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/index.ts';
import {
  crc16T10Dif,
  crc32c,
  crc64Nvme,
  crc64State,
  LBA_FORMATS,
  LBA_FORMATS_WIDE,
  Protection,
  Tags,
} from '../../../../src/devices/nvme/media/index.ts';
import { GUARD_CHECKS, NVME_STATUS, PRINFO } from '../../../../src/spec/nvme/index.ts';
import { slowGuard } from '../io/slow-guard.ts';

const CHECK = new TextEncoder().encode('123456789');

describe('guards (NVM Command Set 1.1, 5.3.1)', () => {
  it('give the check values of their parameters', () => {
    expect(BigInt(crc16T10Dif(0, CHECK, 0, 9))).toBe(GUARD_CHECKS[0]!.check);
    expect(BigInt(~crc32c(0xffff_ffff, CHECK, 0, 9) >>> 0)).toBe(GUARD_CHECKS[1]!.check);
    crc64State.low = 0xffff_ffff;
    crc64State.high = 0xffff_ffff;
    crc64Nvme(CHECK, 0, 9);
    const value = (BigInt(~crc64State.high >>> 0) << 32n) | BigInt(~crc64State.low >>> 0);
    expect(value).toBe(GUARD_CHECKS[2]!.check);
  });

  it('the slow ones of the tests do too', () => {
    for (const [format, { check, widthBits }] of GUARD_CHECKS.entries()) {
      const bytes = slowGuard(format, CHECK);
      const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
      expect(value).toBe(check);
      expect(bytes.length * 8).toBe(widthBits);
    }
  });
});

describe('tags', () => {
  it('count in the bits of the reference tag only, and wrap there', () => {
    const tags = new Tags(4, 12, true);
    tags.setDwords(0, 0, 0xabcd_effe);
    tags.next();
    expect([...tags.bytes]).toEqual([0xab, 0xcd, 0xef, 0xff]);
    tags.next();
    expect([...tags.bytes]).toEqual([0xab, 0xcd, 0xe0, 0x00]);
  });

  it('take 80 bits from CDW2, CDW3 and CDW14, and are compared with the low bits of an LBA', () => {
    const tags = new Tags(10, 64, true);
    tags.setDwords(0x1234_5678, 0x0009_abcd, 0xef01_2345);
    expect([...tags.bytes]).toEqual([0x56, 0x78, 0x00, 0x09, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45]);
    expect(tags.isOfBlock(0x9_abcd_ef01_2345)).toBe(true);
    expect(tags.isOfBlock(0x8_abcd_ef01_2345)).toBe(false);
    const six = new Tags(6, 48, true);
    six.setDwords(0xffff, 0xffff_0001, 2);
    expect([...six.bytes]).toEqual([0x00, 0x01, 0, 0, 0, 2]);
    expect(six.isOfBlock(0x1_0000_0002)).toBe(true);
  });

  it('do not count in type 3', () => {
    const tags = new Tags(4, 32, false);
    tags.setDwords(0, 0, 7);
    tags.next();
    expect(tags.bytes[3]).toBe(7);
  });
});

const FORMATS = [...LBA_FORMATS, ...LBA_FORMATS_WIDE].filter((format) => format.metadataBytes > 0);

describe('protection information (NVM Command Set 1.1, 5.3.2)', () => {
  it.each(FORMATS)(
    'is made as the specification lays it out: $blockBytes + $metadataBytes, guard $guardFormat',
    (format) => {
      if (format.guardFormat !== 0 && format.metadataBytes < 16) {
        return;
      }
      const random = new SeededRandom(5);
      for (const isFirst of [true, false]) {
        const protection = new Protection(format, 1, isFirst);
        const data = Uint8Array.from({ length: format.blockBytes }, () => random.below(256));
        const metadata = Uint8Array.from({ length: format.metadataBytes }, () => random.below(256));
        const size = protection.layout.sizeBytes;
        const start = isFirst ? 0 : format.metadataBytes - size;
        const covered = Uint8Array.from([...data, ...metadata.subarray(0, start)]);
        const before = metadata.slice();
        const tags = protection.makeTags();
        tags.setDwords(1, 2, 3);
        protection.generate(data, 0, metadata, 0, 0xabcd, tags);
        const guard = slowGuard(format.guardFormat, covered);
        expect([...metadata.subarray(start, start + size)]).toEqual([...guard, 0xab, 0xcd, ...tags.bytes]);
        // The rest of the metadata is the host's.
        metadata.set(before.subarray(start, start + size), start);
        expect(metadata).toEqual(before);
      }
    },
  );

  it('is checked in the order guard, application tag, storage tag, reference tag', () => {
    const format = { blockBytes: 512, metadataBytes: 8, guardFormat: 0, storageTagBits: 8 };
    const protection = new Protection(format, 2, false);
    const data = new Uint8Array(512).fill(3);
    const metadata = new Uint8Array(8);
    const tags = protection.makeTags();
    tags.setDwords(0, 0, 0x1122_3344);
    protection.generate(data, 0, metadata, 0, 0x5566, tags);
    const check = (checks: number, storage: boolean, app: number, mask: number, tag: number): number => {
      const expected = protection.makeTags();
      expected.setDwords(0, 0, tag);
      return protection.check(data, 0, metadata, 0, checks, storage, app, mask, expected);
    };
    expect(check(PRINFO.PRCHK, true, 0x5566, 0xffff, 0x1122_3344)).toBe(0);
    expect(check(PRINFO.PRCHK, true, 0x5567, 0xfffe, 0x1122_3344)).toBe(0);
    expect(check(PRINFO.PRCHK, true, 0x5567, 0xffff, 0)).toBe(NVME_STATUS.APPLICATION_TAG_CHECK_ERROR);
    expect(check(PRINFO.PRCHK, true, 0x5566, 0xffff, 0)).toBe(NVME_STATUS.STORAGE_TAG_CHECK_ERROR);
    expect(check(PRINFO.PRCHK, false, 0x5566, 0xffff, 0)).toBe(NVME_STATUS.REFERENCE_TAG_CHECK_ERROR);
    expect(check(PRINFO.PRCHK, false, 0x5566, 0xffff, 0x22_3344)).toBe(0);
    data[0] = 4;
    expect(check(PRINFO.PRCHK, true, 0, 0xffff, 0)).toBe(NVME_STATUS.GUARD_CHECK_ERROR);
    expect(check(0, false, 0, 0xffff, 0)).toBe(0);
  });

  it('an application tag of FFFFh switches the checks off; in type 3 only with a reference tag of all ones', () => {
    const format = LBA_FORMATS[1]!;
    for (const type of [1, 2, 3]) {
      const protection = new Protection(format, type, false);
      const run = (metadata: number[]): number =>
        protection.check(
          new Uint8Array(512),
          0,
          Uint8Array.from(metadata),
          0,
          PRINFO.PRCHK_GUARD,
          false,
          0,
          0,
          protection.makeTags(),
        );
      expect(run([1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])).toBe(0);
      expect(run([1, 2, 0xff, 0xff, 0, 0, 0, 0])).toBe(type === 3 ? NVME_STATUS.GUARD_CHECK_ERROR : 0);
      expect(run([1, 2, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff])).toBe(NVME_STATUS.GUARD_CHECK_ERROR);
    }
  });
});
