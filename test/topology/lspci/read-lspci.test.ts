// lspci text in its forms, each reduced to what one rule needs.
import { describe, expect, it } from 'vitest';
import { type Bdf, InputError } from '../../../src/base/index.ts';
import { type Machine, type MachineFunction, MachineIndex, readLspci } from '../../../src/topology/index.ts';

function functionOf(text: string, address = '01:00.0'): MachineFunction {
  return new MachineIndex(readLspci(text, 'test')).resolve(address);
}

function gapsOf(machine: Machine): string[] {
  return machine.gaps.map((gap) => gap.what);
}

const CONTROL =
  '\tControl: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+';
const STATUS =
  '\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-';

/** A verbose block of an NVMe drive; `more` are the lines behind the first ones. */
function drive(address: string, ...more: string[]): string {
  return [
    `${address} Non-Volatile memory controller: Acme Fast Drive (prog-if 02 [NVM Express])`,
    CONTROL,
    STATUS,
    ...more,
    '',
    '',
  ].join('\n');
}

/** The functions of bus 0 that make a listing whole. */
const CHIPSET = ['00:00.0', '00:1f.0', '00:1f.2', '00:1f.3']
  .map((address) => `${address} Host bridge: Acme Chipset\n${CONTROL}\n${STATUS}\n\n`)
  .join('');

const EXPRESS_LINES = [
  '\tCapabilities: [60] Express (v2) Endpoint, MSI 00',
  '\t\tDevCap:\tMaxPayload 512 bytes, PhantFunc 0, Latency L0s unlimited, L1 unlimited',
  '\t\t\tExtTag+ AttnBtn- AttnInd- PwrInd- RBE+ FLReset+',
  '\t\tDevCtl:\tCorrErr+ NonFatalErr+ FatalErr+ UnsupReq-',
  '\t\t\tRlxdOrd+ ExtTag+ PhantFunc- AuxPwr- NoSnoop+ FLReset-',
  '\t\t\tMaxPayload 256 bytes, MaxReadReq 512 bytes',
  '\t\tDevSta:\tCorrErr- NonFatalErr- FatalErr- UnsupReq- AuxPwr- TransPend-',
  '\t\tLnkCap:\tPort #0, Speed 16GT/s, Width x4, ASPM L1, Exit Latency L1 <64us',
  '\t\tLnkSta:\tSpeed 8GT/s (downgraded), Width x4 (ok)',
];

