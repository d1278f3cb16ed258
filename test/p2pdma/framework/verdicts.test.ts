/** Distance, its cache, and the search (spec p2pdma.md sections 2.7 to 2.10). */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/index.ts';
import { findMany, rulesFor } from '../../../src/p2pdma/index.ts';
import { MachineIndex, type P2pmemState } from '../../../src/topology/index.ts';
import {
  bdf,
  type FunctionSketch,
  hostBridgeFunction,
  INTEL_UNLISTED,
  makeMachine,
  oneSwitch,
  port,
  SKYLAKE_E,
  twoRootPorts,
} from '../support/build-machine.ts';
import { BAR_START, bench, benchWithMemory, FakeFunction, MIB, PAGE, refusalOf } from './fake-function.ts';

const ACS_RR = 0x04;
const redirecting = oneSwitch({ '02:01.0': { acs: ACS_RR } });

describe('distance', () => {
  it('EC-003: climbs from a device to the function above it', () => {
    const { p2pdma, fn } = benchWithMemory();
    const disk = { name: 'nvme0n1', parent: { name: 'nvme0', parent: bdf('03:00.0') } };
    expect(p2pdma.distance(fn.bdf, disk)).toBe(0);
  });

  it('EC-004: a device without a function above ends the question, and is named', () => {
    const { p2pdma, fn, client, lines } = benchWithMemory();
    lines.length = 0;
    const loopback = { name: 'rxe0', parent: { name: 'lo', parent: null } };
    expect(p2pdma.distanceMany(fn.bdf, [loopback, client])).toBe(-1);
    expect(lines).toEqual(['rxe0|cannot be used for peer-to-peer DMA as it is not a PCI device']);
    expect(p2pdma.distanceMany(fn.bdf, [loopback], { isVerbose: false })).toBe(-1);
    expect(lines).toHaveLength(1);
  });

  it('EC-005, EC-006: no client is refused silently, one named twice counts twice', () => {
    const { p2pdma, fn, client, lines } = benchWithMemory();
    lines.length = 0;
    expect(p2pdma.distanceMany(fn.bdf, [])).toBe(-1);
    expect(p2pdma.distanceMany(fn.bdf, [client, client, fn])).toBe(8);
    expect(lines).toEqual([]);
  });

  it('EC-051: software RDMA is refused with a line of its own from 5.3 to 5.10', () => {
    for (const rules of ['5.3.1', '5.10.198']) {
      const { p2pdma, fn, client, lines } = benchWithMemory({}, { rules });
      lines.length = 0;
      const rxe = { name: 'rxe0', parent: client, hasSoftwareDma: true };
      expect(p2pdma.distanceMany(fn.bdf, [rxe, client])).toBe(-1);
      expect(lines).toEqual([
        'rxe0|cannot be used for peer-to-peer DMA because the driver makes use of dma_virt_ops',
      ]);
    }
    const old = benchWithMemory({}, { rules: '5.2.1' });
    const rxe = { name: 'rxe0', parent: old.client, hasSoftwareDma: true };
    expect(old.p2pdma.distance(old.fn.bdf, rxe)).toBe(4);
  });

  it('EC-050: however long the list of names, the answer is a distance or -1, never an error number', () => {
    const ports = ['00:01.0', '01:00.0', '02:00.0', '02:01.0', '03:00.0', '04:00.0'];
    const functions = oneSwitch(Object.fromEntries(ports.map((at) => [at, { acs: ACS_RR }])));
    for (const rules of ['5.4', '5.12.9', '7.2.12']) {
      const { p2pdma, fn, client } = benchWithMemory({ functions }, { rules });
      expect(p2pdma.distanceMany(fn.bdf, [client, client])).toBe(-1);
    }
  });

  it('EC-041: a non-transparent bridge is an endpoint, so both sides of it share no path', () => {
    const functions = twoRootPorts({ '02:00.0': { classCode: 0x06_8000 } });
    const { p2pdma } = bench({ functions });
    expect(p2pdma.distance(bdf('01:00.0'), bdf('02:00.0'))).toBe(-1);
    const listed = bench({ functions: twoRootPorts({ '02:00.0': { classCode: 0x06_8000 } }, SKYLAKE_E) });
    expect(listed.p2pdma.distance(bdf('01:00.0'), bdf('02:00.0'))).toBe(4);
  });

  it('EC-049: a function that registered nothing has a distance, which is not kept', () => {
    // In 5.19 mapping tells whether something was kept, because it never walks.
    const { p2pdma } = bench({}, { rules: '5.19' });
    const [fn, client] = [new FakeFunction('03:00.0'), new FakeFunction('04:00.0')];
    expect(p2pdma.distance(fn.bdf, client)).toBe(4);
    p2pdma.addResource(fn, 0);
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_COLD_CACHE');
  });

  it('stops at the first refusal when silent, so that later clients are not kept', () => {
    const functions = [...redirecting, { at: '05:00.0', up: '02:00.0' }];
    const { p2pdma, fn, client } = benchWithMemory({ functions }, { rules: '5.19' });
    const near = new FakeFunction('05:00.0');
    expect(p2pdma.distanceMany(fn.bdf, [client, near], { isVerbose: false })).toBe(-1);
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, near)).code).toBe('P2P_COLD_CACHE');
    p2pdma.distanceMany(fn.bdf, [client, near]);
    expect(p2pdma.mapSpan(span, near).mapType).toBe('bus-addr');
  });

  it('names what is not in the machine', () => {
    const { p2pdma, client } = benchWithMemory();
    expect(() => p2pdma.distance(bdf('77:00.0'), client)).toThrow(/77:00.0/);
  });

  it('is unknown where the machine does not tell', () => {
    const { p2pdma, fn, client } = benchWithMemory({
      functions: oneSwitch({ '02:01.0': { acs: undefined } }),
    });
    expect(p2pdma.distance(fn.bdf, client)).toBeNull();
    expect(p2pdma.find(client)).toBeNull();
  });
});

