import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { functionConfig, portConfig, restoreImage } from '../../../src/fabric/config/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  LINK_CAPABILITIES,
} from '../../../src/spec/pcie/index.ts';
import { decodeConfig } from '../../../src/topology/config/index.ts';
import { expressOf, functionOf } from '../firmware/fake-machine.ts';
import { functionArbitrary, portArbitrary } from './descriptions.ts';

describe('an image of a real function', () => {
  it('gives identity and features, wherever its capabilities are', () => {
    const real = functionConfig(
      functionOf({ vendorId: 0x144d, deviceId: 0xa80a, msiVectorCount: 0, subsystemVendorId: 0x144d }),
    );
    const at = real.offsets.express;
    real.set(LINK_CAPABILITIES.ASPM_Support, 2, at);
    real.set(DEVICE_CAPABILITIES.Endpoint_L1_Acceptable_Latency, 7, at);
    real.set(DEVICE_CAPABILITIES_2._10_Bit_Tag_Completer_Supported, 1, at);
    real.write(4, 2, 6);
    const space = functionConfig(functionOf({ express: expressOf({ canResetFunction: false }) }));
    expect(space.offsets.express).not.toBe(at);
    restoreImage(space, real.bytes);
    const { view, offsets } = space;
    expect(space.read(0, 4)).toBe(0xa80a_144d);
    expect(space.read(0x2c, 2)).toBe(0x144d);
    expect(LINK_CAPABILITIES.ASPM_Support.read(view, offsets.express)).toBe(2);
    expect(DEVICE_CAPABILITIES.Endpoint_L1_Acceptable_Latency.read(view, offsets.express)).toBe(7);
    expect(DEVICE_CAPABILITIES_2._10_Bit_Tag_Completer_Supported.read(view, offsets.express)).toBe(1);
    // What decides what software may write is the description's, and state is nobody's.
    expect(DEVICE_CAPABILITIES.Function_Level_Reset_Capability.read(view, offsets.express)).toBe(0);
    expect(space.read(4, 2)).toBe(0);
    space.reset('power');
    expect(space.read(0, 4)).toBe(0xa80a_144d);
  });

  it('may be anything: capability chains and BARs stay as they were', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          functionArbitrary.map((d) => functionConfig(d)),
          portArbitrary.map((d) => portConfig(d)),
        ),
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          functionArbitrary.map((d) => functionConfig(d).bytes.slice(0, 200)),
        ),
        (space, image) => {
          const chain = () =>
            decodeConfig(space.bytes, { isWhole: true }).structures.map(({ name, offset }) => [name, offset]);
          const before = chain();
          const bars = space.bytes.slice(0x10, 0x28);
          restoreImage(space, image);
          expect(chain()).toEqual(before);
          expect(space.bytes.slice(0x10, 0x28)).toEqual(bars);
        },
      ),
      { numRuns: 200 },
    );
  });
});
