// What Linux itself says of a function (the files beside `config` in sysfs) against what its config space says to us. The
// snapshots were taken from QEMU machines with a running kernel; see the folder they come from.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  archiveTree,
  attributeOrUndefined,
  type ConfigFacts,
  type FileTree,
  factsFromConfig,
} from '../../../src/topology/index.ts';
import { formatHexDump, type HexDump } from '../../support/hex-dump.ts';
import { compareFunction, emptyTally, summary, withDomain } from '../../support/lspci-compare.ts';
import { lspciVersion, runLspci } from '../../support/lspci-output.ts';
import { hasTestdata, testdataPath } from '../../support/testdata.ts';

const FOLDER = ['data', 'kernel-verdicts'] as const;
const isRunnable = hasTestdata(...FOLDER);
const archives = isRunnable
  ? readdirSync(testdataPath(...FOLDER)).filter(
      (name) => name.endsWith('.tar.gz') && !name.includes('verdicts'),
    )
  : [];

/** Linux, include/linux/ioport.h. */
const IORESOURCE_IO = 0x100;
const IORESOURCE_MEM = 0x200;
const IORESOURCE_PREFETCH = 0x2000;
const IORESOURCE_MEM_64 = 0x10_0000;

/** Everything that both sides say; the number of comparisons. */
function compareWithKernel(tree: FileTree, directory: string, facts: ConfigFacts): number {
  let compared = 0;
  const same = (name: string, kernel: unknown, ours: unknown) => {
    expect(ours, `${directory} ${name}`).toEqual(kernel);
    compared++;
  };
  const words = [
    ['vendor', facts.vendorId],
    ['device', facts.deviceId],
    ['class', facts.classCode],
    ['revision', facts.revision],
    ['subsystem_vendor', facts.subsystemVendorId ?? 0],
    ['subsystem_device', facts.subsystemDeviceId ?? 0],
  ] as const;
  for (const [name, ours] of words) {
    const text = attributeOrUndefined(tree, `${directory}/${name}`);
    if (text !== undefined) {
      same(name, Number(text), ours);
    }
  }
  const speed = (text: string) => (text === 'Unknown' ? undefined : Number.parseFloat(text));
  for (const [which, rate] of [
    ['max', facts.link?.max],
    ['current', facts.link?.current],
  ] as const) {
    const speedText = attributeOrUndefined(tree, `${directory}/${which}_link_speed`);
    const widthText = attributeOrUndefined(tree, `${directory}/${which}_link_width`);
    if (
      speedText !== undefined &&
      widthText !== undefined &&
      speed(speedText) !== undefined &&
      Number(widthText) > 0
    ) {
      same(`${which} link`, { speedGTs: speed(speedText), width: Number(widthText) }, rate);
    }
  }
  const resources = attributeOrUndefined(tree, `${directory}/resource`)?.split('\n') ?? [];
  for (const [index, line] of resources.slice(0, 6).entries()) {
    const [start, , flags] = line.split(' ').map(Number) as [number, number, number];
    const bar = facts.bars?.find((candidate) => candidate.index === index);
    if (flags === 0 || start === 0) {
      continue;
    }
    same(`BAR ${index}`, start, bar?.start);
    same(`BAR ${index} kind`, (flags & IORESOURCE_IO) !== 0 ? 'io' : 'memory', bar?.kind);
    if ((flags & IORESOURCE_MEM) !== 0) {
      same(`BAR ${index} 64 bit`, (flags & IORESOURCE_MEM_64) !== 0, bar?.is64Bit);
      same(`BAR ${index} prefetchable`, (flags & IORESOURCE_PREFETCH) !== 0, bar?.isPrefetchable);
    }
  }
  return compared;
}

/** Windows as the kernel has them: the bridge resources follow the six BARs, the ROM and the six SR-IOV BARs. */
function compareWindows(tree: FileTree, directory: string, facts: ConfigFacts): number {
  const resources = attributeOrUndefined(tree, `${directory}/resource`)?.split('\n') ?? [];
  if (facts.headerType !== 1 || resources.length < 16) {
    return 0;
  }
  const kinds = ['io', 'memory', 'prefetchable'] as const;
  for (const [i, kind] of kinds.entries()) {
    const [first, last, flags] = resources[13 + i]!.split(' ').map(Number) as [number, number, number];
    const ours = facts.windows?.find((window) => window.kind === kind);
    expect(ours && [ours.first, ours.last], `${directory} ${kind} window`).toEqual(
      flags === 0 || last === 0 ? undefined : [first, last],
    );
  }
  return kinds.length;
}

describe.skipIf(!isRunnable)('config space of kernel snapshots', () => {
  const lspci = lspciVersion();
  const tally = emptyTally();
  // The devices are QEMU's in all of them; a few archives have every kind.
  const comparedWithLspci = new Set(archives.slice(0, 4));
  let compared = 0;

  it.each(archives)('%s says what the kernel says', (archive) => {
    const tree = archiveTree(new Uint8Array(readFileSync(testdataPath(...FOLDER, archive))), archive, {
      gunzip: (bytes, bytesMax) => new Uint8Array(gunzipSync(bytes, { maxOutputLength: bytesMax })),
    });
    const addresses = tree.list('sys/bus/pci/devices');
    const dumps: HexDump[] = [];
    for (const address of typeof addresses === 'string' ? [] : addresses) {
      const device = `sys/bus/pci/devices/${address}`;
      const bytes = tree.read(`${device}/config`, 4096);
      expect(bytes).toBeInstanceOf(Uint8Array);
      const config = bytes as Uint8Array;
      const facts = factsFromConfig(config, { isWhole: true });
      expect(facts.findings).toEqual([]);
      compared += compareWithKernel(tree, device, facts) + compareWindows(tree, device, facts);
      if (comparedWithLspci.has(archive)) {
        dumps.push({ address, bytes: config });
      }
    }
    if (lspci !== null && dumps.length > 0) {
      const before = tally.disagreements.length;
      const printed = new Map(runLspci(formatHexDump(dumps)).map((fn) => [withDomain(fn.address), fn]));
      for (const dump of dumps) {
        compareFunction(tally, archive, printed.get(dump.address)!, dump);
      }
      expect(tally.disagreements.slice(before)).toEqual([]);
    }
  });

  it('compares enough to mean something', () => {
    console.log(`kernel snapshots: ${compared} values compared with sysfs; lspci: ${summary(tally)}`);
    expect(compared).toBeGreaterThan(archives.length * 100);
    expect(lspci === null || tally.fields > 10_000).toBe(true);
  });
});
