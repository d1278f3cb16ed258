/** Machines by description: what QEMU is to build, without the laboratory's own parts. */

export type CpuModel = 'EPYC' | 'EPYC-Rome' | 'Haswell' | 'Skylake-Server' | 'Dhyana' | 'Opteron_G3';

export interface MachineSpec {
  readonly name: string;
  readonly cpu: CpuModel;
  /** QEMU arguments that make devices and what stands behind them. */
  readonly arguments: readonly string[];
  /** Words for the kernel's command line. */
  readonly append: readonly string[];
  readonly memoryMb?: number;
}

function devices(...descriptions: readonly string[]): string[] {
  return descriptions.flatMap((description) => ['-device', description]);
}

/** One root port, one switch, two drives. `a` has a CMB of 64 MiB and so offers peer memory. */
const twoDrivesOneSwitch = devices(
  'pcie-root-port,id=rp0,bus=pcie.0,addr=1.0,chassis=1,slot=1',
  'x3130-upstream,id=up0,bus=rp0',
  'xio3130-downstream,id=dp0,bus=up0,addr=0.0,chassis=1,slot=2',
  'xio3130-downstream,id=dp1,bus=up0,addr=1.0,chassis=1,slot=3',
  'nvme,serial=lab-a,bus=dp0,drive=a,cmb_size_mb=64',
  'nvme,serial=lab-b,bus=dp1,drive=b',
);

/** Two root ports, one drive below each. */
const twoDrivesTwoRootPorts = devices(
  'pcie-root-port,id=rp0,bus=pcie.0,addr=1.0,chassis=1,slot=1',
  'pcie-root-port,id=rp1,bus=pcie.0,addr=2.0,chassis=1,slot=2',
  'nvme,serial=lab-a,bus=rp0,drive=a,cmb_size_mb=64',
  'nvme,serial=lab-b,bus=rp1,drive=b',
);

/**
 * The machines of the copy tests. Each has drives `a` (64 MiB CMB) and `b`, whose images the test provides; in the guest `a` is
 * the function that has `p2pmem`.
 *
 * | name | a to b |
 * |---|---|
 * | sharedSwitch | bus-addr, distance 4, on any CPU: the data stays below the switch |
 * | separateRootPortsIntel | not-supported: q35's 8086:29c0 is not on the kernel's list |
 * | separateRootPortsAmd | thru-host-bridge, distance 4: Zen is always accepted |
 */
export const machines = {
  sharedSwitch: { name: 'shared-switch', cpu: 'Skylake-Server', arguments: twoDrivesOneSwitch, append: [] },
  separateRootPortsIntel: {
    name: 'separate-root-ports-intel',
    cpu: 'Skylake-Server',
    arguments: twoDrivesTwoRootPorts,
    append: [],
  },
  separateRootPortsAmd: {
    name: 'separate-root-ports-amd',
    cpu: 'EPYC',
    arguments: twoDrivesTwoRootPorts,
    append: [],
  },
} as const satisfies Record<string, MachineSpec>;
