// Laws of a machine that has come up, on random trees. Addresses and windows are read from the bytes by the decoder of
// `topology`, which shares nothing with the firmware.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enumerate, type FirmwareOptions, type FirmwareReport } from '../../../src/fabric/firmware/index.ts';
import { factsFromConfig } from '../../../src/topology/config/index.ts';
import {
  buildRoot,
  type FakeFunction,
  FakeMachine,
  PLENTY,
  type Recipe,
  recipesArbitrary,
} from './fake-machine.ts';

interface Range {
  readonly what: string;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly isIo: boolean;
}

const holds = (outer: Range, inner: Range) =>
  outer.isIo === inner.isIo && outer.start <= inner.start && inner.end <= outer.end;
const overlaps = (a: Range, b: Range) => a.isIo === b.isIo && a.start < b.end && b.start < a.end;

/** What a bridge passes down, by the bytes. */
function windowsOf({ space }: FakeFunction): Range[] {
  const windows = factsFromConfig(space.bytes, { isWhole: true }).windows ?? [];
  return windows.map((window) => ({
    what: window.kind,
    start: window.first,
    end: window.last + 1,
    isIo: window.kind === 'io',
  }));
}

/** What a function decodes: BARs that are not zero. The size is the one it was described with, or grown to. */
function rangesOf({ space }: FakeFunction): Range[] {
  const own = space.bars.map((bar) => ({ bar, count: 1 }));
  const total = space.offsets.sriov === 0 ? 0 : space.read(space.offsets.sriov + 0x0e, 2);
  const virtual = space.vfBars.map((bar) => ({ bar, count: total }));
  return [...own, ...virtual]
    .map(({ bar, count }) => {
      const start = bar.addressIn(space.view);
      return {
        what: `BAR at ${bar.offset}`,
        start,
        end: start + bar.sizeBytes * count,
        isIo: bar.kind === 'io',
      };
    })
    .filter((range) => range.start !== 0);
}

function machineOf(recipes: readonly Recipe[], memory = PLENTY.memoryWindows): FakeMachine {
  return new FakeMachine([{ ...PLENTY, memoryWindows: memory }], [buildRoot(recipes)]);
}

function checkAddresses(machine: FakeMachine): void {
  const all: Range[] = [];
  for (const { fn, above, root } of machine.walk()) {
    const bridge = machine.hostBridges[root]!;
    const outermost: Range[] = [
      ...bridge.memoryWindows.map(({ start, lengthBytes }) => ({
        what: 'host',
        start,
        end: start + lengthBytes,
        isIo: false,
      })),
      ...(bridge.ioWindows ?? []).map(({ start, lengthBytes }) => ({
        what: 'host',
        start,
        end: start + lengthBytes,
        isIo: true,
      })),
    ];
    for (const range of rangesOf(fn)) {
      all.push(range);
      expect(outermost.some((outer) => holds(outer, range))).toBe(true);
      for (const port of above) {
        expect(windowsOf(port).some((window) => holds(window, range))).toBe(true);
      }
    }
  }
  all.sort((a, b) => a.start - b.start);
  for (const [i, range] of all.entries()) {
    const next = all.slice(i + 1).find((other) => other.isIo === range.isIo);
    expect(next === undefined || !overlaps(range, next)).toBe(true);
  }
}

/** Windows of bridges on one bus take nothing from each other, nor from functions beside them. */
function checkSiblings(machine: FakeMachine): void {
  const byParent = new Map<FakeFunction | number, FakeFunction[]>();
  for (const { fn, above, root } of machine.walk()) {
    const key = above.at(-1) ?? root;
    byParent.set(key, [...(byParent.get(key) ?? []), fn]);
  }
  for (const siblings of byParent.values()) {
    const claims = siblings.flatMap((fn) => [...rangesOf(fn), ...(fn.below === null ? [] : windowsOf(fn))]);
    for (const [i, claim] of claims.entries()) {
      expect(claims.slice(i + 1).filter((other) => overlaps(claim, other))).toEqual([]);
    }
  }
}

function checkBuses(machine: FakeMachine): void {
  const seen = new Set<number>();
  for (const { fn, above } of machine.walk()) {
    if (fn.below === null) {
      continue;
    }
    const [primary, secondary, subordinate] = [0x18, 0x19, 0x1a].map((at) => fn.space.read(at, 1));
    if (secondary === 0) {
      continue;
    }
    const parent = above.at(-1)?.space;
    expect(primary).toBe(parent?.read(0x19, 1) ?? 0);
    expect(secondary).toBeGreaterThan(primary!);
    expect(subordinate).toBeGreaterThanOrEqual(secondary!);
    expect(subordinate).toBeLessThanOrEqual(parent?.read(0x1a, 1) ?? 0xff);
    expect(seen.has(secondary!)).toBe(false);
    seen.add(secondary!);
  }
}

function counts(machine: FakeMachine, report: FirmwareReport) {
  const found = new Set(report.functions.map(({ bdf }) => bdf));
  let bars = 0;
  let functions = 0;
  for (const { fn, above } of machine.walk()) {
    if (above.every(({ space }) => space.read(0x19, 1) !== 0)) {
      functions++;
      bars += fn.space.bars.length;
    }
  }
  return { found: found.size, functions, bars };
}

