/** What people type for options: sizes, counts, and the options that several commands have. */
import { type Command, InvalidArgumentError, Option } from 'commander';

/** `-m` and its spellings. */
export function machineOptions(command: Command): Command {
  return command
    .option(
      '-m, --machine <live|path>',
      'live, or a lab file, snapshot, sysroot, lspci text, hwloc or NCCL XML, udev export',
    )
    .addOption(new Option('--sysroot <path>', 'the same, for a directory that holds sys/ and proc/'))
    .addOption(new Option('--lspci <path>', 'the same, for the output of lspci'))
    .addOption(new Option('--lab <path>', 'the same, for a lab file').hideHelp());
}

export function kernelOption(): Option {
  return new Option('--kernel <version>', 'judge by the rules of this kernel, as uname -r prints it');
}

export function cpuOption(): Option {
  return new Option(
    '--cpu <vendor[:family[:model]]>',
    'judge by this processor in place of the input’s: intel, amd:0x19, hygon:24',
  );
}

/** Of commands that move data: what has a meaning on a lab only. */
export function labOptions(command: Command): Command {
  return command
    .option('--bytes', 'on a lab: every byte is made and moved, not only its place in a pattern')
    .option('--write-images', 'on a lab: writes to a namespace with an image go to the file');
}

/** `4096`, `64k`, `1M`, `2G`: powers of 1024; an `iB` or `B` may follow. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const power = match === null ? -1 : ['', 'k', 'm', 'g', 't'].indexOf(match[2]!.toLowerCase());
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** power;
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new InvalidArgumentError('expected bytes such as 4096, 64k, 1M or 2G.');
  }
  return bytes;
}

export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || text.trim() === '') {
    throw new InvalidArgumentError('expected a whole number.');
  }
  return value;
}

/** MiB of a guest. */
export function parseMemory(text: string): number {
  const value = parseCount(text);
  if (value === 0) {
    throw new InvalidArgumentError('expected a whole number of MiB, 1 or more.');
  }
  return value;
}

export function parseSeconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('expected a number of seconds.');
  }
  return value;
}
