/** Laws of allocation, mapping and page references. fast-check prints the seed of a failure. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DmaMapping } from '../../../src/access/index.ts';
import { MappingError, type PhysAddr } from '../../../src/base/index.ts';
import { entryOf, type PinnedPages, type ScatterEntry, type UserMapping } from '../../../src/p2pdma/index.ts';
import { hostBridgeFunction, port, SKYLAKE_E } from '../support/build-machine.ts';
import { BAR_START, bench, benchWithMemory, FakeFunction, FakeHostSpan, MIB, PAGE } from './fake-function.ts';

const RUNS = 200;
const POOL_BYTES = 2 * MIB;
const POOL_PAGES = POOL_BYTES / PAGE;

describe('free', () => {
  it('takes exactly what was allocated; every other call is a typed refusal that changes nothing', () => {
    const offsets = fc.oneof(
      fc.integer({ min: -2, max: 40 }).map((page) => page * PAGE),
      fc.integer({ min: -PAGE, max: POOL_BYTES + PAGE }),
      fc.constantFrom(2 ** 53, Number.NaN, Number.NEGATIVE_INFINITY),
    );
    const step = fc.record({
      isAlloc: fc.boolean(),
      offset: offsets,
      lengthBytes: fc.oneof(fc.integer({ min: -1, max: 10 * PAGE }), fc.constantFrom(2 ** 64, Number.NaN)),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (plan) => {
        const { provider } = benchWithMemory({}, {}, { lengthBytes: POOL_BYTES });
        const out = new Map<number, number>();
        const pagesOut = (): number =>
          [...out.values()].reduce((sum, length) => sum + Math.ceil(length / PAGE), 0);
        for (const { isAlloc, offset, lengthBytes } of plan) {
          if (isAlloc) {
            const address = provider.alloc(lengthBytes);
            if (address !== null) {
              out.set(address, lengthBytes);
            }
          } else {
            const address = (BAR_START + offset) as PhysAddr;
            const mine = out.get(address);
            const isRight = mine !== undefined && Math.ceil(mine / PAGE) === Math.ceil(lengthBytes / PAGE);
            const before = provider.availableBytes;
            try {
              provider.free(address, lengthBytes);
              expect(isRight).toBe(true);
              out.delete(address);
            } catch (error) {
              expect(error).toBeInstanceOf(MappingError);
              expect(isRight).toBe(false);
              expect(provider.availableBytes).toBe(before);
            }
          }
          expect(provider.availableBytes).toBe((POOL_PAGES - pagesOut()) * PAGE);
        }
        // No two blocks overlap.
        const blocks = [...out].sort(([a], [b]) => a - b);
        blocks.slice(1).forEach(([address], i) => {
          const [before, length] = blocks[i]!;
          expect(before + Math.ceil(length / PAGE) * PAGE).toBeLessThanOrEqual(address);
        });
      }),
      { numRuns: RUNS },
    );
  });
});

describe('mapSg', () => {
  /** Client 01:00.0; providers below the same root port, another listed one, and in another domain that is not listed. */
  const machine = {
    functions: [
      hostBridgeFunction(SKYLAKE_E),
      port('00:01.0', null, 'root-port'),
      port('00:02.0', null, 'root-port'),
      { at: '01:00.0', up: '00:01.0' },
      { at: '01:01.0', up: '00:01.0' },
      { at: '02:00.0', up: '00:02.0' },
      { ...hostBridgeFunction('8086:9999'), at: '0001:00:00.0' },
      port('0001:00:01.0', null, 'root-port'),
      { at: '0001:01:00.0', up: '0001:00:01.0' },
    ],
  } as const;
  const PROVIDERS = ['01:01.0', '02:00.0', '0001:01:00.0'] as const;

  it('maps all or nothing: after a refusal, and after unmap, nothing is held and all memory can be freed', () => {
    const kinds = fc.array(fc.constantFrom('host', ...PROVIDERS), { minLength: 1, maxLength: 8 });
    const masks = fc.constantFrom(32, 36, 64);
    fc.assert(
      fc.property(kinds, masks, (list, addressBits) => {
        const { p2pdma } = bench(machine);
        const client = new FakeFunction('01:00.0');
        client.dma.setAddressBits(addressBits);
        const providers = new Map(
          PROVIDERS.map((at, i) => {
            const fn = new FakeFunction(at, { 0: { start: 2 ** (31 + 4 * i), lengthBytes: POOL_BYTES } });
            p2pdma.addResource(fn, 0);
            return [at, p2pdma.provider(fn.bdf)!] as const;
          }),
        );
        const blocks: { at: (typeof PROVIDERS)[number]; address: PhysAddr }[] = [];
        const entries = list.map((kind): ScatterEntry => {
          if (kind === 'host') {
            return entryOf(new FakeHostSpan(PAGE));
          }
          const address = providers.get(kind)!.alloc(PAGE)!;
          blocks.push({ at: kind, address });
          return { address, lengthBytes: PAGE };
        });
        let mapping: DmaMapping | undefined;
        try {
          mapping = p2pdma.mapSg(entries, client);
        } catch (error) {
          expect(error).toBeInstanceOf(MappingError);
        }
        const isReachable = (kind: (typeof list)[number]): boolean =>
          kind === 'host' ||
          (kind === '01:01.0' && addressBits > 31) ||
          (kind === '02:00.0' && addressBits > 35);
        expect(mapping !== undefined).toBe(list.every(isReachable));
        expect(mapping?.segments.length ?? list.length).toBe(list.length);
        mapping?.unmap();
        expect(client.dma.live.size).toBe(0);
        for (const { at, address } of blocks) {
          providers.get(at)!.free(address, PAGE);
        }
        for (const provider of providers.values()) {
          expect(provider.availableBytes).toBe(POOL_BYTES);
        }
      }),
      { numRuns: RUNS },
    );
  });
});

