/** Options of commands that run a lab in virtual time. Loads nothing of labs: definitions import it. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/index.ts';
import { parseSize } from '../arguments.ts';
import type { TraceOptions } from './trace-files.ts';

export interface TimeOptions extends TraceOptions {
  /** Default `auto`: as the lab file says, which by default is flow for bulk and packets for the rest. */
  readonly engine?: 'auto' | 'tlp' | 'flow';
}

/** What watches a run is an option of the same commands. */
export function timeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--engine <engine>',
        'on a lab: every packet (tlp), trains of packets (flow), or flow where all requests have 64 KiB and more',
      ).choices(['auto', 'tlp', 'flow']),
    )
    .option('--trace <file>', 'on a lab: write a trace for the Perfetto UI (docs/tracing.md)')
    .option('--pcap <file>', 'on a lab: write every packet for Wireshark (docs/pcap.md); needs --engine tlp')
    .option('--trace-limit <bytes>', 'where --trace and --pcap stop recording; default: 256M', parseSize)
    .option('--force', 'replace the files of --trace and --pcap if they are there');
}

/**
 * Refuses what only labs have.
 * @param others  options of this command's own that labs alone have, most telling first
 * @throws {UsageError} USAGE_LAB_ONLY
 */
export function refuseLabOptions(
  command: 'bench' | 'copy',
  { engine, trace, pcap }: TimeOptions,
  others: { readonly before?: string | null; readonly after?: string | null },
): void {
  const given =
    others.before ??
    (engine === undefined ? null : '--engine') ??
    others.after ??
    (trace === undefined ? null : '--trace') ??
    (pcap === undefined ? null : '--pcap');
  if (given !== null) {
    throw new UsageError('USAGE_LAB_ONLY', {
      message: `${given} is for labs, and this ${command} is on the real machine`,
      hint: `name the lab: peerlane lab FILE.yaml ${command}`,
      detail: { option: given, command },
    });
  }
}
