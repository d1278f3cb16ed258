// What real users hit: facts from issue threads, as far as they give enough of a tree to be judged.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explainPair, type PairExplanation, type ReasonCode } from '../../src/advice/index.ts';
import { toBdf } from '../../src/base/index.ts';
import { rulesFor } from '../../src/p2pdma/index.ts';
import { kernelBandwidthMbps } from '../../src/rates/index.ts';
import {
  bdf,
  buildIndex,
  type FunctionSpec,
  type Kind,
  type MachineSpec,
  memoryBar,
} from '../support/machine-builder.ts';
import { hasTestdata, testdataPath } from '../support/testdata.ts';

interface CaseNode {
  readonly bdf: string;
  readonly parent: string;
  readonly kind: string;
  readonly id?: string;
  readonly acs_ctl?: Readonly<Record<string, number>>;
}

interface Expected {
  readonly pair: readonly [string, string];
  readonly map_type?: string;
  readonly distance?: number;
  readonly common?: string;
  readonly reasons?: readonly string[];
  readonly warn?: readonly string[];
  readonly acs_on?: readonly string[];
  readonly vendor_label?: string;
}

interface CaseFile {
  readonly id: string;
  readonly platform: Readonly<Record<string, string>>;
  readonly nodes: readonly CaseNode[];
  readonly expected: readonly Expected[];
}

/** Cases whose nodes give a tree. The others name no addresses, no parents, or no verdict. */
const JUDGED = [
  '5090-pair-wrx80-topology-ok-gpu-not',
  'b70-b50-two-root-ports-arrowlake',
  'b70-pex880xx-acs-off',
  'b70-pex880xx-acs-on',
  'qemu-xio3130-two-nvme',
  'rtx5880-starship-acs',
  'v340l-four-dies-acs-on',
];
/** Cases with something else to hold against: BAR sizes, link rates. */
const SPECIAL = ['pi4-a750-link-limit', 'rebar-256m-two-hosts'];

const CODE: Readonly<Record<string, ReasonCode>> = {
  acs_redirect: 'ACS_REDIRECT',
  host_bridge_not_listed: 'RC_NOT_LISTED',
  no_common_upstream_bridge: 'NO_COMMON_UPSTREAM',
  common_upstream_switch: 'DIRECT_SWITCH',
  cpu_vendor_accepted: 'THRU_HOST_BRIDGE',
  acs_redirect_with_iommu: 'ACS_REDIRECT',
  bar_smaller_than_memory: 'BAR_SMALLER_THAN_MEMORY',
};

const MAP_TYPE: Readonly<Record<string, string>> = {
  BUS_ADDR: 'bus-addr',
  THRU_HOST_BRIDGE: 'thru-host-bridge',
  NOT_SUPPORTED: 'not-supported',
};

const ACS_BITS = [
  'SrcValid',
  'TransBlk',
  'ReqRedir',
  'CmpltRedir',
  'UpstreamFwd',
  'EgressCtrl',
  'DirectTrans',
];

function acsWord(bits: Readonly<Record<string, number>>): number {
  return ACS_BITS.reduce((word, name, i) => word | ((bits[name] ?? 0) << i), 0);
}

function specOf(file: CaseFile): MachineSpec {
  const functions: FunctionSpec[] = [];
  const kinds = new Map<string, Kind>();
  const add = (fn: FunctionSpec): void => {
    if (!kinds.has(fn.at)) {
      kinds.set(fn.at, fn.kind);
      functions.push(fn);
    }
  };
  // Where the case does not name the host bridge, some client chipset that no kernel lists stands in.
  const bridgeId = file.nodes.find((node) => node.kind === 'host_bridge')?.id ?? '8086:7d00';
  add({ at: '0000:00:00.0', kind: 'host-bridge', id: bridgeId });
  for (const node of file.nodes.filter((candidate) => toBdf(candidate.bdf) !== undefined)) {
    if (node.kind === 'host_bridge') {
      continue;
    }
    const under = parentOf(node, add);
    add({
      at: node.bdf,
      kind: kindOf(node, under === undefined ? undefined : kinds.get(under)),
      ...(node.id === undefined ? {} : { id: node.id }),
      ...(under === undefined ? {} : { under }),
      ...acsOf(file, node),
      ...(node.parent.startsWith('...') ? { more: { hiddenAbove: true } } : {}),
    });
  }
  const cpu = /AMD|EPYC|Threadripper/.test(file.platform.cpu ?? '') ? 'amd-zen' : 'intel';
  return { functions, cpu, iommu: file.platform.iommu === 'on' ? 'on' : 'off' };
}

