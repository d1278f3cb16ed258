// ATS, page requests, PASID. PCIe Base 6.0, 10.5 and 7.8.9.
import { describe, expect, it } from 'vitest';
import {
  ATS_CAPABILITY,
  ATS_CONTROL,
  PAGE_REQUEST_CONTROL,
  PASID_CAPABILITY,
  PASID_CONTROL,
} from '../../../src/spec/pcie/index.ts';
import { atsState, pageRequestState, pasidState } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

function translating() {
  const { config } = expressFunction(0);
  const ats = config.extended(0x000f, 1, 8);
  config.set(ATS_CAPABILITY, 0x0020, ats).set(ATS_CONTROL, 0x8001, ats);
  const pageRequest = config.extended(0x0013, 1, 16);
  config.set(PAGE_REQUEST_CONTROL, 1, pageRequest);
  const pasid = config.extended(0x001b, 1, 8);
  config.set(PASID_CAPABILITY, 0x1400, pasid).set(PASID_CONTROL, 0, pasid);
  return config;
}

describe('address translation', () => {
  it('is told with units', () => {
    const { bytes } = translating();
    expect(atsState(bytes)).toEqual({
      offset: 0x100,
      isEnabled: true,
      invalidateQueueDepth: 32,
      isPageAligned: true,
      smallestTranslationUnitBytes: 8192,
    });
    expect(pageRequestState(bytes)).toEqual({ offset: 0x108, isEnabled: true });
    expect(pasidState(bytes)).toEqual({ offset: 0x118, isEnabled: false, maxWidthBits: 20 });
  });

  it('is null without, and undefined where the bytes end', () => {
    expect(atsState(expressFunction(0).config.bytes)).toBeNull();
    expect(atsState(translating().cut(256))).toBeUndefined();
    expect(pasidState(translating().cut(0x11c))).toBeUndefined();
    expect(pageRequestState(translating().cut(256), { isWhole: true })).toBeNull();
  });
});
