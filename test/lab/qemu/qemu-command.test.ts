// Labs as QEMU command lines. That QEMU takes them and that the kernel sees the same machine is for test/oracle.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type LabFile, type LabNode, parseLab, printLab } from '../../../src/lab/file/index.ts';
import { asExported, qemuCommand } from '../../../src/lab/qemu/index.ts';

const folder = new URL('../../../examples/', import.meta.url);
const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

function labOf(text: string): LabFile {
  return parseLab(`peerlane: lab/1\n${text}`, 'test');
}

function namesBelow(nodes: readonly LabNode[]): string[] {
  return nodes.flatMap((node) => [
    ...(node.name === null ? [] : [node.name]),
    ...('below' in node ? namesBelow(node.below) : []),
  ]);
}

const namesOf = (lab: LabFile) => lab.hostBridges.flatMap(({ below }) => namesBelow(below));

describe.each(examples)('%s', (name) => {
  const lab = parseLab(readFileSync(new URL(name, folder), 'utf8'), name);
  const command = qemuCommand(lab, { withDrives: true });

  it('is a lab again as QEMU shows it, which exports to itself', () => {
    const exported = asExported(lab);
    expect(parseLab(printLab(exported), name)).toEqual(exported);
    const again = asExported(exported);
    expect(again.cpu).toEqual(exported.cpu);
    expect(again.iommu).toEqual(exported.iommu);
  });

  it('says of every device that it is there or that it is left out', () => {
    const text = command.changes.join('\n');
    for (const device of namesOf(lab)) {
      const id = command.devices.get(device);
      const isThere = command.args.some((arg) => arg.includes(`id=${id},`));
      expect(isThere || text.includes(device), device).toBe(true);
    }
  });

  it('has no id twice, and every bus before what stands on it', () => {
    const ids = new Set(['pcie.0']);
    for (const arg of command.args) {
      const bus = /(?:^|,)bus=([^,]+)/.exec(arg)?.[1];
      if (bus !== undefined) {
        expect(ids, arg).toContain(bus);
      }
      const id = /(?:^|,)id=([^,]+)/.exec(arg)?.[1];
      if (id !== undefined) {
        expect(ids, arg).not.toContain(id);
        ids.add(id);
      }
    }
    expect(ids.size).toBeGreaterThan(3);
  });

  it('gives no address on a bus twice', () => {
    const taken = new Set<string>();
    for (const arg of command.args) {
      const place = /bus=[^,]+,addr=[^,]+/.exec(arg)?.[0];
      if (place !== undefined) {
        expect(taken, arg).not.toContain(place);
        taken.add(place);
      }
    }
  });
});

