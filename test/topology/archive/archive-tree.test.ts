import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { archiveTree, writeTar } from '../../../src/topology/index.ts';
import { entriesOf, memoryTree } from '../../support/memory-tree.ts';

const text = (data: Uint8Array | string) =>
  typeof data === 'string' ? data : new TextDecoder().decode(data);

function errorOf(run: () => unknown): InputError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return error as InputError;
  }
  throw new Error('no error');
}

describe('an archive as a tree', () => {
  const tree = memoryTree({
    'sys/devices/pci0000:00/0000:00:01.0/vendor': '0x8086\n',
    'sys/bus/pci/devices/0000:00:01.0': { linkTo: '../../../devices/pci0000:00/0000:00:01.0' },
    'sys/absolute': { linkTo: '/sys/devices' },
    'sys/above': { linkTo: '../../../../../../sys/devices/pci0000:00' },
    'sys/dangling': { linkTo: 'nothing/here' },
    'sys/round': { linkTo: 'about' },
    'sys/about': { linkTo: 'round' },
    'sys/self': { linkTo: 'self/self/self' },
    'sys/empty': 'directory',
  });

  it('follows links in the middle and at the end of a path', () => {
    expect(text(tree.read('sys/bus/pci/devices/0000:00:01.0/vendor', 100))).toBe('0x8086\n');
    expect(tree.resolve('sys/bus/pci/devices/0000:00:01.0')).toBe('sys/devices/pci0000:00/0000:00:01.0');
    expect(tree.list('sys/bus/pci/devices/0000:00:01.0')).toEqual(['vendor']);
  });

  it('takes absolute links from its own root, and stops there on the way up', () => {
    expect(tree.list('sys/absolute')).toEqual(['pci0000:00']);
    expect(tree.resolve('sys/above')).toBe('sys/devices/pci0000:00');
  });

  it('gives the text of a link, and the kind of the link itself', () => {
    expect(tree.kind('sys/dangling')).toBe('link');
    expect(tree.readLink('sys/dangling')).toBe('nothing/here');
    expect(tree.readLink('sys/empty')).toBe('failed');
  });

  it('answers absences where there is nothing', () => {
    expect(tree.read('sys/dangling', 10)).toBe('absent');
    expect(tree.list('sys/nothing')).toBe('absent');
    expect(tree.kind('sys/devices/pci0000:00/0000:00:01.0/vendor/below')).toBe('absent');
    expect(tree.read('sys/empty', 10)).toBe('failed');
  });

  it('ends chains of links that go round', () => {
    for (const path of ['sys/round', 'sys/about/x', 'sys/self', 'sys/self/self']) {
      expect(tree.resolve(path), path).toBe('absent');
    }
  });

  it('reads no more than was asked for', () => {
    expect(text(tree.read('sys/devices/pci0000:00/0000:00:01.0/vendor', 4))).toBe('0x80');
  });

  it('has implied directories', () => {
    expect(tree.kind('sys/devices')).toBe('directory');
    expect(tree.list('sys/empty')).toEqual([]);
  });
});

describe('a leading folder', () => {
  it('is the root when sys/ lies in it', () => {
    const tree = memoryTree({ 'host-7/sys/a': 'A', 'host-7/proc/version': 'V', README: 'no' });
    expect(text(tree.read('sys/a', 10))).toBe('A');
    expect(text(tree.read('proc/version', 10))).toBe('V');
    expect(tree.kind('README')).toBe('absent');
  });

  it('is not one when sys/ lies outside, too', () => {
    const tree = memoryTree({ 'sys/a': 'outer', 'backup/sys/a': 'inner' });
    expect(text(tree.read('sys/a', 10))).toBe('outer');
  });

  it('keeps absolute links inside', () => {
    const tree = memoryTree({ 'x/y/sys/a': { linkTo: '/sys/b' }, 'x/y/sys/b': 'B', 'sys-b': 'no' });
    expect(text(tree.read('sys/a', 10))).toBe('B');
  });
});

describe('compressed archives', () => {
  const gzip = (isizeBytes: number) => {
    const bytes = new Uint8Array(64);
    bytes.set([0x1f, 0x8b, 8]);
    new DataView(bytes.buffer).setUint32(60, isizeBytes, true);
    return bytes;
  };

  it('are unpacked by the given function, within the bound', () => {
    const inner = writeTar(entriesOf({ 'sys/a': 'A' }));
    let asked = 0;
    const tree = archiveTree(gzip(inner.length), 'x.tar.gz', {
      bytesMax: 5000,
      gunzip: (_, bytesMax) => {
        asked = bytesMax;
        return inner;
      },
    });
    expect(asked).toBe(5000);
    expect(text(tree.read('sys/a', 10))).toBe('A');
  });

  it('that say they are too large are unpacked only a little, to see whether they were cut off', () => {
    const bomb = new Uint8Array(2 ** 20);
    bomb.set([0x1f, 0x8b, 8]);
    new DataView(bomb.buffer).setUint32(bomb.length - 4, 2 ** 30, true);
    let asked = 0;
    const stop = (_: Uint8Array, bytesMax: number) => {
      asked = bytesMax;
      throw new InputError('INPUT_TOO_LARGE', { message: 'more than that' });
    };
    const error = errorOf(() => archiveTree(bomb, 'bomb.tar.gz', { gunzip: stop }));
    expect(error).toMatchObject({ code: 'INPUT_TOO_LARGE', exitStatus: 2 });
    expect(error.message).toContain('bomb.tar.gz');
    expect(asked).toBeLessThanOrEqual(16 * 2 ** 20);
  });

  it('that lie about it are refused by the bound', () => {
    const gunzip = () => {
      throw new InputError('INPUT_TOO_LARGE', { message: 'more than that' });
    };
    expect(errorOf(() => archiveTree(gzip(10), 'liar.tar.gz', { gunzip })).code).toBe('INPUT_TOO_LARGE');
  });

  it('that are damaged are truncated input', () => {
    const gunzip = () => {
      throw new Error('unexpected end of file');
    };
    const error = errorOf(() => archiveTree(gzip(10), 'cut.tar.gz', { gunzip }));
    expect(error.code).toBe('INPUT_TRUNCATED');
    expect(error.message).toContain('cut.tar.gz');
  });

  it('of another kind are named', () => {
    for (const [magic, name] of [
      [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], 'xz'],
      [[0x28, 0xb5, 0x2f, 0xfd], 'zstd'],
      [[0x42, 0x5a, 0x68, 0x39], 'bzip2'],
      [[0x50, 0x4b, 3, 4], 'zip'],
    ] as const) {
      const error = errorOf(() => archiveTree(new Uint8Array(magic), `x.${name}`));
      expect(error.code).toBe('INPUT_COMPRESSION');
      expect(error.message).toContain(`compressed with ${name}`);
    }
    expect(errorOf(() => archiveTree(gzip(10), 'x.tar.gz')).code).toBe('INPUT_COMPRESSION');
  });
});

describe('archives that would cost more than they hold', () => {
  it('by implying directories are refused', () => {
    const entries = Array.from({ length: 50 }, (_, i) => ({
      path: `${Array.from({ length: 40 }, (__, level) => `${i}-${level}`).join('/')}/x`,
      content: new Uint8Array(0),
    }));
    expect(errorOf(() => archiveTree(writeTar(entries), 'deep.tar', { entriesMax: 200 })).code).toBe(
      'INPUT_TOO_LARGE',
    );
  });
});
