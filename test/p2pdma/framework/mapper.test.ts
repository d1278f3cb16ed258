/** Addresses for clients (spec p2pdma.md section 6; edge cases 123 to 138). */
import { describe, expect, it } from 'vitest';
import type { Span } from '../../../src/access/index.ts';
import type { PhysAddr } from '../../../src/base/index.ts';
import { entryOf, type PeerSpan } from '../../../src/p2pdma/index.ts';
import { makeMachine, oneSwitch, SKYLAKE_E, twoRootPorts } from '../support/build-machine.ts';
import {
  BAR_START,
  bench,
  benchWithMemory,
  FakeFunction,
  FakeHostSpan,
  MIB,
  PAGE,
  refusalOf,
} from './fake-function.ts';

/** Memory at 01:00.0 and a client at 02:00.0, below root ports of a listed host bridge. */
function acrossRootPorts(hostBridge = SKYLAKE_E, options: Parameters<typeof bench>[1] = {}) {
  const made = bench({ functions: twoRootPorts({}, hostBridge) }, options);
  const fn = new FakeFunction('01:00.0');
  const client = new FakeFunction('02:00.0');
  made.p2pdma.addResource(fn, 0);
  return Object.assign(made, { fn, client });
}

describe('mapSpan', () => {
  it('gives the bus address below a common bridge, and asks the DMA view for nothing', () => {
    const { p2pdma, fn, client } = benchWithMemory({}, {}, { busOffset: -0x8_0000_0000 });
    const span = p2pdma.allocSpan(fn.bdf, 3 * PAGE);
    const mapping = p2pdma.mapSpan(span, client);
    expect(mapping.mapType).toBe('bus-addr');
    expect(mapping.segments).toEqual([{ addr: BAR_START - 0x8_0000_0000, lengthBytes: 3 * PAGE }]);
    expect([client.dma.physCalls, client.dma.hostCalls]).toEqual([0, 0]);
  });

  it('EC-130: a bus address passes an IOMMU by', () => {
    const { p2pdma, fn, client } = benchWithMemory({ iommu: 'translated' });
    client.dma.iovaOffset = 0x4000_0000;
    expect(p2pdma.mapSpan(p2pdma.allocSpan(fn.bdf, PAGE), client).segments[0]!.addr).toBe(BAR_START);
  });

  it('through the host bridge it maps the physical address, by the DMA view of the client', () => {
    const { p2pdma, fn, client } = acrossRootPorts();
    client.dma.iovaOffset = 0x4000_0000;
    const mapping = p2pdma.mapSpan(p2pdma.allocSpan(fn.bdf, PAGE), client);
    expect(mapping.mapType).toBe('thru-host-bridge');
    expect(mapping.segments).toEqual([{ addr: BAR_START + 0x4000_0000, lengthBytes: PAGE }]);
    mapping.unmap();
    expect(client.dma.live.size).toBe(0);
  });

  it('maps host memory by the same call', () => {
    const { p2pdma, client } = benchWithMemory();
    const mapping = p2pdma.mapSpan(new FakeHostSpan(PAGE), client);
    expect(mapping.mapType).toBe('none');
    mapping.unmap();
    expect(client.dma.live.size).toBe(0);
  });

  it('maps once for each client, however many ask, and unmaps with the last', () => {
    const { p2pdma, fn, client } = acrossRootPorts();
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    const [first, second] = [p2pdma.mapSpan(span, client), p2pdma.mapSpan(span, client)];
    expect(client.dma.physCalls).toBe(1);
    expect(first.segments).toBe(second.segments);
    first.unmap();
    first.unmap();
    expect([first.isValid, second.isValid, client.dma.live.size]).toEqual([false, true, 1]);
    second.unmap();
    expect(client.dma.live.size).toBe(0);
    p2pdma.mapSpan(span, client).unmap();
    expect(client.dma.physCalls).toBe(2);
    expect(p2pdma.ownProvider(fn.bdf)!.deviceMappings.size).toBe(0);
  });

  it('keeps a span from being closed until it is unmapped', () => {
    const { p2pdma, fn, client, provider } = benchWithMemory();
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    const mapping = p2pdma.mapSpan(span, client);
    expect(refusalOf(() => span.close())).toMatchObject({ code: 'P2P_MEMORY_IN_USE' });
    expect(provider.availableBytes).toBe(64 * MIB - PAGE);
    mapping.unmap();
    span.close();
    span.close();
    expect(provider.availableBytes).toBe(64 * MIB);
    expect(p2pdma.alloc(fn.bdf, PAGE)).toBe(BAR_START);
    // The same address has another owner now; the closed span does not reach it.
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NOT_ALLOCATED');
    expect(refusalOf(() => p2pdma.mapSg([entryOf(span)], client)).code).toBe('P2P_NOT_ALLOCATED');
  });

  it('walks on the first mapping only', () => {
    const made = benchWithMemory();
    const span = made.p2pdma.allocSpan(made.fn.bdf, PAGE);
    const before = made.readings;
    made.p2pdma.mapSpan(span, made.client).unmap();
    made.p2pdma.mapSpan(span, made.client).unmap();
    expect(made.readings - before).toBe(1);
  });

  it('refuses peer memory that was not allocated here', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const foreign = { kind: 'peer', provider: fn.bdf, lengthBytes: PAGE } as Span;
    expect(refusalOf(() => p2pdma.mapSpan(foreign, client)).code).toBe('P2P_FOREIGN_SPAN');
    // The same address in another machine, where it is allocated here too.
    const elsewhere = benchWithMemory();
    const span = elsewhere.p2pdma.allocSpan(fn.bdf, PAGE);
    p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_FOREIGN_SPAN');
  });

  it('the CPU never looks at peer memory through its window', () => {
    const { p2pdma, fn } = benchWithMemory();
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(span).toMatchObject({ kind: 'peer', isReadable: false, provider: fn.bdf, lengthBytes: PAGE });
    expect(() => span.copyOut(0, new Uint8Array(1))).toThrow(/CPU/);
    expect(() => span.fill(0)).toThrow(/CPU/);
  });
});

