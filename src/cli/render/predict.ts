/** Predictions for people and as JSON: every limit with its formula, and the short form that `check` prints. */
import type { BouncedPrediction, PredictedDirection, PredictedTerm, Prediction } from '../../advice/index.ts';
import { padEnd, printable, type Style, wrap } from './style.ts';
import { formatNs } from './transfer.ts';

const WIDTH = 110;
const NAME_WIDTH = 10;

/** Both directions in full. */
export function* predictionLines(prediction: Prediction, style: Style): Generator<string> {
  const { platform, platformBasis, platformNote, isThroughRoot, isOtherSocket, arePayloadsKnown } =
    prediction;
  yield field('platform', `${platform} (${platformBasis}): ${platformNote}`);
  const way = isThroughRoot
    ? `through the root complex${isOtherSocket ? ', to another socket' : ''}`
    : 'without the root complex';
  yield field('way', way);
  if (!arePayloadsKnown) {
    yield field('sizes', '128 B, the least that every function takes: the registers could not be read');
  }
  for (const each of [prediction.write, prediction.read]) {
    yield '';
    yield style.bold(
      each.operation === 'write' ? 'the client writes into the memory' : 'the client reads from the memory',
    );
    yield* directionLines(each, prediction.usable, style);
  }
}

function* directionLines(
  direction: PredictedDirection,
  usable: boolean | null,
  style: Style,
): Generator<string> {
  const { bounced } = direction;
  if (direction.why !== null) {
    yield field(
      '',
      direction.isPossible === false ? style.bad(printable(direction.why)) : printable(direction.why),
    );
  }
  yield* termLines(direction.terms, direction.limit);
  if (direction.goodputGBs !== null) {
    const asked =
      usable === true ? '' : usable === false ? ', if the kernel allowed it' : ', if the kernel allows it';
    yield field(
      'p2p',
      `${style.good(`${rate(direction.goodputGBs)}`)}${asked}; 64 B in ${formatNs(direction.smallNs!)}; no memory traffic`,
    );
  }
  for (const text of direction.leftOut) {
    yield field('not in it', printable(text));
  }
  yield field('', style.dim('bounced through system memory:'));
  yield* termLines(bounced.terms, bounced.limit);
  yield field('bounced', bouncedText(bounced));
  if (direction.goodputGBs !== null && bounced.goodputGBs !== null) {
    yield field('ratio', `${(direction.goodputGBs / bounced.goodputGBs).toFixed(2)} times`);
  }
}

function* termLines(terms: readonly PredictedTerm[], limit: string | null): Generator<string> {
  for (const { what, goodputGBs, formula } of terms) {
    const mark = what === limit ? '<' : ' ';
    const text = Number.isFinite(goodputGBs) ? goodputGBs.toFixed(3).padStart(9) : '  no limit';
    yield `    ${text} ${mark} ${wrap(printable(`${what}: ${formula}`), WIDTH - 16, ' '.repeat(16))}`;
  }
}

function bouncedText({ goodputGBs, smallNs, dramGBs, dramShare, isAbsorbed }: BouncedPrediction): string {
  if (goodputGBs === null) {
    return 'not known: the rate of a link is missing';
  }
  const memory = isAbsorbed
    ? 'memory traffic stays in the cache'
    : `${rate(dramGBs!)} of memory traffic, ${((dramShare ?? 0) * 100).toFixed(0)} % of what it delivers`;
  return `${rate(goodputGBs)}; 64 B in ${formatNs(smallNs!)}; ${memory}`;
}

function rate(value: number): string {
  return `${value.toFixed(2)} GB/s`;
}

function field(name: string, text: string): string {
  return `  ${padEnd(name, NAME_WIDTH)}${text}`;
}

/** `expected  write 3.59 GB/s p2p, 3.40 bounced; read 2.80 GB/s p2p, 2.80 bounced`. */
export function* shortPrediction({ write, read, platform }: Prediction): Generator<string> {
  if (write.bounced.goodputGBs === null && write.goodputGBs === null && read.goodputGBs === null) {
    return;
  }
  const one = ({ operation, goodputGBs, bounced }: PredictedDirection): string => {
    const peer = goodputGBs === null ? 'none' : rate(goodputGBs);
    const other = bounced.goodputGBs === null ? 'unknown' : rate(bounced.goodputGBs);
    return `${operation} ${peer} p2p, ${other} bounced`;
  };
  yield `expected  ${one(write)}; ${one(read)} (${platform}; \`predict\` has the terms)`;
}

export function shortPredictionJson(prediction: Prediction): Record<string, unknown> {
  const one = ({ goodputGBs, limit, bounced }: PredictedDirection) => ({
    goodputGBs,
    limit,
    bouncedGBs: bounced.goodputGBs,
  });
  return {
    provider: prediction.provider,
    client: prediction.client,
    platform: prediction.platform,
    write: one(prediction.write),
    read: one(prediction.read),
  };
}

/** The part of `peerlane/predict/1` that is the prediction. JSON has no infinity: a term without limit is null. */
export function predictionJson(prediction: Prediction): Record<string, unknown> {
  const { explanation: _, ...rest } = prediction;
  return { ...rest, write: directionJson(prediction.write), read: directionJson(prediction.read) };
}

function directionJson(direction: PredictedDirection): Record<string, unknown> {
  const { bounced, goodputGBs } = direction;
  return {
    ...direction,
    terms: termsJson(direction.terms),
    bounced: { ...bounced, terms: termsJson(bounced.terms) },
    ratio: goodputGBs === null || bounced.goodputGBs === null ? null : goodputGBs / bounced.goodputGBs,
  };
}

function termsJson(terms: readonly PredictedTerm[]): readonly Record<string, unknown>[] {
  return terms.map((term) => ({
    ...term,
    goodputGBs: Number.isFinite(term.goodputGBs) ? term.goodputGBs : null,
  }));
}
