/**
 * Names, identifiers and command lines come from devices, files and other people's machines. Whatever they hold, a
 * terminal is not steered by them: no control character but the line end, and no mark that turns text round.
 */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printable } from '../../src/cli/render/style.ts';
import {
  filesOf,
  folderOf,
  golden,
  HWLOC_TEXT,
  LSPCI_TEXT,
  NCCL_TEXT,
  scratchFolder,
  setText,
  tarOf,
  UDEV_TEXT,
} from './inputs.ts';
import { runCli } from './run-cli.ts';

/** Clears the screen, sets the title, moves the cursor, in 7 and 8 bits; rings; goes back to the start of the line; turns text. */
const EVIL = '\u001b[2J\u001b]0;owned\u0007\u009b31m\r\b\u007f\u202eelif\u2066';

const scratch = scratchFolder();

/** A machine that lies wherever it can speak. */
function evilMachine(): string {
  const files = filesOf(golden('0010'));
  setText(files, 'proc/version', `Linux version 7.2.12${EVIL} (me@host) #1`);
  setText(
    files,
    'proc/cmdline',
    `quiet${EVIL} pci=disable_acs_redir=0000:ee:00.0,${EVIL} ${EVIL}=1 pcie_acs_override=${EVIL}`,
  );
  setText(
    files,
    'proc/cpuinfo',
    `processor : 0\nvendor_id : ${EVIL}\ncpu family : 6\nmodel name : CPU ${EVIL}\n\n`,
  );
  for (const bdf of ['0000:08:00.0', '0000:09:00.0']) {
    const folder = folderOf(files, bdf);
    files.set(`${folder}/driver`, { linkTo: `../../../../bus/pci/drivers/nvme${EVIL}` });
    files.set(`${folder}/iommu_group`, { linkTo: `../../../../kernel/iommu_groups/1${EVIL}` });
    for (const name of ['net', 'block', 'infiniband']) {
      setText(files, `${folder}/${name}/${name}0${EVIL}/uevent`, `INTERFACE=${EVIL}\n`);
    }
    for (const name of [
      'current_link_speed',
      'numa_node',
      'class',
      'resource',
      'd3cold_allowed',
      'power_state',
    ]) {
      setText(files, `${folder}/${name}`, `${EVIL}\n`);
    }
    for (const name of ['size', 'available', 'published']) {
      setText(files, `${folder}/p2pmem/${name}`, EVIL);
    }
  }
  setText(
    files,
    'usr/share/misc/pci.ids',
    `1b36  Acme ${EVIL}\n\t0010  Drive ${EVIL}\n8086  In${EVIL}tel\n\t29c0  ${EVIL}\n`,
  );
  setText(files, 'etc/modprobe.d/evil.conf', `options nvme ${EVIL}=1\n`);
  setText(files, 'sys/class/dmi/id/sys_vendor', EVIL);
  const path = scratch.path('evil.tar');
  writeFileSync(path, tarOf(files));
  return path;
}

const TEXTS: readonly [string, string][] = [
  [
    'lspci',
    LSPCI_TEXT.replaceAll('Acme', `Acme ${EVIL.replaceAll('\r', '')}`).replaceAll(
      'nvme',
      `nvme${EVIL.replaceAll('\r', '')}`,
    ),
  ],
  [
    'hwloc',
    HWLOC_TEXT.replaceAll('GenuineIntel', `&#x9b;31m\u202e`).replaceAll('nvme0n1', 'nvme0n1&#x9b;31m\u202e'),
  ],
  ['nccl', NCCL_TEXT.replaceAll('GenuineIntel', '\u202e\u009b31m').replaceAll('16 GT/s', '\u202e\u009b31m')],
  [
    'udev',
    UDEV_TEXT.replaceAll(
      '\n\n',
      `\nE: DRIVER=d${EVIL.replaceAll('\r', '')}\nE: ID_MODEL_FROM_DATABASE=m${EVIL.replaceAll('\r', '')}\n\n`,
    ),
  ],
];

