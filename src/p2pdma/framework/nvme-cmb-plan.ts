/**
 * What Linux makes of an NVMe controller memory buffer: nvme_map_cmb() of drivers/nvme/host/pci.c as a plan (spec nvme-cmb.md
 * section 2.2), for our driver to carry out and for whoever wants to know beforehand.
 *
 * The plan ends before add_resource, whose refusals come from there; after one, the driver writes `undo`.
 */
import type { KernelBehaviour } from './kernel-behaviour.ts';

/** Fields of CMBSZ and CMBLOC as they stand in the registers. */
export interface CmbRegisters {
  readonly SZ: number;
  readonly SZU: number;
  readonly SQS: boolean;
  readonly RDS: boolean;
  readonly WDS: boolean;
  readonly BIR: number;
  readonly OFST: number;
}

export interface CmbFacts {
  /** CAP.CMBS: the controller has CMBMSC and shows the registers only once CRE is set. */
  readonly hasCmbmsc: boolean;
  /** After CRE was written; null when CMBSZ reads 0. */
  readonly registers: CmbRegisters | null;
  /** Of the BAR that BIR names; null when it is no memory BAR. */
  readonly bar: { readonly lengthBytes: number; readonly physAddr: number; readonly busAddr: number } | null;
  /** Module parameter use_cmb_sqs. Default true. */
  readonly mayHoldQueues?: boolean;
  /** What start and size must be multiples of where the kernel tests it. Default 2 MiB. */
  readonly alignBytes?: number;
}

export type CmbPlan =
  | { readonly action: 'none'; readonly why: string }
  | {
      readonly action: 'add';
      readonly bar: number;
      readonly offsetBytes: number;
      /** Handed to add_resource; 0 takes the rest of the BAR, which is what SZ = 0 leads to. */
      readonly sizeBytes: number;
      /** Bus address for CMBMSC, to be written with CRE and CMSE, high dword first; null where it is not written. */
      readonly cmbmscAddress: number | null;
      readonly usesForQueues: boolean;
      /** RDS and WDS both: others may find it. */
      readonly publishes: boolean;
    };

/** True when CRE has to be written to CMBMSC before CMBSZ and CMBLOC are read. */
export function writesCre(behaviour: KernelBehaviour, hasCmbmsc: boolean): boolean {
  return behaviour.nvmeWritesCmbmsc && hasCmbmsc;
}

const SZU_MAX = 6;
const MIB = 2 ** 20;

export function nvmeCmbPlan(facts: CmbFacts, behaviour: KernelBehaviour): CmbPlan {
  const { registers, bar, hasCmbmsc, alignBytes = 2 * MIB } = facts;
  if (registers === null) {
    const isHidden = hasCmbmsc && !behaviour.nvmeWritesCmbmsc;
    return {
      action: 'none',
      why: isHidden ? 'this kernel does not enable CMBSZ, which reads 0' : 'CMBSZ is 0',
    };
  }
  if (registers.SZU > SZU_MAX) {
    return { action: 'none', why: `CMBSZ.SZU ${registers.SZU} is reserved` };
  }
  const unit = 2 ** (12 + 4 * registers.SZU);
  const offsetBytes = unit * registers.OFST;
  const barBytes = bar?.lengthBytes ?? 0;
  if (offsetBytes > barBytes) {
    return { action: 'none', why: 'CMBLOC.OFST lies beyond the BAR' };
  }
  const sizeBytes = Math.min(unit * registers.SZ, barBytes - offsetBytes);
  const start = bar?.physAddr ?? 0;
  if (behaviour.nvmeChecksCmbAlignment && (sizeBytes % alignBytes !== 0 || start % alignBytes !== 0)) {
    return { action: 'none', why: `size or BAR is no multiple of ${alignBytes / MIB} MiB` };
  }
  return {
    action: 'add',
    bar: registers.BIR,
    offsetBytes,
    sizeBytes,
    cmbmscAddress: writesCre(behaviour, hasCmbmsc) ? (bar?.busAddr ?? 0) + offsetBytes : null,
    usesForQueues: registers.SQS && (facts.mayHoldQueues ?? true),
    publishes: registers.RDS && registers.WDS,
  };
}
