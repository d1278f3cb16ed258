import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { readTar, type TarEntry, type TarLimits, writeTar } from '../../../src/topology/index.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);

function read(archive: Uint8Array, limits?: TarLimits): Record<string, TarEntry> {
  return Object.fromEntries(readTar(archive, 'test.tar', limits).map((entry) => [entry.path, entry]));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(/^test\.tar: [^\n]+$/);
    expect((error as InputError).hint).toBeTruthy();
    return (error as InputError).code;
  }
  return 'no error';
}

/** A header block as ustar has it; `patch` writes into it before the checksum is made. */
function header(
  name: string,
  type: string,
  sizeBytes: number,
  patch: (block: Uint8Array) => void = () => {},
): Uint8Array {
  const block = new Uint8Array(512);
  block.set(bytes(name), 0);
  block.set(bytes(`${sizeBytes.toString(8).padStart(11, '0')}\0`), 124);
  block.set(bytes('        '), 148);
  block.set(bytes(type), 156);
  block.set(bytes('ustar\u000000'), 257);
  patch(block);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(bytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return block;
}

function archive(...blocks: Uint8Array[]): Uint8Array {
  const padded = blocks.map((block) => {
    const whole = new Uint8Array(Math.ceil(block.length / 512) * 512);
    whole.set(block);
    return whole;
  });
  return new Uint8Array(Buffer.concat([...padded, new Uint8Array(1024)]));
}

describe('entries', () => {
  it('come back as they were written, links with their targets', () => {
    const long = `sys/devices/${'pci0000:00/0000:00:01.0/'.repeat(6)}config`;
    const target = `../../../${'0000:00:01.0/'.repeat(12)}end`;
    const entries = read(
      writeTar([
        { path: 'sys/b', content: bytes('hello') },
        { path: 'sys/a', content: { linkTo: '../b' } },
        { path: 'sys/empty', content: 'directory' },
        { path: long, content: bytes('x'.repeat(513)) },
        { path: 'sys/long-target', content: { linkTo: target } },
        { path: `sys/${'ü'.repeat(90)}/config`, content: bytes('umlaut') },
      ]),
    );
    expect(Object.keys(entries)).toHaveLength(6);
    expect(text(entries['sys/b']!.data)).toBe('hello');
    expect(entries['sys/a']).toMatchObject({ kind: 'link', target: '../b' });
    expect(entries['sys/empty']!.kind).toBe('directory');
    expect(entries[long]!.data).toHaveLength(513);
    expect(entries['sys/long-target']!.target).toBe(target);
    expect(text(entries[`sys/${'ü'.repeat(90)}/config`]!.data)).toBe('umlaut');
  });

  it('are written the same whatever their order', () => {
    const a = { path: 'a', content: bytes('1') };
    const b = { path: 'b', content: { linkTo: 'a' } };
    expect(writeTar([a, b])).toEqual(writeTar([b, a]));
  });

  it('lose `./`, leading and trailing slashes, and stay where they are with a harmless `..`', () => {
    const entries = read(
      archive(
        header('./sys/', '5', 0),
        header('/proc/version', '0', 0),
        header('sys//bus/../module', '0', 0),
      ),
    );
    expect(Object.keys(entries)).toEqual(['sys', 'proc/version', 'sys/module']);
  });

  it('replace earlier ones of the same name', () => {
    const entries = read(archive(header('a', '0', 3), bytes('old'), header('a', '0', 3), bytes('new')));
    expect(text(entries.a!.data)).toBe('new');
  });

  it('of the old format are directories when their name ends with a slash', () => {
    expect(read(archive(header('sys/', '\0', 0))).sys!.kind).toBe('directory');
  });

  it('that are hard links share the contents of an earlier entry', () => {
    const link = header('b', '1', 0, (block) => block.set(bytes('./a'), 157));
    const lost = header('c', '1', 0, (block) => block.set(bytes('nowhere'), 157));
    const entries = read(archive(header('a', '0', 1), bytes('A'), link, lost));
    expect(text(entries.b!.data)).toBe('A');
    expect(entries.c!.kind).toBe('other');
  });

  it('of unknown types and devices are there, without contents', () => {
    const entries = read(
      archive(header('null', '3', 0), header('pipe', '6', 0), header('odd', 'Z', 4), bytes('skip')),
    );
    expect(Object.values(entries).map((entry) => entry.kind)).toEqual(['other', 'other', 'other']);
  });

  it('may have their size in base 256', () => {
    const block = header('a', '0', 0, (head) => {
      head.fill(0, 124, 136);
      head[124] = 0x80;
      head[135] = 5;
    });
    expect(text(read(archive(block, bytes('12345'))).a!.data)).toBe('12345');
  });

  it('take name, link target and size from a pax header before them', () => {
    const records = bytes('12 path=new\n15 linkpath=to\n');
    const entries = read(
      archive(header('pax', 'x', records.length), records, header('old', '2', 0), header('next', '0', 0)),
    );
    expect(entries.new).toMatchObject({ kind: 'link', target: 'to' });
    expect(entries.next).toBeDefined();
  });
});

describe('damaged and hostile archives', () => {
  const good = writeTar([{ path: 'sys/a', content: bytes('x'.repeat(2000)) }]);

  it('are refused with what is wrong', () => {
    expect(codeOf(() => read(bytes('this is not an archive')))).toBe('INPUT_NOT_TAR');
    expect(codeOf(() => read(new Uint8Array(0)))).toBe('INPUT_NOT_TAR');
    expect(codeOf(() => read(new Uint8Array(1024).fill(0x41)))).toBe('INPUT_NOT_TAR');
  });

  it('that end early are truncated, wherever they end', () => {
    for (let length = 512; length < good.length - 1024; length += 171) {
      expect(
        codeOf(() => read(good.subarray(0, length))),
        `${length} bytes`,
      ).toBe('INPUT_TRUNCATED');
    }
    // At the boundary of an entry, too: without the end mark nobody knows what followed.
    expect(codeOf(() => read(good.subarray(0, good.length - 1024)))).toBe('INPUT_TRUNCATED');
  });

  it('with a flipped bit in a header are damaged', () => {
    const two = writeTar([
      { path: 'a', content: bytes('1') },
      { path: 'b', content: bytes('2') },
    ]);
    two[1024 + 3]! ^= 1;
    expect(codeOf(() => read(two))).toBe('INPUT_BAD_TAR');
  });

  it('cannot name anything outside themselves', () => {
    expect(codeOf(() => read(archive(header('../etc/passwd', '0', 0))))).toBe('INPUT_UNSAFE_PATH');
    expect(codeOf(() => read(archive(header('sys/../../x', '0', 0))))).toBe('INPUT_UNSAFE_PATH');
  });

  it('cannot claim more bytes than they have', () => {
    expect(codeOf(() => read(archive(header('a', '0', 0o77777777777))))).toBe('INPUT_TRUNCATED');
    const negative = header('a', '0', 0, (block) => block.fill(0xff, 124, 136));
    expect(codeOf(() => read(archive(negative)))).toBe('INPUT_BAD_TAR');
    expect(codeOf(() => read(archive(header('a', 'L', 9000), new Uint8Array(9000))))).toBe('INPUT_BAD_TAR');
  });

  it('have an end: bytes and entries are bounded', () => {
    expect(codeOf(() => read(good, { bytesMax: good.length - 1 }))).toBe('INPUT_TOO_LARGE');
    const many = archive(...Array.from({ length: 11 }, (_, i) => header(`f${i}`, '0', 0)));
    expect(codeOf(() => read(many, { entriesMax: 10 }))).toBe('INPUT_TOO_LARGE');
    expect(codeOf(() => read(archive(header('pax', 'x', 0), header('d/'.repeat(49), '5', 0))))).toBe(
      'no error',
    );
  });

  it('with sparse files say how to pack again', () => {
    expect(codeOf(() => read(archive(header('a', 'S', 0))))).toBe('INPUT_UNSUPPORTED');
    const records = bytes('22 GNU.sparse.major=1\n');
    expect(codeOf(() => read(archive(header('p', 'x', records.length), records, header('a', '0', 0))))).toBe(
      'INPUT_UNSUPPORTED',
    );
  });

  it('with pax records that lie about their length are damaged', () => {
    for (const record of ['99 path=x\n', '0 path=x\n', 'x path=x\n', '3\n', '5 a\n']) {
      const body = bytes(record);
      const code = codeOf(() => read(archive(header('p', 'x', body.length), body, header('a', '0', 0))));
      expect(['INPUT_BAD_TAR', 'no error'], record).toContain(code);
    }
  });
});

describe('what tar(1) writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-tar-'));
  const deep = `deep/${'0000:00:01.0/'.repeat(20)}`;
  beforeAll(() => {
    mkdirSync(join(folder, deep), { recursive: true });
    writeFileSync(join(folder, deep, 'config'), 'deep');
    writeFileSync(join(folder, 'plain'), 'plain');
    symlinkSync(`../${'x'.repeat(150)}`, join(folder, 'link'));
    linkSync(join(folder, 'plain'), join(folder, 'zhard'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  for (const format of ['gnu', 'pax', 'oldgnu']) {
    it(`is read in the ${format} format`, () => {
      const packed = execFileSync('tar', [`--format=${format}`, '-cf', '-', '-C', folder, '.']);
      const entries = read(new Uint8Array(packed));
      expect(text(entries.plain!.data)).toBe('plain');
      expect(text(entries.zhard!.data)).toBe('plain');
      expect(text(entries[`${deep}config`]!.data)).toBe('deep');
      expect(entries.link).toMatchObject({ kind: 'link', target: `../${'x'.repeat(150)}` });
    });
  }

  it('is what we write, the other way round', () => {
    const ours = writeTar([
      { path: `${deep}config`, content: bytes('deep') },
      { path: 'link', content: { linkTo: 'y'.repeat(150) } },
    ]);
    const listing = execFileSync('tar', ['-tvf', '-'], { input: ours, encoding: 'utf8' });
    expect(listing).toContain(`${deep}config`);
    expect(listing).toContain(`link -> ${'y'.repeat(150)}`);
  });
});
