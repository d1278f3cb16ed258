// The published expectations of the timing model, as far as they are closed forms (link rates to credits).
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ackLimitSymbols,
  bidirectionalWriteGoodputGBs,
  DEFAULT_LATENCY,
  dataCreditsToSaturate,
  netGBs,
  packetLatencyNs,
  postedCreditGoodputGBs,
  psPerByte,
  rawGBs,
  readGoodputGBs,
  readRoundTripNs,
  readTransferGoodputGBs,
  serialiseNs,
  speedOfGeneration,
  taggedReadGoodputGBs,
  tagsToSaturate,
  writeGoodputGBs,
  writeTransferGoodputGBs,
} from '../../src/rates/index.ts';
import { hasTestdata, testdataPath } from '../support/testdata.ts';

interface Vector {
  readonly id: string;
  readonly value: number;
  readonly tolPct: number;
}

const link = (generation: number, width: number) => ({
  speedGTs: speedOfGeneration(generation)!,
  width,
});
const g3x8 = link(3, 8);
const { cacheNs, dramNs, barMemoryNs } = DEFAULT_LATENCY;
const peerReadNs = () => readRoundTripNs([g3x8, g3x8], 512, 256, barMemoryNs);

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
};

/** Families whose id holds the parameters: R3x8, A4x16m256, S513w. */
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
  return byId[id];
}

// Ids of the sections that are not closed forms of one path: IOMMU, DRAM, sharing, bounce buffers, NVMe.
const ELSEWHERE = /^[IMQUN]\d/;

// Enough of the file typed in, so that this suite never passes for want of data.
const TYPED_IN: readonly Vector[] = [
  { id: 'R3x8', value: 7.876923, tolPct: 0.01 },
  { id: 'B1', value: 126.953125, tolPct: 0.001 },
  { id: 'A3x8m256', value: 203, tolPct: 0 },
  { id: 'W1', value: 7.183028, tolPct: 0.001 },
  { id: 'Y1', value: 7.112075, tolPct: 0.001 },
  { id: 'D2', value: 5.985857, tolPct: 0.001 },
  { id: 'T9', value: 20, tolPct: 0 },
  { id: 'F2', value: 111.058824, tolPct: 0.001 },
  { id: 'S513w', value: 6.85434, tolPct: 0.001 },
  { id: 'L11', value: 687.125, tolPct: 0 },
  { id: 'K3', value: 719, tolPct: 0 },
];

function check(vector: Vector): void {
  const formula = formulaOf(vector.id);
  expect(formula, `no formula for ${vector.id}`).toBeDefined();
  const allowed = (Math.abs(vector.value) * vector.tolPct) / 100;
  expect(Math.abs(formula!() - vector.value)).toBeLessThanOrEqual(allowed);
}

describe('timing vectors typed in', () => {
  it.each(TYPED_IN)('$id is $value', check);
});

describe('timing vectors', () => {
  const present = hasTestdata('spec', 'timing-vectors.json');
  const vectors: Vector[] = present
    ? (JSON.parse(readFileSync(testdataPath('spec', 'timing-vectors.json'), 'utf8')).vectors as Vector[])
    : [];
  const closedForms = vectors.filter((vector) => !ELSEWHERE.test(vector.id));

  it.skipIf(!present)('cover every closed form, and each formula is used', () => {
    expect(closedForms.length).toBeGreaterThanOrEqual(100);
    const ids = new Set(closedForms.map((vector) => vector.id));
    expect(Object.keys(byId).filter((id) => !ids.has(id))).toEqual([]);
  });

  it.skipIf(!present).each(closedForms)('$id is $value', check);
});
