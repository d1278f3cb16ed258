// Config spaces of random descriptions as the installed lspci (pciutils, an independent program) reads them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConfigSpace,
  functionConfig,
  hostBridgeConfig,
  portConfig,
  setLink,
  setPresence,
} from '../../../src/fabric/config/index.ts';
import { formatHexDump } from '../../support/hex-dump.ts';
import { compareFunction, emptyTally, summary, withDomain } from '../../support/lspci-compare.ts';
import { lspciVersion, runLspci } from '../../support/lspci-output.ts';
import { functionArbitrary, portArbitrary } from './descriptions.ts';

const version = lspciVersion();
const COUNT = 120;

const addressOf = (i: number) => `00:${(i >> 3).toString(16).padStart(2, '0')}.${i & 7}`;
const hexDumpOf = (spaces: readonly ConfigSpace[]) =>
  spaces.map((space, i) => ({ address: addressOf(i), bytes: space.bytes }));

/** What lspci prints, a text for each function. */
function print(spaces: readonly ConfigSpace[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'peerlane-config-'));
  try {
    writeFileSync(join(directory, 'dump.txt'), formatHexDump(hexDumpOf(spaces)));
    const text = execFileSync('lspci', ['-F', join(directory, 'dump.txt'), '-vvv', '-nn'], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.trimEnd().split('\n\n');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const hex = (value: number, digits = 4) => value.toString(16).padStart(digits, '0');
/** Not zero, where lspci shows no 32-bit BAR; its own size is an address that every BAR can hold. */
const addressOfBar = ({ is64Bit, sizeBytes }: { is64Bit: boolean; sizeBytes: number }) =>
  is64Bit ? Math.max(sizeBytes, 2 ** 32) * 16 : sizeBytes;
const signs = (names: readonly string[], word: number) =>
  names.map((name, i) => `${name}${(word >> i) & 1 ? '+' : '-'}`).join(' ');
const ACS_NAMES = [
  'SrcValid',
  'TransBlk',
  'ReqRedir',
  'CmpltRedir',
  'UpstreamFwd',
  'EgressCtrl',
  'DirectTrans',
];

describe.skipIf(version === null)(`lspci (${version})`, () => {
  const functions = fc.sample(functionArbitrary, { numRuns: COUNT, seed: 11 });
  const ports = fc.sample(portArbitrary, { numRuns: COUNT, seed: 12 });
  const functionSpaces = functions.map((d) =>
    functionConfig(d, { hasAri: true, pasidWidthBits: 20, vendorData: new Uint8Array(5) }),
  );
  functionSpaces.forEach((space, i) => {
    for (const bar of functions[i]!.bars) {
      space.write(0x10 + 4 * bar.index, 4, addressOfBar(bar) % 2 ** 32);
      if (bar.is64Bit) {
        space.write(0x14 + 4 * bar.index, 4, addressOfBar(bar) / 2 ** 32);
      }
    }
  });
  const portSpaces = ports.map((d) => portConfig(d));
  portSpaces.forEach((space, i) => {
    setLink(space, { speedGTs: 2.5, width: 1 });
    setPresence(space, i % 2 === 0);
  });

  it('finds no broken or unknown capability', () => {
    const text = [...print(functionSpaces), ...print(portSpaces)].join('\n');
    // Vendor data is `<?>` by nature, a slot without indicators has none that it could name.
    const complaints = text
      .split('\n')
      .filter((line) => /broken|corrupt|<access|chain|unknown|<\?>|bad /i.test(line))
      .filter(
        (line) =>
          !/Vendor Specific Information: Len=08 <\?>|BadTLP|LnkSta:\s+Speed unknown .*Width x0|AttnInd Unknown, PwrInd Unknown/.test(
            line,
          ),
      );
    expect(complaints).toEqual([]);
    expect(text).toContain('Single Root I/O Virtualization');
    expect(text).toContain('Virtual Channel');
  });

  it('prints functions as they were described', () => {
    print(functionSpaces).forEach((text, i) => {
      const d = functions[i]!;
      expect(text).toContain(`[${hex(d.vendorId)}:${hex(d.deviceId)}]`);
      expect(text).toContain(`[${hex(d.subsystemVendorId)}:${hex(d.subsystemDeviceId)}]`);
      expect(text.includes('MSI: Enable-')).toBe(d.msiVectorCount > 0);
      if (d.msiVectorCount > 0) {
        expect(text).toContain(`MSI: Enable- Count=1/${d.msiVectorCount} Maskable+ 64bit+`);
      }
      if (d.msix !== null) {
        expect(text).toContain(`MSI-X: Enable- Count=${d.msix.vectorCount} Masked-`);
        expect(text).toContain(
          `Vector table: BAR=${d.msix.tableBar} offset=${hex(d.msix.tableOffsetBytes, 8)}`,
        );
        expect(text).toContain(`PBA: BAR=${d.msix.pendingBar} offset=${hex(d.msix.pendingOffsetBytes, 8)}`);
      }
      expect(text.includes('Express (v2) Endpoint')).toBe(d.express !== null);
      for (const bar of d.bars) {
        const what = bar.kind === 'io' ? 'I/O ports' : 'Memory';
        expect(text).toMatch(new RegExp(`Region ${bar.index}: ${what} at 0*${hex(addressOfBar(bar), 1)} `));
      }
      if (d.express === null) {
        return;
      }
      expect(text).toContain(`MaxPayload ${d.express.maxPayloadBytes} bytes, PhantFunc 0`);
      expect(text).toContain(`Speed ${d.express.linkSpeedGTs}GT/s, Width x${d.express.linkWidth}, ASPM`);
      expect(text.includes('FLReset+ SlotPowerLimit')).toBe(d.express.canResetFunction);
      expect(text.includes('Advanced Error Reporting')).toBe(d.express.hasAer);
      expect(text.includes('Page Request Interface')).toBe(d.express.hasPri);
      expect(text.includes('Address Translation Service')).toBe(d.express.hasAts);
      if (d.express.acs !== null) {
        expect(text).toContain(`ACSCap:\t${signs(ACS_NAMES, d.express.acs)}`);
      }
      if (d.sriov !== null) {
        expect(text).toContain(`Initial VFs: ${d.sriov.totalVfs}, Total VFs: ${d.sriov.totalVfs}`);
        expect(text).toContain(`VF offset: ${d.sriov.firstVfOffset}, stride: ${d.sriov.vfStride}`);
      }
      if (d.serialNumber !== null) {
        const digits = hex(d.serialNumber.high, 8) + hex(d.serialNumber.low, 8);
        expect(text).toContain(`Device Serial Number ${digits.match(/../g)!.join('-')}`);
      }
      const resizable = d.bars.filter((bar) => (bar.resizableTo?.length ?? 0) > 0);
      expect(text.match(/BAR \d: current size/g)?.length ?? 0).toBe(resizable.length);
    });
  });

  it('prints ports as they were described', () => {
    const names: Record<string, string> = {
      'root-port': 'Root Port',
      'switch-upstream': 'Upstream Port',
      'switch-downstream': 'Downstream Port',
      'pcie-to-pci-bridge': 'PCI-Express to PCI/PCI-X Bridge',
    };
    print(portSpaces).forEach((text, i) => {
      const d = ports[i]!;
      const name = names[d.kind];
      expect(text).toContain('PCI bridge');
      if (d.subsystem !== null) {
        expect(text).toContain(`[${hex(d.subsystem.vendorId)}:${hex(d.subsystem.deviceId)}]`);
      }
      if (name === undefined) {
        expect(text).not.toContain('Express (v2)');
        return;
      }
      const isDownstream = d.kind === 'root-port' || d.kind === 'switch-downstream';
      expect(text).toContain(`Express (v2) ${name}`);
      expect(text).toContain(`Port #${d.portNumber}, Speed ${d.linkSpeedGTs}GT/s, Width x${d.linkWidth}`);
      if (isDownstream) {
        expect(text.includes('(Slot+)')).toBe(d.slot !== null);
        expect(text).toContain('DLActive+');
      }
      if (isDownstream && d.slot !== null) {
        expect(text).toContain(`Slot #${d.slot.physicalNumber},`);
        expect(text).toContain(`HotPlug${d.slot.isHotPlugCapable ? '+' : '-'}`);
        expect(text).toContain(`PresDet${i % 2 === 0 ? '+' : '-'}`);
      }
      if (d.acs !== null) {
        expect(text).toContain(`ACSCap:\t${signs(ACS_NAMES, d.acs.capability)}`);
        expect(text).toContain(`ACSCtl:\t${signs(ACS_NAMES, d.acs.firmwareControl! & d.acs.capability)}`);
      }
      expect(text.includes('Advanced Error Reporting')).toBe(d.hasAer);
      expect(text.includes('RootCmd:')).toBe(d.hasAer && d.kind === 'root-port');
    });
  });

  it('agrees with our decoder on every field of them', () => {
    const tally = emptyTally();
    for (const spaces of [
      [...functionSpaces, hostBridgeConfig({ vendorId: 0x8086, deviceId: 0x09a2 })],
      portSpaces,
    ]) {
      const dumps = hexDumpOf(spaces);
      const printed = runLspci(formatHexDump(dumps));
      for (const dump of dumps) {
        const theirs = printed.find(({ address }) => withDomain(address) === withDomain(dump.address));
        compareFunction(tally, 'described', theirs!, dump);
      }
    }
    console.log(`lspci agreement on descriptions: ${summary(tally)}`);
    // lspci 3.9 knows no 64 GT/s.
    const isOld = /Supported Link Speeds: lspci RsvdP, peerlane 2\.5-64GT\/s/;
    expect(tally.disagreements.filter((line) => !isOld.test(line))).toEqual([]);
    expect(tally.fields).toBeGreaterThan(20_000);
  });
});
