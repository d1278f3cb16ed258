import { describe, expect, it } from 'vitest';
import { parseCpuinfo, reducedCpuinfo } from '../../../src/topology/sysfs/cpu.ts';

const zen = `processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9354
physical id\t: 0
flags\t\t: fpu vme de

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 99
physical id\t: 1
flags\t\t: fpu hypervisor
`;

describe('/proc/cpuinfo', () => {
  it('of x86 tells vendor, family and model of the first processor, and the sockets of all', () => {
    expect(parseCpuinfo(zen)).toEqual({
      vendor: 'amd',
      family: 25,
      model: 17,
      name: 'AMD EPYC 9354',
      architecture: 'x86',
      sockets: 2,
      hasHypervisor: false,
    });
  });

  it.each([
    ['GenuineIntel', 'intel'],
    ['AuthenticAMD', 'amd'],
    ['HygonGenuine', 'hygon'],
    ['CentaurHauls', 'zhaoxin'],
    ['  Shanghai  ', 'zhaoxin'],
    ['NewVendor', 'newvendor'],
  ])('calls %s %s', (id, vendor) => {
    expect(parseCpuinfo(`vendor_id\t: ${id}\n`)).toMatchObject({ vendor, architecture: 'x86' });
  });

  it('of arm64 tells the implementer', () => {
    const text = 'processor\t: 0\nCPU implementer\t: 0xc0\nCPU architecture: 8\nCPU part\t: 0xac3\n';
    expect(parseCpuinfo(text)).toMatchObject({
      vendor: 'ampere',
      model: 0xac3,
      architecture: 'arm64',
      family: undefined,
    });
    expect(parseCpuinfo('CPU implementer : 0x99\nCPU architecture: 8\n')).toMatchObject({
      vendor: undefined,
    });
  });

  it('of POWER, s390 and RISC-V tells the architecture', () => {
    expect(parseCpuinfo('processor\t: 0\ncpu\t\t: POWER9, altivec supported\n')).toMatchObject({
      vendor: 'ibm',
      architecture: 'ppc64',
    });
    expect(parseCpuinfo('vendor_id       : IBM/S390\n')).toMatchObject({
      vendor: 'ibm',
      architecture: 's390x',
    });
    expect(parseCpuinfo('isa\t: rv64imafdc\n')).toMatchObject({ vendor: undefined, architecture: 'riscv64' });
  });

  it('tells nothing where it says nothing', () => {
    expect(Object.values(parseCpuinfo('garbage\n::\n'))).toEqual(new Array(7).fill(undefined));
  });

  it('says the same when reduced for a snapshot, without serial numbers', () => {
    const arm = 'CPU implementer\t: 0x41\nCPU architecture: 8\nSerial\t\t: 10000000abcdef\n';
    for (const text of [zen, arm, 'cpu : POWER10\n', '']) {
      expect(parseCpuinfo(reducedCpuinfo(text))).toEqual(parseCpuinfo(text));
    }
    expect(reducedCpuinfo(arm)).not.toContain('abcdef');
  });
});
