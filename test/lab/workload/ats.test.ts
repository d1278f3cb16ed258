// Address Translation Services in labs: who switches them on, what they cost, and what an unmap does. PCIe Base 6.0, 10.
import { describe, expect, it } from 'vitest';
import type { PhysAddr } from '../../../src/base/index.ts';
import { DMA_STATUS, Memory, noTurn, TRAFFIC } from '../../../src/fabric/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { ATS_CONTROL, EXTENDED_ID } from '../../../src/spec/index.ts';
import { runLab } from './support/run-lab.ts';

const REDIRECT = '[SV, RR, CR, UF]';

interface Facts {
  readonly ats?: string;
  readonly acs?: string;
  readonly iommu?: string;
  readonly extra?: string;
  readonly stream?: string;
}

/** A card and a drive with memory below one switch. */
function lab({ ats = 'yes', acs = 'off', iommu = 'translated', extra = '', stream }: Facts): string {
  return `
peerlane: lab/1
cpu: intel
iommu: ${iommu}
memory: 16G
${extra}
below:
  - switch: sw0
    link: gen3 x16
    below:
      - {port: , acs: ${acs}, below: {nvme: nvme0, link: gen3 x4, ats: ${ats}, namespaces: 1G, cmb: 64M}}
      - {port: , acs: ${acs}, below: {nvme: nvme1, link: gen3 x4, ats: ${ats}, namespaces: 1G}}
      - {port: , acs: ${acs}, below: {gpu: gpu0, link: gen3 x16, ats: ${ats}, bars: {0: 64M}, sr-iov: 1}}
${
  stream === undefined
    ? ''
    : `workload:
  duration: 300us
  warm-up: 100us
  streams:
    - ${stream}
`
}`;
}

function boot(facts: Facts, engine: 'tlp' | 'flow' | null = null): LabMachine {
  return LabMachine.boot(parseLab(lab(facts), 'test.yaml'), {
    label: 'test.yaml',
    turn: noTurn,
    ...(engine === null ? {} : { timing: { engine } }),
  });
}

function atsOf(machine: LabMachine): readonly string[] {
  return machine.platform.functions
    .filter(({ config }) => {
      const at = config.findExtendedCapability(EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES);
      return at !== 0 && ATS_CONTROL.Enable.of(config.read16(at + ATS_CONTROL.offset)) === 1;
    })
    .map(({ bdf }) => bdf);
}

describe('ATS Control', () => {
  it.each([
    [{}, 4],
    [{ ats: 'no' }, 0],
    [{ iommu: 'off' }, 0],
    [{ iommu: 'passthrough' }, 0],
    [{ iommu: '{mode: translated, ats: no}' }, 0],
    [{ extra: 'command-line: quiet pci=nomsi,noats' }, 0],
  ] satisfies [Facts, number][])('with %o is on in %d functions, virtual ones included', (facts, count) => {
    expect(atsOf(boot(facts))).toHaveLength(count);
  });
});

const WRITES = '{dma-write: gpu0, to: nvme0, block: 4K, depth: 16, area: 1M}';
const READS = '{dma-read: gpu0, from: nvme0, block: 4K, depth: 16, area: 1M}';

describe.each(['tlp', 'flow'] as const)('packets of a card with ATS (%s)', (engine) => {
  it('go up and down the uplink where ports redirect, and straight where they let translated ones pass (DT)', async () => {
    const acs = '[SV, RR, CR, UF, DT]';
    const up = await runLab(lab({ acs: REDIRECT, stream: WRITES }), engine);
    expect(up.rootPortBytes).toBeGreaterThan(0);
    const straight = await runLab(lab({ acs, stream: WRITES }), engine);
    expect(straight.rootPortBytes).toBe(0);
    expect(straight.streams[0]!.failures).toBe(0);
    expect(straight.goodputGBs).toBeGreaterThan(3.2);
    expect(straight.goodputGBs).toBeGreaterThan(up.goodputGBs);
    const withoutAts = await runLab(lab({ ats: 'no', acs, stream: WRITES }), engine);
    expect(withoutAts.rootPortBytes).toBeGreaterThan(0);
    const read = await runLab(lab({ acs, stream: READS }), engine);
    expect([read.rootPortBytes, read.streams[0]!.failures]).toEqual([0, 0]);
  });

  it('need no walk while the pages fit into its cache, and one each where they do not', async () => {
    const reads = (area: string, ats: string) =>
      runLab(
        `
peerlane: lab/1
cpu: {vendor: intel, family: 6, model: 79}
iommu: translated
memory: 16G
time: {memory: {ddio: 0}}
below: {nic: nfp, link: gen3 x8, max-payload: 256, timing: nfp-6000, ats: ${ats}}
workload:
  duration: 100us
  warm-up: 60us
  streams: {dma-read: nfp, block: 64, area: ${area}, pattern: random, depth: 64}
`,
        engine,
      );
    const [small, none, large] = [
      await reads('1M', 'yes'),
      await reads('1M', 'no'),
      await reads('64M', 'yes'),
    ];
    expect(small.goodputGBs).toBeGreaterThan(3);
    if (engine === 'tlp') {
      expect(none.goodputGBs).toBeLessThan(2);
    }
    expect(large.goodputGBs).toBeLessThan(1.35);
    expect(large.limiter.text).toMatch(
      /^IOMMU page walkers of pci0000:00, \d+ % busy, (?:9\d|100)\.\d % of look-ups miss/,
    );
    // Translation requests are packets of the link: 24 bytes up and 28 down for each that is missing.
    const [link] = large.links;
    const asked = large.links[0]!.up.packets - large.streams[0]!.requests;
    expect(asked / large.streams[0]!.requests).toBeGreaterThan(0.9);
    expect(link!.up.wireGBs / large.goodputGBs).toBeGreaterThan(0.7);
  });
});

