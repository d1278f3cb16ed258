/** What a newcomer sees first: `npm start`, and the verdicts of the machine that comes along. */
import { describe, expect, it } from 'vitest';
import { runCli } from '../run-cli.ts';

describe('peerlane demo --verdicts', () => {
  it('shows the tree, every pair, one pair in full and what to change, of the machine that comes along', async () => {
    const { status, stdout, stderr } = await runCli(['demo', '--verdicts']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('1. The tree');
    expect(stdout).toContain('2. Every pair');
    expect(stdout).toContain('3. One pair');
    expect(stdout).toContain('4. What to change');
    expect(stdout).toMatch(/\d+ usable, \d+ not supported, \d+ unknown/);
    expect(stdout).toMatch(/is provider for/);
  });

  it('prints commands that do what it shows', async () => {
    const { stdout } = await runCli(['demo', '--verdicts']);
    const commands = [...stdout.matchAll(/peerlane (-m examples\/\S+ .*)$/gm)].map((match) =>
      match[1]!.split(' '),
    );
    expect(commands.map((command) => command[2])).toEqual(['topo', 'matrix', 'check', 'fix']);
    for (const command of commands) {
      const shown = await runCli(command);
      expect(shown.status).toBeLessThanOrEqual(1);
      expect(shown.stderr).toBe('');
      // All but the first line, which names the file as it was given.
      const body = shown.stdout.slice(shown.stdout.indexOf('\n'));
      expect(stdout).toContain(body);
    }
  });
});

describe('npm start', () => {
  it('runs the demo, and says one line of this machine', async () => {
    const { status, stdout, stderr } = await runCli(['start']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^The machine, simulated \(examples\/eideticom\.yaml/);
    expect(stdout).toMatch(/bytes over DRAM +512 MiB +0 B/);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^(?:This machine has \d+ pairs? of|All commands: )/);
  });
});
