/** Routes by the PCIe rules: each ACS bit with its own meaning and direction, and what root complexes are known to do. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACS_CR,
  ACS_DT,
  ACS_EC,
  ACS_RR,
  ACS_SV,
  ACS_TB,
  ACS_UF,
  differInSocket,
  type PhysicalRoutes,
  physicalRoutes,
  rootComplexKnowledge,
} from '../../src/p2pdma/index.ts';
import { ATS_CONTROL, EXTENDED_ID, LINK_CAPABILITIES } from '../../src/spec/pcie/index.ts';
import { type AcsState, MachineIndex } from '../../src/topology/index.ts';
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
  SOME_BAR,
  twoRootPorts,
} from './support/build-machine.ts';
import { machineArbitrary } from './support/random-machine.ts';

const ZEN4 = { vendor: 'amd', family: 0x19, model: 0x11 } as const;
const ARROW_LAKE = { vendor: 'intel', family: 6, model: 0xc6 } as const;
const SAPPHIRE_RAPIDS = { vendor: 'intel', family: 6, model: 0x8f } as const;
const ISOLATION = ACS_SV | ACS_RR | ACS_CR | ACS_UF;

function routes(sketch: MachineSketch, provider = '03:00.0', client = '04:00.0'): PhysicalRoutes {
  return physicalRoutes(new MachineIndex(makeMachine(sketch)), bdf(provider), bdf(client));
}

function outcomes(sketch: MachineSketch, provider?: string, client?: string): [string, string] {
  const { write, read } = routes(sketch, provider, client);
  return [write.outcome, read.outcome];
}

/** Config space with a PCI Express capability (port number) and, where asked, ATS. */
function config(facts: { readonly portNumber?: number; readonly ats?: boolean }): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0010_1b36, true);
  view.setUint16(0x06, 0x0010, true);
  bytes[0x34] = 0x40;
  bytes[0x40] = 0x10;
  view.setUint16(0x42, 0x0002, true);
  LINK_CAPABILITIES.Port_Number.write(view, facts.portNumber ?? 0, 0x40);
  if (facts.ats !== undefined) {
    view.setUint32(0x100, EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES | 0x1_0000, true);
    ATS_CONTROL.Enable.write(view, facts.ats ? 1 : 0, 0x100);
  }
  return bytes;
}

function vector(...forbidden: number[]): AcsState {
  return {
    ...acsState(ACS_EC),
    egressVector: Array.from({ length: 32 }, (_, n) => forbidden.includes(n)),
  };
}

