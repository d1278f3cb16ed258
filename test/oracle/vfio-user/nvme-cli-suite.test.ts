/**
 * The tests that come with nvme-cli, against a drive that Peerlane serves: what Debian has that is nearest to blktests' nvme group,
 * which is in none of its releases. What is left out, and why, stands in docs/vfio-user-guests.md too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vfioUserLabAvailable } from '../cache.ts';
import { expectCleanEnd, ServedLab } from './served-lab.ts';
import { bootServed } from './served-vm.ts';

const lab = `
peerlane: lab/1
memory: 2G
below:
  - nvme: a
    namespaces: 64M
`;

/** Modules that are not run, and why; nightly runs have them all. Two more skip themselves: the drive has no Get LBA Status. */
const LEFT_OUT: Readonly<Record<string, string>> =
  process.env.PEERLANE_NVME_CLI_TESTS === 'all'
    ? {}
    : { nvme_create_max_ns_test: 'makes as many namespaces as there can be: more than a minute' };

/** Outcomes by class. */
type Outcomes = ReadonlyMap<string, { readonly outcome: string; readonly reason: string }>;

const found = vfioUserLabAvailable();
describe.skipIf(!found.ok)(
  `nvme-cli’s own tests with a served drive${found.ok ? '' : `: ${found.why}`}`,
  () => {
    let served: ServedLab | undefined;
    let outcomes: Outcomes = new Map();
    /** What the programs said; for people. */
    let said = '';
    beforeAll(async () => {
      const kernelLab = found.ok ? found.lab : expect.unreachable();
      const tests = join(kernelLab.cacheDir, 'nvme-cli-tests');
      const files = readdirSync(tests)
        .filter(
          (name) => name.startsWith('nvme_') && name.endsWith('.py') && !(name.slice(0, -3) in LEFT_OUT),
        )
        .map((name) => [name, readFileSync(join(tests, name))] as const);
      served = await ServedLab.start(lab);
      const result = await bootServed({
        lab: kernelLab,
        served,
        files: {
          ...Object.fromEntries(files),
          'nvme-cli-tests.py': readFileSync(new URL('guest/nvme-cli-tests.py', import.meta.url)),
        },
        // nvme-cli of the release that the tests are from.
        script: `
root=${join(kernelLab.cacheDir, 'chroot/trixie')}
wait_for "drive a"
mount -t proc proc $root/proc && mount -t sysfs sysfs $root/sys && mount -t devtmpfs dev $root/dev &&
  mount -t tmpfs tmp $root/tmp || fail "mounts of the chroot"
mkdir $root/tmp/lab
mount --bind $LAB $root/tmp/lab
chroot $root /usr/bin/env PATH=/usr/sbin:/usr/bin PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \\
  /tmp/lab/nvme-cli-tests.py /tmp/lab /dev/$(controller a) $(drive a) /tmp/lab/out/results
`,
      });
      expect(result.status, result.stdout + result.stderr).toBe(0);
      said = `${result.stdout}\n${result.stderr}`;
      const lines = result.files.get('results')!.toString().trim().split('\n');
      outcomes = new Map(
        lines.map((line) => {
          const [name = '', outcome = '', reason = ''] = line.split('\t');
          return [name, { outcome, reason }];
        }),
      );
    }, 600_000);
    afterAll(() => expectCleanEnd(served));

    it('passes all of them', () => {
      const of = (wanted: string) => [...outcomes].filter(([, { outcome }]) => outcome === wanted);
      expect(of('failed'), said).toEqual([]);
      // They skip themselves where the drive says that it does not have a command.
      expect(of('skipped').map(([name]) => name)).toEqual([
        'TestNVMeGetLbaStatusCmd',
        'TestNVMeLbaStatLogCmd',
      ]);
      expect(of('passed').length).toBeGreaterThanOrEqual(18);
      console.log(
        `nvme-cli's tests: ${of('passed').length} passed, ${of('skipped').length} skipped themselves; left out: ${Object.keys(LEFT_OUT).join(', ') || 'none'}`,
      );
    });
  },
);