const grows: FirmwareOptions = { resizeBar: () => 'largest' };

describe('a machine that came up', () => {
  it.each([
    ['with plenty of room', PLENTY.memoryWindows, 30, {}],
    ['with BARs grown as far as they go', PLENTY.memoryWindows, 34, grows],
    [
      'with too little room',
      [
        { start: 0x8010_0000, lengthBytes: 0x0c00_0000 },
        { start: 0x10_0000_0000, lengthBytes: 0x1_0000_0000 },
      ],
      33,
      grows,
    ],
    ['without room above 4 GiB', [{ start: 0xc000_0000, lengthBytes: 0x3000_0000 }], 28, grows],
  ] as const)(
    '%s, holds what it decodes in every window above and nothing twice',
    (_, memory, log, options) => {
      let seen = 0;
      fc.assert(
        fc.property(recipesArbitrary(log), (recipes) => {
          const machine = machineOf(recipes, memory);
          const report = enumerate(machine, options);
          checkAddresses(machine);
          checkSiblings(machine);
          checkBuses(machine);
          const { found, functions, bars } = counts(machine, report);
          expect(found).toBe(functions);
          const own = [...report.assigned, ...report.unassigned].filter((bar) => !bar.isVirtualFunctionBar);
          expect(own.length).toBe(bars);
          expect(new Set(own.map(({ bdf, barIndex }) => `${bdf} ${barIndex}`)).size).toBe(bars);
          for (const bar of report.assigned) {
            expect(bar.address % (bar.isVirtualFunctionBar ? 4096 : bar.sizeBytes)).toBe(0);
          }
          seen += report.assigned.length;
        }),
        { numRuns: 70 },
      );
      expect(seen).toBeGreaterThan(200);
    },
  );

  it('assigns everything but ports behind bridges without them, given room', () => {
    fc.assert(
      fc.property(recipesArbitrary(30), (recipes) => {
        const machine = machineOf(recipes, [
          { start: 0x1000_0000, lengthBytes: 0xe000_0000 },
          { start: 2 ** 40, lengthBytes: 2 ** 46 },
        ]);
        const { unassigned } = enumerate(machine);
        const wantedBelow4G = [...machine.walk()]
          .flatMap(({ fn }) => fn.bars)
          .filter((bar) => bar.kind === 'memory')
          .reduce((sum, bar) => sum + bar.sizeBytes, 0);
        fc.pre(wantedBelow4G < 2 ** 28);
        expect(unassigned.filter(({ kind }) => kind === 'memory')).toEqual([]);
        expect(unassigned.filter(({ reason }) => reason === 'no-window')).toEqual([]);
      }),
      { numRuns: 70 },
    );
  });

  it('comes up the same way every time, and again without power off', () => {
    const snapshot = (machine: FakeMachine) =>
      Buffer.concat([...machine.walk()].map(({ fn }) => fn.space.bytes)).toString('latin1');
    fc.assert(
      fc.property(recipesArbitrary(30), (recipes) => {
        const [first, second] = [machineOf(recipes), machineOf(recipes)];
        const report = enumerate(first, grows);
        expect(enumerate(second, grows)).toEqual(report);
        const bytes = snapshot(first);
        expect(snapshot(second) === bytes).toBe(true);
        const again = enumerate(first, grows);
        expect(again.assigned).toEqual(report.assigned);
        expect(snapshot(first) === bytes).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('sends no payload that somebody below the same root port cannot take', () => {
    fc.assert(
      fc.property(
        recipesArbitrary(24),
        fc.constantFrom('default', 'safe', 'performance', 'peer2peer'),
        (recipes, payload) => {
          const machine = machineOf(recipes);
          enumerate(machine, { payload });
          const control = ({ space }: FakeFunction) => space.read(space.offsets.express + 8, 2);
          const capable = ({ space }: FakeFunction) => space.read(space.offsets.express + 4, 1) & 7;
          const byRootPort = new Map<FakeFunction, Set<number>>();
          for (const { fn, above } of machine.walk()) {
            if (fn.space.offsets.express === 0 || above.some((port) => port.space.read(0x19, 1) === 0)) {
              continue;
            }
            const code = (control(fn) >> 5) & 7;
            const readCode = (control(fn) >> 12) & 7;
            const parent = above.at(-1);
            expect(code).toBeLessThanOrEqual(capable(fn));
            if (parent !== undefined && parent.space.offsets.express !== 0) {
              expect(code).toBeLessThanOrEqual((control(parent) >> 5) & 7);
            }
            if (payload === 'performance' && fn.below === null) {
              expect(readCode).toBeLessThanOrEqual(code);
            }
            const top = above[0] ?? fn;
            byRootPort.set(top, (byRootPort.get(top) ?? new Set()).add(code));
          }
          if (payload !== 'performance') {
            expect([...byRootPort.values()].every((codes) => codes.size === 1)).toBe(true);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
