/**
 * Boots a virtual machine with a real kernel, runs a script in it and brings back what the script wrote.
 *
 * Results travel through a folder that host and guest share, never over the console: kernel messages cannot mix with
 * them, and a result is there only when its file was closed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, type Lab } from './cache.ts';
import { initramfsFor } from './initramfs.ts';
import type { MachineSpec } from './machines.ts';

/** Without a slash at its end; the guest keeps it visible. */
const checkout = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));

export interface BootOptions {
  readonly lab: Lab;
  readonly machine: MachineSpec;
  /** Shell script: busybox ash at the guest's root, or bash in the host's file system when `hostRoot` is set. */
  readonly script: string;
  /** Files the script finds in `$LAB`. */
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
  /** Kernel modules to load, beyond what sharing folders needs; default: the NVMe driver. */
  readonly modules?: readonly string[];
  /** Raw images for the machine's drives, by drive id; they must exist and hold the bytes wanted. */
  readonly drives?: Readonly<Record<string, string>>;
  /** Shares the host's root read-only and runs the script inside it, so that `node` and installed tools work there. */
  readonly hostRoot?: boolean;
  readonly memoryMb?: number;
  /** Ends a machine that hangs; not a measure of anything. Default three minutes. */
  readonly hangLimitMs?: number;
  /** Value of `-M`. Default `q35`. */
  readonly machineType?: string;
  /** A reboot starts the script again; otherwise it is the end of the machine. */
  readonly canReboot?: boolean;
  /** What the test does while the machine runs. When it fails, the machine is stopped and the boot fails with it. */
  readonly during?: (running: RunningMachine) => Promise<void>;
}

/** A machine as seen from outside, for as long as it runs. */
export interface RunningMachine {
  /** `$LAB` of the guest. */
  readonly sharePath: string;
  /** Socket of QEMU's machine protocol. */
  readonly qmpPath: string;
  /** Aborted when QEMU is gone. */
  readonly ended: AbortSignal;
}

export interface BootResult {
  /** Exit status of the script. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the script left in `$LAB/out`, by name. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Kernel and firmware messages; for people. */
  readonly console: string;
}

/** The machine did not come as far as to say how the script ended. */
export class BootError extends Error {
  override readonly name = 'BootError';
  readonly code = 'LAB_BOOT_FAILED';
}

const defaultHangLimitMs = 180_000;
/** Enough for every line the kernel prints before a panic. */
const tailChars = 4_000;

/** QEMU processes of this run, ended with it. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
});

/**
 * Boots, runs, powers off. About four seconds, eight with `hostRoot`.
 *
 * @throws {BootError} when the guest ends or hangs without a status; the message ends with the last lines of QEMU and kernel
 */
