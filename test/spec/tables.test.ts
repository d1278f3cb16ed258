// The tables as a whole. That no fields overlap and no structure has a hole, each table checks when it is loaded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegisterMeta, Structure } from '../../src/base/index.ts';
import * as spec from '../../src/spec/index.ts';
import * as nvme from '../../src/spec/nvme/index.ts';

const isStructure = (value: unknown): value is Structure =>
  typeof value === 'object' && value !== null && 'registers' in value && 'source' in value;
const isRegister = (value: unknown): value is RegisterMeta =>
  typeof value === 'object' && value !== null && 'widthBits' in value && 'fields' in value;

// Most NVMe tables are of memory, which has no access types and is longer: their tests are in nvme/.
const ofNvme = new Set<unknown>(Object.values(nvme));
const others = Object.values(spec).filter((value: unknown) => !ofNvme.has(value));

const structures = others.filter(isStructure);
const registers = [
  ...new Set([...others.filter(isRegister), ...structures.flatMap((structure) => structure.registers)]),
];

describe('register tables', () => {
  it('are many', () => {
    expect(structures.length).toBeGreaterThan(60);
    expect(registers.length).toBeGreaterThan(250);
  });

  it.each(structures.map((structure) => [structure.name, structure] as const))(
    '%s names its source',
    (_, structure) => {
      expect(structure.source).toMatch(/\d/);
      expect(structure.sizeBytes).toBeGreaterThan(0);
    },
  );

  it('give every field of a register that has any an access type', () => {
    const without = registers.flatMap((register) =>
      register.fields
        .filter((field) => field.access === undefined)
        .map((field) => `${register.name}.${field.name}`),
    );
    expect(without).toEqual([]);
  });

  it('start every capability with its header', () => {
    const capabilities = structures.filter((structure) => structure.registers[0]?.name === 'Capability ID');
    expect(capabilities.length).toBeGreaterThan(20);
    for (const { registers: own } of capabilities) {
      expect(own[1]!.name).toBe('Next Capability Pointer');
    }
  });

  it('read back what was written to a field, and leave its neighbours alone', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...registers.filter((register) => register.fields.length > 0)),
        fc.uint8Array({ minLength: 0x80, maxLength: 0x80 }),
        fc.nat(),
        fc.nat(0x20),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (register, bytes, pick, base, fraction) => {
          const field = register.fields[pick % register.fields.length]!;
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          const before = register.fields.map((other) => other.read(view, base));
          const outside = bytes.slice();
          const value = Math.floor(fraction * 2 ** field.widthBits);
          field.write(view, value, base);
          expect(field.read(view, base)).toBe(value);
          register.fields.forEach((other, i) => {
            if (other !== field) {
              expect(other.read(view, base)).toBe(before[i]);
            }
          });
          const start = base + register.offset;
          const end = start + register.widthBits / 8;
          expect([...bytes.slice(0, start), ...bytes.slice(end)]).toEqual([
            ...outside.slice(0, start),
            ...outside.slice(end),
          ]);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('read a field the same from the bytes and from a value that was read', () => {
    const narrow = registers.filter((register) => register.widthBits <= 32 && register.fields.length > 0);
    fc.assert(
      fc.property(
        fc.constantFrom(...narrow),
        fc.uint8Array({ minLength: 0x80, maxLength: 0x80 }),
        (register, bytes) => {
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          const value = register.value(view);
          for (const field of register.fields) {
            expect(field.of(value)).toBe(field.read(view));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('lists', () => {
  it('name every capability ID', () => {
    for (const id of Object.values(spec.CAPABILITY_ID)) {
      expect(spec.CAPABILITY_NAME[id], `capability ${id}`).toBeDefined();
    }
    for (const id of Object.values(spec.EXTENDED_ID)) {
      expect(spec.EXTENDED_NAME[id], `extended capability ${id}`).toBeDefined();
    }
  });

  it('explain no value that a field cannot have', () => {
    for (const [field, encoding] of [...spec.PCI_MEANINGS, ...spec.PCIE_MEANINGS]) {
      for (const value of Object.keys(encoding).map(Number)) {
        expect(value, field.name).toBeLessThan(2 ** field.widthBits);
      }
    }
  });

  it('name classes as exactly as they can', () => {
    expect(spec.classCodeName(0x010802)).toBe('Non-volatile memory controller');
    expect(spec.classCodeName(0x0c0fff)).toBe('Serial bus controller');
    expect(spec.classCodeName(0x770000)).toBeNull();
  });

  it('turn encoded counts into counts', () => {
    expect(spec.msixVectorCount(0)).toBe(1);
    expect(spec.invalidateQueueDepth(0)).toBe(32);
    expect(spec.invalidateQueueDepth(16)).toBe(16);
    expect(spec.slotPowerLimitWatts(250, 1)).toBe(25);
    expect(spec.slotPowerLimitWatts(0xf1, 0)).toBe(275);
    expect(spec.slotPowerLimitWatts(0xf3, 0)).toBeUndefined();
    expect(spec.LINK_SPEED_GTS.slice(1)).toEqual([2.5, 5, 8, 16, 32, 64]);
    expect(spec.TRANSFER_SIZE_BYTES[5]).toBe(4096);
  });
});