/** Root ports that a case only speaks of are made up; those of `rtx5880` redirect. */
function parentOf(node: CaseNode, add: (fn: FunctionSpec) => void): string | undefined {
  const below = node.parent.replace(/^\.\.\.below /, '');
  if (toBdf(below) !== undefined) {
    return below;
  }
  const onBus = /([0-9a-f]{2}):xx/.exec(node.parent);
  if (onBus !== null) {
    const at = `0000:${onBus[1]}:01.1`;
    add({ at, kind: 'root-port', acs: 0x1d });
    return at;
  }
  if (node.parent.includes('not given')) {
    add({ at: '0000:00:01.0', kind: 'root-port' });
    return '0000:00:01.0';
  }
  return undefined;
}

function kindOf(node: CaseNode, above: Kind | undefined): Kind {
  switch (node.kind) {
    case 'bridge':
      return above === 'switch-upstream' ? 'switch-downstream' : 'switch-upstream';
    case 'root_port':
      return 'root-port';
    case 'switch_upstream':
      return 'switch-upstream';
    case 'switch_downstream':
      return 'switch-downstream';
    default:
      return node.kind as Kind;
  }
}

/** No word in the case: no capability, but for the upstream ports of `v340l`, whose words its source does not give. */
function acsOf(file: CaseFile, node: CaseNode): Pick<FunctionSpec, 'acs'> {
  if (node.acs_ctl !== undefined) {
    return { acs: acsWord(node.acs_ctl) };
  }
  const isUnknown = file.platform.privilege !== undefined || file.id.startsWith('v340l');
  return isUnknown && node.kind !== 'gpu' ? { acs: undefined } : { acs: null };
}

function explain(file: CaseFile, expected: Expected): PairExplanation {
  const kernel = /\d+\.\d+(\.\d+)?/.exec(file.platform.kernel ?? '')?.[0] ?? '7.2.12';
  const [provider, client] = expected.pair;
  return explainPair(buildIndex(specOf(file)), rulesFor(kernel), bdf(provider), bdf(client));
}

const present = hasTestdata('data', 'topologies', 'cases');
const files: CaseFile[] = present
  ? readdirSync(testdataPath('data', 'topologies', 'cases'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(testdataPath('data', 'topologies', 'cases', name), 'utf8')))
  : [];
const fileOf = (id: string): CaseFile => files.find((file) => file.id === id)!;

