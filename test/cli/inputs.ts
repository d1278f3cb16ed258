/** Machines for the command line: recorded ones of this repository, changed copies of them, and small texts. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll } from 'vitest';
import { EXTENDED_ID } from '../../src/spec/pcie/index.ts';
import { type NewTarEntry, readTar, walkCapabilities, writeTar } from '../../src/topology/index.ts';

const goldenFolder = fileURLToPath(new URL('../golden/kernel-verdicts/', import.meta.url));

/** A recorded machine of `test/golden/kernel-verdicts`; its README says what is in them. */
export function golden(number: string): string {
  return join(goldenFolder, `case-${number}.tar.gz`);
}

export interface GoldenCase {
  readonly name: string;
  readonly functions: number;
  readonly kinds: Readonly<Record<string, number>>;
}

export const goldenCases: readonly GoldenCase[] = readFileSync(join(goldenFolder, 'index.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const { case: number, functions, kinds } = JSON.parse(line);
    return { name: String(number).padStart(4, '0'), functions, kinds };
  });

/** What the kernel said: `provider client` to distance and map type. */
export function kernelAnswers(name: string): Map<string, { distance: number; mapType: string }> {
  const text = gunzipSync(readFileSync(join(goldenFolder, `case-${name}.verdicts.tsv.gz`))).toString('utf8');
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
      .map(([provider, client, distance, mapType]) => [
        `${provider} ${client}`,
        { distance: Number(distance), mapType: mapType! },
      ]),
  );
}

/** A folder for one test file; it goes away with it. */
export function scratchFolder(): { readonly path: (name: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return { path: (name) => join(folder, name) };
}

export type Files = Map<string, NewTarEntry['content']>;

/** The files of an archive of ours, to be changed. */
export function filesOf(archive: string): Files {
  const files: Files = new Map();
  for (const entry of readTar(gunzipSync(readFileSync(archive)), archive)) {
    files.set(
      entry.path,
      entry.kind === 'link'
        ? { linkTo: entry.target }
        : entry.kind === 'directory'
          ? 'directory'
          : entry.data.slice(),
    );
  }
  return files;
}

/** @param leading a folder that everything stands in, as `tar c host1` makes it */
export function tarOf(files: Files, leading = ''): Uint8Array {
  return writeTar([...files].map(([path, content]) => ({ path: leading + path, content })));
}

/** Writes the files below a folder, as a sysroot directory. */
export function writeSysroot(files: Files, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of files) {
    const at = join(folder, path);
    mkdirSync(content === 'directory' ? at : dirname(at), { recursive: true });
    if (content instanceof Uint8Array) {
      writeFileSync(at, content);
    } else if (content !== 'directory') {
      symlinkSync(content.linkTo, at);
    }
  }
}

export function setText(files: Files, path: string, text: string): void {
  files.set(path, new TextEncoder().encode(text));
}

/** Where a function's own folder is. */
export function folderOf(files: Files, bdf: string): string {
  const found = [...files.keys()].find((path) => path.endsWith(`/${bdf}/config`));
  if (found === undefined) {
    throw new Error(`no config of ${bdf}`);
  }
  return dirname(found);
}

/** Rewrites ACS Control (PCIe Base 6.0, 7.7.11.3) of every function that has it. @returns the functions changed */
export function changeAcs(files: Files, change: (control: number, bdf: string) => number): string[] {
  const changed: string[] = [];
  for (const [path, content] of files) {
    const bdf = /^sys\/devices\/.*\/([0-9a-f:]+\.[0-7])\/config$/.exec(path)?.[1];
    if (bdf === undefined || !(content instanceof Uint8Array)) {
      continue;
    }
    const acs = walkCapabilities(content, { isWhole: true }).extended.find(
      (capability) => capability.id === EXTENDED_ID.ACCESS_CONTROL_SERVICES,
    );
    if (acs !== undefined) {
      const view = new DataView(content.buffer, content.byteOffset, content.length);
      const before = view.getUint16(acs.offset + 6, true);
      const after = change(before, bdf);
      view.setUint16(acs.offset + 6, after, true);
      if (after !== before) {
        changed.push(bdf);
      }
    }
  }
  return changed;
}

