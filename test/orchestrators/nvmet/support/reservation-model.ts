// Persistent reservations written down a second time, as plainly as the text has them, to hold the target against.
import { NVME_STATUS } from '../../../../src/spec/nvme/index.ts';

const { RESERVATION_CONFLICT: CONFLICT, INVALID_FIELD: INVALID } = NVME_STATUS;

export interface ModelState {
  readonly generation: number;
  readonly type: number;
  readonly registrants: readonly { readonly host: number; readonly key: number; readonly holds: boolean }[];
}

export class ReservationModel {
  generation = 0;
  type = 0;
  /** Of types 1 to 4. */
  owner: number | null = null;
  keys: { host: number; key: number }[] = [];

  keyOf(host: number): number | null {
    return this.keys.find((one) => one.host === host)?.key ?? null;
  }

  state(): ModelState {
    return {
      generation: this.generation,
      type: this.type,
      registrants: this.keys.map(({ host, key }) => ({ host, key, holds: this.holds(host) })),
    };
  }

  holds(host: number): boolean {
    return this.type >= 5 ? this.keyOf(host) !== null : this.type > 0 && this.owner === host;
  }

  register(host: number, action: number, ignore: boolean, current: number, next: number): number {
    const key = this.keyOf(host);
    if (action === 0) {
      if (key !== null && key !== next) {
        return CONFLICT;
      }
      if (key === null) {
        this.keys.push({ host, key: next });
      }
    } else if (action === 1 || action === 2) {
      if (key === null || (!ignore && key !== current)) {
        return CONFLICT;
      }
      if (action === 1) {
        this.forget([host]);
      } else {
        this.keys = this.keys.map((one) => (one.host === host ? { host, key: next } : one));
      }
    } else {
      return INVALID;
    }
    this.generation++;
    return 0;
  }

  acquire(host: number, action: number, type: number, current: number, preempted: number): number {
    if (type < 1 || type > 6 || action > 2) {
      return INVALID;
    }
    if (this.keyOf(host) !== current) {
      return CONFLICT;
    }
    if (action === 0) {
      if (this.type === 0) {
        [this.type, this.owner] = [type, host];
        return 0;
      }
      return this.holds(host) && this.type === type ? 0 : CONFLICT;
    }
    const others = (isMeant: (key: number) => boolean) =>
      this.keys.filter((one) => one.host !== host && isMeant(one.key)).map((one) => one.host);
    const takesOver =
      (this.type >= 5 && preempted === 0) ||
      (this.type >= 1 && this.type <= 4 && this.keyOf(this.owner!) === preempted);
    if (takesOver) {
      const gone = this.type >= 5 ? others(() => true) : others((key) => key === preempted);
      [this.type, this.owner] = [type, host];
      this.forget(gone);
    } else {
      if (this.type >= 1 && this.type <= 4 && preempted === 0) {
        return INVALID;
      }
      const gone = this.keys.filter((one) => one.key === preempted).map((one) => one.host);
      if (gone.length === 0) {
        return CONFLICT;
      }
      this.forget(gone);
    }
    this.generation++;
    return 0;
  }

  release(host: number, action: number, type: number, current: number): number {
    if (action > 1) {
      return INVALID;
    }
    if (this.keyOf(host) !== current) {
      return CONFLICT;
    }
    if (action === 1) {
      this.keys = [];
      this.type = 0;
      this.generation++;
      return 0;
    }
    if (!this.holds(host)) {
      return 0;
    }
    if (this.type !== type) {
      return INVALID;
    }
    this.type = 0;
    return 0;
  }

  /** NVM Express Base 2.1, 8.1.22: the table of commands against types. */
  mayRead(host: number): boolean {
    return [true, true, this.owner === host, true, this.isIn(host), true, this.isIn(host)][this.type]!;
  }

  mayWrite(host: number): boolean {
    const isOwner = this.owner === host;
    return [true, isOwner, isOwner, this.isIn(host), this.isIn(host), this.isIn(host), this.isIn(host)][
      this.type
    ]!;
  }

  private isIn(host: number): boolean {
    return this.keyOf(host) !== null;
  }

  private forget(hosts: readonly number[]): void {
    this.keys = this.keys.filter((one) => !hosts.includes(one.host));
    const isOwnerGone = this.type >= 1 && this.type <= 4 && hosts.includes(this.owner!);
    if (isOwnerGone || (this.type >= 5 && this.keys.length === 0)) {
      this.type = 0;
    }
  }
}