describe('below one switch', () => {
  it('goes straight from port to port, without a look at the upstream port', () => {
    const { write, read } = routes({ functions: oneSwitch({ '01:00.0': { acs: ISOLATION } }) });
    expect(write).toMatchObject({ outcome: 'direct', at: '0000:02:01.0', translated: false });
    expect(write.hops).toEqual(['04:00.0', '02:01.0', '02:00.0', '03:00.0'].map((at) => `0000:${at}`));
    expect(read).toEqual(write);
  });

  it.each([
    [
      'RR at the client’s port redirects both kinds of request',
      '02:01.0',
      ACS_RR,
      ['redirected', 'redirected'],
    ],
    ['RR at the provider’s port does not concern them', '02:00.0', ACS_RR, ['direct', 'direct']],
    [
      'CR at the provider’s port redirects completions, hence only reads',
      '02:00.0',
      ACS_CR,
      ['direct', 'redirected'],
    ],
    ['CR at the client’s port does not concern them', '02:01.0', ACS_CR, ['direct', 'direct']],
    ['SV stops only forged ids', '02:01.0', ACS_SV, ['direct', 'direct']],
    ['UF alone changes nothing', '02:01.0', ACS_UF, ['direct', 'direct']],
    ['TB stops nobody without ATS', '02:01.0', ACS_TB, ['direct', 'direct']],
  ] as const)('%s', (_, at, control, expected) => {
    const functions = oneSwitch({
      [at]: { acs: control },
      '00:01.0': { acs: ISOLATION },
      '04:00.0': { config: config({}) },
    });
    expect(outcomes({ functions, cpu: ZEN4 })).toEqual(expected);
  });

  it('is stricter in the kernel than in the switch where only the provider’s port has RR', () => {
    const functions = oneSwitch({ '02:00.0': { acs: ACS_RR }, '00:01.0': { acs: ISOLATION } });
    expect(outcomes({ functions, cpu: ZEN4 })).toEqual(['direct', 'direct']);
    expect(outcomes({ functions, cpu: ZEN4 }, '04:00.0', '03:00.0')).toEqual(['redirected', 'redirected']);
  });

  it('lists the way up to the root and down again, and that an IOMMU translates there', () => {
    const functions = oneSwitch({ '02:01.0': { acs: ACS_RR }, '00:01.0': { acs: ISOLATION } });
    const { write } = routes({ functions, cpu: ZEN4, iommu: 'translated' });
    expect(write).toMatchObject({ outcome: 'redirected', at: '0000:02:01.0', translated: true });
    expect(write.hops).toEqual([
      ...['04:00.0', '02:01.0', '01:00.0', '00:01.0'].map((at) => `0000:${at}`),
      'pci0000:00',
      ...['00:01.0', '01:00.0', '02:00.0', '03:00.0'].map((at) => `0000:${at}`),
    ]);
    expect(routes({ functions, cpu: ZEN4, iommu: 'passthrough' }).write.translated).toBe(false);
    expect(routes({ functions, cpu: ZEN4, iommu: undefined }).write.translated).toBeUndefined();
  });

  it('keeps the requester first in the hops of a read whose completions are redirected', () => {
    const functions = oneSwitch({ '02:00.0': { acs: ACS_CR }, '00:01.0': { acs: ISOLATION } });
    const { read } = routes({ functions, cpu: ZEN4 });
    expect(read).toMatchObject({ outcome: 'redirected', at: '0000:02:00.0' });
    expect(read.hops[0]).toBe('0000:04:00.0');
    expect(read.detail).toContain('relaxed ordering');
    const strict = oneSwitch({
      '02:00.0': { acs: ACS_CR },
      '00:01.0': { acs: ISOLATION },
      '04:00.0': { deviceControl: 0 },
    });
    expect(routes({ functions: strict, cpu: ZEN4 }).read.detail).not.toContain('relaxed ordering');
  });

  it('asks the memory target fields where the target is the BAR of a port of the switch (7.7.11.3)', () => {
    const enhanced = (field: number) => acsState(field << 10, 0xff);
    const to = (field: number, capability = 0xff): string[] => {
      const acs = { ...enhanced(field), capability };
      const functions = oneSwitch({
        '01:00.0': { bars: [SOME_BAR] },
        '02:01.0': { acs },
        '00:01.0': { acs: ISOLATION },
      });
      return outcomes({ functions, cpu: ZEN4 }, '01:00.0', '04:00.0');
    };
    expect(to(0)).toEqual(['direct', 'direct']);
    expect(to(1)).toEqual(['blocked', 'blocked']);
    expect(to(2)).toEqual(['redirected', 'redirected']);
    expect(to(3)).toEqual(['unknown', 'unknown']);
    // Without the Enhanced Capability bit the field means nothing.
    expect(to(1, 0x7f)).toEqual(['direct', 'direct']);
    const sibling = (field: number): string[] =>
      outcomes(
        {
          functions: oneSwitch({
            '02:00.0': { bars: [SOME_BAR] },
            '02:01.0': { acs: acsState((field << 8) | ACS_RR, 0xff) },
          }),
        },
        '02:00.0',
        '04:00.0',
      );
    expect(sibling(0)[0]).toBe('direct');
    expect(sibling(1)[0]).toBe('blocked');
  });

  it('takes the relaxed ordering of a VF from its PF: a VF has no such bit', () => {
    const functions = [
      ...oneSwitch({ '02:00.0': { acs: ACS_CR }, '00:01.0': { acs: ISOLATION } }),
      { at: '04:00.1', up: '02:01.0', pf: '04:00.0', deviceControl: 0 },
    ];
    expect(routes({ functions, cpu: ZEN4 }, '03:00.0', '04:00.1').read.detail).toContain('relaxed ordering');
  });

  it('lets completions pass where a bridge forwards no requests (7.5.1.1.3)', () => {
    const functions = oneSwitch({
      '02:00.0': { acs: ACS_CR },
      '00:01.0': { acs: ISOLATION },
      '01:00.0': { command: 0x0002 },
    });
    expect(outcomes({ functions, cpu: ZEN4 })).toEqual(['direct', 'redirected']);
  });

  it('is unknown where ACS of the port that decides is, and known where it does not decide', () => {
    const client = oneSwitch({ '02:01.0': { acs: undefined } });
    expect(outcomes({ functions: client, cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
    const provider = oneSwitch({ '02:00.0': { acs: undefined } });
    expect(outcomes({ functions: provider, cpu: ZEN4 })).toEqual(['direct', 'unknown']);
  });

  it('turns in the lowest switch that has both below it', () => {
    const functions = [
      ...oneSwitch({ '02:01.0': { acs: ACS_RR } }),
      port('04:00.0', '02:01.0', 'switch-upstream'),
      port('05:00.0', '04:00.0', 'switch-downstream'),
      port('05:01.0', '04:00.0', 'switch-downstream'),
      { at: '06:00.0', up: '05:00.0' },
      { at: '07:00.0', up: '05:01.0' },
    ].filter((fn, i, all) => fn.at !== '04:00.0' || i === all.findLastIndex((other) => other.at === fn.at));
    expect(outcomes({ functions, cpu: ZEN4 }, '06:00.0', '07:00.0')).toEqual(['direct', 'direct']);
    const { write } = routes({ functions, cpu: ZEN4 }, '06:00.0', '07:00.0');
    expect(write.hops).toEqual(['07:00.0', '05:01.0', '05:00.0', '06:00.0'].map((at) => `0000:${at}`));
  });
});

describe('what is redirected', () => {
  const redirected = (rootPort: Partial<FunctionSketch>, more: Partial<MachineSketch> = {}) =>
    routes({ functions: oneSwitch({ '02:01.0': { acs: ACS_RR }, '00:01.0': rootPort }), cpu: ZEN4, ...more })
      .write;

  it('needs upstream forwarding at the root port, since its target lies behind the same port', () => {
    expect(redirected({ acs: ACS_UF }).outcome).toBe('redirected');
    const without = redirected({ acs: 0 });
    expect(without).toMatchObject({ outcome: 'unknown', at: '0000:00:01.0' });
    expect(without.detail).toContain('UF');
    expect(redirected({ acs: null }).outcome).toBe('unknown');
    expect(redirected({ acs: undefined }).outcome).toBe('unknown');
  });

  it('is undefined at a switch port above that does not forward upstream (6.12.1.1)', () => {
    const functions = [
      hostBridgeFunction(INTEL_UNLISTED),
      port('00:01.0', null, 'root-port', { acs: acsState(ISOLATION) }),
      port('01:00.0', '00:01.0', 'switch-upstream'),
      port('02:00.0', '01:00.0', 'switch-downstream', { acs: acsState(ACS_RR) }),
      port('03:00.0', '02:00.0', 'switch-upstream'),
      port('04:00.0', '03:00.0', 'switch-downstream', { acs: acsState(ACS_RR) }),
      port('04:01.0', '03:00.0', 'switch-downstream'),
      { at: '05:00.0', up: '04:00.0' },
      { at: '06:00.0', up: '04:01.0' },
    ];
    const { write } = routes({ functions, cpu: ZEN4 }, '06:00.0', '05:00.0');
    expect(write).toMatchObject({ outcome: 'unknown', at: '0000:02:00.0' });
    // What is switched off above it need not be reached.
    const closed = functions.map((fn) => (fn.at === '01:00.0' ? { ...fn, command: 0x0002 } : fn));
    expect(outcomes({ functions: closed, cpu: ZEN4 }, '06:00.0', '05:00.0')).toEqual(['unknown', 'unknown']);
    const open = functions.map((fn) => (fn.at === '02:00.0' ? { ...fn, acs: acsState(ACS_UF) } : fn));
    expect(outcomes({ functions: open, cpu: ZEN4 }, '06:00.0', '05:00.0')).toEqual([
      'redirected',
      'redirected',
    ]);
  });

  it('is not known for completions where only read requests are known to be refused (C12)', () => {
    const functions = oneSwitch({ '02:00.0': { acs: ACS_CR }, '00:01.0': { acs: ISOLATION } });
    const { write, read } = routes({ functions, cpu: ARROW_LAKE });
    expect([write.outcome, read.outcome]).toEqual(['direct', 'unknown']);
    expect(read.detail).toContain('completions');
    expect(read.detail).not.toContain('refuses');
    expect(outcomes({ functions, cpu: SAPPHIRE_RAPIDS })).toEqual(['direct', 'redirected']);
  });

  it('ends where the family of the root complex refuses it, or is not known', () => {
    const functions = oneSwitch({ '02:01.0': { acs: ACS_RR }, '00:01.0': { acs: ISOLATION } });
    expect(outcomes({ functions, cpu: ARROW_LAKE })).toEqual(['redirected', 'blocked']);
    expect(outcomes({ functions, cpu: { vendor: 'zhaoxin', family: 7 } })).toEqual(['unknown', 'unknown']);
    expect(outcomes({ functions, cpu: ZEN4, isVirtual: true })).toEqual(['unknown', 'unknown']);
  });
});

describe('egress control', () => {
  const withVector = (acs: AcsState) =>
    oneSwitch({
      '02:01.0': { acs },
      '02:00.0': { config: config({ portNumber: 5 }) },
      '00:01.0': { acs: ISOLATION },
    });

  it('blocks the ports that its vector names and no other', () => {
    expect(outcomes({ functions: withVector(vector(5)), cpu: ZEN4 })).toEqual(['blocked', 'blocked']);
    expect(outcomes({ functions: withVector(vector(4, 6)), cpu: ZEN4 })).toEqual(['direct', 'direct']);
  });

  it('with RR redirects the named ports, and lets the others pass directly', () => {
    const both = (acs: AcsState): AcsState => ({ ...acs, control: ACS_EC | ACS_RR });
    expect(outcomes({ functions: withVector(both(vector(5))), cpu: ZEN4 })).toEqual([
      'redirected',
      'redirected',
    ]);
    expect(outcomes({ functions: withVector(both(vector(4))), cpu: ZEN4 })).toEqual(['direct', 'direct']);
  });

  it('is unknown without the vector or the number of the port', () => {
    const blind = withVector({ ...vector(5), egressVector: null });
    expect(outcomes({ functions: blind, cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
    const unnumbered = oneSwitch({ '02:01.0': { acs: vector(5) } });
    expect(outcomes({ functions: unnumbered, cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
  });
});

describe('translated requests', () => {
  const withAts = (control: number, ats: boolean | undefined) =>
    oneSwitch({
      '02:01.0': { acs: control },
      '00:01.0': { acs: ISOLATION },
      '04:00.0': ats === undefined ? {} : { config: config({ ats }) },
    });

  it('are blocked by TB, which lets untranslated ones pass: with ATS enabled it is not known which are sent', () => {
    expect(outcomes({ functions: withAts(ACS_TB, true), cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
    expect(outcomes({ functions: withAts(ACS_TB, false), cpu: ZEN4 })).toEqual(['direct', 'direct']);
    expect(outcomes({ functions: withAts(ACS_TB, undefined), cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
  });

  it('end at TB as untranslated ones do where both are blocked', () => {
    const functions = (ats: boolean | undefined) =>
      withAts(0, ats).map((fn) =>
        fn.at === '02:01.0'
          ? { ...fn, acs: { ...vector(5), control: ACS_EC | ACS_TB } }
          : fn.at === '02:00.0'
            ? { ...fn, config: config({ portNumber: 5 }) }
            : fn,
      );
    for (const ats of [true, false, undefined]) {
      const { write } = routes({ functions: functions(ats), cpu: ZEN4 });
      expect(write).toMatchObject({ outcome: 'blocked', at: '0000:02:01.0' });
      expect(write.detail).toContain('EC');
    }
  });

  it('meet TB at ports that only pass them on, and where they are sent up again', () => {
    const passing = (ats: boolean | undefined) =>
      outcomes(
        {
          functions: [
            ...twoRootPorts().filter((fn) => fn.at !== '02:00.0'),
            port('02:00.0', '00:02.0', 'switch-upstream'),
            port('03:00.0', '02:00.0', 'switch-downstream', { acs: acsState(ACS_TB) }),
            { at: '04:00.0', up: '03:00.0', ...(ats === undefined ? {} : { config: config({ ats }) }) },
          ],
          cpu: ZEN4,
        },
        '01:00.0',
        '04:00.0',
      )[0];
    expect([passing(true), passing(false), passing(undefined)]).toEqual([
      'unknown',
      'root-complex',
      'unknown',
    ]);
    const forwarded = (ats: boolean | undefined) =>
      outcomes({
        functions: withAts(ACS_RR, ats).map((fn) =>
          fn.at === '00:01.0' ? { ...fn, acs: acsState(ACS_TB | ACS_UF) } : fn,
        ),
        cpu: ZEN4,
      })[0];
    expect([forwarded(true), forwarded(false), forwarded(undefined)]).toEqual([
      'unknown',
      'redirected',
      'unknown',
    ]);
  });

  it('name the port, TB and what becomes of the others where the answer is open', () => {
    const { write } = routes({ functions: withAts(ACS_TB, true), cpu: ZEN4 });
    expect(write.at).toBe('0000:02:01.0');
    expect(write.detail).toMatch(/02:01\.0 blocks translated requests \(TB\).*has ATS enabled.*untranslated/);
  });

  it('pass directly with DT, whatever RR says', () => {
    expect(outcomes({ functions: withAts(ACS_DT | ACS_RR, true), cpu: ZEN4 })).toEqual(['direct', 'direct']);
    expect(outcomes({ functions: withAts(ACS_DT | ACS_RR, false), cpu: ZEN4 })).toEqual([
      'redirected',
      'redirected',
    ]);
  });

  it('are not translated again by the IOMMU', () => {
    const functions = withAts(ACS_RR, true);
    expect(routes({ functions, cpu: ZEN4, iommu: 'translated' }).write.translated).toBe(false);
  });
});

describe('functions of one device', () => {
  const card = (acs: number | null, rootPort: number | null = ISOLATION): FunctionSketch[] => [
    hostBridgeFunction(INTEL_UNLISTED),
    port('00:01.0', null, 'root-port', { acs: rootPort === null ? null : acsState(rootPort) }),
    { at: '01:00.0', up: '00:01.0', acs },
    { at: '01:00.1', up: '00:01.0', acs },
  ];

  it('may or may not reach each other without ACS of their own', () => {
    expect(outcomes({ functions: card(null), cpu: ZEN4 }, '01:00.0', '01:00.1')).toEqual([
      'unknown',
      'unknown',
    ]);
  });

  it('reach each other inside the device when their ACS is clear, and over the root when it redirects', () => {
    expect(outcomes({ functions: card(0), cpu: ZEN4 }, '01:00.0', '01:00.1')).toEqual(['direct', 'direct']);
    const over = outcomes({ functions: card(ACS_RR), cpu: ZEN4 }, '01:00.0', '01:00.1');
    expect(over).toEqual(['redirected', 'redirected']);
  });

  it('index the egress vector by function number', () => {
    const functions = card(0).map((fn) => (fn.at === '01:00.1' ? { ...fn, acs: vector(0) } : fn));
    expect(outcomes({ functions, cpu: ZEN4 }, '01:00.0', '01:00.1')).toEqual(['blocked', 'blocked']);
    expect(outcomes({ functions, cpu: ZEN4 }, '01:00.1', '01:00.0')).toEqual(['direct', 'direct']);
  });

  it('a function reaches itself', () => {
    expect(outcomes({ functions: card(null) }, '01:00.0', '01:00.0')).toEqual(['direct', 'direct']);
  });
});

describe('other places', () => {
  it('a conventional bus joins its devices', () => {
    const functions = [
      hostBridgeFunction(INTEL_UNLISTED),
      port('00:1c.0', null, 'root-port'),
      port('01:00.0', '00:1c.0', 'pcie-to-pci-bridge'),
      { at: '02:00.0', up: '01:00.0', pcieType: null },
      { at: '02:01.0', up: '01:00.0', pcieType: null },
    ];
    expect(outcomes({ functions }, '02:00.0', '02:01.0')).toEqual(['direct', 'direct']);
    // They hear each other: nothing passes the bridge (PCI 3.0, 3.2).
    expect(routes({ functions }, '02:00.0', '02:01.0').write.hops).toEqual(['0000:02:01.0', '0000:02:00.0']);
  });

  it('a bridge of the way is reached, and reaches down, directly', () => {
    const functions = oneSwitch({ '01:00.0': { bars: [SOME_BAR] } });
    expect(outcomes({ functions }, '01:00.0', '04:00.0')).toEqual(['direct', 'direct']);
    expect(outcomes({ functions }, '04:00.0', '01:00.0')).toEqual(['direct', 'direct']);
  });

  it('bridges that the input leaves out, or a parent that is not known, make it unknown', () => {
    const hidden = oneSwitch({ '03:00.0': { hiddenAbove: true } });
    expect(outcomes({ functions: hidden, cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
    const cut = oneSwitch({ '02:00.0': { up: undefined } });
    expect(outcomes({ functions: cut, cpu: ZEN4 })).toEqual(['unknown', 'unknown']);
  });
});

describe('through the root complex', () => {
  const ends = ['01:00.0', '02:00.0'] as const;

  it.each([
    ['AMD Zen 4', ZEN4, ['root-complex', 'root-complex']],
    ['AMD Zen 2', { vendor: 'amd', family: 0x17, model: 0x31 }, ['root-complex', 'root-complex']],
    ['Sapphire Rapids', SAPPHIRE_RAPIDS, ['root-complex', 'root-complex']],
    ['Intel client: reads fail', ARROW_LAKE, ['root-complex', 'blocked']],
    ['unknown Intel model', { vendor: 'intel', family: 6, model: 0x01 }, ['unknown', 'unknown']],
    ['Hygon', { vendor: 'hygon', family: 0x18 }, ['unknown', 'unknown']],
    ['no CPU known', { vendor: undefined, family: undefined }, ['unknown', 'unknown']],
  ] as const)('%s', (_, cpu, expected) => {
    expect(outcomes({ functions: twoRootPorts(), cpu }, ...ends)).toEqual(expected);
  });

  it('names both root ports and the host bridge', () => {
    const { write } = routes({ functions: twoRootPorts(), cpu: ZEN4 }, ...ends);
    expect(write.hops).toEqual([
      '0000:02:00.0',
      '0000:00:02.0',
      'pci0000:00',
      '0000:00:01.0',
      '0000:01:00.0',
    ]);
    expect(write.detail).toContain('C13');
  });

  it('a redirect at the root port changes nothing, egress control may block', () => {
    const rr = twoRootPorts({ '00:02.0': { acs: ISOLATION } });
    expect(outcomes({ functions: rr, cpu: ZEN4 }, ...ends)).toEqual(['root-complex', 'root-complex']);
    const ec = twoRootPorts({
      '00:02.0': { acs: vector(3) },
      '00:01.0': { config: config({ portNumber: 3 }) },
    });
    expect(outcomes({ functions: ec, cpu: ZEN4 }, ...ends)).toEqual(['blocked', 'blocked']);
  });

  it('unknown ACS of the root port matters, unless the root complex refuses anyway', () => {
    const functions = twoRootPorts({ '00:02.0': { acs: undefined } });
    expect(outcomes({ functions, cpu: ZEN4 }, ...ends)).toEqual(['unknown', 'unknown']);
    expect(outcomes({ functions, cpu: ARROW_LAKE }, ...ends)).toEqual(['unknown', 'blocked']);
  });

  const apart = (nodes: readonly [number | null, number | null]): FunctionSketch[] => [
    hostBridgeFunction(INTEL_UNLISTED),
    port('00:01.0', null, 'root-port'),
    { at: '01:00.0', up: '00:01.0', numaNode: nodes[0] },
    { ...port('80:01.0', null, 'root-port'), hostBridge: 'pci0000:80' },
    { at: '81:00.0', up: '80:01.0', hostBridge: 'pci0000:80', numaNode: nodes[1] },
  ];

  it('across sockets counts what is known across sockets', () => {
    const haswell = { vendor: 'intel', family: 6, model: 0x3f };
    const ask = (sockets: number | undefined, nodes: readonly [number | null, number | null]) =>
      outcomes({ functions: apart(nodes), cpu: { ...haswell, sockets } }, '01:00.0', '81:00.0')[0];
    expect(ask(1, [0, 1])).toBe('root-complex');
    expect(ask(2, [0, 0])).toBe('root-complex');
    expect(ask(2, [0, 1])).toBe('unknown');
    expect(ask(undefined, [0, 1])).toBe('unknown');
    const zen = { ...ZEN4, sockets: 2 };
    expect(outcomes({ functions: apart([0, 1]), cpu: zen }, '01:00.0', '81:00.0')).toEqual([
      'root-complex',
      'root-complex',
    ]);
  });

  it('knows sockets apart only where there are no more NUMA nodes than sockets', () => {
    const two = makeMachine({ functions: apart([0, 1]), cpu: { ...ZEN4, sockets: 2 } });
    expect(differInSocket(two, 0, 1)).toBe(true);
    expect(differInSocket(two, 1, 1)).toBe(false);
    expect(differInSocket(two, 0, null)).toBeUndefined();
    const clustered = makeMachine({ functions: apart([1, 3]), cpu: { ...ZEN4, sockets: 2 } });
    expect(differInSocket(clustered, 0, 1)).toBeUndefined();
    expect(differInSocket(makeMachine({ functions: apart([0, 1]), cpu: ZEN4 }), 0, 1)).toBe(false);
  });

  it('of a chipset, of a VMD and of integrated functions nothing is known', () => {
    const chipsetAt = (at: string, id = '8086:a33c') =>
      twoRootPorts().map((fn) =>
        fn.at === '00:02.0' ? { ...fn, at, id } : fn.up === '00:02.0' ? { ...fn, up: at } : fn,
      );
    for (const at of ['00:1a.0', '00:1c.0', '00:1d.7', '80:1c.0']) {
      for (const cpu of [ARROW_LAKE, SAPPHIRE_RAPIDS]) {
        expect(outcomes({ functions: chipsetAt(at), cpu }, ...ends)).toEqual(['unknown', 'unknown']);
      }
    }
    expect(outcomes({ functions: chipsetAt('00:1c.0', '1b36:000c'), cpu: SAPPHIRE_RAPIDS }, ...ends)).toEqual(
      ['root-complex', 'root-complex'],
    );
    const machine = makeMachine({ functions: apart([0, 0]), cpu: ZEN4 });
    const hostBridges = machine.hostBridges.map((bridge) =>
      bridge.key === 'pci0000:80' ? { ...bridge, behind: bdf('00:01.0') } : bridge,
    );
    const index = new MachineIndex({ ...machine, hostBridges });
    expect(physicalRoutes(index, bdf('01:00.0'), bdf('81:00.0')).write.outcome).toBe('unknown');
    const integrated = [
      hostBridgeFunction(INTEL_UNLISTED),
      { at: '00:02.0', pcieType: 'rc-endpoint' as const },
      ...twoRootPorts().slice(1),
    ].map((fn) =>
      fn.at === '00:02.0' && fn.pcieType === 'root-port'
        ? { ...fn, at: '00:03.0' }
        : fn.up === '00:02.0'
          ? { ...fn, up: '00:03.0' }
          : fn,
    );
    expect(outcomes({ functions: integrated, cpu: ZEN4 }, '00:02.0', '01:00.0')).toEqual([
      'unknown',
      'unknown',
    ]);
  });
});

describe('ends and bridges that are switched off', () => {
  it.each([
    ['bus mastering of the client', '04:00.0', { command: 0x0002 }],
    ['memory decode of the provider', '03:00.0', { command: 0x0004 }],
    ['a provider without a memory BAR', '03:00.0', { bars: [] }],
    ['a BAR without an address', '03:00.0', { bars: [{ ...SOME_BAR, start: null }] }],
    ['a bridge that forwards nothing up', '02:01.0', { command: 0x0002 }],
    ['a bridge that forwards nothing down', '02:00.0', { command: 0x0004 }],
    ['a client that is gone', '04:00.0', { isGone: true }],
    ['a bridge that is gone', '02:00.0', { isGone: true }],
    ['a client in D3hot (5.3.1)', '04:00.0', { powerState: 'D3hot' }],
    ['a provider in D3hot', '03:00.0', { powerState: 'D3hot' }],
    ['a bridge in D3hot', '02:01.0', { powerState: 'D3hot' }],
  ] as const)('%s blocks', (_, at, change) => {
    const { write, read } = routes({ functions: oneSwitch({ [at]: change }) });
    expect([write.outcome, read.outcome]).toEqual(['blocked', 'blocked']);
    expect(write.at).toBe(`0000:${at}`);
  });

  it('a bridge in D3hot lets no completions pass either', () => {
    const functions = oneSwitch({
      '02:00.0': { acs: ACS_CR },
      '00:01.0': { acs: ISOLATION },
      '01:00.0': { powerState: 'D3hot' },
    });
    expect(outcomes({ functions, cpu: ZEN4 })).toEqual(['direct', 'blocked']);
  });

  it('what is not known to be off does not block', () => {
    const functions = oneSwitch().map((fn) => ({ ...fn, command: undefined }));
    expect(outcomes({ functions })).toEqual(['direct', 'direct']);
    const noBars = oneSwitch({ '03:00.0': { bars: undefined } });
    expect(outcomes({ functions: noBars })).toEqual(['direct', 'direct']);
  });

  it('a VF decodes by a bit of its PF', () => {
    const functions = [...oneSwitch(), { at: '03:00.1', up: '02:00.0', pf: '03:00.0', command: 0x0004 }];
    expect(outcomes({ functions }, '03:00.1', '04:00.0')).toEqual(['direct', 'direct']);
  });
});

describe('laws', () => {
  it('any machine gives a route with an outcome and a reason, and the requester comes first', () => {
    fc.assert(
      fc.property(machineArbitrary, (machine) => {
        const index = new MachineIndex(machine);
        for (const { bdf: provider } of machine.functions) {
          for (const { bdf: client } of machine.functions) {
            const { write, read } = physicalRoutes(index, provider, client);
            for (const route of [write, read]) {
              expect(route.detail).not.toBe('');
              if (route.outcome !== 'blocked') {
                expect(route.hops[0]).toBe(client);
              }
              if (
                route.outcome === 'direct' ||
                route.outcome === 'redirected' ||
                route.outcome === 'root-complex'
              ) {
                expect(route.hops[route.hops.length - 1]).toBe(provider);
              }
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('hiding ACS never turns one known outcome into another', () => {
    fc.assert(
      fc.property(machineArbitrary, fc.nat(100), (machine, pick) => {
        const target = pick % machine.functions.length;
        const functions = machine.functions.map((fn, i) => (i === target ? { ...fn, acs: undefined } : fn));
        const [known, blind] = [new MachineIndex(machine), new MachineIndex({ ...machine, functions })];
        for (const { bdf: provider } of machine.functions) {
          for (const { bdf: client } of machine.functions) {
            const before = physicalRoutes(known, provider, client);
            const after = physicalRoutes(blind, provider, client);
            expect(['unknown', before.write.outcome]).toContain(after.write.outcome);
            expect(['unknown', before.read.outcome]).toContain(after.read.outcome);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('rootComplexKnowledge', () => {
  it('has Intel’s servers send peer writes on in 64 bytes, AMD’s not, and leaves the rest open (C34, C13, C14)', () => {
    const of = (vendor: 'intel' | 'amd', family: number, model?: number, isVirtual?: boolean) =>
      rootComplexKnowledge({ ...makeMachine({ functions: [] }).cpu, vendor, family, model }, isVirtual)
        .splitBytes;
    expect([0x3f, 0x4f, 0x55, 0x8f].map((model) => of('intel', 6, model))).toEqual([64, 64, 64, 64]);
    expect([of('amd', 0x17), of('amd', 0x19)]).toEqual([null, null]);
    expect([of('intel', 6, 0xc6), of('intel', 6, 0x01), of('intel', 6, 0x8f, true)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('names a source or says why there is none', () => {
    for (const family of [0x10, 0x15, 0x17, 0x19, 0x1a, 0x1b]) {
      const knowledge = rootComplexKnowledge({
        ...makeMachine({ functions: [] }).cpu,
        vendor: 'amd',
        family,
      });
      expect(knowledge.source).not.toBe('');
      expect(knowledge.writes === 'routes').toBe([0x17, 0x19, 0x1a].includes(family));
    }
  });
});
