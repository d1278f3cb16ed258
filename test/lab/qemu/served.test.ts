// Devices that Peerlane serves, as QEMU command lines. That QEMU takes them is for test/oracle/vfio-user.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type LabEndpoint,
  type LabFile,
  type LabNode,
  parseLab,
  printLab,
} from '../../../src/lab/file/index.ts';
import { asExported, qemuCommand } from '../../../src/lab/qemu/index.ts';

const folder = new URL('../../../examples/', import.meta.url);
const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

function labOf(text: string): LabFile {
  return parseLab(`peerlane: lab/1\n${text}`, 'test');
}

function endpointsBelow(nodes: readonly LabNode[]): LabEndpoint[] {
  return nodes.flatMap((node) => ('below' in node ? endpointsBelow(node.below) : [node]));
}

const endpointsOf = (lab: LabFile) => lab.hostBridges.flatMap(({ below }) => endpointsBelow(below));
const socketsOf = (...names: string[]) => new Map(names.map((name) => [name, `/run/${name}.sock`]));

/** The device options that are JSON. */
function servedDevices(args: readonly string[]): Record<string, unknown>[] {
  return args.filter((arg) => arg.startsWith('{')).map((arg) => JSON.parse(arg) as Record<string, unknown>);
}

const plainDevices = (args: readonly string[]) =>
  args.filter((_, index) => args[index - 1] === '-device').filter((arg) => !arg.startsWith('{'));

const TWO_DRIVES = 'below: [{switch: sw0, below: [{nvme: a, cmb: 64M}, {nvme: b}]}]';

describe.each(examples)('%s, all of it served', (name) => {
  const lab = parseLab(readFileSync(new URL(name, folder), 'utf8'), name);
  const names = endpointsOf(lab).map((node) => node.name);
  const command = qemuCommand(lab, { served: socketsOf(...names) });

  it('has a vfio-user-pci with its own socket for each that is not left out', () => {
    const devices = servedDevices(command.args);
    const there = names.filter((device) => command.devices.has(device));
    expect(devices.map(({ id }) => id).sort()).toEqual(there.sort());
    for (const { driver, id, socket } of devices) {
      expect({ driver, socket }).toEqual({
        driver: 'vfio-user-pci',
        socket: { type: 'unix', path: `/run/${id}.sock` },
      });
    }
    const text = command.changes.join('\n');
    for (const device of names.filter((each) => !command.devices.has(each))) {
      expect(text).toContain(device);
    }
    expect(new Set(devices.map(({ bus, addr }) => `${bus} ${addr}`)).size).toBe(devices.length);
    expect(plainDevices(command.args).join('\n')).not.toMatch(/^(nvme|ivshmem|virtio-net|edu)/m);
  });

  it('shows the guest the devices of the lab, at their new places', () => {
    const exported = asExported(lab, names);
    expect(parseLab(printLab(exported), name)).toEqual(exported);
    const before = new Map(endpointsOf(lab).map((node) => [node.name, node]));
    for (const node of endpointsOf(exported)) {
      const own = before.get(node.name);
      if (own !== undefined) {
        const { id, classCode, revision, kind } = own;
        expect(node).toMatchObject({ id, classCode, revision, kind });
      }
    }
  });
});

