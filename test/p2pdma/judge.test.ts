/** The verdict by example. Numbers EC-… are rows of errors-and-edge-cases.md. */
import { describe, expect, it } from 'vitest';
import { judge, type KernelVerdict, rulesFor } from '../../src/p2pdma/index.ts';
import { type Machine, MachineIndex } from '../../src/topology/index.ts';
import {
  acsState,
  bdf,
  type FunctionSketch,
  hostBridgeFunction,
  INTEL_UNLISTED,
  type MachineSketch,
  makeMachine,
  oneSwitch,
  port,
  SKYLAKE_E,
  twoRootPorts,
} from './support/build-machine.ts';

const ZEN = { vendor: 'amd', family: 0x19 } as const;

function ask(
  sketch: MachineSketch | Machine,
  provider = '03:00.0',
  client = '04:00.0',
  kernel: string | undefined = '7.2.12',
): KernelVerdict {
  const machine = 'source' in sketch ? sketch : makeMachine(sketch);
  return judge(new MachineIndex(machine), rulesFor(kernel), bdf(provider), bdf(client));
}

function answer(verdict: KernelVerdict): [number | null, string, boolean | null] {
  return [verdict.distance, verdict.mapType, verdict.usable];
}

const BUS_4 = [4, 'bus-addr', true];
const THRU_4 = [4, 'thru-host-bridge', true];
const NO = [-1, 'not-supported', false];

