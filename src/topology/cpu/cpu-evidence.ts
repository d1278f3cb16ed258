/**
 * The CPU vendor from PCI functions that are part of the processor package, for inputs that do not name the CPU.
 *
 * Only functions count that no hypervisor makes: data fabric and northbridge functions of AMD and Hygon, and uncore
 * functions and the processor's own root ports of Intel. Host bridges prove nothing: those of 440FX (8086:1237), 440BX and
 * Q35 (8086:29c0) stand in guests on any CPU.
 *
 * Sources, for facts only: Linux include/linux/pci_ids.h, arch/x86/kernel/amd_nb.c and drivers/hwmon/k10temp.c (AMD, where the
 * id of function 3 is named); arch/x86/events/intel/uncore_snbep.c (Intel UBOX ids); pci.ids (names and the rest of each row).
 */
import { bdfParts } from '../../base/index.ts';
import type { Cpu, Finding, MachineFunction } from '../machine.ts';

/** Functions with consecutive ids, of one kind of processor. */
interface EvidenceRow {
  readonly vendor: 'amd' | 'hygon' | 'intel';
  readonly vendorId: number;
  readonly first: number;
  readonly count: number;
  /** CPUID families that have these functions: several where one I/O die serves two generations. */
  readonly families: readonly number[];
  readonly name: string;
}

/** Data fabric of Zen: eight functions of device 18h, the id of function 0 first. */
function fabric(first: number, families: readonly number[], name: string): EvidenceRow {
  return { vendor: 'amd', vendorId: 0x1022, first, count: 8, families, name: `${name} data fabric` };
}

/** Northbridge of the families before Zen, at the same place. */
function northbridge(first: number, count: number, family: number): EvidenceRow {
  const name = `family ${family.toString(16)}h northbridge`;
  return { vendor: 'amd', vendorId: 0x1022, first, count, families: [family], name };
}

function intel(first: number, count: number, name: string): EvidenceRow {
  return { vendor: 'intel', vendorId: 0x8086, first, count, families: [6], name };
}

const ROWS: readonly EvidenceRow[] = [
  northbridge(0x1200, 5, 0x10),
  northbridge(0x1400, 6, 0x15),
  northbridge(0x141a, 6, 0x15),
  northbridge(0x1570, 6, 0x15),
  northbridge(0x15b0, 6, 0x15),
  northbridge(0x1600, 6, 0x15),
  northbridge(0x1530, 6, 0x16),
  northbridge(0x1580, 6, 0x16),
  fabric(0x1460, [0x17], 'Naples'),
  fabric(0x15e8, [0x17], 'Raven'),
  fabric(0x1490, [0x17], 'Rome'),
  fabric(0x13f0, [0x17], 'Ariel'),
  fabric(0x1448, [0x17], 'Renoir'),
  fabric(0x1660, [0x17], 'Van Gogh'),
  fabric(0x1724, [0x17], 'Mendocino'),
  fabric(0x1440, [0x17, 0x19], 'Matisse and Vermeer'),
  fabric(0x1650, [0x19], 'Milan'),
  fabric(0x166a, [0x19], 'Cezanne'),
  fabric(0x1679, [0x19], 'Rembrandt'),
  fabric(0x14ad, [0x19], 'Genoa'),
  fabric(0x14f0, [0x19], 'Phoenix'),
  fabric(0x12f8, [0x19], 'Phoenix 2'),
  fabric(0x14e0, [0x19, 0x1a], 'Raphael and Granite Ridge'),
  fabric(0x12c0, [0x1a], 'Turin'),
  fabric(0x16f8, [0x1a], 'Strix'),
  fabric(0x1248, [0x1a], 'Krackan'),
  fabric(0x12b8, [0x1a], 'Strix Halo'),
  fabric(0x12c8, [0x1a], 'models 50h'),
  fabric(0x1278, [0x1a], 'models 90h'),
  { ...fabric(0x1460, [0x18], 'Dhyana'), vendor: 'hygon', vendorId: 0x1d94 },

  intel(0x2c18, 3, 'Xeon 5500 memory controller'),
  intel(0x2cd8, 3, 'Xeon C5500 memory controller'),
  intel(0x2d98, 3, 'Xeon 5600 memory controller'),
  intel(0x2b04, 1, 'Xeon E7 power controller'),
  intel(0x3cc0, 3, 'Xeon E5 power control unit'),
  intel(0x3ce0, 1, 'Xeon E5 UBOX'),
  intel(0x0ec0, 5, 'Xeon E5 v2 power control unit'),
  intel(0x0e1e, 1, 'Xeon E5 v2 UBOX'),
  intel(0x2fc0, 6, 'Xeon E5 v3 power control unit'),
  intel(0x2f1e, 1, 'Xeon E5 v3 UBOX'),
  intel(0x2fb0, 8, 'Xeon E5 v3 memory controller'),
  intel(0x6fc0, 6, 'Xeon E5 v4 power control unit'),
  intel(0x6f1e, 1, 'Xeon E5 v4 UBOX'),
  intel(0x6fb0, 8, 'Xeon E5 v4 memory controller'),
  intel(0x2014, 3, 'Skylake-E UBOX'),
  intel(0x2080, 7, 'Skylake-E power control unit'),
  intel(0x3450, 1, 'Ice Lake-SP UBOX'),
  intel(0x3250, 1, 'Sapphire Rapids UBOX'),
  // From Ice Lake-SP on each PCIe stack of a Xeon has one.
  intel(0x09a4, 1, 'Xeon mesh to PCIe agent'),
  // Client processors show no uncore functions; of theirs only the ports for graphics cards are known to nobody else.
  ...[0x0101, 0x0151, 0x0c01, 0x1601, 0x1901].flatMap((id) =>
    [id, id + 4, id + 8].map((port) => intel(port, 1, 'Core processor root port')),
  ),
];

