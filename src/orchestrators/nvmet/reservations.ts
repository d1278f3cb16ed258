/**
 * Persistent reservations of one namespace: who is registered, who holds what, and who may do what.
 *
 * A registrant is a host (by its identifier of 128 bits), whatever its controllers. Pure state: commands come in as calls, what
 * other hosts are to be told goes out as notices. Leaves out host identifiers of 64 bits, which fabrics do not have.
 * Follows NVM Express Base 2.1, section 8.1.22, and its commands, 7.4 to 7.8; where it leaves a choice, Linux 6.13
 * drivers/nvme/target/pr.c (a preempt that finds nobody is a conflict; a change of type by preempt tells the others).
 */
import {
  ACQUIRE_ACTION,
  NVME_STATUS,
  PERSISTENCE_CHANGE,
  REGISTER_ACTION,
  RELEASE_ACTION,
  RESERVATION_NOTIFICATION,
  RESERVATION_TYPE,
} from '../../spec/nvme/index.ts';
import { type Outcome, refuse, SUCCESS } from './outcome.ts';

/** What a command does to the namespace, as far as reservations care. */
export const ACCESS = { NONE: 0, READ: 1, WRITE: 2 } as const;

export interface Registrant {
  /** 32 hexadecimal digits. */
  readonly hostId: string;
  key: bigint;
}

/** A host that is to be told: RESERVATION_NOTIFICATION. */
export interface ReservationNotice {
  readonly hostId: string;
  readonly kind: number;
}

export interface ReservationResult {
  readonly outcome: Outcome;
  readonly notices: readonly ReservationNotice[];
  /** Hosts whose commands are to be aborted first (preempt and abort). */
  readonly aborted: readonly string[];
}

/** What survives the loss of power. */
export interface PersistentReservations {
  readonly generation: number;
  readonly type: number;
  readonly holder: string | null;
  readonly registrants: readonly { readonly hostId: string; readonly key: bigint }[];
}

/** Keeps reservations through a loss of power; without one, PTPL is not offered. `save` is called after each change. */
export interface ReservationStore {
  load(subsystemNqn: string, nsid: number): PersistentReservations | null;
  /** Null: there is nothing to keep any more. */
  save(subsystemNqn: string, nsid: number, state: PersistentReservations | null): void;
}

const NOTHING: readonly never[] = [];
const CONFLICT: Outcome = refuse(NVME_STATUS.RESERVATION_CONFLICT);
const INVALID: Outcome = refuse(NVME_STATUS.INVALID_FIELD);

export class Reservations {
  readonly #nqn: string;
  readonly #nsid: number;
  readonly #store: ReservationStore | null;
  /** In the order of registration. */
  readonly #registrants = new Map<string, Registrant>();
  #generation = 0;
  #type = 0;
  /** Null for the types where all registrants hold it. */
  #holder: string | null = null;
  #isPersistent = false;
  #notices: ReservationNotice[] = [];
  #aborted: string[] = [];

  constructor(subsystemNqn: string, nsid: number, store: ReservationStore | null) {
    this.#nqn = subsystemNqn;
    this.#nsid = nsid;
    this.#store = store;
    const kept = store?.load(subsystemNqn, nsid) ?? null;
    if (kept !== null) {
      this.#isPersistent = true;
      this.#generation = kept.generation;
      this.#type = kept.type;
      this.#holder = kept.holder;
      for (const { hostId, key } of kept.registrants) {
        this.#registrants.set(hostId, { hostId, key });
      }
    }
  }

  /** RESERVATION_TYPE, 0 for none. */
  get type(): number {
    return this.#type;
  }

  get generation(): number {
    return this.#generation;
  }

  get isPersistent(): boolean {
    return this.#isPersistent;
  }

  get canPersist(): boolean {
    return this.#store !== null;
  }

  get registrants(): Iterable<Registrant> {
    return this.#registrants.values();
  }

  get registrantCount(): number {
    return this.#registrants.size;
  }

  isHolder(hostId: string): boolean {
    return (
      this.#type !== 0 && (isForAll(this.#type) ? this.#registrants.has(hostId) : this.#holder === hostId)
    );
  }

  isRegistered(hostId: string): boolean {
    return this.#registrants.has(hostId);
  }