describe('the line that names a function', () => {
  it.each([
    [
      '01:00.0 Host bridge: Acme Bridge (rev 12)',
      { classCode: 0x060000, revision: 0x12, vendorId: undefined, deviceName: 'Acme Bridge' },
    ],
    [
      '01:00.0 0600: 8086:3405 (rev 12)',
      { classCode: 0x060000, revision: 0x12, vendorId: 0x8086, deviceId: 0x3405 },
    ],
    [
      '01:00.0 Class 0600: 8086:3405',
      { classCode: 0x060000, revision: 0, vendorId: 0x8086, deviceId: 0x3405 },
    ],
    ['01:00.0 Class 0600: Device 8086:3405', { classCode: 0x060000, vendorId: 0x8086, deviceId: 0x3405 }],
    [
      '0003:01:00.0 Ethernet controller [0200]: Acme NIC [Model] [1a2b:3c4d] (rev a1)',
      { classCode: 0x020000, vendorId: 0x1a2b, deviceId: 0x3c4d, deviceName: 'Acme NIC [Model]' },
    ],
    [
      '01:00.0 PCI bridge: Acme Inc. Device 8747 (rev ca) (prog-if 01 [Subtractive decode])',
      { classCode: 0x060401, deviceId: 0x8747, vendorId: undefined, headerType: 1 },
    ],
    [
      '01:00.0 "PCI bridge [0604]" "Acme [10b5]" "Say \\"Switch\\" [8747]" -rca -p01 "" ""',
      {
        classCode: 0x060401,
        vendorId: 0x10b5,
        deviceName: 'Say "Switch"',
        revision: 0xca,
        subsystemVendorId: null,
      },
    ],
    [
      '01:00.0 "0604" "10b5" "8747" "1028" "04cf"',
      {
        classCode: 0x060400,
        vendorId: 0x10b5,
        deviceId: 0x8747,
        subsystemVendorId: 0x1028,
        subsystemDeviceId: 0x04cf,
      },
    ],
    [
      'Slot:\t01:00.0\nClass:\tNon-Volatile memory controller [0108]\nVendor:\tAcme [1a2b]\nDevice:\tDrive [0001]\nRev:\t03\nProgIf:\t02\nDriver:\tnvme\nNUMANode:\t1\nIOMMUGroup:\t17',
      {
        classCode: 0x010802,
        vendorName: 'Acme',
        deviceName: 'Drive',
        revision: 3,
        driver: 'nvme',
        numaNode: 1,
        iommuGroup: '17',
      },
    ],
  ])('%s', (line, expected) => {
    const machine = readLspci(line, 'test');
    expect(machine.functions).toHaveLength(1);
    expect(machine.functions[0]).toMatchObject(expected);
  });

  it('is believed indented or quoted when it has a class that lspci prints', () => {
    expect(readLspci('> 01:00.0 VGA compatible controller: Acme GPU', 'mail').functions).toHaveLength(1);
    expect(() => readLspci('  01:00.0 something: happened', 'log')).toThrow(InputError);
  });

  it('with an unknown class counts only when lspci lines follow', () => {
    expect(() => readLspci('01:00.0 disk error: sector 5', 'log')).toThrow(InputError);
    expect(readLspci(`01:00.0 Class of the future: Acme Thing\n${CONTROL}\n`, 'new').functions).toHaveLength(
      1,
    );
  });
});

describe('registers put back together from their flags', () => {
  const fn = functionOf(
    drive(
      '01:00.0',
      '\tNUMA node: 1',
      '\tIOMMU group: 23',
      '\tRegion 0: Memory at 92c00000 (64-bit, non-prefetchable) [size=16K]',
      '\tRegion 2: I/O ports at <unassigned> [disabled]',
      '\tRegion 4: Memory at 2000000000 (64-bit, prefetchable) [virtual] [size=8G]',
      '\tExpansion ROM at 92d00000 [disabled] [size=64K]',
      '\tCapabilities: [40] Power Management version 3',
      '\t\tFlags: PMEClk- DSI- D1- D2- AuxCurrent=0mA PME(D0-,D1-,D2-,D3hot-,D3cold-)',
      '\t\tStatus: D3 NoSoftRst+ PME-Enable- DSel=0 DScale=0 PME-',
      ...EXPRESS_LINES,
      '\tCapabilities: [148 v1] Access Control Services',
      '\t\tACSCap:\tSrcValid- TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd- EgressCtrl- DirectTrans-',
      '\t\tACSCtl:\tSrcValid- TransBlk- ReqRedir+ CmpltRedir- UpstreamFwd- EgressCtrl- DirectTrans-',
      '\tKernel driver in use: nvme',
    ),
  );

  it('Command', () => {
    expect(fn.command).toBe(0x0406);
  });

  it('Device Control, with both sizes', () => {
    expect(fn.deviceControl).toBe(0x2937);
  });

  it('Access Control Services', () => {
    expect(fn.acs).toEqual({ offset: 0x148, capability: 0x0c, control: 0x04, egressVector: null });
  });

  it('the link, its capability apart from its state', () => {
    expect(fn.link).toEqual({ max: { speedGTs: 16, width: 4 }, current: { speedGTs: 8, width: 4 } });
  });

  it('BARs with kernel addresses and exact sizes', () => {
    expect(fn.bars).toEqual([
      {
        index: 0,
        kind: 'memory',
        is64Bit: true,
        isPrefetchable: false,
        start: 0x92c0_0000,
        sizeBytes: 16_384,
      },
      { index: 2, kind: 'io', is64Bit: false, isPrefetchable: false, start: null, sizeBytes: undefined },
      {
        index: 4,
        kind: 'memory',
        is64Bit: true,
        isPrefetchable: true,
        start: 0x20_0000_0000,
        sizeBytes: 8 * 2 ** 30,
      },
      {
        index: 6,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: true,
        start: 0x92d0_0000,
        sizeBytes: 65_536,
      },
    ]);
  });

  it('what the kernel knows beside', () => {
    expect(fn).toMatchObject({
      driver: 'nvme',
      numaNode: 1,
      iommuGroup: '23',
      powerState: 'D3hot',
      pcieType: 'endpoint',
    });
  });
});

