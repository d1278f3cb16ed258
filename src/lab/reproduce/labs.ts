/** The machines and workloads of the headlines, as lab files: what a person would write to try the same. */

const HEAD = `peerlane: lab/1
iommu: off
memory: 16G
`;

/** A drive and a card with memory below two root ports of one root complex. */
function twoPorts(platform: string, stream: string): string {
  return `${HEAD}time: ${platform}
below:
  - dma-engine: card
    link: gen3 x8
  - memory: mem0
    link: gen3 x8
    bars: {0: 1G}
workload:
  duration: 1ms
  warm-up: 100us
  streams:
${stream}`;
}

/** A function writes to, or reads from, memory behind another root port. */
export function acrossRootComplex(platform: string, kind: 'dma-write' | 'dma-read'): string {
  const place = kind === 'dma-write' ? 'to' : 'from';
  return twoPorts(
    platform,
    `    - ${kind}: card
      ${place}: mem0
      block: 4K
      depth: 64
      pattern: sequential
      area: 64M
`,
  );
}

/** The same pair below one switch. */
export function belowSwitch(kind: 'dma-write' | 'dma-read'): string {
  const place = kind === 'dma-write' ? 'to' : 'from';
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
workload:
  duration: 1ms
  warm-up: 100us
  streams:
    - ${kind}: card
      ${place}: mem0
      block: 4K
      depth: 64
      pattern: sequential
      area: 64M
`;
}

/** Two cards of 16 lanes on the root ports of a Xeon E5 v4, whose root complex limits peer writes. */
export const ACROSS_XEON = `${HEAD}time: intel-xeon-bdw
below:
  - dma-engine: card
    link: gen3 x16
    max-payload: 256
  - memory: mem0
    link: gen3 x16
    max-payload: 256
    bars: {0: 1G}
workload:
  duration: 1ms
  warm-up: 100us
  streams:
    - dma-write: card
      to: mem0
      block: 4K
      depth: 64
      pattern: sequential
      area: 64M
`;

/** Pairs of drives, a switch each; in each pair one copies to the other. `via` is `auto` or `host`. */
export function pairsOfDrives(pairs: number, via: string): string {
  const switches: string[] = [];
  const streams: string[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const [from, to] = [`nvme${2 * pair}`, `nvme${2 * pair + 1}`];
    switches.push(`  - switch: sw${pair}
    link: gen3 x8
    port-link: gen3 x4
    below:
      - nvme: ${from}
        link: gen3 x4
        cmb: 128M
        media: gen3
      - nvme: ${to}
        link: gen3 x4
        cmb: 128M
        media: gen3
`);
    streams.push(`    - copy: ${from}
      to: ${to}
      via: ${via === 'auto' ? from : via}
      block: 128K
      depth: 32
      pattern: sequential
      area: 1G
`);
  }
  return `${HEAD}cpu: intel
time: {memory: {channels: 1, type: ddr4-2133}}
below:
${switches.join('')}workload:
  duration: 4ms
  warm-up: 4ms
  streams:
${streams.join('')}`;
}

/** One block at a time, through the memory of a peer or through the host, between drives whose media are fast. */
export function oneBlock(via: string): string {
  return `${HEAD}cpu: intel
below:
  - switch: sw0
    link: gen3 x8
    port-link: gen3 x4
    below:
      - nvme: nvme0
        link: gen3 x4
        cmb: 128M
        media: instant
      - nvme: nvme1
        link: gen3 x4
        media: instant
workload:
  duration: 2ms
  warm-up: 200us
  streams:
    - copy: nvme0
      to: nvme1
      via: ${via}
      block: 4K
      depth: 1
      cpu: none
`;
}

/** A network card delivers, two drives store: through the controller memory of one of them, or through system memory. */
export function offload(place: 'cmb' | 'host'): string {
  const buffer = place === 'cmb' ? 'nvme0' : 'host';
  return `${HEAD}cpu: intel
below:
  - switch: sw0
    link: gen3 x16
    port-link: gen3 x16
    below:
      - nic: nic0
        link: gen3 x16
        timing: nic-100g
      - nvme: nvme0
        link: gen3 x4
        cmb: 256M
        media: instant
      - nvme: nvme1
        link: gen3 x4
        cmb: 256M
        media: instant
workload:
  duration: 2ms
  warm-up: 500us
  streams:
    - dma-write: nic0
      to: ${buffer}
      block: 64K
      depth: 32
      pattern: sequential
      area: 16M
    - write: nvme1
      from: ${buffer}
      block: 64K
      depth: 32
      pattern: sequential
      area: 64M
`;
}