describe('cases of real users', () => {
  it.skipIf(!present)('are there, and most of them give a tree', () => {
    const ids = files.map((file) => file.id);
    expect(ids).toEqual(expect.arrayContaining([...JUDGED, ...SPECIAL]));
    const rest = ids.filter((id) => !JUDGED.includes(id) && !SPECIAL.includes(id));
    console.log(`cases without enough of a tree: ${rest.join(', ')}`);
  });

  const rows = JUDGED.flatMap((id) =>
    (fileOf(id)?.expected ?? []).map((expected) => ({ id, pair: expected.pair.join(' - '), expected })),
  );

  it.skipIf(!present).each(rows)('$id: $pair', ({ id, expected }) => {
    const { verdict, reasons, letters } = explain(fileOf(id), expected);
    if (expected.map_type !== undefined) {
      expect(verdict.mapType).toBe(MAP_TYPE[expected.map_type.split(' ')[0]!]);
    }
    if (expected.distance !== undefined) {
      expect(verdict.distance).toBe(expected.distance);
    }
    if (expected.common !== undefined) {
      expect(verdict.common).toBe(expected.common);
    }
    if (expected.vendor_label !== undefined) {
      expect(letters).toBe(expected.vendor_label);
    }
    const codes = reasons.map((reason) => reason.code);
    const wanted = (expected.reasons ?? []).map((name) => CODE[name]!);
    expect(wanted).not.toContain(undefined);
    expect(codes).toEqual(
      expect.arrayContaining([...wanted, ...(expected.warn ?? []).map((name) => CODE[name]!)]),
    );
    if (wanted[0] !== undefined) {
      expect(codes[0]).toBe(wanted[0]);
    }
    if (expected.acs_on !== undefined) {
      const redirecting = reasons.filter((reason) => reason.code === 'ACS_REDIRECT');
      expect(redirecting.map((reason) => reason.at)).toEqual(expected.acs_on);
    }
  });

  it.skipIf(!present)('pairs of one card and of two cards have different first reasons (v340l)', () => {
    const file = fileOf('v340l-four-dies-acs-on');
    const first = file.expected.map((expected) => explain(file, expected).reasons[0]!.code);
    expect(first).toEqual(['ACS_REDIRECT', 'ACS_REDIRECT', 'NO_COMMON_UPSTREAM']);
  });
});

describe('a GPU on a 5 GT/s x1 port', () => {
  const spec: MachineSpec = {
    functions: [
      { at: '00:00.0', kind: 'root-port', id: '14e4:2711', link: { max: '5 x1' } },
      { at: '01:00.0', kind: 'switch-upstream', under: '00:00.0', link: { max: '16 x16', now: '5 x1' } },
      { at: '02:01.0', kind: 'switch-downstream', under: '01:00.0' },
      { at: '03:00.0', kind: 'gpu', under: '02:01.0' },
    ],
  };

  it('has 4 of its 252 Gb/s, and the port is named', () => {
    const explanation = explainPair(buildIndex(spec), rulesFor('7.2.12'), bdf('00:00.0'), bdf('03:00.0'));
    const { narrowest } = explanation;
    expect([narrowest!.upper, narrowest!.rate]).toEqual(['0000:00:00.0', { speedGTs: 5, width: 1 }]);
    expect(kernelBandwidthMbps(narrowest!.rate!)).toBe(4000);
    expect(kernelBandwidthMbps({ speedGTs: 16, width: 16 })).toBe(252_048);
    const limit = explanation.reasons.find((reason) => reason.code === 'LINK_LIMITED_BY_PORT');
    expect(limit!.at).toBe('0000:00:00.0');
    expect(explanation.reasons.map((reason) => reason.code)).not.toContain('LINK_DEGRADED');
  });
});

describe('the same GPU with BARs of 32 GiB and of 256 MiB', () => {
  const codes = (sizeBytes: number) =>
    explainPair(
      buildIndex({
        functions: [
          { at: '00:00.0', kind: 'host-bridge' },
          { at: '00:01.0', kind: 'root-port' },
          {
            at: '01:00.0',
            kind: 'gpu',
            under: '00:01.0',
            more: { bars: [memoryBar(0x10_0000_0000, sizeBytes, 1)] },
          },
          { at: '00:02.0', kind: 'root-port' },
          { at: '02:00.0', kind: 'gpu', under: '00:02.0' },
        ],
      }),
      rulesFor('7.2.12'),
      bdf('01:00.0'),
      bdf('02:00.0'),
    ).reasons.map((reason) => reason.code);

  it('is warned about on the second host only', () => {
    expect(codes(256 * 2 ** 20)).toContain('BAR_SMALLER_THAN_MEMORY');
    expect(codes(32 * 2 ** 30)).not.toContain('BAR_SMALLER_THAN_MEMORY');
  });
});