describe('the cache of map types', () => {
  it('EC-046: an ACS change is noticed by the next distance, not by mapping', () => {
    const made = benchWithMemory();
    const { p2pdma, fn, client } = made;
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    p2pdma.mapSpan(span, client).unmap();
    made.machine = makeMachine({ functions: redirecting });
    p2pdma.mapSpan(span, client).unmap();
    expect(p2pdma.distance(fn.bdf, client)).toBe(-1);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
    made.machine = makeMachine({ functions: oneSwitch() });
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
    expect(p2pdma.distance(fn.bdf, client)).toBe(4);
    p2pdma.mapSpan(span, client).unmap();
  });

  it('EC-047: who takes the place of another inherits what was kept for it', () => {
    const { p2pdma, fn, client } = benchWithMemory({ functions: redirecting });
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
    expect(refusalOf(() => p2pdma.mapSpan(span, new FakeFunction('04:00.0'))).code).toBe('P2P_NO_ROUTE');
  });

  it('EC-048: where storing fails, every mapping walks again', () => {
    const made = benchWithMemory({}, { platform: { mapTypeSlotsMax: 0 } });
    const span = made.p2pdma.allocSpan(made.fn.bdf, PAGE);
    const before = made.readings;
    for (let i = 0; i < 3; i++) {
      made.p2pdma.mapSpan(span, made.client).unmap();
    }
    expect(made.readings - before).toBe(3);
  });
});

