/** The guest's first file system: busybox, `/init` and the kernel modules it loads, in the order of `modules.dep`. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Lab } from './cache.ts';

/** Without these the guest reaches neither the shared folder nor the host's files. */
const transportModules = ['9pnet_virtio', '9p'];

const initScript = new URL('guest/init.sh', import.meta.url);

/**
 * Builds the initramfs for a set of modules, or takes it from the cache.
 *
 * @param modules  names as in `modprobe`; what they depend on is added. A name that is built into the kernel is skipped.
 * @returns path of an uncompressed archive: unpacking is the slow part in a machine that is emulated
 */
export function initramfsFor(lab: Lab, modules: readonly string[]): string {
  const paths = loadOrder(readFileSync(join(lab.modulesDir, 'modules.dep'), 'utf8'), [
    ...transportModules,
    ...modules,
  ]);
  const init = readFileSync(initScript);
  const busybox = readFileSync(lab.busybox);
  const key = createHash('sha256')
    .update(init)
    .update(busybox)
    .update(paths.join('\n'))
    .digest('hex')
    .slice(0, 12);
  const folder = join(lab.cacheDir, 'initramfs');
  const path = join(folder, `${lab.kernelVersion}-${key}.cpio`);
  if (existsSync(path)) {
    return path;
  }
  const entries: CpioEntry[] = [
    { name: 'bin', mode: 0o040755 },
    { name: 'modules', mode: 0o040755 },
    { name: 'bin/busybox', mode: 0o100755, data: busybox },
    { name: 'init', mode: 0o100755, data: init },
  ];
  const order: string[] = [];
  for (const [index, module] of paths.entries()) {
    const name = `${String(index).padStart(3, '0')}-${basename(module).replace(/\.(xz|zst|gz)$/, '')}`;
    entries.push({
      name: `modules/${name}`,
      mode: 0o100644,
      data: decompressed(join(lab.modulesDir, module)),
    });
    order.push(`${name}\n`);
  }
  entries.push({ name: 'modules/order', mode: 0o100644, data: Buffer.from(order.join('')) });
  mkdirSync(folder, { recursive: true });
  // Renamed into place, so that a suite running beside this one never sees half an archive.
  const part = `${path}.${process.pid}`;
  writeFileSync(part, cpioArchive(entries));
  renameSync(part, path);
  return path;
}

/** Paths of the wanted modules, each after everything it depends on. */
export function loadOrder(modulesDep: string, wanted: readonly string[]): string[] {
  const dependencies = new Map<string, string[]>();
  const byName = new Map<string, string>();
  for (const line of modulesDep.split('\n')) {
    const [path, rest] = line.split(':');
    if (path === undefined || rest === undefined) {
      continue;
    }
    dependencies.set(path, rest.split(' ').filter(Boolean));
    byName.set(
      basename(path)
        .replace(/\.ko.*$/, '')
        .replaceAll('-', '_'),
      path,
    );
  }
  const ordered = new Set<string>();
  for (const name of wanted) {
    const path = byName.get(name.replaceAll('-', '_'));
    if (path !== undefined) {
      // modules.dep lists what must be there, furthest last.
      for (const needed of [...(dependencies.get(path) ?? [])].reverse()) {
        ordered.add(needed);
      }
      ordered.add(path);
    }
  }
  return [...ordered];
}

function decompressed(path: string): Buffer {
  const maxBuffer = 256 * 1024 * 1024;
  if (path.endsWith('.xz')) {
    return execFileSync('xz', ['-dc', path], { maxBuffer });
  }
  if (path.endsWith('.zst')) {
    return execFileSync('zstd', ['-dcq', path], { maxBuffer });
  }
  if (path.endsWith('.gz')) {
    return execFileSync('gzip', ['-dc', path], { maxBuffer });
  }
  return readFileSync(path);
}

interface CpioEntry {
  readonly name: string;
  /** File type and permissions, as in stat(2). */
  readonly mode: number;
  readonly data?: Uint8Array;
}

/** The "newc" format. Linux Documentation/driver-api/early-userspace/buffer-format.rst. */
function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const pad = (length: number) => parts.push(new Uint8Array((4 - (length % 4)) % 4));
  for (const [index, entry] of [...entries, { name: 'TRAILER!!!', mode: 0 }].entries()) {
    const data = 'data' in entry && entry.data !== undefined ? entry.data : new Uint8Array();
    const links = 1;
    const fields = [index + 1, entry.mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, entry.name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${entry.name}\0`;
    parts.push(Buffer.from(header));
    pad(header.length);
    parts.push(data);
    pad(data.length);
  }
  return Buffer.concat(parts);
}
