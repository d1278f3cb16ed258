/**
 * `peerlane lab FILE vm -- COMMAND` as a user types it: a stock kernel boots with the drives of the lab, the command runs in the guest,
 * and its output and status come back.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { vfioUserLabAvailable } from '../cache.ts';

const found = vfioUserLabAvailable();
const program = fileURLToPath(new URL('../../../bin/peerlane.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'peerlane-vm-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const lab = join(scratch, 'lab.yaml');
writeFileSync(
  lab,
  'peerlane: lab/1\nmemory: 2G\nbelow: [{switch: sw0, below: [{nvme: a, serial: LAB-a, cmb: 2M}, {nvme: b}]}]\n',
);

function vm(options: readonly string[], command: readonly string[]) {
  const kernel = found.ok ? found.lab.vmlinuz : '';
  const args = [
    program,
    'lab',
    lab,
    'vm',
    '--kernel',
    kernel,
    '--accel',
    process.env.PEERLANE_ACCEL ?? 'tcg',
  ];
  return spawnSync(process.execPath, [...args, '--limit', '300', ...options, '--', ...command], {
    encoding: 'utf8',
    cwd: scratch,
  });
}

describe.skipIf(!found.ok)(`peerlane vm${found.ok ? '' : `: ${found.why}`}`, () => {
  it('runs a command on the files of this computer, with the drives of the lab, and has its status', () => {
    const log = join(scratch, 'commands.log');
    const { status, stdout, stderr } = vm(
      ['--log', 'commands,registers', '--log-file', log, '--dir', join(scratch, 'run')],
      [
        'bash',
        '-c',
        'cat /sys/class/nvme/*/serial; pwd; echo "to stderr" >&2; touch here 2> /dev/null || echo read-only; exit 7',
      ],
    );
    expect({ status, stderr }).toEqual({ status: 7, stderr: 'to stderr\n' });
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim());
    expect(lines).toContain('LAB-a');
    expect(lines).toContain(scratch);
    expect(lines).toContain('read-only');
    const logged = readFileSync(log, 'utf8');
    expect(logged).toMatch(/ a write CC = 0x\d{8} .*EN=1/);
    expect(logged).toMatch(/ b SQ0 cid \d+ IDENTIFY cns 1 -> guest 0x[0-9a-f]+: SUCCESS in \d+ us/);
    // Nothing is left behind.
    expect(readdirSync(scratch).sort()).toEqual(['commands.log', 'lab.yaml']);
  }, 400_000);

  it('says what became of a guest that cannot run it', () => {
    const { status, stderr } = vm(['--append', 'panic=-1 rdinit=/nothing'], ['true']);
    expect(status).toBe(3);
    expect(stderr).toMatch(/^peerlane: the guest ended before it was done .*HOST_GUEST_ENDED\]\n$/);
  }, 400_000);

  it('ends one that hangs when its time is over', () => {
    const { status, stderr } = vm(['--limit', '20'], ['sleep', '1000']);
    expect(status).toBe(3);
    expect(stderr).toContain('HOST_GUEST_HUNG');
  }, 400_000);
});
