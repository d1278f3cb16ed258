// The published expectations of the timing model, all of them, each through the function that people and simulator use.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ackLimitSymbols,
  bidirectionalWriteGoodputGBs,
  closedLoopIops,
  DEFAULT_LATENCY,
  dataCreditsToSaturate,
  deviceNamed,
  dramLoadGBs,
  dramPeakGBs,
  GPU_STAGING,
  IOMMU_PAGE_BYTES,
  type LinkSpeed,
  maxMinShares,
  netGBs,
  oneOutstandingGBs,
  overlappedStagingGBs,
  packetLatencyNs,
  packetRoundRobinGBs,
  platformNamed,
  postedCreditGoodputGBs,
  psPerByte,
  rawGBs,
  readGoodputGBs,
  readRoundTripNs,
  readTransferGoodputGBs,
  type StagedPipeline,
  serialiseNs,
  serialStagingGBs,
  speedOfGeneration,
  taggedReadGoodputGBs,
  tagsToSaturate,
  translatedGoodputGBs,
  writeGoodputGBs,
  writeTransferGoodputGBs,
} from '../../src/rates/index.ts';

interface Vector {
  readonly id: string;
  readonly desc: string;
  readonly value: number;
  readonly unit: string;
  readonly tolPct: number;
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../golden/timing-vectors.json', import.meta.url), 'utf8'),
) as { readonly vectors: readonly Vector[] };

const link = (generation: number, width: number) => ({
  speedGTs: speedOfGeneration(generation)!,
  width,
});
const g3x8 = link(3, 8);
const { cacheNs, dramNs, barMemoryNs } = DEFAULT_LATENCY;
const peerReadNs = () => readRoundTripNs([g3x8, g3x8], 512, 256, barMemoryNs);
const sharesOfW9 = (demands: readonly number[]): readonly number[] =>
  maxMinShares(
    [writeGoodputGBs(link(4, 16), 128)],
    demands.map((demand) => ({ demand, uses: [{ resource: 0, load: 1 }] })),
  ).rates;

const smallBesideLarge = (): readonly number[] =>
  packetRoundRobinGBs(netGBs(g3x8), [
    { payloadBytes: 64, overheadBytes: 24 },
    { payloadBytes: 256, overheadBytes: 24 },
  ]);

const gpuPipe = (of: LinkSpeed): StagedPipeline => {
  const hop = writeGoodputGBs(of, deviceNamed('gpu').payloadBytes!);
  return { chunkBytes: GPU_STAGING.chunkBytes, inGBs: hop, outGBs: hop, syncNs: GPU_STAGING.syncNs };
};

/** What the card of pcie-bench does without an IOMMU, as section 10 has it: reads of cold lines, writes. */
const TRANSLATED_LIMIT_GBS = { r: 3.5, w: 3.034 } as const;

const translated = (windowKiB: number, kind: 'r' | 'w'): number =>
  translatedGoodputGBs(TRANSLATED_LIMIT_GBS[kind], platformNamed('intel-xeon-bdw').iommu, {
    operation: kind === 'r' ? 'read' : 'write',
    sizeBytes: 64,
    pageBytes: IOMMU_PAGE_BYTES.small,
    windowBytes: windowKiB * 1024,
  });

