import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLATFORM_NAMES, PLATFORMS, platformFor, platformNamed } from '../../src/rates/index.ts';

describe('platforms', () => {
  it('are named once each, and an unknown name lists them', () => {
    expect(new Set(PLATFORM_NAMES).size).toBe(PLATFORM_NAMES.length);
    expect(() => platformNamed('intel-xeon-9000')).toThrow(
      expect.objectContaining({ code: 'INPUT_PRESET', hint: expect.stringContaining('amd-zen3') }),
    );
  });

  it('name the rows that set them when they are calibrated, and only then', () => {
    for (const one of PLATFORMS) {
      expect(one.setBy.length > 0, one.name).toBe(one.basis === 'calibrated');
      expect(one.note.length).toBeGreaterThan(10);
    }
  });

  it('have constants that a machine can have', () => {
    for (const { name, peers, iommu, memory, socket, cpu, latency } of PLATFORMS) {
      for (const share of [peers.writeShare, peers.readShare, peers.otherSocketShare]) {
        expect(share, name).toBeGreaterThanOrEqual(0);
        expect(share, name).toBeLessThanOrEqual(1);
      }
      expect(memory.writeEfficiency).toBeLessThanOrEqual(memory.mixedEfficiency);
      expect(memory.mixedEfficiency).toBeLessThanOrEqual(memory.readEfficiency);
      expect(socket.peerGBs, name).toBeLessThanOrEqual(socket.linkGBs);
      for (const positive of [
        peers.splitBytes,
        peers.writeGBs,
        peers.readGBs,
        iommu.entries,
        iommu.walkNs,
        iommu.readWalkers,
        memory.channelsPerSocket,
        memory.channelGBs,
        socket.peerGBs,
        cpu.copyGBs,
        latency.cacheNs,
      ]) {
        expect(positive, name).toBeGreaterThan(0);
      }
    }
  });

  it('inherit: what a family shares is the same object, what a generation has of its own is not', () => {
    const [haswell, broadwell] = [platformNamed('intel-xeon-hsw'), platformNamed('intel-xeon-bdw')];
    expect(haswell.peers).toBe(broadwell.peers);
    expect(haswell.dllpModel).toBe('pciebench');
    expect(platformNamed('intel-xeon-snb').dllpModel).toBe('symbol');
    expect(haswell.memory.channelGBs).toBeLessThan(broadwell.memory.channelGBs);
    expect(platformNamed('amd-zen5').peers).toBe(platformNamed('amd-zen4').peers);
    expect(platformNamed('amd-zen4-threadripper').peers).toBe(platformNamed('amd-zen4').peers);
    expect(platformNamed('intel-xeon-emr').completion).toBe(platformNamed('intel-xeon-skl').completion);
  });

  it('refuse with a share of nothing: peer reads of Intel clients, everything of none-supported', () => {
    const client = platformNamed('intel-client').peers;
    expect([client.writeShare, client.readShare]).toEqual([1, 0]);
    const none = platformNamed('none-supported').peers;
    expect([none.writeShare, none.readShare, none.otherSocketShare]).toEqual([0, 0, 0]);
  });
});

