/** Claims of others, run on the spot. */
import type { Definitions } from './definitions.ts';

export function defineReproduce({ program, io, done, withoutMachine }: Definitions): void {
  program
    .command('reproduce [headlines...]')
    .summary('what the founding texts claim of peer-to-peer DMA, and what the simulated machine does')
    .description(
      'Runs the experiments behind the headlines of the founding texts (iopmem 2016, p2pdma 2018, measurements since) on simulated\n' +
        'machines, now, and prints claimed beside simulated. `preset`: a constant of the machine was set from this very number;\n' +
        '`predicted`: it follows from the model.',
    )
    .option('--labs', 'print the lab files of the headlines, to try changes, and run nothing')
    .option('--json', 'print as JSON (peerlane/reproduce/1)')
    .addHelpText(
      'after',
      `
Exit status 0 when every claim holds, 1 when one does not.

Examples:
  peerlane reproduce
  peerlane reproduce latency scaling
  peerlane reproduce offload --labs > offload.yaml`,
    )
    .action(async (only: readonly string[], options) => {
      withoutMachine('reproduce', 'it brings its own machines');
      done(await (await import('../commands/reproduce.ts')).reproduce({ ...options, only }, io));
    });
}
