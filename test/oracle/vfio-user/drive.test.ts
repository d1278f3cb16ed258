/**
 * A stock kernel and stock tools with a drive that Peerlane serves: nvme-cli's view of it, fio's checksums, a file system. What they
 * say is held against the lab file and the server.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vfioUserLabAvailable } from '../cache.ts';
import type { BootResult } from '../vm.ts';
import { expectCleanEnd, ServedLab } from './served-lab.ts';
import { bootServed, kept, keptJson } from './served-vm.ts';

const MIB = 2 ** 20;
const DRIVE_MIB = 256;
/** A minute at night, where time is not counted. */
const FIO_SECONDS = Number(process.env.PEERLANE_FIO_SECONDS ?? 60);

const lab = `
peerlane: lab/1
cpu: {vendor: amd, family: 23, model: 1}
memory: 2G
below:
  - switch: sw0
    below:
      - nvme: a
        serial: LAB-a
        model: Peerlane test drive
        firmware: "0042"
        cmb: 64M
        mdts: 6
        namespaces: ${DRIVE_MIB}M
      - nvme: b
        namespaces: [{size: 64M, block: 4096}, {size: 32M}]
`;

const script = `
a=/dev/$(controller a) b=/dev/$(controller b) an=$(drive a)
keep list nvme list -o json
keep id-ctrl nvme id-ctrl $a -o json
keep id-ctrl-b nvme id-ctrl $b -o json
keep id-ns nvme id-ns $an -o json
keep list-ns nvme list-ns $b -o json
keep id-ns-b1 nvme id-ns $b -n 1 -o json
keep id-ns-b2 nvme id-ns $b -n 2 -o json
keep fw-log nvme fw-log $a -o json
for feature in 1 2 4 6 7 8 9 10 11; do keep feature-$feature nvme get-feature $a -f $feature; done
keep feature-5 nvme get-feature $a -n 1 -f 5
keep set-feature nvme set-feature $a -f 4 -v 350
keep feature-4-after nvme get-feature $a -f 4

# Counts of the drive move by what was done, and by nothing else: 40 commands of 1 MiB, which are 2097.152 thousands of 512 bytes.
keep smart-before nvme smart-log $a -o json
dd if=/dev/zero of=$an bs=1M count=40 oflag=direct status=none || fail "dd writes"
dd if=$an of=/dev/null bs=1M count=20 iflag=direct status=none || fail "dd reads"
keep smart-after nvme smart-log $a -o json

# A read behind the end, sent past the block layer, is refused by the drive and leaves an entry in its log.
keep past-end nvme read $an -s $((${DRIVE_MIB} * 2048)) -c 0 -z 512 -d $LAB/out/nothing
keep error-log nvme error-log $a -e 4 -o json

tr '\\0' '\\245' < /dev/zero | dd of=$an bs=1M count=4 iflag=fullblock oflag=direct status=none
keep before-format sh -c "head -c 4M $an | sha256sum"
keep format nvme format $an --ses=1 --force
wait_for "[ -b $an ]"
echo 3 > /proc/sys/vm/drop_caches
dd if=$an bs=1M count=4 iflag=direct status=none | tr -d '\\0' | wc -c > $LAB/out/left-after-format

keep fio-says fio --output=$LAB/out/fio --output-format=json --verify_state_save=0 --filename=$an --direct=1 --ioengine=libaio --iodepth=16 \\
  --name=random --rw=randrw --bsrange=4k-1M --numjobs=3 --size=40M --offset_increment=40M \\
  --verify=crc32c --verify_fatal=1 --verify_backlog=32 --randrepeat=1 --time_based --runtime=${FIO_SECONDS} \\
  --name=small --rw=randwrite --bs=4k --size=24M --offset=128M --verify=crc32c --verify_fatal=1 --time_based --runtime=${FIO_SECONDS}

keep mkfs mkfs.ext4 -q -F $an
mkdir -p /tmp/mnt
mount $an /tmp/mnt || fail "mount"
# A tree of real files, with small and large ones among them.
cp -r /usr/share/common-licenses /usr/lib/node_modules/npm/lib /etc/ssl /tmp/mnt/ 2> /dev/null
for i in $(seq 20); do dd if=/dev/urandom of=/tmp/mnt/random-$i bs=64k count=$i status=none; done
(cd /tmp/mnt && find . -type f -exec sha256sum {} + > $LAB/sums)
umount /tmp/mnt || fail "umount"
keep fsck fsck.ext4 -f -n $an
mount -o ro $an /tmp/mnt || fail "mount again"
wc -l < $LAB/sums > $LAB/out/file-count
keep sums sh -c "cd /tmp/mnt && sha256sum --quiet -c $LAB/sums"
umount /tmp/mnt
dmesg > $LAB/out/dmesg
`;

/** What counts, out of `nvme smart-log`; some versions print 128-bit numbers as text. */
function smartOf(result: BootResult, name: string) {
  const log = keptJson(result, name);
  const of = (field: string) => Number(log[field]);
  return {
    unitsRead: of('data_units_read'),
    unitsWritten: of('data_units_written'),
    reads: of('host_read_commands'),
    writes: of('host_write_commands'),
    warning: of('critical_warning'),
  };
}

