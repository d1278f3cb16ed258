// Capability chains, whole and broken: what is found, how the walk ends, what it complains of.
import { describe, expect, it } from 'vitest';
import { CLASS_CODE, STATUS } from '../../../src/spec/pci/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from '../../../src/spec/pcie/index.ts';
import {
  type CapabilityWalk,
  findCapability,
  findExtendedCapability,
  walkCapabilities,
} from '../../../src/topology/config/index.ts';
import { ConfigBuilder, expressFunction } from '../../support/config-builder.ts';

const codes = (walk: CapabilityWalk) => walk.findings.map((finding) => finding.code);
const ids = (walk: CapabilityWalk) => walk.conventional.map((capability) => capability.id);
const extendedIds = (walk: CapabilityWalk) => walk.extended.map((capability) => capability.id);

describe('the conventional chain', () => {
  it('is followed from the pointer to the zero that ends it', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    config.capability(0x05, 24);
    config.capability(0x11, 12);
    const walk = walkCapabilities(config.cut(256));
    expect(ids(walk)).toEqual([0x01, 0x05, 0x11]);
    expect(walk.conventional.map(({ offset, spanBytes }) => [offset, spanBytes])).toEqual([
      [0x40, 8],
      [0x48, 24],
      [0x60, 0xa0],
    ]);
    expect(walk.conventionalEnd).toBe('complete');
    expect(walk.findings).toEqual([]);
  });

  it('need not be in the order of its addresses; the span ends at the next address', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8, 0x80);
    config.capability(0x05, 16, 0x50);
    const walk = walkCapabilities(config.cut(256));
    expect(walk.conventional.map(({ offset, spanBytes }) => [offset, spanBytes])).toEqual([
      [0x80, 0x80],
      [0x50, 0x30],
    ]);
  });

  it('is absent when the status bit is clear, and a pointer that leads to one is reported', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    STATUS.Capabilities_List.write(config.view, 0);
    const walk = walkCapabilities(config.cut(256));
    expect(walk.conventionalEnd).toBe('absent');
    expect(walk.conventional).toEqual([]);
    expect(codes(walk)).toEqual(['CAP_HIDDEN']);
  });

  it('ends where it comes back to itself', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    const last = config.capability(0x05, 24);
    config.bytes[last + 1] = 0x40;
    const walk = walkCapabilities(config.cut(256));
    expect(ids(walk)).toEqual([0x01, 0x05]);
    expect(walk.conventionalEnd).toBe('broken');
    expect(codes(walk)).toEqual(['CAP_LOOP']);
    expect(findCapability(walk, 0x10)).toBeNull();
  });

  it('ends at a pointer into the header', () => {
    const config = new ConfigBuilder();
    const first = config.capability(0x01, 8);
    config.bytes[first + 1] = 0x10;
    const walk = walkCapabilities(config.cut(256));
    expect(walk.conventionalEnd).toBe('broken');
    expect(codes(walk)).toEqual(['CAP_OUT_OF_RANGE']);
  });

  it('masks reserved bits of a pointer and says so', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    config.bytes[0x34] = 0x43;
    const walk = walkCapabilities(config.cut(256));
    expect(ids(walk)).toEqual([0x01]);
    expect(codes(walk)).toEqual(['CAP_UNALIGNED']);
  });

  it('leaves open what follows bytes of all ones', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    const last = config.capability(0x05, 24);
    config.bytes.fill(0xff, last);
    const walk = walkCapabilities(config.cut(256));
    expect(ids(walk)).toEqual([0x01]);
    expect(walk.conventionalEnd).toBe('cut');
    expect(codes(walk)).toEqual(['CAP_ALL_ONES']);
    expect(findCapability(walk, 0x10)).toBeUndefined();
  });

  it('is cut where the bytes are, as for a reader without privilege', () => {
    const config = new ConfigBuilder();
    config.capability(0x01, 8);
    const walk = walkCapabilities(config.cut(64));
    expect(walk.conventionalEnd).toBe('cut');
    expect(walk.findings).toEqual([]);
    expect(findCapability(walk, 0x01)).toBeUndefined();
  });

  it('is known to be absent in 64 bytes whose status bit is clear', () => {
    const walk = walkCapabilities(new ConfigBuilder().cut(64));
    expect(walk.conventionalEnd).toBe('absent');
    expect(findCapability(walk, 0x10)).toBeNull();
  });

  it('starts elsewhere in a CardBus bridge', () => {
    const config = new ConfigBuilder(2);
    config.capability(0x01, 8);
    const walk = walkCapabilities(config.cut(256));
    expect(config.bytes[0x14]).toBe(0x80);
    expect(ids(walk)).toEqual([0x01]);
  });

  it('is not looked for under a header type that nobody defined', () => {
    const config = new ConfigBuilder(5);
    config.capability(0x01, 8);
    expect(walkCapabilities(config.cut(256)).conventionalEnd).toBe('absent');
  });

  it('holds at most 48 capabilities, and finds all of them', () => {
    const config = new ConfigBuilder();
    for (let at = 0x40; at < 0x100; at += 4) {
      config.capability(0x09, 4, at);
    }
    const walk = walkCapabilities(config.cut(256));
    expect(walk.conventional).toHaveLength(48);
    expect(walk.conventionalEnd).toBe('complete');
  });

  it('keeps capabilities that nobody knows', () => {
    const config = new ConfigBuilder();
    config.capability(0xe7, 8);
    expect(ids(walkCapabilities(config.cut(256)))).toEqual([0xe7]);
  });
});