describe('port types of all versions', () => {
  it.each([
    ['Express (v2) Root Port (Slot+), MSI 00', 'root-port'],
    ['Express Root Port (Slot-) IRQ 0', 'root-port'],
    ['Express (v2) Root Port (Slot-), IntMsgNum 0', 'root-port'],
    ['Express (v2) Upstream Port, MSI 00', 'switch-upstream'],
    ['Express (v2) Downstream Port (Slot+), MSI 00', 'switch-downstream'],
    ['Express Legacy Endpoint IRQ 0', 'legacy-endpoint'],
    ['Express (v1) PCI-Express to PCI/PCI-X Bridge, MSI 00', 'pcie-to-pci-bridge'],
    ['Express (v1) PCI/PCI-X to PCI-Express Bridge, MSI 00', 'pci-to-pcie-bridge'],
    ['Express (v2) Root Complex Integrated Endpoint, MSI 00', 'rc-endpoint'],
    ['Express (v2) Root Complex Event Collector, MSI 00', 'rc-event-collector'],
  ])('%s', (capability, type) => {
    expect(functionOf(drive('01:00.0', `\tCapabilities: [60] ${capability}`)).pcieType).toBe(type);
  });

  it('of integrated endpoints have no link', () => {
    expect(
      functionOf(
        drive('01:00.0', '\tCapabilities: [60] Express (v2) Root Complex Integrated Endpoint, MSI 00'),
      ).link,
    ).toBeNull();
  });
});

describe('link lines', () => {
  it.each([
    ['Speed 8GT/s (ok), Width x16 (ok)', { speedGTs: 8, width: 16 }],
    ['Speed 2.5GT/s (downgraded), Width x4 (downgraded)', { speedGTs: 2.5, width: 4 }],
    ['Speed 32GT/s (strange), Width x8 (overdriven)', { speedGTs: 32, width: 8 }],
    ['Speed 8GT/s, Width x8, TrErr- Train- SlotClk+ DLActive- BWMgmt- ABWMgmt-', { speedGTs: 8, width: 8 }],
    ['Speed unknown (downgraded), Width x0 (downgraded)', undefined],
    ['Speed 2.5GT/s, Width x0, TrErr- Train-', undefined],
  ])('LnkSta: %s', (status, current) => {
    const link = functionOf(
      drive(
        '01:00.0',
        '\tCapabilities: [60] Express (v2) Endpoint, MSI 00',
        '\t\tLnkCap:\tPort #0, Speed 32GT/s, Width x16',
        `\t\tLnkSta:\t${status}`,
      ),
    ).link;
    expect(link).toEqual({ max: { speedGTs: 32, width: 16 }, current });
  });

  it('take the highest supported speed, as the kernel does, where LnkCap2 has them', () => {
    const link = functionOf(
      drive(
        '01:00.0',
        '\tCapabilities: [60] Express (v2) Endpoint, MSI 00',
        '\t\tLnkCap:\tPort #0, Speed 8GT/s, Width x16',
        '\t\tLnkCap2: Supported Link Speeds: 2.5-16GT/s, Crosslink-',
      ),
    ).link;
    expect(link?.max).toEqual({ speedGTs: 16, width: 16 });
  });
});

