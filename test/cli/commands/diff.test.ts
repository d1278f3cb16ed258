/** `peerlane diff`: what changed, and which verdicts with it. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { changeAcs, type Files, filesOf, golden, scratchFolder, setText, tarOf } from '../inputs.ts';
import { runCli } from '../run-cli.ts';

interface DiffJson {
  readonly schema: string;
  readonly rules: { readonly before: string; readonly after: string };
  readonly changes: readonly { kind: string; at: string | null; before: string; after: string }[];
  readonly verdicts: readonly {
    provider: string;
    client: string;
    before: { usable: boolean | null };
    after: { usable: boolean | null };
    because: string;
  }[];
  readonly verdictCount: number;
}

const scratch = scratchFolder();
const HASWELL = golden('0010');

function changed(name: string, change: (files: Files) => void): string {
  const files = filesOf(HASWELL);
  change(files);
  const path = scratch.path(`${name}.tar`);
  writeFileSync(path, tarOf(files));
  return path;
}

async function diffJson(...args: string[]): Promise<DiffJson & { status: number }> {
  const { stdout, stderr, status } = await runCli(['diff', ...args, '--json']);
  expect(stderr).toBe('');
  return { ...(JSON.parse(stdout) as DiffJson), status };
}

const REDIRECTS = 0x2c;

describe('peerlane diff', () => {
  it('says so when nothing changed', async () => {
    expect(await runCli(['diff', HASWELL, HASWELL])).toMatchObject({
      status: 0,
      stdout: 'no difference\n',
      stderr: '',
    });
    expect(await diffJson(HASWELL, HASWELL)).toMatchObject({
      schema: 'peerlane/diff/1',
      changes: [],
      verdicts: [],
      verdictCount: 0,
      status: 0,
    });
  });

  it('finds ACS words that changed, and the pairs that they decide', async () => {
    let ports: string[] = [];
    const open = changed('acs', (files) => {
      ports = changeAcs(files, (control) => control & ~REDIRECTS);
    });
    const result = await diffJson(HASWELL, open, '--all');
    expect(result.status).toBe(1);
    expect(result.changes.map((change) => change.kind)).toEqual(ports.map(() => 'acs'));
    expect(result.changes.map((change) => change.at).sort()).toEqual([...ports].sort());
    expect(result.verdictCount).toBe(result.verdicts.length);
    expect(result.verdicts.length).toBeGreaterThan(0);
    for (const verdict of result.verdicts) {
      expect(verdict).toMatchObject({ because: 'acs', before: { usable: false }, after: { usable: true } });
    }
    // The other way round it is the same list, turned.
    const back = await diffJson(open, HASWELL, '--all');
    expect(back.verdictCount).toBe(result.verdictCount);
    expect(back.verdicts[0]).toMatchObject({ before: { usable: true }, after: { usable: false } });
  });

  it('tells it in text, with the address and both values', async () => {
    const open = changed('acs-text', (files) => {
      changeAcs(files, (control) => control & ~REDIRECTS);
    });
    const { stdout, status } = await runCli(['diff', HASWELL, open]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^Changed: \d+\n {2}04:00\.0 .*acs: .* -> /);
    expect(stdout).toMatch(
      /nvme0 \(NVMe\) for .*nvme1 \(NVMe\): not-supported -> bus-addr 4\n {4}because of ACS/,
    );
  });

  it('finds the kernel, and judges each machine by its own', async () => {
    const older = changed('kernel', (files) =>
      setText(files, 'proc/version', 'Linux version 4.19.0 (x@y) #1\n'),
    );
    const result = await diffJson(HASWELL, older);
    expect(result).toMatchObject({
      status: 1,
      rules: { before: 'linux-7.2', after: 'linux-4.19' },
      changes: [{ kind: 'kernel', at: null, after: '4.19.0' }],
    });
    expect(result.verdicts.length).toBeGreaterThan(0);
    expect(result.verdicts.every((verdict) => verdict.because === 'kernel-rules')).toBe(true);
  });

  it('judges both by --kernel: then only the change itself is left', async () => {
    const older = changed('kernel2', (files) =>
      setText(files, 'proc/version', 'Linux version 4.19.0 (x@y) #1\n'),
    );
    expect(await diffJson(HASWELL, older, '--kernel', '6.1')).toMatchObject({
      status: 1,
      rules: { before: 'linux-6.1', after: 'linux-6.1' },
      changes: [{ kind: 'kernel' }],
      verdictCount: 0,
    });
  });

  it('finds functions that came and went', async () => {
    const without = changed('gone', (files) => {
      for (const path of [...files.keys()]) {
        if (path.includes('/0000:41:00.0')) {
          files.delete(path);
        }
      }
    });
    const went = await diffJson(HASWELL, without);
    expect(went.changes).toContainEqual(
      expect.objectContaining({ kind: 'function-removed', at: '0000:41:00.0' }),
    );
    const came = await diffJson(without, HASWELL);
    expect(came.changes).toContainEqual(
      expect.objectContaining({ kind: 'function-added', at: '0000:41:00.0' }),
    );
    expect((await runCli(['diff', HASWELL, without])).stdout).toContain('0000:41:00.0: function-removed');
  });

  it('compares two machines that have nothing to do with each other', async () => {
    const result = await diffJson(golden('0001'), golden('0024'), '--all');
    expect(result.status).toBe(1);
    expect(result.changes.map((change) => change.kind)).toContain('cpu');
  });
});
