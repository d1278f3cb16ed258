/** `peerlane reproduce`: headlines of the founding texts, claimed against simulated. */
import { UsageError } from '../../base/index.ts';
import { HEADLINES, type HeadlineResult, runHeadline } from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { padEnd, styleFor, wrap } from '../render/style.ts';

export interface ReproduceOptions {
  /** Only these; default: all. */
  readonly only: readonly string[];
  /** Prints the lab files of the headlines instead of running them. */
  readonly labs?: boolean;
  readonly json?: boolean;
}

const EXIT_DIFFERS = 1;
const WIDTH = 100;

/** @returns 0 all hold, 1 one does not. @throws {UsageError} USAGE_HEADLINE */
export async function reproduce(options: ReproduceOptions, io: Io): Promise<number> {
  const chosen = options.only.length === 0 ? HEADLINES : options.only.map(headlineNamed);
  if (options.labs === true) {
    for (const { id, labs } of chosen) {
      for (const [index, text] of labs.entries()) {
        await io.out(`# ${id}, lab ${index + 1} of ${labs.length}\n${text}---\n`);
      }
    }
    return 0;
  }
  const results: HeadlineResult[] = [];
  for (const [index, headline] of chosen.entries()) {
    if (io.errIsTerminal) {
      io.err(`\r${index + 1} of ${chosen.length}: ${headline.id}\u001b[K`);
    }
    results.push(await runHeadline(headline));
  }
  if (io.errIsTerminal) {
    io.err('\r\u001b[K');
  }
  await (options.json === true ? printJson(results, io) : printTable(results, io));
  return results.every(({ holds }) => holds) ? 0 : EXIT_DIFFERS;
}

function headlineNamed(id: string): (typeof HEADLINES)[number] {
  const found = HEADLINES.find((one) => one.id === id);
  if (found === undefined) {
    throw new UsageError('USAGE_HEADLINE', {
      message: `there is no headline ${id}`,
      hint: `headlines: ${HEADLINES.map((one) => one.id).join(', ')}`,
    });
  }
  return found;
}

async function printTable(results: readonly HeadlineResult[], io: Io): Promise<void> {
  const style = styleFor(io);
  for (const { headline, simulated, holds, reports } of results) {
    const mark = holds ? style.good('holds') : style.bad('DIFFERS');
    await io.out(
      `${padEnd(style.bold(headline.id), 16)}${padEnd(headline.basis, 11)}${mark}\n` +
        `  ${wrap(`claim: ${headline.claim}`, WIDTH, '    ')}\n` +
        `  ${style.dim(wrap(`source: ${headline.source}`, WIDTH, '    '))}\n` +
        `  claimed    ${headline.claimed}\n` +
        `  simulated  ${wrap(simulated, WIDTH, '             ')}\n` +
        `  limiter    ${wrap(reports[0]!.limiter.text, WIDTH, '             ')}\n\n`,
    );
  }
  const held = results.filter(({ holds }) => holds).length;
  const predicted = results.filter(({ headline }) => headline.basis === 'predicted').length;
  await io.out(
    `${held} of ${results.length} hold; ${predicted} are predicted by the model, the others set a constant of a preset (docs/timing.md)\n`,
  );
}

async function printJson(results: readonly HeadlineResult[], io: Io): Promise<void> {
  const headlines = results.map(({ headline, simulated, holds, reports }) => ({
    id: headline.id,
    claim: headline.claim,
    source: headline.source,
    claimed: headline.claimed,
    basis: headline.basis,
    simulated,
    holds,
    reports,
  }));
  await io.out(`${JSON.stringify({ schema: 'peerlane/reproduce/1', headlines })}\n`);
}