describe('qemuCommand with served devices', () => {
  it('gives guest memory a descriptor, and each device its socket and place', () => {
    const { args, machine, machineArguments } = qemuCommand(labOf(TWO_DRIVES), {
      served: socketsOf('a', 'b'),
      memoryMb: 1024,
      messageTimeoutMs: 60_000,
    });
    expect(machine).toBe('q35,memory-backend=guest.memory');
    expect(args.slice(0, 2)).toEqual(['-M', machine]);
    expect(machineArguments.slice(0, 2)).toEqual([
      '-object',
      'memory-backend-memfd,id=guest.memory,size=1024M,share=on',
    ]);
    expect(servedDevices(args)).toEqual([
      {
        driver: 'vfio-user-pci',
        id: 'a',
        bus: 'dp-1',
        addr: '00.0',
        socket: { type: 'unix', path: '/run/a.sock' },
        'x-msg-timeout': 60_000,
      },
      expect.objectContaining({ id: 'b', bus: 'dp-2', addr: '00.0' }),
    ]);
    expect(plainDevices(args)).toEqual([
      expect.stringMatching(/^pcie-root-port,/),
      expect.stringMatching(/^x3130-upstream,id=sw0,/),
      expect.stringMatching(/^xio3130-downstream,id=dp-1,/),
      expect.stringMatching(/^xio3130-downstream,id=dp-2,/),
    ]);
  });

  it('leaves the rest to QEMU’s own models', () => {
    const lab = labOf(TWO_DRIVES);
    const { args, changes } = qemuCommand(lab, { served: socketsOf('a', 'elsewhere') });
    expect(servedDevices(args).map(({ id }) => id)).toEqual(['a']);
    expect(servedDevices(args)[0]).not.toHaveProperty('x-msg-timeout');
    expect(args).toContain('nvme,id=b,bus=dp-2,addr=00.0,serial=LAB-b');
    expect(changes.filter((line) => line.startsWith('an NVMe drive is QEMU’s'))).toEqual([
      expect.stringMatching(/: b$/),
    ]);
    const [a, b] = endpointsOf(asExported(lab, ['a'])).filter(({ kind }) => kind === 'nvme');
    expect([a?.id, b?.id]).toEqual([
      endpointsOf(lab).find(({ name }) => name === 'a')?.id,
      { vendorId: 0x1b36, deviceId: 0x0010 },
    ]);
  });

  it('is as before where nothing is served', () => {
    const lab = labOf(TWO_DRIVES);
    expect(qemuCommand(lab, { served: new Map() })).toEqual(qemuCommand(lab));
    expect(qemuCommand(lab).machine).toBe('q35');
    expect(qemuCommand(lab, { shareMemory: true }).machine).toBe('q35,memory-backend=guest.memory');
  });

  it('shares the memory of every node', () => {
    const { args, machine } = qemuCommand(labOf(`memory: [1G, 1G]\n${TWO_DRIVES}`), {
      served: socketsOf('a'),
      memoryMb: 1024,
    });
    expect(machine).toBe('q35');
    expect(args.filter((arg) => arg.startsWith('memory-backend'))).toEqual([
      'memory-backend-memfd,id=node-0,size=512M,share=on',
      'memory-backend-memfd,id=node-1,size=512M,share=on',
    ]);
  });

  it('tells the IOMMU of QEMU to pass mappings on', () => {
    const text = `iommu: translated\n${TWO_DRIVES}`;
    const { args, append } = qemuCommand(labOf(text), { served: socketsOf('a') });
    expect(args).toContain('intel-iommu,caching-mode=on,intremap=off');
    expect(append).toEqual(['intel_iommu=on']);
    const said = labOf(`command-line: intel_iommu=on iommu=pt\niommu: passthrough\n${TWO_DRIVES}`);
    expect(qemuCommand(said, { served: socketsOf('a') }).append).toEqual(['intel_iommu=on iommu=pt']);
  });

  it('says what a newer QEMU can, and what it hides', () => {
    const lab = labOf(`
below:
  - root-port: r
    link: gen5 x16
    below:
      - nic: n
        at: "00.0"
      - gpu: g
        at: .1
        bars: {1: {size: 256M, resizable: [256M, 512M]}}
  - root-port: plain
    acs: none
    below: [{nic: many, sr-iov: 2}]
  - nvme: integrated
    at: 05.0
    integrated: yes
`);
    const { args, changes } = qemuCommand(lab, { served: socketsOf('n', 'g', 'many', 'integrated') });
    expect(args.join('\n')).toMatch(/id=r,.*x-speed=32/);
    expect(qemuCommand(lab).changes).toContain('links are gen4 at most: r');
    expect(changes.join('\n')).not.toContain('links are');
    expect(changes).toContain('every root port has ACS, which firmware leaves off: plain');
    expect(args.join('\n')).not.toContain('disable-acs');
    expect(changes).toContain('virtual functions are left out: many');
    expect(changes).toContain('resizable BARs are shown with their present size only: g');
    expect(changes.join('\n')).toContain('requests between devices that Peerlane serves never leave it');
    expect(servedDevices(args)).toEqual([
      expect.objectContaining({ id: 'n', addr: '00.0', multifunction: true }),
      expect.not.objectContaining({ multifunction: true }),
      expect.objectContaining({ id: 'many' }),
      expect.objectContaining({ id: 'integrated', bus: 'pcie.0', addr: '05.0' }),
    ]);
  });
});
