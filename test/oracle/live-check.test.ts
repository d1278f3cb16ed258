/**
 * The live machine: in a virtual machine the built command line reads /sys of the kernel that it runs on, and must answer as
 * that kernel does; its snapshot must be the same machine, without what identifies it; and what `fix` prints must do what it
 * says, at run time and on the kernel's command line. PEERLANE_SEED reproduces the ACS control words.
 */
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FixPlan, withAcs } from '../../src/advice/index.ts';
import { findExtendedCapability, MachineIndex, walkCapabilities } from '../../src/topology/index.ts';
import { runJson } from '../cli/run-cli.ts';
import { verdictLabAvailable } from './cache.ts';
import { compareCase, compareMachine, machineOf } from './compare.ts';
import { deepDifferences } from './deep-differences.ts';
import type { MachineSpec } from './machines.ts';
import { type BootResult, bootAndRun } from './vm.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const seed = Number(process.env.PEERLANE_SEED?.split(',', 1)[0] ?? randomInt(1, 2 ** 31));

const HOST_NAME = 'host-0815.example';
const MAC_DIGITS = '525400ab12cd';

/** What must not leave the machine, and where it stands there. */
const secrets = {
  'host name on the command line': HOST_NAME,
  'file system on the command line': '5ec4e7f5-0000-4242-8888-123456789abc',
  'value of a parameter nobody knows': 'hunter2hunter2',
  'MAC address in the name of an interface': MAC_DIGITS,
  'builder of the kernel': 'debian.org',
} as const;

const machine: MachineSpec = {
  name: 'live-check',
  cpu: 'Skylake-Server',
  append: [
    'intel_iommu=on',
    `systemd.hostname=${HOST_NAME}`,
    'root=UUID=5ec4e7f5-0000-4242-8888-123456789abc',
    'peerlane_test_secret=hunter2hunter2',
  ],
  arguments: [
    'intel-iommu',
    // A switch, and one more below it.
    'pcie-root-port,id=rp0,bus=pcie.0,addr=1.0,chassis=1,slot=1,x-speed=16,x-width=16',
    'x3130-upstream,id=up0,bus=rp0',
    'xio3130-downstream,id=dp0,bus=up0,addr=0.0,chassis=1,slot=2',
    'xio3130-downstream,id=dp1,bus=up0,addr=1.0,chassis=1,slot=3',
    'xio3130-downstream,id=dp2,bus=up0,addr=2.0,chassis=1,slot=4',
    'nvme,serial=serial-0815-a,bus=dp0,cmb_size_mb=64',
    'e1000e,bus=dp1,mac=52:54:00:ab:12:cd',
    'x3130-upstream,id=up1,bus=dp2',
    'xio3130-downstream,id=dp3,bus=up1,addr=0.0,chassis=1,slot=5',
    'xio3130-downstream,id=dp4,bus=up1,addr=1.0,chassis=1,slot=6',
    'nvme,serial=serial-0815-b,bus=dp3,cmb_size_mb=16',
    'pci-testdev,membar=16M,bus=dp4',
    // Two functions of one device: the root port itself stands between them.
    'pcie-root-port,id=rp1,bus=pcie.0,addr=2.0,chassis=1,slot=7',
    'nvme,serial=serial-0815-c,bus=rp1,addr=0.0,multifunction=on,cmb_size_mb=4',
    'edu,bus=rp1,addr=0.1',
    // Conventional PCI.
    'pcie-pci-bridge,id=br0,bus=pcie.0,addr=3.0',
    'edu,bus=br0,addr=1',
  ].flatMap((device) => ['-device', device]),
};

/** The root port over the two functions redirects, so that at least one pair is blocked by ACS, whatever the seed. */
const ROOT_PORT_WORD = '0000:00:02.0=1d';

const script = (busybox: string) => `
echo ${HOST_NAME} > /proc/sys/kernel/hostname
${busybox} ip link set eth0 name enx${MAC_DIGITS} || exit 1
insmod $LAB/module.ko acs_seed=${seed} acs_percent=60 acs_words=${ROOT_PORT_WORD} || exit 1
REPOSITORY=${repository} node $LAB/live-scenario.mjs
`;

/** The commands of docs/snapshot-format.md that make a snapshot without peerlane. */
function recipeByHand(): string {
  const text = readFileSync(join(repository, 'docs/snapshot-format.md'), 'utf8');
  return /^## By hand\n[\s\S]*?^```sh\n([\s\S]*?)^```/m.exec(text)?.[1] ?? expect.unreachable('no recipe');
}

interface Answer {
  readonly provider: string;
  readonly client: string;
  readonly distance: number | null;
  readonly mapType: string;
  readonly usable: boolean | null;
}

