/** What goes wrong while a driver's copy is under way, as a driver and the memories on both ends see it. */
import { describe, expect, test } from 'vitest';
import { startTask } from '../../src/access/index.ts';
import type { DmaAddr } from '../../src/base/index.ts';
import type { EngineOutcome } from '../../src/drivers/index.ts';
import { DEVICE_STATUS, ENGINE_STATUS, PMCSR } from '../../src/spec/index.ts';
import type { Target } from './bench-lab.ts';
import { bootEngines, type EngineLab, fillWith, isFilledWith } from './engines.ts';

const LAB = (iommu: string, acs: string) => `
peerlane: lab/1
cpu: amd
iommu: ${iommu}
below:
  - switch: sw0
    acs: ${acs}
    below:
      - {memory: mem0, bars: {0: 2M}}
      - {memory: mem1, bars: {0: 2M}}
      - dma-engine: dma0
`;

const PIECE = 4096;
const PIECES = 24;
const OLD = 7;
const NEW = 1000;

interface Scene extends EngineLab {
  readonly source: Target;
  readonly sink: Target;
  /** Outcomes so far, by piece. */
  readonly outcomes: (EngineOutcome | undefined)[];
}

/** Every piece of mem0 is to go to mem1, one descriptor each. */
function scene(jitterSeed = 0, iommu = 'off', acs = 'off'): Scene {
  const lab = bootEngines(LAB(iommu, acs), jitterSeed);
  const [source, sink] = lab.targets as readonly [Target, Target];
  for (let i = 0; i < PIECES; i++) {
    fillWith(source.memory, i * PIECE, PIECE, NEW + i);
    fillWith(sink.memory, i * PIECE, PIECE, OLD);
  }
  return { ...lab, source, sink, outcomes: [] };
}

function start({ engines, outcomes }: Scene, from: number, to: number): void {
  for (let i = 0; i < PIECES; i++) {
    outcomes.push(undefined);
    startTask(
      engines[0]!.driver.copy((from + i * PIECE) as DmaAddr, (to + i * PIECE) as DmaAddr, PIECE),
      (outcome) => {
        outcomes[i] = outcome;
      },
      (error) => {
        throw error;
      },
    );
  }
}

function isNew({ sink }: Scene, i: number): boolean {
  return isFilledWith(sink.memory, i * PIECE, PIECE, NEW + i);
}
function isOld({ sink }: Scene, i: number): boolean {
  return isFilledWith(sink.memory, i * PIECE, PIECE, OLD);
}

const ALL = Array.from({ length: PIECES }, (_, i) => i);
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

describe('a target that does not answer', () => {
  const off = (at: 'source' | 'sink', how: 'memory' | 'd3hot') => {
    const it = scene();
    const { fn } = it[at];
    const platform = it.machine.platform.functionAt(fn.bdf)!;
    if (how === 'memory') {
      platform.enable({ memory: false });
    } else {
      platform.config.write16(fn.config.offsets.pm + PMCSR.offset, 3);
    }
    start(it, it.source.busAddress, it.sink.busAddress);
    it.machine.queue.runUntilIdle();
    const detected = DEVICE_STATUS.Unsupported_Request_Detected.read(
      fn.config.view,
      fn.config.offsets.express,
    );
    return { it, detected };
  };

  test.each(['memory', 'd3hot'] as const)(
    'posted writes vanish, the engine believes that all went well, the target logs it (2.3.1, 5.3.1.4.1): %s',
    (how) => {
      const { it, detected } = off('sink', how);
      expect(it.outcomes).toEqual(ALL.map(() => 'done'));
      expect(ALL.every((i) => isOld(it, i))).toBe(true);
      expect(detected).toBe(1);
    },
  );

  test.each(['memory', 'd3hot'] as const)(
    'reads fail, and what was not read is not written (2.3.1): %s',
    (how) => {
      const { it, detected } = off('source', how);
      expect(it.outcomes).toEqual(ALL.map(() => 'read-failed'));
      expect(ALL.every((i) => isOld(it, i))).toBe(true);
      expect(detected).toBe(1);
    },
  );
});

test('an engine that may not be bus master does not get at its ring, and says so in a register (7.5.1.1.3)', () => {
  const it = scene();
  const { fn } = it.engines[0]!;
  fn.enable({ busMaster: false });
  start(it, it.source.busAddress, it.sink.busAddress);
  it.machine.queue.runUntilIdle();
  expect(it.outcomes).toEqual(ALL.map(() => undefined));
  expect(ALL.every((i) => isOld(it, i))).toBe(true);
  const status = fn.bar(0)!.read32(ENGINE_STATUS.offset, { deliver: () => {} });
  expect(ENGINE_STATUS.ERR.of(status)).toBe(1);
});