describe('common upstream bridge', () => {
  it('EC-001: a function with itself is at distance 0', () => {
    const verdict = ask({ functions: oneSwitch() }, '03:00.0', '03:00.0');
    expect(answer(verdict)).toEqual([0, 'bus-addr', true]);
    expect(verdict.path).toEqual(['0000:03:00.0']);
    expect(verdict.common).toBe('0000:03:00.0');
  });

  it('EC-002: its own ACS redirect counts all the same', () => {
    const functions = oneSwitch({ '03:00.0': { acs: 0x04 } });
    expect(answer(ask({ functions }, '03:00.0', '03:00.0'))).toEqual(NO);
    expect(answer(ask({ functions, cpu: ZEN }, '03:00.0', '03:00.0'))).toEqual([0, 'thru-host-bridge', true]);
    expect(answer(ask({ functions, cpu: ZEN }, '03:00.0', '03:00.0', '5.3.1'))).toEqual(NO);
  });

  it('EC-007, EC-008: two functions of one device are 2 apart, and redirect at the root port above counts', () => {
    const card = (acs: number | null): FunctionSketch[] => [
      hostBridgeFunction(INTEL_UNLISTED),
      port('00:01.0', null, 'root-port', { acs: acs === null ? null : acsState(acs) }),
      { at: '01:00.0', up: '00:01.0' },
      { at: '01:00.1', up: '00:01.0' },
    ];
    expect(answer(ask({ functions: card(null) }, '01:00.0', '01:00.1'))).toEqual([2, 'bus-addr', true]);
    const redirected = ask({ functions: card(0x1d) }, '01:00.0', '01:00.1');
    expect(answer(redirected)).toEqual(NO);
    expect(redirected.redirects).toEqual(['0000:00:01.0']);
  });

  it('EC-013: two endpoints of one switch are 4 apart; the path names every function of the walk', () => {
    const verdict = ask({ functions: oneSwitch() });
    expect(answer(verdict)).toEqual(BUS_4);
    expect(verdict.path).toEqual(
      ['03:00.0', '02:00.0', '01:00.0', '02:01.0', '04:00.0'].map((at) => `0000:${at}`),
    );
    expect(verdict).toMatchObject({
      rule: 'common-upstream',
      common: '0000:01:00.0',
      decidedBy: '0000:01:00.0',
    });
    expect(verdict).toMatchObject({ hostBridge: null, candidates: [], messages: [] });
  });

  it.each([
    ['EC-014 RR', 0x04, NO],
    ['EC-015 CR', 0x08, NO],
    ['EC-016 EC', 0x20, NO],
    ['EC-017 SV TB UF DT', 0x53, BUS_4],
  ] as const)('%s on one downstream port', (_, acs, expected) => {
    expect(answer(ask({ functions: oneSwitch({ '02:00.0': { acs } }) }))).toEqual(expected);
  });

  it('EC-016: the egress vector is not looked at', () => {
    const egressVector = Array.from({ length: 8 }, () => false);
    const functions = oneSwitch({ '02:00.0': { acs: { ...acsState(0x20), egressVector } } });
    expect(answer(ask({ functions }))).toEqual(NO);
  });

  it.each(['02:00.0', '02:01.0', '03:00.0', '04:00.0', '01:00.0'])(
    'EC-018, EC-019: redirect at %s alone suffices, and names the function',
    (at) => {
      const verdict = ask({ functions: oneSwitch({ [at]: { acs: 0x1d } }) });
      expect(answer(verdict)).toEqual(NO);
      expect(verdict).toMatchObject({
        rule: 'acs-redirect',
        redirects: [`0000:${at}`],
        decidedBy: `0000:${at}`,
      });
    },
  );

  it('EC-020: above the common function it does not count', () => {
    expect(answer(ask({ functions: oneSwitch({ '00:01.0': { acs: 0x1d } }) }))).toEqual(BUS_4);
  });

  it('EC-022: a bridge as provider is as far as it is above the client', () => {
    expect(answer(ask({ functions: oneSwitch() }, '01:00.0', '04:00.0'))).toEqual([2, 'bus-addr', true]);
    expect(answer(ask({ functions: oneSwitch() }, '04:00.0', '00:01.0'))).toEqual([3, 'bus-addr', true]);
  });

  it('EC-042: a PCIe-to-PCI bridge is a bridge like any other', () => {
    const functions = [
      hostBridgeFunction(INTEL_UNLISTED),
      port('00:1c.0', null, 'root-port'),
      port('01:00.0', '00:1c.0', 'pcie-to-pci-bridge'),
      { at: '02:00.0', up: '01:00.0', pcieType: null },
      { at: '02:01.0', up: '01:00.0', pcieType: null },
    ];
    expect(answer(ask({ functions }, '02:00.0', '02:01.0'))).toEqual([2, 'bus-addr', true]);
  });

  it('names redirecting functions in the order of the kernel: provider side up, then client side up', () => {
    const functions = oneSwitch({
      '04:00.0': { acs: 0x04 },
      '02:01.0': { acs: 0x04 },
      '01:00.0': { acs: 0x04 },
      '02:00.0': { acs: 0x04 },
    });
    expect(ask({ functions }).redirects).toEqual(
      ['02:00.0', '01:00.0', '04:00.0', '02:01.0'].map((at) => `0000:${at}`),
    );
  });

  it('EC-054, EC-055: the log names the redirect even when the pair is accepted', () => {
    const functions = oneSwitch({ '02:00.0': { acs: 0x1d } }, SKYLAKE_E);
    const verdict = ask({ functions });
    expect(answer(verdict)).toEqual(THRU_4);
    expect(verdict.messages).toEqual([
      '0000:04:00.0|ACS redirect is set between the client and provider (0000:03:00.0)',
      '0000:04:00.0|to disable ACS redirect for this path, add the kernel parameter: pci=disable_acs_redir=0000:02:00.0',
    ]);
    const rules = rulesFor('7.2.12');
    const refused = new MachineIndex(makeMachine({ functions: oneSwitch({ '02:00.0': { acs: 0x1d } }) }));
    const silent = judge(refused, rules, bdf('03:00.0'), bdf('04:00.0'), { isVerbose: false });
    expect(silent.messages).toEqual(['0000:00:00.0|Host bridge not in P2PDMA whitelist: 8086:9999']);
  });
});

