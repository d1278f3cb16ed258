/**
 * A lab that `peerlane lab FILE attach` serves in a process of its own, as a user would: the tests know it only by its command
 * line, its control socket and what it prints.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { findProgram } from '../cache.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** First line of `attach --json`. */
export interface AttachReport {
  readonly schema: 'peerlane/attach/1';
  readonly args: readonly string[];
  readonly append: readonly string[];
  readonly changes: readonly string[];
  readonly devices: Readonly<Record<string, { readonly socket: string }>>;
}

/** A rule as in the `faults:` of a lab file. */
export type FaultRule = Readonly<Record<string, string | number>> & {
  readonly device: string;
  readonly do: string;
};

/** How a server ended. */
export interface ServerEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Servers of this run, ended with it. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
});

/** PEERLANE_COMMAND: another program than this checkout's, with its first arguments, separated by spaces. */
function commandLine(): readonly [string, ...string[]] {
  const other = process.env.PEERLANE_COMMAND?.split(' ').filter((word) => word !== '');
  if (other !== undefined && other.length > 0) {
    return other as [string, ...string[]];
  }
  if (!existsSync(join(root, 'dist/cli/main.js'))) {
    throw new Error('the package is not built: npm run build');
  }
  return [process.execPath, join(root, 'bin/peerlane.js')];
}

export class ServedLab {
  readonly report: AttachReport;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<ServerEnd>;
  readonly #output: readonly string[];

  private constructor(
    report: AttachReport,
    folder: string,
    child: ChildProcess,
    ended: Promise<ServerEnd>,
    output: readonly string[],
  ) {
    this.report = report;
    this.#folder = folder;
    this.#child = child;
    this.#ended = ended;
    this.#output = output;
  }

  /**
   * @param lab  text of the lab file
   * @param options  further words behind `attach`
   * @throws {Error} with what it printed when it ends before it serves
   */
  static async start(lab: string, ...options: readonly string[]): Promise<ServedLab> {
    const folder = mkdtempSync(join(tmpdir(), 'peerlane-served-'));
    const file = join(folder, 'lab.yaml');
    writeFileSync(file, lab);
    const [program, ...first] = commandLine();
    const args = [...first, 'lab', file, 'attach', '--dir', join(folder, 'run'), '--json', ...options];
    // A server must not survive a test runner that is killed.
    const setpriv = findProgram('setpriv');
    const child =
      setpriv === undefined
        ? spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
        : spawn(setpriv, ['--pdeathsig', 'KILL', '--', program, ...args], {
            stdio: ['ignore', 'pipe', 'pipe'],
          });
    running.add(child);
    const output: string[] = [];
    const ended = new Promise<ServerEnd>((resolve) => {
      child.once('close', (status, signal) => {
        running.delete(child);
        resolve({ status, signal });
      });
    });
    createInterface({ input: child.stderr! }).on('line', (line) => output.push(line));
    const report = await new Promise<AttachReport>((resolve, reject) => {
      let first: AttachReport | undefined;
      createInterface({ input: child.stdout! }).on('line', (line) => {
        output.push(line);
        first ??= JSON.parse(line) as AttachReport;
        if (isReady(line)) {
          resolve(first);
        }
      });
      child.once('error', reject);
      ended.then(({ status, signal }) => {
        rmSync(folder, { recursive: true, force: true });
        reject(
          new Error(
            `the server ended before it served (${signal ?? `status ${status}`})\n${output.join('\n')}`,
          ),
        );
      });
    });
    return new ServedLab(report, folder, child, ended, output);
  }

  get isRunning(): boolean {
    return running.has(this.#child);
  }

  /** Everything it has printed, both streams. */
  get output(): string {
    return this.#output.join('\n');
  }

  /** `peerlane control DIR ... --json`. @throws {Error} with its messages when it fails */
  control<Answer = unknown>(...args: readonly string[]): Promise<Answer> {
    const [program, ...first] = commandLine();
    const words = [...first, 'control', join(this.#folder, 'run'), ...args, '--json'];
    return new Promise((resolve, reject) => {
      execFile(program, words, { encoding: 'utf8' }, (error, stdout, stderr) => {
        if (error === null) {
          resolve(JSON.parse(stdout === '' ? 'null' : stdout) as Answer);
        } else {
          reject(new Error(`control ${args.join(' ')}: ${stderr || error.message}\n${this.output}`));
        }
      });
    });
  }

  /** @returns what takes the rule away again */
  async addFault(rule: FaultRule): Promise<string> {
    const { id } = await this.control<{ readonly id: string | number }>('fault', 'add', JSON.stringify(rule));
    return String(id);
  }

  /** All rules that there are now, and how often each has acted. */
  async faults(): Promise<readonly { readonly id: string | number; readonly acted: number }[]> {
    return (await this.control<{ readonly faults: [] }>('status')).faults;
  }

  async removeFault(id: string): Promise<void> {
    await this.control('fault', 'remove', id);
  }

  /** Asks it to end, as Ctrl-C does. */
  async stop(): Promise<ServerEnd> {
    this.#child.kill('SIGTERM');
    const end = await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
    return end;
  }
}

/** For the end of a suite: the server has outlived its guests, and ends when it is told to. */
export async function expectCleanEnd(served: ServedLab | undefined): Promise<void> {
  // It never came up, and the suite has failed already.
  if (served === undefined) {
    return;
  }
  expect(served.isRunning, served.output).toBe(true);
  const { status, signal } = await served.stop();
  // As after Ctrl-C: 128 and the number of SIGTERM, or as if nothing had been.
  expect([0, 143], served.output).toContain(status);
  expect(signal).toBeNull();
}

function isReady(line: string): boolean {
  return (
    line === 'ready' || (line.startsWith('{') && (JSON.parse(line) as { event?: string }).event === 'ready')
  );
}