/** Everything that is not a line end, not our own colour, and not for a terminal. */
function dangers(text: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are taken out first
  const rest = text.replace(/\u001b\[(?:0|1|2|31|32|33)m/g, '').replaceAll('\n', '');
  return (
    rest
      .match(/.{0,30}[\p{Cc}\u2028\u2029\p{Bidi_C}\ufeff].{0,10}/gu)
      ?.map((found) => JSON.stringify(found)) ?? []
  );
}

const PAIR = ['08:00.0', '09:00.0'];

const COMMANDS: readonly (readonly string[])[] = [
  ['topo'],
  ['matrix'],
  ['matrix', '--all'],
  ['show', '08:00.0'],
  ['check', ...PAIR],
  ['check', '08:00.0', '09:00.0', '0c:00.0'],
  ['fix', ...PAIR],
  ['fix', '0d:00.0', '0c:00.0'],
  ['lint'],
  // Refusals name what was asked, and suggest names of the machine.
  ['show', 'net'],
  ['show', EVIL],
  ['check', '08:00.0', `nvme${EVIL}`],
  ['matrix', '--kernel', EVIL],
  ['matrix', `--${EVIL}`],
  [EVIL],
];

describe('text of a hostile machine', () => {
  const machine = evilMachine();

  it('is there, in the JSON: nothing was dropped on the way in', async () => {
    const { stdout } = await runCli(['-m', machine, 'topo', '--json']);
    expect(stdout).toContain('owned');
    expect(stdout).toContain(JSON.stringify('\u001b').slice(1, -1));
  });

  it.each(COMMANDS.map((command) => [command.join(' '), command] as const))(
    '%j reaches no terminal',
    async (_, command) => {
      for (const outIsTerminal of [false, true]) {
        const { stdout, stderr } = await runCli(['-m', machine, ...command], [], { outIsTerminal });
        expect(stdout + stderr).not.toBe('');
        expect(dangers(stdout)).toEqual([]);
        expect(dangers(stderr)).toEqual([]);
      }
    },
  );

  it('reaches none through diff, in either direction', async () => {
    for (const machines of [
      [machine, golden('0010')],
      [golden('0010'), machine],
    ]) {
      const { stdout, stderr, status } = await runCli(['diff', ...machines, '--all']);
      expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
      expect(dangers(stdout)).toEqual([]);
    }
  });

  it('reaches none through the name of a file', async () => {
    const path = scratch.path(`name${EVIL.replaceAll('/', '')}.txt`);
    writeFileSync(path, LSPCI_TEXT);
    for (const args of [
      ['-m', path, 'topo'],
      ['-m', `${path}x`, 'topo'],
      ['diff', path, golden('0006')],
    ]) {
      const { stdout, stderr } = await runCli(args);
      expect(stdout + stderr).not.toBe('');
      expect(dangers(stdout + stderr)).toEqual([]);
    }
  });
});

describe.each(TEXTS)('a hostile %s text', (kind, text) => {
  it('reaches no terminal', async () => {
    const path = scratch.path(`${kind}.any`);
    writeFileSync(path, text);
    for (const command of [
      ['topo'],
      ['matrix', '--all'],
      ['check', '03:00.0', '04:00.0'],
      ['show', '03:00.0'],
      ['fix', '03:00.0', '04:00.0'],
      ['lint'],
      ['show', 'GPU'],
    ]) {
      const { stdout, stderr } = await runCli(['-m', path, ...command]);
      expect(stdout + stderr).not.toBe('');
      expect(dangers(stdout + stderr)).toEqual([]);
    }
  });
});

describe('printable', () => {
  it('keeps text in any script, and replaces what steers', () => {
    expect(printable('Grüße 設備 №1 — ✓')).toBe('Grüße 設備 №1 — ✓');
    expect(dangers(printable(EVIL))).toEqual([]);
    expect(printable(EVIL)).toHaveLength(EVIL.length);
  });
});
