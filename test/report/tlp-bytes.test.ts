// Headers word by word, worked out by hand from the figures of PCIe Base 6.0, 2.2.
import { describe, expect, it } from 'vitest';
import { encodeTlpHeader, type TlpFields } from '../../src/report/index.ts';

function words(fields: TlpFields): string {
  const bytes = new Uint8Array(20).fill(0xee);
  const length = encodeTlpHeader(fields, bytes, 2);
  // Nothing around it is touched.
  expect([bytes[0], bytes[1], ...bytes.subarray(2 + length)].every((byte) => byte === 0xee)).toBe(true);
  return Buffer.from(bytes.subarray(2, 2 + length))
    .toString('hex')
    .replace(/(.{8})(?=.)/g, '$1 ');
}

describe('headers of packets', () => {
  it('a write below 4 GiB has three words, one from there on four (2.2.4.1)', () => {
    const write = { type: 'MWr', requesterId: 0x0300, lengthDw: 64 } as const;
    expect(words({ ...write, addr: 0xffff_fffc })).toBe('40000040 030000ff fffffffc');
    expect(words({ ...write, addr: 0x1_0000_0000 })).toBe('60000040 030000ff 00000001 00000000');
  });

  it('a read of one word has no last byte enables; 1024 words are 0 (2.2.2, 2.2.5)', () => {
    expect(
      words({ type: 'MRd', requesterId: 0x1, tag: 0x21, lengthDw: 1, firstEnables: 3, addr: 0x1002 }),
    ).toBe('00000001 00012103 00001000');
    expect(words({ type: 'MRd', requesterId: 0x1, lengthDw: 1024, addr: 0 })).toBe(
      '00000000 000100ff 00000000',
    );
  });

  it('ten bits of tag, attributes, class, poison and address type have their places (2.2.1.1, 2.2.6)', () => {
    expect(
      words({
        type: 'MRd',
        requesterId: 0xabcd,
        tag: 0x3ff,
        lengthDw: 2,
        trafficClass: 5,
        attributes: 7,
        addressType: 2,
        isPoisoned: true,
        addr: 0,
      }),
    ).toBe('00dc7802 abcdffff 00000000');
  });

  it('says that a digest follows (TD, 2.2.1.1)', () => {
    expect(words({ type: 'MRd', requesterId: 0x1, lengthDw: 1, hasDigest: true, addr: 0 })).toBe(
      '00008001 0001000f 00000000',
    );
  });

  it('a completion names both sides, what is left and where (2.2.9)', () => {
    const base = { requesterId: 0x0300, completerId: 0x0408, tag: 0x105 } as const;
    expect(words({ ...base, type: 'CplD', lengthDw: 16, byteCount: 4096, lowerAddr: 0x40 })).toBe(
      '4a080010 04080000 03000540',
    );
    expect(words({ ...base, type: 'Cpl', lengthDw: 0, byteCount: 64, completionStatus: 4 })).toBe(
      '0a080000 04088040 03000500',
    );
  });

  it('a configuration request has a register (2.2.7), a message its code and way (2.2.8)', () => {
    expect(words({ type: 'CfgWr1', requesterId: 0, completerId: 0x0501, lengthDw: 1, addr: 0x154 })).toBe(
      '45000001 0000000f 05010154',
    );
    expect(
      words({ type: 'Msg', requesterId: 0x0200, lengthDw: 0, messageCode: 0x30, messageRouting: 0 }),
    ).toBe('30000000 02000030 00000000 00000000');
    expect(
      words({ type: 'MsgD', requesterId: 0x0200, lengthDw: 1, messageCode: 0x50, messageRouting: 4 }),
    ).toBe('74000001 02000050 00000000 00000000');
  });
});
