/**
 * From the text of a job file to jobs: defaults, `[global]`, and one typed value for each option.
 *
 * Pure: nothing is opened, and percentages stay percentages until a target is known (`plan.ts`). The subset is the table of
 * `options.ts`; anything else is an error with its line.
 */

import { DEFAULTS, type Draft, type FioJob, IGNORED_CHECKS, SETTERS } from './job-options.ts';
import { type FioOptionLine, type FioSection, problemAt, readSections } from './job-text.ts';
import { findFioOption, usedFioOptions } from './options.ts';

/** An option that was accepted and has no effect. */
export interface FioIgnored {
  readonly key: string;
  readonly line: number;
  readonly why: string;
}

export interface FioJobFile {
  readonly jobs: readonly FioJob[];
  /** As written in `[global]`. */
  readonly globalOptions: Readonly<Record<string, string>>;
  readonly ignored: readonly FioIgnored[];
}

const JOBS_MAX = 4096;
/**
 * @param file  for messages
 * @throws {FioError} FIO_SYNTAX, FIO_UNKNOWN_OPTION, FIO_UNSUPPORTED, FIO_VALUE, FIO_NO_JOBS, FIO_TOO_LARGE; the message starts
 *         with file and line
 */
export function parseFioJobs(text: string, file: string): FioJobFile {
  const ignored: FioIgnored[] = [];
  const jobs: FioJob[] = [];
  let globals: Draft = { ...DEFAULTS };
  let globalOptions: Record<string, string> = {};
  for (const section of readSections(text, file)) {
    if (section.name === 'global') {
      globals = applyAll(globals, section, file, ignored);
      globalOptions = { ...globalOptions, ...written(section) };
      continue;
    }
    const draft = applyAll({ ...globals, name: section.name }, section, file, ignored);
    jobs.push(finish({ ...draft, line: section.line, options: written(section) }, file, ignored));
    if (jobs.reduce((sum, job) => sum + job.numjobs, 0) > JOBS_MAX) {
      throw problemAt(
        file,
        section.line,
        'FIO_TOO_LARGE',
        `more than ${JOBS_MAX} jobs`,
        'use fewer, or a smaller numjobs',
      );
    }
  }
  if (jobs.length === 0) {
    throw problemAt(
      file,
      1,
      'FIO_NO_JOBS',
      'there is no job in this file',
      'a job is a [section] other than [global]',
    );
  }
  return { jobs, globalOptions, ignored };
}

function written(section: FioSection): Record<string, string> {
  return Object.fromEntries(section.options.map(({ key, value }) => [key, value ?? '1']));
}

function applyAll(start: Draft, section: FioSection, file: string, ignored: FioIgnored[]): Draft {
  const draft = { ...start };
  // As fio does it: what k means is settled before any size is read.
  const isBase = ({ key }: FioOptionLine): boolean => key === 'kb_base';
  const ordered = [...section.options.filter(isBase), ...section.options.filter((line) => !isBase(line))];
  for (const line of ordered) {
    apply(draft, line, file, ignored);
  }
  return draft;
}

function apply(draft: Draft, option: FioOptionLine, file: string, ignored: FioIgnored[]): void {
  const { key, value, line } = option;
  const known = findFioOption(key);
  if (known === undefined) {
    throw problemAt(
      file,
      line,
      'FIO_UNKNOWN_OPTION',
      `\`${key}\` is not known here`,
      `supported: ${usedFioOptions().join(', ')}; docs/fio-jobs.md has all`,
    );
  }
  if (known.use === 'refused') {
    throw problemAt(file, line, 'FIO_UNSUPPORTED', `\`${key}\` is not supported`, known.text);
  }
  const setter = known.use === 'used' ? SETTERS[known.name] : IGNORED_CHECKS[known.name];
  const problem = setter?.(draft, value);
  if (problem !== undefined) {
    throw problemAt(file, line, 'FIO_VALUE', `\`${key}\`: ${problem}`, known.text);
  }
  if (known.use === 'ignored') {
    if (known.name === 'ioengine') {
      draft.ioengine = value ?? draft.ioengine;
    }
    ignored.push({ key, line, why: known.text });
    return;
  }
}

function finish(draft: Draft, file: string, ignored: FioIgnored[]): FioJob {
  const { kbBase, ...job } = draft;
  const isRandom = job.rw.startsWith('rand');
  const reads = !/^(?:rand)?write$/.test(job.rw);
  const writes = !/^(?:rand)?read$/.test(job.rw);
  const fail = (what: string, hint: string): never => {
    throw problemAt(file, job.line, 'FIO_VALUE', `job ${job.name}: ${what}`, hint);
  };
  if (job.verify !== 'none' && reads && writes) {
    fail(
      'verify of a mix of reads and writes is not supported',
      'write in one job, read in the next with stonewall',
    );
  }
  if (job.verify !== 'none' && job.peerMemory !== null) {
    fail(
      'verify has the processor make and test the data, and peer memory is never touched by it here',
      'verify with iomem=malloc in a job of its own',
    );
  }
  if (job.verify !== 'none' && Math.min(job.readBytes, job.writeBytes) < VERIFY_BYTES_MIN) {
    fail(`verify needs blocks of ${VERIFY_BYTES_MIN} bytes`, 'use a larger bs');
  }
  if (job.isTimeBased && job.runtimeNs === undefined) {
    // fio warns and goes on; so do we.
    ignored.push({ key: 'time_based', line: job.line, why: 'without runtime it has no effect' });
  }
  return {
    ...job,
    isTimeBased: job.isTimeBased && job.runtimeNs !== undefined,
    reads,
    writes,
    isRandom,
    readPercent: reads && writes ? job.readPercent : reads ? 100 : 0,
  };
}

/** A block with a checksum: its head, and as much again of data. */
export const VERIFY_BYTES_MIN = 64;
