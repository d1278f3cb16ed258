import { it } from 'vitest';
import { appendFileSync } from 'node:fs';
const log = (...a: unknown[]) => appendFileSync(process.env.OUT ?? '/tmp/t8/out', a.join(' ') + '\n');
import { FlowEngine } from '../../../src/fabric/timing/flow-engine.ts';
import { TlpEngine } from '../../../src/fabric/timing/tlp-engine.ts';
import { runStreams, timedQueue } from './support/drive.ts';
import { steadyFabric } from './support/random-steady.ts';
const run = (kind: string, seed: number, opt: any, end: number) => {
  const { net, streams } = steadyFabric(seed, opt);
  const q = timedQueue();
  const e = kind === 'tlp' ? new TlpEngine(q) : new FlowEngine(q);
  return { net, streams, r: runStreams(q, e as any, streams, end / 5, end) };
};
it('x', () => {
  const N = Number(process.env.N ?? 100), from = Number(process.env.FROM ?? 1);
  for (const opt of JSON.parse(process.env.OPTS ?? '[{"kinds":"writes"},{"kinds":"reads"},{"kinds":"both"},{"kinds":"writes","sharesSources":true},{"kinds":"both","sharesSources":true}]')) {
    let bad = 0, worst = 0, shown = 0; const t0 = Date.now();
    for (let s = from; s < from + N; s++) {
      const end = Number(process.env.END ?? 3e8);
      const a = run('tlp', s, opt, end), b = run('flow', s, opt, end);
      let m = 0;
      a.r.forEach((x, i) => { if (x.requests > 5) m = Math.max(m, Math.abs(b.r[i]!.goodputGBs / x.goodputGBs - 1)); });
      worst = Math.max(worst, m);
      if (m > 0.05) { bad++; if (shown++ < Number(process.env.SHOW ?? 2)) {
        log('seed', s, JSON.stringify(opt), m.toFixed(3));
        a.streams.forEach((x, i) => log('  ', a.r[i]!.goodputGBs.toFixed(3), b.r[i]!.goodputGBs.toFixed(3), x.name, '| via', x.path.request.stages.map((t) => `${t.id}${t.name.replace('endpoint', 'e').replace('switch', 's')}@${(1000 / t.occupancyPsPerByte).toFixed(2)}${t.credits ? `[${t.credits.headers.join('/')}]` : ''}`).join(' > ')));
      } }
    }
    log(JSON.stringify(opt), 'bad', bad, 'of', N, 'worst', worst.toFixed(3), Date.now() - t0, 'ms');
  }
}, 900000);
