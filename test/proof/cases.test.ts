/**
 * Disagreements that random labs have found, reduced. Each says which half was wrong and by what; all of them hold against
 * the whole proof (`proveLab`) as well.
 */
import { describe, expect, test } from 'vitest';
import type { Bdf } from '../../src/base/index.ts';
import { type PhysicalRoutes, physicalRoutes } from '../../src/p2pdma/index.ts';
import { MachineIndex } from '../../src/topology/index.ts';
import { applyChange, bootBench, execute, functionOf, type RequestName, targetOf } from './bench-lab.ts';
import { newTally, proveLab } from './prove.ts';
import { type Block, type Change, labOf } from './random-lab.ts';

const MEMORY: Block = { memory: null, bars: { 0: '2M' } };

/** What was predicted for a pair of a lab, and what came of a request of each kind. */
function ask(more: Block, provider: string, client: string, changes: readonly Change[] = []) {
  const block = { peerlane: 'lab/1', memory: '64M', cpu: { vendor: 'amd' }, ...more };
  proveLab({ block, changes }, newTally());
  const machine = bootBench(labOf(block));
  const target = targetOf(functionOf(machine, `0000:${provider}`))!;
  for (const change of changes) {
    applyChange(machine, change);
  }
  const routes: PhysicalRoutes = physicalRoutes(
    new MachineIndex(machine.machine()),
    `0000:${provider}` as Bdf,
    `0000:${client}` as Bdf,
  );
  const run = (what: RequestName) =>
    execute(machine, functionOf(machine, `0000:${client}`), target, target.busAddress, 0, 256, what);
  return {
    routes,
    outcomes: [routes.write.outcome, routes.read.outcome],
    write: run('write'),
    read: run('read'),
  };
}

const port = (acs: unknown, ...below: Block[]): Block => ({ port: null, acs, below });

describe('a switch port without Upstream Forwarding, below which what it has to send up would end (6.12.1.1)', () => {
  const nested = (inner: unknown, outer: unknown): Block => ({
    below: [
      {
        'root-port': null,
        at: '01.0',
        acs: ['UF'],
        below: [
          {
            switch: null,
            below: [port(outer, { switch: null, below: [port(inner, MEMORY), port('off', MEMORY)] })],
          },
        ],
      },
    ],
  });

  // Prediction was wrong: it said that the port blocks the request. The handling is undefined.
  test('does something undefined, which no prediction may know; here it turns the request round', () => {
    const { outcomes, write } = ask(nested(['RR'], ['RR']), '06:00.0', '05:00.0');
    expect(outcomes).toEqual(['unknown', 'unknown']);
    expect(write.hasArrived).toBe(true);
    expect([...write.moved.packets].sort()).toEqual([
      '0000:02:00.0 down',
      '0000:02:00.0 up',
      '0000:04:00.0 up',
      '0000:04:01.0 down',
    ]);
    expect(ask(nested(['RR'], ['UF']), '06:00.0', '05:00.0').outcomes).toEqual(['redirected', 'redirected']);
  });

  // Prediction was wrong: it looked at every bridge up to the root before it looked at ports.
  test('keeps the request from bridges above that are switched off', () => {
    const off: Change = { at: 1, what: 'bridge-bus-master-off' };
    const { outcomes, write } = ask(nested(['RR'], ['RR']), '06:00.0', '05:00.0', [off]);
    expect(outcomes).toEqual(['unknown', 'unknown']);
    expect(write.hasArrived).toBe(true);
  });
});

// Prediction was wrong: it listed the bridge among the hops, as if the request went up to it and came back.
test('devices of a conventional bus hear each other, and nothing passes the bridge above (PCI 3.0, 3.2)', () => {
  const { routes, write } = ask(
    { below: [{ 'pci-bridge': null, below: [MEMORY, MEMORY] }] },
    '02:00.0',
    '02:01.0',
  );
  expect(routes.write).toMatchObject({ outcome: 'direct', hops: ['0000:02:01.0', '0000:02:00.0'] });
  expect([...write.moved.packets]).toEqual(['0000:01:00.0 up']);
});

// The machine was wrong: it asked the host bridge where the request came from, and not the one where it was to go.
test.each([
  ['routes', 'none', false, false],
  ['none', 'routes', false, false],
  ['routes', 'writes-only', true, false],
  ['routes', 'routes', true, true],
])('between host bridges both have to pass it on: %s and %s', (from, to, isWritten, isRead) => {
  const bridge = (policy: string): Block => ({ 'peers-across': policy, below: [MEMORY] });
  const { outcomes, write, read } = ask({ 'host-bridges': [bridge(from), bridge(to)] }, '81:00.0', '01:00.0');
  expect(outcomes).toEqual(['root-complex', 'root-complex']);
  expect([write.hasArrived, read.hasArrived]).toEqual([isWritten, isRead]);
});

describe('D3hot (5.3.1.4.1)', () => {
  const pair: Block = { below: [{ switch: null, below: [port('off', MEMORY), port('off', MEMORY)] }] };

  // Prediction was wrong: it knew of functions that are gone, and not of those that sleep.
  test.each([
    ['the provider', { at: 0, what: 'd3hot' }],
    ['the client', { at: 1, what: 'd3hot' }],
  ] as const)('%s: nothing is carried', (_, change) => {
    const { outcomes, write, read } = ask(pair, '03:00.0', '04:00.0', [change]);
    expect(outcomes).toEqual(['blocked', 'blocked']);
    expect([write.hasArrived, read.hasArrived]).toEqual([false, false]);
  });

  // The machine was wrong: drivers did not find the capabilities of a virtual function, so its power state never showed.
  test('a virtual function sleeps on its own', () => {
    const card: Block = { ...MEMORY, 'sr-iov': { vfs: '1', offset: '4', bars: { 0: '2M' } } };
    const change: Change = { at: 1, what: 'd3hot' };
    const { outcomes } = ask({ below: [card] }, '01:00.4', '01:00.0', [change]);
    expect(outcomes).toEqual(['blocked', 'blocked']);
  });
});