describe('when it is known that a function has no ACS', () => {
  const extended = '\tCapabilities: [100 v2] Advanced Error Reporting';
  const conventional = '\tCapabilities: [40] Power Management version 3';

  it('its own list has extended capabilities, and none is ACS', () => {
    expect(functionOf(drive('01:00.0', ...EXPRESS_LINES, extended)).acs).toBeNull();
  });

  it('it has none at all, but another function of the input does: extended space was readable', () => {
    const text = drive('01:00.0', ...EXPRESS_LINES) + drive('02:00.0', ...EXPRESS_LINES, extended);
    expect(functionOf(text).acs).toBeNull();
  });

  it('not when no function of the input shows an extended capability', () => {
    expect(functionOf(drive('01:00.0', ...EXPRESS_LINES)).acs).toBeUndefined();
  });

  it('not when access was denied', () => {
    const text =
      drive('01:00.0', '\tCapabilities: <access denied>') + drive('02:00.0', ...EXPRESS_LINES, extended);
    expect(functionOf(text)).toMatchObject({ acs: undefined, pcieType: undefined, link: undefined });
    expect(readLspci(text, 'test').source.privileged).toBe(false);
  });

  it('not when the chain of capabilities breaks off', () => {
    expect(
      functionOf(drive('01:00.0', ...EXPRESS_LINES, extended, '\tCapabilities: [148] <chain looped>')).acs,
    ).toBeUndefined();
  });

  it('not when the text ends inside the block', () => {
    const cut = drive('01:00.0', ...EXPRESS_LINES) + drive('02:00.0', extended, ...EXPRESS_LINES).trimEnd();
    expect(functionOf(cut, '02:00.0').pcieType).toBe('endpoint');
    expect(functionOf(drive('01:00.0', conventional).trimEnd()).pcieType).toBeUndefined();
  });

  it('a function without PCI Express has none', () => {
    expect(functionOf(drive('01:00.0', conventional))).toMatchObject({
      pcieType: null,
      acs: null,
      link: null,
      deviceControl: null,
    });
  });

  it('with one -v its presence is known, its state is not', () => {
    const text = [
      '01:00.0 PCI bridge: Acme Port',
      '\tFlags: bus master, fast devsel, latency 0',
      '\tCapabilities: [150] Access Control Services',
      '',
    ].join('\n');
    expect(functionOf(text).acs).toBeUndefined();
  });

  it('a line broken by the terminal in the middle of its flags is no state', () => {
    const text = drive(
      '01:00.0',
      ...EXPRESS_LINES,
      '\tCapabilities: [148 v1] Access Control Services',
      '\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+',
      ' CmpltRedir+ UpstreamFwd+',
    );
    expect(functionOf(text).acs).toBeUndefined();
  });
});

