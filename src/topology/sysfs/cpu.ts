/**
 * The CPU as /proc/cpuinfo tells it. Its form differs by architecture (Linux arch/<arch>/kernel: x86 cpu/proc.c,
 * arm64 cpuinfo.c, powerpc setup-common.c, s390 processor.c, riscv cpu.c).
 *
 * The first processor listed is the boot CPU, and the kernel's rules ask for that one.
 */
import type { Cpu } from '../machine.ts';
import { decimalNumber, hexNumber } from './text.ts';

export interface CpuInfo extends Cpu {
  /** x86 only: CPUID says that a hypervisor is present. */
  readonly hasHypervisor: boolean | undefined;
}

const X86_VENDORS: Readonly<Record<string, string>> = {
  GenuineIntel: 'intel',
  AuthenticAMD: 'amd',
  HygonGenuine: 'hygon',
  CentaurHauls: 'zhaoxin',
  Shanghai: 'zhaoxin',
};

/** MIDR_EL1.Implementer, Arm Architecture Reference Manual; Linux arch/arm64/include/asm/cputype.h. */
const ARM_IMPLEMENTERS: Readonly<Record<number, string>> = {
  65: 'arm',
  66: 'broadcom',
  67: 'cavium',
  70: 'fujitsu',
  72: 'hisilicon',
  78: 'nvidia',
  80: 'apm',
  81: 'qualcomm',
  97: 'apple',
  109: 'microsoft',
  192: 'ampere',
};

/** Everything undefined where the text says nothing. */
export function parseCpuinfo(text: string): CpuInfo {
  const { first, packages } = cpuFields(text);
  const base = { ...NOTHING, sockets: packages.size === 0 ? undefined : packages.size };
  const vendorId = first.get('vendor_id');
  if (first.has('CPU implementer')) {
    const implementer = Number.parseInt(first.get('CPU implementer')!, 16);
    return {
      ...base,
      vendor: ARM_IMPLEMENTERS[implementer],
      model: hexNumber(first.get('CPU part'), 0xfff),
      name: first.get('model name') ?? first.get('Processor'),
      architecture: decimalNumber(first.get('CPU architecture'), 99) === 8 ? 'arm64' : 'arm',
    };
  }
  if (vendorId?.startsWith('IBM/S390')) {
    return { ...base, vendor: 'ibm', architecture: 's390x' };
  }
  if (vendorId !== undefined) {
    const flags = first.get('flags');
    return {
      ...base,
      vendor: X86_VENDORS[vendorId] ?? vendorId.toLowerCase(),
      family: decimalNumber(first.get('cpu family'), 0xffff),
      model: decimalNumber(first.get('model'), 0xffff),
      name: first.get('model name'),
      architecture: 'x86',
      hasHypervisor: flags === undefined ? undefined : flags.split(' ').includes('hypervisor'),
    };
  }
  const cpu = first.get('cpu');
  if (cpu !== undefined && /^(POWER|PPC)/i.test(cpu)) {
    return { ...base, vendor: 'ibm', name: cpu, architecture: 'ppc64' };
  }
  const isa = first.get('isa');
  if (isa?.startsWith('rv')) {
    return {
      ...base,
      name: first.get('uarch'),
      architecture: isa.startsWith('rv32') ? 'riscv32' : 'riscv64',
    };
  }
  if ((first.get('CPU Family') ?? '').startsWith('Loongson')) {
    return { ...base, vendor: 'loongson', name: first.get('Model Name'), architecture: 'loongarch64' };
  }
  return base;
}

const NOTHING = {
  vendor: undefined,
  family: undefined,
  model: undefined,
  name: undefined,
  architecture: undefined,
  sockets: undefined,
  hasHypervisor: undefined,
} as const satisfies CpuInfo;

/** Fields that are used; a snapshot keeps these and drops the rest, serial numbers among it. */
const KEPT_FIELDS = new Set([
  'vendor_id',
  'cpu family',
  'model',
  'model name',
  'flags',
  'CPU implementer',
  'CPU architecture',
  'CPU part',
  'Processor',
  'cpu',
  'isa',
  'uarch',
  'CPU Family',
  'Model Name',
]);

interface CpuFields {
  /** Each used field as the first processor has it. */
  readonly first: ReadonlyMap<string, string>;
  readonly packages: ReadonlySet<string>;
}

function cpuFields(text: string): CpuFields {
  const first = new Map<string, string>();
  const packages = new Set<string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const key = colon === -1 ? '' : line.slice(0, colon).trim();
    if (key === 'physical id') {
      packages.add(line.slice(colon + 1).trim());
    } else if (KEPT_FIELDS.has(key) && !first.has(key)) {
      first.set(key, line.slice(colon + 1).trim());
    }
  }
  return { first, packages };
}

/** The same facts in the same form, and nothing else: of the flags only the one that is asked for. */
export function reducedCpuinfo(text: string): string {
  const { first, packages } = cpuFields(text);
  const lines: string[] = [];
  for (const [key, value] of first) {
    const kept = key !== 'flags' ? value : value.split(' ').includes('hypervisor') ? 'hypervisor' : '';
    lines.push(`${key}\t: ${kept}`);
  }
  for (const name of packages) {
    lines.push(`physical id\t: ${name}`);
  }
  return `${lines.join('\n')}\n`;
}
