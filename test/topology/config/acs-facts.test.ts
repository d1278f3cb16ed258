// The Egress Control Vector. PCIe Base 6.0, 7.7.11.4.
import { describe, expect, it } from 'vitest';
import { ACS_CAPABILITY } from '../../../src/spec/pcie/index.ts';
import { egressVectorBits, factsFromConfig } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

function withVector(sizeField: number, vector: readonly number[]) {
  const { config } = expressFunction(6, 1);
  const acs = config.extended(0x000d, 1, 8 + 32);
  config.set(ACS_CAPABILITY, 0x20 | (sizeField << 8), acs);
  vector.forEach((dword, i) => {
    config.view.setUint32(acs + 8 + 4 * i, dword, true);
  });
  return config;
}

describe('the egress control vector', () => {
  it('has one bit for each port or function', () => {
    const acs = factsFromConfig(withVector(5, [0b10110]).bytes, { isWhole: true }).acs;
    expect(acs?.egressVector).toEqual([false, true, true, false, true]);
  });

  it('of more than 32 bits goes on in the next dword', () => {
    const acs = factsFromConfig(withVector(34, [0, 0b10]).bytes, { isWhole: true }).acs;
    expect(acs?.egressVector).toHaveLength(34);
    expect(acs?.egressVector?.[33]).toBe(true);
    expect(acs?.egressVector?.[32]).toBe(false);
  });

  it('with a size of 0 has 256 bits', () => {
    expect(egressVectorBits(0x0020)).toBe(256);
    expect(factsFromConfig(withVector(0, [1]).bytes, { isWhole: true }).acs?.egressVector).toHaveLength(256);
  });

  it('is null without P2P Egress Control, and where the bytes end before it', () => {
    expect(egressVectorBits(0x051f)).toBe(0);
    const config = withVector(5, [0]);
    expect(factsFromConfig(config.cut(0x108), { isWhole: false }).acs).toMatchObject({
      control: 0,
      egressVector: null,
    });
  });
});