describe('bridges', () => {
  const bridge = (...windows: string[]) =>
    [
      '00:01.0 PCI bridge: Acme Root Port (prog-if 00 [Normal decode])',
      CONTROL,
      STATUS,
      '\tBus: primary=00, secondary=01, subordinate=03, sec-latency=0',
      ...windows,
      '',
      '',
    ].join('\n');

  it('have bus numbers and the windows of their registers', () => {
    const text = bridge(
      '\tI/O behind bridge: 00002000-00002fff [size=4K] [16-bit]',
      '\tMemory behind bridge: 92c00000-92dfffff [size=2M] [32-bit]',
      '\tPrefetchable memory behind bridge: 0000002000000000-00000021ffffffff [size=8G] [64-bit]',
    );
    expect(functionOf(text, '00:01.0')).toMatchObject({
      headerType: 1,
      secondaryBus: 1,
      subordinateBus: 3,
      windows: [
        { kind: 'memory', first: 0x92c0_0000, last: 0x92df_ffff },
        { kind: 'prefetchable', first: 0x20_0000_0000, last: 0x21_ffff_ffff },
        { kind: 'io', first: 0x2000, last: 0x2fff },
      ],
    });
  });

  it.each([
    [
      'base above limit',
      ['\tI/O behind bridge: 0000f000-00000fff', '\tMemory behind bridge: fff00000-000fffff [disabled]'],
    ],
    ['in words', ['\tI/O behind bridge: [disabled]', '\tMemory behind bridge: None']],
    ['left out', []],
    ['never set', ['\tMemory behind bridge: 00000000-000fffff']],
  ])('closed windows: %s', (_, windows) => {
    expect(functionOf(bridge(...windows), '00:01.0').windows).toEqual([]);
  });

  it('are put above what is on their buses', () => {
    expect(functionOf(bridge() + drive('01:00.0')).parent).toBe('0000:00:01.0');
  });

  it('a bus that a bridge forwards and no bridge owns has hidden bridges above it', () => {
    const fn = functionOf(bridge() + drive('03:00.0'), '03:00.0');
    expect(fn).toMatchObject({ parent: '0000:00:01.0', hiddenAbove: true });
  });

  it('one function alone leaves open what is above it', () => {
    const machine = readLspci(drive('c1:00.0'), 'test');
    expect(machine.functions[0]).toMatchObject({ parent: null, hiddenAbove: true, hostBridge: 'pci0000:??' });
    expect(gapsOf(machine)).toContain('functions');
  });

  it('in a whole verbose listing a bus that nobody forwards is a root bus', () => {
    const rootPort = `80:02.0 PCI bridge: Acme Port\n${CONTROL}\n\tBus: primary=80, secondary=81, subordinate=81\n\n`;
    const machine = readLspci(CHIPSET + rootPort, 'test');
    const fn = new MachineIndex(machine).resolve('80:02.0');
    expect(fn).toMatchObject({ parent: null, hiddenAbove: false, hostBridge: 'pci0000:80' });
    expect(gapsOf(machine)).not.toContain('root-bus-devices');
  });
});

describe('root buses', () => {
  const rootPort = (bus: string) =>
    drive(`${bus}:02.0`, '\tCapabilities: [90] Express (v2) Root Port (Slot+), MSI 00');

  it('are those with a root port or an integrated function, even in a part of a listing', () => {
    expect(functionOf(rootPort('5d'), '5d:02.0')).toMatchObject({
      parent: null,
      hiddenAbove: false,
      hostBridge: 'pci0000:5d',
    });
  });

  it('but their first function may be missing there', () => {
    expect(gapsOf(readLspci(rootPort('5d'), 'part'))).toContain('root-bus-devices');
    expect(gapsOf(readLspci(CHIPSET + rootPort('5d'), 'whole'))).not.toContain('root-bus-devices');
  });

  it('are never those with nothing but endpoints: the port above was not shown', () => {
    const fn = functionOf(CHIPSET + drive('c1:00.0', ...EXPRESS_LINES), 'c1:00.0');
    expect(fn).toMatchObject({ parent: null, hiddenAbove: true, hostBridge: 'pci0000:??' });
  });
});

