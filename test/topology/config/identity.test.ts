// What a snapshot must blank in a config space.
import { describe, expect, it } from 'vitest';
import { identityRuns } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

describe('identities in config space', () => {
  it('are the serial number, the last VPD read and the hierarchy ID', () => {
    const { config } = expressFunction(0);
    const vpd = config.capability(0x03, 8);
    const serial = config.extended(0x0003, 1, 12);
    const hierarchy = config.extended(0x0028, 1, 0x24);
    config.extended(0x000d, 1, 8);
    expect(identityRuns(config.bytes)).toEqual([
      { offset: vpd + 4, sizeBytes: 4 },
      { offset: serial + 4, sizeBytes: 8 },
      { offset: hierarchy + 4, sizeBytes: 0x20 },
    ]);
  });

  it('end with the bytes', () => {
    const { config } = expressFunction(0);
    config.extended(0x0003, 1, 12);
    expect(identityRuns(config.cut(0x106))).toEqual([{ offset: 0x104, sizeBytes: 2 }]);
    expect(identityRuns(config.cut(0x104))).toEqual([]);
    expect(identityRuns(config.cut(64))).toEqual([]);
  });
});
