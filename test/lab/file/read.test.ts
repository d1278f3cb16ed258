import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { type LabEndpoint, type LabFile, type LabNvme, parseLab, readLab } from '../../../src/lab/index.ts';

const lab = (text: string): LabFile => parseLab(`peerlane: lab/1\n${text}`, 'x.yaml');

function errorOf(text: string): LabError {
  try {
    parseLab(text, 'x.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    return error as LabError;
  }
  throw new Error(`read without an error:\n${text}`);
}

/** The only device of a lab, below however many bridges. */
function device(file: LabFile): LabEndpoint {
  let nodes: readonly object[] = file.hostBridges[0]!.below;
  for (;;) {
    const node = nodes[0] as { below?: readonly object[] };
    if (node.below === undefined) {
      return node as LabEndpoint;
    }
    nodes = node.below;
  }
}

describe('defaults', () => {
  it('make a machine of one line', () => {
    const file = lab('');
    expect(file.kernel.release).toBe('7.2.12');
    expect(file.cpu).toMatchObject({
      vendor: 'intel',
      family: 6,
      model: 85,
      sockets: 1,
      architecture: 'x86',
    });
    expect(file.iommu).toEqual({ mode: 'off', vendor: 'intel', pageBytes: 4096, hasAts: true });
    expect(file.memory).toEqual([{ sizeBytes: 16 * 2 ** 30 }]);
    expect(file.hostBridges).toHaveLength(1);
    expect(file.hostBridges[0]).toMatchObject({
      domain: 0,
      rootBus: 0,
      identity: { vendorId: 0x8086, deviceId: 0x2020 },
      peers: 'routes',
      below: [],
    });
  });

  it('follow the processor', () => {
    const file = lab('cpu: amd\nbelow: nvme');
    expect(file.cpu.family).toBe(0x19);
    expect(file.iommu.vendor).toBe('amd');
    expect(file.hostBridges[0]!.identity).toEqual({ vendorId: 0x1022, deviceId: 0x1480 });
    expect(file.hostBridges[0]!.below[0]).toMatchObject({ id: { vendorId: 0x1022, deviceId: 0x1483 } });
  });

  it('share buses, NUMA nodes and room below 4 GiB among host bridges', () => {
    const bridges = lab('memory: [1G, 1G]\nhost-bridges: [{}, {}, {}, {}]').hostBridges;
    expect(bridges.map((bridge) => bridge.rootBus)).toEqual([0, 0x40, 0x80, 0xc0]);
    expect(bridges.map((bridge) => bridge.numaNode)).toEqual([0, 0, 1, 1]);
    expect(bridges[3]!.window32Bytes).toBe(2 ** 28);
  });
});

describe('text of values', () => {
  it('is read by the field and not guessed by YAML', () => {
    expect(lab('kernel: 6.10').kernel.release).toBe('6.10');
    expect((device(lab('below: {nvme: a, serial: 0010}')) as LabNvme).serial).toBe('0010');
    expect(lab('iommu: off').iommu.mode).toBe('off');
    expect(lab('host-bridges: [{root-bus: 80}]').hostBridges[0]!.rootBus).toBe(0x80);
  });

  it.each([
    ['64M', 64 * 2 ** 20],
    ['1.5TiB', 1.5 * 2 ** 40],
    ['1.92TB', 1_920_000_000_000],
    ['512 kib', 512 * 1024],
    ['0x100000', 0x100000],
    ['1048576', 1048576],
  ])('reads the size %s', (text, bytes) => {
    expect((device(lab(`below: {nvme: a, namespaces: ${text}}`)) as LabNvme).namespaces[0]!.sizeBytes).toBe(
      bytes,
    );
  });

  it.each(['1.1', '64X', '-1', '1e9', 'NaN', '.inf', '', '99999999999999999999G', '0x'])(
    'does not take %j for a size',
    (text) => {
      expect(errorOf(`peerlane: lab/1\nmemory: "${text}"`).code).toBe('LAB_VALUE');
    },
  );

  it('knows links and words of BARs', () => {
    const gpu = device(
      lab(
        'below: {gpu: g, link: gen5 x16, bars: {0: 16M 32-bit, 1: {size: 256M, resizable: 256M..1G}, 5: 128 io}}',
      ),
    );
    expect(gpu.link).toEqual({ generation: 5, width: 16 });
    expect(gpu.bars).toEqual([
      {
        index: 0,
        kind: 'memory',
        is64Bit: false,
        isPrefetchable: false,
        sizeBytes: 2 ** 24,
        resizableBytes: null,
      },
      {
        index: 1,
        kind: 'memory',
        is64Bit: true,
        isPrefetchable: true,
        sizeBytes: 2 ** 28,
        resizableBytes: [2 ** 28, 2 ** 29, 2 ** 30],
      },
      { index: 5, kind: 'io', is64Bit: false, isPrefetchable: false, sizeBytes: 128, resizableBytes: null },
    ]);
  });
});

describe('the tree', () => {
  it('puts a port above a device that stands directly below a host bridge or a switch', () => {
    const root = lab('below: [{switch: s, below: [nvme, nvme]}]').hostBridges[0]!.below[0]!;
    expect(root).toMatchObject({
      kind: 'root-port',
      device: 1,
      port: 1,
      below: [
        {
          kind: 'switch',
          name: 's',
          device: 0,
          below: [
            { kind: 'port', device: 0, port: 1, below: [{ kind: 'nvme', name: 'nvme0' }] },
            { kind: 'port', device: 1, port: 2, below: [{ kind: 'nvme', name: 'nvme1' }] },
          ],
        },
      ],
    });
  });

  it('makes one device a name', () => {
    const ports = lab('below: [{nvme: [a, b, c], cmb: 2M}]').hostBridges[0]!.below;
    expect(ports.map((port) => ('below' in port ? port.below[0]!.name : ''))).toEqual(['a', 'b', 'c']);
  });

  it('keeps names that it gives apart from those of the file', () => {
    const ports = lab('below: [nvme, {nvme: nvme0}]').hostBridges[0]!.below;
    expect(ports.map((port) => ('below' in port ? port.below[0]!.name : ''))).toEqual(['nvme1', 'nvme0']);
  });

  it('reads a second function below a port', () => {
    const port = lab('below: {root-port: , below: [gpu, {generic: audio, at: .1}]}').hostBridges[0]!
      .below[0]!;
    expect(port).toMatchObject({
      below: [
        { kind: 'gpu', function: 0 },
        { kind: 'generic', function: 1 },
      ],
    });
  });

  it('leaves a hot-plug port empty and gives it a slot', () => {
    const port = lab('below: {root-port: , hot-plug: yes}').hostBridges[0]!.below[0]!;
    expect(port).toMatchObject({ isHotPlug: true, slot: 1, below: [] });
  });

  it('gives a VMD a domain and root ports', () => {
    const vmds = lab('below: [{vmd: , below: nvme}, {vmd: v}]').hostBridges[0]!.below;
    expect(vmds).toMatchObject([
      {
        kind: 'vmd',
        name: 'vmd0',
        domain: 0x10000,
        below: [{ kind: 'root-port', below: [{ kind: 'nvme' }] }],
      },
      { kind: 'vmd', name: 'v', domain: 0x10001 },
    ]);
  });

  it('gives devices on a root bus and on conventional PCI no link', () => {
    expect(device(lab('below: {generic: a, integrated: yes}')).link).toBeNull();
    expect(device(lab('below: {pci-bridge: , below: generic}')).link).toBeNull();
    expect(device(lab('below: generic')).link).toEqual({ generation: 3, width: 4 });
  });

  it('hands fields of a switch to ports that do not say otherwise', () => {
    const text =
      'below: {switch: , id: 10b5:8796, port-link: gen3 x8, acs: off, below: [nvme, {port: , acs: on}]}';
    const port = lab(text).hostBridges[0]!.below[0]!;
    expect(port).toMatchObject({
      below: [
        {
          acs: null,
          below: [
            { id: { deviceId: 0x8796 }, link: { generation: 3, width: 8 }, acs: { control: [] } },
            { acs: { control: ['SV', 'RR', 'CR', 'UF'] } },
          ],
        },
      ],
    });
  });

  it('tells where a node is, a port that nobody wrote where its device is', () => {
    const reading = readLab('peerlane: lab/1\nbelow:\n  - nvme: a\n  - root-port: b\n', 'x');
    const [first, second] = reading.lab.hostBridges[0]!.below;
    expect(reading.position(first!)).toEqual({ line: 3, column: 5 });
    expect(reading.position(second!)).toEqual({ line: 4, column: 5 });
  });
});

describe('acs', () => {
  const acsOf = (text: string) => lab(`below: {root-port: , acs: ${text}}`).hostBridges[0]!.below[0]!.acs;

  it.each([
    ['none', null],
    ['off', []],
    ['on', ['SV', 'RR', 'CR', 'UF']],
    ['[uf, sv]', ['SV', 'UF']],
    ['RR', ['RR']],
    ['0x1d', ['SV', 'RR', 'CR', 'UF']],
    ['{control: 0x04}', ['RR']],
  ])('reads %s', (text, control) => {
    expect(acsOf(text)?.control ?? null).toEqual(control);
  });

  it('leaves control to the operating system with auto, which is the default', () => {
    expect(acsOf('auto')).toEqual({
      capability: ['SV', 'TB', 'RR', 'CR', 'UF', 'DT'],
      firmware: [],
      control: null,
      egress: [],
    });
    expect(lab('below: root-port').hostBridges[0]!.below[0]!.acs).toEqual(acsOf('auto'));
  });

  it('has EC with an egress vector', () => {
    expect(acsOf('{egress: [3, 1]}')).toMatchObject({
      egress: [1, 3],
      capability: expect.arrayContaining(['EC']),
    });
  });

  it('refuses a bit that the capability has not (PCIe Base 6.0, 7.7.11.2)', () => {
    const error = errorOf(
      'peerlane: lab/1\nbelow:\n  - root-port:\n    acs: {capability: [SV], control: [SV, RR]}',
    );
    expect(error.message).toBe('x.yaml:4:10: acs: RR cannot be set: the capability has only SV');
  });
});

describe('nvme', () => {
  const nvme = (fields: string) => device(lab(`below: {nvme: a, ${fields}}`)) as LabNvme;

  it('makes the BAR that a CMB needs', () => {
    expect(nvme('cmb: {size: 64M, offset: 2M}')).toMatchObject({
      cmb: {
        sizeBytes: 2 ** 26,
        offsetBytes: 2 ** 21,
        bar: 2,
        isLegacy: false,
        flags: ['SQS', 'LISTS', 'RDS', 'WDS'],
      },
      bars: [
        { index: 0, sizeBytes: 16384 },
        { index: 2, sizeBytes: 2 ** 27, is64Bit: true, isPrefetchable: true },
      ],
    });
  });

  it('takes a size, a list of sizes or blocks for namespaces', () => {
    expect(nvme('namespaces: 1G').namespaces).toHaveLength(1);
    expect(nvme('namespaces: []').namespaces).toEqual([]);
    expect(
      nvme('namespaces: [1G, {size: 4M, block: 4096, metadata: 8, protection: 1}]').namespaces[1],
    ).toEqual({
      nsid: 2,
      sizeBytes: 2 ** 22,
      blockBytes: 4096,
      metadataBytes: 8,
      protection: 1,
      isExtended: false,
      image: null,
      seed: null,
    });
  });

  it('has a vector a queue and one for the admin queue', () => {
    expect(nvme('queues: 8').vectors).toBe(9);
  });
});

describe('aliases and merge keys', () => {
  it('repeat what was written', () => {
    const ports = lab('below: [&d {nvme: a, cmb: 2M, mdts: 5}, {<<: *d, nvme: b, mdts: 6}]').hostBridges[0]!
      .below;
    expect(ports).toMatchObject([
      { below: [{ name: 'a', mdts: 5 }] },
      { below: [{ name: 'b', mdts: 6, cmb: {} }] },
    ]);
  });
});

describe('iopmem', () => {
  it('takes the largest BAR and all of it by default', () => {
    const file = lab('below: {memory: m, bars: {0: 1M, 2: 64M}}\niopmem: m');
    expect(file.iopmem).toEqual([
      { name: 'iopmem0', function: 'm', bar: 2, offsetBytes: 0, sizeBytes: 2 ** 26, blockBytes: 4096 },
    ]);
  });
});

describe('problems', () => {
  const cases: readonly (readonly [title: string, text: string, code: string, at: string, part: RegExp])[] = [
    ['no marker', 'kernel: 7.2', 'LAB_MARKER', '1:1', /peerlane: lab\/1/],
    ['another version', 'peerlane: lab/2', 'LAB_MARKER', '1:11', /'lab\/2'/],
    ['nothing', '', 'LAB_MARKER', '1:1', /no lab file/],
    ['a list', '- a', 'LAB_MARKER', '1:1', /no lab file/],
    ['broken YAML', 'peerlane: lab/1\nbelow: [nvme', 'LAB_SYNTAX', '2:13', /./],
    ['a key twice', 'peerlane: lab/1\nseed: 1\nseed: 2', 'LAB_SYNTAX', '3:1', /'seed' stands here twice/],
    ['a tag', 'peerlane: lab/1\nseed: !!int 1', 'LAB_SYNTAX', '2:7', /tag/i],
    ['an alias of nothing', 'peerlane: lab/1\nbelow: *a', 'LAB_SYNTAX', '2:8', /&a/],
    ['two documents', 'peerlane: lab/1\n---\npeerlane: lab/1', 'LAB_SYNTAX', '3:1', /second document/],
    ['a key misspelt', 'peerlane: lab/1\nkernal: 7.2', 'LAB_UNKNOWN_KEY', '2:1', /did you mean 'kernel'\?/],
    [
      'a kind misspelt',
      'peerlane: lab/1\nbelow:\n  - nvm: a',
      'LAB_UNKNOWN_KEY',
      '3:5',
      /did you mean 'nvme'\?/,
    ],
    ['a kind misspelt as a word', 'peerlane: lab/1\nbelow: [swich]', 'LAB_UNKNOWN_KEY', '2:9', /'switch'/],
    [
      'a field misspelt',
      'peerlane: lab/1\nbelow:\n  - nvme: a\n    cbm: 64M',
      'LAB_UNKNOWN_KEY',
      '4:5',
      /did you mean 'cmb'\?/,
    ],
    [
      'a key within',
      'peerlane: lab/1\nbelow:\n  - nvme: a\n    cmb: {sise: 64M}',
      'LAB_UNKNOWN_KEY',
      '4:11',
      /'size'/,
    ],
    ['__proto__', 'peerlane: lab/1\n__proto__: 1', 'LAB_UNKNOWN_KEY', '2:1', /__proto__/],
    [
      'a word misspelt',
      'peerlane: lab/1\niommu: passtrough',
      'LAB_VALUE',
      '2:8',
      /did you mean 'passthrough'\?/,
    ],
    [
      'a missing value',
      'peerlane: lab/1\nseed:',
      'LAB_VALUE',
      '2:6',
      /seed: a value is missing: whole number/,
    ],
    ['a list for a word', 'peerlane: lab/1\nseed: [1]', 'LAB_VALUE', '2:7', /one value is expected/],
    [
      'faults of a drive',
      'peerlane: lab/1\nbelow: [{nvme: a, faults: []}]',
      'LAB_UNKNOWN_KEY',
      '2:19',
      /unknown key 'faults'/,
    ],
    [
      'a switch on conventional PCI',
      'peerlane: lab/1\nbelow: {pci-bridge: , below: [switch]}',
      'LAB_PLACE',
      '2:31',
      /it goes below a root port/,
    ],
    [
      'a port without a switch',
      'peerlane: lab/1\nbelow: port',
      'LAB_PLACE',
      '2:8',
      /directly below a switch/,
    ],
    [
      'something below a drive',
      'peerlane: lab/1\nbelow: [{nvme: a, below: [nvme]}]',
      'LAB_PLACE',
      '2:26',
      /nothing is below/,
    ],
    [
      'a link on a root bus',
      'peerlane: lab/1\nbelow: {generic: , integrated: yes, link: gen1 x1}',
      'LAB_PLACE',
      '2:43',
      /no link/,
    ],
    [
      'integrated in a slot',
      'peerlane: lab/1\nbelow: {switch: , below: {nvme: , integrated: yes}}',
      'LAB_PLACE',
      '2:47',
      /host bridge/,
    ],
    ['two kinds in one', 'peerlane: lab/1\nbelow: {nvme: a, gpu: b}', 'LAB_VALUE', '2:8', /at once/],
    ['a bad name', 'peerlane: lab/1\nbelow: {nvme: 0a}', 'LAB_VALUE', '2:15', /name/],
    ['a name twice', 'peerlane: lab/1\nbelow:\n  - nvme: a\n  - gpu: a', 'LAB_NAME', '4:5', /'a'/],
    [
      'the name of a VF',
      'peerlane: lab/1\nbelow: [{nic: n, sr-iov: 2}, {nvme: nvf1}]',
      'LAB_NAME',
      '2:26',
      /nvf1/,
    ],
    [
      'an address twice',
      'peerlane: lab/1\nbelow:\n  - {root-port: , at: 3}\n  - {root-port: , at: 03.0}',
      'LAB_ADDRESS',
      '4:23',
      /03\.0/,
    ],
    [
      'the address of the host bridge',
      'peerlane: lab/1\nbelow: {root-port: , at: 00.0}',
      'LAB_ADDRESS',
      '2:26',
      /identity: none/,
    ],
    [
      'two devices below a port',
      'peerlane: lab/1\nbelow:\n  - root-port:\n    below: [nvme, nvme]',
      'LAB_ADDRESS',
      '4:19',
      /at: \.1/,
    ],
    [
      'device 1 below a port',
      'peerlane: lab/1\nbelow: {root-port: , below: {nvme: , at: 1}}',
      'LAB_ADDRESS',
      '2:42',
      /device 0/,
    ],
    ['no function 0', 'peerlane: lab/1\nbelow: {root-port: , at: 1c.1}', 'LAB_ADDRESS', '2:26', /function 0/],
    [
      'function 8',
      'peerlane: lab/1\nbelow: {root-port: , at: 1.8}',
      'LAB_VALUE',
      '2:26',
      /device 0 to 1f, function 0 to 7|device and function/,
    ],
    [
      '33 ports on a switch',
      `peerlane: lab/1\nbelow: {switch: , below: [${'port, '.repeat(33)}]}`,
      'LAB_ADDRESS',
      '2:219',
      /32 devices/,
    ],
    [
      'a port number twice',
      'peerlane: lab/1\nbelow: [{root-port: , port-number: 3}, {root-port: , port-number: 3}]',
      'LAB_ADDRESS',
      '2:67',
      /number 3/,
    ],
    [
      'more buses than there are',
      `peerlane: lab/1\nhost-bridges: [{root-bus: f0, below: [${'{switch: , below: [port, port, port, port, port]}, '.repeat(3)}]}]`,
      'LAB_ADDRESS',
      '2:27',
      /end of the domain/,
    ],
    [
      'a root bus twice',
      'peerlane: lab/1\nhost-bridges: [{root-bus: 10}, {root-bus: 10}]',
      'LAB_ADDRESS',
      '2:43',
      /bus 10/,
    ],
    [
      'a VMD in a domain that is there',
      'peerlane: lab/1\nbelow: [{vmd: , domain: 0}]',
      'LAB_ADDRESS',
      '2:25',
      /taken/,
    ],
    [
      'a BAR of odd size',
      'peerlane: lab/1\nbelow: {memory: , bars: {0: 65M}}',
      'LAB_VALUE',
      '2:29',
      /power of two/,
    ],
    [
      'two BARs in one place',
      'peerlane: lab/1\nbelow: {memory: , bars: {0: 64M, 1: 64M}}',
      'LAB_BAR',
      '2:25',
      /upper half/,
    ],
    ['a 64-bit BAR 5', 'peerlane: lab/1\nbelow: {memory: , bars: {5: 64M}}', 'LAB_BAR', '2:29', /32-bit/],
    [
      'a CMB larger than its BAR',
      'peerlane: lab/1\nbelow: {nvme: , bars: {2: 1M}, cmb: 2M}',
      'LAB_BAR',
      '2:37',
      /which has 1M/,
    ],
    [
      'a CMB that CMBSZ cannot hold',
      'peerlane: lab/1\nbelow: {nvme: , cmb: {size: 4G, offset: 4K}}',
      'LAB_BAR',
      '2:22',
      /unit/,
    ],
    [
      'CMB and PMR in one BAR',
      'peerlane: lab/1\nbelow: {nvme: , cmb: {size: 2M, bar: 4}, pmr: 2M}',
      'LAB_BAR',
      '2:47',
      /both in BAR 4/,
    ],
    [
      'a namespace of half a block',
      'peerlane: lab/1\nbelow: {nvme: , namespaces: [1025]}',
      'LAB_VALUE',
      '2:30',
      /multiple/,
    ],
    [
      'protection without metadata',
      'peerlane: lab/1\nbelow: {nvme: , namespaces: [{protection: 1}]}',
      'LAB_VALUE',
      '2:30',
      /metadata: 8/,
    ],
    [
      'more VFs than there are',
      'peerlane: lab/1\nbelow: {nic: , sr-iov: {vfs: 8, total: 4}}',
      'LAB_VALUE',
      '2:24',
      /8 virtual functions of 4/,
    ],
    [
      'a NUMA node without memory',
      'peerlane: lab/1\nhost-bridges: [{numa-node: 1}]',
      'LAB_REFERENCE',
      '2:28',
      /1 node/,
    ],
    [
      'iopmem over nothing',
      'peerlane: lab/1\nbelow: {memory: mem}\niopmem: [{function: men}]',
      'LAB_REFERENCE',
      '3:21',
      /did you mean 'mem'\?/,
    ],
    [
      'iopmem over no BAR',
      'peerlane: lab/1\nbelow: {memory: mem}\niopmem: [{function: mem, bar: 3}]',
      'LAB_REFERENCE',
      '3:31',
      /memory BARs 0/,
    ],
    [
      'iopmem past its BAR',
      'peerlane: lab/1\nbelow: {memory: mem}\niopmem: [{function: mem, size: 128M}]',
      'LAB_BAR',
      '3:32',
      /64M/,
    ],
    [
      'a link that came up faster than its device',
      'peerlane: lab/1\nbelow:\n  - {gpu: a, link: gen4 x16}\n  - {nvme: b, link: gen4 x4, trained: gen5 x4}',
      'LAB_VALUE',
      '4:39',
      /gen5 x4 is more than its own end can, which is gen4 x4/,
    ],
    [
      'a link that came up wider than its port',
      'peerlane: lab/1\nbelow:\n  - switch: s\n    port-link: gen4 x4\n    below: [{gpu: a, trained: gen3 x8}]',
      'LAB_VALUE',
      '5:31',
      /gen3 x8 is more than the port above can, which is gen4 x4/,
    ],
    [
      'below and host-bridges',
      'peerlane: lab/1\nhost-bridges: []\nbelow: []',
      'LAB_VALUE',
      '3:1',
      /two ways/,
    ],
  ];

  it.each(cases)('tells %s with its place', (_, text, code, at, part) => {
    const error = errorOf(text);
    expect(error.code).toBe(code);
    expect(error.message.startsWith(`x.yaml:${at}: `), error.message).toBe(true);
    expect(error.message).toMatch(part);
    expect(error.message).not.toMatch(/more\)/);
  });

  it('tells several at once, in the order of the file, up to a limit', () => {
    const error = errorOf(
      'peerlane: lab/1\nbelow:\n  - nvme: a\n    mdts: x\n    cbm: 1\n  - gpu: a\n    ats: perhaps\n',
    );
    expect(error.message).toMatch(/^x\.yaml:4:11: mdts: .* \(and 3 more\)$/);
    const { problems } = error.detail as { problems: { code: string; line: number }[] };
    expect(problems.map(({ code, line }) => [code, line])).toEqual([
      ['LAB_VALUE', 4],
      ['LAB_UNKNOWN_KEY', 5],
      ['LAB_NAME', 6],
      ['LAB_VALUE', 7],
    ]);
    const many = errorOf(`peerlane: lab/1\nbelow: [${'{nvme: , mdts: x}, '.repeat(50)}]`);
    expect(many.detail).toMatchObject({ count: 50 });
    expect((many.detail as { problems: unknown[] }).problems).toHaveLength(20);
  });

  it('shows no control characters of the file', () => {
    const error = errorOf('peerlane: lab/1\n"\\e[31mred": 1');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
    expect(error.message).not.toMatch(/[\u0000-\u001f]/);
  });
});

