import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { DmaEngine, type DmaEngineOptions } from '../../../src/devices/index.ts';
import {
  DESC_FLAGS,
  DESC_LENGTH,
  DESC_RESULT,
  DESC_SOURCE_LOW,
  DESC_TARGET_LOW,
  DESCRIPTOR_BYTES,
  ENGINE_CTRL,
  ENGINE_HEAD,
  ENGINE_RESULT,
  ENGINE_RING_LOW,
  ENGINE_RING_SIZE,
  ENGINE_TAIL,
  ringEntries,
} from '../../../src/spec/index.ts';
import { type BenchMode, BenchPort, HOST_BASE } from '../nvme/bench.ts';

const SIZE = 5;
const ENTRIES = ringEntries(SIZE);
const RING = HOST_BASE;
const SOURCE = HOST_BASE + (1 << 20);
const TARGET = HOST_BASE + (4 << 20);
const PIECE = 1 << 15;
const CONTENT = Uint8Array.from({ length: ENTRIES * PIECE }, (_, i) => (i * 7 + (i >>> 9)) & 0xff);

class Rig {
  readonly port: BenchPort;
  readonly engine: DmaEngine;
  readonly view: DataView;
  tail = 0;

  constructor(mode: BenchMode, seed: number, options: DmaEngineOptions) {
    this.port = new BenchPort(mode, seed);
    this.engine = new DmaEngine('dma0', null, 'flat', options);
    this.port.attach(this.engine);
    const bytes = this.port.host.flat!;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes.set(CONTENT, SOURCE - HOST_BASE);
    this.start();
  }

  start(): void {
    this.engine.writeRegister(0, ENGINE_RING_SIZE.offset, 4, SIZE);
    this.engine.writeRegister(0, ENGINE_RING_LOW.offset, 4, RING);
    this.engine.writeRegister(0, ENGINE_CTRL.offset, 4, 3);
    this.tail = 0;
  }

  /** Posts a copy of `lengthBytes` from and to the piece of its entry. */
  post(lengthBytes: number): void {
    const base = this.tail * DESCRIPTOR_BYTES;
    this.port.host.fill(base, DESCRIPTOR_BYTES, 0);
    DESC_SOURCE_LOW.setValue(this.view, SOURCE + this.tail * PIECE, base);
    DESC_TARGET_LOW.setValue(this.view, TARGET + this.tail * PIECE, base);
    DESC_LENGTH.setValue(this.view, lengthBytes, base);
    DESC_FLAGS.IRQ.write(this.view, 1, base);
    this.tail = (this.tail + 1) % ENTRIES;
  }

  ring(): void {
    this.engine.writeRegister(0, ENGINE_TAIL.offset, 4, this.tail);
  }

  result(entry: number): number {
    return DESC_RESULT.value(this.view, entry * DESCRIPTOR_BYTES);
  }

  get head(): number {
    return this.engine.readRegister(0, ENGINE_HEAD.offset, 4);
  }

  isCopied(entry: number, lengthBytes: number): boolean {
    const { host } = this.port;
    const from = SOURCE - HOST_BASE + entry * PIECE;
    const to = TARGET - HOST_BASE + entry * PIECE;
    return host.firstDifference(to, host, from, lengthBytes) < 0 && host.getValue(to + lengthBytes, 4) === 0;
  }
}

describe('a DMA engine in a machine with time', () => {
  const LENGTH = 16_384;
  const COUNT = 16;

  function elapsedPs(options: DmaEngineOptions): number {
    const rig = new Rig('timed', 1, options);
    rig.port.linkPsPerByte = 100;
    rig.port.linkLatencyPs = 500_000;
    for (let i = 0; i < COUNT; i++) {
      rig.post(LENGTH);
    }
    rig.ring();
    rig.port.executor.runUntilIdle();
    expect(rig.head).toBe(COUNT);
    expect(rig.port.interrupts).toHaveLength(COUNT);
    return rig.port.executor.nowPs;
  }

  // Descriptor, data in, data out, mark: each its bytes and the latency.
  const ONE_PS = (32 + 2 * LENGTH + 4) * 100 + 4 * 500_000;

  it('does one descriptor after the other on one channel', () => {
    expect(elapsedPs({})).toBe(COUNT * ONE_PS);
  });

  it('pays the start of every descriptor', () => {
    expect(elapsedPs({ startPs: 1_500_000 })).toBe(COUNT * (ONE_PS + 1_500_000));
  });

  it('hides latency and start behind other channels, down to what the link takes', () => {
    const one = elapsedPs({ startPs: 5_000_000 });
    const two = elapsedPs({ startPs: 5_000_000, channels: 2 });
    const eight = elapsedPs({ startPs: 5_000_000, channels: 8 });
    const linkPs = COUNT * (32 + 2 * LENGTH + 4) * 100;
    expect(two).toBeLessThan(0.7 * one);
    expect(eight).toBeLessThan(two);
    expect(eight).toBeGreaterThanOrEqual(linkPs);
    expect(eight).toBeLessThan(1.3 * linkPs);
  });
});

