// Random mappings, unmappings and requests: what arrives does not depend on who translates, and nothing arrives by a translation
// that is not valid any more.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PhysAddr } from '../../../src/base/index.ts';
import { DMA_STATUS, Memory, noTurn, TRAFFIC } from '../../../src/fabric/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';

const PAGES = 6;
const PAGE = 4096;
const BYTES = 256;

const step = fc.oneof(
  fc.record({ what: fc.constant('map' as const), page: fc.nat(PAGES - 1) }),
  fc.record({ what: fc.constant('unmap' as const), page: fc.nat(PAGES - 1) }),
  fc.record({
    what: fc.constant('write' as const),
    page: fc.nat(PAGES - 1),
    value: fc.integer({ min: 1, max: 255 }),
  }),
  fc.record({ what: fc.constant('read' as const), page: fc.nat(PAGES - 1) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function bench(ats: string, relaxed: string, engine: 'tlp' | 'flow' | null) {
  const lab = parseLab(
    `
peerlane: lab/1
iommu: translated
memory: 1G
below:
  - switch: sw0
    below: {gpu: gpu0, ats: ${ats}, relaxed-ordering: ${relaxed}, bars: {0: 1M}}
`,
    'test.yaml',
  );
  const machine = LabMachine.boot(lab, {
    label: 'test.yaml',
    turn: noTurn,
    ...(engine === null ? {} : { timing: { engine } }),
  });
  const member = machine.member('gpu0')!;
  member.platform.enable({ memory: true, busMaster: true });
  const memory = Memory.flat(PAGES * PAGE);
  const region = machine.dram.allocate(memory, PAGE, null, 2 ** 40, 0);
  const { aliasId, hostBridge } = member.platform.found;
  const domain = machine.iommu.domainOf(hostBridge.domain, aliasId)!;
  return { machine, fn: member.fn, memory, start: region.start, domain };
}

const IOVA = 0x4000_0000;

/** What requests ended with and what is in memory and was read, each request by itself to its end. */
function carryOut(ats: string, engine: 'tlp' | 'flow' | null, steps: readonly Step[]): readonly unknown[] {
  const { machine, fn, memory, start, domain } = bench(ats, 'yes', engine);
  const { queue, inFlight } = machine.fabric;
  const mapped = new Set<number>();
  const seen: unknown[] = [];
  const run = (isWrite: boolean, addr: number, local: Memory): number => {
    if (engine === null) {
      return isWrite
        ? fn.requester.writeNow(addr, local, 0, BYTES, TRAFFIC.DATA)
        : fn.requester.readNow(addr, local, 0, BYTES, TRAFFIC.DATA);
    }
    let ended = 1;
    const sink = {
      onDma: (_token: number, status: number) => {
        ended = status;
      },
    };
    if (isWrite) {
      inFlight.write(fn.requester, addr, local, 0, BYTES, TRAFFIC.DATA, 0, sink);
    } else {
      inFlight.read(fn.requester, addr, local, 0, BYTES, TRAFFIC.DATA, 0, sink);
    }
    queue.runUntilIdle(1e6);
    return ended;
  };
  for (const one of steps) {
    const iova = IOVA + one.page * PAGE;
    if (one.what === 'map' && !mapped.has(one.page)) {
      mapped.add(one.page);
      domain.map(iova, (start + one.page * PAGE) as PhysAddr, PAGE, 3);
    } else if (one.what === 'unmap' && mapped.has(one.page)) {
      mapped.delete(one.page);
      domain.unmap(iova, PAGE);
    } else if (one.what === 'write') {
      const local = Memory.flat(BYTES);
      local.fill(0, BYTES, one.value);
      const before = memory.getValue(one.page * PAGE, 4);
      const status = run(true, iova, local);
      if (!mapped.has(one.page)) {
        expect(memory.getValue(one.page * PAGE, 4)).toBe(before);
        // A device that translates by itself knows that it may not; others never hear of a posted write.
        expect(status).toBe(ats === 'yes' ? DMA_STATUS.UNSUPPORTED_REQUEST : 0);
      }
      seen.push(memory.getValue(one.page * PAGE, 4));
    } else if (one.what === 'read') {
      const local = Memory.flat(BYTES);
      seen.push([run(false, iova, local), local.getValue(0, 4)]);
    }
  }
  expect(machine.fabric.inFlight.count).toBe(0);
  return seen;
}

describe('requests of a device', () => {
  it.each([null, 'tlp', 'flow'] as const)('carry the same bytes with and without ATS (%s)', (engine) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
        expect(carryOut('yes', engine, steps)).toEqual(carryOut('no', engine, steps));
      }),
      { numRuns: engine === null ? 30 : 15 },
    );
  });

  it('that are under way when their page is unmapped leave it as it is then', () => {
    const burst = fc.array(fc.record({ page: fc.nat(PAGES - 1), events: fc.nat(12) }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(burst, fc.nat(60), fc.constantFrom('yes', 'no'), (writes, events, relaxed) => {
        const { machine, fn, memory, start, domain } = bench('yes', relaxed, 'tlp');
        const { queue, inFlight } = machine.fabric;
        domain.map(IOVA, start as PhysAddr, PAGES * PAGE, 3);
        let ended = 0;
        const sink = { onDma: () => ended++ };
        const local = Memory.flat(BYTES);
        local.fill(0, BYTES, 0xab);
        for (const { page, events: count } of writes) {
          inFlight.write(fn.requester, IOVA + page * PAGE, local, 0, BYTES, TRAFFIC.DATA, 0, sink);
          queue.runUntilIdle(count);
        }
        queue.runUntilIdle(events);
        domain.unmap(IOVA, PAGES * PAGE);
        const then = Array.from({ length: PAGES }, (_, page) => memory.getValue(page * PAGE, 4));
        queue.runUntilIdle(1e6);
        expect(Array.from({ length: PAGES }, (_, page) => memory.getValue(page * PAGE, 4))).toEqual(then);
        // Every one ends, once; and the device holds nothing of the range.
        expect(ended).toBe(writes.length);
        expect(inFlight.count).toBe(0);
        const device = machine.fabric.timing!.devices.find((one) => one.fn === fn)!;
        expect(
          Array.from({ length: PAGES }, (_, page) => device.atc.holds(IOVA + page * PAGE)),
        ).not.toContain(true);
        expect([device.heldCount, device.invalidations]).toEqual([0, 1]);
      }),
      { numRuns: 40 },
    );
  });
});
