import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PhysAddr } from '../../../src/base/index.ts';
import { Iommu } from '../../../src/fabric/iommu/iommu.ts';
import { IovaSpace } from '../../../src/fabric/iommu/iova-space.ts';
import { IOMMU_ACCESS } from '../../../src/fabric/iommu/page-table.ts';
import type { Translation } from '../../../src/fabric/routing/translator.ts';

const PAGE = 4096;

test('a page table gives for every address what a plain list of mappings gives, small and large pages alike', () => {
  const slot = fc.record({
    slot: fc.integer({ min: 0, max: 15 }),
    pages: fc.constantFrom(1, 3, 512, 513, 1024),
    phys: fc.constantFrom(0, 2 ** 21, 5 * PAGE, 2 ** 30 + 2 ** 21),
    rights: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(slot, { selector: ({ slot: at }) => at, maxLength: 8 }),
      fc.array(fc.tuple(fc.nat(16 * 1100 * PAGE), fc.boolean()), { maxLength: 40 }),
      fc.nat(7),
      (slots, probes, gone) => {
        const iommu = new Iommu('translated');
        const domain = iommu.createDomain('test');
        iommu.attach(0, 0x100, domain);
        const maps = slots.map(({ slot: at, pages, phys, rights }) => ({
          iova: at * 2048 * PAGE,
          length: pages * PAGE,
          phys: phys + at * 2 ** 32,
          rights,
        }));
        for (const { iova, phys, length, rights } of maps) {
          domain.map(iova, phys as PhysAddr, length, rights);
        }
        const removed = maps.splice(gone, 1)[0];
        if (removed !== undefined) {
          domain.unmap(removed.iova, removed.length);
        }
        expect(domain.table.mappedBytes).toBe(maps.reduce((sum, { length }) => sum + length, 0));
        const into: Translation = { phys: 0, lengthBytes: 0 };
        for (const [offset, isWrite] of probes) {
          const addr =
            offset % 2 === 0
              ? offset
              : (maps[offset % Math.max(1, maps.length)]?.iova ?? 0) + (offset % 5000);
          const hit = maps.find(({ iova, length }) => addr >= iova && addr < iova + length);
          const allowed =
            hit !== undefined && (hit.rights & (isWrite ? IOMMU_ACCESS.WRITE : IOMMU_ACCESS.READ)) !== 0;
          iommu.translate(0, 0x100, addr, 2 ** 22, isWrite, false, into);
          expect(into.phys).toBe(allowed ? hit.phys + (addr - hit.iova) : -1);
          if (allowed) {
            expect(into.lengthBytes).toBe(Math.min(2 ** 22, hit.iova + hit.length - addr));
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('addresses that no table can hold are refused and recorded', () => {
  const iommu = new Iommu('translated');
  iommu.attach(0, 8, iommu.createDomain('empty'));
  const into: Translation = { phys: 0, lengthBytes: 0 };
  for (const addr of [2 ** 48, 2 ** 52, Number.POSITIVE_INFINITY]) {
    iommu.translate(0, 8, addr, 4096, true, false, into);
    expect(into.phys).toBe(-1);
  }
  iommu.translate(0, 9, 0x1000, 4096, false, false, into);
  expect(iommu.faults.map(({ reason }) => reason)).toEqual([
    'not-present',
    'not-present',
    'not-present',
    'no-domain',
  ]);
});

test('without translation an address means itself, and a quarantined requester reaches nothing', () => {
  const into: Translation = { phys: 0, lengthBytes: 0 };
  for (const mode of ['off', 'passthrough'] as const) {
    const iommu = new Iommu(mode);
    iommu.translate(0, 1, 0xabc000, 64, true, false, into);
    expect(into).toEqual({ phys: 0xabc000, lengthBytes: 64 });
  }
  const iommu = new Iommu('passthrough');
  const domain = iommu.createDomain('quarantine');
  domain.isBlocked = true;
  iommu.attach(0, 1, domain);
  iommu.translate(0, 1, 0xabc000, 64, true, false, into);
  expect(into.phys).toBe(-1);
});

test('I/O virtual addresses never overlap, never lie in a reserved range, and come back', () => {
  const reserved = [
    { start: 0x8000_0000, end: 0xfff0_0000 },
    { start: 2 ** 39, end: 2 ** 40 },
  ];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(1, 4096, 70_000, 2 ** 21, 2 ** 30 + 5), fc.boolean(), fc.boolean()), {
        maxLength: 60,
      }),
      (requests) => {
        const space = new IovaSpace(48, reserved);
        const held: { start: number; end: number; length: number }[] = [];
        for (const [length, isLow, isReleased] of requests) {
          const start = space.alloc(length, isLow ? 2 ** 32 : 2 ** 48);
          if (start !== undefined) {
            const end = start + Math.ceil(length / 4096) * 4096;
            expect(start % 4096).toBe(0);
            expect(isLow && end > 2 ** 32).toBe(false);
            for (const other of [...held, ...reserved]) {
              expect(start < other.end && other.start < end).toBe(false);
            }
            held.push({ start, end, length });
          }
          if (isReleased && held.length > 0) {
            const gone = held.splice(length % held.length, 1)[0]!;
            space.release(gone.start, gone.length);
          }
        }
        for (const { start, length } of held) {
          space.release(start, length);
        }
        expect(space.alloc(2 ** 31 - 2 ** 21, 2 ** 32)).not.toBe(undefined);
      },
    ),
    { numRuns: 200 },
  );
});