describe('descriptors', () => {
  const length = fc.oneof(fc.integer({ min: 1, max: PIECE - 4 }), fc.constantFrom(0, 2 ** 20));

  test('are all done, and marked in the order of the ring, with any number of channels and any delays', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<BenchMode>('done', 'pending', 'jitter', 'timed'),
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(0, 700),
        fc.array(fc.array(length, { minLength: 1, maxLength: ENTRIES - 1 }), { minLength: 1, maxLength: 3 }),
        (mode, seed, channels, startPs, rounds) => {
          const rig = new Rig(mode, seed, { channels, startPs });
          rig.port.linkLatencyPs = 1000;
          let posted = 0;
          for (const lengths of rounds) {
            const first = rig.tail;
            rig.port.onInterrupt = () => {
              for (let i = 1; i < lengths.length; i++) {
                const earlier = rig.result((first + i - 1) % ENTRIES);
                expect(earlier === 0 && rig.result((first + i) % ENTRIES) !== 0).toBe(false);
              }
            };
            for (const one of lengths) {
              rig.port.host.fill(TARGET - HOST_BASE + rig.tail * PIECE, PIECE, 0);
              rig.post(one);
              // Some are started while more are posted.
              if (one % 3 === 0) {
                rig.ring();
                rig.port.executor.runUntilIdle(one % 7);
              }
            }
            rig.ring();
            rig.port.executor.runUntilIdle();
            posted += lengths.length;
            expect(rig.head).toBe(rig.tail);
            expect(rig.port.interrupts).toHaveLength(posted);
            lengths.forEach((one, i) => {
              const entry = (first + i) % ENTRIES;
              const isBad = one === 0 || one > PIECE;
              expect(rig.result(entry)).toBe(isBad ? ENGINE_RESULT.BAD_LENGTH : ENGINE_RESULT.DONE);
              expect(isBad || rig.isCopied(entry, one)).toBe(true);
            });
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('that were under way when the engine was stopped are not marked, and the next run is as the first', () => {
    for (const [mode, channels] of [
      ['pending', 1],
      ['jitter', 4],
      ['timed', 4],
    ] as const) {
      for (let events = 1; events < 30; events += 3) {
        const rig = new Rig(mode, events, { channels, startPs: 100 });
        rig.port.linkLatencyPs = 1000;
        for (let i = 0; i < 10; i++) {
          rig.post(4096);
        }
        rig.ring();
        rig.port.executor.runUntilIdle(events);
        rig.engine.writeRegister(0, ENGINE_CTRL.offset, 4, 0);
        const before = rig.port.interrupts.length;
        rig.start();
        for (let i = 0; i < 3; i++) {
          rig.post(8192);
        }
        rig.ring();
        rig.port.executor.runUntilIdle();
        expect(rig.head).toBe(3);
        expect([0, 1, 2].map((i) => rig.result(i))).toEqual([1, 1, 1]);
        expect(rig.isCopied(2, 8192)).toBe(true);
        expect(rig.port.interrupts.length - before).toBeGreaterThanOrEqual(3);
        expect(rig.port.interrupts.length - before).toBeLessThanOrEqual(4);
      }
    }
  });

  test('need a channel to be worked on', () => {
    for (const options of [{ channels: 0 }, { channels: 17 }, { startPs: -1 }]) {
      expect(() => new DmaEngine('dma0', null, 'flat', options)).toThrow(
        expect.objectContaining({ code: 'DEVICE_OPTIONS' }),
      );
    }
  });
});
