// Laws of the lspci reader: any text gives a machine that keeps the contract, or a typed error.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { readLspci } from '../../../src/topology/index.ts';
import { LINE_LIMIT_CHARS } from '../../../src/topology/text/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { hasTopologies, topologyText } from '../../support/topology-manifest.ts';

function expectTypedResult(text: string): void {
  try {
    expectMachineInvariants(readLspci(text, 'property'));
  } catch (error) {
    if (!(error instanceof InputError)) {
      throw error;
    }
    expect(error.hint).toBeTruthy();
  }
}

/** Lines of every form, to be cut, swapped and mixed. */
const LINES: readonly string[] = [
  '00:00.0 Host bridge [0600]: Acme Host [1a2b:0001] (rev 12)',
  '00:01.0 PCI bridge [0604]: Acme Port [1a2b:0002] (prog-if 00 [Normal decode])',
  '01:00.0 VGA compatible controller: Acme GPU (rev a1)',
  '0001:02:00.0 "Non-Volatile memory controller [0108]" "Acme [1a2b]" "Drive [0003]" -r01 -p02 "" ""',
  '00:01.0/01:00.0 VGA compatible controller: Acme GPU (rev ff)',
  '10000:e1:00.0 0108: 1a2b:0003',
  'Slot:\t02:00.0',
  'Class:\tBridge [0604]',
  'NUMANode:\t3',
  '-+-[0000:00]-+-00.0  Acme Host',
  ' |           +-01.0-[01-05]----00.0-[02-05]--+-00.0-[03]----00.0',
  ' |           |                               \\-01.0-[04-05]-+-[0000:05]---00.0',
  ' |           \\-1f.0',
  ' \\-[0001:00]---00.0',
  '\tSubsystem: Acme Device [1a2b:1234]',
  '\tControl: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+',
  '\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-',
  '\tFlags: bus master, fast devsel, latency 0, NUMA node 1',
  '\tNUMA node: 99999',
  '\tIOMMU group: 12',
  '\tBus: primary=00, secondary=01, subordinate=05, sec-latency=0',
  '\tBus: primary=01, secondary=00, subordinate=ff, sec-latency=0',
  '\tI/O behind bridge: 0000f000-00000fff',
  '\tMemory behind bridge: 92c00000-92dfffff [size=2M]',
  '\tPrefetchable memory behind bridge: ffffffffffffffff-ffffffffffffffff',
  '\tRegion 0: Memory at ffffffffffffff00 (64-bit, prefetchable) [size=999999999999999P]',
  '\tRegion 0: Memory at <ignored> (64-bit, prefetchable) [size=0]',
  '\tRegion 3: Memory at 00000000 (32-bit, non-prefetchable)',
  '\tMemory at 92c00000 (64-bit, prefetchable) [size=1K]',
  '\tExpansion ROM at <unassigned> [disabled]',
  '\tCapabilities: <access denied>',
  '\tCapabilities: [60] Express (v2) Endpoint, MSI 00',
  '\tCapabilities: [90] Express (v2) Root Port (Slot+), MSI 00',
  '\t\tDevCap:\tMaxPayload 512 bytes, PhantFunc 0',
  '\t\tDevCtl:\tCorrErr+ NonFatalErr+ FatalErr+ UnsupReq-',
  '\t\t\tRlxdOrd+ ExtTag+ PhantFunc- AuxPwr- NoSnoop+ FLReset-',
  '\t\t\tMaxPayload 256 bytes, MaxReadReq 512 bytes',
  '\t\tLnkCap:\tPort #0, Speed 16GT/s, Width x99, ASPM L1',
  '\t\tLnkSta:\tSpeed 8GT/s (downgraded), Width x4 (ok)',
  '\t\tLnkCap2: Supported Link Speeds: 2.5-64GT/s, Crosslink-',
  '\tCapabilities: [148 v1] Access Control Services',
  '\t\tACSCap:\tSrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-',
  '\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-',
  '\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)',
  '\t\tIOVCtl:\tEnable+ Migration- Interrupt- MSE+ ARIHierarchy+',
  '\t\tInitial VFs: 8, Total VFs: 8, Number of VFs: 65535, Function Dependency Link: 00',
  '\t\tVF offset: 1, stride: 0, Device ID: 0001',
  '\t\tRegion 0: Memory at 00000000 (64-bit, prefetchable)',
  '\t!!! Unknown header type 7f',
  '\tKernel driver in use: nvme',
  '\tKernel modules: nvme',
  '00: 2b 1a 01 00 06 04 10 00 01 00 04 06 10 00 81 00',
  '10: 00 00 00 00 00 00 00 00 00 01 05 00 f1 01 00 00',
  '20: c0 92 d0 92 f1 ff 01 00 00 00 00 00 00 00 00 00',
  '30: 00 00 00 00 40 00 00 00 00 00 00 00 00 01 00 00',
  '40: 10 40 42 01 00 80 00 00 00 00 00 00 11 5c 31 00',
  'ff0: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff',
  '$ user@host:~$ lspci -vvv',
  '```',
  '',
];

