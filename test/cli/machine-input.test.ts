/** Whatever describes a machine, by its content; and whatever does not, in one line. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/base/index.ts';
import { hasTestdata, testdataPath } from '../support/testdata.ts';
import {
  filesOf,
  golden,
  HWLOC_TEXT,
  kernelAnswers,
  LSPCI_TEXT,
  NCCL_TEXT,
  scratchFolder,
  tarOf,
  UDEV_TEXT,
  writeSysroot,
} from './inputs.ts';
import { expectRefusal } from './refusal.ts';
import { runCli, runJson } from './run-cli.ts';

const scratch = scratchFolder();
const files = filesOf(golden('0003'));
const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(scratch.path(name), content);
  return scratch.path(name);
};

interface Verdicts {
  readonly machine: { readonly source: { readonly kind: string }; readonly functionCount: number };
  readonly verdicts: readonly { provider: string; client: string; distance: number; mapType: string }[];
}

describe('one machine in every form of a sysroot', () => {
  writeSysroot(files, scratch.path('sysroot'));
  writeSysroot(files, scratch.path('parent/host1'));
  const forms: readonly [string, string, string][] = [
    ['tar.gz', golden('0003'), 'archive'],
    ['tar', write('plain.tar', tarOf(files)), 'archive'],
    ['tar with a leading folder', write('leading.tar', tarOf(files, 'host1/')), 'archive'],
    ['tar.gz with two, named ./', write('dot.tar.gz', gzipSync(tarOf(files, './a/b/'))), 'archive'],
    ['an archive whose name tells nothing', write('notes.txt', readFileSync(golden('0003'))), 'archive'],
    ['a directory', scratch.path('sysroot'), 'sysroot'],
    ['a directory with a slash at the end', `${scratch.path('sysroot')}/`, 'sysroot'],
  ];

  it.each(forms)('%s', async (_, path, kind) => {
    const { machine, verdicts } = await runJson<Verdicts>(['-m', path, 'matrix', '--all']);
    expect(machine.source.kind).toBe(kind);
    const kernel = kernelAnswers('0003');
    expect(verdicts).toHaveLength(kernel.size);
    for (const verdict of verdicts) {
      expect(verdict.distance).toBe(kernel.get(`${verdict.provider} ${verdict.client}`)!.distance);
    }
  });

  it('compares equal to itself in another form', async () => {
    const result = await runCli(['diff', golden('0003'), scratch.path('sysroot'), '--all']);
    expect(result).toMatchObject({ status: 0, stdout: 'no difference\n', stderr: '' });
  });
});

describe('texts', () => {
  it.each<[string, string, string, string, string]>([
    ['lspci', LSPCI_TEXT, 'lspci', '03:00.0', '04:00.0'],
    ['hwloc', HWLOC_TEXT, 'hwloc', 'nvme0n1', 'nvme1n1'],
    ['nccl', NCCL_TEXT, 'nccl', 'GPU0', 'GPU1'],
    ['udev', UDEV_TEXT, 'udev', '03:00.0', '04:00.0'],
  ])('%s', async (name, text, kind, provider, client) => {
    const path = write(`${name}.any`, text);
    const source = { kind, label: path };
    expect(await runJson(['-m', path, 'topo'])).toMatchObject({ source });
    const { verdicts } = await runJson<Verdicts>(['-m', path, 'check', provider, client]);
    expect(verdicts[0]).toMatchObject({ provider: '0000:03:00.0', client: '0000:04:00.0' });
    // What these formats leave out is told, never assumed.
    const { stdout, stderr } = await runCli(['-m', path, 'check', provider, client]);
    expect(stderr).toBe('');
    expect(stdout).toContain(kind === 'lspci' ? 'usable' : 'unknown');
  });

  it('may be compressed', async () => {
    const path = write('lspci.gz', gzipSync(LSPCI_TEXT));
    expect(await runJson(['-m', path, 'topo'])).toMatchObject({ source: { kind: 'lspci' } });
  });
});

const recorded = ['data', 'topologies'];

describe.skipIf(!hasTestdata(...recorded))('recorded inputs', () => {
  it.each([
    ['lspci', 'lspci-text', 'pciebench-supermicro-hsw.lspci-vvv.txt'],
    ['lspci', 'lspci-hex', 'pciutils-tree-asus-p6t6.txt'],
    ['hwloc', 'hwloc-xml', 'hwloc-nvidiaDGX2.xml'],
    ['nccl', 'nccl-xml', 'h800-dump.xml'],
    ['udev', 'udev', 'checkbox-MELLANOX_40GBPS.txt'],
    ['archive', 'sysfs', 'hwloc-32intel64-2p8co2t+8ve.tar.gz'],
    ['archive', 'sysfs', 'ghw-amd64-accel-nvidia.tar.gz'],
  ])('%s: %s/%s is read and judged', async (kind, folder, name) => {
    const path = testdataPath(...recorded, folder, name);
    const { machine } = await runJson<Verdicts>(['-m', path, 'matrix']);
    expect(machine.source.kind).toBe(kind);
    for (const command of ['topo', 'matrix', 'lint']) {
      const { status, stderr, stdout } = await runCli(['-m', path, command]);
      expect(stderr).toBe('');
      expect(status).toBeLessThanOrEqual(1);
      expect(stdout).toContain(name);
    }
  });
});

describe('what is no machine', () => {
  mkdirSync(scratch.path('no-sys/etc'), { recursive: true });
  mkdirSync(scratch.path('no-pci/sys/bus/pci/devices'), { recursive: true });
  const archive = readFileSync(golden('0003'));
  const tar = gunzipSync(archive);
  /** Members of gzip follow each other (RFC 1952, 2.2), so a kilobyte more asks for 16 MiB more. */
  const zeros = gzipSync(new Uint8Array(16 * 2 ** 20), { level: 9 });
  const bomb = Buffer.concat(Array.from({ length: 64 }, () => zeros));
  const random = new SeededRandom(7);
  const noise = Uint8Array.from({ length: 5000 }, () => random.next32());

  it.each<[string, string, string[]]>([
    ['a file that is not there', scratch.path('nothing'), ['INPUT_MISSING']],
    ['a file below a file', `${golden('0003')}/sys`, ['INPUT_MISSING']],
    ['an empty name', '', ['INPUT_MISSING']],
    ['an empty file', write('empty', ''), ['INPUT_EMPTY', 'is empty']],
    ['spaces only', write('blank', ' \n\n \t\n'), ['empty']],
    ['a directory without sys/', scratch.path('no-sys'), ['INPUT_NO_SYSFS', 'sys/']],
    ['a directory without PCI functions', scratch.path('no-pci'), ['INPUT_NO_PCI']],
    ['binary noise', write('noise', noise), ['INPUT_UNKNOWN', 'binary']],
    ['a program', process.execPath, ['binary']],
    ['an endless device', '/dev/zero', ['INPUT_TOO_LARGE', '/dev/zero']],
    ['an empty device', '/dev/null', ['INPUT_EMPTY']],
    ['prose', write('prose', 'Dear reader,\nthis is no machine.\n'), ['INPUT_UNKNOWN', 'sysroot']],
    ['other XML', write('other.xml', '<?xml version="1.0"?><html/>'), ['INPUT_UNKNOWN']],
    ['cut XML', write('cut.xml', HWLOC_TEXT.slice(0, 900)), ['INPUT_', 'cut.xml']],
    ['JSON', write('some.json', '{"schema":"peerlane/verdicts/1"}'), ['JSON']],
    ['a zip', write('a.zip', new Uint8Array([0x50, 0x4b, 3, 4, 0, 0, 0, 0])), ['gzip']],
    ['a tar that ends early', write('cut.tar', tar.subarray(0, 20_000)), ['INPUT_TRUNCATED', 'cut.tar']],
    [
      'a tar.gz that ends early',
      write('cut.tar.gz', archive.subarray(0, 5000)),
      ['INPUT_TRUNCATED', 'cut.tar.gz', 'gzip -t'],
    ],
    [
      'a damaged tar.gz',
      write(
        'bad.tar.gz',
        archive.map((byte, i) => (i === 4000 ? byte ^ 0xff : byte)),
      ),
      ['INPUT_TRUNCATED', 'bad.tar.gz'],
    ],
    ['a tar without sys/', write('etc.tar', tarOf(new Map([['etc/motd', noise]]))), ['sys/']],
    ['a gigabyte in a megabyte', write('bomb.gz', bomb), ['INPUT_TOO_LARGE', 'bomb.gz']],
  ])('%s', async (_, path, says) => {
    await expectRefusal(['-m', path, 'matrix'], ...says);
  });

  it('is refused by every command alike', async () => {
    const path = scratch.path('nothing');
    for (const args of [
      ['topo'],
      ['show', 'nvme0'],
      ['matrix', '--json'],
      ['check', 'a', 'b'],
      ['fix', 'a', 'b'],
      ['lint'],
      ['snapshot', '-o', scratch.path('never.tar.gz')],
    ]) {
      await expectRefusal(['-m', path, ...args], 'INPUT_MISSING', path);
    }
    await expectRefusal(['diff', golden('0003'), path], 'INPUT_MISSING', path);
    await expectRefusal(['diff', path, golden('0003')], 'INPUT_MISSING', path);
  });
});

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65534;

