import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockOrder, FIO_OPTIONS, FioError, parseFioJobs } from '../../../src/orchestrators/index.ts';

const names = FIO_OPTIONS.flatMap(({ name, aliases }) => [name, ...aliases]);
const word = fc.oneof(
  fc.constantFrom(
    '4k',
    '0',
    '1',
    '-1',
    '18446744073709551615',
    '0x10',
    '50%',
    '1e',
    '9p',
    'randrw',
    'crc32c',
    'mmapshared:',
    '',
    '__proto__',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.nat().map(String),
);
const line = fc.oneof(
  fc.constantFrom(
    '[global]',
    '[a]',
    '[',
    ']',
    '[]',
    '[a',
    '=',
    '#',
    ';',
    '\u0024{X}',
    'include x',
    '\u0000',
    '\r',
    '',
  ),
  fc.tuple(fc.constantFrom(...names), word).map(([name, value]) => `${name}=${value}`),
  fc.constantFrom(...names),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

describe('a job file', () => {
  it('of any text gives jobs or a typed error with a line, and whole numbers below 2^53', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.boolean(), (lines, hasHead) => {
        try {
          const { jobs } = parseFioJobs((hasHead ? ['[a]', ...lines] : lines).join('\n'), 'x');
          for (const job of jobs) {
            for (const value of [
              job.readBytes,
              job.writeBytes,
              job.iodepth,
              job.numjobs,
              job.loops,
              job.seed,
            ]) {
              expect(Number.isSafeInteger(value)).toBe(true);
            }
            expect(job.readPercent).toBeGreaterThanOrEqual(0);
            expect(job.readPercent).toBeLessThanOrEqual(100);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(FioError);
          expect((error as FioError).code).toMatch(/^FIO_[A-Z_]+$/);
          expect((error as FioError).hint).toBeTruthy();
        }
      }),
      { numRuns: 600 },
    );
  });

  it('keeps its last value of each option, and any order of independent lines is the same', () => {
    const lines = [
      'bs=8k',
      'rw=randwrite',
      'iodepth=7',
      'size=1m',
      'offset=64k',
      'numjobs=3',
      'kb_base=1000',
    ];
    const { options: _, ...expected } = parseFioJobs(['[a]', ...lines].join('\n'), 'x').jobs[0]!;
    fc.assert(
      fc.property(fc.shuffledSubarray(lines, { minLength: lines.length }), (shuffled) => {
        const { options: __, ...job } = parseFioJobs(['[a]', 'iodepth=1', ...shuffled].join('\n'), 'x')
          .jobs[0]!;
        expect(job).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });
});

describe('random blocks', () => {
  it('all come once before any comes again, and in another order the next time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer(), (count, seed) => {
        const order = new BlockOrder(count, seed);
        for (let pass = 0; pass < 3; pass++) {
          const seen = new Set(Array.from({ length: count }, () => order.next()));
          expect(seen.size).toBe(count);
          expect(Math.max(...seen)).toBe(count - 1);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are spread over drives of any size', () => {
    const order = new BlockOrder(2 ** 44, 5);
    const blocks = Array.from({ length: 1000 }, () => order.next());
    const low = blocks.filter((block) => block < 2 ** 43).length;
    expect(new Set(blocks).size).toBe(1000);
    expect(low).toBeGreaterThan(400);
    expect(low).toBeLessThan(600);
    expect(blocks.some((block, i) => i > 0 && block < blocks[i - 1]!)).toBe(true);
  });
});
