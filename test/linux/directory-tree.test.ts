import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../src/base/index.ts';
import { directoryTree } from '../../src/linux/index.ts';
import { asNobody } from '../support/as-nobody.ts';

const text = (data: Uint8Array | string) =>
  typeof data === 'string' ? data : new TextDecoder().decode(data);

const folder = mkdtempSync(join(tmpdir(), 'peerlane-tree-'));
const root = join(folder, 'sysroot');

beforeAll(() => {
  writeFileSync(join(folder, 'secret'), 'outside');
  mkdirSync(join(root, 'sys/devices/pci0000:00/0000:00:01.0'), { recursive: true });
  mkdirSync(join(root, 'sys/bus/pci/devices'), { recursive: true });
  writeFileSync(join(root, 'sys/devices/pci0000:00/0000:00:01.0/vendor'), '0x8086\n');
  symlinkSync('../../../devices/pci0000:00/0000:00:01.0', join(root, 'sys/bus/pci/devices/0000:00:01.0'));
  symlinkSync('/sys/devices', join(root, 'absolute'));
  symlinkSync(join(folder, 'secret'), join(root, 'outside'));
  symlinkSync('../../../../../../../../../../../../etc/passwd', join(root, 'above'));
  symlinkSync('round', join(root, 'round'));
  mkdirSync(join(root, 'many'));
  writeFileSync(join(root, 'many/b'), '');
  writeFileSync(join(root, 'many/a'), 'x'.repeat(200_000));
  execFileSync('mkfifo', [join(root, 'pipe')]);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a directory as a tree', () => {
  it('follows links as if it were the root', () => {
    const tree = directoryTree(root);
    expect(text(tree.read('sys/bus/pci/devices/0000:00:01.0/vendor', 100))).toBe('0x8086\n');
    expect(tree.resolve('sys/bus/pci/devices/0000:00:01.0')).toBe('sys/devices/pci0000:00/0000:00:01.0');
    expect(tree.list('absolute')).toEqual(['pci0000:00']);
    expect(tree.label).toBe(root);
  });

  it('never leads out', () => {
    const tree = directoryTree(root);
    expect(tree.read('outside', 100)).toBe('absent');
    expect(tree.read('above', 100)).toBe('absent');
    expect(tree.read('../secret', 100)).toBe('absent');
    expect(tree.resolve('../../..')).toBe('');
  });

  it('ends links that go round', () => {
    expect(directoryTree(root).resolve('round')).toBe('absent');
  });

  it('does not wait for a pipe', () => {
    const tree = directoryTree(root);
    expect(tree.kind('pipe')).toBe('failed');
    expect(tree.read('pipe', 10)).toBe('failed');
  });

  it('lists sorted and reads in bounds, files longer than one read too', () => {
    const tree = directoryTree(root);
    expect(tree.list('many')).toEqual(['a', 'b']);
    expect(tree.read('many/a', 1_000_000)).toHaveLength(200_000);
    expect(tree.read('many/a', 70_000)).toHaveLength(70_000);
    expect(tree.read('many/b', 10)).toHaveLength(0);
    expect(tree.read('many', 10)).toBe('failed');
  });

  it('says what is missing, and whose fault it is', () => {
    expect(() => directoryTree(join(folder, 'nothing'))).toThrow(InputError);
    expect(() => directoryTree(join(folder, 'secret'))).toThrow(/not a directory/);
    expect(directoryTree(root).read('sys/nothing', 10)).toBe('absent');
    expect(directoryTree(root).read('sys/devices/pci0000:00/0000:00:01.0/vendor/below', 10)).toBe('absent');
  });

  it('answers `denied` for what may not be read', () => {
    chmodSync(folder, 0o755);
    mkdirSync(join(root, 'locked'));
    writeFileSync(join(root, 'locked/file'), 'x');
    writeFileSync(join(root, 'shut'), 'x');
    chmodSync(join(root, 'shut'), 0);
    chmodSync(join(root, 'locked'), 0);
    asNobody(() => {
      const tree = directoryTree(root);
      expect(tree.read('shut', 10)).toBe('denied');
      expect(tree.kind('shut')).toBe('file');
      expect(tree.list('locked')).toBe('denied');
      expect(tree.read('locked/file', 10)).toBe('denied');
    });
    chmodSync(join(root, 'locked'), 0o111);
    asNobody(() => {
      // May be passed through, and not listed.
      expect(text(directoryTree(root).read('locked/file', 10))).toBe('x');
    });
    chmodSync(join(root, 'locked'), 0o755);
  });
});
