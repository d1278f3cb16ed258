import { describe, expect, it } from 'vitest';
import { explainPair } from '../../src/advice/index.ts';
import { rulesFor } from '../../src/p2pdma/index.ts';
import {
  bdf,
  buildIndex,
  type FunctionSpec,
  type MachineSpec,
  switchWithTwoDrives,
} from '../support/machine-builder.ts';

function explain(spec: MachineSpec, provider: string, client: string) {
  return explainPair(buildIndex(spec), rulesFor(spec.kernel ?? '7.2.12'), bdf(provider), bdf(client));
}

function change(spec: MachineSpec, at: string, fields: Partial<FunctionSpec>): MachineSpec {
  return { ...spec, functions: spec.functions.map((fn) => (fn.at === at ? { ...fn, ...fields } : fn)) };
}

const ends = (links: readonly { upper: string; lower: string }[]) =>
  links.map((link) => `${link.upper} ${link.lower}`);

describe('links of a path', () => {
  const plain = switchWithTwoDrives(null);

  it('are those between ports and what hangs off them, not the two sides of one switch', () => {
    expect(ends(explain(plain, '03:00.0', '04:00.0').links)).toEqual([
      '0000:02:00.0 0000:03:00.0',
      '0000:02:01.0 0000:04:00.0',
    ]);
  });

  it('are as fast as both ends allow, and the narrowest one is named', () => {
    const spec = change(plain, '04:00.0', { link: { max: '8 x4' } });
    const { links, narrowest } = explain(spec, '03:00.0', '04:00.0');
    expect(links[1]!.max).toEqual({ speedGTs: 8, width: 4 });
    expect(narrowest).toBe(links[1]);
    expect(narrowest!.goodputWriteGBs).toBeCloseTo(3.5915, 3);
    expect(narrowest!.goodputReadGBs).toBeCloseTo(3.6436, 3);
  });

  it('use the current rate of a drive, and the capability of a GPU whose idle link was slowed down', () => {
    const idle = { link: { max: '16 x16', now: '2.5 x16' } };
    const drive = explain(change(plain, '03:00.0', idle), '03:00.0', '04:00.0').links[0]!;
    expect([drive.uses, drive.rate]).toEqual(['current', { speedGTs: 2.5, width: 16 }]);
    const gpu = explain(change(plain, '03:00.0', { ...idle, kind: 'gpu' }), '03:00.0', '04:00.0').links[0]!;
    expect([gpu.uses, gpu.rate]).toEqual(['max', { speedGTs: 16, width: 16 }]);
  });

  it('keep a lost width of a GPU: width does not come back under load', () => {
    const spec = change(plain, '03:00.0', { kind: 'gpu', link: { max: '16 x16', now: '2.5 x8' } });
    expect(explain(spec, '03:00.0', '04:00.0').links[0]!.rate).toEqual({ speedGTs: 16, width: 8 });
  });

  it('of a way through the host bridge are those above the switch as well, passed twice', () => {
    // RR is set and the root port's UF clear: what the hardware does is not known, what the kernel does is.
    const spec: MachineSpec = { ...switchWithTwoDrives(0x04, { rootAcs: 0 }), cpu: 'amd-zen' };
    const { verdict, physical, links } = explain(spec, '03:00.0', '04:00.0');
    expect([verdict.mapType, physical.write.outcome]).toEqual(['thru-host-bridge', 'unknown']);
    expect(links.map((link) => [link.lower, link.isShared])).toEqual([
      ['0000:03:00.0', false],
      ['0000:01:00.0', true],
      ['0000:04:00.0', false],
    ]);
  });

  it('where the IOMMU translates lead up even past ports that do not redirect requests: an IOVA is in no window', () => {
    const onlyCr = switchWithTwoDrives(0x08, { rootAcs: 0x1d });
    const count = (iommu: 'translated' | 'passthrough'): number =>
      explain({ ...onlyCr, cpu: 'amd-zen', iommu }, '03:00.0', '04:00.0').links.length;
    expect([count('translated'), count('passthrough')]).toEqual([3, 2]);
  });

  it('between functions of one device that joins them are none', () => {
    const sibling: FunctionSpec = { at: '03:00.1', kind: 'nvme', under: '02:00.0', acs: 0x01 };
    const spec = { ...plain, functions: [...plain.functions, sibling] };
    expect(explain(spec, '03:00.0', '03:00.1').links).toEqual([]);
  });

  it('are not complete where bridges are left out on the way', () => {
    const hidden = plain.functions.find((fn) => fn.at === '03:00.0')!.more;
    const spec = change(plain, '03:00.0', { more: { ...hidden, hiddenAbove: true } });
    expect(explain(spec, '03:00.0', '04:00.0').linksComplete).toBe(false);
  });

  it('with unknown rates have no figures, and the answer says that it is not complete', () => {
    const unknown = { more: { link: undefined } };
    const spec = change(change(plain, '03:00.0', unknown), '02:00.0', unknown);
    const explanation = explain(spec, '03:00.0', '04:00.0');
    expect(explanation.links[0]!.goodputWriteGBs).toBeUndefined();
    expect(explanation.linksComplete).toBe(false);
    expect(explanation.narrowest).toBe(explanation.links[1]);
  });

  it('that ACS makes requests pass up and down count both directions', () => {
    const spec: MachineSpec = { ...switchWithTwoDrives(0x1d, { rootAcs: 0x1d }), cpu: 'amd-zen' };
    const { links, verdict, physical } = explain(spec, '03:00.0', '04:00.0');
    expect(verdict.mapType).toBe('thru-host-bridge');
    expect(physical.write.outcome).toBe('redirected');
    expect(links.map((link) => [link.lower, link.isShared])).toEqual([
      ['0000:03:00.0', false],
      ['0000:01:00.0', true],
      ['0000:04:00.0', false],
    ]);
    expect(links[1]!.goodputWriteGBs!).toBeLessThan(links[0]!.goodputWriteGBs!);
  });

  it('take payload sizes from Device Control, and the smallest legal one where it is not known', () => {
    expect(explain(plain, '03:00.0', '04:00.0').payload).toEqual({
      mpsBytes: 256,
      mrrsBytes: 512,
      isKnown: true,
    });
    const spec = change(plain, '04:00.0', { more: { deviceControl: undefined } });
    expect(explain(spec, '03:00.0', '04:00.0').payload).toEqual({
      mpsBytes: 128,
      mrrsBytes: 128,
      isKnown: false,
    });
  });

  describe('after a root complex that splits writes (pcie-timing-model, section 9)', () => {
    const g3 = { link: { max: '8 x16' } };
    const apart = (model: number, cpu: 'intel' | 'amd' = 'intel'): MachineSpec => ({
      functions: [
        { at: '00:00.0', kind: 'host-bridge', id: '8086:2020' },
        { at: '00:01.0', kind: 'root-port', ...g3 },
        { at: '03:00.0', kind: 'nvme', under: '00:01.0', ...g3 },
        { at: '00:02.0', kind: 'root-port', ...g3 },
        { at: '04:00.0', kind: 'nvme', under: '00:02.0', ...g3 },
      ],
      more: {
        cpu: { vendor: cpu, family: cpu === 'intel' ? 6 : 0x19, model, architecture: 'x86', sockets: 1 },
      },
    });
    const writes = (spec: MachineSpec, provider = '03:00.0', client = '04:00.0') =>
      explain(spec, provider, client).links.map((link) => [
        link.lower,
        link.payloadBytes,
        Number(link.goodputWriteGBs!.toFixed(4)),
      ]);

    it('carry 64 bytes a packet towards the provider, and the client’s size before (W17)', () => {
      const spec = apart(0x4f);
      expect(writes(spec)).toEqual([
        ['0000:03:00.0', 64, 11.4275],
        ['0000:04:00.0', 256, 14.3661],
      ]);
      expect(writes(spec, '04:00.0', '03:00.0')).toEqual([
        ['0000:04:00.0', 64, 11.4275],
        ['0000:03:00.0', 256, 14.3661],
      ]);
      const { links, narrowest } = explain(spec, '03:00.0', '04:00.0');
      expect(narrowest).toBe(links[0]);
      expect(links[0]!.goodputReadGBs).toBe(links[1]!.goodputReadGBs);
    });

    it('are all alike where the root complex keeps the size, or is not known', () => {
      for (const spec of [apart(0x11, 'amd'), apart(0xc6), apart(0x01)]) {
        expect(writes(spec).map(([, payload]) => payload)).toEqual([256, 256]);
      }
    });

    it('are all alike where requests turn round below it, and not where ACS sends them up to it', () => {
      const { cpu } = apart(0x8f).more!;
      const payloads = (acs: number) => {
        const spec: MachineSpec = { ...switchWithTwoDrives(acs, { rootAcs: 0x1d }), more: { cpu: cpu! } };
        const { links, physical } = explain(spec, '03:00.0', '04:00.0');
        return [physical.write.outcome, links.map((link) => [link.lower, link.payloadBytes])];
      };
      expect(payloads(0x01)).toEqual([
        'direct',
        [
          ['0000:03:00.0', 256],
          ['0000:04:00.0', 256],
        ],
      ]);
      expect(payloads(0x1d)).toEqual([
        'redirected',
        [
          ['0000:03:00.0', 64],
          ['0000:01:00.0', 64],
          ['0000:04:00.0', 256],
        ],
      ]);
    });
  });

  it('of a VF are those of its PF', () => {
    const spec: MachineSpec = {
      ...plain,
      functions: [
        ...plain.functions,
        {
          at: '04:00.1',
          kind: 'nic',
          under: '02:01.0',
          more: { physicalFunction: bdf('04:00.0'), deviceControl: 0 },
        },
      ],
    };
    const { links, payload } = explain(spec, '03:00.0', '04:00.1');
    expect(ends(links)).toEqual(['0000:02:00.0 0000:03:00.0', '0000:02:01.0 0000:04:00.0']);
    expect(payload.mpsBytes).toBe(256);
  });
});
