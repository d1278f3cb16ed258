/** Runs that take long: told once, with an estimate, and shown on terminals only. */
import { describe, expect, it } from 'vitest';
import type { Io } from '../../../src/cli/io.ts';
import { durationText, LongRun } from '../../../src/cli/lab/long-run.ts';

function watched(errIsTerminal: boolean) {
  const told: string[] = [];
  let now = 0;
  const io: Io = {
    out: async () => {},
    err: (text) => told.push(text),
    outIsTerminal: false,
    errIsTerminal,
    columns: 100,
    ask: async () => undefined,
  };
  const run = new LongRun(io, () => now);
  return {
    told,
    at: (seconds: number, progress: number) => {
      now = seconds * 1e9;
      run.show(progress, 'the workload:');
    },
    end: () => run.end(),
  };
}

describe('a run that would take more than a minute', () => {
  it('says so once, from the second second on', () => {
    const { told, at } = watched(false);
    at(0.5, 0.001);
    expect(told).toEqual([]);
    at(1.5, 0.01);
    expect(told).toEqual([
      "peerlane: this run takes about 3 min of this computer's time; Ctrl-C prints what is known by then\n",
    ]);
    at(3, 0.02);
    expect(told.length).toBe(1);
  });

  it('is not told of one that does not, nor while nothing is known', () => {
    const { told, at, end } = watched(false);
    at(2, 0);
    at(2, 0.5);
    at(50, 0.99);
    end();
    expect(told).toEqual([]);
  });

  it('shows progress and the time that is left on a terminal, and clears the line', () => {
    const { told, at, end } = watched(true);
    at(2, 0.25);
    expect(told).toEqual(['\rthe workload: 25 %, 6 s left']);
    end();
    expect(told.at(-1)).toMatch(/^\r +\r$/);
  });
});

describe('a time to wait', () => {
  it.each([
    [5e8, '500 ms'],
    [12.2e9, '13 s'],
    [150e9, '3 min'],
    [9000e9, '2.5 h'],
  ])('of %d ns is %s', (ns, text) => {
    expect(durationText(ns)).toBe(text);
  });
});