  /** Whether a host may do what a command does. Hot: nothing is looked up without a reservation. */
  allows(hostId: string, access: number): boolean {
    if (this.#type === 0 || access === ACCESS.NONE) {
      return true;
    }
    switch (this.#type) {
      case RESERVATION_TYPE.WRITE_EXCLUSIVE:
        return access === ACCESS.READ || this.#holder === hostId;
      case RESERVATION_TYPE.EXCLUSIVE_ACCESS:
        return this.#holder === hostId;
      case RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY:
      case RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS:
        return access === ACCESS.READ || this.#registrants.has(hostId);
      default:
        return this.#registrants.has(hostId);
    }
  }

  /** Reservation Register. @param persistence  CPTPL */
  register(
    hostId: string,
    action: number,
    ignoresKey: boolean,
    currentKey: bigint,
    newKey: bigint,
    persistence: number,
  ): ReservationResult {
    if (persistence === 1 || (persistence === PERSISTENCE_CHANGE.SET && this.#store === null)) {
      return this.#end(INVALID);
    }
    const registrant = this.#registrants.get(hostId);
    const isKeyRight = ignoresKey || registrant?.key === currentKey;
    switch (action) {
      case REGISTER_ACTION.REGISTER:
        if (registrant !== undefined && registrant.key !== newKey) {
          return this.#end(CONFLICT);
        }
        this.#registrants.set(hostId, registrant ?? { hostId, key: newKey });
        break;
      case REGISTER_ACTION.UNREGISTER:
        if (registrant === undefined || !isKeyRight) {
          return this.#end(CONFLICT);
        }
        this.#remove(hostId);
        break;
      case REGISTER_ACTION.REPLACE:
        if (registrant === undefined || !isKeyRight) {
          return this.#end(CONFLICT);
        }
        registrant.key = newKey;
        break;
      default:
        return this.#end(INVALID);
    }
    if (persistence !== PERSISTENCE_CHANGE.NONE) {
      this.#isPersistent = persistence === PERSISTENCE_CHANGE.SET;
    }
    this.#count();
    return this.#end(SUCCESS, true);
  }

  /** Reservation Acquire. */
  acquire(
    hostId: string,
    action: number,
    ignoresKey: boolean,
    type: number,
    currentKey: bigint,
    preemptKey: bigint,
  ): ReservationResult {
    if (ignoresKey || type < 1 || type > 6 || action > ACQUIRE_ACTION.PREEMPT_AND_ABORT) {
      return this.#end(INVALID);
    }
    if (this.#registrants.get(hostId)?.key !== currentKey) {
      return this.#end(CONFLICT);
    }
    if (action === ACQUIRE_ACTION.ACQUIRE) {
      if (this.#type !== 0) {
        return this.#end(this.isHolder(hostId) && this.#type === type ? SUCCESS : CONFLICT);
      }
      this.#hold(hostId, type);
      return this.#end(SUCCESS, true);
    }
    const outcome = this.#preempt(hostId, type, preemptKey);
    if (outcome !== SUCCESS) {
      return this.#end(outcome);
    }
    if (action === ACQUIRE_ACTION.PREEMPT) {
      this.#aborted = [];
    }
    this.#count();
    return this.#end(SUCCESS, true);
  }

  /** Reservation Release. */
  release(
    hostId: string,
    action: number,
    ignoresKey: boolean,
    type: number,
    currentKey: bigint,
  ): ReservationResult {
    if (ignoresKey || action > RELEASE_ACTION.CLEAR) {
      return this.#end(INVALID);
    }
    if (this.#registrants.get(hostId)?.key !== currentKey) {
      return this.#end(CONFLICT);
    }
    if (action === RELEASE_ACTION.CLEAR) {
      for (const other of this.#registrants.keys()) {
        this.#tell(other, hostId, RESERVATION_NOTIFICATION.RESERVATION_PREEMPTED);
      }
      this.#registrants.clear();
      this.#hold(null, 0);
      this.#count();
      return this.#end(SUCCESS, true);
    }
    if (!this.isHolder(hostId)) {
      return this.#end(SUCCESS);
    }
    if (this.#type !== type) {
      return this.#end(INVALID);
    }
    const isShared = type >= RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
    this.#hold(null, 0);
    if (isShared) {
      this.#tellAll(hostId, RESERVATION_NOTIFICATION.RESERVATION_RELEASED);
    }
    return this.#end(SUCCESS, true);
  }

  /** Feature Reservation Persistence. @returns false when it cannot be set */
  setPersistent(isPersistent: boolean): boolean {
    if (isPersistent && this.#store === null) {
      return false;
    }
    this.#isPersistent = isPersistent;
    this.#save();
    return true;
  }

  #preempt(hostId: string, type: number, key: bigint): Outcome {
    const before = this.#type;
    if (isForAll(before) && key === 0n) {
      this.#hold(hostId, type);
      this.#evict(hostId, (registrant) => registrant.hostId !== hostId);
      this.#tellOfChange(hostId, before, type);
      return SUCCESS;
    }
    const holder = this.#holder === null ? undefined : this.#registrants.get(this.#holder);
    if (before !== 0 && !isForAll(before)) {
      if (key === 0n && holder?.key !== 0n) {
        return INVALID;
      }
      if (holder?.key === key) {
        this.#hold(hostId, type);
        this.#evict(hostId, (registrant) => registrant.key === key && registrant.hostId !== hostId);
        this.#tellOfChange(hostId, before, type);
        return SUCCESS;
      }
    }
    // The reservation stays as it is: only registrations go.
    return this.#evict(hostId, (registrant) => registrant.key === key) ? SUCCESS : CONFLICT;
  }

