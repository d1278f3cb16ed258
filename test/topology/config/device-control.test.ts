// Payload and request sizes, ordering and tags. PCIe Base 6.0, 7.5.3.3 to 7.5.3.5.
import { describe, expect, it } from 'vitest';
import { DEVICE_CAPABILITIES, DEVICE_CAPABILITIES_2, LINK_CONTROL } from '../../../src/spec/pcie/index.ts';
import { deviceControlState, transferCapabilities } from '../../../src/topology/config/index.ts';
import { ConfigBuilder, expressFunction } from '../../support/config-builder.ts';

describe('Device Control', () => {
  it('is read with units', () => {
    expect(deviceControlState(0x2930)).toEqual({
      isRelaxedOrderingEnabled: true,
      isNoSnoopEnabled: true,
      isExtendedTagEnabled: true,
      maxPayloadBytes: 256,
      maxReadRequestBytes: 512,
    });
  });

  it('leaves reserved sizes unknown', () => {
    expect(deviceControlState(0x70e0)).toMatchObject({
      maxPayloadBytes: undefined,
      maxReadRequestBytes: undefined,
    });
  });
});

describe('what a function could transfer', () => {
  it('stands in Device Capabilities and their second set', () => {
    const { config, express } = expressFunction(0);
    DEVICE_CAPABILITIES.Max_Payload_Size_Supported.write(config.view, 2, express);
    DEVICE_CAPABILITIES_2._10_Bit_Tag_Completer_Supported.write(config.view, 1, express);
    LINK_CONTROL.Read_Completion_Boundary.write(config.view, 1, express);
    expect(transferCapabilities(config.bytes)).toEqual({
      maxPayloadSupportedBytes: 512,
      isExtendedTagSupported: false,
      is10BitTagRequesterSupported: false,
      is10BitTagCompleterSupported: true,
      readCompletionBoundaryBytes: 128,
    });
  });

  it('is less in version 1', () => {
    const { config, express } = expressFunction(0);
    config.bytes[express + 2] = 0x01;
    expect(transferCapabilities(config.bytes)).toMatchObject({ is10BitTagRequesterSupported: undefined });
  });

  it('is null for conventional PCI and undefined in 64 bytes', () => {
    expect(transferCapabilities(new ConfigBuilder().cut(256))).toBeNull();
    expect(transferCapabilities(expressFunction(0).config.cut(64))).toBeUndefined();
  });
});
