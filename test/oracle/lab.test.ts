/** The laboratory itself: what the other oracle tests rely on. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labAvailable } from './cache.ts';
import { loadOrder } from './initramfs.ts';
import { machines } from './machines.ts';
import { BootError, bootAndRun } from './vm.ts';

describe('loadOrder', () => {
  it('puts each module after everything it depends on, once', () => {
    const dep =
      'k/c.ko.xz: k/b.ko.xz k/a.ko.xz\nk/b.ko.xz: k/a.ko.xz\nk/a.ko.xz:\nk/with-dash.ko: k/a.ko.xz\n';
    expect(loadOrder(dep, ['with_dash', 'c', 'builtin'])).toEqual([
      'k/a.ko.xz',
      'k/with-dash.ko',
      'k/b.ko.xz',
      'k/c.ko.xz',
    ]);
  });
});

/** Shell: `a` and `b` become the addresses of the two drives; `a` is the one with peer memory. */
const findDrives =
  'cd /sys/class/nvme; for n in *; do d=$(basename $(readlink $n/device)); if [ -e $n/device/p2pmem ]; then a=$d; else b=$d; fi; done';

const found = labAvailable();
describe.skipIf(!found.ok)(`kernel laboratory${found.ok ? '' : `: ${found.why}`}`, () => {
  let folder: string;
  let drives: { readonly a: string; readonly b: string };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'peerlane-drives-'));
    drives = { a: join(folder, 'a.img'), b: join(folder, 'b.img') };
    for (const path of Object.values(drives)) {
      writeFileSync(path, '');
      truncateSync(path, 16 * 1024 * 1024);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const lab = () => (found.ok ? found.lab : expect.unreachable());

  it('runs a script and brings back its output, its files and its status', async () => {
    const result = await bootAndRun({
      lab: lab(),
      machine: machines.sharedSwitch,
      drives,
      files: { 'input.bin': Uint8Array.of(0, 10, 13, 255) },
      script:
        'uname -r; echo oops >&2; echo noise > /dev/console; cp $LAB/input.bin $LAB/out/copy.bin; cat /sys/bus/pci/devices/*/p2pmem/size; exit 7',
    });
    expect(result.stdout).toBe(`${lab().kernelVersion}\n${64 * 1024 * 1024}\n`);
    expect(result.stderr).toBe('oops\n');
    expect([...result.files.get('copy.bin')!]).toEqual([0, 10, 13, 255]);
    expect(result.status).toBe(7);
    expect(result.console).toContain('noise');
  });

  it('runs the Node of the host inside the guest', async () => {
    const result = await bootAndRun({
      lab: lab(),
      machine: machines.separateRootPortsAmd,
      drives,
      hostRoot: true,
      script: `node -p 'require("node:os").release()' && ls /dev/nvme0n1 && echo $LAB > $LAB/out/where`,
    });
    expect(result).toMatchObject({ status: 0, stdout: `${lab().kernelVersion}\n/dev/nvme0n1\n`, stderr: '' });
    expect(result.files.get('where')!.toString()).toBe('/tmp/lab\n');
  });

  it.for([
    { machine: machines.sharedSwitch, distance: '4', mapType: 'bus-addr' },
    { machine: machines.separateRootPortsIntel, distance: '-1', mapType: 'not-supported' },
    { machine: machines.separateRootPortsAmd, distance: '4', mapType: 'thru-host-bridge' },
  ])(
    'has a machine $machine.name on which a reaches b as its description says: $mapType',
    async (expected, { skip }) => {
      const { verdictModule } = lab();
      if (verdictModule === undefined) {
        skip('the test module is not built; run scripts/kernel-lab/prepare.sh');
      } else {
        const result = await bootAndRun({
          lab: lab(),
          machine: expected.machine,
          drives,
          files: { 'module.ko': readFileSync(verdictModule) },
          script: `${findDrives}; insmod $LAB/module.ko && grep "^$a.$b" /proc/peerlane_verdicts`,
        });
        expect(result.stdout.trim().split('\t').slice(2)).toEqual([expected.distance, expected.mapType]);
      }
    },
  );

  it('says what QEMU and the kernel last said when the guest ends early', async () => {
    const boot = bootAndRun({
      lab: lab(),
      machine: machines.sharedSwitch,
      drives,
      script: 'echo c > /proc/sysrq-trigger; sleep 100',
    });
    await expect(boot).rejects.toThrow(BootError);
    await expect(boot).rejects.toThrow(/Kernel panic/);
  });
});
