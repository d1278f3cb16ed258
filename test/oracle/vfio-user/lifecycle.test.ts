/**
 * What happens to a device in its life below a real kernel: its driver lets it go and takes it back, it is reset and found again,
 * the machine reboots, the machine ends and another comes, devices are plugged in and pulled out. Data stay, and nobody dies.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerCounters } from '../../../src/cli/attach/counters.ts';
import { vfioUserLabAvailable } from '../cache.ts';
import { BootError, type BootResult } from '../vm.ts';
import { expectCleanEnd, ServedLab } from './served-lab.ts';
import { bootServed, type HostCall, kept } from './served-vm.ts';

const lab = `
peerlane: lab/1
cpu: {vendor: amd, family: 23, model: 1}
memory: 2G
below:
  - switch: sw0
    below:
      - {nvme: a, cmb: 64M, namespaces: 64M}
      - {nvme: b, namespaces: 64M}
  - {root-port: slot0, hot-plug: yes, below: [{nvme: late, namespaces: 64M}]}
  - {root-port: slot1, hot-plug: yes, below: [{memory: card, interrupts: none, bars: {0: 1M}}]}
`;

const words = `
# Past the page cache, against what was written first.
same() { dd if=$(drive $1) bs=1M count=8 iflag=direct status=none | cmp - $LAB/pattern-$1; }
back() { wait_for "drive $1"; keep $2 same $1; }
`;

const first = `
where=/sys/bus/pci/devices
for name in a b; do
  head -c 8M /dev/urandom > $LAB/pattern-$name
  dd if=$LAB/pattern-$name of=$(drive $name) bs=1M oflag=direct status=none || fail "the pattern of $name"
done
a=$(address a)
for time in 1 2 3; do
  echo $a > /sys/bus/pci/drivers/nvme/unbind
  controller a && fail "still there"
  echo $a > /sys/bus/pci/drivers/nvme/bind
  back a bind-$time
done

echo flr > $where/$a/reset_method || fail "no function level reset"
echo 1 > $where/$a/reset
back a flr
# In the midst of I/O: the driver sends again what the reset has swallowed.
(for time in 1 2 3 4 5 6; do same a || exit 1; done; echo fine) > $LAB/out/reads-beside-flr 2>&1 &
for time in 1 2 3; do echo 1 > $where/$a/reset || fail "reset"; sleep 0.2; done
wait
back a flr-beside
keep reset nvme reset /dev/$(controller a)
back a reset-by-controller
keep subsystem-state cat /sys/class/nvme/$(controller a)/state

echo 1 > $where/$a/remove
[ -e $where/$a ] && fail "not removed"
echo 1 > /sys/bus/pci/rescan
back a rescan

host plug late
wait_for "drive late"
head -c 8M /dev/urandom > $LAB/pattern-late
dd if=$LAB/pattern-late of=$(drive late) bs=1M oflag=direct status=none
back late plugged

card=$(grep -l '0x05[0-9a-f]*' $where/*/class | head -n 1)
[ -n "$card" ] || fail "no card"
host unplug card
wait_for "[ ! -e \${card%/class} ]"
dmesg > $LAB/out/dmesg
sync
exec busybox reboot -f
`;

const second = `
for name in a b late; do
  back $name rebooted-$name
  keep sum-$name sh -c "sha256sum < $LAB/pattern-$name"
done
[ -z "$(grep -l '0x05[0-9a-f]*' /sys/bus/pci/devices/*/class)" ] || fail "the card is there again"
`;

/** Writes behind the patterns until the machine is no more. */
const struckWords = `
for name in a b; do
  fio --name=$name --filename=$(drive $name) --offset=16M --size=32M --rw=randwrite --bs=64k --direct=1 --ioengine=libaio \\
    --iodepth=16 --time_based --runtime=600 > /dev/null 2>&1 &
