// Laws of config space, on random functions and ports. What is read-only or cleared by a one is taken from the decoder of
// `topology`, which knows nothing of the masks that the simulator derives.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConfigSpace, functionConfig, portConfig } from '../../../src/fabric/config/index.ts';
import { decodeConfig } from '../../../src/topology/config/index.ts';
import { functionArbitrary, portArbitrary } from './descriptions.ts';

const spaceArbitrary: fc.Arbitrary<ConfigSpace> = fc.oneof(
  fc
    .record({ d: functionArbitrary, hasAri: fc.boolean(), hasVirtualChannel: fc.boolean() })
    .map(({ d, ...placement }) => functionConfig(d, { ...placement, pasidWidthBits: 20 })),
  portArbitrary.map((d) => portConfig(d)),
);

interface Store {
  readonly offset: number;
  readonly lengthBytes: 1 | 2 | 4;
  readonly value: number;
}

/** Half of the stores go to the header and the capabilities, where something can happen. */
const storeArbitrary: fc.Arbitrary<Store> = fc
  .record({
    offset: fc.oneof(fc.nat(0xff), fc.integer({ min: 0x100, max: 0x240 }), fc.nat(0xfff)),
    lengthBytes: fc.constantFrom<1 | 2 | 4>(1, 2, 4),
    value: fc.oneof(fc.constant(0xffff_ffff), fc.constant(0), fc.nat(0xffff_ffff)),
  })
  .map((store) => ({ ...store, offset: store.offset - (store.offset % store.lengthBytes) }));

interface NamedField {
  readonly key: string;
  readonly offset: number;
  readonly widthBits: number;
  readonly low: number;
  readonly access: string | undefined;
  readonly value: number;
}

function fieldsOf(space: ConfigSpace): NamedField[] {
  const decoded = decodeConfig(space.bytes, { isWhole: space.sizeBytes === 4096 });
  return decoded.structures.flatMap((structure) =>
    structure.registers.flatMap((register) =>
      register.fields.map((field) => ({
        key: `${structure.name}/${register.name}/${register.offset}/${field.name}`,
        offset: register.offset,
        widthBits: register.widthBits,
        low: field.low,
        access: field.access,
        value: field.value,
      })),
    ),
  );
}

/** Stopped is read-only and follows Enable. */
const isFixed = ({ access, key }: NamedField) =>
  (access === 'RO' || access === 'HwInit' || access === 'ROS') && !key.endsWith('/Stopped');