  #tellOfChange(hostId: string, before: number, type: number): void {
    if (before !== type) {
      this.#tellAll(hostId, RESERVATION_NOTIFICATION.RESERVATION_RELEASED);
    }
  }

  /** @returns whether there was anybody */
  #evict(byHostId: string, isMeant: (registrant: Registrant) => boolean): boolean {
    const evicted = [...this.#registrants.values()].filter(isMeant);
    for (const { hostId } of evicted) {
      this.#tell(hostId, byHostId, RESERVATION_NOTIFICATION.REGISTRATION_PREEMPTED);
      if (hostId !== byHostId) {
        this.#aborted.push(hostId);
      }
      this.#remove(hostId);
    }
    return evicted.length > 0;
  }

  /** A registration goes; a reservation that lives by it goes too. */
  #remove(hostId: string): void {
    this.#registrants.delete(hostId);
    if (isForAll(this.#type)) {
      if (this.#registrants.size === 0) {
        this.#hold(null, 0);
      }
      return;
    }
    if (this.#holder !== hostId) {
      return;
    }
    const isForRegistrants = this.#type >= RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
    this.#hold(null, 0);
    if (isForRegistrants) {
      this.#tellAll(hostId, RESERVATION_NOTIFICATION.RESERVATION_RELEASED);
    }
  }

  #hold(hostId: string | null, type: number): void {
    this.#type = type;
    this.#holder = isForAll(type) ? null : hostId;
  }

  #tellAll(exceptHostId: string, kind: number): void {
    for (const hostId of this.#registrants.keys()) {
      this.#tell(hostId, exceptHostId, kind);
    }
  }

  #tell(hostId: string, exceptHostId: string, kind: number): void {
    if (hostId !== exceptHostId) {
      this.#notices.push({ hostId, kind });
    }
  }

  #count(): void {
    this.#generation = (this.#generation + 1) % 0x1_0000_0000;
  }

  #end(outcome: Outcome, isChanged = false): ReservationResult {
    if (outcome !== SUCCESS) {
      return { outcome, notices: NOTHING, aborted: NOTHING };
    }
    const result = { outcome, notices: this.#notices, aborted: this.#aborted };
    this.#notices = [];
    this.#aborted = [];
    if (isChanged) {
      this.#save();
    }
    return result;
  }

  #save(): void {
    if (this.#store === null) {
      return;
    }
    this.#store.save(
      this.#nqn,
      this.#nsid,
      this.#isPersistent
        ? {
            generation: this.#generation,
            type: this.#type,
            holder: this.#holder,
            registrants: [...this.#registrants.values()].map(({ hostId, key }) => ({ hostId, key })),
          }
        : null,
    );
  }
}

function isForAll(type: number): boolean {
  return type >= RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS;
}
