/** The family of a CPU, which may be known to be one of several. */
import type { Cpu } from '../machine.ts';

/** Every CPUID family that it may be; empty when nothing is known. */
export function familiesOf(cpu: Cpu): readonly number[] {
  return cpu.family === undefined ? (cpu.possibleFamilies ?? []) : [cpu.family];
}

/** `0x19`, `0x17 or 0x19`; undefined when nothing is known. */
export function familyText(cpu: Cpu): string | undefined {
  const families = familiesOf(cpu);
  return families.length === 0 ? undefined : families.map((one) => `0x${one.toString(16)}`).join(' or ');
}