describe('pulled out in mid-transfer (6.7.1.8)', () => {
  const pull = (seed: number, what: 'source' | 'sink') => {
    const it = scene(seed);
    start(it, it.source.busAddress, it.sink.busAddress);
    // Somewhere in the middle: later for every seed.
    it.machine.queue.runUntilIdle(20 * seed);
    const port = it[what].fn.device.bus.bridge!;
    const before = ALL.filter((i) => isNew(it, i));
    it.machine.fabric.surpriseRemove(port);
    it.machine.queue.runUntilIdle();
    return { it, before };
  };

  test.each(SEEDS)(
    'the target: what had arrived stays, nothing arrives any more, every copy ends (seed %i)',
    (seed) => {
      const { it, before } = pull(seed, 'sink');
      expect(it.outcomes).toEqual(ALL.map(() => 'done'));
      expect(ALL.filter((i) => isNew(it, i))).toEqual(before);
      expect(ALL.every((i) => isNew(it, i) || isOld(it, i))).toBe(true);
    },
  );

  test.each(SEEDS)(
    'the source: pieces are whole or untouched, and the engine tells which (seed %i)',
    (seed) => {
      const { it } = pull(seed, 'source');
      const good = it.outcomes.filter((outcome) => outcome === 'done').length;
      // Its channels work side by side, so that an earlier piece may fail and a later one not.
      expect(new Set([...it.outcomes, 'done', 'read-failed'])).toEqual(new Set(['done', 'read-failed']));
      expect(good).toBeLessThan(PIECES);
      expect(ALL.every((i) => (it.outcomes[i] === 'done' ? isNew(it, i) : isOld(it, i)))).toBe(true);
    },
  );

  test.each(SEEDS)(
    'the engine: nothing that it sent arrives afterwards, its driver is told (seed %i)',
    (seed) => {
      const it = scene(seed);
      start(it, it.source.busAddress, it.sink.busAddress);
      it.machine.queue.runUntilIdle(20 * seed);
      const before = ALL.filter((i) => isNew(it, i));
      it.machine.fabric.surpriseRemove(it.engines[0]!.client.device.bus.bridge!);
      it.machine.platform.rescan();
      it.machine.queue.runUntilIdle();
      expect(ALL.filter((i) => isNew(it, i))).toEqual(before);
      expect(new Set(it.outcomes.slice(before.length + 1))).toEqual(new Set(['gone']));
    },
  );
});

describe('Function Level Reset in mid-transfer (6.6.2)', () => {
  test.each(SEEDS)(
    'of the engine: requests under way never arrive, and it is quiet until set up again (seed %i)',
    (seed) => {
      const it = scene(seed);
      const { fn } = it.engines[0]!;
      start(it, it.source.busAddress, it.sink.busAddress);
      it.machine.queue.runUntilIdle(20 * seed);
      const before = ALL.filter((i) => isNew(it, i));
      expect(it.machine.run(fn.reset())).toBe(true);
      it.machine.queue.runUntilIdle();
      expect(ALL.filter((i) => isNew(it, i))).toEqual(before);
      expect(before.length).toBeLessThan(PIECES);
      expect(fn.bar(0)!.physAddr).toBeGreaterThan(0);
    },
  );

  test('of the target: gone while it lasts, and what its memory held is there afterwards', () => {
    const it = scene(3);
    const platform = it.machine.platform.functionAt(it.sink.fn.bdf)!;
    start(it, it.source.busAddress, it.sink.busAddress);
    it.machine.queue.runUntilIdle(100);
    it.machine.run(platform.reset());
    it.machine.queue.runUntilIdle();
    expect(it.outcomes).toEqual(ALL.map(() => 'done'));
    expect(ALL.every((i) => isNew(it, i) || isOld(it, i))).toBe(true);
    expect(ALL.some((i) => isOld(it, i))).toBe(true);
    expect(it.sink.fn.state.decodesMemory).toBe(true);
  });
});

describe('an IOMMU that translates (10.1)', () => {
  test('a redirected request with a bus address faults: the kernel hands out no such address', () => {
    const it = scene(0, 'translated', 'on');
    start(it, it.source.busAddress, it.sink.busAddress);
    it.machine.queue.runUntilIdle();
    expect(it.outcomes).toEqual(ALL.map(() => 'read-failed'));
    expect(it.machine.iommu.faults[0]).toMatchObject({
      addr: it.source.busAddress,
      isWrite: false,
      reason: 'not-present',
    });
    expect(ALL.every((i) => isOld(it, i))).toBe(true);
  });

  test.each(SEEDS)(
    'a mapping that is taken away in mid-transfer: pieces are whole or untouched (seed %i)',
    (seed) => {
      const it = scene(seed, 'translated', 'on');
      const { fn } = it.engines[0]!;
      const [from, to] = [it.source, it.sink].map(({ physAddress }) =>
        fn.dma.mapPhys(physAddress as never, PIECE * PIECES),
      );
      start(it, from!.segments[0]!.addr, to!.segments[0]!.addr);
      it.machine.queue.runUntilIdle(20 * seed);
      from!.unmap();
      it.machine.queue.runUntilIdle();
      const good = it.outcomes.filter((outcome) => outcome === 'done').length;
      expect(new Set([...it.outcomes, 'done', 'read-failed'])).toEqual(new Set(['done', 'read-failed']));
      expect(it.machine.iommu.faultCount).toBe(PIECES - good);
      expect(ALL.every((i) => (it.outcomes[i] === 'done' ? isNew(it, i) : isOld(it, i)))).toBe(true);
    },
  );
});
