/** Who holds a device open: on made-up process folders, and on the real /proc with a real second process. */
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type DeviceNumber,
  type Opener,
  openersOf,
  readBlockDevice,
  refuseOpenElsewhere,
} from '../../src/linux/index.ts';
import { disk, NVME_A, NVME_B, partition, sysfsTree } from './sysfs-tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerlane-proc-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NVME = '259:0' as DeviceNumber;
const wanted = new Set([NVME]);

interface Process {
  readonly comm?: string;
  readonly mounts?: string;
  readonly open: readonly string[];
}

let made = 0;
function procOf(processes: Readonly<Record<string, Process>>): string {
  const root = join(folder, String(made++));
  for (const [pid, { comm, mounts, open }] of Object.entries(processes)) {
    mkdirSync(join(root, pid, 'fd'), { recursive: true });
    for (const [fd, target] of open.entries()) symlinkSync(target, join(root, pid, 'fd', String(fd)));
    if (comm !== undefined) writeFileSync(join(root, pid, 'comm'), `${comm}\n`);
    if (mounts !== undefined) writeFileSync(join(root, pid, 'mountinfo'), mounts);
  }
  return root;
}

/** Each path that ends in `nvme0n1` is block device 259:0, whatever else is a file. */
function openers(root: string, asked: string[] = []): readonly Opener[] {
  const stat = (path: string) => {
    asked.push(path);
    const isNvme = readlinkSync(path).endsWith('nvme0n1');
    return { rdev: isNvme ? 259 << 8 : 0, isBlockDevice: () => isNvme };
  };
  return openersOf(wanted, { root, self: 1000, stat });
}

describe('programs that hold a device open', () => {
  it('are found by the device, not by its name, and named once', () => {
    const root = procOf({
      '12': { comm: 'qemu-system-x86', open: ['/dev/null', '/dev/nvme0n1', '/data/my-nvme0n1'] },
      '13': { comm: 'bash', open: ['/dev/pts/0', 'socket:[77]', 'anon_inode:[eventpoll]'] },
    });
    expect(openers(root)).toEqual([{ pid: 12, command: 'qemu-system-x86', canWrite: true }]);
  });

  it('do not include this process, and what is no process is passed over', () => {
    const root = procOf({ '1000': { open: ['/dev/nvme0n1'] }, self: { open: ['/dev/nvme0n1'] } });
    expect(openers(root)).toEqual([]);
  });

  it('have printable names, or none', () => {
    const root = procOf({
      '1': { comm: '\u001b[31mevil\nname', open: ['/dev/nvme0n1'] },
      '2': { open: ['/dev/nvme0n1'] },
    });
    expect(openers(root).map(({ command }) => command)).toEqual(['[31mevil name', '']);
  });

  it('are asked only for what can be a device: no sockets, and nothing on a server that may be gone', () => {
    const root = procOf({
      '5': {
        mounts:
          '40 1 0:50 / /srv/remote rw - nfs4 server:/x rw\n41 1 8:1 / /srv/local rw - ext4 /dev/sda1 rw',
        open: ['pipe:[3]', '/srv/remote/nvme0n1', '/srv/local/file', '/dev/null'],
      },
    });
    const asked: string[] = [];
    expect(openers(root, asked)).toEqual([]);
    expect(asked).toEqual([join(root, '5/fd/2'), join(root, '5/fd/3')]);
  });

  it('are nobody where /proc cannot be read, and a descriptor that is gone is no error', () => {
    expect(openersOf(wanted, { root: join(folder, 'nowhere') })).toEqual([]);
    expect(openersOf(wanted, { root: procOf({ '9': { open: ['/dev/not-there'] } }) })).toEqual([]);
  });

  it('are found on the real /proc: another process, its command, and how it opened the file', async () => {
    const path = join(folder, 'held');
    writeFileSync(path, '');
    for (const [flags, canWrite] of [
      ['r', false],
      ['r+', true],
    ] as const) {
      const fd = openSync(path, flags);
      const child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
      try {
        await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
        // No device is needed: the file's inode stands for its number.
        const { ino } = statSync(path);
        const stat = (link: string) => {
          const isFile = statSync(link).ino === ino;
          return { rdev: isFile ? 259 << 8 : 0, isBlockDevice: () => isFile };
        };
        expect(openersOf(wanted, { stat })).toEqual([{ pid: child.pid, command: 'sleep', canWrite }]);
      } finally {
        child.kill();
        closeSync(fd);
      }
    }
  });
});

describe('writing to a device that a program holds', () => {
  const entries = {
    ...disk('259:0', 'nvme0n1', NVME_A, { wwid: 'eui.0001' }),
    ...partition('259:1', 'nvme0n1p1', NVME_A, 'nvme0n1'),
    ...disk('259:2', 'nvme1n1', NVME_B, { wwid: 'eui.0001' }),
    ...partition('259:3', 'nvme1n1p1', NVME_B, 'nvme1n1'),
  };
  const tree = sysfsTree(entries);
  const refuse = (number: string, look: Parameters<typeof refuseOpenElsewhere>[3]) => () =>
    refuseOpenElsewhere(tree, '/dev/x', readBlockDevice(tree, number as DeviceNumber)!, look);
  const qemu: Opener = { pid: 12, command: 'qemu-kvm', canWrite: true };

  it('is refused with the process and its command', () => {
    expect(refuse('259:0', () => [qemu])).toThrow(
      expect.objectContaining({
        code: 'HOST_IN_USE',
        exitStatus: 2,
        message: '/dev/x is in use: held open by process 12 (qemu-kvm)',
        hint: 'stop that program first',
      }),
    );
  });

  it('names a few of many', () => {
    const many = Array.from({ length: 9 }, (_, i) => ({ ...qemu, pid: i, command: '' }));
    expect(refuse('259:0', () => many)).toThrow(/process 0, process 1, process 2, process 3, and 5 more$/);
  });

  it.each([
    ['259:0', ['259:0', '259:1', '259:2', '259:3']],
    ['259:1', ['259:1', '259:0', '259:2', '259:3']],
  ])('%s is looked for by all its names', (number, all) => {
    let asked: readonly string[] = [];
    refuse(number, (numbers) => {
      asked = [...numbers];
      return [];
    })();
    expect(asked.toSorted()).toEqual(all.toSorted());
  });

  it('waits for a program that only has a look, and not for one that stays', () => {
    const udev: Opener = { pid: 7, command: '(udev-worker)', canWrite: false };
    let looks = 0;
    expect(refuse('259:0', () => (++looks < 3 ? [udev] : []))).not.toThrow();
    expect(looks).toBe(3);
    looks = 0;
    expect(refuse('259:0', () => [udev].slice(0, ++looks))).toThrow('(udev-worker)');
    expect(looks).toBe(10);
    looks = 0;
    expect(refuse('259:0', () => [qemu, udev].slice(0, 1 + ++looks))).toThrow(
      'process 12 (qemu-kvm), process 7',
    );
    expect(looks).toBe(1);
  });
});