done
writes() { awk '{print $7}' /sys/block/$(basename $(drive $1))/stat; }
wait_for "[ \\$(writes a) -gt 4096 ] && [ \\$(writes b) -gt 4096 ]"
host strike
sleep 600
`;

/** Kills the QEMU of this server. */
function strike(served: ServedLab): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let words = '';
    try {
      words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    } catch {
      // It has ended meanwhile.
    }
    if (words.includes('vfio-user-pci') && words.includes(served.report.devices.a!.socket)) {
      process.kill(Number(pid), 'SIGKILL');
    }
  }
}

const plug: HostCall = async ([name = ''], { qmp, keptBack }) => {
  await qmp.command('device_add', keptBack.get(name));
  return '';
};
const unplug: HostCall = async ([name = ''], { qmp }) => {
  const gone = qmp.event('DEVICE_DELETED', ({ device }) => device === name);
  await qmp.command('device_del', { id: name });
  await gone;
  return '';
};

const found = vfioUserLabAvailable();
describe.skipIf(!found.ok)(`the life of served devices${found.ok ? '' : `: ${found.why}`}`, () => {
  let served: ServedLab;
  let life: BootResult;
  let after: BootResult;
  let beforeStrike: ServerCounters;
  beforeAll(async () => {
    served = await ServedLab.start(lab);
    const kernelLab = found.ok ? found.lab : expect.unreachable();
    life = await bootServed({
      lab: kernelLab,
      served,
      keepBack: ['late'],
      canReboot: true,
      calls: { plug, unplug },
      script: `${words}if [ ! -e $LAB/booted ]; then touch $LAB/booted\n${first}\nelse\n${second}\nfi`,
    });
    expect(life.status, life.stderr).toBe(0);
    expect(served.isRunning, served.output).toBe(true);
    await expect(
      bootServed({
        lab: kernelLab,
        served,
        calls: {
          strike: async () => {
            beforeStrike = await served.control('counters');
            strike(served);
            return '';
          },
        },
        script: struckWords,
      }),
    ).rejects.toThrow(BootError);
    expect(served.isRunning, served.output).toBe(true);
    after = await bootServed({
      lab: kernelLab,
      served,
      script: 'for name in a b late; do keep sum-$name sh -c "head -c 8M $(drive $name) | sha256sum"; done',
    });
    expect(after.status, after.stderr).toBe(0);
  }, 900_000);
  afterAll(() => expectCleanEnd(served));

  const fine = { status: 0, out: '', err: '' };

  it('comes back with its data when its driver is bound again', () => {
    for (const time of [1, 2, 3]) {
      expect(kept(life, `bind-${time}`)).toEqual(fine);
    }
  });

  it('keeps its data over a function level reset, also under load', () => {
    expect(kept(life, 'flr')).toEqual(fine);
    expect(life.files.get('reads-beside-flr')!.toString()).toBe('fine\n');
    expect(kept(life, 'flr-beside')).toEqual(fine);
  });

  it('is reset by nvme-cli, removed and found again', () => {
    expect(kept(life, 'reset').status, kept(life, 'reset').err).toBe(0);
    expect(kept(life, 'reset-by-controller')).toEqual(fine);
    expect(kept(life, 'subsystem-state').out).toBe('live\n');
    expect(kept(life, 'rescan')).toEqual(fine);
  });

  it('can be plugged into the running machine', () => {
    expect(kept(life, 'plugged')).toEqual(fine);
  });

  it('survives a reboot of the guest', () => {
    for (const name of ['a', 'b', 'late']) {
      expect(kept(life, `rebooted-${name}`)).toEqual(fine);
    }
  });

  it('is there for the next machine, with what the last ones wrote, also when one was killed in the midst of writing', () => {
    for (const name of ['a', 'b']) {
      expect(beforeStrike.devices.find((device) => device.name === name)).toMatchObject({
        isConnected: true,
      });
    }
    for (const name of ['a', 'b', 'late']) {
      expect(kept(after, `sum-${name}`)).toEqual(kept(life, `sum-${name}`));
      expect(kept(after, `sum-${name}`)).toMatchObject({ status: 0, err: '' });
    }
  });

  it('gives the kernel nothing to complain about', () => {
    const lines = life.files.get('dmesg')!.toString().split('\n');
    expect(lines.filter((line) => /BUG:|WARNING:|Call Trace|I\/O error|AER: (?!enabled)/.test(line))).toEqual(
      [],
    );
  });
});
