// Logged errors by name. PCIe Base 6.0, 7.8.4.
import { describe, expect, it } from 'vitest';
import {
  CORRECTABLE_ERROR_STATUS,
  UNCORRECTABLE_ERROR_MASK,
  UNCORRECTABLE_ERROR_SEVERITY,
  UNCORRECTABLE_ERROR_STATUS,
} from '../../../src/spec/pcie/index.ts';
import { aerState } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

describe('Advanced Error Reporting', () => {
  it('names the bits that are set', () => {
    const { config } = expressFunction(6, 1);
    const aer = config.extended(0x0001, 2, 0x48);
    config
      .set(UNCORRECTABLE_ERROR_STATUS, 0x0020_0000, aer)
      .set(UNCORRECTABLE_ERROR_MASK, 0x0010_0000, aer)
      .set(UNCORRECTABLE_ERROR_SEVERITY, 0x0046_2030, aer)
      .set(CORRECTABLE_ERROR_STATUS, 0x0000_0041, aer);
    expect(aerState(config.bytes)).toEqual({
      offset: aer,
      uncorrectable: ['ACS_Violation'],
      uncorrectableMasked: ['Unsupported_Request_Error'],
      uncorrectableFatal: [
        'Data_Link_Protocol_Error',
        'Surprise_Down_Error',
        'Flow_Control_Protocol_Error',
        'Receiver_Overflow',
        'Malformed_TLP',
        'Uncorrectable_Internal_Error',
      ],
      correctable: ['Receiver_Error', 'Bad_TLP'],
      correctableMasked: [],
    });
  });

  it('is null without, and undefined where the bytes end', () => {
    const { config } = expressFunction(0);
    expect(aerState(config.bytes)).toBeNull();
    config.extended(0x0001, 2, 0x48);
    expect(aerState(config.cut(256))).toBeUndefined();
    expect(aerState(config.cut(0x110))).toBeUndefined();
  });
});
