/** What a reader hands in: drafts, in which a property that is missing (or undefined) is unknown. */
import type { Bdf } from '../../base/index.ts';
import type { SriovState } from '../config/index.ts';
import type { Cpu, Finding, Gap, IommuState, KernelState, Machine, MachineFunction } from '../machine.ts';

/** Of a PF, as its SR-IOV capability has it: where its VFs are. */
export type SriovLayout = Pick<SriovState, 'isEnabled' | 'numVfs' | 'firstVfOffset' | 'vfStride'>;

export interface HostBridgeDraft {
  /** `pci0000:00`, or what the input calls it. */
  readonly key: string;
  readonly numaNode?: number | null | undefined;
  /** The endpoint that its domain hangs off, where the reader knows. */
  readonly behind?: Bdf | null | undefined;
}

/** Every field of `T` may be missing or undefined. */
export type Draft<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What a reader knows of one function. */
export type FunctionDraft = { readonly bdf: Bdf } & Draft<Omit<MachineFunction, 'bdf'>> & {
    /** Of a PF with VFs enabled: where its VFs are. Null: it has none. */
    readonly sriov?: SriovLayout | null | undefined;
  };

/** What a reader knows of a machine. */
export interface MachineDraft {
  readonly source: Machine['source'];
  readonly functions: readonly FunctionDraft[];
  /** True when `functions` stand in the order of the kernel's bus lists; otherwise they are put in address order. */
  readonly isBusListOrder?: boolean | undefined;
  /** True when the input may leave bridges out, so that a bus that no bridge owns need not be a root bus. */
  readonly mayMissBridges?: boolean | undefined;
  /** True when the input leaves out nothing that the kernel shows: its own files, or a complete snapshot of them. */
  readonly isWhole?: boolean | undefined;
  /** Host bridges that the reader knows more of than the addresses of their functions say. */
  readonly hostBridges?: readonly HostBridgeDraft[] | undefined;
  readonly cpu?: Draft<Cpu> | undefined;
  readonly kernel?: Draft<KernelState> | undefined;
  readonly iommu?: Draft<IommuState> | undefined;
  readonly isVirtual?: boolean | undefined;
  /** Gaps that only the reader can explain; the general ones are added here. */
  readonly gaps?: readonly Gap[] | undefined;
  readonly findings?: readonly Finding[] | undefined;
}
