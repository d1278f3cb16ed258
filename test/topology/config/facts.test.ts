// What config space alone tells of a function, and what it leaves unknown.
import { describe, expect, it } from 'vitest';
import {
  CLASS_CODE,
  COMMAND,
  HEADER_TYPE,
  REVISION_ID,
  SECONDARY_BUS_NUMBER,
  SSID,
  SSVID,
  STATUS,
  SUBORDINATE_BUS_NUMBER,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  VENDOR_ID,
} from '../../../src/spec/pci/index.ts';
import { ACS_CAPABILITY, ACS_CONTROL, DEVICE_CONTROL } from '../../../src/spec/pcie/index.ts';
import { factsFromConfig } from '../../../src/topology/config/index.ts';
import { ConfigBuilder, expressFunction } from '../../support/config-builder.ts';

const whole = (bytes: Uint8Array) => factsFromConfig(bytes, { isWhole: true });
const part = (bytes: Uint8Array) => factsFromConfig(bytes, { isWhole: false });

describe('header facts', () => {
  it('of an endpoint', () => {
    const config = new ConfigBuilder()
      .set(SUBSYSTEM_VENDOR_ID, 0x1af4)
      .set(SUBSYSTEM_ID, 0x1100)
      .set(REVISION_ID, 3)
      .set(COMMAND, 0x0406);
    HEADER_TYPE.Multi_Function_Device.write(config.view, 1);
    expect(whole(config.cut(256))).toMatchObject({
      vendorId: 0x1234,
      deviceId: 0x5678,
      subsystemVendorId: 0x1af4,
      subsystemDeviceId: 0x1100,
      revision: 3,
      classCode: 0x010802,
      headerType: 0,
      isMultifunction: true,
      isGone: false,
      command: 0x0406,
      secondaryBus: null,
      subordinateBus: null,
      windows: [],
      findings: [],
    });
  });

  it('of a bridge: bus numbers, and the subsystem from its capability', () => {
    const config = new ConfigBuilder(1).set(SECONDARY_BUS_NUMBER, 3).set(SUBORDINATE_BUS_NUMBER, 9);
    expect(whole(config.cut(256))).toMatchObject({
      secondaryBus: 3,
      subordinateBus: 9,
      subsystemVendorId: null,
    });
    const subsystem = config.capability(0x0d, 8);
    config.set(SSVID, 0x8086, subsystem).set(SSID, 0x2030, subsystem);
    expect(whole(config.cut(256))).toMatchObject({ subsystemVendorId: 0x8086, subsystemDeviceId: 0x2030 });
    expect(part(config.cut(64)).subsystemVendorId).toBeUndefined();
  });

  it('a subsystem of zeros is none', () => {
    expect(whole(new ConfigBuilder().cut(256)).subsystemVendorId).toBeNull();
  });

  it('bus numbers that cannot be are reported', () => {
    const config = new ConfigBuilder(1).set(SECONDARY_BUS_NUMBER, 9).set(SUBORDINATE_BUS_NUMBER, 3);
    expect(whole(config.cut(256)).findings.map((finding) => finding.code)).toEqual(['BUS_NUMBERS']);
  });

  it('a header type that nobody defined is reported, and tells no BARs', () => {
    const facts = whole(new ConfigBuilder(9).cut(256));
    expect(facts.findings.map((finding) => finding.code)).toEqual(['HEADER_UNKNOWN']);
    expect(facts).toMatchObject({ headerType: 9, bars: [], windows: undefined, secondaryBus: undefined });
  });
});

describe('a device that does not answer', () => {
  it.each([64, 256, 4096])('%i bytes of ones: gone, and nothing else is known', (length) => {
    const facts = whole(new Uint8Array(length).fill(0xff));
    expect(facts).toMatchObject({
      isGone: true,
      vendorId: undefined,
      classCode: undefined,
      acs: undefined,
      pcieType: undefined,
    });
    expect(facts.findings.map((finding) => finding.code)).toEqual(['CONFIG_ALL_ONES']);
  });

  it('a VF reads all ones in its IDs only, and is not gone', () => {
    const { config } = expressFunction(0);
    config.set(VENDOR_ID, 0xffff);
    config.view.setUint16(2, 0xffff, true);
    expect(whole(config.bytes)).toMatchObject({
      isGone: false,
      looksLikeVf: true,
      vendorId: undefined,
      deviceId: undefined,
      classCode: 0x010802,
      pcieType: 'endpoint',
      bars: undefined,
    });
  });

  it('zeros are reported', () => {
    expect(whole(new Uint8Array(256)).findings.map((finding) => finding.code)).toEqual(['CONFIG_ALL_ZEROS']);
  });

  it('a few bytes tell what they hold', () => {
    const config = new ConfigBuilder();
    expect(part(config.cut(8))).toMatchObject({
      vendorId: 0x1234,
      command: 0,
      classCode: undefined,
      bars: undefined,
    });
    expect(part(config.cut(8)).findings.map((finding) => finding.code)).toEqual(['CONFIG_SHORT']);
    expect(part(new Uint8Array(0)).isGone).toBe(false);
  });
});

