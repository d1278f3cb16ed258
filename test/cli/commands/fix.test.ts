/** `peerlane fix`: a plan on paper. What it promises is tried on a copy of the machine with the printed words set. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { changeAcs, filesOf, golden, goldenCases, scratchFolder, tarOf } from '../inputs.ts';
import { runCli, runJson } from '../run-cli.ts';

interface FixJson {
  readonly schema: string;
  readonly status: string;
  readonly summary: string;
  readonly verdictBefore: { readonly usable: boolean | null };
  readonly verdictAfter: { readonly usable: boolean | null; readonly mapType: string } | null;
  readonly changes: readonly {
    at: string;
    before: number;
    after: number;
    command: string;
    undo: string;
  }[];
  readonly persistent: readonly { kind: string; text: string; isRecommended: boolean }[];
}

interface Verdicts {
  readonly verdicts: readonly {
    provider: string;
    client: string;
    distance: number;
    mapType: string;
    usable: boolean;
  }[];
}

const scratch = scratchFolder();
const HASWELL = golden('0010');
const plan = (...pair: string[]): Promise<FixJson> => runJson(['-m', HASWELL, 'fix', ...pair]);

describe('peerlane fix', () => {
  it('names ports, bits and undo', async () => {
    const fix = await plan('nvme0', 'nvme1');
    expect(fix).toMatchObject({
      schema: 'peerlane/fix/1',
      status: 'acs',
      verdictBefore: { usable: false },
      verdictAfter: { usable: true, mapType: 'bus-addr' },
    });
    for (const { at, command, undo, before, after } of fix.changes) {
      expect(command).toMatch(new RegExp(`^setpci -s ${at} ECAP_ACS\\+0x6\\.w=`));
      expect(undo).toMatch(new RegExp(`^setpci -s ${at} ECAP_ACS\\+0x6\\.w=`));
      expect(after).toBe(before & ~0x2c);
    }
    expect(fix.persistent.filter((form) => form.isRecommended)).toHaveLength(1);
  });

  it('says the same in text', async () => {
    const fix = await plan('nvme0', 'nvme1');
    const { stdout, status } = await runCli(['-m', HASWELL, 'fix', 'nvme0', 'nvme1']);
    expect(status).toBe(0);
    for (const { command, undo } of fix.changes) {
      expect(stdout).toContain(`  ${command}\n`);
      expect(stdout).toContain(`  ${undo}\n`);
    }
    expect(stdout).toContain('nothing was applied');
    for (const { text } of fix.persistent) {
      expect(stdout).toContain(text.split('\n')[0]);
    }
  });

  it('says that there is nothing to do, or that nothing here helps', async () => {
    expect(await plan('nvme1', '0a:00.0')).toMatchObject({
      status: 'nothing-to-do',
      changes: [],
      verdictAfter: null,
    });
    expect(await plan('nvme0', 'nvme4')).toMatchObject({ status: 'other', changes: [] });
  });

  it.each(goldenCases.filter(({ functions }) => functions < 50).map(({ name }) => name))(
    'case %s: every plan for a refused pair does what it says when its words are set',
    async (name) => {
      const machine = golden(name);
      const { verdicts } = await runJson<Verdicts>(['-m', machine, 'matrix']);
      const refused = verdicts.filter((verdict) => verdict.usable === false);
      // A few of each machine: the first, the last and some between.
      const tried = refused.filter((_, i) => i % Math.ceil(refused.length / 4) === 0);
      for (const { provider, client } of tried) {
        const fix = await runJson<FixJson>(['-m', machine, 'fix', provider, client]);
        const words = new Map(fix.changes.map((change) => [change.at, change]));
        const files = filesOf(machine);
        const changed = changeAcs(files, (control, bdf) => {
          expect(words.get(bdf)?.before ?? control).toBe(control);
          return words.get(bdf)?.after ?? control;
        });
        expect(changed.sort()).toEqual([...words.keys()].sort());
        const path = scratch.path(`${name}.tar`);
        writeFileSync(path, tarOf(files));
        const after = (await runJson<Verdicts>(['-m', path, 'check', provider, client])).verdicts[0]!;
        expect({ usable: after.usable }).toEqual({
          usable: (fix.verdictAfter ?? fix.verdictBefore).usable,
        });
      }
    },
  );
});