const found = vfioUserLabAvailable();
describe.skipIf(!found.ok)(
  `a served drive with stock kernel and tools${found.ok ? '' : `: ${found.why}`}`,
  () => {
    let served: ServedLab;
    let result: BootResult;
    beforeAll(async () => {
      served = await ServedLab.start(lab);
      result = await bootServed({
        lab: found.ok ? found.lab : expect.unreachable(),
        served,
        modules: ['nvme', 'ext4'],
        script,
        hangLimitMs: 600_000,
      });
      expect(result.status, result.stderr).toBe(0);
    }, 900_000);
    afterAll(() => expectCleanEnd(served));

    it('is there with the names, the sizes and the formats of the lab file', () => {
      const { Devices } = keptJson<{ Devices: Record<string, unknown>[] }>(result, 'list');
      const sizes = Devices.map(({ SerialNumber, PhysicalSize, SectorSize }) => [
        SerialNumber,
        PhysicalSize,
        SectorSize,
      ]);
      expect(sizes.sort()).toEqual([
        ['LAB-a', DRIVE_MIB * MIB, 512],
        ['LAB-b', 32 * MIB, 512],
        ['LAB-b', 64 * MIB, 4096],
      ]);
      const a = keptJson<Record<string, unknown>>(result, 'id-ctrl');
      expect(a).toMatchObject({ sn: expect.stringMatching(/^LAB-a *$/), mdts: 6, nn: expect.any(Number) });
      expect(String(a.mn).trim()).toBe('Peerlane test drive');
      expect(String(a.fr).trim()).toBe('0042');
      expect(keptJson(result, 'id-ns').nsze).toBe(DRIVE_MIB * 2048);
      expect(keptJson(result, 'list-ns')).toEqual({ nsid_list: [{ nsid: 1 }, { nsid: 2 }] });
      expect(keptJson(result, 'id-ns-b1').nsze).toBe((64 * MIB) / 4096);
      expect(keptJson(result, 'id-ns-b2').nsze).toBe((32 * MIB) / 512);
      expect(kept(result, 'fw-log').status, kept(result, 'fw-log').err).toBe(0);
    });

    it('answers every feature that is mandatory, and keeps what is set', () => {
      for (const feature of [1, 2, 4, 5, 7, 8, 9, 10, 11]) {
        const { status, out, err } = kept(result, `feature-${feature}`);
        expect({ feature, status, err }).toEqual({ feature, status: 0, err: '' });
        expect(out).toMatch(/value:(0x)?[0-9a-f]+/i);
      }
      expect(kept(result, 'set-feature').status, kept(result, 'set-feature').err).toBe(0);
      expect(kept(result, 'feature-4-after').out).toMatch(/value:(0x)?0*15e\b/i);
    });

    it('counts what was read and written', () => {
      const before = smartOf(result, 'smart-before');
      const after = smartOf(result, 'smart-after');
      const units = (bytes: number) => bytes / 512_000;
      expect(Math.abs(after.unitsWritten - before.unitsWritten - units(40 * MIB))).toBeLessThan(2);
      expect(Math.abs(after.unitsRead - before.unitsRead - units(20 * MIB))).toBeLessThan(2);
      expect(after.writes).toBeGreaterThanOrEqual(before.writes + 40);
      expect(after.reads).toBeGreaterThanOrEqual(before.reads + 20);
      expect(after.warning).toBe(0);
    });

    it('refuses a read behind its end, and says so in its error log', () => {
      expect(kept(result, 'past-end').status).not.toBe(0);
      expect(kept(result, 'past-end').err + kept(result, 'past-end').out).toMatch(/LBA out of range/i);
      const { errors } = keptJson<{ errors: Record<string, number>[] }>(result, 'error-log');
      // LBA Out of Range in the status field, which has the phase tag below it in some versions.
      const seen = errors.filter(({ status_field }) => [0x80, 0x100].includes(status_field! & 0x1ff));
      expect(seen[0]).toMatchObject({ nsid: 1 });
    });

    it('is empty after a format', () => {
      const { status, err } = kept(result, 'format');
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(Number(result.files.get('left-after-format')!.toString())).toBe(0);
    });

    it(`keeps what fio writes, in pieces of 4 KiB to 1 MiB, for ${FIO_SECONDS} s`, () => {
      const says = kept(result, 'fio-says');
      expect(says.status, says.out + says.err).toBe(0);
      const report = result.files.get('fio')!.toString();
      // Before it stands that several jobs write the same drive.
      const { jobs } = JSON.parse(report.slice(report.indexOf('{'))) as {
        jobs: { error: number; read: { io_bytes: number }; write: { io_bytes: number } }[];
      };
      expect(jobs.map(({ error }) => error)).toEqual(Array(jobs.length).fill(0));
      const sum = (way: 'read' | 'write') => jobs.reduce((all, job) => all + job[way].io_bytes, 0);
      expect(sum('write')).toBeGreaterThan(64 * MIB);
      expect(sum('read')).toBeGreaterThan(64 * MIB);
      console.log(
        `fio: ${Math.round(sum('read') / MIB)} MiB read, ${Math.round(sum('write') / MIB)} MiB written`,
      );
    });

    it('carries a file system', () => {
      expect(kept(result, 'mkfs')).toMatchObject({ status: 0 });
      expect(kept(result, 'fsck')).toMatchObject({ status: 0 });
      expect(Number(result.files.get('file-count')!.toString())).toBeGreaterThan(100);
      expect(kept(result, 'sums')).toEqual({ status: 0, out: '', err: '' });
    });

    it('gives the kernel nothing to complain about', () => {
      const lines = result.files.get('dmesg')!.toString().split('\n');
      // After a Set Features, whose effects are of that kind, the kernel says that a reset may be required.
      const complaints = lines.filter((line) =>
        /nvme.*(timeout|abort|invalid|fail|resetting|down)|I\/O error|BUG:|WARNING:|Call Trace/i.test(line),
      );
      expect(complaints).toEqual([]);
      expect(lines.join('\n')).toMatch(/added peer-to-peer DMA memory/);
    });
  },
);
