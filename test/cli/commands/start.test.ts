/** What a newcomer sees first: `peerlane demo`, and `npm start`. */
import { describe, expect, it } from 'vitest';
import { runCli } from '../run-cli.ts';

describe('peerlane demo', () => {
  it('shows the tree, every pair, one pair in full and what to change, of the machine that comes along', async () => {
    const { status, stdout, stderr } = await runCli(['demo']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('1. The tree');
    expect(stdout).toContain('2. Every pair');
    expect(stdout).toContain('3. One pair');
    expect(stdout).toContain('4. What to change');
    expect(stdout).toMatch(/\d+ usable, \d+ not supported, \d+ unknown/);
    expect(stdout).toMatch(/is provider for/);
  });

  it('prints commands that do what it shows', async () => {
    const { stdout } = await runCli(['demo']);
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
  it('shows this machine where it has devices, and the demo where none of them can', async () => {
    const { status, stdout, stderr } = await runCli(['start']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^This machine/);
    const usable = /: (\d+) usable, \d+ not supported, \d+ unknown/.exec(stdout);
    const hasNone = usable === null || usable[1] === '0';
    expect(stdout.includes('1. The tree')).toBe(
      hasNone || stdout.startsWith('This machine has no PCI devices'),
    );
  });
});
