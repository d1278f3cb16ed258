import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { cpioArchive } from '../../../src/cli/vm/cpio.ts';
import { kernelVersion, loadOrder, modulesFolder, readModules } from '../../../src/cli/vm/modules.ts';

const scratch = mkdtempSync(join(tmpdir(), 'peerlane-modules-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const DEP = `kernel/fs/9p/9p.ko.gz: kernel/net/9p/9pnet.ko.gz kernel/fs/netfs/netfs.ko.gz
kernel/net/9p/9pnet.ko.gz:
kernel/net/9p/9pnet_virtio.ko.gz: kernel/drivers/virtio/virtio.ko.gz kernel/net/9p/9pnet.ko.gz
kernel/fs/netfs/netfs.ko.gz:
kernel/drivers/virtio/virtio.ko.gz:
kernel/drivers/nvme/host/nvme-core.ko.gz:
`;

/** As much of a kernel image as its version takes. */
function kernelImage(version: string): Buffer {
  const image = Buffer.alloc(0x2000);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt16LE(0x1000, 0x20e);
  image.write(`${version} (builder) #1 SMP\0`, 0x1200, 'latin1');
  return image;
}

describe('modules of a kernel', () => {
  it('come after what they need, each once; names that are not there may be built in', () => {
    expect(loadOrder(DEP, ['9pnet-virtio', '9p', 'ext4', 'nvme_core'])).toEqual([
      'kernel/net/9p/9pnet.ko.gz',
      'kernel/drivers/virtio/virtio.ko.gz',
      'kernel/net/9p/9pnet_virtio.ko.gz',
      'kernel/fs/netfs/netfs.ko.gz',
      'kernel/fs/9p/9p.ko.gz',
      'kernel/drivers/nvme/host/nvme-core.ko.gz',
    ]);
  });

  it('are unpacked', () => {
    const folder = join(scratch, 'packed');
    mkdirSync(join(folder, 'kernel'), { recursive: true });
    writeFileSync(
      join(folder, 'modules.dep'),
      'kernel/a.ko.gz: kernel/b.ko\nkernel/b.ko:\nkernel/c.ko.xz:\n',
    );
    writeFileSync(join(folder, 'kernel/a.ko.gz'), gzipSync('module a'));
    writeFileSync(join(folder, 'kernel/b.ko'), 'module b');
    writeFileSync(join(folder, 'kernel/c.ko.xz'), 'no xz');
    const modules = readModules(folder, ['a']);
    expect(modules.map(({ fileName, bytes }) => [fileName, Buffer.from(bytes).toString()])).toEqual([
      ['b.ko', 'module b'],
      ['a.ko', 'module a'],
    ]);
    expect(() => readModules(folder, ['c'])).toThrow(expect.objectContaining({ code: 'HOST_UNPACK' }));
  });

  it('are looked for where they are said to be, beside the kernel, and by its version', () => {
    const kernel = join(scratch, 'vmlinuz');
    writeFileSync(kernel, kernelImage('7.2.12+deb13-amd64'));
    expect(kernelVersion(kernel)).toBe('7.2.12+deb13-amd64');
    expect(modulesFolder(kernel, undefined)).toBeNull();
    expect(() => modulesFolder(kernel, scratch)).toThrow(
      expect.objectContaining({ code: 'USAGE_VM_KERNEL' }),
    );
    writeFileSync(join(scratch, 'modules.dep'), DEP);
    expect(modulesFolder(kernel, undefined)).toBe(scratch);
    const other = join(scratch, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'modules.dep'), DEP);
    expect(modulesFolder(kernel, other)).toBe(other);
  });

  it('have no version in what is no kernel', () => {
    const path = join(scratch, 'text');
    writeFileSync(path, 'text');
    expect(kernelVersion(path)).toBeNull();
  });
});

describe('an archive for the kernel', () => {
  it('has a header, a name and data for each entry, each at a multiple of four', () => {
    const archive = cpioArchive([
      { name: 'bin', mode: 0o040755 },
      { name: 'bin/sh', mode: 0o100755, data: Buffer.from('hello') },
    ]);
    expect(archive.length % 4).toBe(0);
    const text = archive.toString('latin1');
    expect(text.match(/070701/g)).toHaveLength(3);
    const second = text.indexOf('070701', 6);
    expect(second % 4).toBe(0);
    // File size, eighth field of eight digits, and the length of the name with its end.
    expect(text.slice(second + 6 + 6 * 8, second + 6 + 7 * 8)).toBe('00000005');
    expect(text.slice(second + 6 + 11 * 8, second + 6 + 12 * 8)).toBe('00000007');
    expect(text.slice(second + 110, second + 117)).toBe('bin/sh\0');
    expect(text.indexOf('hello') % 4).toBe(0);
    expect(text).toContain('TRAILER!!!');
  });
});