describe('what may not be read', () => {
  writeSysroot(files, scratch.path('private'));
  write('private.tar.gz', readFileSync(golden('0003')));
  // mkdtemp makes a folder that only its owner may enter.
  chmodSync(scratch.path('.'), 0o755);

  /** Root may read everything: for the time of a test it steps down. What the command loads is loaded before. */
  async function asOthers<T>(run: () => Promise<T>): Promise<T> {
    await runCli(['-m', golden('0006'), 'topo']);
    await runCli(['-m', golden('0006'), 'snapshot', '-o', '-']);
    process.seteuid?.(isRoot ? NOBODY : process.geteuid!());
    try {
      return await run();
    } finally {
      process.seteuid?.(isRoot ? 0 : process.geteuid!());
    }
  }

  afterEach(() => {
    for (const folder of ['private', 'private/sys', 'private/sys/devices']) {
      chmodSync(scratch.path(folder), 0o755);
    }
  });

  it('a file: says so, and who could', async () => {
    chmodSync(scratch.path('private.tar.gz'), 0);
    await asOthers(() =>
      expectRefusal(['-m', scratch.path('private.tar.gz'), 'topo'], 'INPUT_UNREADABLE', 'EACCES', 'root'),
    );
  });

  it.each(['private', 'private/sys'])(
    'a sysroot with a closed folder %s: not taken for an empty one',
    async (folder) => {
      chmodSync(scratch.path(folder), 0);
      await asOthers(async () => {
        await expectRefusal(['-m', scratch.path('private'), 'topo'], 'INPUT_UNREADABLE', 'EACCES', 'root');
        const output = scratch.path('never.tar.gz');
        await expectRefusal(['--sysroot', scratch.path('private'), 'snapshot', '-o', output], 'EACCES');
      });
    },
  );

  it('the folders of the functions: their addresses are known, and no verdict is made up', async () => {
    chmodSync(scratch.path('private/sys/devices'), 0);
    const { status, stdout } = await asOthers(() =>
      runCli(['-m', scratch.path('private'), 'check', '--json', '40:00.0', '81:00.0']),
    );
    expect(status).toBe(1);
    expect(JSON.parse(stdout).verdicts[0]).toMatchObject({
      usable: null,
      mapType: 'unknown',
      distance: null,
    });
  });

  it('config space alone: the machine is read, and what is missing is unknown', async () => {
    for (const path of files.keys()) {
      if (path.endsWith('/config')) {
        chmodSync(scratch.path(`private/${path}`), 0);
      }
    }
    const { stdout, status } = await asOthers(() =>
      runCli(['-m', scratch.path('private'), 'matrix', '--json']),
    );
    expect(status).toBe(0);
    const { machine } = JSON.parse(stdout) as { machine: { gaps: { what: string; detail: string }[] } };
    expect(machine.gaps.map((gap) => gap.detail).join('\n')).toContain('root');
  });
});
