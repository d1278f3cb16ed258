/** `peerlane snapshot`: what the other commands read of this machine, in one file. */
import { gzipSync } from 'node:zlib';
import { UsageError } from '../../base/index.ts';
import { boundedGunzip, directoryTree, liveTree } from '../../linux/index.ts';
import { collectSnapshot, type FileTree, type Machine, readSysfs, writeTar } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { type MachineOptions, type MachineSource, openMachine, readSysroot } from '../machine-input.ts';
import { writeNewFile } from '../new-file.ts';
import { formatBytes, printable } from '../render/style.ts';

export interface SnapshotOptions extends MachineOptions {
  readonly output: string;
  readonly keepIdentities?: boolean;
  readonly force?: boolean;
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