describe('qemuCommand', () => {
  it('builds two drives below a switch, one with controller memory', () => {
    const { machineArguments, devices, cpu } = qemuCommand(
      labOf('below: [{switch: sw0, below: [{nvme: a, cmb: 64M}, {nvme: b}]}]'),
    );
    expect(machineArguments.filter((arg) => arg !== '-device')).toEqual([
      'pcie-root-port,id=rp-0,bus=pcie.0,addr=01.0,chassis=1,slot=1,hotplug=off,port=1,x-speed=16,x-width=16',
      'x3130-upstream,id=sw0,bus=rp-0,addr=00.0',
      'xio3130-downstream,id=dp-1,bus=sw0,addr=00.0,chassis=2,slot=2,hotplug=off,port=1',
      'nvme,id=a,bus=dp-1,addr=00.0,serial=LAB-a,cmb_size_mb=64',
      'xio3130-downstream,id=dp-2,bus=sw0,addr=01.0,chassis=3,slot=3,hotplug=off,port=2',
      'nvme,id=b,bus=dp-2,addr=00.0,serial=LAB-b',
    ]);
    expect([...devices]).toEqual([
      ['sw0', 'sw0'],
      ['a', 'a'],
      ['b', 'b'],
    ]);
    expect(cpu).toBe('Skylake-Server,model-id=Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz');
  });

  it('tells what is lost', () => {
    const text = qemuCommand(
      labOf(`
iopmem: {function: mem}
below:
  - switch: sw0
    acs: on
    below: [{memory: mem}, {nic: n, sr-iov: 2}]
  - vmd: v
    below: [{nvme: behind}]
`),
    ).changes.join('\n');
    expect(text).toContain('switch ports have no ACS: sw0');
    expect(text).toContain('ivshmem-plain');
    expect(text).toContain('virtual functions are left out: n');
    expect(text).toContain('there is no VMD: its root ports are below a host bridge of domain 0: v');
    expect(text).toContain('iopmem has no driver');
    expect(text).toContain('drives have no namespaces');
    expect(text).toContain('the guest has 2048 MiB of memory instead of 16384');
  });

  it('rounds a CMB up to whole MiB, and its BAR to a power of two', () => {
    const lab = labOf('below: [{nvme: a, cmb: 2500K}]');
    expect(qemuCommand(lab).args.join(' ')).toContain('cmb_size_mb=3');
    const [port] = asExported(lab).hostBridges[0]!.below;
    expect(port).toMatchObject({
      below: [
        {
          cmb: { sizeBytes: 3 * 2 ** 20, bar: 2 },
          bars: [{ index: 0 }, { index: 2, sizeBytes: 4 * 2 ** 20 }],
        },
      ],
    });
  });

  it('takes ACS from root ports that have none, and states the rest on the kernel’s command line', () => {
    const { args, append } = qemuCommand(
      labOf(`
command-line: quiet
below:
  - {root-port: a, acs: none}
  - {root-port: b, acs: [SV, RR, EC]}
  - {root-port: c}
`),
    );
    expect(args.filter((arg) => arg.includes('disable-acs=on'))).toEqual([expect.stringContaining('id=a,')]);
    // DT EC UF CR RR TB SV, and QEMU has no EC.
    expect(append).toEqual(['quiet', 'pci=config_acs=0x00101@00:02.0']);
  });

  it('moves what stands where q35 has functions of its own', () => {
    const lab = labOf('below: [{generic: g, at: 1f.0, integrated: yes}, {root-port: r, at: 01.0}]');
    const { args, changes } = qemuCommand(lab);
    expect(args).toContain('memory-backend-ram,id=mem-g,size=1048576,share=on,reserve=off');
    expect(args).toContain('ivshmem-plain,id=g,bus=pcie.0,addr=02.0,memdev=mem-g');
    expect(changes.join()).toContain('its device or function number is another: g');
    const chipset = asExported(lab).hostBridges[0]!.below.filter(({ device }) => device === 0x1f);
    expect(chipset.map((node) => node.function)).toEqual([0, 2, 3]);
  });

  it('makes further host bridges, with their node, behind the buses of those before', () => {
    const { args, append } = qemuCommand(
      labOf(`
memory: [1G, 1G]
iommu: passthrough
host-bridges:
  - below: [{nvme: a}, {nvme: b}]
  - domain: 1
    below: [{nvme: c}]
`),
      { memoryMb: 1001 },
    );
    expect(args).toContain('pxb-pcie,id=hb.1,bus_nr=3,bus=pcie.0,addr=1c.0,numa_node=1');
    expect(args.filter((arg) => /^(node|cpu),|^memory-backend/.test(arg))).toEqual([
      'memory-backend-ram,id=node-0,size=501M',
      'node,nodeid=0,memdev=node-0',
      'memory-backend-ram,id=node-1,size=500M',
      'node,nodeid=1,memdev=node-1',
      'cpu,node-id=0,socket-id=0',
      'cpu,node-id=1,socket-id=1',
    ]);
    expect(append).toEqual(['intel_iommu=on', 'iommu=pt']);
    expect(args).toContain('intel-iommu');
  });

  it.each([
    ['amd', 'EPYC,family=25,model-id=AMD EPYC 7543 32-Core Processor'],
    ['{vendor: amd, family: 16, model: 2, name: old}', 'Opteron_G3,model-id=old'],
    ['hygon', 'Dhyana,model=1,model-id=Hygon C86 7185 32-core Processor'],
    ['arm', 'Skylake-Server,model-id=Neoverse-N1'],
    ['{vendor: intel, name: "a, b"}', 'Skylake-Server,model-id=a,, b'],
  ])('emulates a CPU %s', (cpu, option) => {
    expect(qemuCommand(labOf(`cpu: ${cpu}\nbelow: [{nvme: a}]`)).cpu).toBe(option);
  });

  it('gives drives their namespaces when asked', () => {
    const lab = labOf(
      'below: [{nvme: a, namespaces: [{size: 1G, block: 4096}, {size: 2G, image: "x,y.img"}]}]',
    );
    const { args, changes } = qemuCommand(lab, { withDrives: true });
    expect(args.slice(-8).filter((arg) => !arg.startsWith('-'))).toEqual([
      'id=a-n1,if=none,format=raw,file=a-n1.img',
      'nvme-ns,drive=a-n1,bus=a,nsid=1,logical_block_size=4096,physical_block_size=4096',
      'id=a-n2,if=none,format=raw,file=x,,y.img',
      'nvme-ns,drive=a-n2,bus=a,nsid=2,logical_block_size=512,physical_block_size=512',
    ]);
    expect(changes.join()).toContain('truncate -s 1073741824 a-n1.img');
  });
});
