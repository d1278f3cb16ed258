/** What a guest has before it has anything: a static busybox, kernel modules, and `share/vm/init.sh` as its first process. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { HostError } from '../../base/index.ts';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import { readModules } from './modules.ts';

const INIT = new URL('../../../share/vm/init.sh', import.meta.url);
/** Kernel parameter that names the first process. */
export const INIT_PARAMETER = 'rdinit=/peerlane/init';

/** Shared folders, drives, and what hot plug and p2p tests look at. */
const WANTED_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'nvme', 'virtio_blk', 'overlay'];

const FOLDER = 0o040755;
const PROGRAM = 0o100755;
const FILE = 0o100644;

/**
 * An archive that stands alone, or behind an initrd of the user's: all is below /peerlane.
 * @param modulesFolder  null: everything is built into the kernel
 * @throws {HostError} HOST_NO_BUSYBOX, HOST_UNPACK
 */
export function guestInitramfs(modulesFolder: string | null): Buffer {
  const modules = modulesFolder === null ? [] : readModules(modulesFolder, WANTED_MODULES);
  const names = modules.map(({ fileName }, index) => `${String(index).padStart(3, '0')}-${fileName}`);
  const entries: CpioEntry[] = [
    { name: 'dev', mode: FOLDER },
    { name: 'peerlane', mode: FOLDER },
    { name: 'peerlane/modules', mode: FOLDER },
    { name: 'peerlane/busybox', mode: PROGRAM, data: readFileSync(findBusybox()) },
    { name: 'peerlane/init', mode: PROGRAM, data: readFileSync(INIT) },
    ...modules.map(({ bytes }, index) => ({
      name: `peerlane/modules/${names[index]}`,
      mode: FILE,
      data: bytes,
    })),
    {
      name: 'peerlane/modules/order',
      mode: FILE,
      data: Buffer.from(names.map((name) => `${name}\n`).join('')),
    },
  ];
  return cpioArchive(entries);
}

const BUSYBOX_PLACES = ['/bin/busybox', '/usr/bin/busybox', '/usr/local/bin/busybox', '/sbin/busybox'];

/** @throws {HostError} HOST_NO_BUSYBOX */
function findBusybox(): string {
  const found = BUSYBOX_PLACES.find(isStatic);
  if (found === undefined) {
    throw new HostError('HOST_NO_BUSYBOX', {
      message: 'a command in a guest needs a busybox that is linked statically, and there is none here',
      hint: 'apt install busybox-static; without a command no busybox is needed',
    });
  }
  return found;
}

/** One that is linked dynamically names its loader, which an initramfs does not have. */
function isStatic(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return !readFileSync(path).includes('/ld-');
  } catch {
    return false;
  }
}
