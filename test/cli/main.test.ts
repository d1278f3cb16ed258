/** The program as people run it: another process, with pipes, from another folder. It is the built one: `npm run build`. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { filesOf, golden, scratchFolder, writeSysroot } from './inputs.ts';
import { expectRefused } from './refusal.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = `${root}bin/peerlane.js`;
const scratch = scratchFolder();
const HASWELL = golden('0010');

function peerlane(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  return spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    cwd: options.cwd ?? scratch.path('.'),
    env: { ...process.env, ...options.env },
    maxBuffer: 2 ** 28,
  });
}

/** Through a shell, for pipes; `$P` is the program. */
function shell(script: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  return spawnSync('bash', ['-c', script], {
    encoding: 'utf8',
    cwd: scratch.path('.'),
    env: { ...process.env, P: program, NODE: process.execPath, M: HASWELL, ...env },
  });
}

beforeAll(() => {
  if (!existsSync(`${root}dist/cli/main.js`)) {
    throw new Error('dist/ is missing: the program is built by `npm ci` and by `npm run build`');
  }
});

describe('the program', () => {
  it('prints its version', () => {
    const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
    for (const option of ['--version', '-V']) {
      expect(peerlane([option])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
    }
  });

  it('lists every command in its help, on stdout', () => {
    const { status, stdout, stderr } = peerlane(['--help']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const command of [
      'topo',
      'show',
      'matrix',
      'check',
      'fix',
      'lint',
      'diff',
      'snapshot',
      'copy',
      'bench',
      'demo',
      'lab',
      'import',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    }
    expect(stdout).toContain('Exit status');
  });

  it('runs from another folder, and through a link, as npx runs it', () => {
    mkdirSync(scratch.path('elsewhere'));
    symlinkSync(program, scratch.path('elsewhere/peerlane'));
    writeFileSync(scratch.path('elsewhere/host.tar.gz'), readFileSync(HASWELL));
    const result = spawnSync(
      process.execPath,
      ['peerlane', '-m', 'host.tar.gz', 'check', 'nvme1', '0a:00.0'],
      {
        encoding: 'utf8',
        cwd: scratch.path('elsewhere'),
      },
    );
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout).toContain('usable');
    expect(peerlane(['demo']).status).toBe(0);
  });

  it('can be run by itself', () => {
    const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('reads a machine from a pipe', () => {
    expect(shell('cat "$M" | "$NODE" "$P" -m /dev/stdin matrix | grep -c nvme')).toMatchObject({ status: 0 });
  });

  it.each([
    [['bogus'], 2],
    [['-m', HASWELL, 'check', 'nvme0', 'nvme9'], 2],
    [['-m', '/nowhere', 'topo'], 2],
  ])('%j: exit status %d, one line on stderr', (args, status) => {
    const result = peerlane(args as string[]);
    expect(result.status).toBe(status);
    expectRefused({ status: result.status!, stdout: result.stdout, stderr: result.stderr });
  });

  it('gives exit status 1 for a pair that is not supported', () => {
    expect(peerlane(['-m', HASWELL, 'check', 'nvme0', 'nvme4'])).toMatchObject({ status: 1, stderr: '' });
  });
});

describe('pipes', () => {
  it.each(['matrix --all --json', 'topo', 'show nvme0'])('%s | head -1: ends quietly', (command) => {
    const { stdout, stderr } = shell(`"$NODE" "$P" -m "$M" ${command} | head -1`);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stderr).toBe('');
  });

  it('a reader that goes away in the middle of much output ends it', () => {
    const { stdout, stderr, status } = shell(
      `"$NODE" "$P" -m "${golden('0001')}" matrix --all --json | head -c 100000 | wc -c`,
    );
    expect({ status, stderr, bytes: Number(stdout) }).toEqual({ status: 0, stderr: '', bytes: 100_000 });
  });

  it('a full disk is a failure that is said, with exit status 3', () => {
    const { status, stderr } = shell('"$NODE" "$P" -m "$M" matrix > /dev/full');
    expect(status).toBe(3);
    expect(stderr).toMatch(/^peerlane: stdout: .*ENOSPC.*\n$/);
  });

  it('has no colour in a pipe, whatever the terminal is called', () => {
    const { stdout } = peerlane(['-m', HASWELL, 'matrix'], {
      env: { TERM: 'xterm-256color', NO_COLOR: undefined },
    });
    expect(stdout).not.toContain('\u001b');
  });

  it('writes a snapshot to stdout, and nothing else there', () => {
    writeSysroot(filesOf(HASWELL), scratch.path('host'));
    const { stdout, status } = shell(
      '"$NODE" "$P" --sysroot host snapshot -o - 2>notes | "$NODE" "$P" -m /dev/stdin check nvme1 0a:00.0 --json',
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout).verdicts[0]).toMatchObject({ distance: 4, mapType: 'bus-addr' });
    expect(readFileSync(scratch.path('notes'), 'utf8')).toContain('32 PCI functions');
  });
});

/** `script` (util-linux) gives a program a terminal. */
const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript) {
  console.log('skipped: no script(1) to give the program a terminal');
}

describe.skipIf(!hasScript)('a terminal', () => {
  const onTerminal = (env: NodeJS.ProcessEnv): string =>
    spawnSync('script', ['-qec', `'${process.execPath}' '${program}' -m '${HASWELL}' matrix`, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm', NO_COLOR: undefined, ...env },
      input: '',
    }).stdout;

  it('gets colours, unless NO_COLOR is set or it is dumb', () => {
    expect(onTerminal({})).toContain('\u001b[');
    expect(onTerminal({ NO_COLOR: '1' })).not.toContain('\u001b[');
    expect(onTerminal({ TERM: 'dumb' })).not.toContain('\u001b[');
    expect(onTerminal({ NO_COLOR: '' })).toContain('\u001b[');
  });
});
