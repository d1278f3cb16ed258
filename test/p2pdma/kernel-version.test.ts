import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKernelVersions, type KernelVersion, parseKernelVersion } from '../../src/p2pdma/index.ts';

function parse(text: string): KernelVersion {
  const version = parseKernelVersion(text);
  expect(version, text).toBeDefined();
  return version!;
}

describe('parseKernelVersion', () => {
  it.each([
    ['6.12.5', [6, 12, 5, null, false]],
    ['7.2', [7, 2, null, null, false]],
    ['v7.2.12', [7, 2, 12, null, false]],
    ['linux-6.6.129', [6, 6, 129, null, false]],
    ['6.8.0-rc3', [6, 8, 0, 3, false]],
    ['5.14-rc5', [5, 14, 0, 5, false]],
    ['7.1-mergewindow', [7, 1, 0, 0, false]],
    ['  6.1.10\n', [6, 1, 10, null, false]],
    ['7.2.12+deb13-amd64', [7, 2, 12, null, true]],
    ['5.15.0-91-generic', [5, 15, 0, null, true]],
    ['5.14.0-362.el9', [5, 14, 0, null, true]],
    ['4.18.0-553.5.1.el8_10.x86_64', [4, 18, 0, null, true]],
    ['6.11.4-301.fc41.x86_64', [6, 11, 4, null, true]],
    ['5.15.153.1-microsoft-standard-WSL2', [5, 15, 153, null, true]],
    ['5.10.198-android13-4-00050-g12f3388846c3-ab11920634', [5, 10, 198, null, true]],
    ['6.9.0-rc3-00012-gdeadbeef', [6, 9, 0, 3, true]],
    ['6.12.0+', [6, 12, 0, null, true]],
    ['6.6-custom', [6, 6, 0, null, true]],
  ] as const)('reads %s', (text, [major, minor, patch, rc, isVendor]) => {
    expect(parse(text)).toEqual({ major, minor, patch, rc, isVendor, text: text.trim() });
  });

  it.each(['', '7', 'seven', '6.', '6.x', '6.8x', '.6.8', '-6.8', '6.8.y', '99999.1', '6.12.', 'el9'])(
    'finds no version in "%s"',
    (text) => {
      expect(parseKernelVersion(text)).toBeUndefined();
    },
  );

  it('answers for any text, with numbers that are whole', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,4}\.\d{1,4}[ -~]{0,40}$/)), (text) => {
        const version = parseKernelVersion(text);
        if (version !== undefined) {
          expect(Number.isSafeInteger(version.major) && Number.isSafeInteger(version.minor)).toBe(true);
          expect(version.patch === null || Number.isSafeInteger(version.patch)).toBe(true);
        }
      }),
    );
  });
});

describe('compareKernelVersions', () => {
  it('orders candidates before their release and releases by number', () => {
    const ordered = [
      '4.19.300',
      '4.20',
      '5.9.16',
      '5.10.0',
      '5.10.198',
      '6.8.0-rc1',
      '6.8.0-rc3',
      '6.8.0',
      '6.8.1',
    ];
    for (let i = 1; i < ordered.length; i++) {
      expect(compareKernelVersions(parse(ordered[i - 1]!), parse(ordered[i]!)), ordered[i]).toBeLessThan(0);
      expect(compareKernelVersions(parse(ordered[i]!), parse(ordered[i - 1]!)), ordered[i]).toBeGreaterThan(
        0,
      );
    }
    expect(compareKernelVersions(parse('7.2'), parse('7.2.0'))).toBe(0);
  });
});