describe('trees', () => {
  it('one root bus, a bridge, a switch', () => {
    const tree = [
      '-[0000:00]-+-00.0  Acme Host',
      '           +-01.0-[01-04]----00.0-[02-04]--+-00.0-[03]----00.0  Acme Drive',
      '           |                               \\-08.0-[04]--',
      '           \\-1f.0  Acme ISA',
    ].join('\n');
    const machine = readLspci(tree, 'tree');
    const parents = Object.fromEntries(machine.functions.map((fn) => [fn.bdf, fn.parent]));
    expect(parents).toEqual({
      '0000:00:00.0': null,
      '0000:00:01.0': null,
      '0000:00:1f.0': null,
      '0000:01:00.0': '0000:00:01.0',
      '0000:02:00.0': '0000:01:00.0',
      '0000:02:08.0': '0000:01:00.0',
      '0000:03:00.0': '0000:02:00.0',
    });
    const port = new MachineIndex(machine).resolve('02:08.0');
    expect([port.secondaryBus, port.subordinateBus]).toEqual([4, 4]);
  });

  it('several domains, with ids', () => {
    const tree = [
      '-+-[10000:e0]---06.0-[e1]----00.0  Acme Drive [1a2b:0001]',
      ' \\-[0000:00]-+-00.0  Acme Host [8086:09a2]',
      '             \\-0e.0  Acme VMD [8086:467f]',
    ].join('\n');
    const machine = readLspci(tree, 'tree');
    const index = new MachineIndex(machine);
    expect(index.resolve('10000:e1:00.0')).toMatchObject({ parent: '10000:e0:06.0', vendorId: 0x1a2b });
    expect(machine.hostBridges.find((bridge) => bridge.domain === 0x10000)?.behind).toBe('0000:00:0e.0');
  });

  it('of old versions without a domain, and drawn with box characters', () => {
    expect(functionOf('-[00]-+-00.0\n      \\-01.0-[01]----00.0').parent).toBe('0000:00:01.0');
    const boxes = [
      '-[0000:00]-\u252c-00.0',
      '           \u2514\u250001.0-[01]\u2500\u2500\u2500\u250000.0',
    ].join('\n');
    expect(functionOf(boxes).parent).toBe('0000:00:01.0');
  });

  it('a bus below a bridge that no bridge owns hangs on that bridge: virtual functions', () => {
    const tree = [
      '-[0000:00]-+-00.0',
      '           \\-01.0-[01-02]-+-[0000:02]---00.0',
      '                          \\-[0000:01]---00.0',
    ].join('\n');
    expect(functionOf(tree, '02:00.0').parent).toBe('0000:00:01.0');
  });

  it('of which only a branch is drawn leave the first function of the root bus open', () => {
    expect(gapsOf(readLspci('-[0000:00]---02.0-[03]----00.0', 'branch'))).toContain('root-bus-devices');
    expect(gapsOf(readLspci('-[0000:5d]-+-02.0-[5e]----00.0\n           \\-05.0', 'tree'))).not.toContain(
      'root-bus-devices',
    );
  });

  it('lines without a beginning are passed over', () => {
    const machine = readLspci(' |           +-04.0\n-[0000:00]---00.0', 'cut');
    expect(machine.functions.map((fn) => fn.bdf)).toEqual(['0000:00:00.0']);
  });
});

describe('paths', () => {
  it('-PP names the bridges above', () => {
    const machine = readLspci('0001:00:02.6/61:01.0/62:00.0 VGA compatible controller: Acme GPU', 'path');
    expect(machine.functions.map((fn) => [fn.bdf, fn.parent, fn.headerType])).toEqual([
      ['0001:00:02.6', null, 1],
      ['0001:61:01.0', '0001:00:02.6', 1],
      ['0001:62:00.0', '0001:61:01.0', 0],
    ]);
  });

  it('-P is followed where the bus numbers of the bridges are known, and is a finding where not', () => {
    expect(
      functionOf(
        '-[0000:00]-+-00.0\n           \\-01.0-[01]----00.0\n\n00:01.0/00.0 VGA compatible controller: Acme',
      ).parent,
    ).toBe('0000:00:01.0');
    const machine = readLspci(
      '00:00.0 Host bridge: Acme\n00:01.0/00.0 VGA compatible controller: Acme',
      'path',
    );
    expect(machine.findings.map((finding) => finding.code)).toEqual(['LSPCI_PATH']);
  });
});

describe('devices that answer all ones', () => {
  it.each([
    [
      '-v',
      '01:00.0 3D controller: Acme GPU (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\tKernel driver in use: nvidia\n',
    ],
    ['plain', '01:00.0 3D controller: Acme GPU (rev ff)\n'],
    [
      'hex',
      `01:00.0 3D controller: Acme GPU (rev ff)\n${[0, 1, 2, 3].map((row) => `${row}0: ${Array(16).fill('ff').join(' ')}`).join('\n')}\n`,
    ],
  ])('%s', (_, text) => {
    const machine = readLspci(text, 'gone');
    expect(machine.functions[0]).toMatchObject({
      isGone: true,
      revision: undefined,
      acs: undefined,
      command: undefined,
    });
    expect(machine.findings.map((finding) => finding.code)).toEqual(['CONFIG_ALL_ONES']);
  });
});

