/**
 * The persistent forms that `fix` prints for the shipped example, given to the kernel as they are printed: the pair becomes what
 * was predicted, and the ACS control words are those of the plan.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { FixPlan, PersistentForm, PersistentKind } from '../../src/advice/index.ts';
import type { Machine } from '../../src/topology/index.ts';
import { runJson } from '../cli/run-cli.ts';
import { verdictLabAvailable } from './cache.ts';
import { compareCase, machineOf } from './compare.ts';
import { bootExample, EXAMPLE_SNAPSHOT } from './example-machine.ts';

/** As the kernel leaves them without a parameter: SV RR CR UF. */
const KERNEL_DEFAULT = 0x1d;

const script = `
cat /proc/peerlane_verdicts > $LAB/out/verdicts.tsv
sh $LAB/snapshot.sh $LAB/out/snapshot.tar
`;

interface Booted {
  readonly machine: Machine;
  readonly snapshotTarGz: Uint8Array;
  readonly verdictsTsv: string;
}

const found = verdictLabAvailable();

describe.skipIf(!found.ok)(`a fix on the kernel's command line${found.ok ? '' : `: ${found.why}`}`, () => {
  const lab = () => (found.ok ? found.lab : expect.unreachable());
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-fix-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function boot(...append: readonly string[]): Promise<Booted> {
    const { files } = await bootExample(lab(), {
      append,
      script,
      files: { 'snapshot.sh': readFileSync(new URL('guest/snapshot.sh', import.meta.url)) },
    });
    const snapshotTarGz = gzipSync(files.get('snapshot.tar')!);
    return {
      machine: machineOf(snapshotTarGz),
      snapshotTarGz,
      verdictsTsv: files.get('verdicts.tsv')!.toString(),
    };
  }

  const planFor = (snapshot: string, provider: string, client: string) =>
    runJson<FixPlan>(['fix', provider, client, '-m', snapshot, '--kernel', lab().kernelVersion]);

  function formOf(plan: FixPlan, kind: PersistentKind): PersistentForm {
    return plan.persistent.find((form) => form.kind === kind) ?? expect.unreachable(kind);
  }

  const controlOf = (machine: Machine, at: string) =>
    machine.functions.find(({ bdf }) => bdf === at)?.acs?.control;

  function groupsOf({ functions }: Machine): readonly (readonly string[])[] {
    const groups = new Map<string, string[]>();
    for (const { bdf, iommuGroup } of functions) {
      const name = iommuGroup ?? 'none';
      groups.set(name, [...(groups.get(name) ?? []), bdf]);
    }
    return [...groups.values()];
  }

  function kernelSays(tsv: string, provider: string, client: string): readonly string[] {
    const line = tsv.split('\n').find((text) => text.startsWith(`${provider}\t${client}\t`));
    return line?.split('\t').slice(2) ?? [];
  }

  it('as config_acs makes the pair direct, and a second fix keeps the first one’s ports', async () => {
    const first = await planFor(EXAMPLE_SNAPSHOT, '09:00.0', '0a:00.0');
    const form = formOf(first, 'config_acs');
    expect(form).toMatchObject({ state: 'works', isRecommended: true });
    expect(first.changes).toHaveLength(2);

    const once = await boot(form.text);
    expect(kernelSays(once.verdictsTsv, '0000:09:00.0', '0000:0a:00.0')).toEqual(['4', 'bus-addr']);
    expect(first.verdictAfter).toMatchObject({ distance: 4, mapType: 'bus-addr' });
    for (const { at, after } of first.changes) {
      expect(controlOf(once.machine, at), at).toBe(after);
    }
    // The kernel's groups grow no further than the plan said; it need not look from port to port.
    const merged = first.cost!.merges.map(({ functions }) => new Set<string>(functions));
    for (const members of groupsOf(once.machine)) {
      const named = merged.find((merge) => members.some((bdf) => merge.has(bdf)));
      expect(members.filter((bdf) => named !== undefined && !named.has(bdf))).toEqual([]);
    }
    expect(groupsOf(once.machine)).toContainEqual(expect.arrayContaining(['0000:08:00.0', '0000:09:00.0']));
    // What the parameter does not name stays as the kernel has it, and so does the other switch.
    expect(controlOf(once.machine, '0000:02:01.0')).toBe(KERNEL_DEFAULT);
    expect(kernelSays(once.verdictsTsv, '0000:03:00.0', '0000:04:00.0')).toEqual(['-1', 'not-supported']);
    expect(compareCase(once.snapshotTarGz, once.verdictsTsv).differences).toEqual([]);

    const snapshot = join(folder, 'once.tar.gz');
    writeFileSync(snapshot, once.snapshotTarGz);
    const second = await planFor(snapshot, '03:00.0', '04:00.0');
    expect(second.changes).toHaveLength(2);
    const twice = await boot(formOf(second, 'config_acs').text);
    expect(kernelSays(twice.verdictsTsv, '0000:03:00.0', '0000:04:00.0')).toEqual(['4', 'bus-addr']);
    expect(kernelSays(twice.verdictsTsv, '0000:09:00.0', '0000:0a:00.0')).toEqual(['4', 'bus-addr']);
    for (const { at, after } of [...first.changes, ...second.changes]) {
      expect(controlOf(twice.machine, at), at).toBe(after);
    }
  });

  it('as disable_acs_redir does too, and drops what the kernel would have added, as its note says', async () => {
    const plan = await planFor(EXAMPLE_SNAPSHOT, '09:00.0', '0a:00.0');
    const form = formOf(plan, 'disable_acs_redir');
    expect(form).toMatchObject({ state: 'works', isRecommended: false });

    const { machine, verdictsTsv, snapshotTarGz } = await boot(form.text);
    expect(kernelSays(verdictsTsv, '0000:09:00.0', '0000:0a:00.0')).toEqual(['4', 'bus-addr']);
    expect(form.notes.join()).toContain('source validation and upstream forwarding');
    // The firmware, here the test module, had left 0.
    expect(plan.changes.map(({ at }) => controlOf(machine, at))).toEqual([0, 0]);
    expect(compareCase(snapshotTarGz, verdictsTsv).differences).toEqual([]);
  });
});
