// Features. NVM Express Base 2.1, 5.1.25.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

describe('features', () => {
  it('have identifiers that are all different', () => {
    const numbers = Object.values(nvme.FEATURE);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('read the same from the command and from dword 0 of the completion', () => {
    const command = new DataView(new ArrayBuffer(64));
    command.setUint32(44, 0x001f_003f, true);
    expect(nvme.NUMBER_OF_QUEUES_FEATURE.NSQR.read(command)).toBe(63);
    expect(nvme.NUMBER_OF_QUEUES_FEATURE.NCQR.of(0x001f_003f)).toBe(31);
  });

  it('let a host admit copy formats by their own number (5.1.25.1.14)', () => {
    expect(nvme.HOST_BEHAVIOR_SUPPORT.sizeBytes).toBe(512);
    expect([nvme.HBS_CDFE.CDF2E.low, nvme.HBS_CDFE.CDF3E.low]).toEqual([2, 3]);
    expect(nvme.HBS_CDFE.offset).toBe(4);
  });
});
