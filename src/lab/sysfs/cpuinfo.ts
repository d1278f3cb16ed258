/**
 * /proc/cpuinfo with one processor a socket, in the form of the architecture: Linux arch/x86/kernel/cpu/proc.c,
 * arch/arm64/kernel/cpuinfo.c, arch/powerpc/kernel/setup-common.c, arch/riscv/kernel/cpu.c.
 *
 * Other architectures than x86 do not say there how many sockets they have; a lab does all the same, because it knows.
 */
import type { LabCpu } from '../file/index.ts';

const X86_VENDORS: Readonly<Record<string, string>> = {
  intel: 'GenuineIntel',
  amd: 'AuthenticAMD',
  hygon: 'HygonGenuine',
  zhaoxin: 'CentaurHauls',
};

/** Arm Architecture Reference Manual, MIDR_EL1.Implementer: Arm Limited. */
const ARM_IMPLEMENTER = '0x41';

export function cpuinfoText(cpu: LabCpu): string {
  return Array.from({ length: cpu.sockets }, (_, socket) => {
    const fields = [['processor', String(socket)], ...fieldsOf(cpu), ['physical id', String(socket)]];
    return `${fields.map(([key, value]) => `${key}\t: ${value}\n`).join('')}\n`;
  }).join('');
}

function fieldsOf(cpu: LabCpu): [key: string, value: string][] {
  switch (cpu.architecture) {
    case 'x86':
      return [
        ['vendor_id', X86_VENDORS[cpu.vendor] ?? cpu.vendor],
        ...(cpu.family === null ? [] : [['cpu family', String(cpu.family)] as [string, string]]),
        ...(cpu.model === null ? [] : [['model', String(cpu.model)] as [string, string]]),
        ['model name', cpu.name],
        // No `hypervisor`: this is the machine itself.
        ['flags', 'fpu apic constant_tsc'],
      ];
    case 'arm64':
      return [
        ['model name', cpu.name],
        ['CPU implementer', ARM_IMPLEMENTER],
        ['CPU architecture', '8'],
        ...(cpu.model === null
          ? []
          : [['CPU part', `0x${cpu.model.toString(16).padStart(3, '0')}`] as [string, string]]),
      ];
    case 'ppc64':
      return [['cpu', /^(POWER|PPC)/i.test(cpu.name) ? cpu.name : `POWER ${cpu.name}`]];
    case 'riscv64':
      return [
        ['isa', 'rv64imafdc'],
        ['uarch', cpu.name],
      ];
  }
}