describe('hostile files', () => {
  const bomb = [
    'peerlane: lab/1',
    'x0: &a0 [nvme, nvme, nvme, nvme, nvme, nvme, nvme, nvme, nvme, nvme]',
    ...Array.from({ length: 9 }, (_, i) => `x${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(10)}]`),
  ].join('\n');
  const cases: readonly (readonly [string, string])[] = [
    ['aliases of aliases', bomb],
    ['an alias within what it names', 'peerlane: lab/1\nbelow: &a [*a]'],
    ['deep brackets', `peerlane: lab/1\nbelow: ${'['.repeat(200_000)}`],
    ['deep blocks', `peerlane: lab/1\nbelow: ${'{switch: , below: '.repeat(10_000)}`],
    ['much text', `peerlane: lab/1\n${'#'.repeat(2 ** 20)}`],
    ['100,000 devices', `peerlane: lab/1\nbelow: [${'nvme, '.repeat(100_000)}]`],
    [
      '100,000 names',
      `peerlane: lab/1\nbelow: {nvme: [${Array.from({ length: 50_000 }, (_, i) => `n${i}`)}]}`,
    ],
    ['many host bridges', `peerlane: lab/1\nhost-bridges: [${'{}, '.repeat(257)}]`],
  ];

  it.each(cases)('are refused: %s', (_, text) => {
    expect(errorOf(text).code).toBe('LAB_TOO_LARGE');
  });

  it('may have as many keys as fit, each unknown', () => {
    const keys = Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`).join('\n');
    expect(errorOf(`peerlane: lab/1\n${keys}`).code).toBe('LAB_UNKNOWN_KEY');
  });
});
