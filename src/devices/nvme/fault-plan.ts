/**
 * Errors on purpose: what a controller does wrong, when, and how often.
 *
 * A test or a lab hands a plan to the controller and may change it at any time. Rules are asked in order; the first
 * that matches acts. Randomness comes from a seed, so a run with faults is as repeatable as one without. Media ranges are
 * asked by io/, everything else by the queue engine. An empty plan costs one comparison per command.
 */
import { SeededRandom } from '../../base/index.ts';
import { NVME_STATUS } from '../../spec/nvme/index.ts';

export type FaultAction =
  /** Completes with this status (`sct << 8 | sc`) and is not executed. */
  | { readonly kind: 'status'; readonly status: number; readonly dnr?: boolean; readonly dw0?: number }
  /** Executes, and the completion is lost. */
  | { readonly kind: 'drop' }
  /** Is not executed before `delayPs` have passed; passes in untimed machines too. An Abort succeeds meanwhile. */
  | { readonly kind: 'delay'; readonly delayPs: number }
  /** The completion bears the old phase tag: the host does not see it. */
  | { readonly kind: 'wrong-phase' }
  /** The completion bears a command identifier that is not the command's. */
  | { readonly kind: 'wrong-cid' }
  /** The completion is there twice. */
  | { readonly kind: 'twice' }
  /** CSTS.CFS: the controller stops and waits for a reset. */
  | { readonly kind: 'fatal' }
  /** Nothing is wrong with the command: somebody waits for it (`onAct`). */
  | { readonly kind: 'none' };

/** When a fault begins, and who hears of it. */
export interface FaultTiming {
  /** Not asked before it matches otherwise; missing: always. */
  readonly isDue?: () => boolean;
  /** Called each time that it acts, within the work on the command. */
  readonly onAct?: () => void;
}

export interface FaultRule extends FaultTiming {
  readonly action: FaultAction;
  readonly queue?: 'admin' | 'io' | number;
  readonly opcode?: number;
  readonly nsid?: number;
  /** Matching commands that pass first; default 0. */
  readonly skip?: number;
  /** Times that it acts; default 1. */
  readonly count?: number;
  /** Of those that match after `skip`; default 1. */
  readonly probability?: number;
}

export interface MediaFault extends FaultTiming {
  readonly nsid: number;
  readonly slba: number;
  readonly blocks: number;
  /** Default both. */
  readonly on?: 'read' | 'write' | 'both';
  /** Default: unrecovered read error, or write fault. */
  readonly status?: number;
  /** Times; default without end. A write may repair it: see `isRepairedByWrite`. */
  readonly count?: number;
  readonly isRepairedByWrite?: boolean;
}

interface ActiveRule {
  readonly rule: FaultRule;
  skip: number;
  left: number;
}

interface ActiveMediaFault {
  readonly fault: MediaFault;
  left: number;
}

export class FaultPlan {
  readonly #random: SeededRandom;
  #rules: ActiveRule[] = [];
  #media: ActiveMediaFault[] = [];
  /** No command rule is left: the hot path looks no further. */
  isEmpty = true;
  /** No media fault is left. */
  isMediaSound = true;
  /** Where the last media fault that was found starts to matter; valid until the next question. */
  faultLba = 0;

  constructor(seed = 1) {
    this.#random = new SeededRandom(seed);
  }

  add(rule: FaultRule): this {
    this.#rules.push({ rule, skip: rule.skip ?? 0, left: rule.count ?? 1 });
    this.isEmpty = false;
    return this;
  }

  addMedia(fault: MediaFault): this {
    this.#media.push({ fault, left: fault.count ?? Number.POSITIVE_INFINITY });
    this.isMediaSound = false;
    return this;
  }

  /** Takes a rule back, if it still is there. */
  remove(rule: FaultRule): void {
    this.#dropRules((active) => active.rule === rule);
  }

  removeMedia(fault: MediaFault): void {
    this.#dropMedia((active) => active.fault === fault);
  }

  clear(): void {
    this.#rules = [];
    this.#media = [];
    this.isEmpty = true;
    this.isMediaSound = true;
  }

  /** What shall go wrong with a command that was just fetched; null for nothing. */
  forCommand(queueId: number, opcode: number, nsid: number): FaultAction | null {
    for (const active of this.#rules) {
      if (!matches(active.rule, queueId, opcode, nsid) || active.rule.isDue?.() === false) {
        continue;
      }
      if (active.skip > 0) {
        active.skip--;
        continue;
      }
      if (active.rule.probability !== undefined && this.#random.fraction() >= active.rule.probability) {
        continue;
      }
      if (--active.left === 0) {
        this.#dropRules((other) => other === active);
      }
      active.rule.onAct?.();
      return active.rule.action;
    }
    return null;
  }

  /**
   * Whether the media fail somewhere in a range.
   * @returns 0, or the status; `faultLba` is then the first block that fails
   */
  forMedia(nsid: number, slba: number, blocks: number, isWrite: boolean): number {
    for (const active of this.#media) {
      const { fault } = active;
      const start = Math.max(slba, fault.slba);
      if (
        fault.nsid !== nsid ||
        start >= Math.min(slba + blocks, fault.slba + fault.blocks) ||
        fault.isDue?.() === false
      ) {
        continue;
      }
      if (isWrite && fault.isRepairedByWrite === true) {
        this.#dropMedia((other) => other === active);
        continue;
      }
      const on = fault.on ?? 'both';
      if (on !== 'both' && on !== (isWrite ? 'write' : 'read')) {
        continue;
      }
      if (--active.left === 0) {
        this.#dropMedia((other) => other === active);
      }
      fault.onAct?.();
      this.faultLba = start;
      return fault.status ?? (isWrite ? NVME_STATUS.WRITE_FAULT : NVME_STATUS.UNRECOVERED_READ_ERROR);
    }
    return 0;
  }

  #dropRules(isMeant: (active: ActiveRule) => boolean): void {
    this.#rules = this.#rules.filter((active) => !isMeant(active));
    this.isEmpty = this.#rules.length === 0;
  }

  #dropMedia(isMeant: (active: ActiveMediaFault) => boolean): void {
    this.#media = this.#media.filter((active) => !isMeant(active));
    this.isMediaSound = this.#media.length === 0;
  }
}

function matches(rule: FaultRule, queueId: number, opcode: number, nsid: number): boolean {
  const isQueue =
    rule.queue === undefined ||
    (rule.queue === 'admin' ? queueId === 0 : rule.queue === 'io' ? queueId !== 0 : rule.queue === queueId);
  return (
    isQueue &&
    (rule.opcode === undefined || rule.opcode === opcode) &&
    (rule.nsid === undefined || rule.nsid === nsid)
  );
}