describe('PCI Express facts', () => {
  it('conventional PCI is known as such where the chain was seen', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    expect(whole(config.cut(256))).toMatchObject({
      pcieType: null,
      deviceControl: null,
      link: null,
      acs: null,
    });
    expect(part(config.cut(256))).toMatchObject({ pcieType: null, acs: null });
    expect(part(config.cut(64))).toMatchObject({
      pcieType: undefined,
      deviceControl: undefined,
      link: undefined,
      acs: undefined,
    });
  });

  it('64 bytes without a capability list are conventional PCI', () => {
    expect(part(new ConfigBuilder().cut(64))).toMatchObject({ pcieType: null, acs: null });
  });

  it('64 bytes are a cut even for the one who says they are all', () => {
    const { config } = expressFunction(4, 1);
    expect(whole(config.cut(64))).toMatchObject({ pcieType: undefined, acs: undefined });
  });

  it.each([
    [0, 'endpoint'],
    [1, 'legacy-endpoint'],
    [4, 'root-port'],
    [5, 'switch-upstream'],
    [6, 'switch-downstream'],
    [7, 'pcie-to-pci-bridge'],
    [8, 'pci-to-pcie-bridge'],
    [9, 'rc-endpoint'],
    [10, 'rc-event-collector'],
  ])('Device/Port Type %i is %s', (code, name) => {
    expect(whole(expressFunction(code).config.bytes).pcieType).toBe(name);
  });

  it('a reserved Device/Port Type stays unknown and is reported', () => {
    const facts = whole(expressFunction(3).config.bytes);
    expect(facts.pcieType).toBeUndefined();
    expect(facts.findings.map((finding) => finding.code)).toEqual(['PCIE_TYPE_RESERVED']);
  });

  it('Device Control is the raw word', () => {
    const { config, express } = expressFunction(0);
    config.set(DEVICE_CONTROL, 0x2910, express);
    expect(whole(config.bytes).deviceControl).toBe(0x2910);
  });
});

describe('access control', () => {
  it('is the two words and where they are', () => {
    const { config } = expressFunction(6, 1);
    config.extended(0x0001, 1, 0x48);
    const acs = config.extended(0x000d, 1, 8);
    config.set(ACS_CAPABILITY, 0x005f, acs).set(ACS_CONTROL, 0x001d, acs);
    expect(whole(config.bytes).acs).toEqual({
      offset: 0x148,
      capability: 0x5f,
      control: 0x1d,
      egressVector: null,
    });
  });

  it('is unknown in 256 bytes that may be a part, and absent in 256 that are all', () => {
    const { config } = expressFunction(6, 1);
    config.extended(0x000d, 1, 8);
    expect(part(config.cut(256)).acs).toBeUndefined();
    expect(whole(config.cut(256)).acs).toBeNull();
  });

  it('is absent in a whole chain without it', () => {
    const { config } = expressFunction(6, 1);
    config.extended(0x0001, 1, 0x48);
    expect(part(config.bytes).acs).toBeNull();
  });

  it('is unknown where the chain turns to ones', () => {
    const { config } = expressFunction(6, 1);
    config.extended(0x0001, 1, 0x48);
    config.extended(0x000d, 1, 8);
    config.bytes.fill(0xff, 0x148);
    expect(whole(config.bytes).acs).toBeUndefined();
  });

  it('of a host bridge without a PCI Express capability needs the extended space to be seen', () => {
    const config = new ConfigBuilder().set(CLASS_CODE, 0x060000);
    STATUS.Capabilities_List.write(config.view, 0);
    expect(part(config.cut(256)).acs).toBeUndefined();
    expect(whole(config.cut(256)).acs).toBeNull();
  });
});