export async function bootAndRun(options: BootOptions): Promise<BootResult> {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-lab-'));
  try {
    const share = join(folder, 'share');
    mkdirSync(join(share, 'out'), { recursive: true });
    for (const [name, content] of Object.entries(options.files ?? {})) {
      writeFileSync(join(share, name), content);
    }
    writeFileSync(join(share, 'run.sh'), options.script);
    writeFileSync(join(share, 'mounts'), options.hostRoot === true ? 'host /\n' : '');
    writeFileSync(join(share, 'checkout'), `${checkout}\n`);
    const driveIds = Object.keys(options.drives ?? {});
    writeFileSync(join(share, 'drives'), driveIds.map((id) => `${id}\n`).join(''));
    const consolePath = join(folder, 'console');
    const errorPath = join(folder, 'qemu-stderr');
    const qmpPath = join(folder, 'qmp');
    const args = qemuArguments(options, share, consolePath);
    if (options.during !== undefined) {
      args.push('-qmp', `unix:${qmpPath},server=on,wait=off`);
    }
    const ended = await runQemu(
      options.lab.qemu,
      args,
      errorPath,
      options.hangLimitMs ?? defaultHangLimitMs,
      (ended) => options.during?.({ sharePath: share, qmpPath, ended }),
    );
    const console = existsSync(consolePath) ? readFileSync(consolePath, 'latin1') : '';
    if (!existsSync(join(share, 'status'))) {
      throw new BootError(
        `${options.machine.name}: ${ended} before the script did\n` +
          `--- QEMU\n${readFileSync(errorPath, 'utf8').slice(-tailChars)}\n--- console\n${console.slice(-tailChars)}`,
      );
    }
    const files = new Map<string, Buffer>();
    for (const name of readdirSync(join(share, 'out'))) {
      files.set(name, readFileSync(join(share, 'out', name)));
    }
    return {
      status: Number(readFileSync(join(share, 'status'), 'utf8')),
      stdout: readFileSync(join(share, 'stdout'), 'utf8'),
      stderr: readFileSync(join(share, 'stderr'), 'utf8'),
      files,
      console,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function qemuArguments(options: BootOptions, share: string, consolePath: string): string[] {
  const { lab, machine } = options;
  // Mitigations guard against nobody here and cost an emulated CPU time.
  const append = ['console=ttyS0', 'panic=-1', 'quiet', 'loglevel=4', 'mitigations=off', ...machine.append];
  const args = [
    '-M',
    options.machineType ?? 'q35',
    '-accel',
    process.env.PEERLANE_ACCEL ?? 'tcg',
    '-cpu',
    machine.cpu,
  ];
  args.push('-m', String(options.memoryMb ?? machine.memoryMb ?? (options.hostRoot === true ? 2048 : 768)));
  args.push(
    '-nodefaults',
    '-no-user-config',
    ...(options.canReboot === true ? [] : ['-no-reboot']),
    '-display',
    'none',
    '-serial',
    `file:${consolePath}`,
  );
  args.push('-kernel', lab.vmlinuz, '-initrd', initramfsFor(lab, options.modules ?? ['nvme']));
  args.push('-append', append.join(' '));
  // The shares sit at fixed places at the end of the root bus, out of the way of every machine description.
  args.push('-fsdev', `local,id=lab,path=${share},security_model=none`);
  args.push('-device', 'virtio-9p-pci,fsdev=lab,mount_tag=lab,bus=pcie.0,addr=1e.0');
  if (options.hostRoot === true) {
    args.push('-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap');
    args.push('-device', 'virtio-9p-pci,fsdev=host,mount_tag=host,bus=pcie.0,addr=1d.0');
  }
  for (const [id, path] of Object.entries(options.drives ?? {})) {
    args.push('-drive', `id=${id},if=none,format=raw,file=${path},cache=unsafe`);
  }
  return [...args, ...machine.arguments];
}

/** Runs QEMU to its end and says in words how that came. */
async function runQemu(
  qemu: string,
  args: string[],
  errorPath: string,
  hangLimitMs: number,
  during: (ended: AbortSignal) => Promise<void> | undefined,
): Promise<string> {
  const errors = openSync(errorPath, 'w');
  // A guest must not survive a test runner that is killed.
  const setpriv = findProgram('setpriv');
  const [program, prefix] =
    setpriv === undefined ? [qemu, []] : [setpriv, ['--pdeathsig', 'KILL', '--', qemu]];
  const child = spawn(program, [...prefix, ...args], { stdio: ['ignore', errors, errors] });
  closeSync(errors);
  running.add(child);
  const ended = new AbortController();
  let failure: { readonly cause: unknown } | undefined;
  const beside = during(ended.signal)?.catch((cause: unknown) => {
    failure = { cause };
    child.kill('SIGKILL');
  });
  let hung = false;
  const limit = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, hangLimitMs);
  try {
    const how = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        const how = signal === null ? `status ${code}` : signal;
        resolve(
          hung
            ? `stopped after ${hangLimitMs / 1000} s without progress`
            : `the machine ended (QEMU: ${how})`,
        );
      });
    });
    ended.abort();
    await beside;
    if (failure !== undefined) {
      throw failure.cause;
    }
    return how;
  } finally {
    ended.abort();
    clearTimeout(limit);
    running.delete(child);
  }
}
