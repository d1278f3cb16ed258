/** `peerlane show` and `peerlane topo`: every function of every recorded machine, in both forms. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { golden, HWLOC_TEXT, LSPCI_TEXT, NCCL_TEXT, scratchFolder, UDEV_TEXT } from '../inputs.ts';
import { runCli, runJson } from '../run-cli.ts';

interface Topo {
  readonly schema: string;
  readonly functions: readonly { readonly bdf: string }[];
}

const scratch = scratchFolder();
/** Of each vendor, with and without ACS and IOMMU. */
const machines: [string, string][] = ['0003', '0006', '0010', '0023', '0037'].map((name) => [
  `case ${name}`,
  golden(name),
]);
for (const [name, text] of [
  ['lspci', LSPCI_TEXT],
  ['hwloc', HWLOC_TEXT],
  ['nccl', NCCL_TEXT],
  ['udev', UDEV_TEXT],
] as const) {
  writeFileSync(scratch.path(name), text);
  machines.push([name, scratch.path(name)]);
}

describe('show', () => {
  it.each(machines)('%s: every function, text and JSON', async (_, machine) => {
    const { functions } = await runJson<Topo>(['-m', machine, 'topo']);
    expect(functions.length).toBeGreaterThan(2);
    for (const { bdf } of functions) {
      const json = await runJson(['-m', machine, 'show', bdf]);
      expect(json).toMatchObject({ schema: 'peerlane/function/1', bdf });
      expect(json).toHaveProperty('config');
      const { status, stdout, stderr } = await runCli(['-m', machine, 'show', bdf]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`^${bdf} {2}`));
      expect(stdout).not.toMatch(/undefined|NaN|\[object/);
    }
  });

  it('has the words of the specification, their values and their fields', async () => {
    const { stdout } = await runCli(['-m', golden('0010'), 'show', '07:00.0']);
    expect(stdout).toMatch(/PCIe type +switch-downstream/);
    expect(stdout).toMatch(/\[0x[0-9a-f]{3}\] Access Control Services id 0x000d v1/);
    expect(stdout).toMatch(/0x[0-9a-f]{3} {2}0x001d +ACS Control/);
    expect(stdout).toMatch(/\[2\] +ACS_P2P_Request_Redirect_Enable +1/);
  });

  it('says where config space is not in the input', async () => {
    const { stdout } = await runCli(['-m', scratch.path('hwloc'), 'show', 'nvme0n1']);
    expect(stdout).toContain('config space: not in this input');
    expect(stdout).toMatch(/IOMMU group +unknown/);
  });
});

describe('topo', () => {
  it.each(machines)('%s: every function has a line', async (_, machine) => {
    const { functions } = await runJson<Topo>(['-m', machine, 'topo']);
    const { status, stdout, stderr } = await runCli(['-m', machine, 'topo']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.split('\n').filter((line) => /[├└]─ /.test(line));
    expect(lines).toHaveLength(functions.length);
    for (const { bdf } of functions) {
      expect(lines.filter((line) => line.includes(` ${bdf.slice(5)} `))).toHaveLength(1);
    }
    expect(stdout).not.toMatch(/undefined|NaN|\[object/);
  });

  it('indents what stands below a bridge, and tells links, ACS and peer memory', async () => {
    const { stdout } = await runCli(['-m', golden('0010'), 'topo']);
    const lines = stdout.split('\n');
    const at = (bdf: string): string => lines.find((line) => line.includes(` ${bdf} `))!;
    const indent = (bdf: string): number => at(bdf).indexOf(bdf);
    expect(indent('08:00.0')).toBe(indent('07:00.0') + 3);
    expect(lines.indexOf(at('08:00.0'))).toBe(lines.indexOf(at('07:00.0')) + 1);
    expect(at('07:00.0')).toContain('ACS SV RR CR UF');
    expect(at('08:00.0')).toMatch(/nvme0 {2}driver nvme {2}\[2\.5 GT\/s x1\] {2}peer memory 16 MiB/);
  });
});

describe('matrix in text', () => {
  it('has a row and a column for each device, and fits the terminal', async () => {
    for (const columns of [60, 100, 200]) {
      const { stdout } = await runCli(['-m', golden('0010'), 'matrix'], [], { columns });
      const rows = stdout.match(/^\[\d+\] .*$/gm)!;
      const devices = new Set(rows.map((row) => row.split(' ')[1]));
      expect(devices.size).toBe(12);
      expect(rows.length % 12).toBe(0);
      expect(rows.filter((row) => row.length > columns)).toEqual([]);
    }
  });

  it('is coloured on a terminal, and nowhere else', async () => {
    const args = ['-m', golden('0010'), 'matrix'];
    const plain = (await runCli(args)).stdout;
    const coloured = (await runCli(args, [], { outIsTerminal: true })).stdout;
    expect(plain).not.toContain('\u001b');
    if (process.env.NO_COLOR === undefined && process.env.TERM !== 'dumb') {
      expect(coloured).toContain('\u001b[');
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with this control character
    expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(plain);
  });
});
