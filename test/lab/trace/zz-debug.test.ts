import { it } from 'vitest';
import { noTurn } from '../../../src/fabric/index.ts';
import { LabMachine, labTraffic, parseLab, WorkloadRun } from '../../../src/lab/index.ts';
import { P2P_COPY } from './support.ts';
it('x', () => {
  const lab = parseLab(P2P_COPY, 'trace.yaml');
  const machine = LabMachine.boot(lab, { label: 'trace.yaml', timing: { engine: 'tlp' }, turn: noTurn });
  const run = new WorkloadRun(machine, lab.workload!);
  while (machine.fabric.inFlight.count > 0) machine.queue.runUntilIdle(1);
  machine.fabric.counters.reset();
  machine.fabric.timing!.resetCounts();
  console.log('after reset', JSON.stringify(labTraffic(machine).controlBytes.linkBytes));
  machine.fabric.inFlight.transport!.listener = { onSent: (_r, _p, route, addr, len) => { if (len===4 && addr>=0xfee00000 && addr < 0xfef00000) n++; } };
  let n = 0;
  while (!run.advance(1e6)) {}
  while (machine.fabric.inFlight.count > 0) machine.queue.runUntilIdle(1);
  const up = machine.fabric.timing!.network.linkStages()[0]!;
  console.log(n, up.port.bdf, up.up.packets, JSON.stringify(labTraffic(machine).controlBytes.linkBytes), machine.queue.nowPs);
});
