// Base address registers and bridge windows. PCI 3.0, 6.2.5; PCI-to-PCI Bridge 1.2, 3.2.5.
import { describe, expect, it } from 'vitest';
import { ADDR_NOWHERE } from '../../../src/base/index.ts';
import {
  COMMAND,
  IO_BASE,
  IO_BASE_UPPER_16_BITS,
  IO_LIMIT,
  IO_LIMIT_UPPER_16_BITS,
  MEMORY_BASE,
  MEMORY_LIMIT,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  TYPE0_BARS,
  TYPE0_ROM,
} from '../../../src/spec/pci/index.ts';
import { factsFromConfig } from '../../../src/topology/config/index.ts';
import { ConfigBuilder } from '../../support/config-builder.ts';

const factsOf = (config: ConfigBuilder) => factsFromConfig(config.cut(256), { isWhole: true });

function withBars(values: readonly number[], command = 0x0007): ConfigBuilder {
  const config = new ConfigBuilder().set(COMMAND, command);
  values.forEach((value, i) => {
    config.set(TYPE0_BARS[i]!, value);
  });
  return config;
}

describe('base address registers', () => {
  it('of all kinds', () => {
    const bars = factsOf(withBars([0xe000_000c, 0x0000_0038, 0xf7c0_0000, 0xe001, 0, 0xfe80_0008])).bars;
    expect(bars).toEqual([
      {
        index: 0,
        kind: 'memory',
        is64Bit: true,
        isPrefetchable: true,
        start: 0x38_e000_0000,
        sizeBytes: undefined,
      },
      {
        index: 2,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: false,
        start: 0xf7c0_0000,
        sizeBytes: undefined,
      },
      { index: 3, kind: 'io', is64Bit: false, isPrefetchable: false, start: 0xe000, sizeBytes: undefined },
      {
        index: 5,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: true,
        start: 0xfe80_0000,
        sizeBytes: undefined,
      },
    ]);
  });

  it('without an address are unassigned where the function does not decode, and unknown where it does', () => {
    expect(factsOf(withBars([0x0000_000c, 0], 0)).bars?.[0]?.start).toBeNull();
    expect(factsOf(withBars([0x0000_000c, 0], 2)).bars?.[0]?.start).toBeUndefined();
  });

  it('above 2^53 are nowhere', () => {
    expect(factsOf(withBars([0x0000_0004, 0xffff_0000])).bars?.[0]?.start).toBe(ADDR_NOWHERE);
  });

  it('that read all ones are reported and left out', () => {
    const facts = factsOf(withBars([0xffff_ffff]));
    expect(facts.bars).toEqual([]);
    expect(facts.findings.map((finding) => finding.code)).toEqual(['BAR_INVALID']);
  });

  it('of 64 bits in the last place, and of the reserved type, are reported', () => {
    expect(factsOf(withBars([0, 0, 0, 0, 0, 0xf000_0004])).findings).toHaveLength(1);
    expect(factsOf(withBars([0xf000_0006])).findings).toHaveLength(1);
  });

  it('include the expansion ROM when it has an address, enabled or not', () => {
    const config = new ConfigBuilder().set(TYPE0_ROM, 0xfeb8_0000);
    expect(factsOf(config).bars).toMatchObject([{ index: 6, kind: 'memory', start: 0xfeb8_0000 }]);
  });

  it('of a bridge are two', () => {
    const config = new ConfigBuilder(1).set(COMMAND, 2).set(TYPE0_BARS[0]!, 0xfbdf_0000);
    // Bus numbers stand where an endpoint has its third.
    config.set(TYPE0_BARS[2]!, 0x0020_1f00);
    expect(factsOf(config).bars).toMatchObject([{ index: 0, start: 0xfbdf_0000 }]);
  });
});

describe('bridge windows', () => {
  it('open and closed', () => {
    const config = new ConfigBuilder(1)
      .set(IO_BASE, 0xe1)
      .set(IO_LIMIT, 0xf1)
      .set(IO_BASE_UPPER_16_BITS, 1)
      .set(IO_LIMIT_UPPER_16_BITS, 1)
      .set(MEMORY_BASE, 0xf7c0)
      .set(MEMORY_LIMIT, 0xf7d0)
      .set(PREFETCHABLE_MEMORY_BASE, 0xe001)
      .set(PREFETCHABLE_MEMORY_LIMIT, 0xf1f1)
      .set(PREFETCHABLE_BASE_UPPER_32_BITS, 0x38)
      .set(PREFETCHABLE_LIMIT_UPPER_32_BITS, 0x38);
    expect(factsOf(config).windows).toEqual([
      { kind: 'memory', first: 0xf7c0_0000, last: 0xf7df_ffff },
      { kind: 'prefetchable', first: 0x38_e000_0000, last: 0x38_f1ff_ffff },
      { kind: 'io', first: 0x1_e000, last: 0x1_ffff },
    ]);
    config.set(MEMORY_BASE, 0xfff0).set(MEMORY_LIMIT, 0);
    expect(factsOf(config).windows?.map((window) => window.kind)).toEqual(['prefetchable', 'io']);
  });

  it('of 32 bits ignore the upper registers', () => {
    const config = new ConfigBuilder(1)
      .set(PREFETCHABLE_MEMORY_BASE, 0xe000)
      .set(PREFETCHABLE_MEMORY_LIMIT, 0xe000)
      .set(PREFETCHABLE_BASE_UPPER_32_BITS, 5)
      .set(PREFETCHABLE_LIMIT_UPPER_32_BITS, 5);
    expect(factsOf(config).windows).toEqual([
      { kind: 'prefetchable', first: 0xe000_0000, last: 0xe00f_ffff },
    ]);
  });

  it('that were never set are none', () => {
    expect(factsOf(new ConfigBuilder(1)).windows).toEqual([]);
  });

  it('from 0 on are open when they are wider than a window that was never set', () => {
    const config = new ConfigBuilder(1).set(MEMORY_LIMIT, 0x0010);
    expect(factsOf(config).windows).toEqual([{ kind: 'memory', first: 0, last: 0x1f_ffff }]);
  });
});
