/** What is compared between a lab as exported to QEMU and the machine that a guest's kernel sees. */
import type { LabFile } from '../../src/lab/file/index.ts';
import type { Machine, MachineFunction } from '../../src/topology/index.ts';

/** The shared folders of the laboratory, at fixed places on the root bus. */
const LABORATORY = ['0000:00:1d.0', '0000:00:1e.0'];

/** The lab with the kernel that is booted. */
export function withKernel(lab: LabFile, release: string): LabFile {
  return { ...lab, kernel: { ...lab.kernel, release } };
}

export function isOfLab(fn: MachineFunction): boolean {
  return !LABORATORY.includes(fn.bdf);
}

/** What the export promises. That a function is conventional a lab cannot say. */
export function factsOf(fn: Machine['functions'][number]) {
  const { bdf, parent, vendorId, deviceId, classCode, headerType, hostBridge } = fn;
  return {
    bdf: bdf as string,
    parent,
    hostBridge,
    id: [vendorId, deviceId].map((id) => id?.toString(16)).join(':'),
    classCode: classCode?.toString(16),
    headerType,
    acs: fn.acs == null ? null : { capability: fn.acs.capability & 0x7f, control: fn.acs.control },
    bars:
      headerType === 1 ? null : fn.bars?.filter(({ index }) => index < 6).map(({ start: _, ...bar }) => bar),
  };
}

export function byAddress(a: { readonly bdf: string }, b: { readonly bdf: string }): number {
  return a.bdf < b.bdf ? -1 : a.bdf > b.bdf ? 1 : 0;
}

/** Verdicts between functions of the lab only. */
export function withoutLaboratory(tsv: string): string {
  return tsv
    .split('\n')
    .filter((line) => !line.split('\t').some((cell) => LABORATORY.includes(cell)))
    .join('\n');
}
