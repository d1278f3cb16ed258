/**
 * What the founding texts of peer-to-peer DMA in Linux claim, and what the simulated machine does on the spot.
 *
 * `preset`: a constant of the machine was set from this very number, so that it comes out is no evidence. `predicted`: it
 * follows from the model.
 */
import type { WorkloadReport } from '../workload/index.ts';
import { ACROSS_XEON, acrossRootComplex, belowSwitch, offload, oneBlock, pairsOfDrives } from './labs.ts';

export interface Headline {
  readonly id: string;
  /** What was claimed, in our words. */
  readonly claim: string;
  readonly source: string;
  /** The number, with its unit. */
  readonly claimed: string;
  readonly basis: 'predicted' | 'preset';
  /** Lab files to run, in order. */
  readonly labs: readonly string[];
  /** What the reports say, and whether the claim holds. */
  readonly judge: (reports: readonly WorkloadReport[]) => {
    readonly simulated: string;
    readonly holds: boolean;
  };
}

const IOPMEM = 'S. Bates, [PATCH 0/3] iopmem: A block device for PCIe memory, 2016-10-18';
const P2PDMA = 'L. Gunthorpe, Copy Offload in NVMe Fabrics with P2P PCI Memory, 2018';

function gbs(value: number): string {
  return `${value.toFixed(2)} GB/s`;
}

function isNear(value: number, claimed: number, share: number): boolean {
  return Math.abs(value / claimed - 1) <= share;
}

function medianNs(report: WorkloadReport): number {
  return report.streams[0]?.latency?.p50Ns ?? Number.NaN;
}

const PAIRS = [1, 2, 4] as const;

export const HEADLINES: readonly Headline[] = [
  {
    id: 'iopmem-write',
    claim: 'peer writes on consumer hardware reach 4 GB/s',
    source: IOPMEM,
    claimed: '4.0 GB/s',
    basis: 'preset',
    labs: [acrossRootComplex('consumer-2016', 'dma-write')],
    judge: ([report]) => ({
      simulated: gbs(report!.goodputGBs),
      holds: isNear(report!.goodputGBs, 4, 0.2),
    }),
  },
  {
    id: 'iopmem-read',
    claim: 'peer reads on the same hardware reach 1.2 GB/s',
    source: IOPMEM,
    claimed: '1.2 GB/s',
    basis: 'preset',
    labs: [acrossRootComplex('consumer-2016', 'dma-read')],
    judge: ([report]) => ({
      simulated: gbs(report!.goodputGBs),
      holds: isNear(report!.goodputGBs, 1.2, 0.25),
    }),
  },
  {
    id: 'iopmem-dram',
    claim: 'the memory bandwidth of the processor is untouched; staged transfers use it',
    source: IOPMEM,
    claimed: '0 bytes in DRAM',
    basis: 'predicted',
    labs: [pairsOfDrives(1, 'auto'), pairsOfDrives(1, 'host')],
    judge: ([peer, host]) => {
      const per = (report: WorkloadReport): number =>
        report.dramBytes /
        Math.max(
          1,
          report.streams.reduce((sum, { bytes }) => sum + bytes, 0),
        );
      return {
        simulated: `${peer!.dramBytes} bytes in DRAM; staged ${per(host!).toFixed(2)} for each byte`,
        holds: peer!.dramBytes === 0 && per(host!) >= 1.9,
      };
    },
  },
  {
    id: 'switch-write',
    claim: 'below one switch peers reach the rate of the link',
    source: P2PDMA,
    claimed: 'link rate (14.37 GB/s for Gen3 x16)',
    basis: 'predicted',
    labs: [belowSwitch('dma-write'), belowSwitch('dma-read')],
    judge: ([write, read]) => ({
      simulated: `writes ${gbs(write!.goodputGBs)}, reads ${gbs(read!.goodputGBs)}`,
      holds: isNear(write!.goodputGBs, 14.37, 0.03),
    }),
  },
  {
    id: 'root-complex',
    claim: 'a root complex passes less than a switch: 7.1 GB/s of peer writes on a Xeon E5 v4',
    source: 'NVIDIA developer forum, thread 55564 (Xeon E5-2650 v4, three drives to a GPU)',
    claimed: '7.1 GB/s',
    basis: 'preset',
    labs: [ACROSS_XEON, belowSwitch('dma-write')],
    judge: ([root, below]) => ({
      simulated: `${gbs(root!.goodputGBs)}; below a switch ${gbs(below!.goodputGBs)}`,
      holds: isNear(root!.goodputGBs, 7.1, 0.1) && below!.goodputGBs > root!.goodputGBs,
    }),
  },
  {
    id: 'scaling',
    claim: 'throughput grows with every device behind a switch of its own; through the host it does not',
    source: P2PDMA,
    claimed: 'linear',
    basis: 'predicted',
    labs: [...PAIRS.map((n) => pairsOfDrives(n, 'auto')), ...PAIRS.map((n) => pairsOfDrives(n, 'host'))],
    judge: (reports) => {
      const peer = reports.slice(0, PAIRS.length).map(({ goodputGBs }) => goodputGBs);
      const host = reports.slice(PAIRS.length).map(({ goodputGBs }) => goodputGBs);
      return {
        simulated: `peer ${peer.map((one) => one.toFixed(1)).join(', ')} GB/s for ${PAIRS.join(', ')} pairs; host ${host
          .map((one) => one.toFixed(1))
          .join(', ')}`,
        holds: isNear(peer.at(-1)!, 4 * peer[0]!, 0.05) && peer.at(-1)! >= host.at(-1)!,
      };
    },
  },
  {
    id: 'latency',
    claim: 'latency is lower than through system memory',
    source: P2PDMA,
    claimed: 'lower',
    basis: 'predicted',
    labs: [oneBlock('nvme0'), oneBlock('host')],
    judge: ([peer, host]) => ({
      simulated: `4 KiB copied in ${(medianNs(peer!) / 1000).toFixed(2)} us; bounced ${(medianNs(host!) / 1000).toFixed(2)} us`,
      holds: medianNs(peer!) < medianNs(host!),
    }),
  },
  {
    id: 'offload',
    claim: 'the offload of the NVMe target may cost throughput: one drive lends the memory for all',
    source: 'Linux, drivers/nvme/target: the p2pmem attribute; L. Gunthorpe 2018',
    claimed: 'possibly lower',
    basis: 'predicted',
    labs: [offload('cmb'), offload('host')],
    judge: ([peer, host]) => ({
      simulated: `into the drive's memory ${gbs(peer!.streams[0]!.goodputGBs)}, into system memory ${gbs(host!.streams[0]!.goodputGBs)}; DRAM ${peer!.dramBytes} against ${host!.dramBytes} bytes`,
      holds: peer!.streams[0]!.goodputGBs < host!.streams[0]!.goodputGBs && peer!.dramBytes === 0,
    }),
  },
];
