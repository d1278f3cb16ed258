// NCCL and RCCL topology XML, dumped by the library or written by hand.
import { describe, expect, it } from 'vitest';
import { type Machine, MachineIndex, readNccl } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import {
  countedContents,
  hasTopologies,
  numberBefore,
  topologyFiles,
  topologyText,
} from '../../support/topology-manifest.ts';

function system(
  inside: string,
  cpu = 'numaid="1" arch="x86_64" vendor="AuthenticAMD" familyid="175" modelid="1"',
): string {
  return `<!-- a comment first --><system version="1"><cpu ${cpu}>${inside}</cpu></system>`;
}

const SWITCH = `<pci busid="0000:0c:00.0" class="0x060400" vendor="0x1000" device="0xc030" subsystem_vendor="0x1000" subsystem_device="0x100b" link_speed="32.0 GT/s PCIe" link_width="16">
  <pci busid="0000:0e:00.0" class="0x020700" vendor="0x15b3" device="0x1021" link_speed="16 GT/s" link_width="8"><nic><net name="mlx5_0" dev="0"/><net name="eth7" dev="1"/></nic></pci>
  <pci busid="0000:0f:00.0" class="0x030200" vendor="0x10de" device="0x2324" link_speed="" link_width="0"><gpu dev="3" sm="90" rank="0" gdr="1"/></pci></pci>`;

describe('NCCL topology', () => {
  const machine = readNccl(system(SWITCH), 'topo.xml');
  const at = (name: string) => new MachineIndex(machine).resolve(name);

  it('lists every second port: hops cannot be counted', () => {
    expect(at('mlx5_0')).toMatchObject({ bdf: '0000:0e:00.0', parent: '0000:0c:00.0', hiddenAbove: true });
    expect(at('0c:00.0')).toMatchObject({
      parent: null,
      hiddenAbove: true,
      hostBridge: 'pci0000:??',
      headerType: 1,
    });
    expect(machine.gaps.map((gap) => gap.what)).toEqual(
      expect.arrayContaining(['bridges', 'root-bus-devices']),
    );
  });

  it('names GPUs as nvidia-smi does, and networks by class', () => {
    expect(at('GPU3').bdf).toBe('0000:0f:00.0');
    expect(at('mlx5_0').classNames).toEqual([
      { subsystem: 'infiniband', name: 'mlx5_0' },
      { subsystem: 'net', name: 'eth7' },
    ]);
  });

  it('gives what the link can do, not what it does', () => {
    expect(at('mlx5_0').link).toEqual({ max: { speedGTs: 16, width: 8 }, current: undefined });
    expect(at('0c:00.0').link).toEqual({ max: { speedGTs: 32, width: 16 }, current: undefined });
    expect(at('GPU3').link).toBeUndefined();
  });

  it('tells the node', () => {
    expect(machine.functions.map((fn) => fn.numaNode)).toEqual([1, 1, 1]);
    expect(readNccl(system(SWITCH, 'numaid="-1"'), 't').functions[0]!.numaNode).toBeNull();
  });

  it.each([
    ['175', 0x19],
    ['143', 0x17],
    ['23', 0x17],
    ['191', 0x1a],
    ['6', 6],
    ['15', 15],
    ['-3', undefined],
    ['', undefined],
  ])('familyid %s is family %s', (written, family) => {
    const cpu = readNccl(system(SWITCH, `numaid="0" vendor="AuthenticAMD" familyid="${written}"`), 't').cpu;
    expect(cpu.family).toBe(family);
  });

  it('a device on bus 0 is on a root bus: so clouds pass devices into machines', () => {
    const vm = readNccl(system('<pci busid="0003:00:00.0" class="0x030200"/>'), 'vm');
    expect(vm.functions[0]).toMatchObject({ parent: null, hiddenAbove: false, hostBridge: 'pci0003:00' });
  });

  it('a switch that somebody made up is no function, and what it joins is left open', () => {
    const cloud = readNccl(
      system(
        '<pci busid="ffff:ff:01.0" class="0x060400" vendor="0xffff"><pci busid="0000:10:1c.0" class="0x030200"/><pci busid="0000:10:1b.0" class="0x020000" vendor="0xffff" device="0xffff"/></pci>',
      ),
      'cloud',
    );
    expect(cloud.functions.map((fn) => [fn.bdf, fn.parent, fn.hiddenAbove, fn.vendorId])).toEqual([
      ['0000:10:1b.0', null, true, undefined],
      ['0000:10:1c.0', null, true, undefined],
    ]);
    expect(cloud.findings.map((finding) => finding.code)).toEqual(['NCCL_INVENTED_SWITCH']);
  });

  it('of several hosts takes the first', () => {
    const two =
      '<system version="1"><cpu host_hash="0x1" numaid="0"><pci busid="0000:00:02.0"/></cpu><cpu host_hash="0x2" numaid="0"><pci busid="0000:00:03.0"/></cpu></system>';
    const machine2 = readNccl(two, 'two');
    expect(machine2.functions.map((fn) => fn.bdf)).toEqual(['0000:00:02.0']);
    expect(machine2.findings.map((finding) => finding.code)).toEqual(['NCCL_MANY_HOSTS']);
  });

  it.each([
    ['<graphs version="1"><graph id="0"/></graphs>', 'INPUT_NCCL_GRAPH', 'NCCL_TOPO_DUMP_FILE'],
    ['<topology/>', 'INPUT_NOT_NCCL', 'NCCL_TOPO_DUMP_FILE'],
    ['<system version="1"><cpu numaid="0"/></system>', 'INPUT_NO_PCI', 'NCCL_TOPO_DUMP_FILE'],
    ['<system', 'INPUT_XML_MALFORMED', 'cut off'],
  ])('%s is refused', (xml, code, hint) => {
    expect(() => readNccl(xml, 'bad.xml')).toThrow(
      expect.objectContaining({ code, hint: expect.stringContaining(hint) }),
    );
  });
});

