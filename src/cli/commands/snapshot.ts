/** `peerlane snapshot`: what the other commands read of this machine, in one file. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { HostError, UsageError } from '../../base/index.ts';
import { boundedGunzip, directoryTree, liveTree } from '../../linux/index.ts';
import { collectSnapshot, readSysfs, writeTar } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { type MachineOptions, namedMachine, readSysroot } from '../machine-input.ts';
import { formatBytes, printable } from '../render/style.ts';

export interface SnapshotOptions extends MachineOptions {
  readonly output: string;
  readonly keepIdentities?: boolean;
  readonly force?: boolean;
}

/** @throws {UsageError} USAGE_TWO_MACHINES, USAGE_SNAPSHOT_SOURCE, USAGE_FILE_EXISTS */
export async function snapshot(options: SnapshotOptions, io: Io): Promise<number> {
  const source = namedMachine(options);
  if (options.lspci !== undefined) {
    throw new UsageError('USAGE_SNAPSHOT_SOURCE', {
      message: 'a snapshot is made from a live machine or a sysroot, not from lspci text',
      hint: 'keep the text: -m reads it as it is',
    });
  }
  if (options.output === '-' && io.outIsTerminal) {
    throw new UsageError('USAGE_BINARY_TO_TERMINAL', {
      message: 'a snapshot is compressed data, and stdout is a terminal',
      hint: 'give a file with -o host.tar.gz, or redirect stdout',
    });
  }
  const tree = source === 'live' ? liveTree() : directoryTree(source);
  // Before anything is written: a tree without functions is no machine.
  const machine =
    source === 'live'
      ? readSysfs(tree, { kind: 'live', label: source, gunzip: boundedGunzip })
      : readSysroot(tree, source);
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

/** Whole or not at all: a reader never sees half a snapshot. */
function writeNewFile(path: string, bytes: Uint8Array, replace: boolean): void {
  const temporary = `${path}.partial-${process.pid}`;
  let isClaimed = false;
  try {
    if (!replace) {
      // Claims the name, so that two runs cannot both think it is free.
      closeSync(openSync(path, 'wx', 0o600));
      isClaimed = true;
    }
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(fd, bytes, written);
      }
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (isClaimed) {
      rmSync(path, { force: true });
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') {
      throw new UsageError('USAGE_FILE_EXISTS', {
        message: `${path} is there already`,
        hint: 'choose another name, or --force to replace it',
        detail: { path },
        cause: error,
      });
    }
    throw new HostError('HOST_WRITE_FAILED', {
      message: `${path}: cannot be written (${code ?? String(error)})`,
      hint: 'choose a directory that you may write to',
      detail: { path, errno: code },
      cause: error,
    });
  }
}
