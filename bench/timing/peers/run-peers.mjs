// Runs the same small models in SimPy and SystemC, which other benchmarks print beside their own figures.
//
// Each function returns { perSecond, reason }: events or packets a second of wall time, or null and why there is none.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const SIMPY_HINT = 'no SimPy 3 or newer: apt-get install python3-simpy3';
const SYSTEMC_HINT = 'no SystemC: apt-get install libsystemc-dev g++';

/** Events a second of the hold model. */
export const simpyHold = (pending) => simpy('hold.py', pending);
export const systemcHold = (pending) => systemc('hold.cpp', pending);
/** Packets a second of endpoint - switch - endpoint, 256 B posted, store-and-forward, 32 credits a link. */
export const simpyHop = (packets = 100_000) => simpy('hop.py', packets);
export const systemcHop = (packets = 1_000_000) => systemc('hop.cpp', packets);

let python;

function simpy(program, argument) {
  // Debian's own Python first: another one in the path does not see Debian's packages.
  python ??= ['/usr/bin/python3', 'python3'].find(
    (name) => spawnSync(name, ['-c', 'import simpy; simpy.Environment.process']).status === 0,
  );
  if (python === undefined) {
    return { perSecond: null, reason: SIMPY_HINT };
  }
  return figure(spawnSync(python, [join(here, program), String(argument)], { encoding: 'utf8' }));
}

let folder;

function systemc(program, argument) {
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), 'peerlane-bench-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  const binary = join(folder, program.replace('.cpp', ''));
  if (!existsSync(binary)) {
    const source = join(here, program);
    const compiled = spawnSync('g++', ['-O2', '-std=c++17', '-o', binary, source, '-lsystemc'], {
      encoding: 'utf8',
    });
    if (compiled.status !== 0) {
      return { perSecond: null, reason: `${SYSTEMC_HINT} (${firstLine(compiled)})` };
    }
  }
  const env = { ...process.env, SYSTEMC_DISABLE_COPYRIGHT_MESSAGE: '1' };
  return figure(spawnSync(binary, [String(argument)], { encoding: 'utf8', env }));
}

function figure(result) {
  const lines = (result.stdout ?? '').trim().split('\n');
  const perSecond = Number.parseFloat(lines.at(-1));
  return result.status === 0 && perSecond > 0
    ? { perSecond, reason: null }
    : { perSecond: null, reason: `it ended with status ${result.status}: ${firstLine(result)}` };
}

function firstLine(result) {
  return result.error?.message ?? (result.stderr ?? '').trim().split('\n')[0];
}
