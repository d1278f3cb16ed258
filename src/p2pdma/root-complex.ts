/**
 * What root complexes of a family are known to do with a request from one root port to another. The specification leaves
 * it to the implementation (PCIe Base 6.0, 1.3.1), so this is a table of evidence, not of rules.
 *
 * Sources are the calibration rows (C..) of the timing model's section 9 and the list of host bridges in Linux.
 */
import { bdfParts } from '../base/index.ts';
import type { Cpu, Machine, MachineFunction } from '../topology/index.ts';

export type PeerSupport = 'routes' | 'refuses' | 'unknown';

export interface RootComplexKnowledge {
  /** Names of the timing model's presets; `unknown` for everything without evidence. */
  readonly family:
    | 'intel-client'
    | 'intel-xeon-e5'
    | 'intel-xeon-bdw'
    | 'intel-xeon-skl-and-later'
    | 'amd-zen1-2'
    | 'amd-zen3-5'
    | 'unknown';
  readonly writes: PeerSupport;
  /** A refused read ends as Unsupported Request. */
  readonly reads: PeerSupport;
  /** Between root ports of different sockets, where that is known. */
  readonly acrossSockets: PeerSupport;
  /**
   * Payload of the packets in which writes to a peer leave the root complex, whatever came in (pcie-timing-model section 9,
   * C34). Null: they keep their size. Undefined: not known.
   */
  readonly splitBytes: number | null | undefined;
  /** One line: where this is known from, or why it is not known. */
  readonly source: string;
}

function unknownFamily(source: string): RootComplexKnowledge {
  return {
    family: 'unknown',
    writes: 'unknown',
    reads: 'unknown',
    acrossSockets: 'unknown',
    splitBytes: undefined,
    source,
  };
}

/** Intel's server root complexes send peer writes on in packets of one cache line (C34). */
const XEON_SPLIT_BYTES = 64;

const ZEN_1_2: RootComplexKnowledge = {
  family: 'amd-zen1-2',
  writes: 'routes',
  reads: 'routes',
  acrossSockets: 'routes',
  splitBytes: null,
  source: 'measured on 2x EPYC 7302 (C14) and Threadripper PRO 3995WX (C15)',
};
const ZEN_3_5: RootComplexKnowledge = {
  family: 'amd-zen3-5',
  writes: 'routes',
  reads: 'routes',
  acrossSockets: 'routes',
  splitBytes: null,
  source: 'measured on Threadripper PRO 7965WX (C13)',
};
const INTEL_CLIENT: RootComplexKnowledge = {
  family: 'intel-client',
  writes: 'routes',
  reads: 'refuses',
  acrossSockets: 'unknown',
  splitBytes: undefined,
  source: 'peer writes work and peer reads fail on Arrow Lake-S/Z890 (C12)',
};
const XEON_E5: RootComplexKnowledge = {
  family: 'intel-xeon-e5',
  writes: 'routes',
  reads: 'routes',
  acrossSockets: 'unknown',
  splitBytes: XEON_SPLIT_BYTES,
  source: 'Linux lists these host bridges, for devices below the same one only (494d63b0d5d0)',
};
const XEON_BROADWELL: RootComplexKnowledge = {
  family: 'intel-xeon-bdw',
  writes: 'routes',
  reads: 'routes',
  acrossSockets: 'routes',
  splitBytes: XEON_SPLIT_BYTES,
  source: 'measured on Xeon E5-2650 v4 (C11); planner values of NCCL (C34)',
};
const XEON_SKYLAKE: RootComplexKnowledge = {
  family: 'intel-xeon-skl-and-later',
  writes: 'routes',
  reads: 'routes',
  acrossSockets: 'routes',
  splitBytes: XEON_SPLIT_BYTES,
  source: 'planner values of NCCL, used in production (C34)',
};

/** Intel family 6 by CPUID model; what is in no row is unknown. Models: Linux arch/x86/include/asm/intel-family.h. */
const INTEL_MODELS: readonly (readonly [RootComplexKnowledge, readonly number[]])[] = [
  [XEON_E5, [0x2d, 0x3e, 0x3f]],
  [XEON_BROADWELL, [0x4f, 0x56]],
  // Skylake-X and its successors: Ice Lake, Sapphire, Emerald, Granite Rapids, Sierra Forest.
  [XEON_SKYLAKE, [0x55, 0x6a, 0x6c, 0x8f, 0xcf, 0xad, 0xae, 0xaf]],
  // Seen on Arrow Lake-S alone (0xc6); its siblings of the client line from Sandy Bridge on have the same kind of agent.
  [INTEL_CLIENT, [0x2a, 0x3a, 0x3c, 0x45, 0x46, 0x3d, 0x47, 0x4e, 0x5e, 0x8e, 0x9e, 0xa5, 0xa6]],
  [INTEL_CLIENT, [0x7d, 0x7e, 0x8c, 0x8d, 0xa7, 0x97, 0x9a, 0xb7, 0xba, 0xbf, 0xaa, 0xac, 0xbd, 0xc5, 0xc6]],
];