describe('EC-130: a bus address and a client with ATS', () => {
  it('is asked for, has no page, and nothing is sent: drives say so', async () => {
    const report = await runLab(lab({ stream: '{copy: nvme1, to: nvme0, block: 64K, depth: 4}' }));
    const [stream] = report.streams;
    expect(stream!.bytes).toBe(0);
    expect(stream!.failure).toContain('Data Transfer Error');
    const without = await runLab(
      lab({
        extra: 'command-line: pci=noats',
        stream: '{copy: nvme1, to: nvme0, block: 64K, depth: 4}',
      }),
    );
    expect(without.streams[0]!.failures).toBe(0);
    expect(without.goodputGBs).toBeGreaterThan(1);
  });

  it('leaves a fault in the IOMMU, and the memory of the function itself is no matter of translation', () => {
    const machine = boot({});
    const { fn } = machine.member('nvme1')!;
    const target = machine.member('nvme0')!.fn.state.bars[1]!.start;
    const local = Memory.flat(64);
    expect(fn.requester.writeNow(target, local, 0, 64, TRAFFIC.DATA)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(machine.iommu.faults.at(-1)).toMatchObject({ reason: 'not-present', isAts: true, addr: target });
    const faults = machine.iommu.faultCount;
    machine.member('gpu0')!.platform.enable({ memory: true, busMaster: true });
    const own = machine.member('gpu0')!.fn;
    expect(own.requester.writeNow(own.state.bars[0]!.start, local, 0, 64, TRAFFIC.DATA)).toBe(0);
    expect(machine.iommu.faultCount).toBe(faults);
  });
});

describe('an unmap', () => {
  it('takes the translation from the device by a message over the links, and later requests are refused', () => {
    const machine = boot({}, 'tlp');
    const { fn, platform } = machine.member('gpu0')!;
    platform.enable({ memory: true, busMaster: true });
    const host = machine.allocateHost(65_536);
    const mapping = platform.dma.mapHost(host, 0, 65_536);
    const { addr } = mapping.segments[0]!;
    const ends: number[] = [];
    const local = Memory.flat(4096);
    local.fill(0, 4096, 0x5a);
    const { inFlight, queue, timing, counters } = machine.fabric;
    const write = (at: number) =>
      inFlight.write(fn.requester, at, local, 0, 4096, TRAFFIC.DATA, 0, {
        onDma: (_token, status) => ends.push(status),
      });
    write(addr);
    queue.runUntilIdle(1e6);
    const device = timing!.devices.find((one) => one.fn === fn)!;
    expect(device.atc.holds(addr)).toBe(true);
    expect([device.atc.misses, device.invalidations]).toEqual([1, 0]);
    counters.reset();
    timing!.resetCounts();
    mapping.unmap();
    expect(device.atc.holds(addr)).toBe(false);
    queue.runUntilIdle(1e6);
    // There over two links and a switch, and back: 8 bytes of payload one way, none the other.
    expect(device.invalidations).toBe(1);
    // Each way two pins, two links and the switch, 232 ns, and the serialisation of 32 and 24 bytes.
    expect(device.invalidationPs).toBeGreaterThan(464_000);
    expect(device.invalidationPs).toBeLessThan(470_000);
    const link = counters.read().links.find(({ bdf }) => bdf === fn.device.bus.bridge!.bdf)!;
    expect([link.down.controlBytes, link.down.packets, link.up.controlBytes, link.up.packets]).toEqual([
      8, 1, 0, 1,
    ]);
    const stages = timing!.network.linkStages().find(({ port }) => port === fn.device.bus.bridge)!;
    expect([stages.down.wireBytes, stages.up.wireBytes]).toEqual([32, 24]);
    write(addr);
    queue.runUntilIdle(1e6);
    expect(ends).toEqual([0, DMA_STATUS.UNSUPPORTED_REQUEST]);
    expect(machine.iommu.faults.at(-1)).toMatchObject({ isAts: true, addr });
    host.close();
  });

  it('while a write waits for its translation leaves memory as it was', () => {
    const machine = boot({}, 'tlp');
    const { fn, platform } = machine.member('gpu0')!;
    platform.enable({ memory: true, busMaster: true });
    const memory = Memory.flat(4096);
    const region = machine.dram.allocate(memory, 4096, null, 2 ** 40, 0);
    const mapping = platform.dma.mapPhys(region.start as PhysAddr, 4096);
    const local = Memory.flat(64);
    local.fill(0, 64, 0x77);
    const { inFlight, queue } = machine.fabric;
    const ends: number[] = [];
    inFlight.write(fn.requester, mapping.segments[0]!.addr, local, 0, 64, TRAFFIC.DATA, 0, {
      onDma: (_token, status) => ends.push(status),
    });
    queue.runUntilIdle(1);
    mapping.unmap();
    queue.runUntilIdle(1e6);
    expect(ends).toEqual([DMA_STATUS.UNSUPPORTED_REQUEST]);
    expect(memory.getValue(0, 4)).toBe(0);
  });
});
