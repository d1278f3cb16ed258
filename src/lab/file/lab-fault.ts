/** Faults of a lab: which device does what wrong, when, and how often. What makes no sense for an action is null. */

export const FAULT_ACTIONS = [
  'delay',
  'status',
  'drop',
  'wrong-phase',
  'wrong-cid',
  'twice',
  'fatal',
  'media',
  'flip',
  'remove',
  'link-down',
  'cmb-gone',
] as const;
export type LabFaultAction = (typeof FAULT_ACTIONS)[number];

export const FAULT_DIRECTIONS = ['read', 'write'] as const;
export const FAULT_TRAFFIC = ['data', 'control'] as const;

export interface LabFault {
  /** Name of an endpoint. */
  readonly device: string;
  readonly action: LabFaultAction;
  /** Commands of this queue; null: of all. */
  readonly queue: 'admin' | 'io' | number | null;
  readonly opcode: number | null;
  readonly nsid: number | null;
  /** Blocks of `media`. */
  readonly firstLba: number | null;
  readonly lastLba: number | null;
  /** What matches and passes first. */
  readonly skip: number;
  /** Times that it acts; Infinity is for ever. */
  readonly count: number;
  /** Of acting, once `skip` have passed. */
  readonly probability: number;
  /** From when the machine runs on; a moment of simulated time, or of the clock on the wall where a guest is served. */
  readonly afterPs: number;
  readonly delayPs: number | null;
  /** `sct << 8 | sc`. */
  readonly status: number | null;
  /** Of `media` what the host does, of `flip` what the device does to memory; null: both. */
  readonly direction: (typeof FAULT_DIRECTIONS)[number] | null;
  /** Of `flip`; null: both. */
  readonly traffic: (typeof FAULT_TRAFFIC)[number] | null;
  /** Of `flip`, counted from the first byte of what is transferred; null: any. */
  readonly bit: number | null;
}

/** Whether a fault waits for a command, or for DMA, and not for a moment alone. */
export function isTriggeredFault(fault: LabFault): boolean {
  switch (fault.action) {
    case 'remove':
    case 'link-down':
    case 'cmb-gone':
      return (
        fault.queue !== null ||
        fault.opcode !== null ||
        fault.nsid !== null ||
        fault.skip > 0 ||
        fault.probability < 1
      );
    default:
      return true;
  }
}
