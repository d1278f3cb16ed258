/** `peerlane lint`: the boot command line against the machine, from a snapshot. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { filesOf, golden, LSPCI_TEXT, scratchFolder, setText, tarOf } from '../inputs.ts';
import { runCli, runJson } from '../run-cli.ts';

interface LintJson {
  readonly findings: readonly { code: string; severity: string; parameter: string | null }[];
}

const scratch = scratchFolder();

function booted(commandLine: string): string {
  const files = filesOf(golden('0010'));
  setText(files, 'proc/cmdline', `${commandLine}\n`);
  const path = scratch.path('host.tar');
  writeFileSync(path, tarOf(files));
  return path;
}

describe('peerlane lint', () => {
  it.each([
    ['pci=disable_acs_redir=0000:07:00.0,0000:04:00.0', 'LINT_SEPARATOR'],
    ['pci=disable_acs_redir=0000:ee:00.0', 'LINT_NO_SUCH_FUNCTION'],
    ['pcie_acs_override=downstream,multifunction', 'LINT_NOT_UPSTREAM'],
  ])('%s: %s, exit status 1', async (commandLine, code) => {
    const machine = booted(commandLine);
    const { findings } = await runJson<LintJson>(['-m', machine, 'lint']);
    const found = findings.find((finding) => finding.code === code);
    expect(found).toMatchObject({ severity: 'error' });
    const { stdout, status } = await runCli(['-m', machine, 'lint']);
    expect(status).toBe(1);
    expect(stdout).toMatch(new RegExp(`^error {2}${code}`, 'm'));
    expect(stdout).toContain(found!.parameter);
    expect(stdout).toMatch(/\n\d+ to mend; \d+ notes\n$/);
  });

  it('says that there is nothing to mend', async () => {
    const { stdout, status } = await runCli(['-m', booted('quiet splash'), 'lint']);
    expect(status).toBe(0);
    expect(stdout).toContain('nothing to mend');
  });

  it('says what it could not look at', async () => {
    writeFileSync(scratch.path('l.txt'), LSPCI_TEXT);
    const { stdout } = await runCli(['-m', scratch.path('l.txt'), 'lint']);
    expect(stdout).toContain('the boot command line is not in this input');
  });
});