describe('virtual functions', () => {
  const pf = drive(
    '01:00.0',
    ...EXPRESS_LINES,
    '\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)',
    '\t\tIOVCap:\tMigration- 10BitTagReq- Interrupt Message Number: 000',
    '\t\tIOVCtl:\tEnable+ Migration- Interrupt- MSE+ ARIHierarchy+ 10BitTagReq-',
    '\t\tInitial VFs: 8, Total VFs: 8, Number of VFs: 2, Function Dependency Link: 00',
    '\t\tVF offset: 16, stride: 2, Device ID: 0001',
    '\t\tSupported Page Size: 00000553, System Page Size: 00000001',
    '\t\tRegion 0: Memory at 0000000092e00000 (64-bit, non-prefetchable)',
  );

  it('are found by the numbers of their PF', () => {
    const text = CHIPSET + pf + drive('01:02.0', ...EXPRESS_LINES) + drive('01:02.2', ...EXPRESS_LINES);
    expect(functionOf(text, '01:02.0').physicalFunction).toBe('0000:01:00.0');
    expect(functionOf(text, '01:02.2').physicalFunction).toBe('0000:01:00.0');
    expect(functionOf(text, '01:00.0').physicalFunction).toBeNull();
  });

  it('have BARs of their own at the PF, apart from its own', () => {
    expect(functionOf(pf).bars).toEqual([
      {
        index: 7,
        kind: 'memory',
        is64Bit: true,
        isPrefetchable: false,
        start: 0x92e0_0000,
        sizeBytes: undefined,
      },
    ]);
  });
});

describe('several outputs in one text', () => {
  it('add up, whatever stands between them', () => {
    const text = [
      '# My machine',
      '```',
      '$ lspci -t',
      '-[0000:00]-+-00.0',
      '           \\-01.0-[01]----00.0',
      'user@host:~$ lspci -nns 01:00.0',
      '01:00.0 Non-Volatile memory controller [0108]: Acme Fast Drive [1a2b:0001]',
      'user@host:~$ numactl --hardware',
      'available: 1 nodes (0)',
      '```',
      'and then',
      '    01:00.0 Non-Volatile memory controller: Acme Fast Drive (prog-if 02 [NVM Express])',
      `    ${CONTROL.trim()}`,
      '    Capabilities: [60] Express (v2) Endpoint, MSI 00',
    ].join('\n');
    expect(functionOf(text)).toMatchObject({
      parent: '0000:00:01.0',
      vendorId: 0x1a2b,
      classCode: 0x010802,
      command: 0x0406,
      pcieType: 'endpoint',
    });
  });

  it('that disagree are a finding, and the later one stands', () => {
    const acs = (control: string) => [
      '\tCapabilities: [148 v1] Access Control Services',
      '\t\tACSCap:\tSrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-',
      `\t\tACSCtl:\t${control}`,
    ];
    const on = 'SrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-';
    const text = drive('01:00.0', ...acs(on)) + drive('01:00.0', ...acs(on.replaceAll('+', '-')));
    const machine = readLspci(text, 'before and after');
    expect(machine.functions[0]!.acs?.control).toBe(0);
    expect(machine.findings.map((finding) => finding.code)).toEqual(['LSPCI_DISAGREES']);
  });

  it('survives CRLF line ends and terminal colours', () => {
    const text = drive('01:00.0', ...EXPRESS_LINES)
      .replaceAll('\n', '\r\n')
      .replace('Acme', '\u001b[1;32mAcme\u001b[0m');
    expect(functionOf(text)).toMatchObject({ deviceName: 'Acme Fast Drive', deviceControl: 0x2937 });
  });

  it('lines that lost their indentation are known by their labels', () => {
    const text = drive('01:00.0', '\tNUMA node: 1').replaceAll('\t', '');
    expect(functionOf(text)).toMatchObject({ command: 0x0406, numaNode: 1 });
  });
});

