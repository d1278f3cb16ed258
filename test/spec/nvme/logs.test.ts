// Log pages. NVM Express Base 2.1, 5.1.12.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

describe('log pages', () => {
  it('have identifiers that are all different', () => {
    const numbers = Object.values(nvme.LOG_PAGE);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('have the sizes of the specification (5.1.12.1)', () => {
    expect(nvme.ERROR_LOG_ENTRY.sizeBytes).toBe(64);
    expect(nvme.SMART_LOG.sizeBytes).toBe(512);
    expect(nvme.FIRMWARE_SLOT_LOG.sizeBytes).toBe(512);
    expect(nvme.SANITIZE_LOG.sizeBytes).toBe(512);
    expect(nvme.ENDURANCE_GROUP_LOG.sizeBytes).toBe(512);
    expect(nvme.TELEMETRY_HEADER.sizeBytes).toBe(512);
    expect(nvme.COMMAND_EFFECTS_LOG.sizeBytes).toBe(4096);
    expect(nvme.SELF_TEST_LOG.sizeBytes).toBe(564);
  });

  it('keep SMART counters where smartmontools and libnvme read them', () => {
    expect(
      [
        nvme.SMART_CTEMP,
        nvme.SMART_DUR,
        nvme.SMART_HRC,
        nvme.SMART_POH,
        nvme.SMART_NEILE,
        nvme.SMART_WCTT,
      ].map((part) => part.offset),
    ).toEqual([1, 32, 64, 128, 176, 192]);
    expect(nvme.SMART_TSEN.at(7)).toBe(214);
  });

  it('count data in thousands of 512 bytes, rounded up (5.1.12.1.3)', () => {
    expect([0, 1, 512_000, 512_001].map(nvme.smartDataUnits)).toEqual([0, 1, 1, 2]);
  });

  it('index effects by opcode', () => {
    expect(nvme.EFFECTS_ACS.at(nvme.ADMIN_OPCODE.FORMAT_NVM)).toBe(0x200);
    expect(nvme.EFFECTS_IOCS.at(nvme.NVM_OPCODE.COPY)).toBe(1024 + 0x64);
  });
});
