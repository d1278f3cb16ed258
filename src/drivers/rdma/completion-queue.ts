/** A completion queue: polled, and with an event when one was asked for. */
import type { BarWindow, CoherentMemory } from '../../access/index.ts';
import {
  ARM,
  armDoorbell,
  CQ_ENTRY_BYTES,
  CQ_HEAD,
  CQ_IMM,
  CQ_LENGTH,
  CQ_QPN,
  CQ_SRC_QP,
  completionDoorbell,
  WC_FLAG,
  WC_OPCODE,
  WC_STATUS,
  type WcOpcodeName,
  type WcStatusName,
} from '../../spec/rdma/index.ts';
import type { WorkCompletion } from './types.ts';

const STATUS_NAMES = namesOf<WcStatusName>(WC_STATUS);
const OPCODE_NAMES = namesOf<WcOpcodeName>(WC_OPCODE);

function namesOf<Name extends string>(table: Readonly<Record<Name, number>>): readonly (Name | undefined)[] {
  const names: (Name | undefined)[] = [];
  for (const [name, value] of Object.entries(table)) {
    names[value as number] = name as Name;
  }
  return names;
}

/** Where a completion finds the request it is of. */
export interface RequestNumbers {
  /** The request with an index modulo 2^16 is over. @returns what the program called it; undefined: there is none */
  takeSend(index: number): number | undefined;
  takeReceive(index: number): number | undefined;
}

export class CompletionQueue {
  readonly cqn: number;
  /** Entries. */
  readonly cqe: number;
  readonly memory: CoherentMemory;
  /** Completions that named no request that was posted: the NIC does not do that. */
  strangers = 0;
  /** Called for the event that was asked for, from the executor. */
  onCompletion: () => void = () => {};
  readonly #registers: BarWindow;
  readonly #owners: ReadonlyMap<number, RequestNumbers>;
  #taken = 0;

  constructor(
    cqn: number,
    cqe: number,
    memory: CoherentMemory,
    registers: BarWindow,
    owners: ReadonlyMap<number, RequestNumbers>,
  ) {
    this.cqn = cqn;
    this.cqe = cqe;
    this.memory = memory;
    this.#registers = registers;
    this.#owners = owners;
  }

  /**
   * Takes completions.
   * @param into  objects of the caller, filled from the first on
   * @returns how many
   */
  pollCq(into: readonly WorkCompletion[], max: number = into.length): number {
    const { view } = this.memory;
    const before = this.#taken;
    let count = 0;
    while (count < max) {
      const at = (this.#taken % this.cqe) * CQ_ENTRY_BYTES;
      const head = CQ_HEAD.value(view, at);
      const phase = 1 - (Math.floor(this.#taken / this.cqe) % 2);
      if (CQ_HEAD.PHASE.of(head) !== phase) {
        break;
      }
      this.#taken++;
      if (this.#fill(into[count]!, view, at, head)) {
        count++;
      }
    }
    if (this.#taken !== before) {
      this.#registers.write32(completionDoorbell(this.cqn), this.#taken % 0x1_0000);
    }
    return count;
  }

  /** Asks for one event with the next completion. Poll once more afterwards: one that came before gives no event. */
  reqNotifyCq(isSolicitedOnly = false): void {
    this.#registers.write32(armDoorbell(this.cqn), isSolicitedOnly ? ARM.SOLICITED : ARM.ANY);
  }

  #fill(into: WorkCompletion, view: DataView, at: number, head: number): boolean {
    const qpn = CQ_QPN.QPN.read(view, at);
    const isReceive = CQ_HEAD.IS_RECEIVE.of(head) === 1;
    const index = CQ_HEAD.INDEX.of(head);
    const owner = this.#owners.get(qpn);
    const wrId = isReceive ? owner?.takeReceive(index) : owner?.takeSend(index);
    const status = STATUS_NAMES[CQ_HEAD.STATUS.of(head)];
    if (wrId === undefined || status === undefined) {
      // A queue pair that was destroyed leaves its completions behind.
      this.strangers += owner === undefined ? 0 : 1;
      return false;
    }
    const flags = CQ_HEAD.FLAGS.of(head);
    into.wrId = wrId;
    into.status = status;
    into.opcode = OPCODE_NAMES[CQ_QPN.OPCODE.read(view, at)] ?? 'SEND';
    into.isReceive = isReceive;
    into.byteLen = CQ_LENGTH.value(view, at);
    into.immData = (flags & WC_FLAG.WITH_IMM) !== 0 ? CQ_IMM.value(view, at) : undefined;
    into.invalidatedRkey = (flags & WC_FLAG.WITH_INV) !== 0 ? CQ_IMM.value(view, at) : undefined;
    into.qpNum = qpn;
    into.srcQp = CQ_SRC_QP.value(view, at);
    into.hasGrh = (flags & WC_FLAG.GRH) !== 0;
    return true;
  }
}
