/** `peerlane snapshot`: one file from which every other command gives the same answers. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  filesOf,
  golden,
  goldenCases,
  kernelAnswers,
  LSPCI_TEXT,
  scratchFolder,
  setText,
  writeSysroot,
} from '../inputs.ts';
import { expectRefusal } from '../refusal.ts';
import { runCli, runJson } from '../run-cli.ts';

const scratch = scratchFolder();
const files = filesOf(golden('0010'));
setText(
  files,
  'proc/cmdline',
  'root=UUID=5e3a-secret hostname=db7 pci=disable_acs_redir=0000:07:00.0 quiet\n',
);
writeSysroot(files, scratch.path('host'));
const HOST = scratch.path('host');

describe('peerlane snapshot --hex', () => {
  it('of a lab is text that our reader takes for the same machine, and lspci -F for the same functions', async () => {
    const output = scratch.path('lab.hex');
    const lab = 'examples/sriov.yaml';
    const { status, stderr } = await runCli(['lab', lab, 'snapshot', '--hex', '-o', output]);
    expect({ status, stderr: stderr.replace(output, 'FILE').replace(output, 'FILE') }).toMatchObject({
      status: 0,
    });
    type Shown = { functions: { bdf: string; vendorId: number; deviceId: number }[] };
    const [ours, read] = [
      await runJson<Shown>(['-m', lab, 'topo']),
      await runJson<Shown>(['-m', output, 'topo']),
    ];
    const ids = ({ functions }: Shown) => functions.map(({ bdf }) => bdf);
    expect(ids(ours).length).toBeGreaterThan(16);
    expect(ids(read)).toEqual(ids(ours));
    const printed = spawnSync('lspci', ['-n', '-F', output], { encoding: 'utf8' });
    if (printed.error === undefined) {
      expect(printed.stdout.trim().split('\n').length).toBe(ids(ours).length);
    }
  });
});

describe('peerlane snapshot', () => {
  it.each(goldenCases.filter(({ functions }) => functions < 35).map(({ name }) => name))(
    'of case %s: the same verdicts as the machine it is of',
    async (name) => {
      const sysroot = scratch.path(`sysroot-${name}`);
      const output = scratch.path(`${name}.tar.gz`);
      writeSysroot(filesOf(golden(name)), sysroot);
      const { status, stdout, stderr } = await runCli(['--sysroot', sysroot, 'snapshot', '-o', output]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
      expect(stderr).toContain('PCI functions');
      const kernel = kernelAnswers(name);
      const { verdicts } = await runJson<{
        verdicts: { provider: string; client: string; distance: number }[];
      }>(['-m', output, 'matrix', '--all']);
      expect(verdicts).toHaveLength(kernel.size);
      for (const { provider, client, distance } of verdicts) {
        expect(distance).toBe(kernel.get(`${provider} ${client}`)!.distance);
      }
      const whole = scratch.path(`${name}-whole.tar.gz`);
      await runCli(['--sysroot', sysroot, 'snapshot', '-o', whole, '--keep-identities']);
      expect(await runCli(['diff', sysroot, whole, '--all'])).toMatchObject({ stdout: 'no difference\n' });
    },
  );

  it('is no different from the machine it is of, although it blanks names', async () => {
    const blanked = scratch.path('same.tar.gz');
    await runCli(['-m', HOST, 'snapshot', '-o', blanked]);
    expect(await runCli(['diff', HOST, blanked])).toMatchObject({ status: 0, stdout: 'no difference\n' });
  });

  it('does not write to a terminal', async () => {
    const { status, stdout, stderr } = await runCli(['-m', HOST, 'snapshot', '-o', '-'], [], {
      outIsTerminal: true,
    });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('USAGE_BINARY_TO_TERMINAL');
  });

  it('tells who named sys/ itself to name the folder that holds it', async () => {
    await expectRefusal(['-m', `${HOST}/sys`, 'topo'], 'INPUT_NO_SYSFS', 'name the folder that holds it');
  });

  it('blanks what names a host or a person, unless asked', async () => {
    const blanked = scratch.path('blanked.tar.gz');
    const whole = scratch.path('whole.tar.gz');
    await runCli(['-m', HOST, 'snapshot', '-o', blanked]);
    await runCli(['-m', HOST, 'snapshot', '-o', whole, '--keep-identities']);
    const line = async (machine: string) =>
      (await runJson<{ kernel: { commandLine: string } }>(['-m', machine, 'topo'])).kernel.commandLine;
    expect(await line(blanked)).not.toMatch(/secret|db7/);
    expect(await line(blanked)).toContain('pci=disable_acs_redir=0000:07:00.0');
    expect(await line(whole)).toContain('root=UUID=5e3a-secret hostname=db7');
  });

  it('is the same bytes when taken twice', async () => {
    const [first, second] = [scratch.path('first.tar.gz'), scratch.path('second.tar.gz')];
    await runCli(['-m', HOST, 'snapshot', '-o', first]);
    await runCli(['-m', HOST, 'snapshot', '-o', second]);
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
  });

  it('can be read by its owner only', async () => {
    const path = scratch.path('mine.tar.gz');
    await runCli(['-m', HOST, 'snapshot', '-o', path]);
    expect(statSync(path).mode & 0o077).toBe(0);
  });

  it('does not replace a file, unless told to', async () => {
    const path = scratch.path('there.tar.gz');
    writeFileSync(path, 'precious');
    await expectRefusal(['-m', HOST, 'snapshot', '-o', path], 'USAGE_FILE_EXISTS', '--force');
    expect(readFileSync(path, 'utf8')).toBe('precious');
    expect(await runCli(['-m', HOST, 'snapshot', '-o', path, '--force'])).toMatchObject({ status: 0 });
    expect(await runJson(['-m', path, 'topo'])).toMatchObject({ functionCount: 32 });
  });

  it('leaves nothing behind when it cannot write', async () => {
    mkdirSync(scratch.path('folder.d/inside'), { recursive: true });
    await expectRefusal(
      ['-m', HOST, 'snapshot', '-o', scratch.path('folder.d/inside'), '--force'],
      'HOST_WRITE_FAILED',
    );
    await expectRefusal(
      ['-m', HOST, 'snapshot', '-o', scratch.path('no/such/folder.tar.gz')],
      'HOST_WRITE_FAILED',
    );
    expect(readdirSync(scratch.path('folder.d'))).toEqual(['inside']);
  });

  it('is not made of what is no machine, nor of what is one already', async () => {
    const output = scratch.path('never.tar.gz');
    writeFileSync(scratch.path('l.txt'), LSPCI_TEXT);
    mkdirSync(scratch.path('empty/sys'), { recursive: true });
    await expectRefusal(['-m', golden('0010'), 'snapshot', '-o', output], 'USAGE_SNAPSHOT_SOURCE');
    await expectRefusal(
      ['--lspci', scratch.path('l.txt'), 'snapshot', '-o', output],
      'USAGE_SNAPSHOT_SOURCE',
    );
    await expectRefusal(['-m', scratch.path('empty'), 'snapshot', '-o', output], 'INPUT_NO_PCI');
    await expectRefusal(['-m', HOST, '--sysroot', HOST, 'snapshot', '-o', output], 'USAGE_TWO_MACHINES');
    expect(existsSync(output)).toBe(false);
  });
});
