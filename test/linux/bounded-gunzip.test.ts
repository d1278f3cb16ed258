import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { boundedGunzip } from '../../src/linux/index.ts';
import { archiveTree, writeTar } from '../../src/topology/index.ts';

/** Bytes that say they expand to something small: the length at the end of gzip data is a claim. */
function lyingBomb(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(gzipSync(new Uint8Array(sizeBytes)));
  new DataView(bytes.buffer).setUint32(bytes.length - 4, 10, true);
  return bytes;
}

describe('gunzip with an end', () => {
  it('unpacks what fits', () => {
    expect(boundedGunzip(gzipSync('hello'), 5)).toEqual(new Uint8Array(Buffer.from('hello')));
  });

  it('stops where it would not fit', () => {
    expect(() => boundedGunzip(gzipSync('hello!'), 5)).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
    );
    expect(() => boundedGunzip(lyingBomb(2 ** 24), 2 ** 16)).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
    );
  });

  it('calls damaged data truncated input', () => {
    const good = gzipSync('hello');
    for (let length = 0; length < good.length; length++) {
      expect(() => boundedGunzip(good.subarray(0, length), 100)).toThrow(
        expect.objectContaining({ code: 'INPUT_TRUNCATED' }),
      );
    }
  });

  it('keeps an archive that is a bomb from being expanded', () => {
    const bombs = { honest: gzipSync(new Uint8Array(80 * 2 ** 20)), lying: lyingBomb(80 * 2 ** 20) };
    for (const [name, bomb] of Object.entries(bombs)) {
      let bound = 0;
      const watched = (bytes: Uint8Array, bytesMax: number) => {
        bound = bytesMax;
        return boundedGunzip(bytes, bytesMax);
      };
      expect(() => archiveTree(bomb, name, { gunzip: watched, bytesMax: 2 ** 26 })).toThrow(
        expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
      );
      expect(bound).toBe(name === 'honest' ? 2 ** 24 : 2 ** 26);
    }
  });

  it('reads a snapshot', () => {
    const packed = gzipSync(writeTar([{ path: 'sys/a', content: new Uint8Array([65]) }]));
    expect(archiveTree(packed, 'x', { gunzip: boundedGunzip }).read('sys/a', 9)).toEqual(
      new Uint8Array([65]),
    );
  });

  it('calls an archive that was cut off truncated, wherever the cut is', () => {
    const packed = gzipSync(
      writeTar([{ path: 'sys/a', content: new Uint8Array(3000).map((_, i) => (i * i) >> 3) }]),
    );
    for (let length = 2; length < packed.length; length++) {
      expect(
        () => archiveTree(packed.subarray(0, length), 'x', { gunzip: boundedGunzip }),
        `${length}`,
      ).toThrow(expect.objectContaining({ code: 'INPUT_TRUNCATED' }));
    }
  });
});