describe('config space under any stores of software', () => {
  it('keeps every read-only and HwInit field (7.4)', () => {
    fc.assert(
      fc.property(spaceArbitrary, fc.array(storeArbitrary, { maxLength: 60 }), (space, stores) => {
        const before = fieldsOf(space).filter(isFixed);
        expect(before.length).toBeGreaterThan(15);
        for (const { offset, lengthBytes, value } of stores) {
          space.write(offset, lengthBytes, value);
        }
        expect(fieldsOf(space).filter(isFixed)).toEqual(before);
      }),
      { numRuns: 300 },
    );
  });

  it('changes only the bytes that were enabled, and in a dword at a time', () => {
    fc.assert(
      fc.property(spaceArbitrary, fc.array(storeArbitrary, { maxLength: 20 }), (space, stores) => {
        for (const { offset, lengthBytes, value } of stores) {
          const before = space.bytes.slice();
          // These reach further by design: another size of a BAR, the page size of virtual functions.
          let isLocal = true;
          space.onChange = (what) => {
            isLocal &&= what !== 'rebar' && what !== 'sriov' && what !== 'pri';
          };
          space.write(offset, lengthBytes, value);
          if (isLocal) {
            const changed = [...before.keys()].filter((i) => before[i] !== space.bytes[i]);
            expect(changed.every((i) => i >= offset && i < offset + lengthBytes)).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('clears a status bit by writing one, and by nothing else (RW1C, RW1CS)', () => {
    let seen = 0;
    fc.assert(
      fc.property(spaceArbitrary, fc.boolean(), (space, isOne) => {
        const statuses = fieldsOf(space).filter(({ access }) => access === 'RW1C' || access === 'RW1CS');
        for (const { offset, widthBits, low } of statuses) {
          const at = offset + (low >> 3);
          const bit = 1 << (low & 7);
          space.bytes[at] = space.bytes[at]! | bit;
          const lengthBytes = widthBits === 16 ? 2 : 4;
          const before = space.bytes.slice();
          space.write(offset, lengthBytes, isOne ? (1 << low) >>> 0 : 0);
          // Bits of errors that this function cannot have are read-only zero and stay as the test set them.
          const isClear = (space.bytes[at]! & bit) === 0;
          if (!isOne) {
            expect(isClear).toBe(false);
          } else if (isClear) {
            seen++;
            before[at] = before[at]! & ~bit;
          }
          const others = [...before.keys()].filter(
            (i) => (i < offset || i >= offset + lengthBytes) && before[i] !== space.bytes[i],
          );
          expect(others).toEqual([]);
        }
      }),
      { numRuns: 200 },
    );
    expect(seen).toBeGreaterThan(500);
  });

  it('is after power off what it was when it was made', () => {
    fc.assert(
      fc.property(spaceArbitrary, fc.array(storeArbitrary, { maxLength: 60 }), (space, stores) => {
        const fresh = space.bytes.slice();
        for (const { offset, lengthBytes, value } of stores) {
          space.write(offset, lengthBytes, value);
        }
        space.reset('power');
        expect(space.bytes).toEqual(fresh);
      }),
      { numRuns: 200 },
    );
  });

  it('tells of every store that changed a byte, and of no other but a strobe', () => {
    fc.assert(
      fc.property(spaceArbitrary, fc.array(storeArbitrary, { maxLength: 40 }), (space, stores) => {
        for (const { offset, lengthBytes, value } of stores) {
          const before = space.bytes.slice();
          const told: string[] = [];
          space.onChange = (what) => told.push(what);
          space.write(offset, lengthBytes, value);
          const isChanged = before.some((byte, i) => byte !== space.bytes[i]);
          const strobes = told.filter((what) => ['function-reset', 'pri', 'link-control'].includes(what));
          if (isChanged) {
            expect(told.length).toBeGreaterThan(0);
          } else {
            expect(told).toEqual(strobes);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** The sizing protocol of PCI 3.0, 6.2.5.1, as software does it. Null: not implemented. */
function probe(space: ConfigSpace, offset: number, isLast: boolean) {
  space.write(offset, 4, 0xffff_ffff);
  const low = space.read(offset, 4);
  if (low === 0) {
    return null;
  }
  if ((low & 1) === 1) {
    return { kind: 'io', is64Bit: false, isPrefetchable: false, sizeBytes: 2 ** 32 - ((low & ~3) >>> 0) };
  }
  const is64Bit = (low & 6) === 4 && !isLast;
  let high = 0xffff_ffff;
  if (is64Bit) {
    space.write(offset + 4, 4, 0xffff_ffff);
    high = space.read(offset + 4, 4);
  }
  const mask = (BigInt(high) << 32n) | BigInt((low & ~15) >>> 0);
  return {
    kind: 'memory',
    is64Bit,
    isPrefetchable: (low & 8) !== 0,
    sizeBytes: Number((1n << 64n) - mask),
  };
}

function probeAll(space: ConfigSpace, first: number, count: number) {
  const found: unknown[] = [];
  for (let index = 0; index < count; index++) {
    const bar = probe(space, first + 4 * index, index === count - 1);
    if (bar !== null) {
      found.push({ index, ...bar });
      index += bar.is64Bit ? 1 : 0;
    }
  }
  return found;
}

describe('the sizing protocol', () => {
  const shape = ({ index, kind, is64Bit, isPrefetchable, sizeBytes }: Record<string, unknown>) => ({
    index,
    kind,
    is64Bit,
    isPrefetchable,
    sizeBytes,
  });

  it('finds the BARs that a function has, whatever stood in them', () => {
    fc.assert(
      fc.property(functionArbitrary, fc.array(storeArbitrary, { maxLength: 20 }), (d, stores) => {
        const space = functionConfig(d);
        for (const { offset, lengthBytes, value } of stores.filter((s) => s.offset < 0x100)) {
          space.write(offset, lengthBytes, value);
        }
        expect(probeAll(space, 0x10, 6)).toEqual(d.bars.map((bar) => shape({ ...bar })));
        expect(probe(space, 0x30, true)).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  it('finds those of a bridge, and those of virtual functions rounded up to a page', () => {
    fc.assert(
      fc.property(portArbitrary, functionArbitrary, (port, d) => {
        expect(probeAll(portConfig(port), 0x10, 2)).toEqual(
          (port.bars ?? []).map((bar) => shape({ ...bar })),
        );
        const space = functionConfig(d);
        if (space.offsets.sriov !== 0) {
          space.write(space.offsets.sriov + 0x20, 4, 0x10);
          expect(probeAll(space, space.offsets.sriov + 0x24, 6)).toEqual(
            d.sriov!.bars.map((bar) => shape({ ...bar, sizeBytes: Math.max(bar.sizeBytes, 0x1_0000) })),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('leaves an aligned address as it was written', () => {
    fc.assert(
      fc.property(functionArbitrary, fc.nat(2 ** 20), (d, n) => {
        const space = functionConfig(d);
        for (const bar of d.bars) {
          const limit = bar.is64Bit ? 2 ** 50 : 2 ** 32;
          const address = (n * bar.sizeBytes) % limit;
          space.write(0x10 + 4 * bar.index, 4, address % 2 ** 32);
          if (bar.is64Bit) {
            space.write(0x14 + 4 * bar.index, 4, Math.floor(address / 2 ** 32));
          }
          expect(space.barAddress(bar.index)).toBe(address);
        }
      }),
      { numRuns: 300 },
    );
  });
});
