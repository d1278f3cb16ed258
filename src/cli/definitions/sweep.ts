/** Many runs of one lab. */
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../../base/index.ts';
import { parseCount } from '../arguments.ts';
import type { Definitions } from './definitions.ts';

export function defineSweep({ program, io, version, done, withoutMachine }: Definitions): void {
  program
    .command('sweep [file]')
    .summary('a workload of a lab over all combinations of values: what matters, and where it stops to')
    .description(
      'Runs the workload of the lab FILE once for every combination of the values given with --set, each on a machine that boots\n' +
        'afresh, on all cores. Prints a table; -o writes CSV (all figures), JSON (peerlane/sweep/1) or an SVG chart, which needs no browser.',
    )
    .requiredOption(
      '--set <path=a,b,c>',
      'values to try; may be given several times, and the last one changes fastest',
      collect,
      [],
    )
    .option('--metric <name>', 'the figure of table and chart', 'goodputGBs')
    .option('-o, --output <file>', 'write FILE.csv, .json or .svg too; may be given several times', collect)
    .option('--log', 'the chart has a logarithmic y axis')
    .option('--jobs <n>', 'points at once; default: all cores', parseJobs)
    .option('--resume <file>', 'keep a journal in FILE, and go on from it when it is there')
    .option('--force', 'replace the files of -o')
    .option('--json', 'print as JSON (peerlane/sweep/1)')
    .addHelpText(
      'after',
      `
PATH is the way to a value in the lab file, its words joined by dots: time.platform, nvme0.link, r0.depth. A name of a device or
stream means it wherever it is; items of a list also have numbers, from 0: workload.streams.0.block. A value is written as in the
file; one with commas stands in brackets: --set 'time.latency={switch: 85ns, pin: 40ns},{switch: 140ns}'. A path that leads
nowhere and a value that cannot be are told before anything runs.

METRIC is a figure of the report: goodputGBs, iops and failures over all streams, latency.p99Ns where there is one stream,
streams.r0.goodputGBs, dramBytes, cpu.share, limiter.utilisation; a name that is not there is answered with those that are. The
chart has the first --set along x, the combinations of the others as series, and a gap where a point failed.

A sweep that takes more than a minute says so, with an estimate. Ctrl-C prints what is known and leaves a journal: the same command
goes on where it was. So does a run that was killed. A journal of another lab, other sets or another version of peerlane is refused.
The order of the points is the same for any number of --jobs, and so are the results.

Exit status 0 when every point was computed; 3 when one failed (its row says why); 2 for a mistake; 128 + n after a signal.

Examples:
  peerlane sweep box.yaml --set r0.depth=1,2,4,8,16,32 --metric iops
  peerlane sweep box.yaml --set r0.block=4K,16K,64K,256K,1M --set r0.to=host,gpu0 -o blocks.csv -o blocks.svg
  peerlane sweep box.yaml --set nvme0.link='gen3 x4','gen4 x4','gen5 x4' --set r0.depth=8,32 --metric latency.p99Ns --log -o tail.svg
  peerlane lab box.yaml sweep --set time.platform=intel-xeon-bdw,amd-zen3 --resume night.journal --json`,
    )
    .action(async (file: string | undefined, options) => {
      const { lab, ...others } = program.opts();
      if (Object.keys(others).length > 0 || (file !== undefined && lab !== undefined)) {
        withoutMachine('sweep', 'the lab file is its argument');
      }
      const path = file ?? lab;
      if (path === undefined || options.set.length === 0) {
        throw new UsageError('USAGE_SWEEP_SET', {
          message: path === undefined ? 'sweep needs a lab file' : 'sweep needs a --set',
          hint: 'peerlane sweep box.yaml --set r0.depth=1,2,4,8',
        });
      }
      const { sweep } = await import('../commands/sweep.ts');
      done(await sweep(path, { ...options, version }, io));
    });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function parseJobs(text: string): number {
  const jobs = parseCount(text);
  if (jobs < 1 || jobs > 1024) {
    throw new InvalidArgumentError('expected 1 to 1024.');
  }
  return jobs;
}
