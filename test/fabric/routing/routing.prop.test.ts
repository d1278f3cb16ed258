import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionPort } from '../../../src/fabric/index.ts';
import { DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import { ROUTE_KIND, type Route } from '../../../src/fabric/routing/route.ts';
import type { FabricFunction } from '../../../src/fabric/tree/index.ts';
import { disturb, type RandomMachine, randomMachine } from './random-tree.ts';

const seed = fc.integer({ min: 1, max: 1_000_000 });

/** Whether two routes say the same about one address; the regions that they are good for may differ. */
function isSame(a: Route, b: Route, addr: number): boolean {
  const place = (route: Route): number =>
    route.kind === ROUTE_KIND.FAILED ? 0 : route.offset + (addr - route.start);
  return (
    a.kind === b.kind &&
    a.failure?.code === b.failure?.code &&
    a.failure?.at === b.failure?.at &&
    a.completer === b.completer &&
    a.memory === b.memory &&
    a.handler === b.handler &&
    place(a) === place(b) &&
    a.parts.redirectedAt === b.parts.redirectedAt &&
    a.parts.payloadLimitBytes === b.parts.payloadLimitBytes &&
    sameLists(a.parts.requestLinks, b.parts.requestLinks) &&
    sameLists(a.parts.completionLinks, b.parts.completionLinks) &&
    sameLists(a.parts.requestStops, b.parts.requestStops)
  );
}

function sameLists(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

/** For people, once something differs. */
function describeRoute(route: Route, addr: number): string {
  const { outcome, requestStops } = route.parts;
  return `0x${addr.toString(16)}: kind ${outcome.kind} ${route.failure?.code ?? ''} over ${requestStops.map(({ bdf }) => bdf).join(' ')}`;
}

function expectSame(cached: Route, fresh: Route, addr: number): void {
  if (!isSame(cached, fresh, addr)) {
    expect(describeRoute(cached, addr)).toBe(`not ${describeRoute(fresh, addr)}`);
  }
}

function compareAll({ endpoints, addresses, random }: RandomMachine): void {
  for (const fn of endpoints) {
    for (let i = 0; i < 8; i++) {
      const addr = random.pick(addresses);
      const isWrite = random.below(2) === 0;
      const cached = fn.requester.routeOf(addr, 4, isWrite, TRAFFIC.CONTROL);
      expectSame(cached, fn.requester.probe(addr, 4, { isWrite }), addr);
    }
  }
}

describe('on random machines', () => {
  it('every route ends, at a completer or with a reason, and passes no link twice in one direction', () => {
    fc.assert(
      fc.property(seed, (value) => {
        const built = randomMachine(value);
        let isSound = true;
        for (const fn of built.endpoints) {
          for (const addr of built.addresses) {
            const route = fn.requester.probe(addr, 4, { isWrite: built.random.below(2) === 0 });
            isSound &&= (route.failure === null) === (route.kind !== ROUTE_KIND.FAILED);
            for (const links of [route.parts.requestLinks, route.parts.completionLinks]) {
              isSound &&= new Set(links).size === links.length;
            }
          }
        }
        expect(isSound).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('what is kept answers as what is found anew, for every address of its region', () => {
    fc.assert(
      fc.property(seed, (value) => {
        const built = randomMachine(value);
        for (let i = 0; i < 4; i++) {
          compareAll(built);
        }
        for (const fn of built.endpoints) {
          fn.requester.forEachRoute((route) => {
            const { isWrite } = route.parts.shape;
            const inside = built.addresses.filter((addr) => addr >= route.start && addr < route.end);
            for (const addr of [route.start, route.end - 1, ...inside]) {
              expectSame(route, fn.requester.probe(addr, 1, { isWrite }), addr);
            }
          });
        }
      }),
      { numRuns: 80 },
    );
  });

  it('nothing that software changes leaves a stale route behind', () => {
    fc.assert(
      fc.property(seed, (value) => {
        const built = randomMachine(value);
        compareAll(built);
        for (let i = 0; i < 12; i++) {
          disturb(built);
          compareAll(built);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('what goes into a switch comes out of it, and what is sent arrives (counters conserve)', () => {
    const local = Memory.flat(4096);
    fc.assert(
      fc.property(seed, (value) => {
        const built = randomMachine(value, { isPermissive: true });
        const { fabric, endpoints, random } = built;
        fabric.counters.reset();
        let written = 0;
        let toMemory = 0;
        for (let i = 0; i < 40; i++) {
          const from = random.pick(endpoints);
          const to = random.pick(endpoints);
          const lengthBytes = 1 + random.below(4096);
          const isWrite = random.below(2) === 0;
          const addr = random.below(4) === 0 ? 0x1_0000_0000 : to.state.bars[0]!.start + random.below(1000);
          const status = isWrite
            ? portOf(from).dmaWrite(addr, local, 0, lengthBytes, TRAFFIC.DATA, i)
            : portOf(from).dmaRead(addr, local, 0, lengthBytes, TRAFFIC.DATA, i);
          expect(status).toBe(DONE);
          written += isWrite ? lengthBytes : 0;
          toMemory += addr === 0x1_0000_0000 ? lengthBytes : 0;
        }
        expect(written).toBeGreaterThan(0);
        const counts = fabric.counters.read();
        expect(counts.dramRead.dataBytes + counts.dramWrite.dataBytes).toBe(toMemory);
        for (const fn of fabric.functions()) {
          if (fn.kind === 'switch-upstream') {
            expect(throughSwitch(fn)).toBe(0);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

function portOf(fn: FabricFunction) {
  return (fn.model as unknown as { readonly port: FunctionPort }).port;
}

/** Data bytes that went into a switch less those that came out of it. */
function throughSwitch(upstream: FabricFunction): number {
  const { counters } = upstream.fabric;
  const above = counters.below(upstream.device.bus.bridge!)!;
  let difference = above.down.dataBytes - above.up.dataBytes;
  for (const device of upstream.secondaryBus!.devices) {
    for (const port of device.functions.values()) {
      const { up, down } = counters.below(port)!;
      difference += up.dataBytes - down.dataBytes;
    }
  }
  return difference;
}
