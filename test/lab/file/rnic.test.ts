import { describe, expect, test } from 'vitest';
import { parseLab, printLab } from '../../../src/lab/index.ts';

const lab = (fields: string): string =>
  `peerlane: lab/1\nbelow:\n  - root-port: rp\n    below:\n      - {rnic: a, ${fields}}\n`;
const nic = (text: string) => {
  const port = parseLab(text, 'test').hostBridges[0]!.below[0]!;
  return 'below' in port ? port.below[0] : undefined;
};

describe('an RDMA NIC of a lab file', () => {
  test.each([
    [
      'address: 10.1.2.3',
      { address: [0, 0, 0xffff, 0x0a010203], wire: null, mac: null, bitsPerSecond: 100e9 },
    ],
    ['address: "fd00::1:2"', { address: [0xfd000000, 0, 0, 0x10002] }],
    ['address: "::1"', { address: [0, 0, 0, 1] }],
    ['address: "1:2:3:4:5:6:7:8"', { address: [0x10002, 0x30004, 0x50006, 0x70008] }],
    [
      'address: 10.0.0.1, mac: "02:11:22:33:44:55", wire: w, rate: 25G, delay: 2us, loss: 1%',
      {
        mac: { high: 0x0211, low: 0x2233_4455 },
        wire: 'w',
        bitsPerSecond: 25e9,
        delayPs: 2e6,
        lossRate: 0.01,
      },
    ],
  ])('%s is read, and printed so that it is read again', (fields, expected) => {
    const text = lab(fields);
    expect(nic(text)).toMatchObject(expected);
    expect(nic(printLab(parseLab(text, 'test')))).toEqual(nic(text));
  });

  test.each([
    'wire: w',
    'address: 10.0.0.256',
    'address: 0.0.0.0',
    'address: "::"',
    'address: "1::2::3"',
    'address: "12345::"',
    'address: 10.0.0.1, mac: "01:00:00:00:00:00"',
    'address: 10.0.0.1, loss: 0.95',
    'address: 10.0.0.1, rate: 0',
  ])('%s is refused', (fields) => {
    expect(() => parseLab(lab(fields), 'test')).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^LAB_/) }),
    );
  });
});