describe('the extended chain', () => {
  it('is followed in a PCI Express function', () => {
    const { config } = expressFunction(0);
    config.extended(0x0001, 2, 0x48);
    config.extended(0x000d, 1, 8);
    const walk = walkCapabilities(config.bytes);
    expect(walk.extended.map(({ id, version, offset }) => [id, version, offset])).toEqual([
      [0x0001, 2, 0x100],
      [0x000d, 1, 0x148],
    ]);
    expect(walk.extendedEnd).toBe('complete');
  });

  it('is complete and empty when its first dword is zero', () => {
    const { config } = expressFunction(0);
    const walk = walkCapabilities(config.bytes);
    expect(walk.extended).toEqual([]);
    expect(walk.extendedEnd).toBe('complete');
    expect(findExtendedCapability(walk, 0x000d)).toBeNull();
  });

  it('may start with an empty capability that leads on', () => {
    const { config } = expressFunction(0);
    config.extended(0x0000, 0, 4);
    config.extended(0x000d, 1, 8);
    expect(extendedIds(walkCapabilities(config.bytes))).toEqual([0x0000, 0x000d]);
  });

  it('does not exist for conventional PCI, whatever the bytes say', () => {
    const config = new ConfigBuilder();
    config.extended(0x000d, 1, 8);
    const walk = walkCapabilities(config.bytes);
    expect(walk.extendedEnd).toBe('absent');
    expect(findExtendedCapability(walk, 0x000d)).toBeNull();
  });

  it('is looked for in a host bridge without a PCI Express capability, as Linux does', () => {
    const config = new ConfigBuilder();
    config.set(CLASS_CODE, 0x060000);
    config.extended(0x000b, 1, 0x10);
    expect(extendedIds(walkCapabilities(config.bytes))).toEqual([0x000b]);
    expect(walkCapabilities(config.cut(256)).extendedEnd).toBe('unknown');
    expect(walkCapabilities(config.cut(256), { isWhole: true }).extendedEnd).toBe('absent');
  });

  it('is looked for in a PCI-X function of mode 2', () => {
    const config = new ConfigBuilder();
    const pciX = config.capability(0x07, 8);
    config.extended(0x0001, 1, 0x2c);
    expect(walkCapabilities(config.bytes).extendedEnd).toBe('absent');
    config.view.setUint32(pciX + 4, 0x4000_0000, true);
    expect(extendedIds(walkCapabilities(config.bytes))).toEqual([0x0001]);
  });

  it('is unknown in 256 bytes that may be a part, and absent in 256 that are all', () => {
    const { config } = expressFunction(0);
    config.extended(0x000d, 1, 8);
    expect(findExtendedCapability(walkCapabilities(config.cut(256)), 0x000d)).toBeUndefined();
    expect(findExtendedCapability(walkCapabilities(config.cut(256), { isWhole: true }), 0x000d)).toBeNull();
  });

  it('is unknown in 64 bytes even when they are said to be all', () => {
    const { config } = expressFunction(0);
    expect(walkCapabilities(config.cut(64), { isWhole: true }).extendedEnd).toBe('unknown');
  });

  it('is cut where the bytes are', () => {
    const { config } = expressFunction(0);
    config.extended(0x0001, 1, 0x200);
    config.extended(0x000d, 1, 8);
    const walk = walkCapabilities(config.cut(0x200));
    expect(extendedIds(walk)).toEqual([0x0001]);
    expect(walk.extendedEnd).toBe('cut');
    expect(findExtendedCapability(walk, 0x000d)).toBeUndefined();
    expect(findExtendedCapability(walk, 0x0001)).toMatchObject({ offset: 0x100 });
  });

  it('ends where it comes back to itself', () => {
    const { config } = expressFunction(0);
    config.extended(0x0001, 1, 0x48);
    const last = config.extended(0x000d, 1, 8);
    EXTENDED_CAPABILITY_HEADER.Next_Capability_Offset.write(config.view, 0x100, last);
    const walk = walkCapabilities(config.bytes);
    expect(walk.extendedEnd).toBe('broken');
    expect(codes(walk)).toEqual(['CAP_LOOP']);
  });

  it('ends at a pointer below its space', () => {
    const { config } = expressFunction(0);
    const first = config.extended(0x0001, 1, 0x48);
    EXTENDED_CAPABILITY_HEADER.Next_Capability_Offset.write(config.view, 0x40, first);
    const walk = walkCapabilities(config.bytes);
    expect(walk.extendedEnd).toBe('broken');
    expect(codes(walk)).toEqual(['CAP_OUT_OF_RANGE']);
  });

  it('leaves open what follows a header of all ones', () => {
    const { config } = expressFunction(0);
    config.bytes.fill(0xff, 0x100);
    const walk = walkCapabilities(config.bytes);
    expect(walk.extendedEnd).toBe('cut');
    expect(codes(walk)).toEqual(['CAP_ALL_ONES']);
  });

  it('is not there when the upper bytes repeat the first 256', () => {
    const { config } = expressFunction(0);
    for (let at = 256; at < 4096; at += 256) {
      config.bytes.copyWithin(at, 0, 256);
    }
    const walk = walkCapabilities(config.bytes);
    expect(walk.extendedEnd).toBe('absent');
    expect(codes(walk)).toEqual(['CONFIG_EXTENDED_ALIAS']);
  });

  it('is given up where Linux gives up, after 480 capabilities', () => {
    const { config } = expressFunction(0);
    for (let at = 0x100; at < 0x1000; at += 4) {
      config.extended(0x000b, 0, 4, at);
    }
    const walk = walkCapabilities(config.bytes);
    expect(walk.extended).toHaveLength(480);
    expect(walk.extendedEnd).toBe('broken');
    expect(codes(walk)).toEqual(['CAP_TOO_MANY']);
  });
});

describe('bytes that are no config space', () => {
  it('no bytes leave everything unknown', () => {
    expect(walkCapabilities(new Uint8Array(0))).toMatchObject({
      conventional: [],
      conventionalEnd: 'unknown',
      extendedEnd: 'unknown',
    });
  });

  it('all ones have no chains', () => {
    const walk = walkCapabilities(new Uint8Array(4096).fill(0xff));
    expect(walk).toMatchObject({ conventionalEnd: 'absent', extendedEnd: 'absent' });
  });

  it('more than 4096 bytes are not looked at', () => {
    const bytes = new Uint8Array(10_000);
    const { config } = expressFunction(0);
    bytes.set(config.bytes);
    expect(walkCapabilities(bytes)).toEqual(walkCapabilities(config.bytes));
  });
});
