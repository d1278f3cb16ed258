/** The reading commands on labs: what works on a real machine works here, and what is wrong with a lab file is told in one line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { golden, scratchFolder } from './inputs.ts';
import { exampleLab, labText } from './lab-inputs.ts';
import { expectRefusal } from './refusal.ts';
import { runCli, runJson } from './run-cli.ts';

const scratch = scratchFolder();
const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(scratch.path(name), content);
  return scratch.path(name);
};
const LAB = exampleLab('eideticom');
const OTHER = exampleLab('nvmet-switch');

describe('every reading command on a lab', () => {
  it.each<[string, string[], number, string]>([
    ['topo', ['topo'], 0, 'peerlane/machine/1'],
    ['show', ['show', 'nvme0'], 0, 'peerlane/function/1'],
    ['show of a bridge by its name', ['show', 'sw0'], 0, 'peerlane/function/1'],
    ['matrix', ['matrix'], 0, 'peerlane/verdicts/1'],
    ['matrix of all', ['matrix', '--all', '--kernel', '5.3'], 0, 'peerlane/verdicts/1'],
    ['check', ['check', 'nvme0', 'nvme1'], 0, 'peerlane/verdicts/1'],
    ['check by a namespace', ['check', '/dev/nvme0n1', '04:00.0'], 0, 'peerlane/verdicts/1'],
    ['fix', ['fix', 'nvme0', 'nvme1'], 0, 'peerlane/fix/1'],
    ['lint', ['lint'], 0, 'peerlane/lint/1'],
    ['diff', ['diff', OTHER], 1, 'peerlane/diff/1'],
    ['diff with itself', ['diff', LAB], 0, 'peerlane/diff/1'],
    ['qemu', ['qemu'], 0, 'peerlane/qemu/1'],
  ])('%s: `lab FILE` and `-m FILE` say the same, in text and in JSON', async (_, command, status, schema) => {
    const text = await runCli(['lab', LAB, ...command]);
    expect(text).toMatchObject({ status, stderr: '' });
    expect(text.stdout).not.toBe('');
    expect(await runCli(['-m', LAB, ...command])).toEqual(text);
    const json = await runCli(['lab', LAB, ...command, '--json']);
    expect(json).toMatchObject({ status, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({ schema });
    expect(await runCli([...command, '--json', '-m', LAB])).toEqual(json);
  });

  it('shows the machine that the file describes', async () => {
    const { stdout } = await runCli(['lab', LAB, 'topo']);
    expect(stdout).toContain(`${LAB} (lab); Linux 7.2.12`);
    expect(stdout).toMatch(/nvme0 {2}driver nvme .*peer memory 128 MiB, .* free, published/);
    const { functions } = await runJson<{ functions: { bdf: string; classNames: { name: string }[] }[] }>([
      'lab',
      LAB,
      'topo',
    ]);
    expect(functions.flatMap(({ classNames }) => classNames.map(({ name }) => name))).toEqual(
      expect.arrayContaining(['sw0', 'nvme0', 'nvme1']),
    );
  });

  it('knows virtual functions by the names that the format gives them', async () => {
    const { verdicts } = await runJson<{ verdicts: { provider: string; client: string }[] }>([
      'lab',
      exampleLab('sriov'),
      'check',
      'nic0vf0',
      'nic0vf1',
      'nic0vf7',
    ]);
    const [first, last] = verdicts;
    // First VF Offset 2, stride 1, of 04:00.0.
    expect(first).toMatchObject({ provider: '0000:04:00.2', client: '0000:04:00.3' });
    expect(last).toMatchObject({ client: '0000:04:01.1' });
  });

  it('compares a lab with another as they differ', async () => {
    const { status, stdout } = await runCli(['diff', exampleLab('acs-on'), exampleLab('acs-off')]);
    expect(status).toBe(1);
    expect(stdout).toContain('ACS Control');
    expect(stdout).toContain('-> bus-addr');
  });

  it('is found from the content, whatever the name, past comments and compressed', async () => {
    const text = readFileSync(LAB, 'utf8');
    const comments = '# 03:00.0 Non-Volatile memory controller: not lspci\n'.repeat(50);
    for (const path of [
      write('machine.txt', text),
      write('commented', comments + text),
      write('lab.gz', gzipSync(text)),
      write('windows.yaml', `\uFEFF${text.replaceAll('\n', '\r\n')}`),
    ]) {
      expect(await runJson(['-m', path, 'topo'])).toMatchObject({ source: { kind: 'lab', label: path } });
    }
  });
});

describe('a lab as a snapshot', () => {
  it('is read back as the machine that it was', async () => {
    const output = scratch.path('lab.tar.gz');
    const made = await runCli(['lab', LAB, 'snapshot', '-o', output, '--keep-identities']);
    expect(made).toMatchObject({ status: 0, stdout: '' });
    expect(made.stderr).toContain('7 PCI functions');
    expect(await runCli(['diff', LAB, output, '--all'])).toMatchObject({
      status: 0,
      stdout: 'no difference\n',
    });
    const verdicts = async (path: string) =>
      (await runJson<{ verdicts: unknown[] }>(['-m', path, 'check', 'nvme0', 'nvme1'])).verdicts;
    expect(await verdicts(output)).toEqual(await verdicts(LAB));
  });
});

describe('a recorded machine as a lab', () => {
  it('comes up with the same verdicts between its drives', async () => {
    const output = scratch.path('imported.yaml');
    const source = golden('0010');
    expect(await runCli(['import', source, '-o', output])).toMatchObject({ status: 0, stdout: '' });
    expect(readFileSync(output, 'utf8')).toContain('peerlane: lab/1');
    const pair = async (path: string) => {
      const { stdout } = await runCli(['-m', path, 'check', 'nvme0', 'nvme1', '--json']);
      const { machine, verdicts } = JSON.parse(stdout);
      return { kind: machine.source.kind, distance: verdicts[0].distance, mapType: verdicts[0].mapType };
    };
    expect(await pair(output)).toEqual({ ...(await pair(source)), kind: 'lab' });
    await expectRefusal(['import', source, '-o', output], 'USAGE_FILE_EXISTS');
    expect((await runCli(['import', source, '-o', output, '--force'])).status).toBe(0);
    const { stdout } = await runCli(['import', source, '-o', '-']);
    expect(stdout).toBe(readFileSync(output, 'utf8'));
  });
});

describe('peerlane lab FILE', () => {
  it('says what the lab is and which commands to try, and these work', async () => {
    const { status, stdout, stderr } = await runCli(['lab', LAB]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Two drives and controller memory below one switch');
    expect(stdout).toContain('NVMe  nvme0  peer memory 128 MiB');
    const commands = [...stdout.matchAll(/^ {2}peerlane (lab .*?) {2}/gm)].map((match) =>
      match[1]!.split(' '),
    );
    expect(commands.length).toBeGreaterThan(4);
    for (const command of commands.filter((words) => words[2] !== 'snapshot')) {
      expect(await runCli(command)).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('has a form for programs', async () => {
    expect(await runJson(['lab', LAB])).toMatchObject({
      schema: 'peerlane/lab/1',
      machine: { functionCount: 7 },
      blocks: [{ label: 'nvme0n1', sizeBytes: 8 * 2 ** 30 }, { label: 'nvme1n1' }],
    });
  });

  it('explains itself', async () => {
    for (const args of [
      ['lab', '--help'],
      ['lab', LAB, '--help'],
      ['help', 'lab'],
    ]) {
      const { status, stdout } = await runCli(args);
      expect(status).toBe(0);
      expect(stdout).toContain('peerlane lab examples/eideticom.yaml check nvme0 nvme1');
    }
  });

  it.each<[string, string[], string[]]>([
    ['a second machine', [LAB, 'topo', '-m', OTHER], ['USAGE_TWO_MACHINES', 'lab FILE']],
    ['a lab of a lab', [LAB, 'lab', OTHER], ['USAGE_MACHINE_NOT_TAKEN']],
    ['an unknown command', [LAB, 'matrx'], ['matrix']],
    ['a file that is not there', [scratch.path('none.yaml'), 'topo'], ['INPUT_MISSING']],
    ['an empty file', ['/dev/null'], ['INPUT_EMPTY', 'peerlane: lab/1']],
    ['a folder', ['/'], ['INPUT_UNREADABLE']],
    ['a snapshot', [golden('0006'), 'topo'], ['-m']],
    ['a device that is not there', [LAB, 'show', 'nvme7'], ['TOPO_UNKNOWN_NAME', 'nearest: nvme0']],
  ])('refuses %s in one line', async (_, args, says) => {
    await expectRefusal(['lab', ...args], ...says);
  });
});

describe('a lab file with mistakes', () => {
  it.each<[string, string, string, string]>([
    ['a misspelt key', labText(['cmd: 64M']), ':6:9', 'LAB_UNKNOWN_KEY'],
    ['a size that is none', labText(['cmb: lots']), ':6:14', 'LAB_VALUE'],
    ['broken YAML', labText(['cmb: [64M']), ':', 'LAB_SYNTAX'],
    ['two devices of one name', labText([], []).replace('nvme1', 'nvme0'), ':6:9', 'LAB_NAME'],
    ['a version to come', 'peerlane: lab/9\n', ':1:11', 'LAB_MARKER'],
    ['a fault of nobody', 'peerlane: lab/1\nfaults: {device: a, do: drop}\n', ':2:18', 'LAB_REFERENCE'],
    ['names that would steer a terminal', labText(['"\\u001b[2J": 1']), ':6:9', 'LAB_'],
    [
      'aliases that grow without end',
      `peerlane: lab/1\na: &a [1]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [${`*${i === 0 ? 'a' : `b${i - 1}`}, `.repeat(9)}1]`).join('\n')}\n`,
      ':',
      'LAB_',
    ],
    [
      'windows that do not fit',
      'peerlane: lab/1\nhost-bridges:\n  - {window-32: 1G}\n  - {window-32: 1G, root-bus: 80}\n',
      '',
      'LAB_NO_ADDRESSES',
    ],
  ])('%s: one line with file, line and column, status 2', async (name, text, position, code) => {
    const path = write(`${name.replaceAll(' ', '-')}.yaml`, text);
    for (const args of [
      ['-m', path, 'matrix'],
      ['lab', path],
      ['lab', path, 'copy', 'nvme0', 'nvme1'],
      ['demo', path],
    ]) {
      await expectRefusal(args, `${path}${position}`, code);
    }
  });
});

describe('what goes wrong at boot', () => {
  const path = write(
    'crowded.yaml',
    [
      'peerlane: lab/1',
      'host-bridges:',
      '  - window-32: 32M',
      '    window-64: 256M',
      '    below:',
      '      - {gpu: card, bars: {0: 16M 32-bit, 1: 64G}}',
      '      - nvme: nvme0',
      '',
    ].join('\n'),
  );

  it('is a warning of one line on stderr for every command, and the machine is there all the same', async () => {
    for (const command of [['topo'], ['matrix'], ['check', 'nvme0', 'card'], []]) {
      const { status, stdout, stderr } = await runCli(['lab', path, ...command]);
      expect(status).toBeLessThanOrEqual(1);
      expect(stdout).not.toBe('');
      expect(stderr).toMatch(/^(?:peerlane: warning: [^\n]*crowded\.yaml: [^\n]+\n)+$/);
      expect(stderr).toContain('card: BAR 1 (68719476736 bytes of memory) has no address');
    }
  });

  it('stands in the tree at its function, and among the findings of the JSON', async () => {
    const { stdout } = await runCli(['-m', path, 'topo']);
    expect(stdout).toMatch(/card.*card: BAR 1 \(\d+ bytes of memory\) has no address/);
    const json = JSON.parse((await runCli(['-m', path, 'topo', '--json'])).stdout);
    expect(json.findings).toContainEqual(
      expect.objectContaining({ code: 'BOOT_UNASSIGNED', at: '0000:01:00.0' }),
    );
  });
});