describe.skipIf(!hasTopologies)('files of real machines and clouds', () => {
  const topologies = topologyFiles('nccl-xml').filter((name) => !name.endsWith('-graph.xml'));
  const found = (machine: Machine, code: string) =>
    machine.findings.filter((finding) => finding.code === code).length;

  it.each(topologies)('%s has as many devices as were counted', (name) => {
    const machine = readNccl(topologyText('nccl-xml', name), name);
    const counted = countedContents('nccl-xml', name);
    expectMachineInvariants(machine);
    const invented = found(machine, 'NCCL_INVENTED_SWITCH');
    const repeated = found(machine, 'DUPLICATE_FUNCTION');
    expect(machine.functions.length + invented + repeated).toBe(numberBefore(counted, 'pci'));
    if (repeated === 0) {
      const switches = machine.functions.filter((fn) => fn.headerType === 1).length;
      const gpus = machine.functions.flatMap((fn) =>
        fn.classNames.filter((known) => known.subsystem === 'gpu'),
      );
      expect(switches + invented).toBe(numberBefore(counted, 'switch'));
      expect(gpus.length).toBe(numberBefore(counted, 'gpu'));
    }
    expect(machine.functions.every((fn) => fn.parent !== undefined)).toBe(true);
  });

  it('a graph file is told from a topology', () => {
    expect(() => readNccl(topologyText('nccl-xml', 'azure-ncv4-graph.xml'), 'graph')).toThrow(
      expect.objectContaining({ code: 'INPUT_NCCL_GRAPH' }),
    );
  });

  it('the families of AMD machines are 17h, 19h and no other', () => {
    const families = new Set(
      topologies
        .map((name) => readNccl(topologyText('nccl-xml', name), name).cpu)
        .filter((cpu) => cpu.vendor === 'amd')
        .map((cpu) => cpu.family),
    );
    expect([...families].sort()).toEqual([0x17, 0x19]);
  });
});