/** The AMD functions stand at devices 18h to 1Fh of bus 0, one device a node, function number by id. */
const AMD_NODE_FIRST = 0x18;

function rowFor(fn: MachineFunction): EvidenceRow | undefined {
  const { vendorId, deviceId } = fn;
  if (vendorId === undefined || deviceId === undefined) {
    return undefined;
  }
  const row = ROWS.find(
    (one) => one.vendorId === vendorId && deviceId >= one.first && deviceId < one.first + one.count,
  );
  if (row === undefined || row.vendor === 'intel') {
    return row;
  }
  const at = bdfParts(fn.bdf);
  const isInPlace =
    at.domain === 0 && at.bus === 0 && at.device >= AMD_NODE_FIRST && at.function === deviceId - row.first;
  return isInPlace ? row : undefined;
}

export interface CpuEvidence {
  /** What follows; empty when the functions contradict each other. */
  readonly cpu: Partial<Cpu>;
  readonly finding: Finding;
}

/**
 * What the functions of a machine say of its CPU. Undefined when none of them is evidence.
 *
 * The work is one pass over the functions.
 */
export function cpuFromFunctions(functions: readonly MachineFunction[]): CpuEvidence | undefined {
  let vendor: EvidenceRow['vendor'] | undefined;
  let families: readonly number[] = [];
  let witness: { readonly fn: MachineFunction; readonly row: EvidenceRow } | undefined;
  for (const fn of functions) {
    const row = rowFor(fn);
    if (row === undefined) {
      continue;
    }
    if (witness === undefined) {
      witness = { fn, row };
      vendor = row.vendor;
      families = row.families;
      continue;
    }
    families = families.filter((family) => row.families.includes(family));
    if (row.vendor !== vendor || families.length === 0) {
      return {
        cpu: {},
        finding: {
          at: fn.bdf,
          code: 'CPU_EVIDENCE_DISAGREES',
          detail: `${described(fn, row)}, but ${described(witness.fn, witness.row)} at ${witness.fn.bdf}: the CPU is taken as unknown`,
        },
      };
    }
  }
  if (witness === undefined || vendor === undefined) {
    return undefined;
  }
  const isOne = families.length === 1;
  return {
    cpu: {
      vendor,
      architecture: 'x86',
      family: isOne ? families[0] : undefined,
      ...(isOne ? {} : { possibleFamilies: families }),
    },
    finding: {
      at: witness.fn.bdf,
      code: 'CPU_FROM_FUNCTIONS',
      detail: `the input does not name the CPU; ${described(witness.fn, witness.row)}, which is part of the processor: vendor ${vendor}, family ${families.map(hex).join(' or ')}`,
    },
  };
}

function described(fn: MachineFunction, row: EvidenceRow): string {
  const id = [fn.vendorId, fn.deviceId].map((word) => (word ?? 0).toString(16).padStart(4, '0')).join(':');
  const maker = { amd: 'an AMD', hygon: 'a Hygon', intel: 'an Intel' }[row.vendor];
  return `${id} is ${maker} ${row.name} function`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
