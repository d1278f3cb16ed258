/** `peerlane sweep`: a workload over combinations of values of its lab. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, extname } from 'node:path';
import { UsageError } from '../../base/index.ts';
import { labJsonSchema, parseLab, setLabValue, workloadOf } from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { openLabFile } from '../machine-input.ts';
import { writeNewFile } from '../new-file.ts';
import { sha256 } from '../sweep/journal.ts';
import { type Sweep, sweepChart, sweepCsv, sweepJson, tableText } from '../sweep/output.ts';
import { parseSets } from '../sweep/sets.ts';
import { runSweep, type SweepParts } from '../sweep/sweep.ts';

export interface SweepCommandOptions {
  /** Of the program. */
  readonly version: string;
  /** `path=a,b,c`, each. */
  readonly set: readonly string[];
  readonly metric: string;
  readonly output?: readonly string[];
  readonly jobs?: number;
  readonly resume?: string;
  readonly log?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXIT_FAILED = 3;

const WRITERS: Readonly<Record<string, (sweep: Sweep) => string>> = {
  '.csv': sweepCsv,
  '.json': (sweep) => [...sweepJson(sweep)].join(''),
  '.svg': sweepChart,
};

/**
 * @returns 0 all points are known, 3 a point failed, 128 + n stopped by a signal
 * @throws {LabError}, {UsageError}, {HostError}
 */
export async function sweep(
  path: string,
  options: SweepCommandOptions,
  io: Io,
  parts: SweepParts = {},
): Promise<number> {
  const sets = parseSets(options.set);
  const outputs = options.output ?? [];
  checkOutputs(outputs, options.force === true);
  const { text } = openLabFile(path);
  // Before a value is put into it: what is wrong with the file itself has its own lines.
  parseLab(text, path);
  const { points, results, signalStatus } = await runSweep(
    {
      peerlane: options.version,
      labSchema: sha256(JSON.stringify(labJsonSchema())).slice(0, 12),
      label: path,
      text,
      sets,
      metric: options.metric,
      jobs: options.jobs ?? availableParallelism(),
      ...(options.resume === undefined ? {} : { resume: options.resume }),
      folder: outputs[0] === undefined ? '.' : dirname(outputs[0]),
      setValue: (before, where, value) => setLabValue(before, where, value, path),
      check: (changed) => void workloadOf(parseLab(changed, path), path),
    },
    io,
    parts,
  );
  const failed = [...results.values()].filter((result) => 'error' in result).length;
  const status = signalStatus ?? (failed > 0 ? EXIT_FAILED : 0);
  io.exitWith?.(status);
  const found: Sweep = {
    label: path,
    sets,
    points,
    results,
    metric: options.metric,
    isLogY: options.log === true,
  };
  for (const output of outputs) {
    const content = WRITERS[extname(output)]!(found);
    writeNewFile(output, new TextEncoder().encode(content), options.force === true);
  }
  if (options.json === true) {
    for (const piece of sweepJson(found)) {
      await io.out(piece);
    }
  } else {
    await io.out(tableText(found));
  }
  if (failed > 0) {
    io.err(`peerlane: ${failed} of ${results.size} points failed; their rows say why\n`);
  }
  return status;
}

/** Before anything runs: an hour of computing must not end in a file that cannot be. */
function checkOutputs(outputs: readonly string[], replace: boolean): void {
  for (const output of outputs) {
    if (WRITERS[extname(output)] === undefined) {
      throw new UsageError('USAGE_SWEEP_OUTPUT', {
        message: `-o ${output}: what it should be is told by its ending, and this is none of .csv, .json, .svg`,
        hint: 'for example -o result.csv -o result.svg',
        detail: { output },
      });
    }
    if (!replace && existsSync(output)) {
      throw new UsageError('USAGE_FILE_EXISTS', {
        message: `${output} is there already`,
        hint: 'choose another name, or --force to replace it',
        detail: { path: output },
      });
    }
  }
}
