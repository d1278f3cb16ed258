// Every calibration row beside what the simulator says: predicted, measured, error, band. `npm run validate -- C13` runs one row.
//
// SET: the metric determined a constant and is not counted. PRESET: the row defines a preset and is printed only.
// Last line: IN BAND n/m; exit status 1 below 90 %.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const golden = new URL('test/golden/timing/', root);
const build = spawnSync(process.execPath, ['scripts/build.mjs'], {
  cwd: fileURLToPath(root),
  stdio: 'inherit',
});
if (build.status !== 0) process.exit(build.status ?? 1);
const [lab, { noTurn }, { score, validate }] = await Promise.all([
  import(new URL('dist/lab/index.js', root).href),
  import(new URL('dist/fabric/index.js', root).href),
  import('./validate/rows.mjs'),
]);
const json = (name) => JSON.parse(readFileSync(new URL(name, golden), 'utf8'));
const [filter] = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const isVerbose = process.argv.includes('--why');

const shown = (value) =>
  value === null ? '-' : Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4);
const signed = (value) => (value === null ? '' : `${value < 0 ? '' : '+'}${value.toFixed(1)} %`);
const line = (cells) =>
  `${cells[0].padEnd(4)} ${cells[1].padEnd(27)} ${cells[2].padStart(9)} ${cells[3].padStart(9)} ${cells[4].padEnd(5)} ${cells[5].padStart(9)} ${cells[6].padStart(7)}  ${cells[7]}`;

console.log(`calibration rows of ${fileURLToPath(golden)}, packet by packet`);
console.log(line(['row', 'metric', 'predicted', 'measured', 'unit', 'error', 'band', '']));
const results = await validate(
  { ...lab, noTurn },
  {
    rows: json('rows.json'),
    calibration: json('perf-calibration.json'),
    read: (file) => readFileSync(new URL(file, golden), 'utf8'),
    ...(filter === undefined ? {} : { only: new RegExp(filter) }),
  },
  ({ id, name, predicted, measured, unit, errorPercent, bandPercent, mark, why }) =>
    console.log(
      line([
        id,
        name,
        shown(predicted),
        shown(measured),
        unit,
        signed(errorPercent),
        `${bandPercent} %`,
        why !== '' && (isVerbose || mark === 'SET' || mark === 'NOT MODELLED') ? `${mark} (${why})` : mark,
      ]).trimEnd(),
    ),
);
const { inBand, counted } = score(results);
const isEnough = counted > 0 && inBand >= 0.9 * counted;
console.log(`IN BAND ${inBand}/${counted}`);
process.exitCode = isEnough ? 0 : 1;
