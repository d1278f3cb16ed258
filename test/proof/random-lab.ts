/**
 * Random lab machines, as blocks of a lab file. A block is what fast-check shrinks, so the counterexample that it prints is a
 * small lab file; what `parseLab` refuses (two devices at one address) is no machine and is drawn again.
 *
 * Small on purpose: every rule of routing shows within four levels and a dozen functions, and many small machines find more
 * than few large ones.
 */
import fc from 'fast-check';
import { type LabFile, parseLab } from '../../src/lab/index.ts';

export type Block = { readonly [key: string]: unknown };

/**
 * A change of config space after boot, of the `at`-th function (modulo their number). Bridges in D3hot and links that are
 * disabled are not among them: what is below such a bridge is no longer in the lab's machine, so that there is no pair.
 */
export interface Change {
  readonly at: number;
  readonly what: ChangeName;
}

export const CHANGES = [
  'ats',
  'ats-everywhere',
  'no-relaxed-ordering',
  'bus-master-off',
  'memory-off',
  'd3hot',
  'bridge-bus-master-off',
  'bridge-memory-off',
] as const;
export type ChangeName = (typeof CHANGES)[number];

export interface RandomLab {
  readonly block: Block;
  readonly changes: readonly Change[];
}

const ACS_LETTERS = ['SV', 'TB', 'RR', 'CR', 'UF', 'EC', 'DT'];
/** What a function of an endpoint may have (PCIe Base 6.0, 6.12.1.2). */
const FUNCTION_LETTERS = ['RR', 'CR', 'EC', 'DT'];

const acsBlock = (letters: readonly string[], numbersMax: number) =>
  fc
    .record({
      capability: fc.subarray([...letters], { minLength: 1 }),
      bits: fc.nat(2 ** letters.length - 1),
      egress: fc.uniqueArray(fc.nat(numbersMax), { maxLength: 3 }),
    })
    .map(({ capability, bits, egress }): unknown => ({
      capability: [...capability],
      control: letters.filter((letter, i) => capability.includes(letter) && ((bits >> i) & 1) === 1),
      ...(capability.includes('EC') && egress.length > 0 ? { egress: egress.map(String) } : {}),
    }));

const portAcs = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>('none', 'off', 'on', 'on', 'auto') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(['RR'], ['CR'], ['RR', 'UF'], ['UF'], ['TB', 'UF'], ['RR', 'DT']),
  },
  { weight: 3, arbitrary: acsBlock(ACS_LETTERS, 4) },
);

const functionAcs = fc.oneof(
  { weight: 3, arbitrary: fc.constant<unknown>('none') },
  { weight: 2, arbitrary: acsBlock(FUNCTION_LETTERS, 3) },
);

/** 2 MiB is the least that the kernel registers (5.3 and later). */
const MEMORY_BAR = fc.constantFrom<Block>(
  { 0: '2M' },
  { 0: '4M 32-bit' },
  { 2: '2M' },
  { 0: '2M 64-bit non-prefetchable' },
);

const endpointFields = fc.record({
  kind: fc.constantFrom('memory', 'memory', 'memory', 'dma-engine', 'generic'),
  bars: MEMORY_BAR,
  acs: functionAcs,
  ats: fc.constantFrom('yes', 'no'),
  relaxed: fc.constantFrom('yes', 'no'),
  vfs: fc.constantFrom(0, 0, 0, 1, 2),
});

interface EndpointFields {
  readonly kind: string;
  readonly bars: Block;
  readonly acs: unknown;
  readonly ats: string;
  readonly relaxed: string;
  readonly vfs: number;
}

function endpointBlock(fields: EndpointFields, more: Block, isConventional: boolean): Block {
  const { kind, bars, acs, ats, relaxed, vfs } = fields;
  return {
    [kind]: null,
    ...(kind === 'dma-engine' ? {} : { bars }),
    ...(isConventional ? {} : { acs, ats }),
    'relaxed-ordering': relaxed,
    ...(vfs > 0 && kind === 'memory' && !isConventional
      ? { 'sr-iov': { vfs: String(vfs), offset: '4', bars: { 0: '2M' } } }
      : {}),
    ...more,
  };
}

/** One card: a device of one function or several. */
const card = fc
  .array(endpointFields, { minLength: 1, maxLength: 3 })
  .map((functions): unknown[] =>
    functions.map((fields, i) =>
      endpointBlock({ ...fields, vfs: i === 0 ? fields.vfs : 0 }, i === 0 ? {} : { at: `.${i}` }, false),
    ),
  );
const single = endpointFields.map((fields): unknown[] => [endpointBlock(fields, {}, false)]);
const conventional = fc
  .array(endpointFields, { minLength: 1, maxLength: 3 })
  .map((all): unknown[] => [
    { 'pci-bridge': null, below: all.map((fields) => endpointBlock(fields, {}, true)) },
  ]);

