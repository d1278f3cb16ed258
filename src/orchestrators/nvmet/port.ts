/** A port at run time: its address, the subsystems behind it, and the state of each ANA group seen through it. */
import { ANA_STATE } from '../../spec/nvme/index.ts';
import type { AnaGroupConfig, AnaStateName, PortConfig, ReferralConfig } from './config/model.ts';

const STATE_OF: Readonly<Record<AnaStateName, number>> = {
  optimized: ANA_STATE.OPTIMIZED,
  'non-optimized': ANA_STATE.NON_OPTIMIZED,
  inaccessible: ANA_STATE.INACCESSIBLE,
  'persistent-loss': ANA_STATE.PERSISTENT_LOSS,
  change: ANA_STATE.CHANGE,
};

/** Groups that a port can have; their numbers go from 1 to this. As the kernel's NVMET_MAX_ANAGRPS. */
export const ANA_GROUPS_MAX = 128;
export const DEFAULT_ANA_GROUP = 1;

export class TargetPort {
  readonly portId: number;
  #config: PortConfig;
  /** By group; a group that is not there is inaccessible. */
  readonly #states = new Map<number, number>();
  /** When the state of a group last changed, in counts of `anaChangeCount`. */
  readonly #changes = new Map<number, number>();
  #anaChangeCount = 0;

  constructor(config: PortConfig) {
    this.portId = config.portId;
    this.#config = config;
    this.#states.set(DEFAULT_ANA_GROUP, ANA_STATE.OPTIMIZED);
    for (const group of config.anaGroups) {
      this.#states.set(group.groupId, STATE_OF[group.state]);
    }
  }

  get config(): PortConfig {
    return this.#config;
  }

  /** Of the log page: grows with each change of a state. */
  get anaChangeCount(): number {
    return this.#anaChangeCount;
  }

  /** ANA_STATE of a group. */
  anaState(groupId: number): number {
    return this.#states.get(groupId) ?? ANA_STATE.INACCESSIBLE;
  }

  anaChangeCountOf(groupId: number): number {
    return this.#changes.get(groupId) ?? 0;
  }

  hasSubsystem(nqn: string): boolean {
    return this.#config.subsystems.includes(nqn);
  }

  /** @returns false when it was so already */
  setAnaState(groupId: number, state: AnaStateName): boolean {
    if (this.#states.get(groupId) === STATE_OF[state]) {
      return false;
    }
    this.#states.set(groupId, STATE_OF[state]);
    this.#anaChangeCount++;
    this.#changes.set(groupId, this.#anaChangeCount);
    const isKnown = this.#config.anaGroups.some((group) => group.groupId === groupId);
    const anaGroups: readonly AnaGroupConfig[] = isKnown
      ? this.#config.anaGroups.map((group) => (group.groupId === groupId ? { ...group, state } : group))
      : [...this.#config.anaGroups, { groupId, state, unknown: {} }];
    this.#config = { ...this.#config, anaGroups };
    return true;
  }

  /** A namespace moved between groups: the log page is another. */
  noteAnaChange(groupId: number): void {
    this.#anaChangeCount++;
    this.#changes.set(groupId, this.#anaChangeCount);
  }

  setSubsystems(subsystems: readonly string[]): void {
    this.#config = { ...this.#config, subsystems };
  }

  setReferrals(referrals: readonly ReferralConfig[]): void {
    this.#config = { ...this.#config, referrals };
  }
}