describe('limits of the kernel that are kept', () => {
  /** A chain of ports below each other, all of which redirect. */
  const chain = (ports: number): FunctionSketch[] => {
    const hex = (value: number): string => value.toString(16).padStart(2, '0');
    const functions = [hostBridgeFunction(INTEL_UNLISTED)];
    for (let i = 0; i < ports; i++) {
      const up = i === 0 ? null : `${hex(i - 1)}:01.0`;
      functions.push(
        port(`${hex(i)}:01.0`, up, i === 0 ? 'root-port' : 'switch-downstream', { acs: acsState(4) }),
      );
    }
    return [...functions, { at: `${hex(ports)}:00.0`, up: `${hex(ports - 1)}:01.0` }];
  };
  const names = (ports: number, kernel: string): string =>
    ask({ functions: chain(ports) }, `${ports.toString(16).padStart(2, '0')}:00.0`, '00:01.0', kernel)
      .messages.find((line) => line.includes('disable_acs_redir='))!
      .split('=')[2]!;

  it('EC-044: nine names fit the list, the tenth loses its function number from 5.14 on', () => {
    expect(names(9, '7.2.12').split(';')).toHaveLength(9);
    expect(names(9, '7.2.12')).toMatch(/0000:00:01\.0$/);
    expect(names(10, '7.2.12')).toHaveLength(127);
    expect(names(10, '7.2.12')).toMatch(/;0000:00:01$/);
    expect(names(10, '5.12.9')).toMatch(/;0000:00:01\.0$/);
  });

  it('EC-043: a BAR outside of its bridge’s window is not noticed', () => {
    const window = { kind: 'memory', first: 0x8000_0000, last: 0x8fff_ffff } as const;
    expect(answer(ask({ functions: oneSwitch({ '02:00.0': { windows: [window] } }) }))).toEqual(BUS_4);
  });
});

describe('virtual functions', () => {
  const vfs = (acs: number | null): FunctionSketch[] => [
    ...oneSwitch(),
    { at: '03:00.1', up: '02:00.0', pf: '03:00.0', acs },
    // Its bus number belongs to no bridge.
    { at: '05:00.0', up: null, pf: '03:00.0' },
  ];

  it('EC-010, EC-011: walk from themselves through the bridge of their PF', () => {
    expect(answer(ask({ functions: vfs(null) }, '03:00.0', '03:00.1'))).toEqual([2, 'bus-addr', true]);
    expect(answer(ask({ functions: vfs(null) }, '03:00.1', '05:00.0'))).toEqual([2, 'bus-addr', true]);
    expect(answer(ask({ functions: vfs(null) }, '05:00.0', '04:00.0'))).toEqual(BUS_4);
  });

  it('EC-012: are tested for their own ACS, not for the PF’s', () => {
    expect(answer(ask({ functions: vfs(0x04) }, '03:00.1', '04:00.0'))).toEqual(NO);
    const onPf = vfs(null).map((fn) => (fn.at === '03:00.0' ? { ...fn, acs: 0x04 } : fn));
    expect(answer(ask({ functions: onPf }, '03:00.1', '04:00.0'))).toEqual(BUS_4);
  });

  it('of a PF on the root bus share no bridge with it', () => {
    const functions = [
      hostBridgeFunction(INTEL_UNLISTED),
      { at: '00:02.0' },
      { at: '00:02.1', pf: '00:02.0' },
    ];
    const verdict = ask({ functions, cpu: ZEN }, '00:02.0', '00:02.1');
    expect(answer(verdict)).toEqual([2, 'thru-host-bridge', true]);
  });
});