/** Two drives below one switch without redirection, as root's `lspci -Dnnvvv` tells of them. */
export const LSPCI_TEXT = `0000:00:00.0 Host bridge [0600]: Intel Corporation 82G33 [8086:29c0]
0000:00:01.0 PCI bridge [0604]: Acme Root Port [1b36:000c] (prog-if 00 [Normal decode])
	Bus: primary=00, secondary=01, subordinate=04, sec-latency=0
	Capabilities: [40] Express (v2) Root Port (Slot-), MSI 00
		LnkCap:	Port #1, Speed 16GT/s, Width x16, ASPM not supported
		LnkSta:	Speed 16GT/s, Width x16
	Capabilities: [100 v2] Advanced Error Reporting
	Kernel driver in use: pcieport

0000:01:00.0 PCI bridge [0604]: Acme Switch Up [104c:8232] (prog-if 00 [Normal decode])
	Bus: primary=01, secondary=02, subordinate=04, sec-latency=0
	Capabilities: [40] Express (v2) Upstream Port, MSI 00
		LnkCap:	Port #0, Speed 16GT/s, Width x16, ASPM not supported
		LnkSta:	Speed 16GT/s, Width x16
	Capabilities: [100 v2] Advanced Error Reporting
	Kernel driver in use: pcieport

0000:02:00.0 PCI bridge [0604]: Acme Switch Down [104c:8233] (prog-if 00 [Normal decode])
	Bus: primary=02, secondary=03, subordinate=03, sec-latency=0
	Capabilities: [40] Express (v2) Downstream Port (Slot-), MSI 00
		LnkCap:	Port #0, Speed 8GT/s, Width x4, ASPM not supported
		LnkSta:	Speed 8GT/s, Width x4
	Capabilities: [148 v1] Access Control Services
		ACSCap:	SrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans+
		ACSCtl:	SrcValid- TransBlk- ReqRedir- CmpltRedir- UpstreamFwd- EgressCtrl- DirectTrans-
	Capabilities: [100 v2] Advanced Error Reporting
	Kernel driver in use: pcieport

0000:02:01.0 PCI bridge [0604]: Acme Switch Down [104c:8233] (prog-if 00 [Normal decode])
	Bus: primary=02, secondary=04, subordinate=04, sec-latency=0
	Capabilities: [40] Express (v2) Downstream Port (Slot-), MSI 00
		LnkCap:	Port #0, Speed 8GT/s, Width x4, ASPM not supported
		LnkSta:	Speed 8GT/s, Width x4
	Capabilities: [148 v1] Access Control Services
		ACSCap:	SrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans+
		ACSCtl:	SrcValid- TransBlk- ReqRedir- CmpltRedir- UpstreamFwd- EgressCtrl- DirectTrans-
	Capabilities: [100 v2] Advanced Error Reporting
	Kernel driver in use: pcieport

0000:03:00.0 Non-Volatile memory controller [0108]: Acme Drive [1b36:0010] (rev 02) (prog-if 02 [NVM Express])
	Control: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
	Region 0: Memory at f4000000 (64-bit, prefetchable) [size=64M]
	Capabilities: [40] Express (v2) Endpoint, MSI 00
		LnkCap:	Port #0, Speed 8GT/s, Width x4, ASPM not supported
		LnkSta:	Speed 8GT/s, Width x4
	Capabilities: [100 v2] Advanced Error Reporting
	Kernel driver in use: nvme

0000:04:00.0 Non-Volatile memory controller [0108]: Acme Drive [1b36:0010] (rev 02) (prog-if 02 [NVM Express])
	Control: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
	Region 0: Memory at f8000000 (64-bit, prefetchable) [size=64M]
	Capabilities: [40] Express (v2) Endpoint, MSI 00
		LnkCap:	Port #0, Speed 8GT/s, Width x4, ASPM not supported
		LnkSta:	Speed 8GT/s, Width x4
	Capabilities: [100 v2] Advanced Error Reporting
	Kernel driver in use: nvme
`;

/** The same box as hwloc has it. */
export const HWLOC_TEXT = `<?xml version="1.0"?><topology version="2.0"><object type="Machine">
<info name="CPUVendor" value="GenuineIntel"/>
<object type="Bridge" bridge_type="0-1" depth="0" bridge_pci="0000:[00-04]">
 <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[01-04]" pci_busid="0000:00:01.0" pci_type="0604 [1b36:000c] [0000:0000] 00" pci_link_speed="31.5">
  <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[02-04]" pci_busid="0000:01:00.0" pci_type="0604 [104c:8232] [0000:0000] 00" pci_link_speed="31.5">
   <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[03-03]" pci_busid="0000:02:00.0" pci_type="0604 [104c:8233] [0000:0000] 00" pci_link_speed="3.938462">
    <object type="PCIDev" pci_busid="0000:03:00.0" pci_type="0108 [1b36:0010] [1af4:1100] 02" pci_link_speed="3.938462"><object type="OSDev" name="nvme0n1" osdev_type="0"/></object></object>
   <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[04-04]" pci_busid="0000:02:01.0" pci_type="0604 [104c:8233] [0000:0000] 00" pci_link_speed="3.938462">
    <object type="PCIDev" pci_busid="0000:04:00.0" pci_type="0108 [1b36:0010] [1af4:1100] 02" pci_link_speed="3.938462"><object type="OSDev" name="nvme1n1" osdev_type="0"/></object></object>
  </object></object></object></object></topology>`;

/** Two GPUs below one switch, as NCCL writes its topology: every second port is left out. */
export const NCCL_TEXT = `<system version="1"><cpu numaid="0" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="106">
<pci busid="0000:01:00.0" class="0x060400" vendor="0x104c" device="0x8232" link_speed="16.0 GT/s PCIe" link_width="16">
<pci busid="0000:03:00.0" class="0x030200" vendor="0x10de" device="0x2324" link_speed="16 GT/s" link_width="16"><gpu dev="0" sm="90" rank="0" gdr="1"/></pci>
<pci busid="0000:04:00.0" class="0x030200" vendor="0x10de" device="0x2324" link_speed="16 GT/s" link_width="16"><gpu dev="1" sm="90" rank="1" gdr="1"/></pci>
</pci></cpu></system>`;

const ROOT = '/devices/pci0000:00';
const UP = `${ROOT}/0000:00:01.0/0000:01:00.0`;

/** The drives again, as `udevadm info --export-db` has them. */
export const UDEV_TEXT = [
  [`${ROOT}/0000:00:00.0`, '60000', '8086:29C0'],
  [`${ROOT}/0000:00:01.0`, '60400', '1B36:000C'],
  [UP, '60400', '104C:8232'],
  [`${UP}/0000:02:00.0`, '60400', '104C:8233'],
  [`${UP}/0000:02:01.0`, '60400', '104C:8233'],
  [`${UP}/0000:02:00.0/0000:03:00.0`, '10802', '1B36:0010'],
  [`${UP}/0000:02:01.0/0000:04:00.0`, '10802', '1B36:0010'],
]
  .map(
    ([path, kind, id]) =>
      `P: ${path}\nE: DEVPATH=${path}\nE: SUBSYSTEM=pci\nE: PCI_CLASS=${kind}\nE: PCI_ID=${id}\nE: PCI_SLOT_NAME=${path!.split('/').at(-1)}\n`,
  )
  .join('\n');
