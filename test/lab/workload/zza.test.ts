import { it } from 'vitest';
import { writeFileSync } from 'node:fs';
import { randomWorkload } from './support/random-workload.ts';
import { LabMachine } from '../../../src/lab/machine/index.ts';
import { WorkloadRun } from '../../../src/lab/workload/index.ts';
import { noTurn } from '../../../src/fabric/index.ts';
it('show', async () => {
  let o = '';
  const r = randomWorkload(3, { warmUp: '0' })!;
  const m = LabMachine.boot(r.lab, { label: 'x', timing: { engine: 'tlp' }, turn: noTurn });
  const run = new WorkloadRun(m, r.lab.workload!);
  const t = (m.fabric.inFlight as any).transport; const send = t.send.bind(t); const seen = new Map<string, number>();
  t.send = (req: any, a: number, l: number, w: boolean, tr: number, tok: number) => {
    const route = req.routeOf(a, l, w, tr);
    const k = `${req.fn?.model?.name ?? 'cpu'} ${w ? 'W' : 'R'} ${l} kind ${route.kind} ${route.failure?.code} ${route.failure?.reason ?? ''} ${JSON.stringify(route.failure ?? null, (kk, v) => (kk === 'at' || typeof v === 'object' && v !== null && kk !== '' ? String(v.bdf ?? '') : v))} dram ${route.isDram} end ${route.end}  completer ${route.completer?.model?.name} links ${route.parts.requestLinks.length}/${route.parts.completionLinks?.length}`;
    seen.set(k, (seen.get(k) ?? 0) + 1);
    return send(req, a, l, w, tr, tok);
  };
  while (!run.advance(1e5)) {}
  o += JSON.stringify([...seen], null, 1) + JSON.stringify(run.report().streams, null, 1);
  await run.close();
  writeFileSync('/tmp/t8/show', o);
});
