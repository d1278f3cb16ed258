// Any bytes as config space: a result, never an exception, within a fixed number of steps.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAPABILITY_NAME } from '../../../src/spec/pci/index.ts';
import { EXTENDED_NAME } from '../../../src/spec/pcie/index.ts';
import {
  aerState,
  atsState,
  type Capability,
  decodeConfig,
  factsFromConfig,
  identityRuns,
  pageRequestState,
  pasidState,
  resizableBars,
  transferCapabilities,
  vfResizableBars,
  vfRoutingIds,
  walkCapabilities,
} from '../../../src/topology/config/index.ts';
import { ConfigBuilder } from '../../support/config-builder.ts';

const STEPS_MAX = 48 + 480;
const anyBytes = fc.uint8Array({ minLength: 0, maxLength: 4096 });

/** A function with many capabilities of random content, linked properly. */
const plausible = fc
  .record({
    layout: fc.constantFrom(0, 0, 0, 1, 1, 2),
    seed: fc.uint8Array({ minLength: 4096, maxLength: 4096 }),
    ids: fc.array(fc.constantFrom(...Object.keys(CAPABILITY_NAME).map(Number)), { maxLength: 6 }),
    extendedIds: fc.array(fc.constantFrom(...Object.keys(EXTENDED_NAME).map(Number)), { maxLength: 20 }),
    sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 26, maxLength: 26 }),
  })
  .map(({ layout, seed, ids, extendedIds, sizes }) => {
    const config = new ConfigBuilder(layout);
    config.bytes.set(seed.subarray(0x40), 0x40);
    let at = layout === 2 ? 0x80 : 0x40;
    for (const [i, id] of [0x10, ...ids].entries()) {
      const size = 4 * sizes[i]!;
      if (at + size <= 0x100) {
        config.capability(id, size, at);
        at += size;
      }
    }
    config.view.setUint32(0x100, 0, true);
    let extendedAt = 0x100;
    for (const [i, id] of extendedIds.entries()) {
      config.view.setUint32(extendedAt, 0, true);
      config.extended(id, 1, 4 * sizes[i]!, extendedAt);
      extendedAt += 4 * sizes[i]!;
    }
    return config.bytes;
  });

/** The same with a few bytes changed, and cut somewhere. */
const mutated = fc
  .record({
    bytes: plausible,
    changes: fc.array(fc.record({ at: fc.nat(4095), value: fc.nat(255) }), { maxLength: 12 }),
    low: fc.array(fc.record({ at: fc.integer({ min: 0x34, max: 0x140 }), value: fc.nat(255) }), {
      maxLength: 6,
    }),
    length: fc.oneof(fc.constantFrom(64, 128, 256, 4096), fc.nat(4096)),
  })
  .map(({ bytes, changes, low, length }) => {
    const copy = bytes.slice();
    for (const { at, value } of [...changes, ...low]) {
      copy[at] = value;
    }
    return copy.slice(0, length);
  });

function checkAll(bytes: Uint8Array): void {
  for (const isWhole of [false, true]) {
    const walk = walkCapabilities(bytes, { isWhole });
    expect(walk.steps).toBeLessThanOrEqual(STEPS_MAX);
    const all: readonly Capability[] = [...walk.conventional, ...walk.extended];
    expect(new Set(all.map((capability) => capability.offset)).size).toBe(all.length);
    for (const { offset, spanBytes, isExtended } of all) {
      expect(offset % 4).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(isExtended ? 0x100 : 0x40);
      expect(offset + spanBytes).toBeLessThanOrEqual(Math.min(bytes.length, isExtended ? 4096 : 256));
      expect(spanBytes).toBeGreaterThan(0);
    }
    const facts = factsFromConfig(bytes, { isWhole });
    expect(facts.isGone && facts.vendorId !== undefined).toBe(false);
    const decoded = decodeConfig(bytes, { isWhole });
    let decodedBytes = 0;
    for (const structure of decoded.structures) {
      for (const register of structure.registers) {
        expect(register.offset + register.widthBits / 8).toBeLessThanOrEqual(bytes.length);
        expect(register.value).toHaveLength(2 + register.widthBits / 4);
      }
      decodedBytes += structure.registers.length + structure.bytes.hex.length;
    }
    // The answer grows with the input and not with what the input claims.
    expect(decodedBytes).toBeLessThanOrEqual(4 * 4096);
    JSON.stringify(decoded);
    if (facts.sriov) {
      expect(vfRoutingIds(0, facts.sriov).length).toBeLessThanOrEqual(0xffff);
    }
    for (const read of [
      aerState,
      atsState,
      pageRequestState,
      pasidState,
      resizableBars,
      vfResizableBars,
      transferCapabilities,
    ]) {
      read(bytes, { isWhole });
    }
    for (const run of identityRuns(bytes)) {
      expect(run.offset + run.sizeBytes).toBeLessThanOrEqual(bytes.length);
    }
  }
}

describe('config space of any content', () => {
  it('random bytes give a result within bounds', () => {
    fc.assert(fc.property(anyBytes, checkAll), { numRuns: 500 });
  });

  it('real-looking chains with broken places give a result within bounds', () => {
    fc.assert(fc.property(mutated, checkAll), { numRuns: 1000 });
  });

  it('reading twice gives the same, and the bytes are left alone', () => {
    fc.assert(
      fc.property(mutated, (bytes) => {
        const copy = bytes.slice();
        expect(decodeConfig(bytes)).toEqual(decodeConfig(copy));
        expect(bytes).toEqual(copy);
      }),
      { numRuns: 100 },
    );
  });

  it('bytes in the middle of a larger buffer read the same', () => {
    fc.assert(
      fc.property(mutated, fc.nat(16), (bytes, shift) => {
        const larger = new Uint8Array(bytes.length + 32).fill(0xa5);
        larger.set(bytes, shift);
        const inside = larger.subarray(shift, shift + bytes.length);
        expect(factsFromConfig(inside, { isWhole: false })).toEqual(
          factsFromConfig(bytes, { isWhole: false }),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('what a part of the bytes says, the whole does not contradict', () => {
    fc.assert(
      fc.property(plausible, fc.constantFrom(64, 128, 256, 512, 1024), (bytes, length) => {
        const part = factsFromConfig(bytes.slice(0, length), { isWhole: false });
        const whole = factsFromConfig(bytes, { isWhole: true });
        for (const name of [
          'vendorId',
          'deviceId',
          'classCode',
          'command',
          'pcieType',
          'deviceControl',
          'acs',
        ] as const) {
          if (part[name] !== undefined && name !== 'acs') {
            expect(part[name], name).toEqual(whole[name]);
          } else if (part.acs !== undefined) {
            // A vector that lay behind the cut is null there and known here.
            expect({ ...part.acs, egressVector: null }).toEqual({ ...whole.acs, egressVector: null });
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
