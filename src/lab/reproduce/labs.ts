/** The machines and workloads of the headlines, as lab files: what a person would write to try the same. */

const HEAD = `peerlane: lab/1
iommu: off
memory: 16G
`;

/** Something that a stream does, and how. */
type Stream = readonly (readonly [key: string, value: string])[];

function workload(duration: string, warmUp: string, streams: readonly Stream[]): string {
  const items = streams.map((stream) =>
    stream.map(([key, value], index) => `    ${index === 0 ? '-' : ' '} ${key}: ${value}\n`).join(''),
  );
  return `workload:
  duration: ${duration}
  warm-up: ${warmUp}
  streams:
${items.join('')}`;
}

/** The card at another's memory, with so much under way that only hardware limits it. */
function cardAt(kind: 'dma-write' | 'dma-read'): string {
  return workload('1ms', '100us', [
    [
      [kind, 'card'],
      [kind === 'dma-write' ? 'to' : 'from', 'mem0'],
      ['block', '4K'],
      ['depth', '64'],
      ['pattern', 'sequential'],
      ['area', '64M'],
    ],
  ]);
}

/** A function writes to, or reads from, memory behind another root port of one root complex. */
export function acrossRootComplex(platform: string, kind: 'dma-write' | 'dma-read'): string {
  return `${HEAD}time: ${platform}
below:
  - dma-engine: card
    link: gen3 x8
  - memory: mem0
    link: gen3 x8
    bars: {0: 1G}
${cardAt(kind)}`;
}

/** Such a pair below one switch, with 16 lanes each. */
export function belowSwitch(kind: 'dma-write' | 'dma-read'): string {
  return `${HEAD}cpu: intel
below:
  - switch: sw0
    link: gen3 x16
    port-link: gen3 x16
    below:
      - dma-engine: card
        link: gen3 x16
        max-payload: 256
      - memory: mem0
        link: gen3 x16
        max-payload: 256
        bars: {0: 1G}
${cardAt(kind)}`;
}

/** The same two on the root ports of a Xeon E5 v4, whose root complex limits peer writes. */
export const ACROSS_XEON = `${HEAD}time: intel-xeon-bdw
below:
  - dma-engine: card
    link: gen3 x16
    max-payload: 256
  - memory: mem0
    link: gen3 x16
    max-payload: 256
    bars: {0: 1G}
${cardAt('dma-write')}`;

/** A drive of four lanes below a switch. */
function drive(name: string, cmb: string | null, media: string): string {
  return `      - nvme: ${name}
        link: gen3 x4
${cmb === null ? '' : `        cmb: ${cmb}\n`}        media: ${media}
`;
}

/** Pairs of drives, a switch each; in each pair one copies to the other. `via` is `auto` or `host`. */
export function pairsOfDrives(pairs: number, via: string): string {
  const all = Array.from({ length: pairs }, (_, pair) => ({
    pair,
    from: `nvme${2 * pair}`,
    to: `nvme${2 * pair + 1}`,
  }));
  const switches = all.map(
    ({ pair, from, to }) => `  - switch: sw${pair}
    link: gen3 x8
    port-link: gen3 x4
    below:
${drive(from, '128M', 'gen3')}${drive(to, '128M', 'gen3')}`,
  );
  const streams = all.map(
    ({ from, to }): Stream => [
      ['copy', from],
      ['to', to],
      ['via', via === 'auto' ? from : via],
      ['block', '128K'],
      ['depth', '32'],
      ['pattern', 'sequential'],
      ['area', '1G'],
    ],
  );
  return `${HEAD}cpu: intel
time: {memory: {channels: 1, type: ddr4-2133}}
below:
${switches.join('')}${workload('4ms', '4ms', streams)}`;
}

/** One block at a time, through the memory of a peer or through the host, between drives whose media are fast. */
export function oneBlock(via: string): string {
  const stream: Stream = [
    ['copy', 'nvme0'],
    ['to', 'nvme1'],
    ['via', via],
    ['block', '4K'],
    ['depth', '1'],
    ['cpu', 'none'],
  ];
  return `${HEAD}cpu: intel
below:
  - switch: sw0
    link: gen3 x8
    port-link: gen3 x4
    below:
${drive('nvme0', '128M', 'instant')}${drive('nvme1', null, 'instant')}${workload('2ms', '200us', [stream])}`;
}

/** A network card delivers, two drives store: through the controller memory of one of them, or through system memory. */
export function offload(place: 'cmb' | 'host'): string {
  const buffer = place === 'cmb' ? 'nvme0' : 'host';
  const large = (area: string): Stream => [
    ['block', '64K'],
    ['depth', '32'],
    ['pattern', 'sequential'],
    ['area', area],
  ];
  return `${HEAD}cpu: intel
below:
  - switch: sw0
    link: gen3 x16
    port-link: gen3 x16
    below:
      - nic: nic0
        link: gen3 x16
        timing: nic-100g
${drive('nvme0', '256M', 'instant')}${drive('nvme1', '256M', 'instant')}${workload('2ms', '500us', [
  [['dma-write', 'nic0'], ['to', buffer], ...large('16M')],
  [['write', 'nvme1'], ['from', buffer], ...large('64M')],
])}`;
}
