/** A QEMU that runs, its life tied to this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { HostError } from '../../base/index.ts';

/** A guest that does not end when it is asked to is ended. */
const PATIENCE_MS = 5000;

export interface QemuEnd {
  /** Exit status of QEMU itself; null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What QEMU says of itself is kept up to so many characters. */
const TOLD_MAX = 16_384;
/** It then waits for somebody with a monitor. QEMU accel/kvm/kvm-all.c, kvm_handle_internal_error(). */
const KVM_ERROR = 'KVM internal error';

export class QemuProcess {
  readonly #child: ChildProcess;
  /** Resolves when it has ended, however that came. @throws {HostError} HOST_QEMU_FAILED when it could not be started */
  readonly ended: Promise<QemuEnd>;
  /** The last that QEMU has said of itself. */
  told = '';
  /** This computer's KVM could not run the guest; it was stopped for that. */
  isKvmBroken = false;
  #kill: NodeJS.Timeout | undefined;

  /**
   * @param hasTerminal  the guest's console is this process's terminal
   * @param onTold       hears what QEMU says of itself, as it comes
   */
  constructor(path: string, args: readonly string[], hasTerminal: boolean, onTold: (text: string) => void) {
    // A guest must not outlive who serves its devices, whatever ends that.
    const setpriv = findProgram('setpriv');
    const [program, prefix] = setpriv === null ? [path, []] : [setpriv, ['--pdeathsig', 'KILL', '--', path]];
    const terminal = hasTerminal ? 'inherit' : 'ignore';
    this.#child = spawn(program, [...prefix, ...args], { stdio: [terminal, terminal, 'pipe'] });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.told = (this.told + text).slice(-TOLD_MAX);
      if (!this.isKvmBroken && this.told.includes(KVM_ERROR)) {
        this.isKvmBroken = true;
        this.stop();
      }
      onTold(text);
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new HostError('HOST_QEMU_FAILED', {
            message: `${path}: could not be started (${error.code ?? error.message})`,
            hint: 'name another with --qemu',
            exitStatus: 3,
            cause: error,
          }),
        ),
      );
      // Not `exit`: then everything that it has said is there.
      this.#child.once('close', (status, signal) => {
        clearTimeout(this.#kill);
        resolve({ status, signal });
      });
    });
  }

  /** Ends it, and if it does not listen, for certain. `ended` tells when. */
  stop(): void {
    this.#child.kill('SIGTERM');
    this.#kill ??= setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
  }
}

export function findProgram(name: string): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