describe('mapSg', () => {
  it('EC-123: host and peer memory in one list, each by its own way, in order and not merged', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const peer = p2pdma.allocSpan(fn.bdf, 2 * PAGE);
    const list = [entryOf(peer, 0, PAGE), entryOf(new FakeHostSpan(512)), entryOf(peer, PAGE, PAGE)];
    const mapping = p2pdma.mapSg(list, client);
    expect(mapping.entries.map((entry) => entry.mapType)).toEqual(['bus-addr', 'none', 'bus-addr']);
    expect(mapping.segments.map((segment) => segment.lengthBytes)).toEqual([PAGE, 512, PAGE]);
    const two = p2pdma.mapSg([list[0]!, list[2]!], client);
    expect(two.segments).toHaveLength(2);
  });

  it.each([
    ['5.12.9', 'EC-124'],
    ['5.4', 'EC-124'],
    ['5.3.1', 'EC-125'],
    ['4.20', 'EC-125'],
  ])('EC-124, EC-125: Linux %s would map a mixed list wrongly (%s), so it is refused', (rules, edgeCase) => {
    const { p2pdma, fn, client } = benchWithMemory({}, { rules });
    p2pdma.distance(fn.bdf, client);
    const peer = p2pdma.allocSpan(fn.bdf, PAGE);
    const list = [entryOf(peer), entryOf(new FakeHostSpan(512))];
    expect(refusalOf(() => p2pdma.mapSg(list, client))).toEqual({
      code: 'P2P_MIXED_LIST',
      edgeCase,
      isWorse: true,
    });
    expect(client.dma.live.size).toBe(0);
    expect(p2pdma.mapSg([list[0]!], client).segments[0]!.addr).toBe(BAR_START);
    expect(p2pdma.mapSg([list[1]!], client).entries[0]!.mapType).toBe('none');
  });

  it('EC-126: several providers in one list are judged each, and refused before 6.0', () => {
    for (const [rules, code] of [
      ['7.2.12', 'none'],
      ['5.12.9', 'P2P_MIXED_LIST'],
    ] as const) {
      const { p2pdma, fn, client } = benchWithMemory({}, { rules });
      const other = new FakeFunction('04:00.0', { 2: { start: BAR_START + 512 * MIB } });
      p2pdma.addResource(other, 2);
      p2pdma.distance(fn.bdf, client);
      p2pdma.distance(other.bdf, client);
      const list = [fn.bdf, other.bdf].map((bdf) => p2pdma.allocSgl(bdf, PAGE)![0]!);
      expect(refusalOf(() => p2pdma.mapSg(list, client)).code).toBe(code);
    }
  });

  it('EC-127: nothing cached means nothing mapped from 5.4 to 5.19', () => {
    for (const rules of ['5.4', '5.12.9', '5.19']) {
      const { p2pdma, fn, client } = benchWithMemory({}, { rules });
      const span = p2pdma.allocSpan(fn.bdf, PAGE);
      expect(refusalOf(() => p2pdma.mapSpan(span, client))).toMatchObject({
        code: 'P2P_COLD_CACHE',
        edgeCase: 'EC-127',
      });
      expect(p2pdma.distance(fn.bdf, client)).toBe(4);
      expect(p2pdma.mapSpan(span, client).segments[0]!.addr).toBe(BAR_START);
    }
  });

  it('EC-128: from 6.0 on a cold cache is filled, and the log says why a pair is refused', () => {
    const { p2pdma, fn, client, lines } = benchWithMemory(
      { functions: oneSwitch({ '02:01.0': { acs: 0x04 } }) },
      { rules: '6.1.10' },
    );
    lines.length = 0;
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
    expect(lines[0]).toBe('0000:04:00.0|ACS redirect is set between the client and provider (0000:03:00.0)');
    const logged = lines.length;
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
    expect(lines).toHaveLength(logged);
  });

  it('EC-129: one refused entry undoes the whole list', () => {
    const { p2pdma, fn, client } = acrossRootPorts('8086:9999');
    const list = [entryOf(new FakeHostSpan(PAGE)), ...p2pdma.allocSgl(fn.bdf, PAGE)!];
    expect(refusalOf(() => p2pdma.mapSg(list, client))).toEqual({
      code: 'P2P_NO_ROUTE',
      errno: 'EREMOTEIO',
      edgeCase: 'EC-129',
    });
    expect(client.dma.hostCalls).toBe(1);
    expect(client.dma.live.size).toBe(0);
    p2pdma.provider(fn.bdf)!.freeSgl([list[1]!]);
    expect(p2pdma.provider(fn.bdf)!.availableBytes).toBe(64 * MIB);
  });

  it('EC-131: a bus address beyond what the client addresses is refused, which the kernel does not test', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    client.dma.setAddressBits(32);
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client))).toEqual({
      code: 'P2P_BEYOND_MASK',
      edgeCase: 'EC-131',
      isWorse: true,
    });
    span.close();
  });

  it('EC-132: through the host bridge beyond the mask is refused instead of copied by the CPU', () => {
    const { p2pdma, fn, client } = acrossRootPorts();
    client.dma.setAddressBits(32);
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client))).toMatchObject({
      code: 'P2P_BEYOND_MASK',
      edgeCase: 'EC-132',
      errno: 'EIO',
    });
    span.close();
    // With an IOMMU the address that the device is given is another one.
    client.dma.iovaOffset = -BAR_START;
    const again = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(p2pdma.mapSpan(again, client).segments[0]!.addr).toBe(0);
  });

  it('EC-133, EC-134: where all DMA is bounced, in encrypted guests too, nothing is peer to peer', () => {
    const { p2pdma, fn, client } = benchWithMemory({}, { rules: '6.12', platform: { bouncesAll: true } });
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client))).toEqual({
      code: 'P2P_BOUNCED',
      errno: 'EIO',
      edgeCase: 'EC-133',
    });
    const newer = benchWithMemory({}, { rules: '7.1.5', platform: { bouncesAll: true } });
    const other = newer.p2pdma.allocSpan(newer.fn.bdf, PAGE);
    expect(refusalOf(() => newer.p2pdma.mapSpan(other, newer.client))).toMatchObject({ isWorse: true });
  });

  it('EC-135, EC-136: a single page is judged like a list, and an address is asked of nobody before', () => {
    const { p2pdma, fn, client } = acrossRootPorts('8086:9999');
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSg([entryOf(span, 0, 1)], client)).code).toBe('P2P_NO_ROUTE');
    expect(client.dma.physCalls).toBe(0);
  });

  it('EC-138: a client with DMA operations of its own is offered no peer pages', () => {
    const { p2pdma, fn, client } = benchWithMemory({}, { platform: { hasCustomDmaOps: () => true } });
    expect(p2pdma.supportsPeerPages(client.bdf)).toBe(false);
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client))).toMatchObject({
      code: 'P2P_CLIENT_DMA_OPS',
      edgeCase: 'EC-138',
    });
    expect(p2pdma.mapSpan(new FakeHostSpan(PAGE), client).mapType).toBe('none');
  });

  it('EC-053: distance climbs from a device to its function, mapping does not', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const disk = { name: 'nvme1n1', parent: { name: 'nvme1', parent: client } };
    expect(p2pdma.distance(fn.bdf, disk)).toBe(4);
    const list = p2pdma.allocSgl(fn.bdf, PAGE)!;
    expect(refusalOf(() => p2pdma.mapSg(list, disk))).toEqual({
      code: 'P2P_CLIENT_NOT_PCI',
      errno: 'EREMOTEIO',
      edgeCase: 'EC-053',
    });
  });

  it('EC-052: software RDMA may be near by distance from 5.11 on, and is refused when mapping', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const rxe = { name: 'rxe0', parent: client, hasSoftwareDma: true };
    expect(p2pdma.distance(fn.bdf, rxe)).toBe(4);
    const list = p2pdma.allocSgl(fn.bdf, PAGE)!;
    expect(refusalOf(() => p2pdma.mapSg(list, rxe)).code).toBe('P2P_CLIENT_NOT_PCI');
  });

  it('EC-040: an untrusted client is judged like any other', () => {
    const { p2pdma, fn, client } = benchWithMemory({
      functions: oneSwitch({ '04:00.0': { isUntrusted: true }, '02:01.0': { acs: 0x1f } }),
    });
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
  });

  it('EC-089: up to 5.15 the bus offset is subtracted: refused, or reproduced for who asks', () => {
    const bar = { busOffset: 0x1000_0000 };
    const refused = benchWithMemory({}, { rules: '5.15.135' }, bar);
    refused.p2pdma.distance(refused.fn.bdf, refused.client);
    const span = refused.p2pdma.allocSpan(refused.fn.bdf, PAGE);
    expect(refusalOf(() => refused.p2pdma.mapSpan(span, refused.client))).toEqual({
      code: 'P2P_BUS_OFFSET',
      edgeCase: 'EC-089',
      isWorse: true,
    });
    const platform = { wrongBusOffset: 'reproduce' } as const;
    for (const [rules, offset] of [
      ['5.15.135', -0x1000_0000],
      ['5.16.10', 0x1000_0000],
    ] as const) {
      const { p2pdma, fn, client } = benchWithMemory({}, { rules, platform }, bar);
      p2pdma.distance(fn.bdf, client);
      const mapping = p2pdma.mapSpan(p2pdma.allocSpan(fn.bdf, PAGE), client);
      expect(mapping.segments[0]!.addr).toBe(BAR_START + offset);
    }
    const flat = benchWithMemory({}, { rules: '4.20' });
    const own = flat.p2pdma.allocSpan(flat.fn.bdf, PAGE);
    expect(flat.p2pdma.mapSpan(own, flat.client).segments[0]!.addr).toBe(BAR_START);
  });

  it('EC-088: a BAR that moved after registration is noticed', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    fn.moveBar(0, { start: BAR_START + 64 * MIB });
    expect(refusalOf(() => p2pdma.mapSpan(span, client))).toEqual({
      code: 'P2P_BAR_MOVED',
      edgeCase: 'EC-088',
      isWorse: true,
    });
  });

  it('refuses what is out to nobody, and what was freed', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const list = [{ address: BAR_START as PhysAddr, lengthBytes: PAGE }];
    expect(refusalOf(() => p2pdma.mapSg(list, client)).code).toBe('P2P_NOT_ALLOCATED');
    const address = p2pdma.alloc(fn.bdf, 2 * PAGE)!;
    expect(refusalOf(() => p2pdma.mapSg([{ address, lengthBytes: 3 * PAGE }], client)).code).toBe(
      'P2P_NOT_ALLOCATED',
    );
    const inner = { address: (address + 100) as PhysAddr, lengthBytes: PAGE };
    const mapping = p2pdma.mapSg([inner], client);
    expect(mapping.segments[0]!.addr).toBe(BAR_START + 100);
    expect(refusalOf(() => p2pdma.free(fn.bdf, address, 2 * PAGE)).code).toBe('P2P_MEMORY_IN_USE');
    mapping.unmap();
    p2pdma.free(fn.bdf, address, 2 * PAGE);
    const nowhere = [{ address: 0x1234_0000 as PhysAddr, lengthBytes: PAGE }];
    expect(refusalOf(() => p2pdma.mapSg(nowhere, client)).code).toBe('P2P_NOT_ALLOCATED');
  });

  it('an entry ends where its region does, though the next one begins there', () => {
    const { p2pdma } = bench();
    const client = new FakeFunction('04:00.0');
    const fn = new FakeFunction('03:00.0', {
      0: { lengthBytes: 2 * MIB },
      2: { start: BAR_START + 2 * MIB, lengthBytes: 2 * MIB, busOffset: MIB },
    });
    p2pdma.addResource(fn, 0);
    p2pdma.addResource(fn, 2);
    const upper = p2pdma.mmap(fn.bdf, { lengthBytes: 2 * MIB });
    const lower = p2pdma.mmap(fn.bdf, { lengthBytes: 2 * MIB });
    const address = (BAR_START + 2 * MIB - PAGE) as PhysAddr;
    expect(refusalOf(() => p2pdma.mapSg([{ address, lengthBytes: PAGE + 1 }], client)).code).toBe(
      'P2P_NOT_ALLOCATED',
    );
    p2pdma.mapSg([{ address, lengthBytes: PAGE }], client).unmap();
    upper.munmap();
    lower.munmap();
    expect(p2pdma.provider(fn.bdf)!.availableBytes).toBe(4 * MIB);
  });

  it('maps nothing while the way is not known', () => {
    const made = benchWithMemory({ functions: oneSwitch({ '02:01.0': { acs: undefined } }) });
    const { p2pdma, fn, client } = made;
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(p2pdma.distance(fn.bdf, client)).toBeNull();
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_ROUTE_UNKNOWN');
    made.machine = makeMachine({ functions: oneSwitch() });
    expect(p2pdma.mapSpan(span, client).mapType).toBe('bus-addr');
  });

  it('before 5.4 a refused pair is refused here, although that kernel would not look', () => {
    const { p2pdma, fn, client } = benchWithMemory(
      { functions: oneSwitch({ '02:01.0': { acs: 0x04 } }) },
      { rules: '4.20' },
    );
    const span = p2pdma.allocSpan(fn.bdf, PAGE);
    expect(refusalOf(() => p2pdma.mapSpan(span, client)).code).toBe('P2P_NO_ROUTE');
  });

  it('5.2 and 5.3 use the bus address also through a root complex', () => {
    const { p2pdma, fn, client } = acrossRootPorts('1022:1450', { rules: '5.2.1' });
    const mapping = p2pdma.mapSpan(p2pdma.allocSpan(fn.bdf, PAGE), client);
    expect(mapping.mapType).toBe('bus-addr');
    expect(client.dma.physCalls).toBe(0);
  });

  it('EC-182: nothing of a provider that was torn out is mapped', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const span = p2pdma.allocSpan(fn.bdf, PAGE) as PeerSpan;
    fn.isPresent = false;
    expect(refusalOf(() => p2pdma.mapSpan(span, client))).toMatchObject({
      code: 'P2P_PROVIDER_GONE',
      edgeCase: 'EC-182',
    });
  });
});
