// The calibration rows as `npm run validate` runs them. What the model predicts is held in test/golden/timing/table.json, so that a
// change of the model shows as a diff to be read; `PEERLANE_UPDATE=1 npx vitest run test/lab/validate` writes it anew.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Result, score, validate } from '../../../scripts/validate/rows.mjs';
import { noTurn } from '../../../src/fabric/index.ts';
import * as lab from '../../../src/lab/index.ts';

const golden = new URL('../../golden/timing/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, golden), 'utf8');

interface Row {
  readonly id: string;
  readonly metrics: readonly { readonly name: string }[];
}
const calibration = JSON.parse(read('perf-calibration.json')) as readonly Row[];
const rows = JSON.parse(read('rows.json')) as Record<string, { readonly metrics: object }>;

/** Significant digits that are held: what a computer may not differ in is all of them, what a reader looks at is four. */
const DIGITS = 6;
const held = (value: number | null): number | null =>
  value === null ? null : Number(value.toPrecision(DIGITS));

describe('the calibration rows', () => {
  it('are all described, metric by metric', () => {
    for (const { id, metrics } of calibration) {
      expect(Object.keys(rows[id]?.metrics ?? {}), id).toEqual(metrics.map(({ name }) => name));
    }
  });

  it('have a lab file each', () => {
    const files = readdirSync(golden);
    expect(calibration.filter(({ id }) => !files.includes(`${id}.yaml`))).toEqual([]);
  });

  it('are predicted as the golden table says, nine of ten in band', { timeout: 120_000 }, async () => {
    const results = await validate({ ...lab, noTurn }, { rows, calibration, read });
    const table = results.map(
      ({ id, name, predicted, measured, unit, errorPercent, bandPercent, mark }: Result) => ({
        metric: `${id} ${name}`,
        predicted: held(predicted),
        measured,
        unit,
        errorPercent: errorPercent === null ? null : Math.round(errorPercent * 10) / 10 || 0,
        bandPercent,
        mark,
      }),
    );
    const { inBand, counted } = score(results);
    const text = `[\n${table.map((line) => `  ${JSON.stringify(line)}`).join(',\n')}\n]\n`;
    if (process.env.PEERLANE_UPDATE === '1') {
      writeFileSync(new URL('table.json', golden), text);
    }
    expect(table).toEqual(JSON.parse(read('table.json')));
    expect(inBand / counted, `in band ${inBand} of ${counted}`).toBeGreaterThanOrEqual(0.9);
  });
});
