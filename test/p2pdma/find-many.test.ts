/** Several clients, and which provider the kernel takes for them. */
import { describe, expect, it } from 'vitest';
import { type FindOptions, findMany, judgeMany, rulesFor, TIES_MAX } from '../../src/p2pdma/index.ts';
import { MachineIndex, type P2pmemState } from '../../src/topology/index.ts';
import {
  bdf,
  type FunctionSketch,
  hostBridgeFunction,
  INTEL_UNLISTED,
  makeMachine,
  oneSwitch,
  port,
} from './support/build-machine.ts';

const RULES = rulesFor('7.2.12');

function memory(published: boolean | undefined): P2pmemState {
  return { sizeBytes: 0x400_0000, availableBytes: 0, published, hasAllocate: true };
}

function indexOf(functions: readonly FunctionSketch[], cpu = {}): MachineIndex {
  return new MachineIndex(makeMachine({ functions, cpu }));
}

/** Beside the switch of `oneSwitch` a third port with an endpoint, and a root port of its own with another. */
function wide(changes: Readonly<Record<string, Partial<FunctionSketch>>> = {}): FunctionSketch[] {
  const more = [
    port('02:02.0', '01:00.0', 'switch-downstream'),
    port('00:02.0', null, 'root-port'),
    { at: '05:00.0', up: '02:02.0' },
    { at: '06:00.0', up: '00:02.0' },
  ];
  return [...oneSwitch(changes), ...more.map((fn) => ({ ...fn, ...changes[fn.at] }))];
}

describe('judgeMany', () => {
  const index = indexOf(wide());
  const ask = (clients: readonly string[]) => judgeMany(index, RULES, bdf('03:00.0'), clients.map(bdf));

  it('EC-005: no client at all is rejected, silently', () => {
    expect(ask([])).toMatchObject({ distance: -1, usable: false, messages: [], verdicts: [] });
  });

  it('EC-006: adds up, a client named twice twice and the provider itself as 0', () => {
    expect(ask(['04:00.0', '04:00.0', '03:00.0', '05:00.0']).distance).toBe(12);
  });

  it('rejects when one client is rejected, and says which', () => {
    const verdict = ask(['04:00.0', '06:00.0', '05:00.0']);
    expect(verdict).toMatchObject({ distance: -1, usable: false, rejected: ['0000:06:00.0'] });
    expect(verdict.verdicts).toHaveLength(3);
    expect(verdict.messages).toEqual([
      '0000:06:00.0|cannot be used for peer-to-peer DMA as the client and provider (0000:03:00.0) do not share an upstream bridge or whitelisted host bridge',
    ]);
  });

  it('EC-004: a client that is no PCI device ends the search at once', () => {
    const verdict = judgeMany(index, RULES, bdf('03:00.0'), [
      bdf('04:00.0'),
      { nonPci: 'rxe0' },
      bdf('06:00.0'),
    ]);
    expect(verdict).toMatchObject({ distance: -1, usable: false, rejected: [{ nonPci: 'rxe0' }] });
    expect(verdict.verdicts).toHaveLength(1);
    expect(verdict.messages).toEqual(['rxe0|cannot be used for peer-to-peer DMA as it is not a PCI device']);
  });

  it('is unknown when a client is, but rejected when another certainly is', () => {
    const blind = indexOf(wide({ '02:01.0': { acs: undefined } }));
    const both = ['04:00.0', '05:00.0'].map(bdf);
    expect(judgeMany(blind, RULES, bdf('03:00.0'), both)).toMatchObject({ distance: null, usable: null });
    const rejected = judgeMany(blind, RULES, bdf('03:00.0'), [...both, bdf('06:00.0')]);
    expect(rejected).toMatchObject({ distance: -1, usable: false });
    const zen = indexOf(wide({ '02:01.0': { acs: undefined } }), { vendor: 'amd', family: 0x19 });
    expect(judgeMany(zen, RULES, bdf('03:00.0'), both)).toMatchObject({ distance: 8, usable: true });
  });
});