describe('through the host bridge', () => {
  const [A, B] = ['01:00.0', '02:00.0'];

  it('EC-009: functions of one device on the root bus have no common bridge, and their ACS is not looked at', () => {
    const functions = [
      hostBridgeFunction(SKYLAKE_E),
      { at: '00:02.0', acs: 0x1d },
      { at: '00:02.1', acs: 0x1d },
    ];
    const verdict = ask({ functions }, '00:02.0', '00:02.1');
    expect(answer(verdict)).toEqual([2, 'thru-host-bridge', true]);
    expect(verdict.redirects).toEqual([]);
  });

  it('EC-021, EC-023: an unlisted host bridge refuses, a listed one accepts, whatever ACS says', () => {
    const acs = { '00:01.0': { acs: 0x1d }, '00:02.0': { acs: 0x1d } };
    const refused = ask({ functions: twoRootPorts(acs) }, A, B);
    expect(answer(refused)).toEqual(NO);
    expect(refused).toMatchObject({
      rule: 'no-common-upstream',
      common: null,
      decidedBy: '0000:00:00.0',
      hostBridge: {
        accepted: false,
        by: 'not-listed',
        ids: ['8086:9999'],
        representatives: ['0000:00:00.0'],
      },
      path: ['0000:01:00.0', '0000:00:01.0', 'pci0000:00', '0000:00:02.0', '0000:02:00.0'],
    });
    const accepted = ask({ functions: twoRootPorts(acs, SKYLAKE_E) }, A, B);
    expect(answer(accepted)).toEqual(THRU_4);
    expect(accepted.hostBridge).toMatchObject({ accepted: true, by: 'list', ids: ['8086:2030'] });
  });

  const twoBridges = (first: string, second: string): FunctionSketch[] => [
    hostBridgeFunction(first),
    port('00:01.0', null, 'root-port'),
    { at: '01:00.0', up: '00:01.0' },
    { ...hostBridgeFunction(second, '40:00.0'), hostBridge: 'pci0000:40' },
    { ...port('40:01.0', null, 'root-port'), hostBridge: 'pci0000:40' },
    { at: '41:00.0', up: '40:01.0', hostBridge: 'pci0000:40' },
  ];

  it('EC-024, EC-025: an entry for the same host bridge only', () => {
    expect(answer(ask({ functions: twoRootPorts({}, '8086:3c00') }, A, B))).toEqual(THRU_4);
    const apart = ask({ functions: twoBridges('8086:3c00', '8086:3c00') }, A, '41:00.0');
    expect(answer(apart)).toEqual(NO);
    expect(apart.hostBridge).toMatchObject({ by: 'same-host-bridge-required' });
    expect(apart.messages.filter((line) => line.includes('whitelist:'))).toEqual([]);
  });

  it('EC-026, EC-027: of two host bridges both must be listed; the one that is not decides', () => {
    expect(answer(ask({ functions: twoBridges(SKYLAKE_E, '8086:2031') }, A, '41:00.0'))).toEqual(THRU_4);
    const half = ask({ functions: twoBridges(SKYLAKE_E, INTEL_UNLISTED) }, A, '41:00.0');
    expect(answer(half)).toEqual(NO);
    expect(half).toMatchObject({ decidedBy: '0000:40:00.0', hostBridge: { by: 'not-listed' } });
    expect(half.hostBridge!.refused).toEqual([false, true]);
    const other = ask({ functions: twoBridges(INTEL_UNLISTED, SKYLAKE_E) }, A, '41:00.0');
    expect([other.decidedBy, other.hostBridge!.refused]).toEqual(['0000:00:00.0', [true, false]]);
    // The provider's is looked up first, and its entry is for one host bridge only.
    const both = ask({ functions: twoBridges('8086:3c00', INTEL_UNLISTED) }, A, '41:00.0');
    expect(both).toMatchObject({
      decidedBy: '0000:00:00.0',
      hostBridge: { by: 'same-host-bridge-required', refused: [true, true] },
    });
    expect(half.path).toContain('pci0000:00');
    expect(half.path).toContain('pci0000:40');
  });

  it('EC-028: without 00.0 a listed root port that comes first stands in, from 5.19 on', () => {
    const functions = twoRootPorts({ '00:01.0': { id: SKYLAKE_E } }).slice(1);
    expect(answer(ask({ functions }, A, B, '5.19.0'))).toEqual(THRU_4);
    expect(answer(ask({ functions }, A, B, '5.16.10'))).toEqual(NO);
    expect(answer(ask({ functions }, A, B, '5.12.9'))).toEqual(NO);
  });

  it('EC-029, EC-031: without anybody to stand for it a host bridge refuses, silently', () => {
    const notAPort: FunctionSketch = { at: '00:00.1', id: SKYLAKE_E, pcieType: 'rc-endpoint' };
    const functions = [notAPort, ...twoRootPorts().slice(1)];
    const verdict = ask({ functions: functions.map((fn) => ({ ...fn, acs: 0x04 })) }, '01:00.0', '01:00.0');
    expect(verdict.hostBridge).toMatchObject({
      accepted: false,
      by: 'no-representative',
      representatives: [null],
    });
    expect(verdict.messages.filter((line) => line.includes('whitelist:'))).toEqual([]);
    const pair = ask({ functions }, A, B);
    expect(answer(pair)).toEqual(NO);
    expect(pair.decidedBy).toBe('pci0000:00');
  });

  it('EC-030: a 00.0 that is not first speaks for the host bridge up to 5.12 only', () => {
    const [slotZero, ...others] = twoRootPorts({}, SKYLAKE_E);
    const functions = [{ at: '00:00.1', id: INTEL_UNLISTED }, ...others, slotZero!];
    expect(answer(ask({ functions }, A, B, '5.12.9'))).toEqual(THRU_4);
    expect(answer(ask({ functions }, A, B, '5.14.0'))).toEqual(NO);
    expect(answer(ask({ functions }, A, B, '5.10.198'))).toEqual(NO);
    const between = ask({ functions }, A, B, '5.10.60');
    expect(answer(between)).toEqual([null, 'unknown', null]);
    expect(between.candidates.map(({ distance, mapType }) => [distance, mapType])).toEqual([
      [4, 'thru-host-bridge'],
      [-1, 'not-supported'],
    ]);
    expect(between.candidates[0]!.when).toContain('5.10.198');
  });

  it('EC-032: AMD from family 17h on accepts everything, across host bridges and domains', () => {
    const functions: FunctionSketch[] = [
      ...twoBridges(INTEL_UNLISTED, INTEL_UNLISTED),
      { at: '10000:e1:00.0', up: null, hostBridge: 'pci10000:e0' },
    ];
    const across = ask({ functions, cpu: { vendor: 'amd', family: 0x17 } }, A, '41:00.0');
    expect(answer(across)).toEqual(THRU_4);
    expect(across.hostBridge).toMatchObject({ accepted: true, by: 'cpu' });
    const vmd = ask({ functions, cpu: ZEN }, A, '10000:e1:00.0');
    expect(answer(vmd)).toEqual([3, 'thru-host-bridge', true]);
  });

  it.each([
    ['EC-033 Hygon', { vendor: 'hygon', family: 0x18 }],
    ['EC-035 arm64', { vendor: 'arm', family: 8, architecture: 'arm64' }],
    ['AMD before Zen', { vendor: 'amd', family: 0x16 }],
  ] as const)('%s is not covered by the CPU rule', (_, cpu) => {
    expect(answer(ask({ functions: twoRootPorts(), cpu }, A, B))).toEqual(NO);
  });

  it('EC-034, EC-037: 1022:1450 by id from 5.2 to 5.8; in 5.2 and 5.3 far away and only without IOMMU', () => {
    const functions = twoRootPorts({}, '1022:1450');
    const cpu = { vendor: 'amd', family: 0x15 };
    const far = [0x1004, 'thru-host-bridge', true];
    expect(answer(ask({ functions, cpu }, A, B, '5.3.1'))).toEqual(far);
    const withIommu = ask({ functions, cpu, iommu: 'passthrough' }, A, B, '5.2.1');
    expect(answer(withIommu)).toEqual(NO);
    expect(withIommu.hostBridge).toMatchObject({ by: 'iommu-present' });
    expect(answer(ask({ functions, cpu, iommu: undefined }, A, B, '5.2.1'))).toEqual([null, 'unknown', null]);
    expect(answer(ask({ functions, cpu, iommu: 'on' }, A, B, '5.8.1'))).toEqual(THRU_4);
    expect(answer(ask({ functions, cpu }, A, B, '5.9.1'))).toEqual(NO);
    const between = ask({ functions, cpu }, A, B, '5.3.9');
    expect(answer(between)).toEqual([null, 'thru-host-bridge', true]);
  });

  it('EC-035: Google hosts are listed by vendor from 7.1 on', () => {
    const machine = {
      functions: twoRootPorts({}, '1ae0:0042'),
      cpu: { vendor: 'arm', architecture: 'arm64' },
    };
    expect(answer(ask(machine, A, B, '7.1.2'))).toEqual(THRU_4);
    expect(answer(ask(machine, A, B, '7.0.0'))).toEqual(NO);
  });

  it('EC-036: in a VMD domain root ports are refused and one switch is fine', () => {
    const functions = oneSwitch().map((fn) => ({
      ...fn,
      at: `10000:${fn.at}`,
      ...(fn.up == null ? {} : { up: `10000:${fn.up}` }),
      hostBridge: 'pci10000:00',
    }));
    expect(answer(ask({ functions }, '10000:03:00.0', '10000:04:00.0'))).toEqual(BUS_4);
    expect(answer(ask({ functions }, '10000:03:00.0', '10000:00:01.0'))).toEqual([3, 'bus-addr', true]);
  });

  it('EC-038, EC-039: IOMMU and its groups say nothing from 5.4 on', () => {
    const grouped = oneSwitch().map((fn, i) => ({ ...fn, iommuGroup: String(i) }));
    expect(answer(ask({ functions: grouped, iommu: 'translated' }))).toEqual(BUS_4);
  });
});

