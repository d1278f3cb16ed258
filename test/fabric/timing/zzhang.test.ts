import { it } from 'vitest';
import { FlowEngine } from '../../../src/fabric/timing/flow-engine.ts';
import { TlpEngine } from '../../../src/fabric/timing/tlp-engine.ts';
import { runStreams, timedQueue } from './support/drive.ts';
import { steadyFabric } from './support/random-steady.ts';
import { writeFileSync, appendFileSync } from 'node:fs';
it('x', () => {
  writeFileSync('/tmp/t8/hang', '');
  for (let s = 1; s < 12; s++) for (const k of ['tlp', 'flow']) {
    const { streams } = steadyFabric(s, { kinds: 'writes' });
    const q = timedQueue(); let n = 0;
    const e = k === 'tlp' ? new TlpEngine(q) : new FlowEngine(q);
    const t0 = Date.now();
    appendFileSync('/tmp/t8/hang', `${s} ${k} ${streams.length} `);
    runStreams(q, e as any, streams, 2e7, 1e8);
    appendFileSync('/tmp/t8/hang', `${Date.now() - t0} ms\n`);
  }
}, 20000);