function slot(depth: number): fc.Arbitrary<unknown[]> {
  const leaves = [
    { weight: 4, arbitrary: single },
    { weight: 3, arbitrary: card },
    { weight: 1, arbitrary: conventional },
  ];
  return depth === 0
    ? fc.oneof(...leaves)
    : fc.oneof({ weight: 3, arbitrary: single }, ...leaves.slice(1), {
        weight: depth === 2 ? 9 : 3,
        arbitrary: switchBlock(depth - 1),
      });
}

function switchBlock(depth: number): fc.Arbitrary<unknown[]> {
  return fc
    .record({
      upstreamAcs: fc.oneof({ weight: 5, arbitrary: fc.constant<unknown>('none') }, portAcs),
      ports: fc.array(fc.record({ acs: portAcs, below: slot(depth) }), { minLength: 1, maxLength: 3 }),
    })
    .map(({ upstreamAcs, ports }): unknown[] => [
      { switch: null, 'upstream-acs': upstreamAcs, below: ports.map((port) => ({ port: null, ...port })) },
    ]);
}

const rootPort = fc
  .record({ acs: portAcs, below: slot(2) })
  .map((port): Block => ({ 'root-port': null, ...port }));
const integrated: fc.Arbitrary<EndpointFields[]> = fc
  .array(endpointFields, { minLength: 1, maxLength: 2 })
  .map((functions) => functions.map((fields) => ({ ...fields, vfs: 0 })));

/** The root bus: ports, and integrated devices at fixed numbers out of their way. */
const rootBus = fc
  .record({
    ports: fc.array(rootPort, { minLength: 1, maxLength: 2 }),
    integrated: fc.oneof(
      { weight: 2, arbitrary: fc.constant<EndpointFields[]>([]) },
      { weight: 1, arbitrary: integrated },
    ),
  })
  .map(({ ports, integrated: functions }): unknown[] => [
    ...ports.map((port, i) => ({ ...port, at: `0${i + 1}.0` })),
    ...functions.map((fields, i) => endpointBlock(fields, { integrated: 'yes', at: `10.${i}` }, false)),
  ]);

const POLICIES = ['routes', 'routes', 'routes', 'writes-only', 'none'];

const hostBridge = fc.record({
  identity: fc.constantFrom('8086:2020', '8086:2f00', '8086:1237', '1022:1450', 'none'),
  peers: fc.constantFrom(...POLICIES),
  'peers-across': fc.constantFrom(...POLICIES),
  'numa-node': fc.constantFrom('0', '1'),
  below: rootBus,
});

const CPUS: readonly Block[] = [
  { vendor: 'intel', family: '6', model: '85' },
  { vendor: 'intel', family: '6', model: '63' },
  { vendor: 'intel', family: '6', model: '198' },
  { vendor: 'intel', family: '6', model: '1' },
  { vendor: 'amd', family: '25' },
  { vendor: 'amd', family: '23' },
  { vendor: 'amd', family: '21' },
  { vendor: 'hygon' },
  { vendor: 'arm' },
];
const KERNELS = [
  '4.20',
  '5.3.1',
  '5.4',
  '5.8.1',
  '5.12.9',
  '5.17',
  '6.1.10',
  '6.12',
  '7.2.12',
  '7.2.12',
  '7.3.4',
];

export const randomLab: fc.Arbitrary<RandomLab> = fc.record({
  block: fc
    .record({
      seed: fc.nat(1000).map(String),
      kernel: fc.constantFrom(...KERNELS),
      cpu: fc.constantFrom(...CPUS),
      sockets: fc.constantFrom('1', '2'),
      iommu: fc.constantFrom('off', 'off', 'passthrough', 'translated'),
      bridges: fc.array(hostBridge, { minLength: 1, maxLength: 2 }),
    })
    .map(({ seed, kernel, cpu, sockets, iommu, bridges }) => ({
      peerlane: 'lab/1',
      seed,
      kernel,
      cpu: { ...cpu, sockets },
      iommu,
      memory: ['64M', '64M'],
      'host-bridges': bridges.map((bridge) => ({ ...bridge, 'window-32': '256M', 'window-64': '1G' })),
    })),
  changes: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Change[]>([]) },
    { weight: 1, arbitrary: fc.constant([{ at: 0, what: 'ats-everywhere' as const }]) },
    {
      weight: 2,
      arbitrary: fc.array(fc.record({ at: fc.nat(40), what: fc.constantFrom(...CHANGES) }), { maxLength: 3 }),
    },
  ),
});

/** The lab of a block. JSON is YAML. @throws LabError for what is no machine */
export function labOf(block: Block): LabFile {
  return parseLab(JSON.stringify(block), 'random.yaml');
}
