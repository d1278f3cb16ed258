// Strings and numbers in runs of bytes. NVM Express Base 2.1, 1.4.2.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

describe('byte runs', () => {
  const view = (): DataView => new DataView(new ArrayBuffer(4096));

  it('pad text with spaces and read it back without (1.4.2)', () => {
    const data = view();
    nvme.setAscii(nvme.ID_SN, data, 'S1\u00e9');
    expect(nvme.bytesOf(nvme.ID_SN, data)).toEqual(
      new Uint8Array([0x53, 0x31, 0x3f, ...new Array<number>(17).fill(0x20)]),
    );
    expect(nvme.asciiOf(nvme.ID_SN, data)).toBe('S1?');
  });

  it('cut text that is too long, and end at a null byte', () => {
    const data = view();
    nvme.setAscii(nvme.ID_FR, data, '0123456789');
    expect(nvme.asciiOf(nvme.ID_FR, data)).toBe('01234567');
    expect(nvme.asciiOf(nvme.ID_MN, data)).toBe('');
    expect(data.getUint8(72)).toBe(0);
  });

  it('hold numbers of 128 bits exactly, at any base', () => {
    const data = view();
    const value = 0x0123_4567_89ab_cdef_0011_2233_4455_6677n;
    nvme.setUnsigned(nvme.SMART_DUR, data, value, 64);
    expect(nvme.unsignedOf(nvme.SMART_DUR, data, 64)).toBe(value);
    expect(data.getUint8(64 + 32)).toBe(0x77);
    nvme.setUnsigned(nvme.SMART_DUR, data, 5, 64);
    expect(nvme.unsignedOf(nvme.SMART_DUR, data, 64)).toBe(5n);
  });
});