describe('kernels without p2pdma', () => {
  it('answer -1 before 4.20', () => {
    const verdict = ask({ functions: oneSwitch() }, '03:00.0', '03:00.0', '4.19.300');
    expect(answer(verdict)).toEqual(NO);
    expect(verdict).toMatchObject({ rule: 'kernel-without-p2pdma', decidedBy: 'kernel', messages: [] });
  });

  it('EC-066: answer -1 where the option is not built', () => {
    const kernel = { release: '7.2.12', config: { CONFIG_PCI_P2PDMA: 'n' } };
    expect(answer(ask({ functions: oneSwitch(), kernel }))).toEqual(NO);
    expect(ask({ functions: oneSwitch(), kernel }).rule).toBe('kernel-without-p2pdma');
    expect(answer(ask({ functions: oneSwitch(), kernel }, '03:00.0', '04:00.0', '7.3.4'))).toEqual(BUS_4);
  });
});

describe('what is unknown', () => {
  const unreadable = { '02:00.0': { acs: undefined }, '02:01.0': { acs: undefined } };

  it('ACS below an unlisted host bridge: both answers are shown, with what they depend on', () => {
    const verdict = ask({ functions: oneSwitch(unreadable) });
    expect(answer(verdict)).toEqual([null, 'unknown', null]);
    expect(verdict.rule).toBe('unknown');
    expect(verdict.unknownAcs).toEqual(['0000:02:00.0', '0000:02:01.0']);
    expect(verdict.messages).toEqual([]);
    expect(verdict.candidates).toEqual([
      {
        distance: 4,
        mapType: 'bus-addr',
        when: 'ACS redirect is clear on 0000:02:00.0, 0000:02:01.0',
      },
      {
        distance: -1,
        mapType: 'not-supported',
        when: 'ACS redirect is set on 0000:02:00.0, 0000:02:01.0',
      },
    ]);
  });

  it('ACS below an AMD Zen: usable at a known distance, only the map type is open', () => {
    const verdict = ask({ functions: oneSwitch(unreadable), cpu: ZEN });
    expect(answer(verdict)).toEqual([4, 'unknown', true]);
  });

  it('ACS of one port, when another is known to redirect: known', () => {
    const functions = oneSwitch({ '02:00.0': { acs: undefined }, '02:01.0': { acs: 0x04 } });
    expect(answer(ask({ functions }))).toEqual(NO);
    expect(answer(ask({ functions, cpu: ZEN }))).toEqual(THRU_4);
  });

  it('ACS below different root ports: it does not matter', () => {
    const functions = twoRootPorts({ '00:01.0': { acs: undefined }, '01:00.0': { acs: undefined } });
    const verdict = ask({ functions }, '01:00.0', '02:00.0');
    expect(answer(verdict)).toEqual(NO);
    expect(verdict.candidates).toEqual([]);
  });

  it('the CPU: open between refused and accepted, and no matter for a listed host bridge', () => {
    const cpu = { vendor: undefined, family: undefined, architecture: undefined };
    expect(answer(ask({ functions: twoRootPorts(), cpu }, '01:00.0', '02:00.0'))).toEqual([
      null,
      'unknown',
      null,
    ]);
    expect(answer(ask({ functions: twoRootPorts({}, SKYLAKE_E), cpu }, '01:00.0', '02:00.0'))).toEqual(
      THRU_4,
    );
    const onArm = { ...cpu, architecture: 'arm64' };
    expect(answer(ask({ functions: twoRootPorts(), cpu: onArm }, '01:00.0', '02:00.0'))).toEqual(NO);
    const amd = { vendor: 'amd', family: undefined };
    expect(answer(ask({ functions: twoRootPorts(), cpu: amd }, '01:00.0', '02:00.0'))).toEqual([
      null,
      'unknown',
      null,
    ]);
  });

  it('who is on the root bus: 00.0 speaks if it is there, otherwise the ruling is open', () => {
    const gaps = [{ at: null, what: 'root-bus-devices', detail: 'hwloc leaves out bridges' }];
    expect(answer(ask({ functions: twoRootPorts({}, SKYLAKE_E), gaps }, '01:00.0', '02:00.0'))).toEqual(
      THRU_4,
    );
    const hidden = ask({ functions: twoRootPorts().slice(1), gaps }, '01:00.0', '02:00.0');
    expect(answer(hidden)).toEqual([null, 'unknown', null]);
    expect(hidden.hostBridge).toMatchObject({ accepted: undefined, by: 'unknown' });
    expect(answer(ask({ functions: twoRootPorts().slice(1), gaps, cpu: ZEN }, '01:00.0', '02:00.0'))).toEqual(
      THRU_4,
    );
  });

  it('the type of the function that comes first', () => {
    const functions = twoRootPorts({ '00:01.0': { id: SKYLAKE_E, pcieType: undefined } }).slice(1);
    expect(answer(ask({ functions }, '01:00.0', '02:00.0'))).toEqual([null, 'unknown', null]);
    expect(answer(ask({ functions }, '01:00.0', '02:00.0', '5.16.10'))).toEqual(NO);
  });

  it('a gap of versions: known where both neighbours agree', () => {
    const rubin = twoRootPorts({}, '10de:2f96');
    expect(answer(ask({ functions: rubin }, '01:00.0', '02:00.0', '7.3.1'))).toEqual([null, 'unknown', null]);
    expect(answer(ask({ functions: twoRootPorts() }, '01:00.0', '02:00.0', '7.3.1'))).toEqual(NO);
    expect(answer(ask({ functions: oneSwitch() }, '03:00.0', '04:00.0', '7.3.1'))).toEqual(BUS_4);
  });

  it('the tree: with bridges left out hops cannot be counted, and their ACS may redirect', () => {
    const functions = oneSwitch({ '03:00.0': { up: '01:00.0', hiddenAbove: true } }).filter(
      (fn) => fn.at !== '02:00.0',
    );
    const verdict = ask({ functions });
    expect(answer(verdict)).toEqual([null, 'unknown', null]);
    expect(verdict.candidates.map((candidate) => candidate.distance)).toEqual([null, -1]);
    expect(verdict.common).toBe('0000:01:00.0');
    expect(answer(ask({ functions, cpu: ZEN }))).toEqual([null, 'unknown', true]);
  });

  it('the tree: a parent that is not known may or may not lead to a common bridge', () => {
    const functions = oneSwitch({ '02:00.0': { up: undefined } });
    const verdict = ask({ functions });
    expect(answer(verdict)).toEqual([null, 'unknown', null]);
    expect(verdict.common).toBeUndefined();
    const other = functions.map((fn) =>
      fn.at === '04:00.0' ? { ...fn, up: null, hostBridge: 'pci0001:00' } : fn,
    );
    const apart = ask({ functions: other });
    expect(answer(apart)).toEqual(NO);
    expect(apart.common).toBeNull();
  });

  it('EC-045: a function that is gone redirects if it is known to have had ACS, from 5.9 on', () => {
    const gone = oneSwitch({ '02:00.0': { acs: 0, isGone: true } });
    expect(answer(ask({ functions: gone }))).toEqual(NO);
    expect(answer(ask({ functions: gone }, '03:00.0', '04:00.0', '5.8.1'))).toEqual(BUS_4);
    expect(answer(ask({ functions: oneSwitch({ '02:00.0': { acs: null, isGone: true } }) }))).toEqual(BUS_4);
    const unread = ask({ functions: oneSwitch({ '02:00.0': { acs: undefined, isGone: true } }) });
    expect(answer(unread)).toEqual([null, 'unknown', null]);
    expect(unread.unknownAcs).toEqual(['0000:02:00.0']);
  });
});

describe('bad input', () => {
  it('a function that the machine does not have is a typed error', () => {
    expect(() => ask({ functions: oneSwitch() }, '03:00.0', '99:00.0')).toThrow(
      expect.objectContaining({ code: 'TOPO_UNKNOWN_BDF' }),
    );
  });

  it('a ring of parents ends', () => {
    const functions = [
      port('00:01.0', '02:00.0', 'root-port'),
      port('01:00.0', '00:01.0', 'switch-upstream'),
      port('02:00.0', '01:00.0', 'switch-downstream'),
      { at: '03:00.0', up: '02:00.0' },
    ];
    expect(ask({ functions }, '03:00.0', '00:01.0').path).toContain('0000:03:00.0');
  });
});