describe('the platform of a processor', () => {
  it.each([
    [6, 45, 'intel-xeon-snb'],
    [6, 62, 'intel-xeon-ivb'],
    [6, 63, 'intel-xeon-hsw'],
    [6, 79, 'intel-xeon-bdw'],
    [6, 85, 'intel-xeon-skl'],
    [6, 106, 'intel-xeon-icx'],
    [6, 143, 'intel-xeon-spr'],
    [6, 207, 'intel-xeon-emr'],
    [6, 173, 'intel-xeon-gnr'],
    [6, 94, 'intel-client'],
    [6, 198, 'intel-client'],
    [19, 1, 'intel-xeon-gnr'],
  ])('Intel family %i model %i is %s', (family, model, name) => {
    expect(platformFor({ vendor: 'intel', family, model }).platform.name).toBe(name);
  });

  it.each([
    [23, 0x01, 'EPYC 7551', 'amd-zen1'],
    [23, 0x08, 'AMD Ryzen Threadripper 2990WX', 'amd-zen1-threadripper'],
    [23, 0x31, 'AMD EPYC 7302', 'amd-zen2'],
    [23, 0x31, 'AMD Ryzen Threadripper PRO 3995WX', 'amd-zen2-threadripper'],
    [23, 0x71, '', 'amd-zen2-ryzen'],
    [25, 0x01, 'AMD EPYC 7543', 'amd-zen3'],
    [25, 0x21, 'AMD Ryzen 9 5950X', 'amd-zen3-ryzen'],
    [25, 0x11, '', 'amd-zen4'],
    [25, 0xa0, '', 'amd-zen4'],
    [25, 0x18, 'AMD Ryzen Threadripper PRO 7965WX', 'amd-zen4-threadripper'],
    [25, 0x61, 'AMD Ryzen 9 7950X', 'amd-zen4-ryzen'],
    [26, 0x02, 'AMD EPYC 9755', 'amd-zen5'],
    [26, 0x44, '', 'amd-zen5-ryzen'],
  ])('AMD family %i model %i %s is %s', (family, model, cpu, name) => {
    expect(platformFor({ vendor: 'amd', family, model, name: cpu }).platform.name).toBe(name);
  });

  it.each([
    ['Intel(R) Xeon(R) CPU E5-2630 0 @ 2.30GHz', 'intel-xeon-snb'],
    ['Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz', 'intel-xeon-bdw'],
    ['Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz', 'intel-xeon-skl'],
    ['Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz', 'intel-xeon-icx'],
    ['Intel(R) Xeon(R) Platinum 8480+', 'intel-xeon-spr'],
    ['INTEL(R) XEON(R) PLATINUM 8592+', 'intel-xeon-emr'],
    ['Intel(R) Xeon(R) 6980P', 'intel-xeon-gnr'],
    ['Intel(R) Core(TM) Ultra 9 285K', 'intel-client'],
    ['AMD EPYC 7K62 48-Core Processor', 'amd-zen2'],
    ['AMD Opteron 6378', 'generic'],
    ['Intel(R) Atom(TM) CPU', 'generic'],
    ['AMD EPYC 7742', 'amd-zen2'],
    ['AMD EPYC 9654', 'amd-zen4'],
    ['AMD Ryzen Threadripper PRO 7965WX', 'amd-zen4-threadripper'],
    ['Neoverse-N1', 'arm-neoverse'],
    ['POWER9, altivec supported', 'ibm-power9'],
    ['KaiSheng', 'generic'],
  ])('known only by its name %s is %s', (name, platform) => {
    expect(platformFor({ name }).platform.name).toBe(platform);
  });

  it('is what a person says, before what was read', () => {
    const cpu = { vendor: 'intel', family: 6, model: 79 };
    expect(platformFor({ ...cpu, generation: 'zen4' }).platform.name).toBe('amd-zen4');
    expect(platformFor({ ...cpu, generation: 'SPR' }).platform.name).toBe('intel-xeon-spr');
    expect(platformFor({ ...cpu, generation: 'consumer-2016' }).platform.name).toBe('consumer-2016');
    expect(() => platformFor({ ...cpu, generation: 'zen9' })).toThrow(
      expect.objectContaining({ code: 'INPUT_PRESET' }),
    );
  });

  it('says how it was found', () => {
    expect(platformFor({ vendor: 'intel', family: 6, model: 79 }).note).toBe(
      'Intel family 6 model 79 is intel-xeon-bdw',
    );
    expect(platformFor({}).note).toContain('generic');
  });

  it('is found for anything, and never consumer-2016 or none-supported', () => {
    const field = fc.option(fc.nat(300), { nil: undefined });
    fc.assert(
      fc.property(
        fc.record({
          vendor: fc.constantFrom('intel', 'amd', 'hygon', 'arm', 'ibm', 'zhaoxin', undefined, null),
          family: field,
          model: field,
          name: fc.oneof(fc.string(), fc.constant(undefined)),
        }),
        (cpu) => {
          const { platform, note } = platformFor(cpu);
          expect(PLATFORMS).toContain(platform);
          expect(['consumer-2016', 'none-supported']).not.toContain(platform.name);
          expect(note).toContain(platform.name);
        },
      ),
    );
  });
});