const mixedText = fc
  .array(
    fc.record({
      line: fc.constantFrom(...LINES),
      indent: fc.constantFrom('', '', '', ' ', '\t', '> ', '    ', ' '.repeat(5000)),
      cut: fc.option(fc.nat(120), { freq: 4 }),
      end: fc.constantFrom('\n', '\n', '\n', '\r\n', '\n\n', ''),
    }),
    { maxLength: 120 },
  )
  .map((parts) =>
    parts
      .map(({ line, indent, cut, end }) => `${indent}${cut === null ? line : line.slice(0, cut)}${end}`)
      .join(''),
  );

describe('reading lspci text', () => {
  it('gives a whole machine or a typed error for any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), expectTypedResult), {
      numRuns: 300,
    });
  });

  it('gives a whole machine or a typed error for any mix of lines that lspci prints, cut and swapped', () => {
    fc.assert(fc.property(mixedText, expectTypedResult), { numRuns: 2000 });
  });

  it.skipIf(!hasTopologies)(
    'does so for outputs of real machines with lines lost, repeated and moved',
    () => {
      const files = [
        'pciebench-fujitsu-tx1310.lspci-vvv.txt',
        'powermac-g5.lspci-v.txt',
        'stelline-puget-wrx90.txt',
      ];
      const texts = files.map((name) => topologyText('lspci-text', name).split('\n'));
      const edit = fc.record({
        kind: fc.constantFrom('drop', 'repeat', 'move', 'cut', 'outdent'),
        at: fc.nat(2000),
        to: fc.nat(2000),
      });
      fc.assert(
        fc.property(fc.constantFrom(...texts), fc.array(edit, { maxLength: 30 }), (original, edits) => {
          const lines = [...original];
          for (const { kind, at, to } of edits) {
            const from = at % lines.length;
            const line = lines[from]!;
            const keeps = kind === 'repeat' || kind === 'cut' || kind === 'outdent';
            lines.splice(from, keeps ? 0 : 1);
            if (kind === 'cut' || kind === 'outdent') {
              lines[from] = kind === 'cut' ? line.slice(0, to % (line.length + 1)) : line.trimStart();
            } else if (kind !== 'drop') {
              lines.splice(to % (lines.length + 1), 0, line);
            }
          }
          expectTypedResult(lines.join('\n'));
        }),
        { numRuns: 100 },
      );
    },
  );

  it('does not depend on line ends', () => {
    fc.assert(
      fc.property(mixedText, (text) => {
        const read = (input: string) => {
          try {
            return JSON.stringify(readLspci(input, 'same').functions);
          } catch (error) {
            return (error as InputError).code;
          }
        };
        const unix = text.replaceAll('\r\n', '\n');
        expect(read(unix.replaceAll('\n', '\r\n'))).toBe(read(unix));
      }),
      { numRuns: 300 },
    );
  });

  it('says the same of a function wherever its block stands', () => {
    const block = (address: string, driver: string) =>
      `${address} Non-Volatile memory controller: Acme (rev 01)\n${LINES[15]}\n\tCapabilities: [60] Express (v2) Endpoint, MSI 00\n\tKernel driver in use: ${driver}\n\n`;
    const addresses = fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(addresses, fc.func(fc.integer()), (buses, rank) => {
        const blocks = buses.map((bus) => block(`${bus.toString(16).padStart(2, '0')}:00.0`, `driver${bus}`));
        const shuffled = [...blocks].sort((a, b) => rank(a) - rank(b));
        expect(readLspci(shuffled.join(''), 'any').functions).toEqual(
          readLspci(blocks.join(''), 'any').functions,
        );
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['one line without an end', `00:00.0 Host bridge: ${'x'.repeat(4_000_000)}`],
    ['quotes that never close', `00:00.0 ${'"\\"'.repeat(LINE_LIMIT_CHARS)}\n`.repeat(200)],
    ['branches in one line', `-[0000:00]${'-+'.repeat(LINE_LIMIT_CHARS)}\n`.repeat(200)],
    [
      'words without a sign',
      `00:00.0 Host bridge: Acme\n${`\tControl: ${'Mem'.repeat(LINE_LIMIT_CHARS)}\n`.repeat(200)}`,
    ],
    ['at signs', `${'@'.repeat(LINE_LIMIT_CHARS)}\n`.repeat(200)],
    ['blanks', `00:00.0 Host bridge: a${' '.repeat(LINE_LIMIT_CHARS)}[\n`.repeat(200)],
    ['a path of thousands of steps', `00:00.0${'/01:00.0'.repeat(3000)} Host bridge: Acme\n`.repeat(50)],
    [
      'regions without end',
      `00:00.0 Host bridge: Acme\n${LINES[25]}\n${'\tRegion 1: Memory at 1000 (32-bit)\n'.repeat(50_000)}`,
    ],
    ['blocks about one function', `${LINES[0]}\n${LINES[15]}\n\n`.repeat(20_000)],
  ])('takes steps in proportion to the text: %s', (_, text) => {
    expectTypedResult(text);
  });
});
