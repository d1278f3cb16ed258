/** Laws of time (section 16 of the timing model) on one machine that is changed a little at a time, by both engines. */
import { describe, expect, it } from 'vitest';
import { parseLab } from '../../../src/lab/file/index.ts';
import { compareMedia, findLabEnd } from '../../../src/lab/machine/index.ts';
import { MachineIndex } from '../../../src/topology/index.ts';
import { ENGINES, type Engine, type WatchedRun, watchedRun } from './support/watched-run.ts';

interface Change {
  readonly iommu?: string;
  readonly acs?: string;
  readonly payload?: number;
  readonly node?: string;
  readonly sockets?: number;
}

/** A card and two drives behind one switch; `stream` is what runs. */
function labText(stream: string, change: Change = {}): string {
  const { iommu = 'off', acs = 'off', payload = 256, sockets = 2 } = change;
  return `
peerlane: lab/1
cpu: {vendor: intel, family: 6, model: 85, sockets: ${sockets}}
iommu: ${iommu}
memory: [1G, 1G]
host-bridges:
  - numa-node: 0
    below:
      - root-port:
        max-payload: ${payload}
        link: gen3 x8
        below:
          switch: sw0
          link: gen3 x8
          max-payload: ${payload}
          below:
            - {port:, acs: ${acs}, max-payload: ${payload}, link: gen3 x8, below: {nic: nic0, link: gen3 x8, max-payload: ${payload}}}
            - {port:, acs: ${acs}, max-payload: ${payload}, link: gen3 x8, below: {gpu: gpu0, link: gen3 x8, bars: {0: 16M}, max-payload: ${payload}}}
            - {port:, acs: ${acs}, max-payload: ${payload}, link: gen3 x4, below: {nvme: nvme0, link: gen3 x4, cmb: 8M, namespaces: 64M, media: instant, max-payload: ${payload}}}
            - {port:, acs: ${acs}, max-payload: ${payload}, link: gen3 x4, below: {nvme: nvme1, link: gen3 x4, namespaces: 64M, media: instant, max-payload: ${payload}}}
workload:
  ${stream.includes('size') ? '' : 'duration: 200us\n  warm-up: 50us'}
  streams: [{${stream}}]
`;
}

function run(engine: Engine, stream: string, change: Change = {}): Promise<WatchedRun> {
  return watchedRun(parseLab(labText(stream, change), 'lab.yaml'), { engine });
}

const STREAMS = {
  'writes to memory': 'dma-write: nic0, to: NODE, block: 64K, depth: 8, area: 4M',
  'reads of memory': 'dma-read: nic0, from: NODE, block: 64K, depth: 8, area: 4M',
  'small reads of memory by chance':
    'dma-read: nic0, from: NODE, block: 512, depth: 64, area: 4M, pattern: random',
  'writes to a peer': 'dma-write: nic0, to: gpu0, block: 64K, depth: 8, area: 4M',
  'reads of a peer': 'dma-read: nic0, from: gpu0, block: 64K, depth: 8, area: 4M',
  'reads of a drive': 'read: nvme0, to: NODE, block: 64K, depth: 8, area: 16M',
  'writes of a drive': 'write: nvme1, from: NODE, block: 64K, depth: 8, area: 16M',
};

/** Each costs something or nothing, and gains nothing. */
const CHANGES: Readonly<Record<string, Change>> = {
  'an IOMMU that translates': { iommu: 'translated' },
  'an IOMMU that does not': { iommu: 'passthrough' },
  'redirected peers': { acs: '[RR, CR, UF]' },
  'redirected peers that are translated': { iommu: 'translated', acs: '[RR, CR, UF]' },
  'smaller packets': { payload: 128 },
  'memory of the other socket': { node: 'node1' },
};

describe.each(ENGINES)('by the %s engine', (engine) => {
  it.each(Object.entries(STREAMS))('%s: no obstacle makes anything faster', async (_name, stream) => {
    const plain = (await run(engine, stream.replace('NODE', 'node0'))).report;
    expect(plain.goodputGBs).toBeGreaterThan(0);
    // Requests that end just before or just behind the window.
    const edge = 65_536 / (plain.measuredPs / 1000);
    for (const [name, change] of Object.entries(CHANGES)) {
      const changed = (await run(engine, stream.replace('NODE', change.node ?? 'node0'), change)).report;
      expect(changed.goodputGBs, name).toBeLessThanOrEqual(plain.goodputGBs * 1.002 + edge);
      if (name === 'smaller packets' && _name === 'writes to a peer') {
        expect(changed.goodputGBs, name).toBeLessThan(plain.goodputGBs * 0.95);
      }
    }
  });

  it('between peers behind one switch: not a byte of data in memory, nor above the switch', async () => {
    for (const stream of [STREAMS['writes to a peer'], STREAMS['reads of a peer']]) {
      const { report, machine } = await run(engine, stream);
      expect(report.goodputGBs).toBeGreaterThan(1);
      expect(report.dramBytes).toBe(0);
      expect(report.rootPortBytes).toBe(0);
      expect(report.memory.every(({ utilisation }) => utilisation === 0)).toBe(true);
      for (const { port, up, down } of machine.fabric.timing!.network.linkStages()) {
        expect(port.kind === 'root-port' ? up.wireBytes + down.wireBytes : 0).toBe(0);
      }
    }
  });

  it('staged through memory: memory sees every byte twice', async () => {
    const { machine, report } = await run(engine, 'stage: nic0, to: gpu0, chunk: 64K, sync: 0, size: 4M');
    expect(report.streams[0]!.failures).toBe(0);
    const { dramRead, dramWrite } = machine.fabric.counters.read();
    // The last chunk comes in and nothing follows that takes it out.
    expect(dramWrite.dataBytes).toBe(2 ** 22);
    expect(dramRead.dataBytes).toBeGreaterThanOrEqual(2 ** 22 - 65_536);
    expect(report.dramBytes).toBeGreaterThanOrEqual(2 * 2 ** 22 - 65_536);
  });

  it.each(['auto', 'host'])('a copy through %s delivers every byte once', async (via) => {
    const stream = `copy: nvme0, to: nvme1, via: ${via}, block: 64K, depth: 8, area: 8M, size: 8M, pattern: sequential`;
    const { machine, report, watch } = await run(engine, stream);
    expect(report.streams[0]).toMatchObject({ bytes: 2 ** 23, requests: 128, failures: 0 });
    expect(watch.ended).toBe(watch.sent);
    const index = new MachineIndex(machine.machine());
    const [first, second] = ['nvme0', 'nvme1'].map((name) => ({
      end: findLabEnd(machine, index, name),
      offsetBytes: 0,
    }));
    expect(compareMedia(machine, first!, second!, 2 ** 23)).toMatchObject({ atBytes: -1, unreadable: null });
    // What was not copied differs, so that the comparison could have failed.
    const behind = { offsetBytes: 2 ** 23 };
    expect(compareMedia(machine, { ...first!, ...behind }, { ...second!, ...behind }, 2 ** 20).atBytes).toBe(
      0,
    );
    expect(report.dramBytes).toBe(via === 'host' ? 2 * 2 ** 23 : 0);
  });
});