describe('hex dumps', () => {
  const rows = (count: number) =>
    Array.from(
      { length: count },
      (_, row) =>
        `${(row * 16).toString(16).padStart(2, '0')}: ${row === 0 ? 'e4 14 82 16 06 04 10 00 10 00 00 02 10 00 00 00' : Array(16).fill('00').join(' ')}`,
    );

  it('give the bytes from 0 on', () => {
    const fn = functionOf(['01:00.0 Ethernet controller: Acme', ...rows(16), ''].join('\n'));
    expect(fn.config).toHaveLength(256);
    expect(fn).toMatchObject({ vendorId: 0x14e4, deviceId: 0x1682, command: 0x0406, revision: 0x10 });
  });

  it('of 256 bytes say nothing about extended config space', () => {
    const text = ['01:00.0 Ethernet controller: Acme', ...rows(16), '']
      .join('\n')
      .replace('30: 00 00 00 00 00', '30: 00 00 00 00 40')
      .replace('40: 00 00 00 00', '40: 10 00 02 00');
    expect(functionOf(text)).toMatchObject({ pcieType: 'endpoint', acs: undefined });
  });

  it('end where a line is missing, and say so', () => {
    const lines = rows(16);
    lines.splice(5, 1);
    const machine = readLspci(['01:00.0 Ethernet controller: Acme', ...lines, ''].join('\n'), 'gap');
    expect(machine.functions[0]!.config).toHaveLength(80);
    expect(machine.findings.map((finding) => finding.code)).toContain('LSPCI_DUMP_GAP');
  });
});

describe('one -v', () => {
  const text = [
    '00:00.0 Host bridge: Acme Host',
    '\tFlags: fast devsel',
    '',
    '01:00.0 Ethernet controller: Acme NIC',
    '\tFlags: bus master, fast devsel, latency 0, IRQ 30, NUMA node 1, IOMMU group 42',
    '\tMemory at 92c00000 (64-bit, prefetchable) [size=16M]',
    '\tCapabilities: [60] Express Endpoint, MSI 00',
    '',
    '',
  ].join('\n');

  it('has node and group among the flags', () => {
    expect(functionOf(text)).toMatchObject({ numaNode: 1, iommuGroup: '42', pcieType: 'endpoint' });
  });

  it('prints BARs without their numbers, so which they are stays unknown', () => {
    expect(functionOf(text).bars).toBeUndefined();
    expect(functionOf(text, '00:00.0').bars).toEqual([]);
  });

  it('leaves registers and links out', () => {
    expect(functionOf(text)).toMatchObject({ command: undefined, deviceControl: undefined, link: undefined });
  });
});

describe('drivers', () => {
  it('a function without the line has none where others have it', () => {
    const text = drive('01:00.0') + drive('02:00.0', '\tKernel driver in use: nvme');
    expect(functionOf(text).driver).toBeNull();
    expect(functionOf(drive('01:00.0')).driver).toBeUndefined();
    expect(functionOf(drive('01:00.0', '\tKernel modules: nvme')).driver).toBeNull();
  });
});

describe('text that is not lspci output', () => {
  it.each(['', 'hello', 'pcilib: Cannot open /proc/bus/pci', '00: 86 80 05 34'])('%j', (text) => {
    expect(() => readLspci(text, 'notes.txt')).toThrow(
      expect.objectContaining({
        code: 'INPUT_NOT_LSPCI',
        exitStatus: 2,
        hint: expect.stringContaining('lspci'),
      }),
    );
  });

  it('with more functions than any machine has is refused', () => {
    const lines: string[] = [];
    for (let domain = 0; domain < 0x11; domain++) {
      for (let id = 0; id < 0x1_0000; id += 16) {
        const bdf =
          `${(domain * 256 + (id >> 12)).toString(16).padStart(4, '0')}:${(id >> 8).toString(16).padStart(2, '0')}:${((id >> 3) & 31).toString(16).padStart(2, '0')}.0` as Bdf;
        lines.push(`${bdf} 0200: 8086:0001`);
      }
    }
    expect(lines.length).toBeGreaterThan(65_536);
    expect(() => readLspci(lines.join('\n'), 'many')).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
    );
  });
});
