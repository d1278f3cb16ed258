// The installed lspci reads a lab machine: its sysfs in a folder, its config spaces as a dump.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { lspciHex, sysfsEntries } from '../../../src/lab/sysfs/index.ts';
import { archiveTree, readLspci, readSysfs } from '../../../src/topology/index.ts';
import { parseHexDump } from '../../support/hex-dump.ts';
import { compareFunction, emptyTally, withDomain } from '../../support/lspci-compare.ts';
import { lspciVersion, runLspci } from '../../support/lspci-output.ts';
import { recordedState } from '../support/recorded-side.ts';

const snapshot = fileURLToPath(new URL('../../golden/kernel-verdicts/case-0011.tar.gz', import.meta.url));
const machine = readSysfs(
  archiveTree(readFileSync(snapshot), 'recorded', { gunzip: (bytes) => gunzipSync(bytes) }),
  { kind: 'archive' },
);
const state = recordedState(machine);
const version = lspciVersion();

describe.skipIf(version === null)(`lspci (${version})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-sysfs-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('reads the tree as a sysfs: drivers, nodes, groups and ranges are those of the machine', () => {
    for (const { path, content } of sysfsEntries(state)) {
      const place = join(folder, path);
      mkdirSync(content === 'directory' ? place : dirname(place), { recursive: true });
      if (content instanceof Uint8Array) {
        writeFileSync(place, content);
      } else if (content !== 'directory') {
        symlinkSync(content.linkTo, place);
      }
    }
    const text = execFileSync(
      'lspci',
      ['-A', 'linux-sysfs', '-O', `sysfs.path=${folder}/sys/bus/pci`, '-Dvvvnn'],
      {
        encoding: 'utf8',
        maxBuffer: 64 << 20,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const blocks = new Map(text.split('\n\n').map((block) => [block.split(' ', 1)[0]!, block]));
    expect(blocks.size).toBeGreaterThan(machine.functions.length - 1);
    let drivers = 0;
    let ranges = 0;
    for (const fn of machine.functions) {
      const block = blocks.get(fn.bdf);
      expect(block, fn.bdf).toBeDefined();
      expect(block).toContain(
        `[${fn.vendorId!.toString(16).padStart(4, '0')}:${fn.deviceId!.toString(16).padStart(4, '0')}]`,
      );
      expect(block).toContain(`IOMMU group: ${fn.iommuGroup}`);
      if (fn.driver != null) {
        drivers++;
        expect(block).toContain(`Kernel driver in use: ${fn.driver}`);
      }
      for (const bar of fn.bars ?? []) {
        if (bar.index < 6 && bar.kind === 'memory' && typeof bar.start === 'number') {
          ranges++;
          expect(block).toContain(`Region ${bar.index}: Memory at ${bar.start.toString(16)} (`);
        }
      }
    }
    expect(Math.min(drivers, ranges)).toBeGreaterThan(10);
  });

  it('decodes the dump as we do', () => {
    const text = lspciHex(state);
    const printed = runLspci(text);
    const total = emptyTally();
    for (const dump of parseHexDump(text)) {
      const theirs = printed.find(({ address }) => withDomain(address) === withDomain(dump.address));
      expect(theirs, dump.address).toBeDefined();
      compareFunction(total, 'lab', theirs!, dump);
    }
    expect(total.functions).toBe(machine.functions.length);
    expect(total.disagreements).toEqual([]);
    expect(total.fields).toBeGreaterThan(1000);
  });
});

it('our own reader takes the dump for the same functions', () => {
  const read = readLspci(lspciHex(state), 'dump');
  expect(read.functions.map(({ bdf, acs }) => ({ bdf, acs }))).toEqual(
    machine.functions.map(({ bdf, acs }) => ({ bdf, acs })),
  );
});
