import { describe, expect, it } from 'vitest';
import type { CommandListener, NvmeController } from '../../../src/devices/index.ts';
import { noTurn, type TimingListener } from '../../../src/fabric/index.ts';
import { LabMachine, parseLab, WorkloadRun } from '../../../src/lab/index.ts';
import { P2P_COPY } from './support.ts';

function boot(): { readonly machine: LabMachine; readonly run: WorkloadRun } {
  const lab = parseLab(P2P_COPY, 'listen.yaml');
  const machine = LabMachine.boot(lab, { label: 'listen.yaml', timing: { engine: 'tlp' }, turn: noTurn });
  const run = new WorkloadRun(machine, lab.workload!);
  // What the drivers' last commands left to do; the first request comes at 1 ms.
  while (machine.queue.nowPs < 0.9e9 && machine.queue.runUntilIdle(1) > 0) {}
  return { machine, run };
}

describe('a listener to the commands of a drive', () => {
  it('hears of every entry in its order: submitted, fetched, completed, consumed', () => {
    const { machine, run } = boot();
    const counts = { submitted: 0, fetched: 0, completed: 0, consumed: 0 };
    const slots = new Set<number>();
    const listener: CommandListener = {
      onSubmitted: (_sqid, count) => {
        counts.submitted += count;
      },
      onFetched: (command) => {
        counts.fetched++;
        expect(counts.fetched).toBeLessThanOrEqual(counts.submitted);
        expect(slots.has(command.index)).toBe(false);
        slots.add(command.index);
      },
      onCompleted: (command) => {
        counts.completed++;
        expect(slots.delete(command.index)).toBe(true);
      },
      onConsumed: (_cqid, count) => {
        counts.consumed += count;
        expect(counts.consumed).toBeLessThanOrEqual(counts.completed);
      },
    };
    const { model } = machine.member('nvme1')!;
    (model as NvmeController).commandListener = listener;
    while (!run.advance(1e6)) {}
    while (machine.fabric.inFlight.count > 0) {
      machine.queue.runUntilIdle(1);
    }
    expect(counts.fetched).toBeGreaterThanOrEqual(40);
    expect(counts).toEqual({
      submitted: counts.fetched,
      fetched: counts.fetched,
      completed: counts.fetched,
      consumed: counts.fetched,
    });
    expect(slots.size).toBe(0);
  });
});

describe('tags of the packet engine', () => {
  it('name one read of a source at a time, and are used again from the lowest that are free', () => {
    const { machine, run } = boot();
    const { engine, network } = machine.fabric.timing!;
    const sources = new Map<number, number>();
    machine.fabric.inFlight.transport!.listener = {
      onSent: (request, path) => sources.set(request, path.source),
      onMessage: () => {},
    };
    const left = new Map<string, number>();
    let tagMax = 0;
    const listener: TimingListener = {
      onOccupied: (stageId, _start, _end, _wire, request, packetClass, _addr, lengthBytes, tag) => {
        const stage = network.stages[stageId]!;
        const source = sources.get(request);
        if (stage.kind !== 'link' || tag < 0 || source === undefined) {
          return;
        }
        tagMax = Math.max(tagMax, tag);
        // On the link on which it was asked; what answers comes the other way.
        const link = Math.min(stage.id, stage.reverse!.id);
        const key = `${link} ${source} ${tag}`;
        if (packetClass === 1) {
          expect(left.get(key) ?? 0).toBe(0);
          left.set(key, lengthBytes);
        } else {
          expect(left.get(key)).toBeGreaterThanOrEqual(lengthBytes);
          left.set(key, left.get(key)! - lengthBytes);
        }
      },
    };
    engine.listener = listener;
    while (!run.advance(1e6)) {}
    expect([...left.values()].every((bytes) => bytes === 0)).toBe(true);
    expect(left.size).toBeGreaterThan(4);
    expect(tagMax).toBeLessThan(256);
  });
});