describe('page references', () => {
  const step = fc.record({
    act: fc.constantFrom('mmap', 'munmap', 'fork', 'pin', 'release', 'map', 'unmap'),
    which: fc.nat(),
    first: fc.integer({ min: 0, max: 7 }),
    pages: fc.integer({ min: 1, max: 8 }),
  });

  it('a page is free when its last reference is gone, and not before', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (plan) => {
        const { p2pdma, fn, client, provider } = benchWithMemory({}, {}, { lengthBytes: POOL_BYTES });
        /** The naive model: every reference as the list of pages that it keeps. */
        const mappings: { it: UserMapping; pages: (number | null)[] }[] = [];
        const pins: { it: PinnedPages; pages: number[] }[] = [];
        const dma: { it: DmaMapping; pages: number[] }[] = [];
        const pick = <T>(from: T[], which: number): T | undefined => from[which % Math.max(1, from.length)];
        const drop = <T>(from: T[], one: T): void => {
          from.splice(from.indexOf(one), 1);
        };
        for (const { act, which, first, pages } of plan) {
          const mapping = pick(mappings, which);
          const pin = pick(pins, which);
          const mapped = pick(dma, which);
          if (act === 'mmap') {
            const it = p2pdma.mmap(fn.bdf, { lengthBytes: pages * PAGE });
            const at = it.pin(0, 1, { takesPeerPages: true });
            const start = at.entries[0]!.address;
            at.release();
            mappings.push({ it, pages: Array.from({ length: pages }, (_, i) => start + i * PAGE) });
          } else if (act === 'munmap' && mapping !== undefined) {
            mapping.it.munmap(first * PAGE, pages * PAGE);
            mapping.pages = mapping.pages.map((page, i) => (i >= first && i < first + pages ? null : page));
          } else if (act === 'fork' && mapping !== undefined) {
            mappings.push({ it: mapping.it.fork(), pages: [...mapping.pages] });
          } else if (act === 'pin' && mapping !== undefined) {
            const wanted = mapping.pages.slice(first, first + pages);
            const held = wanted.filter((page) => page !== null);
            if (wanted.length === pages && held.length === pages) {
              pins.push({
                it: mapping.it.pin(first * PAGE, pages * PAGE, { takesPeerPages: true }),
                pages: held,
              });
            } else {
              expect(() => mapping.it.pin(first * PAGE, pages * PAGE, { takesPeerPages: true })).toThrow(
                MappingError,
              );
            }
          } else if (act === 'release' && pin !== undefined) {
            pin.it.release();
            drop(pins, pin);
          } else if (act === 'map' && pin !== undefined) {
            dma.push({ it: p2pdma.mapSg(pin.it.entries, client), pages: pin.pages });
          } else if (act === 'unmap' && mapped !== undefined) {
            mapped.it.unmap();
            drop(dma, mapped);
          }
          const inUse = new Set([...mappings, ...pins, ...dma].flatMap((one) => one.pages));
          inUse.delete(null);
          expect(provider.availableBytes).toBe(POOL_BYTES - inUse.size * PAGE);
        }
        for (const { it } of mappings) {
          it.munmap();
        }
        for (const { it } of pins) {
          it.release();
        }
        for (const { it } of dma) {
          it.unmap();
        }
        expect(provider.availableBytes).toBe(POOL_BYTES);
      }),
      { numRuns: RUNS },
    );
  });
});
