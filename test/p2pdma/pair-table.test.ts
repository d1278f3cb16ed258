import { describe, expect, it } from 'vitest';
import { DISTANCE_UNKNOWN, judgeAll, MAP_TYPES, rulesFor, USABLE } from '../../src/p2pdma/index.ts';
import { MachineIndex } from '../../src/topology/index.ts';
import {
  acsState,
  bdf,
  type FunctionSketch,
  hostBridgeFunction,
  makeMachine,
  oneSwitch,
  port,
} from './support/build-machine.ts';

const RULES = rulesFor('7.2.12');

describe('judgeAll', () => {
  it('codes every ordered pair, each function with itself included', () => {
    const index = new MachineIndex(makeMachine({ functions: oneSwitch({ '02:00.0': { acs: undefined } }) }));
    const table = judgeAll(index, RULES);
    const at = (text: string): number => index.position(bdf(text));
    const place = (a: string, b: string): number => at(a) * table.count + at(b);
    expect(table.count).toBe(7);
    expect(table.distance).toHaveLength(49);
    expect(table.distance[place('04:00.0', '04:00.0')]).toBe(0);
    expect(MAP_TYPES[table.mapType[place('04:00.0', '02:01.0')]!]).toBe('bus-addr');
    expect(table.distance[place('00:00.0', '04:00.0')]).toBe(-1);
    expect(table.usable[place('00:00.0', '04:00.0')]).toBe(USABLE.NO);
    expect(table.distance[place('03:00.0', '04:00.0')]).toBe(DISTANCE_UNKNOWN);
    expect(table.usable[place('03:00.0', '04:00.0')]).toBe(USABLE.UNKNOWN);
    expect(table.at(at('03:00.0'), at('04:00.0'))).toEqual({
      distance: null,
      mapType: 'unknown',
      usable: null,
    });
    expect(table.at(at('04:00.0'), at('02:01.0'))).toEqual({
      distance: 1,
      mapType: 'bus-addr',
      usable: true,
    });
  });

  it('takes four bytes a pair and no more', () => {
    const functions: FunctionSketch[] = [hostBridgeFunction('8086:2030'), port('00:01.0', null, 'root-port')];
    for (let i = 0; i < 1022; i++) {
      const bus = (1 + (i >> 8)).toString(16).padStart(2, '0');
      functions.push({
        at: `${bus}:${((i >> 3) & 31).toString(16).padStart(2, '0')}.${i & 7}`,
        up: '00:01.0',
      });
    }
    const table = judgeAll(new MachineIndex(makeMachine({ functions })), RULES);
    const bytes = table.distance.byteLength + table.mapType.byteLength + table.usable.byteLength;
    expect(bytes).toBe(4 * 1024 * 1024);
    expect(table.at(2, 1023)).toEqual({ distance: 2, mapType: 'bus-addr', usable: true });
  });

  it('counts the common function unless bridges are left out just below it on both sides', () => {
    const sketch = (clientTop: boolean): FunctionSketch[] => [
      hostBridgeFunction('8086:9999'),
      port('00:01.0', null, 'root-port', { acs: acsState(0x04) }),
      { at: '02:00.0', up: '00:01.0', hiddenAbove: true },
      port('01:00.0', '00:01.0', 'switch-upstream', { hiddenAbove: clientTop }),
      { at: '03:00.0', up: '01:00.0', hiddenAbove: true },
    ];
    const known = new MachineIndex(makeMachine({ functions: sketch(false) }));
    expect(judgeAll(known, RULES).at(2, 4)).toEqual({
      distance: -1,
      mapType: 'not-supported',
      usable: false,
    });
    expect(judgeAll(known, RULES).at(4, 2)).toEqual({
      distance: -1,
      mapType: 'not-supported',
      usable: false,
    });
    const open = new MachineIndex(makeMachine({ functions: sketch(true) }));
    expect(judgeAll(open, RULES).at(2, 4)).toEqual({ distance: null, mapType: 'unknown', usable: null });
    expect(judgeAll(open, RULES).at(4, 2)).toEqual({ distance: null, mapType: 'unknown', usable: null });
  });

  it('of no functions is an empty table', () => {
    expect(judgeAll(new MachineIndex(makeMachine({ functions: [] })), RULES).distance).toHaveLength(0);
  });

  it('walks a tree as deep as bus numbers go', () => {
    const functions: FunctionSketch[] = [port('00:01.0', null, 'root-port')];
    for (let bus = 1; bus < 256; bus++) {
      const name = (n: number): string => `${n.toString(16).padStart(2, '0')}:01.0`;
      functions.push(port(name(bus), name(bus - 1), 'switch-downstream'));
    }
    const table = judgeAll(new MachineIndex(makeMachine({ functions })), RULES);
    expect(table.at(255, 0)).toEqual({ distance: 255, mapType: 'bus-addr', usable: true });
    expect(table.at(0, 255)).toEqual({ distance: 255, mapType: 'bus-addr', usable: true });
  });
});