describe('findMany', () => {
  const first: FindOptions = { random: () => 0 };

  it('EC-056: finds nothing where nothing is published', () => {
    const index = indexOf(wide({ '03:00.0': { p2pmem: memory(false) } }));
    expect(findMany(index, RULES, [bdf('04:00.0')], first)).toEqual({
      ranked: [],
      nearest: [],
      chosen: null,
      rejected: [],
      undecided: [],
    });
    const all = findMany(index, RULES, [bdf('04:00.0')], { onlyPublished: false });
    expect(all.nearest).toEqual(['0000:03:00.0']);
  });

  it('EC-057: takes one whose memory is all given out', () => {
    const index = indexOf(wide({ '03:00.0': { p2pmem: memory(true) } }));
    expect(findMany(index, RULES, [bdf('04:00.0')], first).chosen).toBe('0000:03:00.0');
  });

  it('EC-062: a client that is a provider itself is nearest', () => {
    const both = { p2pmem: memory(true) };
    const index = indexOf(wide({ '03:00.0': both, '04:00.0': both }));
    const found = findMany(index, RULES, [bdf('04:00.0')], first);
    expect(found.ranked.map(({ provider, verdict }) => [provider, verdict.distance])).toEqual([
      ['0000:04:00.0', 0],
      ['0000:03:00.0', 4],
    ]);
    expect(found.chosen).toBe('0000:04:00.0');
  });

  it('EC-059: lists ties in enumeration order and lets the caller throw the dice', () => {
    const published = { p2pmem: memory(true) };
    const index = indexOf(wide({ '03:00.0': published, '05:00.0': published }));
    const asked: number[] = [];
    const random = (count: number): number => {
      asked.push(count);
      return 1;
    };
    const found = findMany(index, RULES, [bdf('04:00.0')], { random });
    expect(found.nearest).toEqual(['0000:03:00.0', '0000:05:00.0']);
    expect(found.chosen).toBe('0000:05:00.0');
    expect(asked).toEqual([2]);
    expect(findMany(index, RULES, [bdf('04:00.0')]).chosen).toBeNull();
  });

  it('EC-060: keeps as many ties as fit a page', () => {
    const functions: FunctionSketch[] = [
      hostBridgeFunction(INTEL_UNLISTED),
      port('00:01.0', null, 'root-port'),
    ];
    for (let i = 0; i <= TIES_MAX; i++) {
      const at = `${(1 + (i >> 8)).toString(16).padStart(2, '0')}:${((i >> 3) & 31).toString(16).padStart(2, '0')}.${i & 7}`;
      functions.push({ at, up: '00:01.0', p2pmem: memory(true) });
    }
    functions.push({ at: '0f:00.0', up: '00:01.0' });
    const found = findMany(indexOf(functions), RULES, [bdf('0f:00.0')]);
    expect(found.ranked).toHaveLength(TIES_MAX + 1);
    expect(found.nearest).toHaveLength(TIES_MAX);
    expect(found.nearest[0]).toBe('0000:01:00.0');
  });

  it('EC-061: through the host bridge at 3 comes before a switch at 4', () => {
    const published = { p2pmem: memory(true) };
    const functions = [
      ...oneSwitch({ '03:00.0': published }),
      { at: '00:03.0', ...published },
      { at: '01:00.1', up: '00:01.0' },
    ];
    const index = indexOf(functions, { vendor: 'amd', family: 0x19 });
    const found = findMany(index, RULES, [bdf('01:00.1')], first);
    expect(
      found.ranked.map(({ provider, verdict }) => [provider, verdict.distance, verdict.verdicts[0]!.mapType]),
    ).toEqual([
      ['0000:00:03.0', 3, 'thru-host-bridge'],
      ['0000:03:00.0', 4, 'bus-addr'],
    ]);
    expect(found.chosen).toBe('0000:00:03.0');
  });

  it('keeps apart who is rejected and what cannot be told, and chooses nothing while that may win', () => {
    const index = indexOf(
      wide({
        '03:00.0': { p2pmem: memory(undefined) },
        '05:00.0': { p2pmem: memory(true) },
        '06:00.0': { p2pmem: memory(true) },
      }),
    );
    const found = findMany(index, RULES, [bdf('04:00.0')], first);
    expect(found.nearest).toEqual(['0000:05:00.0']);
    expect(found.rejected.map((entry) => entry.provider)).toEqual(['0000:06:00.0']);
    expect(found.undecided.map((entry) => entry.provider)).toEqual(['0000:03:00.0']);
    expect(found.chosen).toBeNull();
  });

  it('EC-066: finds nothing in a kernel without the option', () => {
    const index = indexOf(wide({ '03:00.0': { p2pmem: memory(true) } }));
    const found = findMany(index, rulesFor('4.19.0'), [bdf('04:00.0')], first);
    expect(found.chosen).toBeNull();
    expect(found.rejected).toHaveLength(1);
  });
});
