// Telling inputs apart by their content.

import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/base/index.ts';
import { readText, readTextBytes, recognise, unknownInput, writeTar } from '../../src/topology/index.ts';
import { expectMachineInvariants } from '../contract/machine-invariants.ts';
import { hasTopologies, topologyBytes, topologyFiles } from '../support/topology-manifest.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const LSPCI = '00:00.0 Host bridge: Acme Host (rev 01)\n';

function utf16(text: string, isBigEndian: boolean, hasMark: boolean): Uint8Array {
  const units = [...(hasMark ? '\ufeff' : ''), ...text].map((char) => char.charCodeAt(0));
  return Uint8Array.from(
    units.flatMap((unit) => (isBigEndian ? [unit >> 8, unit & 255] : [unit & 255, unit >> 8])),
  );
}

describe('an input is recognised by what it holds', () => {
  it.each([
    ['lspci', LSPCI],
    ['lspci', `Last login: Mon\n$ lspci\n${LSPCI}`],
    ['lspci', '0000:00:00.0 0600: 8086:3405 (rev 12)'],
    ['lspci', '00:00.0 "0600" "8086" "3405"'],
    ['lspci', 'Slot:\t00:00.0\nClass:\tHost bridge\n'],
    ['lspci', '-[0000:00]-+-00.0\n           \\-01.0'],
    ['lspci', '-+-[0000:00]---00.0\n \\-[0000:80]---00.0'],
    ['lspci', '0001:00:02.6/61:01.0 PCI bridge: Acme'],
    ['hwloc', '<?xml version="1.0"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n<topology version="2.0"/>'],
    ['nccl', '<!-- by a cloud\n> with > signs --><system version="1"/>'],
    ['nccl', '<graphs version="1"/>'],
    ['udev', 'P: /devices/pci0000:00/0000:00:00.0\nE: SUBSYSTEM=pci\n'],
    ['unknown', '<html><body>lspci</body></html>'],
    ['unknown', '<svg/>'],
    ['unknown', 'hello'],
    ['unknown', ''],
    ['unknown', '<!-- never closed'],
  ])('%s: %j', (kind, text) => {
    expect(recognise(bytesOf(text))).toBe(kind);
  });

  it('tar by its checksum, with or without a magic number', () => {
    const tar = writeTar([{ path: 'sys/bus', content: 'directory' }]);
    expect(recognise(tar)).toBe('tar');
    const old = tar.slice();
    old.fill(0, 257, 265);
    let sum = 0;
    old.subarray(0, 512).forEach((byte, at) => {
      sum += at >= 148 && at < 156 ? 32 : byte;
    });
    old.set(bytesOf(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
    expect(recognise(old)).toBe('tar');
    old[0] = old[0]! ^ 1;
    expect(recognise(old)).toBe('unknown');
  });

  it('gzip by what is inside, when that can be looked at', () => {
    const gunzip = (bytes: Uint8Array) => gunzipSync(bytes);
    expect(recognise(gzipSync(LSPCI))).toBe('gzip');
    expect(recognise(gzipSync(LSPCI), gunzip)).toBe('lspci');
    expect(recognise(gzipSync(writeTar([{ path: 'sys', content: 'directory' }])), gunzip)).toBe('tar');
    expect(recognise(gzipSync(gzipSync(LSPCI)), gunzip)).toBe('gzip');
    expect(recognise(Uint8Array.of(0x1f, 0x8b, 8, 0, 1), gunzip)).toBe('gzip');
  });

  it.each([
    ['little endian with a mark', utf16(LSPCI, false, true)],
    ['big endian with a mark', utf16(LSPCI, true, true)],
    ['little endian', utf16(LSPCI, false, false)],
    ['big endian', utf16(LSPCI, true, false)],
  ])('UTF-16, as PowerShell writes it: %s', (_, bytes) => {
    expect(recognise(bytes)).toBe('lspci');
    expect(readTextBytes(bytes, 'utf16').functions[0]!.deviceName).toBe('Acme Host');
  });

  it('a UTF-8 mark and CRLF are no part of the text', () => {
    const text = `\ufeff<?xml version="1.0"?>\r\n<system version="1">\r\n<cpu numaid="0">\r\n<pci busid="0000:00:02.0"/>\r\n</cpu>\r\n</system>\r\n`;
    expect(readTextBytes(bytesOf(text), 'crlf').functions).toHaveLength(1);
  });
});

describe('what is not recognised', () => {
  it.each([
    ['a web page', bytesOf('<!DOCTYPE html><html>'), /web page/, /raw file/],
    ['nothing', new Uint8Array(0), /empty/, /lspci/],
    ['JSON', bytesOf('{"a":1}'), /JSON/, /snapshot/],
    ['xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), /compressed/, /tar\.gz/],
    ['a drawing of lstopo', bytesOf('Machine (63GB total)\n  Package L#0\n'), /drawing of lstopo/, /lstopo/],
    ['nvidia-smi topo', bytesOf('\tGPU0\tGPU1\nGPU0\t X \tPIX\n'), /nvidia-smi/, /lspci/],
    ['config space', Uint8Array.from({ length: 256 }, (_, i) => i & 7), /config space/, /snapshot/],
    ['other XML', bytesOf('<svg/>'), /XML/, /lstopo/],
    ['binary', Uint8Array.from({ length: 100 }, (_, i) => (i * 7) & 0xff), /binary/, /tar/],
    ['prose', bytesOf('hello'), /no kind/, /sysroot/],
  ])('%s gets a hint of its own', (_, bytes, message, hint) => {
    const error = unknownInput(bytes, 'input');
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
    expect(error.exitStatus).toBe(2);
    expect(() => readTextBytes(bytes, 'input')).toThrow(InputError);
  });

  it('any bytes give a machine or a typed error of one line', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 1500 }),
          fc.string({ unit: 'binary', maxLength: 600 }).map(bytesOf),
        ),
        (bytes) => {
          recognise(bytes);
          try {
            expectMachineInvariants(readTextBytes(bytes, 'any'));
          } catch (error) {
            if (!(error instanceof InputError)) {
              throw error;
            }
            expect(error.message).not.toContain('\n');
            expect(error.hint).toBeTruthy();
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe.skipIf(!hasTopologies)('every shared file is recognised', () => {
  const expected = [
    ['lspci-text', 'lspci'],
    ['lspci-hex', 'lspci'],
    ['derived-lspci-3.9.0', 'lspci'],
    ['hwloc-xml', 'hwloc'],
    ['nccl-xml', 'nccl'],
    ['udev', 'udev'],
    ['sysfs', 'gzip'],
  ] as const;
  it.each(expected)('%s as %s', (folder, kind) => {
    const kinds = topologyFiles(folder).map((name) => [name, recognise(topologyBytes(folder, name))]);
    expect(kinds).toEqual(topologyFiles(folder).map((name) => [name, kind]));
  });

  it('and read by its reader', () => {
    for (const [folder, kind] of expected.slice(0, 6)) {
      const name = topologyFiles(folder)[0]!;
      const machine = readText(new TextDecoder().decode(topologyBytes(folder, name)), name);
      expect(machine.source).toMatchObject({ kind, label: name });
    }
  });
});
