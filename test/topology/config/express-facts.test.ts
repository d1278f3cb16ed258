// Links as the registers have them. PCIe Base 6.0, 7.5.3.6 to 7.5.3.8 and 7.5.3.18.
import { describe, expect, it } from 'vitest';
import { VENDOR_ID } from '../../../src/spec/pci/index.ts';
import {
  LINK_CAPABILITIES,
  LINK_CAPABILITIES_2,
  LINK_STATUS,
  PCI_EXPRESS_CAPABILITIES,
} from '../../../src/spec/pcie/index.ts';
import { factsFromConfig } from '../../../src/topology/config/index.ts';
import { expressFunction } from '../../support/config-builder.ts';

function linked(type: number, max: readonly [number, number], current: readonly [number, number]) {
  const made = expressFunction(type);
  const { view } = made.config;
  LINK_CAPABILITIES.Max_Link_Speed.write(view, max[0], made.express);
  LINK_CAPABILITIES.Maximum_Link_Width.write(view, max[1], made.express);
  LINK_STATUS.Current_Link_Speed.write(view, current[0], made.express);
  LINK_STATUS.Negotiated_Link_Width.write(view, current[1], made.express);
  return made;
}
const linkOf = (bytes: Uint8Array) => factsFromConfig(bytes, { isWhole: true }).link;

describe('the link', () => {
  it('has what it could do and what it does', () => {
    expect(linkOf(linked(0, [4, 16], [1, 8]).config.bytes)).toEqual({
      max: { speedGTs: 16, width: 16 },
      current: { speedGTs: 2.5, width: 8 },
    });
  });

  it('takes the highest bit of the speeds vector, as Linux does, from version 2 on', () => {
    const { config, express } = linked(0, [3, 16], [3, 16]);
    LINK_CAPABILITIES_2.Supported_Link_Speeds_Vector.write(config.view, 0b11111, express);
    expect(linkOf(config.bytes)?.max?.speedGTs).toBe(32);
    PCI_EXPRESS_CAPABILITIES.Capability_Version.write(config.view, 1, express);
    expect(linkOf(config.bytes)?.max?.speedGTs).toBe(8);
  });

  it('that is down, or has a reserved speed, has no current rate', () => {
    expect(linkOf(linked(4, [3, 16], [1, 0]).config.bytes)?.current).toBeUndefined();
    expect(linkOf(linked(4, [3, 16], [15, 4]).config.bytes)?.current).toBeUndefined();
  });

  it('does not exist for functions of the root complex', () => {
    expect(linkOf(linked(9, [3, 16], [3, 16]).config.bytes)).toBeNull();
    expect(linkOf(linked(10, [3, 16], [3, 16]).config.bytes)).toBeNull();
  });

  it('of a VF says nothing of its current rate', () => {
    const { config } = linked(0, [4, 16], [0, 0]);
    config.set(VENDOR_ID, 0xffff);
    expect(linkOf(config.bytes)).toEqual({ max: { speedGTs: 16, width: 16 }, current: undefined });
  });
});
