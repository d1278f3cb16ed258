// Two streams that memory is too slow for: a stage that many wait for must not be asked again by each of them for ever.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { noTurn } from '../../../src/fabric/index.ts';
import { LabMachine, parseLab, WorkloadRun } from '../../../src/lab/index.ts';

/** Packets of 4 chunks both ways, in and out, are 0.5 M; each has about five events. */
const EVENTS_MAX = 6_000_000;

it('costs events by the packet where everybody waits for the same memory', async () => {
  const text = readFileSync(new URL('../../golden/timing/C14-bounce.yaml', import.meta.url), 'utf8');
  const machine = LabMachine.boot(parseLab(text, 'C14-bounce.yaml'), {
    label: 'C14-bounce.yaml',
    timing: { engine: 'tlp' },
    turn: noTurn,
  });
  const run = new WorkloadRun(machine, machine.lab.workload!);
  expect(run.advance(EVENTS_MAX)).toBe(true);
  await run.close();
});
