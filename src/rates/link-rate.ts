/** What a link carries: raw byte rate, and what is left for packets (PCIe Base 6.0, 4.2). */
import { InputError } from '../base/index.ts';

/** A trained link. `speedGTs` is 2.5, 5, 8, 16, 32 or 64; `width` is in lanes. */
export interface LinkSpeed {
  readonly speedGTs: number;
  readonly width: number;
}

/** How the bits of a generation are coded. The share is a fraction of the line rate. */
interface Coding {
  readonly generation: number;
  readonly speedGTs: number;
  /** Numerator and denominator of the line code: 8b/10b, 128b/130b, or 1/1. */
  readonly codedBits: number;
  readonly lineBits: number;
  /** Fixed-size flits instead of framed packets. */
  readonly isFlit: boolean;
}

const CODINGS: readonly Coding[] = [
  { generation: 1, speedGTs: 2.5, codedBits: 8, lineBits: 10, isFlit: false },
  { generation: 2, speedGTs: 5, codedBits: 8, lineBits: 10, isFlit: false },
  { generation: 3, speedGTs: 8, codedBits: 128, lineBits: 130, isFlit: false },
  { generation: 4, speedGTs: 16, codedBits: 128, lineBits: 130, isFlit: false },
  { generation: 5, speedGTs: 32, codedBits: 128, lineBits: 130, isFlit: false },
  { generation: 6, speedGTs: 64, codedBits: 1, lineBits: 1, isFlit: true },
];

/** One SKP ordered set of 4 symbols every 1538 symbols, in each direction, up to 32 GT/s. */
export const SKP_SHARE = 4 / 1538;

/** A flit has 256 bytes, of which 236 hold packets; the rest is 6 DLLP, 8 CRC, 6 FEC. */
export const FLIT_BYTES = 256;
export const FLIT_TLP_BYTES = 236;

/** What forward error correction of a flit adds to the latency of a link. From memory, not from a source. */
const FLIT_FEC_NS = 2;

/** Above it a link would be trained again and not go on. [our choice] */
const REPLAY_SHARE_MAX = 0.5;

function codingOf(speedGTs: number): Coding {
  const coding = CODINGS.find((row) => row.speedGTs === speedGTs);
  if (coding === undefined) {
    throw new InputError('INPUT_LINK_SPEED', {
      message: `${speedGTs} GT/s is not a PCI Express link speed`,
      hint: 'known speeds: 2.5, 5, 8, 16, 32, 64 GT/s',
      detail: { speedGTs },
    });
  }
  return coding;
}

/** True for the speeds that the formulas know. */
export function isKnownLinkSpeed(speedGTs: number): boolean {
  return CODINGS.some((row) => row.speedGTs === speedGTs);
}

/** 1 to 6. @throws {InputError} INPUT_LINK_SPEED */
export function generationOf(speedGTs: number): number {
  return codingOf(speedGTs).generation;
}

/** GT/s of a generation, 1 to 6; undefined for any other number. */
export function speedOfGeneration(generation: number): number | undefined {
  return CODINGS.find((row) => row.generation === generation)?.speedGTs;
}

/** Flit mode: always at 64 GT/s, never assumed below it. @throws {InputError} INPUT_LINK_SPEED */
export function isFlitLink(link: LinkSpeed): boolean {
  return codingOf(link.speedGTs).isFlit;
}

/**
 * Bytes per nanosecond (GB/s) of one direction after the line code: latency terms use this.
 * At 64 GT/s these are all bytes of the flits.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function rawGBs(link: LinkSpeed): number {
  const coding = codingOf(link.speedGTs);
  return (link.speedGTs * coding.codedBits * link.width) / (coding.lineBits * 8);
}

/**
 * GB/s of one direction that packets can use, their own overhead included: after SKP ordered sets, or the packet
 * bytes of the flits. Occupancy and goodput use this.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function netGBs(link: LinkSpeed): number {
  const raw = rawGBs(link);
  return codingOf(link.speedGTs).isFlit ? (raw * FLIT_TLP_BYTES) / FLIT_BYTES : raw * (1 - SKP_SHARE);
}

/** Picoseconds that one byte occupies the link. @throws {InputError} INPUT_LINK_SPEED */
export function psPerByte(link: LinkSpeed): number {
  return 1000 / rawGBs(link);
}

/** Nanoseconds to serialise `bytes` on an idle link. @throws {InputError} INPUT_LINK_SPEED */
export function serialiseNs(link: LinkSpeed, bytes: number): number {
  return bytes / rawGBs(link);
}

/**
 * What flits add to the latency of one link, in nanoseconds: a packet may wait until its flit is full, and the errors of a flit
 * are corrected. 0 without flits.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function flitNs(link: LinkSpeed): number {
  return codingOf(link.speedGTs).isFlit ? FLIT_BYTES / rawGBs(link) + FLIT_FEC_NS : 0;
}

/** Share of packets of `wireBytes` that have to be sent again at this bit error rate, at most one half. */
export function replayShare(wireBytes: number, bitErrorRate: number): number {
  return Math.min(REPLAY_SHARE_MAX, 8 * wireBytes * bitErrorRate);
}

/**
 * Megabits per second as the kernel prints them in "available PCIe bandwidth": whole megabits per lane, times lanes.
 * Its rate for 64 GT/s is that of the line (Linux drivers/pci/pci.h, the speed table of pcie_bandwidth_available()).
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function kernelBandwidthMbps(link: LinkSpeed): number {
  const coding = codingOf(link.speedGTs);
  return Math.floor((link.speedGTs * 1000 * coding.codedBits) / coding.lineBits) * link.width;
}
