/** Options, their places, wrong usage, and the exit status of every command. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { filesOf, golden, LSPCI_TEXT, scratchFolder, setText, tarOf, writeSysroot } from './inputs.ts';
import { expectRefusal } from './refusal.ts';
import { runCli, runJson } from './run-cli.ts';

const scratch = scratchFolder();
const EPYC = golden('0006');
const HASWELL = golden('0010');
const LSPCI = scratch.path('lspci.txt');
const SYSROOT = scratch.path('sysroot');
const LINTED = scratch.path('linted.tar');

writeFileSync(LSPCI, LSPCI_TEXT);
writeSysroot(filesOf(EPYC), SYSROOT);
const withOption = filesOf(HASWELL);
setText(withOption, 'proc/cmdline', 'pci=disable_acs_redir=0000:ee:00.0');
writeFileSync(LINTED, tarOf(withOption));

const status = async (...args: string[]): Promise<number> => (await runCli(args)).status;

describe('the machine', () => {
  it.each([
    ['-m before the command', ['-m', EPYC, 'topo']],
    ['-m after it', ['topo', '-m', EPYC]],
    ['--machine=PATH', ['topo', `--machine=${EPYC}`]],
    ['-mPATH', [`-m${EPYC}`, 'topo']],
    ['--sysroot before', ['--sysroot', EPYC, 'topo']],
    ['--sysroot after', ['topo', '--sysroot', EPYC]],
    ['--lspci: a spelling of the same option', ['topo', '--lspci', EPYC]],
  ])('%s', async (_, args) => {
    const { machine } = await runJson<{ machine?: unknown; source: { label: string } }>(args).then(
      (json) => ({
        machine: json.source,
      }),
    );
    expect(machine).toMatchObject({ kind: 'archive', label: EPYC });
  });

  it('is what was named after the command, when it is named twice', async () => {
    const { source } = await runJson<{ source: { label: string } }>(['-m', LSPCI, 'topo', '-m', EPYC]);
    expect(source.label).toBe(EPYC);
  });

  it.each([
    ['matrix', '-m', EPYC, '--sysroot', SYSROOT],
    ['-m', EPYC, 'matrix', '--lspci', LSPCI],
    ['--sysroot', SYSROOT, 'check', '--lspci', LSPCI, 'nvme0', '00:01.0'],
  ])('is refused when two spellings are given: %s %s ...', async (...args) => {
    await expectRefusal(args, 'USAGE_TWO_MACHINES', 'give one');
  });

  it.each([
    ['diff', [EPYC, HASWELL]],
    ['demo', []],
    ['copy', ['/nowhere/a', '/nowhere/b']],
    ['bench', ['/nowhere/a']],
  ])('%s does not take it, and says so instead of ignoring it', async (command, rest) => {
    await expectRefusal(['-m', EPYC, command, ...rest], 'USAGE_MACHINE_NOT_TAKEN', command);
  });
});

describe('exit status', () => {
  it.each<[number, string, string[]]>([
    [0, 'topo', ['-m', EPYC, 'topo']],
    [0, 'show', ['-m', EPYC, 'show', 'nvme0']],
    [0, 'matrix', ['-m', EPYC, 'matrix']],
    [0, 'matrix with unsupported pairs: they were printed', ['-m', HASWELL, 'matrix']],
    [0, 'check of a usable pair', ['-m', LSPCI, 'check', '03:00.0', '04:00.0']],
    [1, 'check of a pair that is not supported', ['-m', HASWELL, 'check', 'nvme0', 'nvme4']],
    [1, 'check of an unknown pair', ['-m', LSPCI, 'check', '03:00.0', '00:00.0']],
    [
      1,
      'check where one client of several is not',
      ['-m', LSPCI, 'check', '03:00.0', '04:00.0', '00:00.0', '--kernel', '4.20'],
    ],
    [0, 'fix of a usable pair', ['-m', LSPCI, 'fix', '03:00.0', '04:00.0']],
    [0, 'fix that would help', ['-m', HASWELL, 'fix', 'nvme0', 'nvme1']],
    [1, 'fix where nothing here helps', ['-m', HASWELL, 'fix', 'nvme0', 'nvme4']],
    [0, 'lint without findings', ['-m', EPYC, 'lint']],
    [1, 'lint with findings', ['-m', LINTED, 'lint']],
    [0, 'diff of equal machines', ['diff', EPYC, EPYC]],
    [1, 'diff of different machines', ['diff', EPYC, HASWELL]],
    [0, 'demo', ['demo']],
    [0, 'start', ['start']],
    [0, 'help', ['--help']],
    [0, 'help of a command', ['help', 'matrix']],
    [0, 'a command’s --help', ['check', '--help']],
    [0, 'version', ['--version', 'x']],
  ])('%d: %s', async (expected, _, args) => {
    expect(await status(...args)).toBe(expected);
  });

  it.each(['topo', 'matrix', 'check nvme0 00:01.0', 'fix nvme0 00:01.0', 'lint', 'show nvme0'])(
    '%s: the same with --json, and one JSON document on stdout',
    async (command) => {
      const args = ['-m', EPYC, ...command.split(' ')];
      const { status: textStatus } = await runCli(args);
      const { status: jsonStatus, stdout } = await runCli([...args, '--json']);
      expect(jsonStatus).toBe(textStatus);
      expect(JSON.parse(stdout)).toBeTypeOf('object');
      expect(stdout.endsWith('\n')).toBe(true);
    },
  );

  it('has a schema in every document', async () => {
    const schemas = await Promise.all(
      [
        ['-m', EPYC, 'topo'],
        ['-m', EPYC, 'show', 'nvme0'],
        ['-m', EPYC, 'matrix'],
        ['-m', EPYC, 'check', 'nvme0', '00:01.0'],
        ['-m', EPYC, 'fix', 'nvme0', '00:01.0'],
        ['-m', EPYC, 'lint'],
        ['diff', EPYC, HASWELL],
      ].map(async (args) => (await runJson<{ schema: string }>(args)).schema),
    );
    expect(schemas).toEqual([
      'peerlane/machine/1',
      'peerlane/function/1',
      'peerlane/verdicts/1',
      'peerlane/verdicts/1',
      'peerlane/fix/1',
      'peerlane/lint/1',
      'peerlane/diff/1',
    ]);
  });
});

describe('wrong usage', () => {
  it.each<[string, string[], string]>([
    ['no command', [], '--help'],
    ['a machine and no command', ['-m', EPYC], '--help'],
    ['an unknown command', ['bogus'], 'bogus'],
    ['a misspelt command, with the right one', ['matrx'], 'matrix'],
    ['help for an unknown command', ['help', 'bogus'], '--help'],
    ['an unknown option', ['matrix', '--bogus'], '--bogus'],
    ['an unknown option of the program', ['--bogus', 'matrix'], '--bogus'],
    ['an option of another command', ['topo', '--kernel', '7.2'], '--kernel'],
    ['an option without its value', ['matrix', '-m'], '--machine'],
    ['an argument too many', ['matrix', 'nvme0'], 'matrix'],
    ['no client', ['check', 'nvme0'], 'client'],
    ['no provider', ['fix'], 'provider'],
    ['one machine to compare', ['diff', EPYC], 'new'],
    ['snapshot without a file', ['snapshot'], '--output'],
    ['a size that is none', ['copy', 'a', 'b', '--size', 'lots'], '64k'],
    ['a count that is none', ['copy', 'a', 'b', '--depth', '1.5'], 'whole number'],
    ['a mode that is none', ['bench', 'a', '--mode', 'trim'], 'mixed'],
    ['a kernel that is none', ['-m', EPYC, 'matrix', '--kernel', 'newest'], 'uname -r'],
    ['an empty kernel', ['-m', EPYC, 'matrix', '--kernel', ''], 'uname -r'],
    ['a kernel of one number', ['-m', EPYC, 'check', 'nvme0', '00:01.0', '--kernel', '7'], 'uname -r'],
    ['a kernel for diff that is none', ['diff', EPYC, EPYC, '--kernel', 'x'], 'uname -r'],
  ])('%s', async (_, args, says) => {
    await expectRefusal(args, says);
  });
});

describe('devices', () => {
  it.each([
    ['0000:01:00.0', 'the whole address'],
    ['01:00.0', 'without the domain'],
    ['nvme0', 'a name'],
    ['/dev/nvme0', 'a device file'],
  ])('%s: %s', async (device) => {
    expect(await runJson(['-m', EPYC, 'show', device])).toMatchObject({ bdf: '0000:01:00.0' });
  });

  it.each<[string, string[], string[]]>([
    ['an address that is not there', ['show', '01:00.1'], ['TOPO_UNKNOWN_BDF', 'nearest: 0000:01:00.0']],
    ['a domain that is not there', ['show', '0001:01:00.0'], ['TOPO_UNKNOWN_BDF', '0000:01:00.0']],
    ['a client that is not there', ['check', 'nvme0', '07:00.0'], ['0000:07:00.0', 'nearest: ']],
    ['an address with no such function number', ['show', '01:00.9'], ['TOPO_UNKNOWN_NAME', '0000:01:00.0']],
    ['a name that is not there', ['check', 'nvme0', 'nvme1'], ['TOPO_UNKNOWN_NAME', 'nearest: nvme0']],
    ['something that is no PCI device', ['fix', '/dev/sda', 'nvme0'], ['/dev/sda', 'PCI']],
    ['nothing', ['show', ''], ['nearest: ']],
  ])('%s is refused with the nearest that are', async (_, args, says) => {
    await expectRefusal(['-m', EPYC, ...args], ...says);
  });

  it('refuses a name that two functions have, and lists them', async () => {
    const files = filesOf(HASWELL);
    for (const bdf of ['0000:08:00.0', '0000:09:00.0']) {
      const config = [...files.keys()].find((path) => path.endsWith(`/${bdf}/config`))!;
      files.set(
        config.replace(/config$/, 'net/wan0/address'),
        new TextEncoder().encode('00:00:00:00:00:00\n'),
      );
    }
    const archive = scratch.path('ambiguous.tar');
    writeFileSync(archive, tarOf(files));
    await expectRefusal(
      ['-m', archive, 'check', 'wan0', 'nvme0'],
      'TOPO_AMBIGUOUS_NAME',
      '0000:08:00.0',
      '0000:09:00.0',
    );
  });
});

describe('the live machine', () => {
  it('is the default, and without PCI the demo is offered', async () => {
    // Machines differ here: either it prints, or it says what to do instead.
    const result = await runCli(['topo']);
    if (result.status === 0) {
      expect(result.stdout).toMatch(/^live \(live\); /);
    } else {
      expect(result.stderr).toContain('peerlane demo');
      expect(result).toMatchObject({ status: 2, stdout: '' });
    }
  });
});
