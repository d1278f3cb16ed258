// The decoding behind `peerlane show`: structures, registers, fields, and what no table describes.
import { describe, expect, it } from 'vitest';
import { COMMAND, TYPE0_BARS } from '../../../src/spec/pci/index.ts';
import { ACS_CAPABILITY, ACS_CONTROL, LINK_CAPABILITIES, LINK_STATUS } from '../../../src/spec/pcie/index.ts';
import { type DecodedConfig, decodeConfig } from '../../../src/topology/config/index.ts';
import { ConfigBuilder, expressFunction } from '../../support/config-builder.ts';

function structure(decoded: DecodedConfig, name: string) {
  const found = decoded.structures.find((candidate) => candidate.name === name);
  expect(found, name).toBeDefined();
  return found!;
}
function register(
  decoded: DecodedConfig,
  name: string,
  registerName: string,
  instance: number | null = null,
) {
  const found = structure(decoded, name).registers.find(
    (candidate) => candidate.name === registerName && candidate.instance === instance,
  );
  expect(found, registerName).toBeDefined();
  return found!;
}
const names = (decoded: DecodedConfig) => decoded.structures.map((candidate) => candidate.name);

describe('decoding', () => {
  it('gives a register its place, its value and its fields', () => {
    const decoded = decodeConfig(new ConfigBuilder().set(COMMAND, 0x0406).cut(256));
    const header = structure(decoded, 'Type 0 Configuration Header');
    expect(header).toMatchObject({ kind: 'header', id: null, offset: 0, sizeBytes: 64, bytes: { hex: '' } });
    const command = register(decoded, header.name, 'Command');
    expect(command).toMatchObject({ offset: 4, widthBits: 16, value: '0x0406' });
    expect(command.fields.filter((field) => field.value === 1).map((field) => field.name)).toEqual([
      'Memory_Space_Enable',
      'Bus_Master_Enable',
      'Interrupt_Disable',
    ]);
    expect(register(decoded, header.name, 'Class Code').meaning).toBe('Non-volatile memory controller');
  });

  it('names what an enumeration means', () => {
    const { config, express } = expressFunction(6, 1);
    LINK_CAPABILITIES.Max_Link_Speed.write(config.view, 4, express);
    LINK_STATUS.Negotiated_Link_Width.write(config.view, 8, express);
    const decoded = decodeConfig(config.bytes);
    const field = (registerName: string, name: string) =>
      register(decoded, 'PCI Express', registerName).fields.find((candidate) => candidate.name === name);
    expect(field('PCI Express Capabilities', 'Device_Port_Type')?.meaning).toBe(
      'Downstream Port of PCI Express Switch',
    );
    expect(field('Link Capabilities', 'Max_Link_Speed')).toMatchObject({ value: 4, meaning: '16 GT/s' });
    expect(field('Link Status', 'Negotiated_Link_Width')?.meaning).toBe('x8');
    expect(field('Device Control', 'Max_Payload_Size')?.meaning).toBe('128 bytes');
  });

  it('reads a base address register as what it is', () => {
    const config = new ConfigBuilder()
      .set(TYPE0_BARS[0]!, 0xe000_000c)
      .set(TYPE0_BARS[1]!, 0x38)
      .set(TYPE0_BARS[2]!, 0xe001);
    const decoded = decodeConfig(config.cut(256));
    const fields = (index: number) =>
      register(decoded, 'Type 0 Configuration Header', `Base Address ${index}`).fields.map((field) => [
        field.name,
        field.value,
      ]);
    expect(fields(0)).toContainEqual(['Type', 2]);
    expect(fields(1)).toEqual([['Base_Address_Upper_32_Bits', 0x38]]);
    expect(fields(2)).toEqual([
      ['Memory_Space_Indicator', 1],
      ['Base_Address', 0xe000 / 4],
    ]);
  });

  it('keeps an unknown capability as its ID and its bytes up to the next', () => {
    const config = new ConfigBuilder();
    const unknown = config.capability(0xe7, 8);
    config.bytes.set([0x11, 0x22, 0x33, 0x44, 0x55, 0x66], unknown + 2);
    config.capability(0x01, 8);
    const decoded = decodeConfig(config.cut(256));
    expect(structure(decoded, 'Unknown (0xe7)')).toEqual({
      kind: 'capability',
      id: 0xe7,
      version: null,
      name: 'Unknown (0xe7)',
      source: null,
      offset: 0x40,
      sizeBytes: 8,
      registers: [],
      bytes: { offset: 0x42, hex: '112233445566' },
    });
  });

  it('keeps an unknown extended capability likewise', () => {
    const { config } = expressFunction(0);
    const unknown = config.extended(0x7777, 3, 12);
    config.view.setUint32(unknown + 4, 0xdead_beef, true);
    config.extended(0x000d, 1, 8);
    const found = structure(decodeConfig(config.bytes), 'Unknown (0x7777)');
    expect(found).toMatchObject({
      id: 0x7777,
      version: 3,
      sizeBytes: 12,
      bytes: { offset: 0x104, hex: 'efbeadde00000000' },
    });
  });

  it('takes the length of a vendor capability from itself', () => {
    const config = new ConfigBuilder();
    const vendor = config.capability(0x09, 16);
    config.bytes.set([6, 0xaa, 0xbb, 0xcc, 0xdd], vendor + 2);
    expect(structure(decodeConfig(config.cut(256)), 'Vendor-Specific')).toMatchObject({
      sizeBytes: 6,
      bytes: { offset: 0x43, hex: 'aabbcc' },
    });
  });

  it('calls a CXL DVSEC by its name', () => {
    const { config } = expressFunction(0);
    const dvsec = config.extended(0x0023, 1, 0x3c);
    config.view.setUint32(dvsec + 4, 0x1e98 | (2 << 16) | (0x3c << 20), true);
    config.view.setUint16(dvsec + 8, 0, true);
    const other = config.extended(0x0023, 1, 0x10);
    config.view.setUint32(other + 4, 0x8086 | (0x10 << 20), true);
    expect(names(decodeConfig(config.bytes)).slice(2)).toEqual([
      'PCIe DVSEC for CXL Devices',
      'Designated Vendor-Specific',
    ]);
  });

  it('shows that there is a serial number, and not which', () => {
    const { config } = expressFunction(0);
    const serial = config.extended(0x0003, 1, 12);
    config.view.setUint32(serial + 4, 0x1234_5678, true);
    expect(JSON.stringify(decodeConfig(config.bytes))).not.toMatch(/12345678|78563412/);
    expect(names(decodeConfig(config.bytes))).toContain('Device Serial Number');
  });

  it('lists what is there several times with its number', () => {
    const { config, express } = expressFunction(0);
    LINK_CAPABILITIES.Maximum_Link_Width.write(config.view, 4, express);
    config.extended(0x0019, 1, 12 + 8);
    const acs = config.extended(0x000d, 1, 8 + 8);
    config.set(ACS_CAPABILITY, 0x2820, acs).set(ACS_CONTROL, 0, acs);
    const decoded = decodeConfig(config.bytes);
    const lanes = structure(decoded, 'Secondary PCI Express').registers.filter(
      (candidate) => candidate.instance !== null,
    );
    expect(lanes.map((lane) => [lane.name, lane.instance, lane.offset])).toEqual(
      [0, 1, 2, 3].map((lane) => ['Lane Equalization Control', lane, 0x10c + 2 * lane]),
    );
    expect(register(decoded, 'Access Control Services', 'Egress Control Vector', 1).offset).toBe(acs + 12);
  });

  it('reads the root part of AER in a root port only', () => {
    const root = expressFunction(4, 1).config;
    root.extended(0x0001, 1, 0x48);
    const endpoint = expressFunction(0).config;
    endpoint.extended(0x0001, 1, 0x48);
    const registers = (config: ConfigBuilder) =>
      structure(decodeConfig(config.bytes), 'Advanced Error Reporting').registers.map(
        (candidate) => candidate.name,
      );
    expect(registers(root)).toContain('Root Error Command');
    expect(registers(endpoint)).not.toContain('Root Error Command');
  });

  it('ends a version 1 PCI Express capability where its kind of function ends', () => {
    const { config, express } = expressFunction(0);
    config.bytes[express + 2] = 0x01;
    expect(structure(decodeConfig(config.bytes), 'PCI Express')).toMatchObject({
      sizeBytes: 0x14,
      source: 'PCIe Base 1.1, 7.8',
    });
  });

  it('follows the entries of Enhanced Allocation', () => {
    const config = new ConfigBuilder();
    const ea = config.capability(0x14, 4 + 20 + 12);
    config.bytes[ea + 2] = 2;
    config.view.setUint32(ea + 4, 4, true);
    config.view.setUint32(ea + 8, 0xe000_0002, true);
    config.view.setUint32(ea + 12, 0x000f_fffe, true);
    config.view.setUint32(ea + 16, 0x38, true);
    config.view.setUint32(ea + 24, 2 | (2 << 4), true);
    const registers = structure(decodeConfig(config.cut(256)), 'Enhanced Allocation').registers;
    expect(
      registers.filter((candidate) => candidate.instance !== null).map((r) => [r.instance, r.name, r.offset]),
    ).toEqual([
      [0, 'EA Entry', ea + 4],
      [0, 'Base', ea + 8],
      [0, 'MaxOffset', ea + 12],
      [0, 'Base Upper 32 Bits', ea + 16],
      [0, 'MaxOffset Upper 32 Bits', ea + 20],
      [1, 'EA Entry', ea + 24],
      [1, 'Base', ea + 28],
      [1, 'MaxOffset', ea + 32],
    ]);
  });

  it('reports a capability that is longer than its place', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 4);
    config.capability(0x05, 24);
    const decoded = decodeConfig(config.cut(256));
    expect(decoded.findings.map((finding) => finding.code)).toEqual(['CAP_OVERLAP']);
    expect(structure(decoded, 'Power Management').registers.map((candidate) => candidate.name)).toEqual([
      'Capability ID',
      'Next Capability Pointer',
      'Power Management Capabilities',
    ]);
  });

  it('reports a capability that goes on behind the bytes', () => {
    const config = new ConfigBuilder();
    config.capability(0x05, 24);
    const decoded = decodeConfig(config.cut(0x42));
    expect(decoded.findings.map((finding) => finding.code)).toEqual(['CAP_CUT']);
    expect(decoded).toMatchObject({
      lengthBytes: 0x42,
      capabilitiesEnd: 'complete',
      extendedCapabilitiesEnd: 'absent',
    });
  });

  it('shows the registers that all headers share of a header that nobody defined', () => {
    const decoded = decodeConfig(new ConfigBuilder(7).cut(64));
    const header = structure(decoded, 'Configuration Header of an unknown type');
    expect(header.registers.at(-1)?.name).toBe('BIST');
    expect(header.bytes).toMatchObject({ offset: 0x10 });
    expect(header.bytes.hex).toHaveLength(2 * 48);
  });

  it('of a device that is gone shows nothing but the finding', () => {
    const decoded = decodeConfig(new Uint8Array(4096).fill(0xff));
    expect(decoded.structures).toEqual([]);
    expect(decoded.findings.map((finding) => finding.code)).toEqual(['CONFIG_ALL_ONES']);
  });

  it('of no bytes is empty', () => {
    expect(decodeConfig(new Uint8Array(0))).toMatchObject({ lengthBytes: 0, structures: [] });
  });
});
