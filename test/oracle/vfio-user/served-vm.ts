/**
 * A virtual machine with devices that Peerlane serves. The guest's script can ask the test for something and waits for the answer:
 * a fault rule, a device to plug in, the server's counters.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../cache.ts';
import type { CpuModel } from '../machines.ts';
import { BootError, type BootOptions, type BootResult, bootAndRun, type RunningMachine } from '../vm.ts';
import { Qmp } from './qmp.ts';
import type { AttachReport, ServedLab } from './served-lab.ts';

const prelude = readFileSync(new URL('guest/prelude.sh', import.meta.url), 'utf8');

/** How often the shared folder is looked at. The guest waits meanwhile; nothing is measured by it. */
const LOOK_MS = 20;

/** Of what the server has said last, where a machine fails. */
const SERVER_CHARS = 4_000;

/** Answers a call of the guest. */
export type HostCall = (words: readonly string[], machine: HostSide) => Promise<string> | string;

export interface HostSide {
  readonly qmp: Qmp;
  /** JSON of a device that was kept back. */
  readonly keptBack: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}

export interface ServedBootOptions
  extends Pick<BootOptions, 'files' | 'modules' | 'drives' | 'canReboot' | 'hostRoot' | 'hangLimitMs'> {
  readonly lab: Lab;
  readonly served: ServedLab;
  /** Bash with the words of guest/prelude.sh. Without `hostRoot` it is busybox, and has them not. */
  readonly script: string;
  /** Further options for QEMU, behind those of the lab. */
  readonly arguments?: readonly string[];
  readonly append?: readonly string[];
  readonly calls?: Readonly<Record<string, HostCall>>;
  /** Devices that are not there from the start. */
  readonly keepBack?: readonly string[];
}

/**
 * Boots with what the server printed, runs the script, powers off. The host's file system is there unless `hostRoot` is false.
 *
 * @throws {BootError} and what a host call throws
 */
export async function bootServed(options: ServedBootOptions): Promise<BootResult> {
  const { served, calls = {}, hostRoot = true } = options;
  const parts = partsOf(served.report);
  const keptBack = new Map<string, Readonly<Record<string, unknown>>>();
  const args = withoutDevices(parts.arguments, options.keepBack ?? [], keptBack);
  const running = bootAndRun({
    ...options,
    hostRoot,
    machine: {
      name: 'served',
      cpu: parts.cpu as CpuModel,
      arguments: [...args, ...(options.arguments ?? [])],
      append: [...served.report.append, ...(options.append ?? [])],
    },
    machineType: parts.machine,
    memoryMb: parts.memoryMb,
    files: { ...options.files, 'prelude.sh': prelude },
    script: hostRoot ? `. $LAB/prelude.sh\n${options.script}` : options.script,
    during: (machine) => answerCalls(machine, calls, keptBack),
  });
  return running.catch((error: unknown) => {
    if (error instanceof BootError) {
      error.message += `\n--- server\n${served.output.slice(-SERVER_CHARS)}`;
    }
    throw error;
  });
}

interface Parts {
  readonly machine: string;
  readonly cpu: string;
  readonly memoryMb: number;
  readonly arguments: readonly string[];
}

/** What is the machine's own in the options that were printed; the laboratory has its own console and its own end. */
export function partsOf({ args }: Pick<AttachReport, 'args'>): Parts {
  const rest: string[] = [];
  const values = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === '-M' || word === '-cpu' || word === '-m') {
      values.set(word, args[++at]!);
    } else if (word !== '-nodefaults' && word !== '-no-user-config' && word !== '-no-reboot') {
      rest.push(word);
    }
  }
  const machine = values.get('-M');
  const cpu = values.get('-cpu');
  const memoryMb = Number(values.get('-m'));
  if (machine === undefined || cpu === undefined || !Number.isInteger(memoryMb)) {
    throw new Error(`options without -M, -cpu or -m: ${args.join(' ')}`);
  }
  return { machine, cpu, memoryMb, arguments: rest };
}

function withoutDevices(
  args: readonly string[],
  names: readonly string[],
  keptBack: Map<string, Readonly<Record<string, unknown>>>,
): string[] {
  const rest: string[] = [];
  for (const word of args) {
    const device = word.startsWith('{') ? (JSON.parse(word) as Record<string, unknown>) : undefined;
    if (device !== undefined && names.includes(String(device.id))) {
      keptBack.set(String(device.id), device);
      rest.pop();
    } else {
      rest.push(word);
    }
  }
  for (const name of names) {
    if (!keptBack.has(name)) {
      throw new Error(`${name} is no served device of this machine`);
    }
  }
  return rest;
}

async function answerCalls(
  { sharePath, qmpPath, ended }: RunningMachine,
  calls: Readonly<Record<string, HostCall>>,
  keptBack: HostSide['keptBack'],
): Promise<void> {
  const folder = join(sharePath, 'calls');
  const answers = join(sharePath, 'answers');
  let qmp: Qmp | undefined;
  let answered = 0;
  try {
    while (!ended.aborted) {
      const name = String(answered + 1);
      if (!existsSync(folder) || !readdirSync(folder).includes(name)) {
        await delay(LOOK_MS);
        continue;
      }
      const [what = '', ...words] = readFileSync(join(folder, name), 'utf8').split(' ');
      const call = calls[what];
      if (call === undefined) {
        throw new Error(`the guest asks for ${what}, which this test does not have`);
      }
      qmp ??= await Qmp.open(qmpPath);
      const answer = await call(words, { qmp, keptBack });
      writeFileSync(join(answers, `${name}.part`), answer);
      renameSync(join(answers, `${name}.part`), join(answers, name));
      answered++;
    }
  } finally {
    qmp?.close();
  }
}

/** What `keep` of the prelude has kept. */
export function kept(result: BootResult, name: string): { status: number; out: string; err: string } {
  const text = (file: string) => result.files.get(file)?.toString();
  const status = text(`${name}.status`);
  if (status === undefined) {
    throw new Error(`the guest left no ${name}\n${result.stderr}\n${result.console}`);
  }
  return { status: Number(status), out: text(name) ?? '', err: text(`${name}.err`) ?? '' };
}

/** JSON that a program printed and `keep` has kept. @throws {Error} with its messages where it failed or printed something else */
export function keptJson<Value = Record<string, unknown>>(result: BootResult, name: string): Value {
  const { status, out, err } = kept(result, name);
  try {
    if (status !== 0) {
      throw new Error(`status ${status}`);
    }
    return JSON.parse(out) as Value;
  } catch (cause) {
    throw new Error(`${name}: ${String(cause)}\n${out}\n${err}`, { cause });
  }
}
