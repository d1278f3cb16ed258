// Laws of every NVMe table. That no fields overlap and no structure has a hole, each table checks when it is loaded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegisterMeta, Structure } from '../../../src/base/index.ts';
import * as nvme from '../../../src/spec/nvme/index.ts';

const isStructure = (value: unknown): value is Structure =>
  typeof value === 'object' && value !== null && 'registers' in value && 'source' in value;
const isRegister = (value: unknown): value is RegisterMeta =>
  typeof value === 'object' && value !== null && 'widthBits' in value && 'fields' in value;

const values: readonly unknown[] = Object.values(nvme);
const structures = values.filter(isStructure);
const registers = [
  ...new Set([...values.filter(isRegister), ...structures.flatMap((structure) => structure.registers)]),
];
const withFields = registers.filter((register) => register.fields.length > 0);

/** Random bytes for a register, and where the structure around it starts in them. */
const placed = fc.constantFrom(...withFields).chain((register) =>
  fc.record({
    register: fc.constant(register),
    base: fc.nat(0x20),
    window: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
);

/** A view in which only the neighbourhood of the register is random. */
function viewOf(register: RegisterMeta, base: number, window: Uint8Array): DataView {
  const bytes = new Uint8Array(base + register.offset + 64);
  bytes.set(window, Math.max(0, base + register.offset - 12));
  return new DataView(bytes.buffer);
}

describe('NVMe tables', () => {
  it('name document and section', () => {
    expect(structures.length).toBeGreaterThan(35);
    for (const structure of structures) {
      expect(structure.source, structure.name).toMatch(/^(NVM Express Base 2\.1|NVM Command Set 1\.1), \d/);
    }
  });

  it('give every field of a controller property an access type (NVM Express Base 2.1, 3.1.4)', () => {
    const without = nvme.CONTROLLER_PROPERTIES.registers.flatMap((register) =>
      register.fields.filter((field) => field.access === undefined).map((field) => field.name),
    );
    expect(without).toEqual([]);
  });

  it('read back what was written to a field, and leave everything else alone', () => {
    fc.assert(
      fc.property(
        placed,
        fc.nat(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        ({ register, base, window }, pick, fraction) => {
          const field = register.fields[pick % register.fields.length]!;
          const view = viewOf(register, base, window);
          const outside = new Uint8Array(view.buffer.slice(0));
          const before = register.fields.map((other) => other.read(view, base));
          const value = Math.floor(fraction * 2 ** field.widthBits);
          field.write(view, value, base);
          expect(field.read(view, base)).toBe(value);
          register.fields.forEach((other, i) => {
            if (other !== field) {
              expect(other.read(view, base), other.name).toBe(before[i]);
            }
          });
          const after = new Uint8Array(view.buffer.slice(0));
          const start = base + register.offset;
          outside.fill(0, start, start + register.widthBits / 8);
          after.fill(0, start, start + register.widthBits / 8);
          expect(after).toEqual(outside);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('read a field the same from the bytes and from a value that was read', () => {
    fc.assert(
      fc.property(placed, ({ register, base, window }) => {
        fc.pre(register.widthBits <= 32);
        const view = viewOf(register, base, window);
        const value = register.value(view, base);
        for (const field of register.fields) {
          expect(field.of(value), field.name).toBe(field.read(view, base));
        }
      }),
      { numRuns: 800 },
    );
  });
});