/** Knowledge about the root complex that belongs to a CPU. Of a guest's CPU nothing follows: its root ports are the hypervisor's. */
export function rootComplexKnowledge(cpu: Cpu, isVirtual?: boolean): RootComplexKnowledge {
  if (isVirtual === true) {
    return unknownFamily('in a virtual machine root ports are made by the hypervisor, whatever the CPU');
  }
  const { vendor, family, model } = cpu;
  if (vendor === 'amd' && family === undefined && cpu.possibleFamilies !== undefined) {
    return commonKnowledge(cpu.possibleFamilies.map(amdKnowledge));
  }
  if (vendor === undefined || family === undefined) {
    return unknownFamily('the CPU is not known');
  }
  if (vendor === 'amd' && family >= 0x17) {
    return amdKnowledge(family);
  }
  if (vendor === 'intel' && family === 6) {
    const row = model === undefined ? undefined : INTEL_MODELS.find(([, models]) => models.includes(model));
    return row?.[0] ?? unknownFamily(`no evidence for Intel family 6 model ${model ?? 'unknown'}`);
  }
  return unknownFamily(`no evidence for ${vendor} family ${family}`);
}

/** What holds whichever of several it is. */
function commonKnowledge(all: readonly RootComplexKnowledge[]): RootComplexKnowledge {
  const common = <T>(of: (one: RootComplexKnowledge) => T, otherwise: T): T => {
    const [first, ...rest] = all.map(of);
    return first !== undefined && rest.every((value) => value === first) ? first : otherwise;
  };
  return {
    family: common((one) => one.family, 'unknown'),
    writes: common((one) => one.writes, 'unknown'),
    reads: common((one) => one.reads, 'unknown'),
    acrossSockets: common((one) => one.acrossSockets, 'unknown'),
    splitBytes: common((one) => one.splitBytes, undefined),
    source: [...new Set(all.map((one) => one.source))].join('; '),
  };
}

/**
 * A root port of an Intel chipset (PCH), which reaches the CPU's own ports over DMI: devices 1Ah to 1Dh of the root bus 0,
 * or 80h where the chipset has that one (PCH and SoC datasheets; 1Ah from the 600 series on). Hypervisors put ports
 * wherever they like, so of a guest this says false.
 */
export function isIntelChipsetPort(machine: Machine, fn: MachineFunction): boolean {
  const { domain, bus, device } = bdfParts(fn.bdf);
  return (
    machine.isVirtual !== true &&
    (fn.vendorId ?? (machine.cpu.vendor === 'intel' ? 0x8086 : undefined)) === 0x8086 &&
    fn.pcieType === 'root-port' &&
    domain === 0 &&
    (bus === 0 || bus === 0x80) &&
    device >= 0x1a &&
    device <= 0x1d
  );
}

/**
 * Whether two NUMA nodes belong to different sockets. Where a machine has more nodes than sockets (AMD's NPS, sub-NUMA
 * clusters of Intel) two nodes may be of one socket, and the answer is undefined.
 */
export function differInSocket(
  machine: Machine,
  a: number | null | undefined,
  b: number | null | undefined,
): boolean | undefined {
  const { sockets } = machine.cpu;
  if (sockets === 1) {
    return false;
  }
  if (sockets === undefined || typeof a !== 'number' || typeof b !== 'number') {
    return undefined;
  }
  if (a === b) {
    return false;
  }
  return highestNode(machine) < sockets ? true : undefined;
}

/** A machine does not change, and a matrix asks once a pair. */
const highestNodes = new WeakMap<Machine, number>();

function highestNode(machine: Machine): number {
  let highest = highestNodes.get(machine);
  if (highest === undefined) {
    highest = -1;
    for (const { numaNode } of [...machine.hostBridges, ...machine.functions]) {
      highest = Math.max(highest, numaNode ?? -1);
    }
    highestNodes.set(machine, highest);
  }
  return highest;
}

/** Family 17h is Zen 1 and 2, 19h Zen 3 and 4, 1Ah Zen 5. */
function amdKnowledge(family: number): RootComplexKnowledge {
  if (family === 0x17) {
    return ZEN_1_2;
  }
  return family === 0x19 || family === 0x1a ? ZEN_3_5 : unknownFamily(`no evidence for AMD family ${family}`);
}
