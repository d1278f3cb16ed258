import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/index.ts';
import { Memory } from '../../../../src/fabric/index.ts';
import { NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import {
  Bench,
  CMB_BASE,
  CMB_BYTES,
  dwords,
  HOST_BASE,
  HOST_BYTES,
  MODES,
  type Mode,
  putAddress,
  putDescriptor,
} from './bench.ts';

/** A place that bytes of the payload belong to. */
interface Piece {
  /** 0: nowhere, a bit bucket. */
  readonly address: number;
  readonly lengthBytes: number;
}

/** Lists live in the upper half of host memory, data in the lower half and in the CMB. */
const LISTS = HOST_BYTES / 2;

/** Pages in random order, none twice, some next to each other. */
function drawPages(random: SeededRandom, count: number, pageBytes: number): number[] {
  const host = LISTS / pageBytes;
  const cmb = CMB_BYTES / pageBytes;
  const taken = new Set<number>();
  const pages: number[] = [];
  let next = -1;
  while (pages.length < count) {
    const page = next >= 0 && random.below(2) === 0 ? next : random.below(host + cmb);
    next = -1;
    if (page < host + cmb && !taken.has(page)) {
      taken.add(page);
      pages.push(page < host ? HOST_BASE + page * pageBytes : CMB_BASE + (page - host) * pageBytes);
      next = page + 1;
    }
  }
  return pages;
}

/** Builds PRPs for pages, chained as the layout of the lists has it; gives PRP1 and PRP2. */
function buildPrps(
  random: SeededRandom,
  memory: Memory,
  pages: readonly number[],
  offset: number,
  pageBytes: number,
): [number, number] {
  const rest = pages.slice(1);
  if (rest.length < 2) {
    return [pages[0]! + offset, rest[0] ?? 0xdead_beef];
  }
  let listPage = LISTS;
  // The first list may start anywhere in its page.
  let at = listPage + pageBytes - 8 * (1 + random.below(Math.min(pageBytes / 8, rest.length + 4)));
  const prp2 = HOST_BASE + at;
  for (let i = 0; i < rest.length; i++) {
    if (at % pageBytes === pageBytes - 8 && i < rest.length - 1) {
      listPage += pageBytes * (1 + random.below(2));
      putAddress(memory, at, HOST_BASE + listPage);
      at = listPage;
    }
    putAddress(memory, at, rest[i]!);
    at += 8;
  }
  return [pages[0]! + offset, prp2];
}

function snapshot(memory: Memory): Uint8Array {
  return memory.flat!.slice();
}

/** What host memory and CMB have to hold after a payload has come to `pieces`. */
function expectAt(
  images: { host: Uint8Array; cmb: Uint8Array },
  pieces: readonly Piece[],
  from: Memory,
): void {
  let done = 0;
  for (const { address, lengthBytes } of pieces) {
    const isCmb = address >= CMB_BASE;
    if (address !== 0) {
      const image = isCmb ? images.cmb : images.host;
      from.read(done, image, address - (isCmb ? CMB_BASE : HOST_BASE), lengthBytes);
    }
    done += lengthBytes;
  }
}

function run(
  mode: Mode,
  seed: number,
  isToHost: boolean,
  bench: Bench,
  fields: Record<number, number>,
  pieces: readonly Piece[],
  totalBytes: number,
): void {
  const { host } = bench.port;
  const local = Memory.flat(totalBytes);
  const images = { host: snapshot(host), cmb: snapshot(bench.cmb) };
  const command = bench.command(fields);
  if (isToHost) {
    local.fillPattern(0, totalBytes, seed, 5);
    expectAt(images, pieces, local);
    expect(bench.settle(command, bench.data.toHost(command, local, 0, totalBytes))).toBe(0);
  } else {
    expect(bench.settle(command, bench.data.fromHost(command, local, 0, totalBytes))).toBe(0);
    let done = 0;
    for (const { address, lengthBytes } of pieces) {
      const [source, base] = address >= CMB_BASE ? [bench.cmb, CMB_BASE] : [host, HOST_BASE];
      expect(local.firstDifference(done, source, address - base, lengthBytes), mode).toBe(-1);
      done += lengthBytes;
    }
  }
  // Nothing else has changed anywhere.
  expect(host.firstDifference(0, Memory.over(images.host), 0, HOST_BYTES)).toBe(-1);
  expect(bench.cmb.firstDifference(0, Memory.over(images.cmb), 0, CMB_BYTES)).toBe(-1);
}

const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

describe('data pointers', () => {
  it('any PRP layout moves exactly its bytes, both ways, however the bus behaves', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MODES), fc.boolean(), (seed, mode, isToHost) => {
        const random = new SeededRandom(seed);
        // With a page of 128 bytes a list holds 16 entries: chains are short and many.
        const pageBytes = random.pick([128, 128, 4096]);
        const count = 1 + random.below(pageBytes === 128 ? 90 : 20);
        const offset = 4 * random.below(pageBytes / 4);
        const pages = drawPages(random, count, pageBytes);
        const totalBytes =
          (count - 1) * pageBytes +
          (count === 1 ? 1 + random.below(pageBytes - offset) : 1 + random.below(pageBytes)) -
          (count === 1 ? 0 : offset);
        const bench = new Bench({ mode, seed, pageBytes });
        bench.port.host.fillPattern(0, LISTS, seed, 0);
        bench.cmb.fillPattern(0, CMB_BYTES, seed, 999);
        fc.pre(totalBytes > 0 && Math.ceil((offset + totalBytes) / pageBytes) === count);
        const [prp1, prp2] = buildPrps(random, bench.port.host, pages, offset, pageBytes);
        const pieces: Piece[] = [];
        let left = totalBytes;
        for (const [index, page] of pages.entries()) {
          const skip = index === 0 ? offset : 0;
          const lengthBytes = Math.min(pageBytes - skip, left);
          pieces.push({ address: page + skip, lengthBytes });
          left -= lengthBytes;
        }
        const [low1, high1] = dwords(prp1);
        const [low2, high2] = dwords(prp2);
        const fields = { 6: low1, 7: high1, 8: low2, 9: high2 };
        run(mode, seed, isToHost, bench, fields, pieces, totalBytes);
      }),
      { numRuns: 100 },
    );
  });

  it('any SGL of segments moves exactly its bytes, both ways, however the bus behaves', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MODES), fc.boolean(), (seed, mode, isToHost) => {
        const random = new SeededRandom(seed);
        const bench = new Bench({ mode, seed });
        const { host } = bench.port;
        host.fillPattern(0, LISTS, seed, 0);
        bench.cmb.fillPattern(0, CMB_BYTES, seed, 999);
        const segmentCount = 1 + random.below(4);
        const pieces: Piece[] = [];
        let totalBytes = 0;
        let cursor = random.below(1000);
        let cmbCursor = random.below(1000);
        let listAt = LISTS;
        let fields: Record<number, number> = {};
        let linkAt = -1;
        for (let segment = 0; segment < segmentCount; segment++) {
          const isLast = segment === segmentCount - 1;
          const count = random.below(12) + (isLast ? 1 : 0);
          const segmentBytes = 16 * (count + (isLast ? 0 : 1));
          const identifier = isLast ? 0x30 : 0x20;
          if (linkAt < 0) {
            const [low, high] = dwords(HOST_BASE + listAt);
            fields = { 0: 1 << 14, 6: low, 7: high, 8: segmentBytes, 9: identifier * 0x100_0000 };
          } else {
            putDescriptor(host, linkAt, identifier, HOST_BASE + listAt, segmentBytes);
          }
          for (let i = 0; i < count; i++) {
            const lengthBytes = random.below(3000);
            if (random.below(5) === 0) {
              putDescriptor(host, listAt, 0x10, 0, lengthBytes);
              if (isToHost) {
                pieces.push({ address: 0, lengthBytes });
                totalBytes += lengthBytes;
              }
            } else {
              const isCmb = random.below(3) === 0;
              const address = isCmb ? CMB_BASE + cmbCursor : HOST_BASE + cursor;
              const step = lengthBytes + (random.below(2) === 0 ? 0 : random.below(50));
              cursor += isCmb ? 0 : step;
              cmbCursor += isCmb ? step : 0;
              putDescriptor(host, listAt, 0x00, address, lengthBytes);
              pieces.push({ address, lengthBytes });
              totalBytes += lengthBytes;
            }
            listAt += 16;
          }
          linkAt = listAt;
          listAt += 16 + 16 * random.below(300);
        }
        run(mode, seed, isToHost, bench, fields, pieces, totalBytes);
      }),
      { numRuns: 100 },
    );
  });

  it('any 32 bytes of pointers and any list end with a status, and touch only where they point', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MODES), (seed, mode) => {
        const random = new SeededRandom(seed);
        const bench = new Bench({ mode, seed, pageBytes: 256 });
        const word = (): number => {
          const any = random.next32();
          return random.pick([any, any & 0xfffffff0, any % HOST_BYTES, 0xffff_ffff, 0x1f, 0]) >>> 0;
        };
        const high = (): number => random.pick([1, 1, 1, 8, 10, 0x1f_ffff, 0x20_0000, 0xffff_ffff]);
        for (let at = 0; at < HOST_BYTES / 256; at += 16) {
          putAddress(bench.port.host, at, word() + high() * 0x1_0000_0000);
          bench.port.host.setValue(at + 8, 4, random.below(600));
          bench.port.host.setValue(
            at + 12,
            4,
            random.pick([0, 0, 0x1000_0000, 0x2000_0000, 0x3000_0000, word()]),
          );
        }
        const fields = {
          0: random.below(4) << 14,
          4: word(),
          5: high(),
          6: word(),
          7: high(),
          8: random.pick([word(), 512, 64]),
          9: random.pick([high(), 0x2000_0000, 0x3000_0000]),
        };
        const command = bench.command(fields);
        const local = Memory.flat(3000);
        const outcomes = new Set<number>([
          0,
          NVME_STATUS.INVALID_FIELD,
          NVME_STATUS.INVALID_PRP_OFFSET,
          NVME_STATUS.DATA_TRANSFER_ERROR,
          NVME_STATUS.SGL_TYPE_INVALID,
          NVME_STATUS.INVALID_SGL_SEGMENT,
          NVME_STATUS.INVALID_SGL_COUNT,
          NVME_STATUS.DATA_SGL_LENGTH_INVALID,
          NVME_STATUS.METADATA_SGL_LENGTH_INVALID,
        ]);
        const { data } = bench;
        expect(outcomes).toContain(bench.settle(command, data.fromHost(command, local, 0, 3000)));
        command.status = 0;
        expect(outcomes).toContain(bench.settle(command, data.metadataFromHost(command, local, 0, 100)));
        expect(bench.port.pendingCount).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