describe('the search', () => {
  const published = (isPublished: boolean): P2pmemState => ({
    sizeBytes: 64 * MIB,
    availableBytes: 0,
    published: isPublished,
    hasAllocate: true,
  });

  /** Providers at the given addresses, all below one root port. */
  function withProviders(addresses: readonly string[], seed = 1, functions = flat(addresses)) {
    const made = bench({ functions }, { random: new SeededRandom(seed) });
    addresses.forEach((at, i) => {
      made.p2pdma.addResource(
        new FakeFunction(at, { 0: { start: BAR_START + i * 2 * MIB, lengthBytes: 2 * MIB } }),
        0,
      );
      made.p2pdma.publish(bdf(at));
    });
    return made;
  }

  function flat(addresses: readonly string[]): FunctionSketch[] {
    return [
      hostBridgeFunction(INTEL_UNLISTED),
      port('00:01.0', null, 'root-port'),
      ...addresses.map((at) => ({ at, up: '00:01.0', p2pmem: published(true) })),
      { at: '0f:00.0', up: '00:01.0' },
    ];
  }

  it('EC-056: nothing published, nothing found', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    p2pdma.publish(fn.bdf, false);
    expect(p2pdma.find(client)).toBeNull();
  });

  it('EC-057: an exhausted provider is chosen all the same', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    p2pdma.alloc(fn.bdf, 64 * MIB);
    expect(p2pdma.find(client)?.bdf).toBe(fn.bdf);
    expect(p2pdma.find(client)?.alloc(1)).toBeNull();
  });

  it('EC-059: dice among equals, every one of them in the end, the same ones for the same seed', () => {
    const addresses = ['01:00.0', '01:01.0', '01:02.0'];
    const picks = (seed: number): (string | undefined)[] => {
      const { p2pdma } = withProviders(addresses, seed);
      return Array.from({ length: 30 }, () => p2pdma.find(bdf('0f:00.0'))?.bdf);
    };
    expect(picks(7)).toEqual(picks(7));
    expect([...new Set(picks(7))].sort()).toEqual(addresses.map((at) => bdf(at)));
  });

  it('EC-060: of more than 512 at equal distance the rest is not looked at', () => {
    const addresses = Array.from(
      { length: 514 },
      (_, i) => `0${1 + (i >> 8)}:${((i >> 3) & 31).toString(16).padStart(2, '0')}.${i & 7}`,
    );
    const last = { below: (count: number) => count - 1, pick: <T>(items: readonly T[]) => items.at(-1)! };
    const made = bench({ functions: flat(addresses) }, { random: last as unknown as SeededRandom });
    addresses.forEach((at, i) => {
      const bars = { 0: { start: BAR_START + i * 2 * MIB, lengthBytes: 2 * MIB } };
      made.p2pdma.addResource(new FakeFunction(at, bars), 0);
      made.p2pdma.publish(bdf(at));
    });
    expect(made.p2pdma.find(bdf('0f:00.0'))?.bdf).toBe(bdf(addresses[511]!));
  });

  it('EC-061: nearer through the host bridge comes before farther by a switch', () => {
    const functions = [
      ...oneSwitch(),
      { at: '00:03.0', p2pmem: published(true) },
      { at: '01:00.1', up: '00:01.0' },
    ];
    const made = bench({ functions, cpu: { vendor: 'amd', family: 0x19 } });
    const [far, near] = [
      new FakeFunction('03:00.0'),
      new FakeFunction('00:03.0', { 0: { start: BAR_START * 2 } }),
    ];
    for (const fn of [far, near]) {
      made.p2pdma.addResource(fn, 0);
      made.p2pdma.publish(fn.bdf);
    }
    expect(made.p2pdma.distance(near.bdf, bdf('01:00.1'))).toBe(3);
    expect(made.p2pdma.distance(far.bdf, bdf('01:00.1'))).toBe(4);
    expect(made.p2pdma.find(bdf('01:00.1'))?.bdf).toBe(near.bdf);
  });

  it('EC-062: a client that is a provider itself is nearest', () => {
    const { p2pdma } = withProviders(['01:00.0', '01:01.0']);
    expect(p2pdma.find(bdf('01:01.0'))?.bdf).toBe(bdf('01:01.0'));
  });

  it('EC-054: a silent search still names an unlisted host bridge', () => {
    const { p2pdma, client, lines } = benchWithMemory({ functions: redirecting });
    lines.length = 0;
    expect(p2pdma.find(client)).toBeNull();
    expect(lines).toEqual(['0000:00:00.0|Host bridge not in P2PDMA whitelist: 8086:9999']);
  });

  it('agrees with what the verdict half ranks first', () => {
    const addresses = ['01:00.0', '01:01.0', '01:02.0'];
    const { p2pdma, machine } = withProviders(addresses, 3);
    const ranked = findMany(new MachineIndex(machine), rulesFor('7.2.12'), [bdf('0f:00.0')]);
    expect(ranked.nearest).toContain(p2pdma.find(bdf('0f:00.0'))!.bdf);
    expect(ranked.nearest).toHaveLength(3);
  });
});
