/** A machine whose CPU is supplied by the person who asks, in place of what the input says of it. */
import type { Cpu, Finding, Machine } from '../machine.ts';

/**
 * The machine with `cpu` as its processor; the machine itself is not changed. Sockets are a fact of the board and stay. A
 * vendor alone takes nothing from what the input says of a processor of that vendor.
 */
export function withGivenCpu(machine: Machine, cpu: Cpu): Machine {
  const known = machine.cpu;
  const saysNoMore = known.vendor === cpu.vendor && cpu.family === undefined;
  return {
    ...machine,
    cpu: saysNoMore ? known : { ...cpu, sockets: known.sockets },
    given: ['cpu'],
    gaps: machine.gaps.filter((gap) => gap.what !== 'cpu'),
    findings: [...machine.findings, ...disagreement(known, cpu)],
  };
}

function disagreement(known: Cpu, given: Cpu): Finding[] {
  return known.vendor === undefined || known.vendor === given.vendor
    ? []
    : [
        {
          at: null,
          code: 'CPU_GIVEN_DISAGREES',
          detail: `${given.vendor} was given as the CPU vendor, and the input says ${known.vendor}; what was given is used`,
        },
      ];
}
