// A drive that Peerlane serves over vfio-user beside QEMU's own `nvme`, in one guest, with the same fio jobs by turns. The ratio is
// of the medians; goal: at least 1 for each job.
//
// Where QEMU, a kernel or fio are missing it says so and is not counted. PEERLANE_BENCH_ROUNDS, PEERLANE_BENCH_SECONDS: how often,
// how long; PEERLANE_ACCEL: what runs the guest (tcg).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GOAL = 1;
/** Below it the exit status is 1. A guest shares its processors with whoever else is there: single figures vary by a third. */
const FLOOR = 0.5;
const ROUNDS = Number(process.env.PEERLANE_BENCH_ROUNDS ?? 3);
const SECONDS = Number(process.env.PEERLANE_BENCH_SECONDS ?? 4);
const AREA_MIB = 256;
const JOBS = [
  { name: '4 KiB random read, depth 1', rw: 'randread', bs: '4k', iodepth: 1, unit: 'IOPS' },
  { name: '4 KiB random read, depth 32', rw: 'randread', bs: '4k', iodepth: 32, unit: 'IOPS' },
  { name: '128 KiB sequential read, depth 8', rw: 'read', bs: '128k', iodepth: 8, unit: 'MB/s' },
];
const DRIVES = ['peerlane', 'qemu'];

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = join(root, 'bin/peerlane.js');

function kernelOfCache() {
  const cache =
    process.env.PEERLANE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peerlane');
  const folder = join(cache, 'kernel');
  const versions = existsSync(folder) ? readdirSync(folder).sort() : [];
  return versions
    .map((version) => join(folder, version, 'usr/lib/modules', version, 'vmlinuz'))
    .find((path) => existsSync(path) && statSync(path).size > 0);
}

const kernel = kernelOfCache();
const missing =
  kernel === undefined
    ? 'no kernel in the cache; run scripts/kernel-lab/prepare.sh'
    : spawnSync('fio', ['--version']).status === 0
      ? null
      : 'fio is not installed';
if (missing !== null) {
  console.log(`not measured: ${missing}`);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'peerlane-bench-'));
let exitCode = 0;
try {
  const lab = join(folder, 'lab.yaml');
  writeFileSync(
    lab,
    `peerlane: lab/1\ncpu: {vendor: amd, family: 23, model: 1}\nmemory: 2G\nbelow: [{nvme: ours, serial: peerlane, namespaces: ${AREA_MIB}M}]\n`,
  );
  const image = join(folder, 'qemu.img');
  writeFileSync(image, Buffer.alloc(AREA_MIB * 2 ** 20, 0x5c));
  truncateSync(image, AREA_MIB * 2 ** 20);
  const qemuArguments = [
    ...['-drive', `id=q,if=none,format=raw,file=${image}`],
    ...['-device', 'nvme,serial=qemu,drive=q,bus=pcie.0,addr=1b.0'],
  ].map((word) => `--qemu-arg=${word}`);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...[program, 'lab', lab, 'vm', '--kernel', kernel, '--accel', process.env.PEERLANE_ACCEL ?? 'tcg'],
      ...['--append', 'mitigations=off', ...qemuArguments, '--limit', '900', '--', 'sh', '-c', script()],
    ],
    { encoding: 'utf8', maxBuffer: 2 ** 26 },
  );
  if (stderr.includes('HOST_NO_VFIO_USER')) {
    console.log(`not measured: ${stderr.trim()}`);
  } else if (status !== 0) {
    throw new Error(`the guest failed (${status}): ${stderr}`);
  } else {
    exitCode = report(stdout) ? 0 : 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(exitCode);

/** By turns, so that what else this computer does hits both alike. */
function script() {
  const lines = [
    'of() { for c in /sys/class/nvme/nvme*; do grep -q "$1" $c/serial && echo /dev/$(basename $c)n1; done; }',
  ];
  // What was never written is made when it is read, and would be another's work.
  for (const drive of DRIVES)
    lines.push(`dd if=/dev/urandom of=$(of ${drive}) bs=1M count=${AREA_MIB} oflag=direct status=none`);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, job] of JOBS.entries()) {
      const order = round % 2 === 0 ? DRIVES : [...DRIVES].reverse();
      for (const drive of order) {
        lines.push(
          `echo "=== ${index} ${drive}"`,
          [
            `fio --name=job --filename=$(of ${drive}) --direct=1 --ioengine=libaio --rw=${job.rw} --bs=${job.bs}`,
            `--iodepth=${job.iodepth} --size=${AREA_MIB}m --time_based --runtime=${SECONDS} --ramp_time=1`,
            '--randrepeat=0 --norandommap --output-format=json --group_reporting || exit 1',
          ].join(' '),
        );
      }
    }
  }
  return lines.join('\n');
}

function report(text) {
  const found = new Map();
  for (const part of text.split(/^=== /m).slice(1)) {
    const [head, ...rest] = part.split('\n');
    const json = rest.join('\n');
    const { read } = JSON.parse(json.slice(json.indexOf('{'))).jobs[0];
    const [index] = head.split(' ');
    const value = JOBS[Number(index)].unit === 'IOPS' ? read.iops : read.bw_bytes / 1e6;
    found.set(head, [...(found.get(head) ?? []), value]);
  }
  let isGood = true;
  for (const [index, { name, unit }] of JOBS.entries()) {
    const [ours, theirs] = DRIVES.map((drive) => median(found.get(`${index} ${drive}`)));
    const ratio = ours / theirs;
    isGood &&= ratio >= FLOOR;
    console.log(
      `${name}: ${ours.toFixed(0)} ${unit}, QEMU's own nvme ${theirs.toFixed(0)} ${unit}: ${ratio.toFixed(2)} times (floor ${FLOOR}, goal ${GOAL})`,
    );
  }
  return isGood;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
