// Status codes. NVM Express Base 2.1, 4.2.3; NVM Command Set 1.1, 3.1.2.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CQE_STATUS,
  NVME_STATUS,
  STATUS_WORD_DNR,
  STATUS_WORD_MORE,
  statusCode,
  statusCodeType,
  statusMeaning,
  statusName,
  statusOf,
  statusOfWord,
  statusWord,
} from '../../../src/spec/nvme/index.ts';

const codes = Object.entries(NVME_STATUS);

describe('status codes', () => {
  it('are all different, in number, name and meaning', () => {
    expect(new Set(codes.map(([, code]) => code)).size).toBe(codes.length);
    expect(new Set(codes.map(([, code]) => statusName(code))).size).toBe(codes.length);
  });

  it('each have a meaning of one sentence', () => {
    for (const [key, code] of codes) {
      expect(statusMeaning(code), key).toMatch(/^\S.*\.$/);
    }
  });

  it('include those that a host and QEMU agree on', () => {
    expect(NVME_STATUS.INVALID_CMB_USE).toBe(0x012);
    expect(NVME_STATUS.LBA_OUT_OF_RANGE).toBe(0x080);
    expect(NVME_STATUS.INVALID_FORMAT).toBe(0x10a);
    expect(NVME_STATUS.COMMAND_SIZE_LIMIT).toBe(0x183);
    expect(NVME_STATUS.OVERLAPPING_IO_RANGE).toBe(0x187);
    expect(NVME_STATUS.COMPARE_FAILURE).toBe(0x285);
    expect(NVME_STATUS.DEALLOCATED_OR_UNWRITTEN).toBe(0x287);
    expect(NVME_STATUS.ABORTED_BY_HOST).toBe(0x371);
  });

  it('without a name are told by type and code', () => {
    expect(statusName(statusOf(7, 0x4a))).toBe('Vendor Specific 4Ah');
    expect(statusName(statusOf(5, 1))).toBe('Reserved 01h');
    expect(statusMeaning(0x74a)).toBeNull();
    expect(statusName(NVME_STATUS.INVALID_FIELD)).toBe('Invalid Field in Command');
  });

  it('pack and unpack', () => {
    fc.assert(
      fc.property(fc.nat(7), fc.nat(255), (sct, sc) => {
        const packed = statusOf(sct, sc);
        expect([statusCodeType(packed), statusCode(packed)]).toEqual([sct, sc]);
      }),
    );
  });

  it('make the status word that the table of the completion reads', () => {
    fc.assert(
      fc.property(fc.nat(0x7ff), fc.nat(1), fc.boolean(), fc.boolean(), (packed, phase, more, dnr) => {
        const word = statusWord(packed, phase, (more ? STATUS_WORD_MORE : 0) | (dnr ? STATUS_WORD_DNR : 0));
        expect(CQE_STATUS.P.of(word)).toBe(phase);
        expect(statusOf(CQE_STATUS.SCT.of(word), CQE_STATUS.SC.of(word))).toBe(packed);
        expect(CQE_STATUS.M.of(word)).toBe(Number(more));
        expect(CQE_STATUS.DNR.of(word)).toBe(Number(dnr));
        expect(statusOfWord(word)).toBe(packed);
      }),
    );
  });
});
