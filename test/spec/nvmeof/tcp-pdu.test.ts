import { describe, expect, test } from 'vitest';
import {
  PDU_STRUCTURES,
  PDU_TYPE,
  pduAlignmentBytes,
  pduHeaderBytes,
  r2tCountMax,
} from '../../../src/spec/nvmeof/index.ts';

describe('the PDUs of NVMe/TCP', () => {
  test('have headers as long as their tables', () => {
    const lengthOf = Object.fromEntries(PDU_STRUCTURES.map(({ name, sizeBytes }) => [name, sizeBytes]));
    expect(pduHeaderBytes(PDU_TYPE.IC_REQ)).toBe(lengthOf.ICReq);
    expect(pduHeaderBytes(PDU_TYPE.IC_RESP)).toBe(lengthOf.ICResp);
    expect(pduHeaderBytes(PDU_TYPE.H2C_TERM_REQ)).toBe(lengthOf.TermReq);
    expect(pduHeaderBytes(PDU_TYPE.C2H_TERM_REQ)).toBe(lengthOf.TermReq);
    expect(pduHeaderBytes(PDU_TYPE.CAPSULE_CMD)).toBe(lengthOf.CapsuleCmd);
    expect(pduHeaderBytes(PDU_TYPE.CAPSULE_RESP)).toBe(lengthOf.CapsuleResp);
    expect(pduHeaderBytes(PDU_TYPE.H2C_DATA)).toBe(lengthOf.H2CData);
    expect(pduHeaderBytes(PDU_TYPE.C2H_DATA)).toBe(lengthOf.C2HData);
    expect(pduHeaderBytes(PDU_TYPE.R2T)).toBe(lengthOf.R2T);
    expect(pduHeaderBytes(0x08)).toBe(0);
  });

  test('count from 0 where the text does', () => {
    expect([0, 31].map(pduAlignmentBytes)).toEqual([4, 128]);
    expect([0, 15].map(r2tCountMax)).toEqual([1, 16]);
  });
});
