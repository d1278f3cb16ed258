/** `peerlane p2pcopy` with the options of p2pmem-test, spelled as there. */
import { InvalidArgumentError, Option } from 'commander';
import { labOptions, machineOptions, parseCount, parseSize } from '../arguments.ts';
import type { Definitions } from './definitions.ts';

export function defineP2pCopy({ program, io, done, merged }: Definitions): void {
  labOptions(machineOptions(program.command('p2pcopy <nvme-read> <nvme-write> [p2pmem]')))
    .summary('chunks from drive to drive through peer memory, with the options of p2pmem-test')
    .description(
      'Reads chunks from NVME-READ and writes them to NVME-WRITE through P2PMEM: a .../p2pmem/allocate, an address, or a name\n' +
        'such as nvme0; `auto` is the nearest that both can reach. Without P2PMEM it is host memory, for comparison.',
    )
    .option(
      '--check',
      'fill the source with data first, and compare every byte at the destination afterwards',
    )
    .option('-c, --chunks <n>', 'chunks in all', parseSize, 1024)
    .addOption(new Option('-s, --chunk_size <bytes>', 'bytes of a chunk').argParser(parseSize).default(4096))
    .option('-D, --duration <seconds>', 'take no more chunks after so long; -1: no limit', parseWhole, -1)
    .option('-t, --threads <n>', 'chunks in flight, each in a slot of the memory of its own', parseCount, 1)
    .option('-o, --offset <bytes>', 'where in the memory; p2pmem/allocate has 0 only', parseSize, 0)
    .option('--overlap', 'start again at the beginning of drives that are smaller than all chunks')
    .option('--skip-read', 'only write')
    .option('--skip-write', 'only read')
    .option(
      '--host_access <size[:count]>',
      'host memory: write and read it with the processor first; -size: only read',
    )
    .option('--init <size[:total]>', 'host memory: set it to zero first')
    .option('--seed <n>', 'what the data of --check is made of; -1: the clock', parseWhole, -1)
    .option('--yes', 'write without asking')
    .option('--json', 'print the result as JSON (peerlane/p2pcopy/1)')
    .addHelpText(
      'after',
      `
With --check NVME-READ is written too, so it is asked about both drives, or --yes. What differs from p2pmem-test: the check
compares every byte (not one word over all of them), a difference is exit status 3, the total counts what --skip-write reads,
--chunks need not be a multiple of --threads, and the verdict on the memory is asked first (exit status 1 when it is refused).
Give another --seed to runs that follow each other: what an earlier one left would look right.

Examples:
  peerlane p2pcopy /dev/nvme0n1 /dev/nvme1n1 /sys/bus/pci/devices/0000:03:00.0/p2pmem/allocate -s 64k -t 4 --check
  peerlane -m examples/eideticom.yaml p2pcopy nvme0 nvme1 nvme0 --check`,
    )
    .action(async (source, target, p2pmem, options) => {
      const { runP2pCopy } = await import('../commands/p2pcopy.ts');
      done(await runP2pCopy({ source, target, p2pmem, ...merged(options) }, io));
    });
}

/** A whole number, negative ones included. */
function parseWhole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || text.trim() === '') {
    throw new InvalidArgumentError('expected a whole number.');
  }
  return value;
}
