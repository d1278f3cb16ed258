/** `peerlane snapshot`: what the other commands read of this machine, in one file. */
import { gzipSync } from 'node:zlib';
import { UsageError } from '../../base/index.ts';
import { boundedGunzip, directoryTree, liveTree } from '../../linux/index.ts';
import {
  collectSnapshot,
  type FileTree,
  lspciHexDump,
  type Machine,
  readSysfs,
  withoutSerialNumber,
  writeTar,
} from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { type MachineOptions, type MachineSource, openMachine, readSysroot } from '../machine-input.ts';
import { writeNewFile } from '../new-file.ts';
import { formatBytes, printable } from '../render/style.ts';

export interface SnapshotOptions extends MachineOptions {
  readonly output: string;
  readonly keepIdentities?: boolean;
  readonly force?: boolean;
  /** Config spaces as text for `lspci -F`, instead of a tar.gz. */
  readonly hex?: boolean;
}

/** @throws {UsageError} USAGE_TWO_MACHINES, USAGE_SNAPSHOT_SOURCE, USAGE_FILE_EXISTS */
export async function snapshot(options: SnapshotOptions, io: Io): Promise<number> {
  const source = await openMachine(options);
  if (source.kind === 'snapshot') {
    throw new UsageError('USAGE_SNAPSHOT_SOURCE', {
      message: `a snapshot is made from a live machine, a sysroot or a lab, and ${source.path} is none`,
      hint: 'keep the file: -m reads it as it is',
    });
  }
  if (options.hex === true) {
    return hexDump(options, source, io);
  }
  if (options.output === '-' && io.outIsTerminal) {
    throw new UsageError('USAGE_BINARY_TO_TERMINAL', {
      message: 'a snapshot is compressed data, and stdout is a terminal',
      hint: 'give a file with -o host.tar.gz, or redirect stdout',
    });
  }
  // Before anything is written: a tree without functions is no machine.
  const { tree, machine } = await treeOf(source, io);
  const collected = collectSnapshot(tree, {
    keepIdentities: options.keepIdentities === true,
    gunzip: boundedGunzip,
  });
  const bytes = gzipSync(writeTar(collected.entries));
  if (options.output === '-') {
    process.stdout.write(bytes);
  } else {
    writeNewFile(options.output, bytes, options.force === true);
  }
  const where = options.output === '-' ? 'stdout' : options.output;
  io.err(
    `${where}: ${machine.functions.length} PCI functions, ${collected.entries.length} entries, ${formatBytes(bytes.length)}${
      options.keepIdentities === true ? '' : '; identities blanked'
    }\n`,
  );
  for (const note of collected.notes) {
    io.err(`note: ${printable(note)}\n`);
  }
  return 0;
}

/** Serial numbers are blanked like those of a snapshot. */
async function hexDump(
  options: SnapshotOptions,
  source: Exclude<MachineSource, { readonly kind: 'snapshot' }>,
  io: Io,
): Promise<number> {
  const { machine } = await treeOf(source, io);
  const functions = machine.functions.map(({ bdf, vendorId, deviceId, classCode, config }) => ({
    bdf,
    vendorId,
    deviceId,
    classCode,
    config: config === undefined || options.keepIdentities === true ? config : withoutSerialNumber(config),
  }));
  const text = lspciHexDump(functions);
  if (options.output === '-') {
    await io.out(text);
  } else {
    writeNewFile(options.output, new TextEncoder().encode(text), options.force === true);
    const dumped = functions.filter(({ config }) => config !== undefined).length;
    io.err(
      `${options.output}: config space of ${dumped} of ${functions.length} functions; lspci -F ${options.output} reads it\n`,
    );
  }
  return 0;
}

async function treeOf(
  source: Exclude<MachineSource, { readonly kind: 'snapshot' }>,
  io: Io,
): Promise<{ readonly tree: FileTree; readonly machine: Machine }> {
  switch (source.kind) {
    case 'live': {
      const tree = liveTree();
      return { tree, machine: readSysfs(tree, { kind: 'live', label: 'live', gunzip: boundedGunzip }) };
    }
    case 'sysroot': {
      const tree = directoryTree(source.path);
      return { tree, machine: readSysroot(tree, source.path) };
    }
    case 'lab': {
      const { bootLab, machineOf, warnOfBoot } = await import('../lab/boot.ts');
      const lab = bootLab(source.path, source.text);
      warnOfBoot(lab, io);
      return { tree: lab.machine.files(), machine: machineOf(lab) };
    }
  }
}