interface Cli {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

interface FixRun {
  readonly plan: FixPlan;
  readonly applied: readonly Cli[];
  readonly after: { readonly verdict: Answer; readonly kernel: string };
  readonly undone: readonly Cli[];
  readonly restored: { readonly verdict: Answer; readonly kernel: string };
}

const guestFile = (name: string) => readFileSync(new URL(`guest/${name}`, import.meta.url));

function kept<T = Cli>(boot: BootResult, name: string): T {
  const file = boot.files.get(name);
  if (file === undefined) {
    throw new Error(`the guest left no ${name} (seed ${seed})\n${boot.stderr}\n${boot.console}`);
  }
  return JSON.parse(file.toString()) as T;
}

/** The kernel's answers, by pair. */
function kernelAnswers(tsv: string): Map<string, { readonly distance: number; readonly mapType: string }> {
  return new Map(
    tsv
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t') as [string, string, string, string])
      .map(([provider, client, distance, mapType]) => [
        `${provider} ${client}`,
        { distance: Number(distance), mapType },
      ]),
  );
}

const found = verdictLabAvailable();

describe.skipIf(!found.ok)(`the live machine${found.ok ? '' : `: ${found.why}`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-live-'));
  const snapshotPath = join(folder, 'live.tar.gz');
  let boot: BootResult;
  let snapshot: Buffer;
  let verdicts: readonly Answer[];
  let kernelTsv: string;

  beforeAll(async () => {
    if (!existsSync(join(repository, 'dist/cli/main.js'))) {
      throw new Error('the package is not built: npm run build');
    }
    const lab = found.ok ? found.lab : expect.unreachable();
    console.log(`live machine: PEERLANE_SEED=${seed}`);
    boot = await bootAndRun({
      lab,
      machine,
      hostRoot: true,
      modules: ['nvme', 'e1000e'],
      files: {
        'module.ko': readFileSync(lab.verdictModule!),
        'copy-driver.mjs': guestFile('copy-driver.mjs'),
        'live-scenario.mjs': guestFile('live-scenario.mjs'),
        'by-hand.sh': recipeByHand(),
      },
      script: script(lab.busybox),
    });
    expect(boot.status, `seed ${seed}: ${boot.stderr}`).toBe(0);
    snapshot = boot.files.get('snapshot.tar.gz')!;
    writeFileSync(snapshotPath, snapshot);
    verdicts = kept<{ verdicts: Answer[] }>(boot, 'matrix.json').verdicts;
    kernelTsv = boot.files.get('kernel.tsv')!.toString();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe('its verdicts', () => {
    it('are the running kernel’s, for every pair', () => {
      expect(kept(boot, 'matrix')).toMatchObject({ status: 0, err: '' });
      const answers = kernelAnswers(kernelTsv);
      const compared = verdicts.map(({ provider, client, distance, mapType }) => {
        const kernel = answers.get(`${provider} ${client}`);
        return {
          ours: `${provider} ${client} ${distance} ${kernel?.mapType === '-' ? '-' : mapType}`,
          kernels: `${provider} ${client} ${kernel?.distance} ${kernel?.mapType}`,
        };
      });
      expect(
        compared.map(({ ours }) => ours),
        `seed ${seed}`,
      ).toEqual(compared.map(({ kernels }) => kernels));
      expect(verdicts).toHaveLength(answers.size);
      expect(new Set(verdicts.map(({ mapType }) => mapType))).toContain('bus-addr');
      expect(new Set(verdicts.map(({ mapType }) => mapType))).toContain('not-supported');
    });

    it('are the same from `check`, whose exit status says whether the pair is usable', () => {
      const checked = kept<Answer[]>(boot, 'checked');
      for (const [i, verdict] of checked.entries()) {
        const result = kept(boot, `check-${i}`);
        expect(JSON.parse(result.out).verdicts).toEqual([verdict]);
        expect(result.status).toBe(verdict.usable === true ? 0 : 1);
      }
    });

    it('are added up by `check` with several clients as the kernel adds them', () => {
      const { status, out } = kept(boot, 'check-many');
      const { combined } = JSON.parse(out) as {
        combined: { provider: string; clients: string[]; distance: number; usable: boolean };
      };
      const answers = kernelAnswers(kernelTsv);
      const distances = combined.clients.map(
        (client) => answers.get(`${combined.provider} ${client}`)!.distance,
      );
      const total = distances.reduce((sum, distance) => sum + distance, 0);
      expect(combined.distance).toBe(distances.includes(-1) ? -1 : total);
      expect(status).toBe(combined.usable ? 0 : 1);
    });
  });

  it('has the ACS control words that setpci reads', () => {
    const { withAcs, words } = kept<{ withAcs: string[]; words: Cli }>(boot, 'setpci');
    const { functions } = kept<{ functions: { bdf: string; acs: { control: number } | null }[] }>(
      boot,
      'machine.json',
    );
    const ours = functions.flatMap(({ acs }) =>
      acs === null ? [] : [acs.control.toString(16).padStart(4, '0')],
    );
    expect(words.out.trim().split('\n')).toEqual(ours);
    expect(withAcs.length).toBeGreaterThan(3);
    expect(ours).toContain('001d');
  });

  it('shows a function with the register that decides', () => {
    const shown = JSON.parse(kept(boot, 'show').out) as { bdf?: string };
    expect(kept(boot, 'show').status).toBe(0);
    expect(JSON.stringify(shown)).toContain('PCI Express');
    expect(kept(boot, 'show-text').out).toMatch(/^ +BAR 0 +0x[0-9a-f]+/m);
  });

  describe('its snapshot', () => {
    it('gets the same verdicts on another computer, with the same reasons', async () => {
      const there = await runJson<{ verdicts: Answer[] }>(['matrix', '--all', '-m', snapshotPath]);
      const blanked = JSON.parse(JSON.stringify(verdicts).replaceAll(`enx${MAC_DIGITS}`, 'enx-blanked-1'));
      expect(deepDifferences(there.verdicts, blanked)).toEqual([]);
      expect(compareCase(snapshot, kernelTsv).differences).toEqual([]);
      expect(kept(boot, 'snapshot')).toMatchObject({ status: 0, out: '' });
    });

    it('is the same machine in every field but those that were blanked', () => {
      const live = kept<{ functions: { bdf: string; config: string }[] }>(boot, 'machine.json');
      const there = JSON.parse(
        JSON.stringify(machineOf(snapshot, 'live'), (_, value) =>
          value === undefined
            ? '<undefined>'
            : value instanceof Uint8Array
              ? Buffer.from(value).toString('hex')
              : value,
        ),
      ) as typeof live;
      const network = live.functions.findIndex((fn) => JSON.stringify(fn).includes('"enx'));
      expect(deepDifferences(live, there)).toEqual([
        'source.kind',
        `functions.${network}.config`,
        `functions.${network}.classNames.0.name`,
        'kernel.commandLine',
      ]);
      const bytes = (from: typeof live) => Buffer.from(from.functions[network]!.config, 'hex');
      const serial = findExtendedCapability(walkCapabilities(bytes(live)), 3)!;
      const blanked = Buffer.from(bytes(live)).fill(0, serial.offset + 4, serial.offset + 12);
      expect(bytes(there).equals(blanked)).toBe(true);
      expect(bytes(live).equals(blanked)).toBe(false);
    });

    it('prints as the same machine', async () => {
      const live = JSON.parse(kept(boot, 'topo').out) as Record<string, unknown>;
      const there = await runJson(['topo', '-m', snapshotPath]);
      const names = deepDifferences(live, there).filter((path) => !path.includes('classNames'));
      expect(names).toEqual(['source.kind', 'source.label', 'kernel.commandLine']);
    });

    it('tells nobody whose machine it is', () => {
      const withIdentities = gunzipSync(boot.files.get('kept.tar.gz')!);
      const without = gunzipSync(snapshot);
      for (const [what, secret] of Object.entries(secrets)) {
        expect(withIdentities.includes(secret), `${what}: what is not there cannot be blanked`).toBe(true);
        expect(without.includes(secret), what).toBe(false);
      }
      for (const drive of ['a', 'b', 'c']) {
        expect(withIdentities.includes(`serial-0815-${drive}`)).toBe(false);
      }
      // The serial number of a network card is its MAC address with two more bytes in the middle, last byte first.
      const serialNumber = Buffer.from('cd12abffff005452', 'hex');
      expect(withIdentities.includes(serialNumber)).toBe(true);
      expect(without.includes(serialNumber)).toBe(false);
    });
  });

  it('gets the same verdicts from a snapshot made by hand, as the documentation says', () => {
    expect(kept(boot, 'by-hand')).toMatchObject({ status: 0, err: '' });
    expect(compareCase(boot.files.get('host.tar.gz')!, kernelTsv).differences).toEqual([]);
    const functions = machineOf(boot.files.get('host.tar.gz')!).functions;
    const live = kept<{ functions: { bdf: string; classNames: unknown; iommuGroup: unknown }[] }>(
      boot,
      'machine.json',
    ).functions;
    const identity = ({ bdf, classNames, iommuGroup }: (typeof live)[number]) => ({
      bdf,
      classNames,
      iommuGroup,
    });
    expect(functions.map(identity)).toEqual(live.map(identity));
  });

  describe('what `fix` prints', () => {
    it('makes the pair what it predicted, and its undo takes that back: our verdicts and the kernel’s', () => {
      const fixes = kept<FixRun[]>(boot, 'fixes');
      expect(fixes.length).toBeGreaterThan(0);
      const before = machineOf(snapshot);
      for (const { plan, applied, after, undone, restored } of fixes) {
        const { provider, client } = plan.verdictBefore;
        const pair = `${provider} ${client}, seed ${seed}`;
        expect(plan.status, pair).toBe('acs');
        expect([...applied, ...undone].filter(({ status }) => status !== 0)).toEqual([]);

        const { distance, mapType } = plan.verdictAfter!;
        expect(after.verdict, pair).toMatchObject({ distance, mapType, usable: true });
        const words = new Map(plan.changes.map((change) => [change.at, change.after]));
        const changed = withAcs(new MachineIndex(before), words);
        expect(compareMachine(changed, after.kernel).differences, pair).toEqual([]);
        expect(kernelAnswers(after.kernel).get(`${provider} ${client}`)!.distance, pair).toBe(distance);

        expect(restored.verdict, pair).toMatchObject({
          distance: plan.verdictBefore.distance,
          mapType: plan.verdictBefore.mapType,
        });
        expect(restored.kernel, pair).toBe(kernelTsv);
      }
    });
  });
});