const byId: Record<string, () => number> = {
  B1: () => psPerByte(link(3, 8)),
  B2: () => psPerByte(link(4, 16)),
  B3: () => psPerByte(link(5, 16)),
  R6x16: () => netGBs(link(6, 16)),
  R6x4: () => netGBs(link(6, 4)),
  W1: () => writeGoodputGBs(g3x8, 256),
  W2: () => writeGoodputGBs(g3x8, 256, { ecrc: true }),
  W3: () => writeGoodputGBs(g3x8, 256, { is64Bit: false }),
  W4: () => writeGoodputGBs(g3x8, 128),
  W5: () => writeGoodputGBs(g3x8, 512),
  W6: () => writeGoodputGBs(link(3, 4), 256),
  W7: () => writeGoodputGBs(link(3, 16), 256),
  W8: () => writeGoodputGBs(link(4, 4), 256),
  W9: () => writeGoodputGBs(link(4, 16), 128),
  W10: () => writeGoodputGBs(link(4, 16), 256),
  W11: () => writeGoodputGBs(link(4, 16), 512),
  W12: () => writeGoodputGBs(link(5, 4), 256),
  W13: () => writeGoodputGBs(link(5, 16), 256),
  W14: () => writeGoodputGBs(link(5, 16), 512),
  W15: () => writeGoodputGBs(link(2, 8), 128),
  W16: () => writeGoodputGBs(link(1, 16), 128),
  W17: () => writeGoodputGBs(link(3, 16), 64),
  Y1: () => bidirectionalWriteGoodputGBs(g3x8, 256),
  Y2: () => bidirectionalWriteGoodputGBs(link(4, 16), 128),
  Y3: () => bidirectionalWriteGoodputGBs(link(5, 16), 256),
  D1: () => readGoodputGBs(g3x8, 256),
  D2: () => readGoodputGBs(g3x8, 64),
  D3: () => readGoodputGBs(link(3, 4), 256),
  D4: () => readGoodputGBs(link(4, 4), 256),
  D5: () => readGoodputGBs(link(4, 4), 64),
  D6: () => readGoodputGBs(link(4, 16), 256),
  D7: () => readGoodputGBs(link(5, 16), 256),
  T1: () => taggedReadGoodputGBs(readGoodputGBs(link(4, 4), 256), 4, 512, 1000),
  T2: () => taggedReadGoodputGBs(readGoodputGBs(link(4, 4), 256), 8, 512, 1000),
  T3: () => taggedReadGoodputGBs(readGoodputGBs(link(4, 4), 256), 14, 512, 1000),
  T4: () => taggedReadGoodputGBs(readGoodputGBs(link(4, 4), 256), 15, 512, 1000),
  T5: () => taggedReadGoodputGBs(readGoodputGBs(link(4, 4), 256), 32, 512, 1000),
  T6: () => tagsToSaturate(readGoodputGBs(link(4, 4), 256), 512, 1000),
  T7: () => tagsToSaturate(readGoodputGBs(link(5, 16), 256), 512, 1000),
  T8: () => tagsToSaturate(readGoodputGBs(link(5, 16), 256), 4096, 1000),
  T9: () => tagsToSaturate(readGoodputGBs(link(3, 16), 256), 512, 700),
  F1: () => writeGoodputGBs(link(6, 16), 128),
  F2: () => writeGoodputGBs(link(6, 16), 256),
  F3: () => writeGoodputGBs(link(6, 16), 512),
  L1: () => serialiseNs(g3x8, 280),
  L2: () => serialiseNs(link(4, 16), 280),
  L3: () => packetLatencyNs([g3x8, g3x8], 88),
  L4: () => packetLatencyNs([g3x8, g3x8], 88, 'store-and-forward'),
  L5: () => packetLatencyNs([g3x8, g3x8], 280),
  L6: () => packetLatencyNs([g3x8, g3x8], 280, 'store-and-forward'),
  L7: () => packetLatencyNs([g3x8, link(3, 4)], 280),
  L8: () => packetLatencyNs([link(3, 4), g3x8], 280),
  L9: () => readRoundTripNs([g3x8], 64, 64, cacheNs),
  L10: () => readRoundTripNs([g3x8], 64, 64, cacheNs + dramNs),
  L11: peerReadNs,
  L12: () => taggedReadGoodputGBs(readGoodputGBs(g3x8, 256), 1, 512, peerReadNs()),
  L13: () => tagsToSaturate(readGoodputGBs(g3x8, 256), 512, peerReadNs()),
  K1: () => postedCreditGoodputGBs(16, 64, 256, 400),
  K2: () => postedCreditGoodputGBs(64, 512, 256, 400),
  K3: () => dataCreditsToSaturate(writeGoodputGBs(link(4, 16), 256), 400),
  M1: () => dramPeakGBs('ddr4-3200', 8),
  M2: () => dramPeakGBs('DDR5-4800', 12),
  M3: () => dramLoadGBs(25, 'staged'),
  M4: () => dramLoadGBs(25, 'staged', { cpuCopies: 1 }),
  M5: () => dramLoadGBs(25, 'staged', { cpuCopies: 1, isNonTemporal: true }),
  M6: () => dramLoadGBs(25, 'peer'),
  Q1: () => sharesOfW9([4, 10, 20])[2]!,
  Q2: () => sharesOfW9([4, 20, 20])[1]!,
  Q3: () => smallBesideLarge()[0]!,
  Q4: () => smallBesideLarge()[1]!,
  U1: () => overlappedStagingGBs(gpuPipe(link(4, 16))),
  U2: () => overlappedStagingGBs(gpuPipe(link(3, 16))),
  U3: () =>
    serialStagingGBs({
      chunkBytes: 1024 * 1024,
      inGBs: 3.5,
      outGBs: writeGoodputGBs(link(3, 4), 256),
      syncNs: 0,
    }),
  N1: () => closedLoopIops(16, 158_900),
  N2: () => closedLoopIops(64, 134_600, 800_000),
  N3: () => oneOutstandingGBs(64 * 1024, 22_000, 1.04),
  N4: () => oneOutstandingGBs(4096, 22_000, 1.04),
};

/** Families whose id holds the parameters: R3x8, A4x16m256, S513w, I2048r. */
function formulaOf(id: string): (() => number) | undefined {
  const raw = /^R([1-5])x(\d+)$/.exec(id);
  if (raw !== null) {
    return () => rawGBs(link(Number(raw[1]), Number(raw[2])));
  }
  const ack = /^A(\d)x(\d+)m(\d+)$/.exec(id);
  if (ack !== null) {
    return () => ackLimitSymbols(link(Number(ack[1]), Number(ack[2])), Number(ack[3]));
  }
  const sweep = /^S(\d+)([wr])$/.exec(id);
  if (sweep !== null) {
    const formula = sweep[2] === 'w' ? writeTransferGoodputGBs : readTransferGoodputGBs;
    return () => formula(g3x8, Number(sweep[1]), 256);
  }
  const iommu = /^I(\d+)([wr])$/.exec(id);
  if (iommu !== null) {
    return () => translated(Number(iommu[1]), iommu[2] === 'w' ? 'w' : 'r');
  }
  return byId[id];
}

describe('timing vectors', () => {
  it('are all 133, each once, and every formula belongs to one', () => {
    const ids = new Set(vectors.map((vector) => vector.id));
    expect(ids.size).toBe(133);
    expect(vectors.length).toBe(133);
    expect(Object.keys(byId).filter((id) => !ids.has(id))).toEqual([]);
  });

  it.each(vectors)('$id: $desc is $value $unit', (vector) => {
    const formula = formulaOf(vector.id);
    expect(formula, `no formula for ${vector.id}`).toBeDefined();
    const allowed = (Math.abs(vector.value) * vector.tolPct) / 100;
    expect(Math.abs(formula!() - vector.value)).toBeLessThanOrEqual(allowed);
  });
});
