import { describe, expect, it } from 'vitest';
import { decodeTrace, type ReadSlice } from './decode-trace.ts';
import { P2P_COPY, traceLab } from './support.ts';

const traced = await traceLab(P2P_COPY);
const trace = decodeTrace(traced.perfetto);

function slicesOf(track: RegExp): readonly ReadSlice[] {
  return trace.slices.filter((slice) => track.test(slice.track));
}

describe('a trace of a copy from drive to drive', () => {
  it('has a track for each direction of each link that carried something', () => {
    const links = traced.machine.fabric.timing!.network.linkStages();
    expect(links.length).toBeGreaterThan(2);
    for (const { port, up, down } of links) {
      for (const stage of [up, down].filter(({ packets }) => packets > 0)) {
        const way = stage === up ? 'up' : 'down';
        const found = [...trace.tracks].filter(
          (name) => name.startsWith(`links / ${port.bdf}`) && name.endsWith(way),
        );
        expect(found, `${port.bdf} ${way}`).toHaveLength(1);
      }
    }
    expect([...trace.tracks]).toContain('drive nvme0 / submission queue 1');
    expect([...trace.tracks]).toContain('drive nvme1 / completion queue 1');
    expect([...trace.tracks]).toContain('drive nvme1 / commands in execution');
    expect([...trace.tracks].some((name) => name.startsWith('streams / '))).toBe(true);
  });

  it('has slices that follow one another in every lane', () => {
    expect(trace.slices.length).toBeGreaterThan(1000);
    expect(trace.overlaps).toBe(0);
    for (const slice of trace.slices) {
      expect(slice.endNs).toBeGreaterThanOrEqual(slice.startNs);
      expect(slice.durationPs).toBeGreaterThanOrEqual(0);
    }
  });

  it('shows every stage busy for as long as it was', () => {
    const { network } = traced.machine.fabric.timing!;
    let checked = 0;
    for (const { port, up, down } of network.linkStages()) {
      for (const [stage, way] of [
        [up, 'up'],
        [down, 'down'],
      ] as const) {
        const slices = trace.slices.filter(
          ({ track }) => track.startsWith(`links / ${port.bdf}`) && track.endsWith(way),
        );
        const busyPs = slices.reduce((sum, { durationPs }) => sum + durationPs, 0);
        expect(busyPs / stage.busyPs || 1).toBeCloseTo(1, 9);
        checked += slices.length;
      }
    }
    expect(checked).toBeGreaterThan(1000);
  });

  it('joins fetch, execution, data and completion of every I/O command, and the request of the stream', () => {
    const executed = slicesOf(/commands in execution/).filter(
      ({ name }) => name === 'read' || name === 'write',
    );
    expect(executed).toHaveLength(80);
    for (const command of executed) {
      const [flow] = command.flows;
      const drive = command.track.split(' / ')[0]!;
      const joined = trace.slices.filter(
        ({ flows, endsFlows }) => flows.includes(flow!) || endsFlows.includes(flow!),
      );
      const on = (part: string): ReadSlice => joined.find(({ track }) => track.includes(part))!;
      const fetched = on('submission queue');
      const completion = on('completion queue');
      const request = on('streams / ');
      // Its list of pages has arrows too.
      const data = joined.filter(({ track, args }) => track.startsWith('links / ') && args.control === 0);
      expect(fetched.track.startsWith(drive)).toBe(true);
      expect(fetched.endNs).toBe(command.startNs);
      expect(completion.startNs).toBe(command.endNs);
      expect(completion.endsFlows).toContain(flow);
      expect(request.startNs).toBeLessThanOrEqual(fetched.startNs);
      expect(request.endNs).toBeGreaterThanOrEqual(completion.startNs);
      if (drive === 'drive nvme0') {
        // Its data goes into its own memory, and crosses no link.
        expect(data).toEqual([]);
      } else {
        expect(data.length).toBeGreaterThan(0);
        expect(data[0]!.startNs).toBeGreaterThanOrEqual(command.startNs);
        expect(data[0]!.args.requester).toBe('nvme1');
      }
    }
  });

  it('has curves that agree with the slices', () => {
    const { down } = traced.machine.fabric
      .timing!.network.linkStages()
      .find(
        ({ port }) =>
          port.secondaryBus?.devices[0]?.lowestFunction?.bdf === traced.machine.member('nvme1')!.bdf,
      )!;
    const points = [...trace.counters].find(
      ([name]) => name.includes('(nvme1)') && name.endsWith('down: busy'),
    )![1];
    const busyPs = points.reduce((sum, { atNs, value }, index) => {
      const untilNs = points[index + 1]?.atNs ?? atNs;
      return sum + (value / 100) * (untilNs - atNs) * 1000;
    }, 0);
    expect(busyPs / down.busyPs).toBeCloseTo(1, 6);
    const inFlight = [...trace.counters].find(([name]) => name.endsWith('requests in flight'))![1];
    expect(Math.max(...inFlight.map(({ value }) => value))).toBe(4);
    expect(inFlight.at(-1)!.value).toBe(0);
  });
});

describe('traces', () => {
  it('are the same bytes for the same lab', async () => {
    const again = await traceLab(P2P_COPY);
    expect(Buffer.compare(again.perfetto, traced.perfetto)).toBe(0);
    expect(Buffer.compare(again.pcap, traced.pcap)).toBe(0);
  });

  it('change nothing of what is traced', async () => {
    const quiet = await traceLab(P2P_COPY, 'tlp', 0);
    expect(quiet.tracer.fullPs).not.toBeNull();
    expect(quiet.run.report()).toEqual(traced.run.report());
  });

  it('stop at their limit and stay whole', async () => {
    const limit = 400_000;
    const short = await traceLab(P2P_COPY, 'tlp', limit);
    expect(short.perfetto.length).toBeLessThanOrEqual(limit);
    expect(short.perfetto.length).toBeLessThan(traced.perfetto.length);
    expect(short.pcap.length).toBeLessThanOrEqual(limit);
    expect(short.tracer.fullPs).not.toBeNull();
    expect(decodeTrace(short.perfetto).overlaps).toBe(0);
  });

  it('show trains of the flow engine, with the same queues and commands', async () => {
    const flows = decodeTrace((await traceLab(P2P_COPY, 'flow')).perfetto);
    expect(
      flows.slices.filter(({ track }) => track.includes('commands in execution')).length,
    ).toBeGreaterThanOrEqual(80);
    expect(
      flows.slices.some(({ track, name }) => track.startsWith('links / ') && name === 'reads 16384'),
    ).toBe(true);
    expect(flows.overlaps).toBe(0);
  });
});
